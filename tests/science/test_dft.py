"""Density functional theory against other programs, on molecules small enough for a test."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("pyscf", reason="needs novum[dft]")

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.dft import dft, single_point
from novum.tools.chemistry.geometry import Geometry

WATER = Geometry(
    np.array([8, 1, 1]),
    np.array([[0.0, 0.0, 0.11726921], [0.75698224, 0.0, -0.46907685], [-0.75698224, 0.0, -0.46907685]]),
)


def test_water_has_the_energy_that_nwchem_gives():
    # MolSSI/QCDB, test of NWChem on the same geometry: PBE0/cc-pVDZ, -76.338827415472 hartree. The
    # tolerance covers density fitting and the coarser grid.
    found = single_point(WATER, functional="pbe0", basis="cc-pvdz")
    assert found["energy"] == pytest.approx(-76.338827415472, abs=2e-4)


def test_the_dipole_of_water_is_close_to_the_measured_one():
    # NIST CCCBDB: 1.855 debye, in a basis with diffuse functions.
    found = single_point(WATER, functional="pbe0", basis="def2-svpd")
    assert found["dipole"] == pytest.approx(1.855, abs=0.1)


def test_a_hybrid_opens_the_gap():
    pbe = single_point(WATER, functional="pbe", basis="def2-svp")
    pbe0 = single_point(WATER, functional="pbe0", basis="def2-svp")
    assert pbe0["lumo"] - pbe0["homo"] > pbe["lumo"] - pbe["homo"] + 1


def test_rotation_and_translation_change_little():
    # The grid is not rotationally invariant; what it breaks must stay below its own error.
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    moved = WATER.moved(WATER.positions @ turn.T + 3.0)
    here = single_point(WATER, functional="pbe0", basis="def2-svp")
    there = single_point(moved, functional="pbe0", basis="def2-svp")
    assert there["energy"] == pytest.approx(here["energy"], abs=1e-4)
    assert there["homo"] == pytest.approx(here["homo"], abs=2e-3)
    assert there["dipole"] == pytest.approx(here["dipole"], abs=1e-3)


def test_methane_from_its_smiles():
    found = dft("C")
    assert found.ran == "PBE0/def2-SVP"
    assert found.dipole_moment < 0.01
    assert found.homo_lumo_gap == pytest.approx(13.36, abs=0.02)  # this program, as a guard
    assert dft("C", xyz=found.details["xyz"]).total_energy_dft == pytest.approx(
        found.total_energy_dft, abs=1e-6
    )


def test_a_radical_is_unrestricted():
    found = dft("[CH3]", functional="b3lyp")
    assert found.details["unpaired_electrons"] == 1
    assert "open shell" in found.warnings[0]
    assert found.ran == "B3LYP/def2-SVP"


def test_an_ion_has_a_dipole_that_does_not_depend_on_where_it_is():
    hydroxide = Geometry(np.array([8, 1]), np.array([[0.0, 0, 0], [0, 0, 0.97]]), charge=-1)
    far = hydroxide.moved(hydroxide.positions + 5.0)
    here, there = (single_point(g, functional="pbe", basis="def2-svp")["dipole"] for g in (hydroxide, far))
    assert there == pytest.approx(here, abs=1e-3)


def test_what_cannot_be_computed_fails_in_words():
    with pytest.raises(ToolFailedError, match="unclosed ring"):
        dft("c1ccccc")
    with pytest.raises(ToolFailedError, match="in the order of the SMILES"):
        dft("C", xyz="1\n\nO 0 0 0\n")
    with pytest.raises(ToolFailedError, match="occupied and empty"):
        dft("[H+]")
