"""Which molecules are worth a proposal: limits of the space, common sense, alerts, synthesis."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from novum.core.spaces import MoleculeSpace

MAX_SYNTHETIC_DIFFICULTY = 6.0
"""Greatest synthetic accessibility score (1 easy, 10 hard) of what a generator makes.

A molecule that nobody can make is not a finding. Molecules that the user put into the start set are
exempt: they may well exist.
"""

UNREASONABLE = {
    "peroxide or chain of oxygens": "[OX2,OX1-][OX2,OX1-]",
    "halogen on a heteroatom": "[F,Cl,Br,I]~[!#6]",
    "cumulated double bonds": "[*]=[#6]=[*]",
    "cumulated double bonds at nitrogen": "[#6,#7]=[#7+]=[#6,#7]",
    "triple bond in a ring": "[*;R]#[*;R]",
    "double bond in a three-membered ring": "[*;r3]=,:[*;r3]",
    "aromatic four-membered ring or less": "[a;r3,r4]",
    "conjugated four-membered ring": "[*;r4]=[*;r4]",
    "atom shared by small rings": "[*;R2;r3]",
    "chain of three nitrogens": "[#7;!a]~[#7;!a]~[#7]",
    "two heteroatoms on nitrogen": "[NX3;!$(N~[O-])]([OX2,SX2,#7;!a])[OX2,SX2]",
    "oxygen on sulfur or nitrogen on oxygen, open": "[OX2;!R][SX2,OX2,NX3;!R]",
    "geminal diol or amine": "[OX2H,NX3H2][CX4;!$(C(F)(F)F)][OX2H,NX3H2,SX2H]",
    "halogen beside a hydroxyl: loses hydrogen halide": "[F,Cl,Br,I][CX4][OX2H]",
    "halogen beside an amine: loses hydrogen halide": "[F,Cl,Br,I][CX4][NX3;!$(N[C,S]=O)]",
    "chloro-, bromo- or iodomethyl ether": "[Cl,Br,I][CX4][OX2,SX2]",
    "carbonic or carbamic acid: loses carbon dioxide": "[OX2H][CX3](=O)[OX2,NX3]",
    "open aminal": "[#7X3]!@[CX4;H2]!@[NX3;!$(N[C,S]=O)]",
    "open hemiacetal or hemiaminal": "[OX2H][CX4;!R][OX2,SX2,NX3;!$(N[C,S]=O)]",
    "enol or enamine with free hydrogen": "[OX2H,NX3H2,SX2H][CX3;!R]=[CX3]",
    "hydrogen on sulfur or phosphorus of high valence": "[#16;X3,X4;!H0]",
    "hydrogen on phosphorus": "[#15;!H0]",
    "double bond between sulfur or phosphorus and carbon": "[#16;X3,X4;!a]=[#6]",
    "ylide": "[#15]=[#6,#7]",
    "sulfur with six single bonds": "[#16;X5,X6]",
    "phosphorus with five bonds": "[#15;X5,X6]",
}
"""SMARTS of what valence rules allow and chemists do not."""


class Filters:
    """The limits of one space, quick ones and slow ones apart.

    Args:
        space: limits, already tightened by the objectives.
    """

    def __init__(self, space: MoleculeSpace) -> None:
        from rdkit import Chem

        table = Chem.GetPeriodicTable()
        self._space = space
        self.elements = frozenset(table.GetAtomicNumber(symbol) for symbol in space.elements)
        self._patterns = [Chem.MolFromSmarts(smarts) for smarts in UNREASONABLE.values()]

    def is_within(self, molecule: Any) -> bool:
        """Say whether a sanitised molecule keeps the space's limits, one whole molecule, no radical."""
        space = self._space
        if not space.min_heavy_atoms <= molecule.GetNumHeavyAtoms() <= space.max_heavy_atoms:
            return False
        charge = 0
        for atom in molecule.GetAtoms():
            if atom.GetAtomicNum() not in self.elements or atom.GetNumRadicalElectrons():
                return False
            if atom.GetIsotope():
                return False
            charge += atom.GetFormalCharge()
        if not space.min_charge <= charge <= space.max_charge:
            return False
        rings = molecule.GetRingInfo().AtomRings()
        if any(len(ring) > space.max_ring_size for ring in rings):
            return False
        # One component has (bonds - atoms + 1) rings; each further component would need one more.
        return bool(molecule.GetNumBonds() - molecule.GetNumAtoms() + 1 == len(rings)) or _is_whole(molecule)

    def why_not(self, molecule: Any, *, given: bool = False) -> str:
        """Return the first reason why a sanitised molecule is not of the space; empty where it is.

        Args:
            molecule: as RDKit has it.
            given: the user put it into the start set, so that it need not look easy to make.
        """
        if not self.is_within(molecule):
            return self._limit(molecule)
        for name, pattern in zip(UNREASONABLE, self._patterns, strict=True):
            if molecule.HasSubstructMatch(pattern):
                return f"no chemist would make it: {name}"
        if not given and not self.is_makeable(molecule):
            return f"its synthetic accessibility score is above {MAX_SYNTHETIC_DIFFICULTY:g}"
        return "" if self.is_free_of_alerts(molecule) else "it has a structural alert (BRENK or PAINS)"

    def _limit(self, molecule: Any) -> str:
        space, heavy = self._space, molecule.GetNumHeavyAtoms()
        if not space.min_heavy_atoms <= heavy <= space.max_heavy_atoms:
            return f"it has {heavy} heavy atoms, not {space.min_heavy_atoms} to {space.max_heavy_atoms}"
        foreign = {a.GetSymbol() for a in molecule.GetAtoms() if a.GetAtomicNum() not in self.elements}
        if foreign:
            return f"it has {', '.join(sorted(foreign))}; allowed are {', '.join(space.elements)}"
        charge = sum(a.GetFormalCharge() for a in molecule.GetAtoms())
        if not space.min_charge <= charge <= space.max_charge:
            return f"its charge is {charge:+d}, not {space.min_charge:+d} to {space.max_charge:+d}"
        if any(len(ring) > space.max_ring_size for ring in molecule.GetRingInfo().AtomRings()):
            return f"it has a ring of more than {space.max_ring_size} atoms"
        return "it is not one whole molecule of natural isotopes without radicals"

    def is_reasonable(self, molecule: Any) -> bool:
        """Say whether nothing `UNREASONABLE` is in a molecule."""
        return not any(molecule.HasSubstructMatch(pattern) for pattern in self._patterns)

    def is_free_of_alerts(self, molecule: Any) -> bool:
        """Say whether no BRENK or PAINS alert matches; always true where the space allows alerts."""
        return not self._space.alerts or not _alerts().HasMatch(molecule)

    def is_makeable(self, molecule: Any) -> bool:
        """Say whether the synthetic accessibility score is low enough."""
        return bool(_scorer().calculateScore(molecule) <= MAX_SYNTHETIC_DIFFICULTY)


def _is_whole(molecule: Any) -> bool:
    from rdkit import Chem

    return len(Chem.GetMolFrags(molecule)) == 1


@lru_cache(maxsize=1)
def _alerts() -> Any:
    from rdkit.Chem import FilterCatalog as Fc

    parameters = Fc.FilterCatalogParams()
    parameters.AddCatalog(Fc.FilterCatalogParams.FilterCatalogs.BRENK)
    parameters.AddCatalog(Fc.FilterCatalogParams.FilterCatalogs.PAINS)
    return Fc.FilterCatalog(parameters)


@lru_cache(maxsize=1)
def _scorer() -> Any:
    """Load the scorer that RDKit carries outside its package.

    References:
        Ertl and Schuffenhauer, J. Cheminf. 1, 8 (2009).
    """
    import importlib.util

    from rdkit import RDConfig

    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("novum_sascorer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
