"""Crystal structures without energies: against AFLOW's library, known crystals, and what must not change."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from novum.core.crystals import find_prototype, prototypes
from novum.core.errors import ToolFailedError
from novum.tools.materials.describing import describe, match
from novum.tools.materials.diffraction import xrd
from novum.tools.materials.enumeration import prototypes as enumerate_crystals
from novum.tools.materials.phase_diagrams import hull, plausibility
from novum.tools.materials.stability import GivenPhase
from novum.tools.materials.structures import parse_structure, write_structure
from novum.tools.materials.transforming import order, substitute, supercell, surface

COPPER = write_structure(Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]]))
SILICON = write_structure(Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0, 0, 0]]))
SALT = write_structure(
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.640), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
)


def decorated(name: str, *elements: str) -> str:
    found = find_prototype(name)
    assert found is not None
    return found.crystal(elements)


@pytest.mark.parametrize("form", ["cif", "poscar", "extxyz"])
def test_a_structure_is_read_back_as_it_was_written(form) -> None:
    start = parse_structure(decorated("D5_13", "Al", "Ni"))
    again = parse_structure(write_structure(start, form))
    assert again.composition == start.composition
    assert again.volume == pytest.approx(start.volume, rel=1e-6)
    assert match(write_structure(start), other=write_structure(again)).displacement < 1e-5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "cannot be read as poscar"),
        ("data_x\n_cell_length_a 1\n", "cannot be read as cif"),
        ("x\n1.0\n3 0 0\n0 3 0\n0 0 3\nCu\n2\ndirect\n0 0 0\n0.01 0 0\n", "two atoms are 0.03 angstrom"),
        ("1\nno cell here\nCu 0 0 0\n", "cannot be read"),
    ],
)
def test_what_is_no_crystal_is_refused_with_the_reason(text, reason) -> None:
    with pytest.raises(ToolFailedError, match=reason):
        parse_structure(text)


def test_a_poscar_without_the_names_of_elements_is_refused_and_none_are_invented() -> None:
    with pytest.raises(ToolFailedError, match="names no elements"):
        parse_structure("rock salt\n1.0\n4 0 0\n0 4 0\n0 0 4\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n")


def test_a_cif_whose_sites_do_not_make_its_formula_is_refused() -> None:
    missing = re.sub(r"_chemical_formula_sum.*", "_chemical_formula_sum 'Na1 Cl1 H2 O1'", SALT)
    with pytest.raises(ToolFailedError, match=r"make 'NaCl', but it states the formula 'Na1 Cl1 H2 O1'"):
        parse_structure(missing)
    assert parse_structure(re.sub(r"_chemical_formula_sum.*", "_chemical_formula_sum ?", SALT))


def test_what_the_reader_mended_in_a_cif_is_told_beside_the_result() -> None:
    start = Structure.from_spacegroup("P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [[1 / 3, 2 / 3, 0.25]])
    rounded = re.sub(r"0\.(3{4,}|6{3,}7)\d*", lambda m: m[0][:6], write_structure(start))
    assert any("rounded" in warning for warning in describe(rounded).warnings)
    assert not describe(SALT).warnings


def test_a_range_of_angles_without_a_peak_is_refused_with_the_range() -> None:
    with pytest.raises(ToolFailedError, match="no peak lies between 10 and 20 degree"):
        xrd(COPPER, low=10, high=20)


def test_a_partial_occupancy_is_refused_where_it_cannot_be_computed_with() -> None:
    mixed = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.8), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(ToolFailedError, match="order the structure first"):
        parse_structure(write_structure(mixed))


@pytest.mark.parametrize("name", sorted(prototypes()))
def test_structure_types_are_those_of_the_aflow_library(name) -> None:
    # pymatgen's copy of the library: the label holds the space group, "A2B_cF24_227_d_a" is number 227.
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    entry = next(e for e in AFLOW_PROTOTYPE_LIBRARY if e["tags"]["strukturbericht"] == name)
    original = entry["snl"].structure
    symbols = sorted({site.specie.symbol for site in original})
    number = int(re.search(r"_(\d+)_", entry["tags"]["aflow"]).group(1))
    # its own elements on our sites, at our volume
    mine = prototypes()[name].crystal(symbols)
    assert describe(mine, tolerance=0.01).space_group_number == number
    assert match(mine, other=write_structure(original)).matches == 1


def test_silicon_has_the_measured_density_and_the_symmetry_of_diamond() -> None:
    # CRC Handbook: 2.329 g/cm³, a = 5.431 angstrom, Fd-3m; the bond is a sqrt(3) / 4.
    found = describe(SILICON)
    assert found.space_group_number == 227
    assert found.n_atoms == 2
    assert found.density == pytest.approx(2.329, abs=0.002)
    assert found.shortest_distance == pytest.approx(5.431 * 3**0.5 / 4, abs=1e-4)
    assert found.details["crystal_system"] == "cubic"


def test_one_atom_in_a_cell_is_as_far_from_itself_as_its_image() -> None:
    primitive = describe(COPPER, output="poscar").details["primitive"]
    assert describe(primitive).shortest_distance == pytest.approx(3.615 / 2**0.5, abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_symmetry_and_pattern_do_not_depend_on_setting_and_origin(seed) -> None:
    rng = np.random.default_rng(seed)
    start = parse_structure(decorated("C16", "Al", "Cu"))
    moved = start.copy()
    moved.translate_sites(range(len(moved)), rng.random(3))
    shuffled = Structure.from_sites([moved[i] for i in rng.permutation(len(moved))])
    # a cell of the same lattice: rows of an integer matrix of determinant 1
    a, b = int(rng.integers(-1, 2)), int(rng.integers(-1, 2))
    other = shuffled.make_supercell([[1, a, 0], [0, 1, b], [0, 0, 1]], in_place=False)
    first, second = write_structure(start), write_structure(other)
    assert describe(second).space_group_number == describe(first).space_group_number
    assert match(first, other=second).matches == 1
    assert xrd(second).strongest_peak == pytest.approx(xrd(first).strongest_peak, abs=1e-3)


def test_a_structure_type_is_matched_whatever_its_elements() -> None:
    first, second = decorated("L1_2", "Au", "Cu"), decorated("L1_2", "Al", "Ni")
    assert match(first, other=second).matches == 0
    assert match(first, other=second, by_type=True).matches == 1
    assert match(first, other=decorated("D0_22", "Cu", "Au"), by_type=True).matches == 0


def test_a_supercell_holds_as_many_more_atoms_in_as_much_more_volume() -> None:
    made = supercell(SALT, repeats=(2, 1, 3))
    larger = parse_structure(made.details["structures"][0]["structure"])
    assert made.n_atoms == 6 * 8
    assert larger.volume == pytest.approx(6 * parse_structure(SALT).volume, rel=1e-6)
    with pytest.raises(ToolFailedError, match="at most 512"):
        supercell(SALT, repeats=(5, 5, 5))


def test_the_surface_of_copper_has_its_area_and_layers_are_close_packed() -> None:
    # The (111) cell of fcc has the area sqrt(3)/2 d² with d = a / sqrt(2).
    made = surface(COPPER, miller=(1, 1, 1), thickness=8, vacuum=12)
    told = made.details["structures"][0]
    d = 3.615 / 2**0.5
    per_atom = told["surface_area_angstrom2"] / round(told["surface_area_angstrom2"] / (3**0.5 / 2 * d * d))
    assert per_atom == pytest.approx(3**0.5 / 2 * d * d, rel=1e-3)
    assert told["both_sides_alike"]
    with pytest.raises(ToolFailedError, match="no plane"):
        surface(COPPER, miller=(0, 0, 0))


def test_ions_are_replaced_by_those_of_like_size_and_charge() -> None:
    # Shannon, sixfold: Na+ 1.02, Ag+ 1.15, K+ 1.38, Mg2+ 0.72 angstrom; Cl- 1.81, Br- 1.96, F- 1.33.
    made = substitute(SALT, elements=("Ag", "K", "Mg", "Br", "F"))
    changes = [s["changes"] for s in made.details["structures"]]
    assert {"Na": "Ag"} in changes
    assert {"Cl": "Br"} in changes
    assert {"Na": "Ag", "Cl": "Br"} in changes
    assert all(c.get("Na") not in ("K", "Mg") and c.get("Cl") != "F" for c in changes)
    assert made.details["structures"][0]["misfit"] <= made.details["structures"][-1]["misfit"]
    with pytest.raises(ToolFailedError, match="none of the elements fits"):
        substitute(SALT, elements=("Mg",))


def test_metals_are_replaced_by_the_rules_of_hume_rothery() -> None:
    made = substitute(COPPER, elements=("Ni", "Ca"))
    assert [s["changes"] for s in made.details["structures"]] == [{"Cu": "Ni"}]


def test_orderings_come_with_the_lowest_electrostatic_energy_first() -> None:
    mixed = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), [{"Li": 0.5, "Fe": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    made = order(write_structure(mixed), most=3)
    energies = [s["electrostatic_energy_ev"] for s in made.details["structures"]]
    assert energies == sorted(energies)
    for listed in made.details["structures"]:
        assert parse_structure(listed["structure"]).composition.reduced_formula == "LiFeO2"
    with pytest.raises(ToolFailedError, match="nothing to order"):
        order(SALT)


def test_enumeration_counts_every_crystal_once() -> None:
    found = enumerate_crystals(("Ni", "Al"), types=("B2", "L1_2", "L1_0"))
    labels = {(s["prototype"], *s["elements"]) for s in found.details["structures"]}
    assert found.n_structures == 4
    assert labels == {("B2", "Al", "Ni"), ("L1_0", "Al", "Ni"), ("L1_2", "Al", "Ni"), ("L1_2", "Ni", "Al")}
    with pytest.raises(ToolFailedError, match="no crystal volume is known of Pu"):
        enumerate_crystals(("Al", "Pu"))


def test_copper_diffracts_as_the_powder_file_says() -> None:
    # ICDD 04-0836, Cu K-alpha: 111 43.297°, 200 50.433°, 220 74.130°; intensities 100, 46, 20,
    # which thermal motion weakens at large angles and ours do not know.
    peaks = xrd(COPPER, radiation="CuKa1", high=80).details["peaks"]
    assert [p["two_theta"] for p in peaks] == pytest.approx([43.297, 50.433, 74.130], abs=0.05)
    assert [p["intensity"] for p in peaks] == pytest.approx([100, 46, 20], abs=8)


def test_a_measured_pattern_is_explained_by_its_own_crystal_best() -> None:
    measured = {
        "measured_angles": (43.297, 50.433, 74.130, 89.931),
        "measured_intensities": (100.0, 46, 20, 17),
    }
    own = xrd(COPPER, **measured)
    nickel = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.524), ["Ni"], [[0, 0, 0]])
    assert own.pattern_similarity > 0.98
    assert own.lattice_stretch == pytest.approx(1.0, abs=0.002)
    assert xrd(SILICON, **measured).pattern_similarity < 0.2
    # nickel's pattern is copper's at a smaller cell: the stretch says so
    assert xrd(write_structure(nickel), **measured).lattice_stretch == pytest.approx(3.615 / 3.524, abs=0.002)


def test_a_measured_pattern_without_intensities_is_refused() -> None:
    with pytest.raises(ToolFailedError, match="as many intensities as angles"):
        xrd(COPPER, measured_angles=(43.3, 50.4, 74.1))


def test_the_hull_is_what_arithmetic_says() -> None:
    # AB at -1 eV per atom: A3B would become half A and half AB, at -0.5, and lies 0.2 above.
    elements = (GivenPhase(formula="Al", energy=-3.0), GivenPhase(formula="Ni", energy=-5.0))
    phases = (*elements, GivenPhase(formula="AlNi", energy=-5.0))
    found = hull("Al3Ni", energy=-3.8, phases=phases)
    assert found.formation_energy_given == pytest.approx(-0.3)
    assert found.energy_above_given_hull == pytest.approx(0.2)
    parts = {p["formula"]: p["share_of_atoms"] for p in found.details["decomposition"]}
    assert parts == pytest.approx({"Al": 0.5, "AlNi": 0.5})
    with pytest.raises(ToolFailedError, match="no phase of the element Ni"):
        hull("Al3Ni", energy=-3.8, phases=phases[:1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_the_hull_is_the_least_energy_of_any_mixture(seed) -> None:
    from pymatgen.core import Composition
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    elements = ["Al", "Cu", "Ni"]
    phases = [GivenPhase(formula=e, energy=float(rng.normal(-3, 1))) for e in elements]
    for _ in range(6):
        counts = rng.integers(0, 4, size=3)
        if (counts > 0).sum() > 1:
            formula = "".join(f"{e}{n}" for e, n in zip(elements, counts, strict=True) if n)
            phases.append(GivenPhase(formula=formula, energy=float(rng.normal(-3.5, 1))))
    shares = np.array([[Composition(p.formula).get_atomic_fraction(e) for p in phases] for e in elements])
    target = [Composition("AlCu2Ni").get_atomic_fraction(e) for e in elements]
    lowest = linprog([p.energy for p in phases], A_eq=shares, b_eq=target)
    found = hull("AlCu2Ni", energy=-3.0, phases=tuple(phases))
    assert found.energy_above_given_hull == pytest.approx(-3.0 - lowest.fun, abs=1e-6)


@pytest.mark.parametrize(
    ("formula", "verdict"),
    [("NaCl", "plausible"), ("SrTiO3", "plausible"), ("NaCl2", "unknown"), ("AlNi", "unknown")],
)
def test_a_formula_alone_is_plausible_or_unknown(formula, verdict) -> None:
    assert plausibility(formula).details["verdict"] == verdict


def test_the_tolerance_factor_is_goldschmidts() -> None:
    # Shannon, sixfold as here for all: Sr 1.18, Ti 0.605, O 1.40 angstrom.
    expected = (1.18 + 1.40) / (2**0.5 * (0.605 + 1.40))
    assert plausibility("SrTiO3").tolerance_factor == pytest.approx(expected, abs=1e-3)
    assert plausibility("NaCl").tolerance_factor is None


def test_a_formula_that_is_none_is_refused() -> None:
    for text in ("Xx2", "", "water"):
        with pytest.raises(ToolFailedError, match="is no formula"):
            plausibility(text)
