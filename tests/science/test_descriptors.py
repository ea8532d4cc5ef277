"""Descriptors against values that others published or ship."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, RDConfig

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.descriptors import descriptors

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"


@pytest.mark.parametrize(
    ("smiles", "qed"),
    [
        ("N=C(CCSCc1csc(N=C(N)N)n1)NS(N)(=O)=O", 0.253),
        ("CNC(=NCCSCc1nc[nH]c1C)NC#N", 0.234),
        ("CCCCCNC(=N)NN=Cc1c[nH]c2ccc(CO)cc12", 0.234),
    ],
)
def test_qed_is_that_of_the_original_authors(smiles, qed):
    # The three worked examples of RDKit's QED module, written by the authors of the method.
    assert descriptors(smiles).qed == pytest.approx(qed, abs=1e-3)


@pytest.mark.parametrize(
    ("smiles", "weight", "exact", "tpsa"),
    [
        # PubChem compounds 2244 and 2519: molecular weight, monoisotopic mass, polar surface. PubChem's
        # surface of caffeine comes from another implementation and differs.
        (ASPIRIN, 180.16, 180.04225873, 63.6),
        (CAFFEINE, 194.19, 194.08037557, None),
    ],
)
def test_weights_and_surface_agree_with_pubchem(smiles, weight, exact, tpsa):
    found = descriptors(smiles)
    assert found.molecular_weight == pytest.approx(weight, abs=0.01)
    assert found.exact_mass == pytest.approx(exact, abs=1e-6)
    if tpsa is not None:
        assert found.tpsa == pytest.approx(tpsa, abs=0.05)


def test_molecular_weight_is_the_average_and_exact_mass_is_not():
    # IUPAC 2021: Br has the standard atomic weight 79.904 and the isotope 79Br of 78.9183376 Da.
    found = descriptors("BrBr")
    assert found.molecular_weight == pytest.approx(159.808, abs=1e-3)
    assert found.exact_mass == pytest.approx(2 * 78.9183376, abs=1e-5)
    # CIAAW: 2H 2.014101778 Da; a label overrides the natural mixture.
    assert descriptors("[2H]O[2H]").molecular_weight == pytest.approx(20.027, abs=2e-3)


def test_synthetic_accessibility_agrees_with_the_table_of_its_authors():
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "data" / "zim.100.txt"
    with path.open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    whole = [row for row in rows if "." not in row["smiles"]][:40]
    assert len(whole) == 40
    for row in whole:
        assert descriptors(row["smiles"]).sa_score == pytest.approx(float(row["sa_score"]), abs=1e-3)


def test_polar_surface_agrees_with_the_table_of_rdkit():
    with (Path(RDConfig.RDDataDir) / "NCI" / "first_200.tpsa.csv").open() as table:
        rows = [line.strip().split(",") for line in table if not line.startswith("#")]
    whole = [row for row in rows if "." not in row[0]][:60]
    assert len(whole) == 60
    for smiles, surface in whole:
        assert descriptors(smiles).tpsa == pytest.approx(float(surface), abs=0.01)


def test_crippen_sums_the_contributions_of_the_original_paper():
    # Wildman and Crippen, J. Chem. Inf. Comput. Sci. 39, 868 (1999), table 1: logP and refractivity of
    # C1 0.1441 and 2.503, C18 0.1581 and 3.350, H1 0.1230 and 1.057.
    methane, benzene = descriptors("C"), descriptors("c1ccccc1")
    assert methane.logp == pytest.approx(0.1441 + 4 * 0.1230, abs=1e-4)
    assert methane.molar_refractivity == pytest.approx(2.503 + 4 * 1.057, abs=1e-3)
    assert benzene.logp == pytest.approx(6 * (0.1581 + 0.1230), abs=1e-4)
    assert benzene.molar_refractivity == pytest.approx(6 * (3.350 + 1.057), abs=1e-3)


def test_counts_of_aspirin():
    found = descriptors(ASPIRIN)
    assert (found.heavy_atoms, found.hbond_donors, found.rings, found.aromatic_rings) == (13, 1, 1, 1)
    assert found.fraction_csp3 == pytest.approx(1 / 9)
    assert found.details["alerts"] == ["phenol_ester"]
    assert found.alerts == 1


def test_a_molecule_without_carbon_has_no_sp3_share():
    assert descriptors("O").fraction_csp3 is None


def test_charge_is_kept_as_written():
    assert descriptors("CC(=O)[O-]").formal_charge == -1


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31 - 1))
def test_the_spelling_of_a_molecule_does_not_matter(seed):
    import random

    reference = descriptors(CAFFEINE)
    molecule = Chem.MolFromSmiles(CAFFEINE)
    order = list(range(molecule.GetNumAtoms()))
    random.Random(seed).shuffle(order)
    spelt = Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False)
    found = descriptors(spelt)
    for name, value in reference.model_dump().items():
        if isinstance(value, float):
            assert getattr(found, name) == pytest.approx(value, rel=1e-9), name
        else:
            assert getattr(found, name) == value, name


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("c1ccccc", "unclosed ring"),
        ("C(C)(C)(C)(C)C", "valence for atom # 0 C, 5"),
        ("c1cccc1", "kekulize"),
        ("CC(=O", "open parentheses"),
        ("ethanol", "syntax error"),
        ("[Na+].[Cl-]", "2 separate parts"),
        ("C*", "placeholder"),
        ("[Xx]", "not a molecule"),
        ("CC CC", "neither spaces"),
        ("Cé", "neither spaces"),
        ("C\n", "neither spaces"),
    ],
)
def test_what_is_not_one_molecule_is_refused_in_words(smiles, reason, capfd):
    with pytest.raises(ToolFailedError, match=reason):
        descriptors(smiles)
    assert capfd.readouterr() == ("", "")
