"""Relaxing a crystal: atoms and cell to the next minimum of an energy surface."""

import contextlib
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from novum.core.errors import ToolFailedError
from novum.tools.materials.calculators import Method
from novum.tools.materials.structures import from_atoms, to_atoms

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

FORCE = 0.02
"""Largest force, in eV/angstrom, of a relaxed structure."""

STEPS = 300
"""Steps after which a relaxation has failed."""

SWOLLEN = 2.5
"""Factor in volume beyond which a relaxation has left what it started from."""

SHRUNK = 0.25
"""The same below: a salt starts at the volumes of its elements' own crystals and becomes much denser."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A structure at a minimum of a method's energy."""

    structure: "Structure"
    energy: float
    """In eV for each atom, on the method's own scale."""
    force: float
    """Largest force, in eV/angstrom."""
    pressure: float
    """A third of the trace of the stress, inwards positive, in GPa."""
    steps: int


def relax(
    structure: "Structure", method: Method, *, cell: bool = True, force: float = FORCE, steps: int = STEPS
) -> Relaxed:
    """Return the minimum of the energy next to `structure`, by the cell's logarithmic strain and BFGS.

    Raises:
        ToolFailedError: the method does not know an element, no minimum was reached, or the crystal fell
            apart on the way.
    """
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    atoms = to_atoms(structure)
    atoms.calc = method.calculator(structure)
    before = atoms.get_volume()
    moved = FrechetCellFilter(atoms) if cell else atoms
    with contextlib.redirect_stdout(io.StringIO()):
        walk = BFGS(moved, logfile=None)
        for _ in walk.irun(fmax=force, steps=steps):
            check_sound(atoms, before)
    if not walk.converged():
        raise ToolFailedError(f"{method.title} reached no minimum in {steps} steps")
    return Relaxed(
        structure=from_atoms(atoms),
        energy=energy_of(atoms),
        force=float(abs(atoms.get_forces()).max()),
        pressure=pressure_of(atoms),
        steps=int(walk.nsteps),
    )


def energy_of(atoms: "Atoms") -> float:
    """Return the energy in eV for each atom.

    Raises:
        ToolFailedError: it is not finite.
    """
    energy = float(atoms.get_potential_energy()) / len(atoms)
    if not math.isfinite(energy):
        raise ToolFailedError("the energy is not a finite number")
    return energy


def pressure_of(atoms: "Atoms") -> float:
    """Return the pressure in GPa."""
    from ase.units import GPa

    return -float(atoms.get_stress(voigt=True)[:3].sum() / 3 / GPa)


def check_sound(atoms: "Atoms", volume: float) -> None:
    """Hold a structure on its way against the volume, in cubic angstrom, with which it began.

    Raises:
        ToolFailedError: it has fallen apart or together.
    """
    factor = atoms.get_volume() / volume
    if not SHRUNK < factor < SWOLLEN:
        raise ToolFailedError(
            f"the volume changed by a factor of {factor:.2f} on the way: the crystal did not survive"
        )
