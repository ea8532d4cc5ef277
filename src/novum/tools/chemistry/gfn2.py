"""GFN2-xTB energies and gradients through tblite, in atomic units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.constants import ATOMIC_DEBYE, ATOMIC_WAVENUMBER, BOHR_ANGSTROM, HARTREE_EV
from novum.tools.chemistry.geometry import Geometry
from novum.tools.chemistry.relaxation import Array, Relaxed, relax


@dataclass(frozen=True, slots=True)
class Electrons:
    """What one calculation says of the electrons."""

    energy: float
    """In hartree."""
    homo: float | None
    """Highest occupied orbital energy, in eV."""
    lumo: float | None
    """Lowest unoccupied orbital energy in eV; None where the small basis has no empty orbital."""
    dipole: float
    """In debye; of an ion about its centre of nuclear charge."""
    charges: tuple[float, ...]
    """Partial charges of the atoms (Mulliken), in elementary charges."""


class Gfn2:
    """The GFN2-xTB energy surface of one molecule, in the gas or in an implicit solvent.

    References:
        GFN2-xTB: doi:10.1021/acs.jctc.8b01176. ALPB: doi:10.1021/acs.jctc.1c00471.
    """

    def __init__(self, geometry: Geometry, *, solvent: str | None = None, accuracy: float = 1.0) -> None:
        from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError
        from tblite.interface import Calculator

        self._geometry = geometry
        self._errors = (TBLiteRuntimeError, TBLiteValueError)
        self._last: Any = None
        try:
            self._calculator = Calculator(
                "GFN2-xTB",
                geometry.numbers,
                geometry.positions / BOHR_ANGSTROM,
                charge=float(geometry.charge),
                uhf=geometry.unpaired,
            )
            self._calculator.set("verbosity", 0)
            self._calculator.set("accuracy", accuracy)
            if solvent:
                self._calculator.add("alpb-solvation", solvent)
        except self._errors as error:
            raise ToolFailedError(f"GFN2-xTB cannot treat this molecule: {error}") from error

    def surface(self, positions: Array) -> tuple[float, Array]:
        """Return the energy in hartree and its gradient (n_atoms, 3) in hartree/bohr.

        Args:
            positions: (n_atoms, 3) in bohr.

        Raises:
            ToolFailedError: the charges did not converge.
        """
        try:
            self._calculator.update(np.ascontiguousarray(positions))
            self._last = self._calculator.singlepoint(self._last)
        except self._errors as error:
            raise ToolFailedError(f"GFN2-xTB did not converge: {error}") from error
        return float(self._last.get("energy")), np.array(self._last.get("gradient"))

    def relax(self, *, force: float = 3e-4) -> tuple[Geometry, Relaxed]:
        """Return the local minimum below the geometry, and how it was reached.

        Raises:
            ToolFailedError: no minimum was reached.
        """
        start = self._geometry.positions / BOHR_ANGSTROM
        relaxed = relax(self.surface, self._geometry.numbers, start, force=force)
        return self._geometry.moved(relaxed.positions * BOHR_ANGSTROM), relaxed

    def electrons(self, geometry: Geometry) -> Electrons:
        """Return energy, frontier orbitals, dipole and charges at a geometry of the same atoms.

        Raises:
            ToolFailedError: the charges did not converge.
        """
        positions = geometry.positions / BOHR_ANGSTROM
        energy, _ = self.surface(positions)
        orbitals = np.ravel(self._last.get("orbital-energies")) * HARTREE_EV
        # Half an electron divides: an unpaired one makes its orbital the HOMO, and the thermal
        # smearing at 300 K does not move the line.
        occupied = np.ravel(self._last.get("orbital-occupations")) > 0.5
        centre = np.average(positions, axis=0, weights=geometry.numbers)
        dipole = np.array(self._last.get("dipole")) - geometry.charge * centre
        return Electrons(
            energy=energy,
            homo=float(orbitals[occupied].max()) if occupied.any() else None,
            lumo=float(orbitals[~occupied].min()) if not occupied.all() else None,
            dipole=float(np.linalg.norm(dipole)) * ATOMIC_DEBYE,
            charges=tuple(float(q) for q in self._last.get("charges")),
        )


def lowest(conformers: Sequence[Geometry], *, solvent: str | None = None) -> Geometry:
    """Return the conformer of lowest GFN2-xTB energy, unrelaxed.

    Raises:
        ToolFailedError: the charges of one did not converge.
    """
    if len(conformers) == 1:
        return conformers[0]
    model = Gfn2(conformers[0], solvent=solvent)
    return min(conformers, key=lambda c: model.surface(c.positions / BOHR_ANGSTROM)[0])


def hessian(model: Gfn2, positions: Array, *, step: float = 5e-3) -> Array:
    """Return second derivatives (3 n_atoms, 3 n_atoms) in hartree/bohr², by central differences.

    Args:
        model: the energy surface.
        positions: (n_atoms, 3) in bohr.
        step: displacement, in bohr.

    Raises:
        ToolFailedError: a displaced calculation did not converge.
    """
    size = positions.size
    rows = np.empty((size, size))
    for i in range(size):
        shift = np.zeros(size)
        shift[i] = step
        up = model.surface(positions + shift.reshape(-1, 3))[1]
        down = model.surface(positions - shift.reshape(-1, 3))[1]
        rows[i] = (up - down).ravel() / (2 * step)
    symmetric: Array = (rows + rows.T) / 2
    return symmetric


def wavenumbers(force_constants: Array, positions: Array, masses: NDArray[np.float64]) -> Array:
    """Return harmonic wavenumbers in 1/cm, ascending; imaginary ones are negative.

    Translation and rotation are projected out: 3 n - 6 modes are left, 3 n - 5 of a linear molecule.

    Args:
        force_constants: (3 n_atoms, 3 n_atoms) in hartree/bohr².
        positions: (n_atoms, 3) in bohr.
        masses: (n_atoms,) in dalton.
    """
    weight = np.sqrt(np.repeat(masses, 3))
    centred = positions - np.average(positions, axis=0, weights=masses)
    moves = [np.tile(axis, (len(masses), 1)) for axis in np.eye(3)]
    moves += [np.cross(axis, centred) for axis in np.eye(3)]
    rigid = np.array([move.ravel() * weight for move in moves]).T
    left, size, _ = np.linalg.svd(rigid, full_matrices=True)
    internal = left[:, int((size > 1e-4 * size[0]).sum()) :]
    weighted = force_constants / np.outer(weight, weight)
    values = np.linalg.eigvalsh(internal.T @ weighted @ internal)
    found: Array = np.sign(values) * np.sqrt(np.abs(values)) * ATOMIC_WAVENUMBER
    return found
