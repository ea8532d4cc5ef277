"""Crystals made from crystals: supercells, surfaces, substitutions, orderings."""

import itertools
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool
from novum.tools.examples import Example
from novum.tools.materials.samples import COPPER, MIXED, SILICON
from novum.tools.materials.structures import (
    MOST_ATOMS,
    Format,
    StructureText,
    formula_of,
    parse_structure,
    reading_warnings,
    write_structure,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

PRELOAD = ("pymatgen.symmetry.analyzer", "pymatgen.io.cif", "pymatgen.io.vasp")

RADII_WITHIN = 0.15
"""Difference of radii, as a share, up to which one ion or atom takes another's place."""

ELECTRONEGATIVITIES_WITHIN = 0.4
"""Difference of Pauling electronegativities up to which one metal takes another's place."""


class MadeProperties(Properties):
    """The structures that were made; they are in the details."""

    n_structures: Annotated[int, Field(description="structures made", ge=0)]
    n_atoms: Annotated[int, Field(description="atoms in the first one", ge=1, le=MOST_ATOMS)]


@tool(
    name="materials.supercell",
    version="1",
    method="pymatgen",
    profile="crystals",
    preload=PRELOAD,
    libraries=("pymatgen",),
    nominal_cost_s=0.1,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"structure": SILICON, "repeats": [2, 1, 3]},
            expected={"n_atoms": 12},
            source="arithmetic: 2 atoms, 6 cells",
        ),
    ),
)
def supercell(
    structure: StructureText, *, repeats: tuple[int, int, int], output: Format = "cif"
) -> MadeProperties:
    """Repeat the cell of a crystal along its edges, as often as wanted along each.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        repeats: how often along each edge.
        output: the format of the structure in the details.

    References:
        pymatgen: doi:10.1016/j.commatsci.2012.10.028.
    """
    found = parse_structure(structure)
    times = repeats[0] * repeats[1] * repeats[2]
    if min(repeats) < 1 or len(found) * times > MOST_ATOMS:
        raise ToolFailedError(f"repeats must be 1 or more and make at most {MOST_ATOMS} atoms")
    made = [(found.make_supercell(repeats, in_place=False), {"repeats": list(repeats)})]
    return _made(made, output, reading_warnings(found))


@tool(
    name="materials.surface",
    version="1",
    method="pymatgen",
    profile="crystals",
    preload=(*PRELOAD, "pymatgen.core.surface"),
    libraries=("pymatgen",),
    nominal_cost_s=0.5,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"structure": COPPER, "miller": [1, 1, 1], "thickness": 10.0},
            expected={"n_structures": 1},
            source="the close-packed plane of fcc has one termination",
        ),
    ),
)
def surface(
    structure: StructureText,
    *,
    miller: tuple[int, int, int],
    thickness: Annotated[float, Unit("angstrom"), Field(gt=0, le=60)] = 10.0,
    vacuum: Annotated[float, Unit("angstrom"), Field(gt=0, le=60)] = 15.0,
    output: Format = "cif",
) -> MadeProperties:
    """Cut a crystal along a plane into slabs, one for each different termination.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ; its conventional cell is taken.
        miller: the plane's indices in the conventional cell.
        thickness: least thickness of the slab.
        vacuum: least distance between slabs.
        output: the format of the structures in the details.

    References:
        Sun, Ceder, Surf. Sci. 617, 53 (2013), doi:10.1016/j.susc.2013.05.016.
    """
    from pymatgen.core.surface import SlabGenerator
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    if not any(miller):
        raise ToolFailedError("(0, 0, 0) is no plane")
    found = parse_structure(structure)
    whole = SpacegroupAnalyzer(found).get_conventional_standard_structure()
    cutter = SlabGenerator(whole, miller, thickness, vacuum, center_slab=True, max_normal_search=3)
    slabs = cutter.get_slabs(symmetrize=False)
    if not slabs:
        raise ToolFailedError(f"no slab along {miller} was found")
    return _made(
        [
            (
                slab,
                {
                    "surface_area_angstrom2": round(float(slab.surface_area), 4),
                    "both_sides_alike": bool(slab.is_symmetric()),
                    "shift": round(float(slab.shift), 5),
                },
            )
            for slab in slabs
        ],
        output,
        reading_warnings(found),
    )


@tool(
    name="materials.substitute",
    version="1",
    method="size and charge rules",
    profile="crystals",
    preload=PRELOAD,
    libraries=("pymatgen",),
    nominal_cost_s=0.5,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"structure": COPPER, "elements": ["Ni", "Ca"]},
            expected={"n_structures": 1},
            source="Hume-Rothery: copper and nickel mix without limit, copper and calcium do not",
        ),
    ),
)
def substitute(
    structure: StructureText,
    *,
    elements: tuple[str, ...],
    most: Annotated[int, Field(ge=1, le=500)] = 50,
    radii_within: Annotated[float, Field(gt=0, le=1)] = RADII_WITHIN,
    output: Format = "cif",
) -> MadeProperties:
    """Put other elements into a crystal where size and charge let them.

    Of a crystal whose oxidation states can be guessed, an ion is replaced by one of equal charge, common
    for its element, whose Shannon radius differs by at most 15 % (Goldschmidt). Of a metal, an atom is
    replaced by one whose radius differs by at most 15 % and whose electronegativity by at most 0.4
    (Hume-Rothery). Every combination over the crystal's elements is made, the smallest misfit first, at
    the volume that the elements' own crystals have together, relative to those of the old ones.

    The rules say what is worth a calculation, not what is stable.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        elements: symbols of the elements that may enter.
        most: structures to return.
        radii_within: largest difference of radii, as a share.
        output: the format of the structures in the details.

    References:
        Goldschmidt, Naturwissenschaften 14, 477 (1926), doi:10.1007/BF01507527. Shannon radii:
        doi:10.1107/S0567739476001551. Hume-Rothery, J. Inst. Met. 35, 295 (1926).
    """
    found = parse_structure(structure)
    charges = _charges(found)
    choices = []
    for old in sorted({site.specie.symbol for site in found}):
        fitting = [(old, 0.0)]
        for new in sorted(set(elements) - {old}):
            misfit = _misfit(old, _element(new).symbol, charges.get(old, 0.0), radii_within)
            if misfit is not None:
                fitting.append((new, misfit))
        choices.append([(old, new, misfit) for new, misfit in fitting])
    made: list[tuple[float, dict[str, str]]] = []
    for combination in itertools.product(*choices):
        entering = [new for _, new, _ in combination]
        changes = {old: new for old, new, _ in combination if old != new}
        if changes and len(set(entering)) == len(entering):
            made.append((sum(misfit for *_, misfit in combination), changes))
    made.sort(key=lambda m: (m[0], sorted(m[1].items())))
    if not made:
        raise ToolFailedError("none of the elements fits the size and charge of one that is there")
    listed = [
        (_replaced(found, changes), {"changes": changes, "misfit": round(misfit, 5)})
        for misfit, changes in made[:most]
    ]
    answer = _made(listed, output, reading_warnings(found))
    return answer.model_copy(update={"details": {**answer.details, "oxidation_states": charges}})


@tool(
    name="materials.order",
    version="1",
    method="Ewald ranking",
    profile="crystals",
    preload=PRELOAD,
    libraries=("pymatgen",),
    nominal_cost_s=2.0,
    memory_mb=2048,
    examples=(
        Example(
            arguments={"structure": MIXED, "most": 3},
            expected={"n_structures": 3, "n_atoms": 8},
            source="arithmetic: 4 of 8 sites shared by two ions in equal parts, 4 oxide ions",
        ),
    ),
)
def order(
    structure: StructureText,
    *,
    repeats: tuple[int, int, int] = (1, 1, 1),
    most: Annotated[int, Field(ge=1, le=100)] = 10,
    output: Format = "cif",
) -> MadeProperties:
    """Order a crystal whose sites are occupied in part, lowest electrostatic energy first.

    The occupancies must give whole atoms in the repeated cell. Without oxidation states that balance, the
    orderings have no energy to rank them and the call fails.

    Args:
        structure: the crystal with partial occupancies, as CIF or POSCAR.
        repeats: how often the cell is repeated along its edges first.
        most: orderings to return.
        output: the format of the structures in the details.

    References:
        Ong et al., Comput. Mater. Sci. 68, 314 (2013), doi:10.1016/j.commatsci.2012.10.028.
    """
    from pymatgen.transformations.standard_transformations import OrderDisorderedStructureTransformation

    found = parse_structure(structure, ordered=False)
    if found.is_ordered:
        raise ToolFailedError("every site of the crystal is occupied in full: there is nothing to order")
    if min(repeats) < 1 or len(found) * repeats[0] * repeats[1] * repeats[2] > 200:
        raise ToolFailedError("repeats must be 1 or more and make at most 200 sites")
    larger = found.make_supercell(repeats, in_place=False)
    guesses = larger.composition.oxi_state_guesses(max_sites=-50)
    if not guesses:
        raise ToolFailedError(
            f"no common oxidation states balance {larger.composition.reduced_formula}: its orderings cannot "
            "be ranked by electrostatics"
        )
    larger.add_oxidation_state_by_element({e: float(v) for e, v in guesses[0].items()})
    try:
        ranked = OrderDisorderedStructureTransformation(algo=0).apply_transformation(
            larger, return_ranked_list=most
        )
    except (ValueError, RuntimeError) as error:
        raise ToolFailedError(f"the occupancies give no whole atoms in this cell: {error}") from error
    listed = []
    for entry in ranked:
        one = entry["structure"]
        one.remove_oxidation_states()
        listed.append((one, {"electrostatic_energy_ev": round(float(entry["energy"]), 6)}))
    return _made(listed, output, reading_warnings(found))


def _made(
    listed: "list[tuple[Structure, dict[str, Any]]]", output: Format, warnings: tuple[str, ...]
) -> MadeProperties:
    first = listed[0][0]
    if len(first) > MOST_ATOMS:
        raise ToolFailedError(f"the structure has {len(first)} atoms; at most {MOST_ATOMS} can be made here")
    return MadeProperties(
        n_structures=len(listed),
        n_atoms=len(first),
        warnings=warnings,
        details={
            "structures": [
                {"formula": formula_of(one), **told, "structure": write_structure(one, output)}
                for one, told in listed
            ]
        },
    )


def _charges(structure: "Structure") -> dict[str, float]:
    guesses = structure.composition.oxi_state_guesses(max_sites=-50)
    return {str(e): float(v) for e, v in guesses[0].items()} if guesses else {}


def _element(symbol: str) -> "Element":  # type: ignore[name-defined] # noqa: F821
    from pymatgen.core import Element

    try:
        return Element(symbol)
    except ValueError as error:
        raise ToolFailedError(f"{symbol!r} is no element") from error


def _misfit(old: str, new: str, charge: float, within: float) -> float | None:
    """Return the difference of radii as a share, or None where the rules forbid the exchange."""
    first, second = _element(old), _element(new)
    if charge:
        if charge not in second.common_oxidation_states:
            return None
        radii = [_ionic_radius(e, charge) for e in (first, second)]
    else:
        if abs(first.X - second.X) > ELECTRONEGATIVITIES_WITHIN:
            return None
        radii = [None if e.atomic_radius is None else float(e.atomic_radius) for e in (first, second)]
    if radii[0] is None or radii[1] is None:
        return None
    misfit = abs(radii[1] - radii[0]) / radii[0]
    return misfit if misfit <= within else None


def _ionic_radius(element: "Element", charge: float) -> float | None:  # type: ignore[name-defined] # noqa: F821
    """Return Shannon's radius in sixfold coordination, in angstrom, or the mean over what is listed."""
    if charge != int(charge):
        return None
    listed = element.data.get("Shannon radii", {}).get(str(int(charge)), {})
    six = listed.get("VI")
    spins = (six or {}).values() if six else (v for spin in listed.values() for v in spin.values())
    radii = [float(v["ionic_radius"]) for v in spins]
    return sum(radii) / len(radii) if radii else None


def _replaced(structure: "Structure", changes: dict[str, str]) -> "Structure":
    from novum.core.crystal_tables import VOLUMES

    new = structure.copy()
    symbols = [site.specie.symbol for site in structure]
    new.replace_species(changes)
    before = sum(VOLUMES.get(s, 0.0) for s in symbols)
    after = sum(VOLUMES.get(changes.get(s, s), 0.0) for s in symbols)
    if before > 0 and after > 0:
        new.scale_lattice(structure.volume * after / before)
    return new
