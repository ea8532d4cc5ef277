"""Crystal structures as text: reading, writing, and what a structure must be to be computed with."""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Composition, Structure

MOST_ATOMS = 512
"""Atoms in a cell, beyond which no tool here computes."""

CLOSEST = 0.5
"""Distance in angstrom below which two atoms are one mistake."""

StructureText = Annotated[str, Field(min_length=1, max_length=200_000)]
"""A crystal structure as CIF, POSCAR or extended XYZ."""

MENDED = "mended"
"""Name under which a structure carries what was mended in its text."""

FORMULA_TOLERANCE = 0.01
"""Share of the atoms by which the sites of a CIF may miss the formula that it states."""

Format = Literal["cif", "poscar", "extxyz"]


def parse_structure(text: str, *, ordered: bool = True) -> "Structure":
    """Return the crystal that CIF, POSCAR or extended XYZ text describes; the format is recognised.

    Of a CIF with several structures the first is taken. Partial occupancies are allowed only where
    `ordered` is false. What the reader mended on the way is told by `reading_warnings`.

    Raises:
        ToolFailedError: the text is none of the three, names no elements, has no cell, states a formula
            that its sites do not have, has too many atoms, has two atoms
            in one place, or occupies a site in part where that cannot be computed with.
    """
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


def reading_warnings(structure: "Structure") -> tuple[str, ...]:
    """Return what the reader mended or doubted in the text of a structure from `parse_structure`."""
    return tuple(structure.properties.get(MENDED, ()))


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
    import warnings
    from io import StringIO

    from ase.io import read
    from pymatgen.core import Structure
    from pymatgen.io.vasp.inputs import BadPoscarWarning

    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.lstrip().startswith(("data_", "_cell_length", "loop_")) for line in lines):
        form = "cif"
    elif lines and lines[0].strip().isdigit() and len(lines) > 1 and "lattice" in lines[1].lower():
        form = "extxyz"
    else:
        form = "poscar"
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            warnings.simplefilter("error", BadPoscarWarning)  # it would go on with H, He, Li ...
            if form == "extxyz":
                found = from_atoms(read(StringIO(text), format="extxyz", index=0))
            else:
                found = Structure.from_str(text, fmt=form)
    except BadPoscarWarning as error:
        raise ToolFailedError(
            "this POSCAR names no elements; put their symbols on the line above the numbers of atoms"
        ) from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        raise ToolFailedError(f"this cannot be read as {form}: {error}") from error
    if not len(found) or not math.isfinite(found.volume) or found.volume <= 0:
        raise ToolFailedError(f"this {form} text describes no crystal: it has no atom, or no cell")
    found.remove_oxidation_states()
    if form == "cif":
        _check_formula(found, text)
    mended = [str(w.message) for w in said if not issubclass(w.category, DeprecationWarning | FutureWarning)]
    found.properties[MENDED] = [f"reading the {form}: {message}" for message in dict.fromkeys(mended)]
    return found


def _check_formula(found: "Structure", text: str) -> None:
    """Hold the sites of a CIF against the formula sum that it states; hydrogen and deuterium are one."""
    from pymatgen.core import Composition
    from pymatgen.io.cif import CifFile

    stated = []
    for block in CifFile.from_str(text).data.values():
        formula = str(block.data.get("_chemical_formula_sum", "")).strip()
        try:
            stated.append((formula, _shares(Composition(formula))))
        except (ValueError, KeyError):
            return  # "?" or words: nothing is stated
    have = _shares(found.composition)
    if stated and not any(
        all(abs(have.get(e, 0.0) - sums.get(e, 0.0)) <= FORMULA_TOLERANCE for e in have | sums)
        for _, sums in stated
    ):
        raise ToolFailedError(
            f"the sites of this CIF make {formula_of(found)!r}, but it states the formula {stated[0][0]!r}"
        )


def _shares(composition: "Composition") -> dict[str, float]:
    n = composition.num_atoms
    if not n:
        raise ValueError("a formula without atoms")
    shares: dict[str, float] = {}
    for element, amount in composition.items():
        symbol = "H" if element.symbol == "D" else str(element.symbol)
        shares[symbol] = shares.get(symbol, 0.0) + float(amount) / n
    return shares


def _closest(structure: "Structure") -> float:
    distances = structure.distance_matrix
    n = len(structure)
    return float(min(distances[i, j] for i in range(n) for j in range(i)))
