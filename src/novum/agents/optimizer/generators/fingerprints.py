"""Molecules as sparse rows: count Morgan fingerprints and whole-molecule descriptors."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from novum.agents.optimizer.features import Array

RADIUS = 3
FOLDED = 8192
"""Hash values of a substructure."""
MOST = 16
"""Counts above this are cut."""


def fingerprints(molecules: Sequence[Any]) -> Any:
    """Return the sparse matrix ``(n, FOLDED * MOST)`` in which a count c is written as c ones."""
    from scipy import sparse

    generator = _generator()
    columns: list[int] = []
    ends = [0]
    for molecule in molecules:
        for bit, count in generator.GetCountFingerprint(molecule).GetNonzeroElements().items():
            first = bit * MOST
            columns.extend(range(first, first + min(count, MOST)))
        ends.append(len(columns))
    return sparse.csr_matrix(
        (np.ones(len(columns), dtype=np.int32), np.array(columns, dtype=np.int32), np.array(ends)),
        shape=(len(molecules), FOLDED * MOST),
    )


def fingerprints_of_smiles(smiles: Sequence[str]) -> Any:
    """Return `fingerprints` of spellings; one that cannot be read gets an empty row."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        empty = Chem.Mol()
        molecules = [Chem.MolFromSmiles(s) or empty for s in smiles]
    for molecule in molecules:
        if molecule is empty:
            molecule.UpdatePropertyCache()
            Chem.FastFindRings(molecule)
    return fingerprints(molecules)


def descriptors(molecules: Sequence[Any]) -> Array:
    """Return ``(n, 14)`` whole-molecule descriptors, each about 0 to 2 for drug-sized molecules."""
    from rdkit.Chem import rdMolDescriptors

    rows = np.empty((len(molecules), 14))
    for i, m in enumerate(molecules):
        counts = dict.fromkeys((6, 7, 8, 16, 15), 0)
        halogens = 0
        for atom in m.GetAtoms():
            z = atom.GetAtomicNum()
            if z in counts:
                counts[z] += 1
            elif z in (9, 17, 35, 53):
                halogens += 1
        rows[i] = (
            m.GetNumHeavyAtoms() / 20,
            counts[6] / 16,
            counts[7] / 3,
            counts[8] / 3,
            (counts[16] + counts[15]) / 2,
            halogens / 2,
            rdMolDescriptors.CalcNumRings(m) / 3,
            rdMolDescriptors.CalcNumAromaticRings(m) / 2,
            rdMolDescriptors.CalcFractionCSP3(m),
            rdMolDescriptors.CalcTPSA(m) / 80,
            rdMolDescriptors.CalcNumRotatableBonds(m) / 5,
            rdMolDescriptors.CalcNumHBD(m) / 2,
            rdMolDescriptors.CalcNumHBA(m) / 4,
            rdMolDescriptors.CalcNumBridgeheadAtoms(m) / 2,
        )
    return rows


@lru_cache(maxsize=1)
def _generator() -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=FOLDED)
