"""materials.describe and materials.match: what a crystal is, and whether two are the same."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, Usual, tool
from novum.tools.examples import Example
from novum.tools.materials.samples import COPPER, SILICON
from novum.tools.materials.structures import (
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


class CrystalProperties(Properties):
    """What a structure says of itself, before anything is computed."""

    space_group_number: Annotated[int, Field(description="international number", ge=1, le=230)]
    n_atoms: Annotated[int, Field(description="atoms in the primitive cell", ge=1)]
    density: Annotated[float, Unit("g/cm**3"), Field(description="mass density", gt=0, le=50)]
    volume_per_atom: Annotated[
        float, Unit("angstrom**3"), Usual(8, 40), Field(description="volume per atom", gt=0, le=500)
    ]
    shortest_distance: Annotated[
        float, Unit("angstrom"), Field(description="between two atoms, images included", gt=0, le=20)
    ]


@tool(
    name="materials.describe",
    version="1",
    method="spglib",
    profile="crystals",
    preload=PRELOAD,
    libraries=("pymatgen", "spglib"),
    nominal_cost_s=0.1,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"structure": SILICON},
            expected={"space_group_number": 227, "n_atoms": 2, "density": 2.329},
            rtol=1e-3,
            source="CRC Handbook: density 2.329 g/cm3, Fd-3m",
        ),
    ),
)
def describe(
    structure: StructureText,
    *,
    tolerance: Annotated[float, Unit("angstrom"), Field(gt=0, le=1)] = 0.01,
    output: Format = "cif",
) -> CrystalProperties:
    """Find the symmetry of a crystal, and give its conventional and primitive cells in the details.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        tolerance: distance within which positions count as equal by symmetry.
        output: the format of the structures in the details.

    References:
        spglib: doi:10.1080/27660400.2024.2384822.
    """
    found = parse_structure(structure)
    analysis = _analysis(found, tolerance)
    primitive = analysis.get_primitive_standard_structure()
    symmetrised = analysis.get_symmetrized_structure()
    sites = [
        {"element": sites[0].specie.symbol, "wyckoff": letter, "position": _rounded(sites[0].frac_coords)}
        for sites, letter in zip(symmetrised.equivalent_sites, symmetrised.wyckoff_symbols, strict=True)
    ]
    return CrystalProperties(
        space_group_number=int(analysis.get_space_group_number()),
        n_atoms=len(primitive),
        density=float(found.density),
        volume_per_atom=found.volume / len(found),
        shortest_distance=_shortest(found),
        warnings=reading_warnings(found),
        details={
            "formula": formula_of(found),
            "space_group": analysis.get_space_group_symbol(),
            "crystal_system": analysis.get_crystal_system(),
            "point_group": analysis.get_point_group_symbol(),
            "inequivalent_sites": sites,
            "conventional": write_structure(analysis.get_conventional_standard_structure(), output),
            "primitive": write_structure(primitive, output),
        },
    )


class MatchProperties(Properties):
    """How two crystals compare."""

    matches: Annotated[int, Field(description="1 where the two are one crystal, else 0", ge=0, le=1)]
    displacement: Annotated[
        float | None,
        Field(
            description="root mean square displacement over the atoms' mean spacing; absent without a match",
            ge=0,
            le=10,
        ),
    ] = None


@tool(
    name="materials.match",
    version="1",
    method="structure matching",
    profile="crystals",
    preload=(*PRELOAD, "pymatgen.analysis.structure_matcher"),
    libraries=("pymatgen",),
    nominal_cost_s=0.2,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"structure": COPPER, "other": COPPER},
            expected={"matches": 1, "displacement": 0.0},
            atol=1e-6,
            source="every crystal is itself",
        ),
    ),
)
def match(
    structure: StructureText,
    *,
    other: StructureText,
    by_type: bool = False,
    length: Annotated[float, Field(gt=0, le=0.5)] = 0.2,
    site: Annotated[float, Field(gt=0, le=0.5)] = 0.3,
    angle: Annotated[float, Unit("degree"), Field(gt=0, le=15)] = 5.0,
) -> MatchProperties:
    """Say whether two crystals are the same up to cell, setting, volume and small displacements.

    Args:
        structure: one crystal, as CIF, POSCAR or extended XYZ.
        other: the other one.
        by_type: whether other elements on the same sites still count as the same (the structure type).
        length: tolerance of edges, as a share.
        site: tolerance of sites, as a share of the mean spacing of atoms.
        angle: tolerance of angles.

    References:
        pymatgen's StructureMatcher: doi:10.1016/j.commatsci.2012.10.028.
    """
    from pymatgen.analysis.structure_matcher import StructureMatcher

    first, second = parse_structure(structure), parse_structure(other)
    matcher = StructureMatcher(ltol=length, stol=site, angle_tol=angle)
    same = matcher.fit_anonymous(first, second) if by_type else matcher.fit(first, second)
    shift = None
    if same and not by_type:
        measured = matcher.get_rms_dist(first, second)
        shift = None if measured is None else float(measured[0])
    return MatchProperties(
        matches=int(bool(same)),
        displacement=shift,
        warnings=(*reading_warnings(first), *reading_warnings(second)),
        details={"formulas": [formula_of(first), formula_of(second)]},
    )


def _analysis(structure: "Structure", tolerance: float) -> "SpacegroupAnalyzer":  # type: ignore[name-defined] # noqa: F821
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    try:
        return SpacegroupAnalyzer(structure, symprec=tolerance)
    except (SymmetryUndeterminedError, ValueError, TypeError) as error:
        raise ToolFailedError(f"no symmetry was found at a tolerance of {tolerance:g}: {error}") from error


def _shortest(structure: "Structure") -> float:
    own = min(structure.lattice.get_points_in_sphere([[0, 0, 0]], [0, 0, 0], _reach(structure))[1:], key=_far)
    distances = structure.distance_matrix
    pairs = [distances[i, j] for i in range(len(structure)) for j in range(i)]
    return float(min([_far(own), *pairs]))


def _reach(structure: "Structure") -> float:
    return float(min(structure.lattice.abc)) + 1e-3


def _far(point: "tuple[object, float, object, object]") -> float:
    return float(point[1]) if point[1] > 1e-6 else float("inf")


def _rounded(position: "list[float]") -> list[float]:
    return [round(float(x), 6) for x in position]
