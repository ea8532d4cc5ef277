"""Crystal structures as text: reading, writing, and what a structure must be to be computed with."""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

MOST_ATOMS = 512
"""Atoms in a cell, beyond which no tool here computes."""

CLOSEST = 0.5
"""Distance in angstrom below which two atoms are one mistake."""

StructureText = Annotated[str, Field(min_length=1, max_length=200_000)]
"""A crystal structure as CIF, POSCAR or extended XYZ."""

Format = Literal["cif", "poscar", "extxyz"]


def parse_structure(text: str, *, ordered: bool = True) -> "Structure":
    """Return the crystal that CIF, POSCAR or extended XYZ text describes; the format is recognised.

    Of a CIF with several structures the first is taken. Partial occupancies are allowed only where
    `ordered` is false.

    Raises:
        ToolFailedError: the text is none of the three, has no cell, has too many atoms, has two atoms
            in one place, or occupies a site in part where that cannot be computed with.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pymatgen mends in a CIF it may mend
        found = _read(text)
    if len(found) > MOST_ATOMS:
        raise ToolFailedError(f"the cell has {len(found)} atoms; at most {MOST_ATOMS} can be computed here")
    if not found.is_ordered:
        if ordered:
            raise ToolFailedError(
                "a site is occupied in part; order the structure first, as 'materials.order' does"
            )
        return found
    if len(found) > 1:
        gap = _closest(found)
        if gap < CLOSEST:
            raise ToolFailedError(f"two atoms are {gap:.2f} angstrom apart: this is no crystal")
    return found


def write_structure(structure: "Structure", form: Format = "cif") -> str:
    """Return a structure as text that `parse_structure` reads back."""
    if form == "poscar":
        from pymatgen.io.vasp import Poscar

        return str(Poscar(structure.get_sorted_structure()).get_str(significant_figures=8))
    if form == "cif":
        from pymatgen.io.cif import CifWriter

        return str(CifWriter(structure, significant_figures=8))
    from io import StringIO

    from ase.io import write

    buffer = StringIO()
    write(buffer, to_atoms(structure), format="extxyz")
    return buffer.getvalue()


def to_atoms(structure: "Structure") -> "Atoms":
    """Return an ordered structure as ASE's atoms, without anything but elements, positions and cell."""
    from ase import Atoms

    return Atoms(
        symbols=[site.specie.symbol for site in structure],
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


def from_atoms(atoms: "Atoms") -> "Structure":
    """Return the structure of ASE's atoms in their periodic cell."""
    from pymatgen.core import Structure

    return Structure(
        atoms.cell.array,
        atoms.get_chemical_symbols(),
        atoms.get_scaled_positions(wrap=True),
    )


def formula_of(structure: "Structure") -> str:
    """Return the reduced formula, as chemists order it."""
    return str(structure.composition.reduced_formula)


def _read(text: str) -> "Structure":
    from pymatgen.core import Structure

    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.lstrip().startswith(("data_", "_cell_length", "loop_")) for line in lines):
        form = "cif"
    elif lines and lines[0].strip().isdigit() and len(lines) > 1 and "lattice" in lines[1].lower():
        form = "extxyz"
    else:
        form = "poscar"
    try:
        if form == "extxyz":
            from io import StringIO

            from ase.io import read

            found = from_atoms(read(StringIO(text), format="extxyz", index=0))
        else:
            found = Structure.from_str(text, fmt=form)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        raise ToolFailedError(f"this cannot be read as {form}: {error}") from error
    if not len(found) or not math.isfinite(found.volume) or found.volume <= 0:
        raise ToolFailedError(f"this {form} text describes no crystal: it has no atom, or no cell")
    found.remove_oxidation_states()
    return found


def _closest(structure: "Structure") -> float:
    distances = structure.distance_matrix
    n = len(structure)
    return float(min(distances[i, j] for i in range(n) for j in range(i)))
