"""Building blocks that operators attach: the first atom of each SMILES takes the new bond."""

from functools import lru_cache
from typing import Any

SUBSTITUENTS = (
    "F", "Cl", "Br", "C", "CC", "C(C)C", "C(C)(C)C", "C1CC1", "C(F)(F)F", "C(F)F", "C#N", "C=C", "C#C",
    "O", "OC", "OCC", "OC(F)(F)F", "OC(F)F", "CO", "CCO", "COC", "C=O", "C(=O)C", "C(=O)O", "C(=O)OC",
    "C(=O)N", "C(=O)NC", "C(=O)N(C)C", "NC(=O)C", "NC(=O)N", "N", "NC", "N(C)C", "CN", "CN(C)C", "CCN",
    "S", "SC", "S(=O)(=O)C", "S(=O)(=O)N", "NS(=O)(=O)C", "S(=O)C", "[N+](=O)[O-]", "P(=O)(OC)OC",
)  # fmt: skip
"""Small groups of medicinal and materials chemistry."""

RINGS = (
    "c1ccccc1", "c1ccc(F)cc1", "c1ccc(OC)cc1", "c1ccncc1", "c1cccnc1", "c1ccccn1", "c1ncccn1", "c1cnccn1",
    "c1cnc[nH]1", "c1ccn[nH]1", "[nH]1cccn1", "[nH]1ccnc1", "[nH]1ccnn1",
    "c1nnc[nH]1", "c1nnn[nH]1", "c1ccco1",
    "c1cccs1", "c1ccsc1", "c1cscn1", "c1nccs1", "c1cocn1", "c1ncon1", "c1nnco1", "c1ccc2ccccc2c1",
    "c1ccc2[nH]ccc2c1", "c1nc2ccccc2[nH]1", "c1ccc2ncccc2c1", "c1ccc2OCOc2c1", "c1nc2ccccc2s1",
    "C1CCCC1", "C1CCCCC1", "N1CCCC1", "N1CCCCC1", "N1CCOCC1", "N1CCNCC1", "N1CCN(C)CC1", "C1CCNCC1",
    "C1CCNC1", "C1CCOC1", "C1CCOCC1", "N1CCC1", "C1COC1", "C1CCC1", "N1CCCC1=O", "N1CCOC1=O",
)  # fmt: skip
"""Ring systems."""

LINKERS = ("C", "O", "N", "S", "CC", "C=C", "C(=O)", "NC(=O)", "C(=O)N", "CO", "OC", "CN", "NC", "S(=O)(=O)")
"""Chains put between two parts; the last heavy atom of the chain takes the second bond."""

LINKER_ENDS = {"C(=O)": 0, "NC(=O)": 1, "S(=O)(=O)": 0}
"""Index of the second attachment where it is not the last atom."""


@lru_cache(maxsize=8)
def library(elements: frozenset[int]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return substituents and rings made of `elements` only, kekulised and ready to insert."""
    return tuple(_prepared(SUBSTITUENTS, elements)), tuple(_prepared(RINGS, elements))


@lru_cache(maxsize=8)
def linkers(elements: frozenset[int]) -> tuple[tuple[Any, int], ...]:
    """Return linkers made of `elements` only, each with the index of its second attachment."""
    return tuple(
        (molecule, LINKER_ENDS.get(smiles, molecule.GetNumAtoms() - 1))
        for smiles in LINKERS
        for molecule in _prepared((smiles,), elements)
    )


def _prepared(smiles: tuple[str, ...], elements: frozenset[int]) -> list[Any]:
    from rdkit import Chem

    from novum.agents.optimizer.generators.operators import opened

    molecules = [opened(Chem.MolFromSmiles(s)) for s in smiles]
    return [m for m in molecules if all(a.GetAtomicNum() in elements for a in m.GetAtoms())]
