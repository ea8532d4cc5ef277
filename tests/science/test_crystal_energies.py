"""Energies of crystals against measured and published values, and what must not change them."""

import gzip
import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure

pytest.importorskip("chgnet", reason="needs novum[mlip]")

from novum.core.crystals import find_prototype
from novum.core.errors import ToolFailedError
from novum.tools.materials.calculators import Method
from novum.tools.materials.compression import equation_of_state, fit_birch_murnaghan
from novum.tools.materials.diffusion import diffusion, measure_slope
from novum.tools.materials.elasticity import elasticity
from novum.tools.materials.references import competing_phases, decorations, elemental_phase, kept_energies
from novum.tools.materials.relaxation import relax
from novum.tools.materials.relaxing import relaxing
from novum.tools.materials.stability import ERROR, GivenPhase, stability, stability_r2scan
from novum.tools.materials.structures import from_atoms, parse_structure, to_atoms, write_structure


def decorated(name: str, *elements: str) -> str:
    found = find_prototype(name)
    assert found is not None
    return found.crystal(elements)


def metal(symbol: str, a: float, kind: str = "fcc") -> str:
    from ase.build import bulk

    return write_structure(from_atoms(bulk(symbol, kind, a=a)))


def measured(formula: str) -> float:
    """Return the measured formation enthalpy in eV per atom, as pymatgen collects it."""
    file = resources.files("pymatgen.analysis.compatibility") / "exp_compounds.json.gz"
    wanted = Composition(formula)
    for entry in json.loads(gzip.decompress(file.read_bytes())):
        found = Composition(entry["formula"])
        if found.reduced_formula == wanted.reduced_formula:
            return float(entry["exp energy"]) / found.num_atoms
    raise AssertionError(formula)


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("B20", ("Al", "Pt")),
        ("B33", ("Hf", "Pt")),
        ("B2", ("Al", "Ni")),
        ("C37", ("Pd", "Al")),
        ("C16", ("Zr", "Ni")),
        ("B1", ("Mg", "O")),
        ("B1", ("F", "Li")),
        ("C1", ("Ca", "F")),
        ("E2_1", ("Sr", "O", "Ti")),
        ("B3", ("Zn", "S")),
    ],
)
def test_formation_energies_are_the_measured_ones_within_two_errors(name, elements) -> None:
    found = stability(decorated(name, *elements), competing="elements")
    expected = measured(found.details["formula"])
    assert found.formation_energy == pytest.approx(expected, abs=2 * ERROR)


def test_the_example_names_what_calorimetry_says() -> None:
    text = (Path(__file__).parents[2] / "examples" / "intermetallics.yaml").read_text(encoding="utf-8")
    named = re.findall(r"([A-Z]\w+) +\((\w+)\) +(-\d\.\d+)", text)
    assert len(named) == 7
    for formula, prototype, energy in named:
        assert find_prototype(prototype) is not None
        assert float(energy) == pytest.approx(measured(formula), abs=0.006)


def test_a_known_compound_is_stable_and_a_wrong_structure_of_it_is_not() -> None:
    # AlPt crystallises in B20 (FeSi type): Villars, Pearson's Handbook.
    right = stability(decorated("B20", "Al", "Pt"))
    wrong = stability(decorated("B3", "Al", "Pt"))
    assert right.energy_above_hull == pytest.approx(0, abs=0.002)
    assert right.details["verdict"] == "stable among the references"
    assert wrong.energy_above_hull > 0.5
    assert wrong.details["verdict"] == "unstable"
    assert [d["formula"] for d in wrong.details["decomposition"]] == ["AlPt"]
    assert right.details["reference_set"] == wrong.details["reference_set"]


def test_a_given_phase_takes_its_place_on_the_hull() -> None:
    alone = stability(decorated("B2", "Al", "Ni"), competing="elements")
    rival = GivenPhase(formula="AlNi", energy=alone.energy_per_atom - 0.1, name="rival")
    beside = stability(decorated("B2", "Al", "Ni"), competing="elements", phases=(rival,))
    assert alone.energy_above_hull == pytest.approx(alone.formation_energy)
    assert alone.energy_above_hull < 0
    assert beside.energy_above_hull == pytest.approx(0.1, abs=1e-5)
    assert beside.details["decomposition"][0]["phase"] == "rival"


def test_the_other_functional_has_a_scale_of_its_own_and_agrees_on_formation() -> None:
    text = decorated("B2", "Al", "Ni")
    first, second = (f(text, competing="elements") for f in (stability, stability_r2scan))
    assert abs(first.energy_per_atom - second.energy_per_atom) > 1
    assert second.formation_energy == pytest.approx(measured("AlNi"), abs=0.2)
    assert second.ran == "CHGNet r2SCAN"


@pytest.mark.parametrize("name", ["element:Ni", "L1_2:Al,Ni", "B2:Ni,Ti", "D1_a:Hf,Cu"])
def test_kept_energies_are_what_the_method_gives_today(name) -> None:
    method = Method("chgnet")
    kept = kept_energies(method)[name]
    kind, _, elements = name.partition(":")
    if kind == "element":
        text = metal(elements, 3.52)
    else:
        text = decorated(kind, *elements.split(","))
    assert relax(parse_structure(text), method).energy == pytest.approx(kept, abs=2e-3)


def test_phases_that_nobody_kept_are_computed() -> None:
    # EMT keeps no compound; of Cu-Au the structure types of two elements are every one computed here.
    phases = competing_phases(["Au", "Cu"], Method("emt"))
    assert {p.origin for p in phases} == {"computed"}
    assert {p.name for p in phases} <= {f"{t.name}:{','.join(o)}" for t, o in decorations(["Au", "Cu"])}
    assert len(phases) > 40
    best = min(phases, key=lambda p: p.energy)
    assert best.energy < min(elemental_phase(s, Method("emt")).energy for s in ("Au", "Cu"))


def test_the_energy_does_not_depend_on_setting_origin_and_order() -> None:
    start = parse_structure(decorated("D5_13", "Al", "Ni"))
    rng = np.random.default_rng(3)
    turned = start.copy()
    turned.translate_sites(range(len(turned)), rng.random(3))
    turned = Structure.from_sites([turned[i] for i in rng.permutation(len(turned))])
    larger = turned.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]], in_place=False)
    for calculator in ("chgnet", "emt"):
        energies = [
            relaxing(write_structure(s), calculator=calculator, relaxed=False).energy_per_atom
            for s in (start, turned, larger)
        ]
        assert energies[1:] == pytest.approx(energies[:1] * 2, abs=1e-4)


def test_relaxation_ends_at_rest_and_twice_is_once() -> None:
    once = relaxing(decorated("B20", "Al", "Pt"), output="poscar")
    twice = relaxing(once.details["structure"])
    assert once.max_force <= 0.02
    assert abs(once.pressure) < 1
    assert once.details["space_group"] == "P2_13 (198)"
    assert twice.energy_per_atom == pytest.approx(once.energy_per_atom, abs=1e-4)


def test_effective_medium_theory_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ToolFailedError, match="Ti needs another calculator"):
        relaxing(decorated("B2", "Ni", "Ti"), calculator="emt")
    with pytest.raises(ToolFailedError, match="O needs another calculator"):
        relaxing(decorated("B1", "Ni", "O"), calculator="emt")


def test_chgnet_refuses_elements_that_it_never_saw() -> None:
    lump = Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])
    with pytest.raises(ToolFailedError, match="learnt nothing about Po"):
        relaxing(write_structure(lump))


def test_a_checkpoint_is_computed_with_and_named_by_its_content() -> None:
    # The weights in CHGNet's own package are a checkpoint like any other.
    folder = resources.files("chgnet") / "pretrained" / "0.3.0"
    path = next(str(f) for f in folder.iterdir() if f.name.endswith(".pth.tar"))
    text = decorated("L1_2", "Al", "Ni")
    own = relaxing(text, calculator="checkpoint", checkpoint=path, relaxed=False)
    embedded = relaxing(text, relaxed=False)
    assert own.energy_per_atom == pytest.approx(embedded.energy_per_atom, abs=1e-5)
    assert own.ran.startswith("chgnet checkpoint ")
    assert own.details["backend"] == "checkpoint"


def test_a_checkpoint_that_would_not_be_used_is_refused() -> None:
    with pytest.raises(ToolFailedError, match="the calculator is 'chgnet'"):
        relaxing(decorated("L1_2", "Al", "Ni"), checkpoint="model.pt")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "needs the path of the weights"),
        ({"checkpoint": "/nowhere/model.pt"}, "there is no checkpoint '/nowhere/model.pt'"),
        ({"checkpoint": __file__}, "is no CHGNet checkpoint"),
        ({"checkpoint": __file__, "family": "mace"}, "needs the package 'mace-torch'"),
        ({"checkpoint": __file__, "family": "orb"}, "needs the package 'orb-models'"),
        ({"checkpoint": __file__, "family": "mattersim"}, "needs the package 'mattersim'"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_says_why(options, reason) -> None:
    with pytest.raises(ToolFailedError, match=reason):
        relaxing(decorated("L1_2", "Al", "Ni"), calculator="checkpoint", **options)


@pytest.mark.parametrize(
    ("symbol", "a", "volume", "modulus"),
    [
        # Lejaeghere et al., doi:10.1080/10408436.2013.772503, table of WIEN2k (PBE): volume in cubic
        # angstrom per atom, bulk modulus in GPa. CHGNet's error on moduli is large: 25 %.
        ("Cu", 3.62, 11.95, 141.3),
        ("Pd", 3.94, 15.31, 168.6),
        ("Pt", 3.97, 15.64, 248.7),
    ],
)
def test_metals_are_as_large_and_as_stiff_as_density_functional_theory_says(
    symbol, a, volume, modulus
) -> None:
    found = equation_of_state(metal(symbol, a))
    assert found.equilibrium_volume_per_atom == pytest.approx(volume, rel=0.02)
    assert found.bulk_modulus == pytest.approx(modulus, rel=0.25)


def test_a_known_equation_of_state_is_found_again() -> None:
    volumes = np.linspace(9.4, 10.6, 9)
    eta = (10 / volumes) ** (2 / 3)
    energies = -3 + 9 * 0.8 * 10 / 16 * (4.5 * (eta - 1) ** 3 + (eta - 1) ** 2 * (6 - 4 * eta))
    assert fit_birch_murnaghan(volumes, energies)[:4] == pytest.approx((-3, 10, 0.8, 4.5), rel=1e-4)
    with pytest.raises(ToolFailedError, match="no minimum between"):
        fit_birch_murnaghan(volumes, volumes)
    rough = energies + 0.05 * (-1.0) ** np.arange(9)
    with pytest.raises(ToolFailedError, match=r"follow no equation of state|no minimum"):
        fit_birch_murnaghan(volumes, rough)


def test_two_ways_to_the_bulk_modulus_agree() -> None:
    # EMT is smooth, so that its energies and its stresses must say the same.
    copper = metal("Cu", 3.6)
    strained = elasticity(copper, calculator="emt")
    assert strained.bulk_modulus == pytest.approx(
        equation_of_state(copper, calculator="emt").bulk_modulus, rel=0.01
    )
    tensor = np.array(strained.details["elastic_tensor_gpa"])
    # a cubic crystal has three constants: c11, c12, c44
    assert tensor[0, 0] == pytest.approx(tensor[1, 1], rel=1e-3)
    assert tensor[0, 1] == pytest.approx(tensor[0, 2], rel=1e-3)
    assert tensor[3, 3] == pytest.approx(tensor[5, 5], rel=1e-3)
    assert np.abs(tensor[:3, 3:]).max() < 0.5
    assert strained.details["mechanically_stable"]


def test_a_crystal_that_does_not_withstand_strain_breaks_the_born_criterion() -> None:
    # Cu is not stable in bcc: c11 < c12 (experiment on the strained metal, and every calculation).
    found = elasticity(metal("Cu", 2.87, "bcc"), calculator="emt")
    assert found.least_stiffness < 0
    assert not found.details["mechanically_stable"]
    assert "mechanically unstable" in found.warnings[0]


def test_the_slope_of_a_random_walk_is_its_diffusion_coefficient() -> None:
    # Steps of variance s² along each axis: D = s² / 2 per step, so that the slope of the msd is 3 s².
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(0, 0.1, size=(1000, 64, 3)), axis=0)
    spread, slope, error = measure_slope(path, 2.0)
    assert slope == pytest.approx(3 * 0.01 / 2, rel=0.1)
    assert spread == pytest.approx(500 * 0.03, rel=0.1)
    assert 0 < error < 0.2 * slope


def test_atoms_that_only_vibrate_do_not_diffuse() -> None:
    found = diffusion(
        metal("Cu", 3.6), element="Cu", temperature=300, duration=0.5, repeats=(3, 3, 3), calculator="emt"
    )
    assert found.diffusion_coefficient is None
    assert "no diffusion was seen" in found.warnings[0]
    assert found.mean_temperature == pytest.approx(300, rel=0.3)
    again = diffusion(
        metal("Cu", 3.6), element="Cu", temperature=300, duration=0.5, repeats=(3, 3, 3), calculator="emt"
    )
    assert again.mean_squared_displacement == found.mean_squared_displacement
    with pytest.raises(ToolFailedError, match="holds no 'Au'"):
        diffusion(metal("Cu", 3.6), element="Au", temperature=300, calculator="emt")


def test_atoms_in_a_melt_diffuse() -> None:
    # EMT's copper far above its melting point moves by about 1e-4 cm²/s, as liquid metals do.
    found = diffusion(
        metal("Cu", 4.1),
        relaxed=False,
        element="Cu",
        temperature=4000,
        duration=1.5,
        time_step=3,
        repeats=(3, 3, 3),
        calculator="emt",
    )
    assert found.diffusion_coefficient is not None
    assert 1e-5 < found.diffusion_coefficient < 1e-2


def test_phonons_tell_a_stable_crystal_from_an_unstable_one() -> None:
    pytest.importorskip("phonopy", reason="needs novum[phonon]")
    from novum.tools.materials.vibrations import phonons

    stable = phonons(metal("Cu", 3.6), calculator="emt", temperature=1000, length=9)
    unstable = phonons(metal("Cu", 2.87, "bcc"), calculator="emt", length=9)
    assert stable.details["dynamically_stable"]
    assert not unstable.details["dynamically_stable"]
    assert unstable.lowest_phonon_frequency < -0.3
    # Dulong and Petit: 3 R far above the Debye temperature of 343 K.
    assert stable.heat_capacity_per_atom == pytest.approx(3 * 8.314, rel=0.02)
    # Neutrons: the highest frequency of copper is 7.4 THz (Svensson et al., Phys. Rev. 155, 619, 1967).
    assert stable.highest_phonon_frequency == pytest.approx(7.4, rel=0.15)
    with pytest.raises(ToolFailedError, match="ask for a shorter one"):
        phonons(metal("Cu", 3.6), calculator="emt", length=30)


def test_structures_survive_the_way_through_ase() -> None:
    start = parse_structure(decorated("C16", "Al", "Cu"))
    again = from_atoms(to_atoms(start))
    assert np.allclose(again.lattice.matrix, start.lattice.matrix)
    assert [s.specie.symbol for s in again] == [s.specie.symbol for s in start]
