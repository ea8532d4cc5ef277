"""Names, likeness and alerts of molecules against values that others published."""

import pytest
from rdkit import Chem

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.alerts import alerts
from novum.tools.chemistry.identity import identity
from novum.tools.chemistry.matched_pairs import matched_pairs
from novum.tools.chemistry.similarity import similarity


@pytest.mark.parametrize(
    ("smiles", "key"),
    [
        # PubChem compounds 2244, 2519, 5957 and 444305.
        ("CC(=O)Oc1ccccc1C(=O)O", "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"),
        ("Cn1cnc2c1c(=O)n(C)c(=O)n2C", "RYYVLZVUVIJVGH-UHFFFAOYSA-N"),
        (
            "c1nc(c2c(n1)n(cn2)[C@H]3[C@@H]([C@@H]([C@H](O3)COP(=O)(O)OP(=O)(O)OP(=O)(O)O)O)O)N",
            "ZKHQWZAMYRWXGA-KQYNXXCUSA-N",
        ),
        ("[C@@H]([C@H](C(=O)O)O)(C(=O)O)O", "FEWJPZIEWOKRBE-JCYAYHJZSA-N"),
    ],
)
def test_inchikeys_are_those_of_pubchem(smiles, key):
    assert identity(smiles).details["inchikey"] == key


def test_four_formats_name_one_molecule():
    molecule = Chem.MolFromSmiles("CC(=O)Nc1ccc(O)cc1")
    given = {
        "smiles": "Oc1ccc(NC(C)=O)cc1",
        "inchi": "InChI=1S/C8H9NO2/c1-6(10)9-7-2-4-8(11)5-3-7/h2-5,11H,1H3,(H,9,10)",
        "mol": Chem.MolToMolBlock(molecule),
    }
    found = [identity(text, format=form).details["inchikey"] for form, text in given.items()]
    found += [identity(text).details["inchikey"] for text in given.values()]
    assert set(found) == {"RZVAJINKPMORJF-UHFFFAOYSA-N"}


def test_selfies_are_read_and_written_where_they_are_named():
    pytest.importorskip("selfies", reason="needs novum[selfies]")
    benzene = identity("c1ccccc1").details["selfies"]
    assert identity(benzene, format="selfies").details["inchikey"] == "UHOVQNZJYSORNB-UHFFFAOYSA-N"
    with pytest.raises(ToolFailedError, match="say which"):
        identity(benzene)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Oc1ccccn1", "O=c1cccc[nH]1"),
        ("CC(O)=CC(C)=O", "CC(=O)CC(C)=O"),
        ("c1ccc2[nH]cnc2c1", "c1ccc2nc[nH]c2c1"),
        ("NC(=N)N", "N=C(N)N"),
    ],
)
def test_tautomers_meet_under_one_name(one, other):
    first, second = (identity(s).details["canonical_tautomer"]["inchikey"] for s in (one, other))
    assert first == second


def test_salt_and_charge_are_taken_off_and_zwitterions_become_neutral():
    aspirin = identity("CC(=O)Oc1ccccc1C(=O)[O-].[Na+]")
    assert (aspirin.parts, aspirin.net_charge) == (2, 0)
    assert aspirin.details["parent"]["charge"] == -1
    assert aspirin.details["neutral_parent"]["inchikey"] == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"
    assert identity("[NH3+]CC(=O)[O-]").details["neutral_parent"]["smiles"] == "NCC(=O)O"


def test_stereo_is_labelled_or_left_open():
    found = identity("C[C@H](N)C(=O)O")  # L-alanine: S
    assert found.details["stereo"] == [{"atoms": [2], "label": "S"}]
    assert identity("C/C=C/C").details["stereo"] == [{"atoms": [2, 3], "label": "E"}]
    both = identity("CC=CC(F)Cl")
    assert both.stereo_unassigned == 2
    assert "set of isomers" in both.warnings[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("InChI=1S/nonsense", "inchi"), ("x\nM  END", "mol"), ("ethanol", "syntax"), ("", "no atoms")],
)
def test_what_is_no_molecule_is_refused(text, reason, capfd):
    with pytest.raises(ToolFailedError, match=reason):
        identity(text)
    assert capfd.readouterr() == ("", "")


def test_likeness_is_that_of_rdkits_book():
    # RDKit, Getting Started in Python: CCOC against CCO 0.6, against COC 0.4; CCO against COC 0.25.
    pairs = {("CCOC", "CCO"): 0.6, ("CCOC", "COC"): 0.4, ("CCO", "COC"): 0.25}
    for (one, other), value in pairs.items():
        assert similarity(one, reference=other, fingerprint="rdkit").similarity == pytest.approx(value)
        assert similarity(other, reference=one, fingerprint="rdkit").similarity == pytest.approx(value)


def test_a_chain_shares_no_scaffold():
    assert similarity("CCO", reference="CCO").same_scaffold == 0
    found = similarity("c1ccncc1C", reference="c1ccccc1C")
    assert found.same_scaffold == 0
    assert found.details["molecule"]["framework"] == found.details["reference"]["framework"]


def test_alerts_name_themselves_and_their_atoms():
    found = alerts("Oc1ccccc1O")
    assert found.pains_alerts == 1
    assert found.details["PAINS"] == [{"alert": "catechol_A(92)", "atoms": [1, 2, 3, 4, 5, 6, 7, 8]}]


def test_matched_pairs_average_what_an_exchange_changes():
    table = {"c1ccccc1": 1.0, "Fc1ccccc1": 2.0, "c1ccncc1": 5.0, "Fc1ccncc1": 8.0, "CCO": 0.0}
    found = matched_pairs(list(table), values=list(table.values()))
    exchange = next(e for e in found.details["exchanges"] if "F" in e["from"] + e["to"])
    assert exchange["n"] == 2
    assert abs(exchange["mean_change"]) == pytest.approx(2.0)
    assert exchange["standard_error"] == pytest.approx(1.0)
    assert all(pair["core"] for pair in found.details["pairs"])


def test_matched_pairs_need_a_value_for_each_molecule():
    with pytest.raises(ToolFailedError, match="do not fit"):
        matched_pairs(["C", "CC"], values=[1.0])
