"""Molecules in space: conformers, XYZ text, and whether the bonds are still the same."""

import io
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from novum.core.errors import ToolFailedError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

BROKEN_BEYOND = 1.35
"""A bond longer than this times the sum of the covalent radii is broken."""

FORMED_WITHIN = 1.15
"""Two atoms closer than this times the sum of their covalent radii are bonded."""

WINDOW = 3.0
"""Conformers this much above the lowest, in kcal/mol of the force field, are not looked at again."""

SAME_WITHIN = 0.02
"""Conformers closer in energy than this, in kcal/mol, count as one."""

MOST_KEPT = 6
"""Conformers that a better method chooses from."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the atoms are.

    `numbers` (n_atoms,) are atomic numbers; `positions` (n_atoms, 3) are in angstrom.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    charge: int = 0
    unpaired: int = 0
    """Unpaired electrons: 1 for a radical, 2 for a triplet."""

    def moved(self, positions: NDArray[np.float64]) -> Self:
        """Return the same atoms at other positions (n_atoms, 3), in angstrom."""
        return type(self)(self.numbers, positions, self.charge, self.unpaired)

    def to_xyz(self, comment: str = "") -> str:
        """Return the geometry in XYZ format, in angstrom with 8 decimals."""
        from rdkit import Chem

        table = Chem.GetPeriodicTable()
        lines = [
            f"{table.GetElementSymbol(int(z)):2s} {x:15.8f} {y:15.8f} {w:15.8f}"
            for z, (x, y, w) in zip(self.numbers, self.positions, strict=True)
        ]
        return "\n".join([str(len(lines)), comment, *lines, ""])


def with_hydrogens(molecule: "Mol") -> "Mol":
    """Return the molecule with every hydrogen as an atom, heavy atoms first."""
    from rdkit import Chem

    return Chem.AddHs(molecule)


def embed(molecule: "Mol", *, n_conformers: int, seed: int) -> tuple[list[Geometry], str]:
    """Return distinct conformers, lowest force-field energy first, and the name of the force field.

    Those within `WINDOW` of the lowest are kept, `MOST_KEPT` at most.

    Args:
        molecule: with all hydrogens.
        n_conformers: how many are made and relaxed before the choice.
        seed: of the random starting points.

    Raises:
        ToolFailedError: no conformer could be made, or the electrons do not fit the spin.

    References:
        ETKDGv3: doi:10.1021/acs.jcim.0c00025.
        MMFF94: doi:10.1002/(SICI)1096-987X(199604)17:5/6<490::AID-JCC1>3.0.CO;2-P.
    """
    from rdkit import rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    parameters: Any = rdDistGeom.ETKDGv3()  # its stubs take every attribute for a method
    # RDKit seeds conformer k with k * seed: 0 makes them all alike, and small seeds share conformers.
    parameters.randomSeed = 1 + int(np.random.SeedSequence(seed).generate_state(1)[0]) % 2**24
    with rdBase.BlockLogs():
        made = list(rdDistGeom.EmbedMultipleConfs(molecule, n_conformers, parameters))
        if not made:
            parameters.useRandomCoords = True  # slower, and manages what the usual start cannot
            made = list(rdDistGeom.EmbedMultipleConfs(molecule, n_conformers, parameters))
        if not made:
            raise ToolFailedError("no geometry could be made: the molecule may be too strained to exist")
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
            relaxed, field = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule, maxIters=1000), "MMFF94"
        elif rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
            relaxed, field = rdForceFieldHelpers.UFFOptimizeMoleculeConfs(molecule, maxIters=1000), "UFF"
        else:
            relaxed, field = [(0, 0.0) for _ in made], "none"
    order = sorted(range(len(made)), key=lambda i: relaxed[i][1])
    kept: list[int] = []
    for i in order:
        known = any(abs(relaxed[i][1] - relaxed[j][1]) < SAME_WITHIN for j in kept)
        if not known and relaxed[i][1] - relaxed[order[0]][1] < WINDOW:
            kept.append(i)
    positions = [np.array(molecule.GetConformer(made[i]).GetPositions(), dtype=float) for i in kept]
    return [_to_geometry(molecule, p) for p in positions[:MOST_KEPT]], field


def parse_xyz(text: str, molecule: "Mol") -> Geometry:
    """Return the geometry in `text`, whose atoms must be those of `molecule` in its order.

    Args:
        text: XYZ format, in angstrom.
        molecule: with all hydrogens.

    Raises:
        ToolFailedError: it is no XYZ text, or of another molecule.
    """
    expected = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    rows = [line.split()[:4] for line in text.strip().splitlines()[2:]]
    if [row[0] for row in rows if row] != expected:
        raise ToolFailedError(
            f"the XYZ text must hold {len(expected)} atoms in the order of the SMILES: {' '.join(expected)}"
        )
    try:
        positions = np.loadtxt(io.StringIO("\n".join(" ".join(row[1:]) for row in rows)), ndmin=2)
    except ValueError as error:
        raise ToolFailedError(f"the XYZ text holds a coordinate that is no number: {error}") from error
    if positions.shape != (len(expected), 3) or not np.isfinite(positions).all():
        raise ToolFailedError("the XYZ text must hold three finite coordinates for each atom")
    geometry = _to_geometry(molecule, positions)
    changes = changed_bonds(molecule, geometry)
    if changes:
        raise ToolFailedError(f"the XYZ text is of another molecule: {'; '.join(changes)}")
    return geometry


def changed_bonds(molecule: "Mol", geometry: Geometry) -> list[str]:
    """Return the bonds that broke or formed, in words with atoms counted from 1; none if all are kept."""
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    names = [f"{atom.GetSymbol()}{atom.GetIdx() + 1}" for atom in molecule.GetAtoms()]
    radii = [table.GetRcovalent(int(z)) for z in geometry.numbers]
    changes = []
    for i, j in combinations(range(len(radii)), 2):
        ratio = float(np.linalg.norm(geometry.positions[i] - geometry.positions[j])) / (radii[i] + radii[j])
        bonded = molecule.GetBondBetweenAtoms(i, j) is not None
        if bonded and ratio > BROKEN_BEYOND:
            changes.append(f"bond {names[i]}-{names[j]} broke")
        elif not bonded and ratio < FORMED_WITHIN:
            changes.append(f"bond {names[i]}-{names[j]} formed")
    return changes


def _to_geometry(molecule: "Mol", positions: NDArray[np.float64]) -> Geometry:
    from rdkit import Chem

    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    charge = Chem.GetFormalCharge(molecule)
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms())
    if (int(numbers.sum()) - charge - unpaired) % 2:
        raise ToolFailedError(f"{unpaired} unpaired electrons do not fit the number of electrons")
    return Geometry(numbers, positions, charge, unpaired)
