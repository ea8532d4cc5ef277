"""GFN2-xTB against published values, and what must not change a result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from scipy.spatial.transform import Rotation

pytest.importorskip("tblite", reason="needs novum[xtb]")

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.constants import BOHR_ANGSTROM
from novum.tools.chemistry.geometry import (
    Geometry,
    changed_bonds,
    embed,
    parse_xyz,
    with_hydrogens,
)
from novum.tools.chemistry.gfn2 import Gfn2, wavenumbers
from novum.tools.chemistry.relaxation import relax
from novum.tools.chemistry.xtb import xtb


def test_water_has_the_energy_that_xtb_gives():
    # xtb 6.x, documentation of "xtb water.xyz --opt": total energy -5.070544 hartree.
    assert xtb("O").total_energy_gfn2 == pytest.approx(-5.070544, abs=2e-6)


def test_energies_agree_with_the_tests_of_tblite():
    # tblite 0.8.0, test_interface.py::test_gfn2 (alanine dipeptide) and ::test_solvation_gfn2_alpb.
    reference = pytest.importorskip("tblite.test_interface")
    numbers, bohr = reference.get_ala("xac")
    peptide = Geometry(np.asarray(numbers), bohr * BOHR_ANGSTROM)
    assert Gfn2(peptide).electrons(peptide).energy == pytest.approx(-32.97134042392298, abs=1e-7)
    numbers, bohr = reference.get_crcp2()
    complex_ = Geometry(np.asarray(numbers), bohr * BOHR_ANGSTROM)
    solvated = Gfn2(complex_, solvent="ethanol").electrons(complex_)
    assert solvated.energy == pytest.approx(-28.448543424860, abs=1e-7)


def test_the_shape_of_water_is_close_to_the_measured_one():
    # NIST CCCBDB: r(OH) 0.958 angstrom, angle 104.5 degrees, dipole 1.855 debye, harmonic zero-point
    # energy 13.5 kcal/mol. Tolerances are GFN2-xTB's usual errors.
    found = xtb("O", frequencies=True)
    geometry = parse_xyz(found.details["xyz"], with_hydrogens(Chem.MolFromSmiles("O")))
    oxygen, first, second = geometry.positions
    a, b = first - oxygen, second - oxygen
    assert np.linalg.norm(a) == pytest.approx(0.958, abs=0.01)
    angle = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    assert angle == pytest.approx(104.5, abs=4)
    assert found.dipole_moment == pytest.approx(1.855, abs=0.5)
    assert found.zero_point_energy == pytest.approx(13.5, rel=0.1)
    assert found.n_imaginary == 0


def test_symmetry_forbids_the_dipole_of_benzene():
    assert xtb("c1ccccc1").dipole_moment < 0.01


def test_a_linear_molecule_has_four_modes():
    # CO2: 667 (twice), 1333 (Fermi-shifted 1388), 2349 1/cm (NIST).
    found = xtb("O=C=O", frequencies=True)
    assert found.lowest_frequency == pytest.approx(667, rel=0.15)
    assert found.zero_point_energy == pytest.approx((2 * 667 + 1333 + 2349) / 2 * 2.859e-3, rel=0.1)


def test_a_known_force_constant_gives_its_wavenumber():
    # Two unit masses on a spring: omega = sqrt(2 k / m); 1 hartree/bohr² at 1 Da is 5140.49 1/cm.
    k = np.zeros((6, 6))
    k[0, 0] = k[3, 3] = 0.25
    k[0, 3] = k[3, 0] = -0.25
    found = wavenumbers(k, np.array([[0.0, 0, 0], [1.5, 0, 0]]), np.array([1.0, 1.0]))
    assert found == pytest.approx([np.sqrt(0.5) * 5140.4871])


def test_relaxation_finds_the_minimum_of_a_known_well():
    centre = np.array([[0.0, 0, 0], [2.0, 0, 0], [0, 2.0, 0]])

    def well(positions):
        away = positions - centre
        return float((away**2).sum() / 2), away

    start = centre + np.array([[0.2, -0.1, 0], [0.1, 0.3, 0], [-0.2, 0, 0.4]])
    found = relax(well, np.array([8, 1, 1]), start, force=1e-6)
    assert found.positions == pytest.approx(centre, abs=1e-5)
    with pytest.raises(ToolFailedError, match="did not settle in 2 steps"):
        relax(well, np.array([8, 1, 1]), start, force=1e-9, max_steps=2)


def test_a_relaxed_molecule_stays_where_it_is():
    first = Gfn2(embed(with_hydrogens(Chem.MolFromSmiles("CCO")), n_conformers=1, seed=1)[0][0])
    geometry, relaxed = first.relax(force=5e-5)
    _, again = Gfn2(geometry).relax(force=5e-5)
    assert again.steps <= 2
    assert again.energy == pytest.approx(relaxed.energy, abs=1e-6)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31 - 1))
def test_rotation_and_translation_change_nothing(seed):
    geometry = embed(with_hydrogens(Chem.MolFromSmiles("CC(=O)[O-]")), n_conformers=1, seed=0)[0][0]
    rng = np.random.default_rng(seed)
    moved = geometry.moved(
        geometry.positions @ Rotation.random(rng=rng).as_matrix().T + rng.normal(scale=20, size=3)
    )
    here, there = Gfn2(geometry).electrons(geometry), Gfn2(moved).electrons(moved)
    assert there.energy == pytest.approx(here.energy, abs=1e-8)
    assert there.dipole == pytest.approx(here.dipole, abs=1e-4)
    assert there.homo == pytest.approx(here.homo, abs=1e-4)


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31 - 1))
def test_the_order_of_the_atoms_changes_nothing(seed):
    geometry = embed(with_hydrogens(Chem.MolFromSmiles("NC=O")), n_conformers=1, seed=0)[0][0]
    order = np.random.default_rng(seed).permutation(len(geometry.numbers))
    mixed = Geometry(geometry.numbers[order], geometry.positions[order])
    assert Gfn2(mixed).electrons(mixed).energy == pytest.approx(
        Gfn2(geometry).electrons(geometry).energy, abs=1e-8
    )


@pytest.mark.parametrize("spellings", [("CCO", "OCC", "C(O)C"), ("c1ccccc1C=O", "O=CC1=CC=CC=C1")])
def test_the_spelling_of_the_smiles_changes_nothing(spellings):
    found = [xtb(smiles) for smiles in spellings]
    for other in found[1:]:
        assert other.total_energy_gfn2 == pytest.approx(found[0].total_energy_gfn2, abs=5e-6)
        assert other.homo_lumo_gap == pytest.approx(found[0].homo_lumo_gap, abs=0.01)


def test_equal_seeds_give_equal_numbers():
    # To the last digit in a sandbox, which has one thread; sums over threads differ in the last digits.
    first, second = (xtb("OCCOCCO", seed=3) for _ in range(2))
    assert first.total_energy_gfn2 == pytest.approx(second.total_energy_gfn2, abs=1e-8)
    assert first.homo_lumo_gap == pytest.approx(second.homo_lumo_gap, abs=1e-6)


def test_seeds_are_independent_and_zero_is_one_of_them():
    molecule = with_hydrogens(Chem.MolFromSmiles("OCC(O)C(O)CCCCN"))
    found = [embed(molecule, n_conformers=16, seed=seed)[0] for seed in (0, 1, 2)]
    assert len(found[0]) > 1
    assert len({conformers[0].to_xyz() for conformers in found}) == 3


def test_solvents_stabilise_what_they_dissolve():
    water, hexane = (xtb("CO", solvent=s).solvation_free_energy for s in ("water", "hexane"))
    # Minnesota solvation database 2012: methanol in water -5.1 kcal/mol.
    assert water == pytest.approx(-5.1, abs=2)
    assert water < hexane < 0
    assert xtb("CO").solvation_free_energy is None


def test_radicals_and_ions_have_the_electrons_of_their_smiles():
    methyl, oxygen, acetate = xtb("[CH3]"), xtb("[O][O]"), xtb("CC(=O)[O-]")
    assert (methyl.details["unpaired_electrons"], oxygen.details["unpaired_electrons"]) == (1, 2)
    assert "open shell" in methyl.warnings[0]
    assert acetate.details["charge"] == -1
    assert sum(acetate.details["partial_charges"]) == pytest.approx(-1, abs=1e-3)


def test_what_cannot_be_computed_fails_in_words():
    with pytest.raises(ToolFailedError, match="unclosed ring"):
        xtb("c1ccccc")
    with pytest.raises(ToolFailedError, match="no valence electrons"):
        xtb("[H+]")
    with pytest.raises(ToolFailedError, match="no vibrations"):
        xtb("[He]", frequencies=True)
    with pytest.raises(ToolFailedError, match="GFN2-xTB cannot treat"):
        xtb("[Fm]")


def test_a_broken_or_a_new_bond_is_seen():
    molecule = with_hydrogens(Chem.MolFromSmiles("CCO"))
    geometry = embed(molecule, n_conformers=1, seed=0)[0][0]
    assert changed_bonds(molecule, geometry) == []
    stretched = geometry.positions.copy()
    stretched[8] += 5 * (stretched[8] - stretched[2])
    assert changed_bonds(molecule, geometry.moved(stretched)) == ["bond O3-H9 broke"]
    squeezed = geometry.positions.copy()
    squeezed[3] = squeezed[4] + [0.5, 0, 0]
    assert "bond H4-H5 formed" in changed_bonds(molecule, geometry.moved(squeezed))


def test_strained_cages_and_hydrogen_bonds_are_no_changes():
    for smiles in ("C1C2CC1C2", "C1CC1", "OC(=O)C=CC(=O)O", "O=C1CC(=O)C1", "S1SSSSSSS1"):
        assert xtb(smiles, n_conformers=4).details["connectivity_kept"]


def test_xyz_text_survives_the_round_trip_and_wrong_text_does_not():
    molecule = with_hydrogens(Chem.MolFromSmiles("CO"))
    geometry = embed(molecule, n_conformers=1, seed=0)[0][0]
    text = geometry.to_xyz("here")
    assert parse_xyz(text, molecule).positions == pytest.approx(geometry.positions, abs=1e-7)
    for wrong, reason in [
        (text.replace("C  ", "N  ", 1), "in the order of the SMILES"),
        ("", "must hold 6 atoms"),
        ("\n".join(text.splitlines()[:-1]), "must hold 6 atoms"),
        (text.replace("C  ", "C  nan", 1), "."),
        (geometry.moved(geometry.positions * 3).to_xyz(), "another molecule: bond"),
    ]:
        with pytest.raises(ToolFailedError, match=reason):
            parse_xyz(wrong, molecule)
