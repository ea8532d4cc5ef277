"""Molecules, crystals and sequences: symbols that mean the same in every file."""

import io

import pytest
import science_files as files
from rdkit import Chem

from novum.core.knowledge import DataClass
from novum.core.quantity import Quantity
from novum.knowledge_base.agreement import topic
from novum.knowledge_base.ingest import Bounds

ETHANOL = "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"


def sdf(*records):
    """An SDF of (SMILES, name, data items)."""
    out = io.StringIO()
    writer = Chem.SDWriter(out)
    for smiles, name, data in records:
        molecule = Chem.MolFromSmiles(smiles)
        molecule.SetProp("_Name", name)
        for key, value in data.items():
            molecule.SetProp(key, value)
        writer.write(molecule)
    writer.close()
    return out.getvalue()


def test_a_molecule_has_one_id_however_it_is_written(take):
    found = {
        take("a.smi", "OCC ethanol\n")[0].subject,
        take("b.smi", "C(O)C\n")[0].subject,
        take("c.sdf", sdf(("CCO", "ethanol", {})))[0].subject,
        take("d.mol", Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")))[0].subject,
        take("e.csv", "smiles,gap_ev\n[CH3][CH2]O,6.1\n")[0].subject,
    }
    assert found == {ETHANOL}


def test_lines_that_are_no_molecule_are_noted(take, report):
    items = take("a.smi", "SMILES name\n# comment\n\nCCO\tethanol\nC(\nC1CC\n")
    assert [(item.subject_label, item.arguments) for item in items] == [("ethanol", {"smiles": "CCO"})]
    assert [note.place for note in report.notes] == ["line 5", "line 6"]


def test_a_list_without_a_molecule_is_refused(refuse):
    assert refuse("a.smi", "not a molecule\n") == "no line holds a SMILES that can be read"


def test_molecules_that_are_too_large_are_left_out(take, report):
    items = take("a.smi", f"CC\n{'C' * 40}\n", bounds=Bounds(max_atoms=10))
    assert len(items) == 1
    assert "it has 40 atoms; at most 10 are taken" in report.notes[0].message


def test_data_items_of_an_sdf_are_values_of_the_molecule(take, report):
    content = sdf(
        ("CCO", "ethanol", {"logP": "-0.31", "mp (°C)": "-114.1", "comment": "fine", "score": "3"}),
        ("CCN", "ethylamine", {"mp (°C)": "-81"}),
    )
    items = take("a.sdf", content)
    values = {(item.subject_label, item.relation): str(item.value) for item in items if item.value}
    assert values == {
        ("ethanol", "logP"): "-0.31",
        ("ethanol", "mp"): "-114.1 °C",
        ("ethylamine", "mp"): "-81 °C",
    }
    assert {item.data_class for item in items} == {DataClass.SYMBOLIC}
    assert [item.subject_label for item in items if item.relation == "structure"] == ["ethanol", "ethylamine"]
    assert "column 'score'" in {note.place for note in report.notes}


def test_data_items_without_a_unit_leave_the_molecules(take, report):
    items = take("a.sdf", sdf(("CCO", "ethanol", {"score": "3"})))
    assert [item.relation for item in items] == ["structure"]
    assert any("data items were left out" in note.message for note in report.notes)


def test_a_record_that_is_cut_off_is_noted_and_the_others_are_taken(take, report, refuse):
    content = sdf(("CCO", "ethanol", {}), ("c1ccccc1", "benzene", {}))
    items = take("a.sdf", content[: content.rindex("M  END") - 40])
    assert [item.subject_label for item in items] == ["ethanol"]
    assert [note.place for note in report.notes] == ["record 2"]
    assert refuse("b.sdf", "nothing\nof\nthe\nkind\n") == "no record can be read"


def test_a_crystal_has_composition_structure_and_space_group(take):
    from pymatgen.core import Structure

    (item,) = take("salt.cif", files.CIF)
    assert item.arguments["formula"] == "NaCl"
    assert item.arguments["composition"] == {"Na": 4.0, "Cl": 4.0}
    assert item.object == "space group 225"
    assert item.conditions == {"temperature [K]": 293.0}
    assert Structure.from_dict(item.arguments["structure"]).volume == pytest.approx(5.64**3)


def test_a_crystal_is_one_thing_in_cif_and_poscar_of_which_each_file_speaks_for_itself(take):
    (cif,) = take("salt.cif", files.CIF.replace("_diffrn_ambient_temperature 293(2)\n", ""))
    (poscar,) = take("POSCAR", files.POSCAR)
    assert topic(cif) == topic(poscar)
    assert cif.id != poscar.id


def test_another_cell_is_another_crystal(take):
    (one,) = take("POSCAR", files.POSCAR)
    (two,) = take("b.vasp", files.POSCAR.replace("5.64", "5.70"))
    assert one.subject != two.subject


def test_a_large_structure_is_kept_beside_its_item(take, kept):
    rows = "\n".join(f"{i / 300} 0 0" for i in range(300))
    (item,) = take("POSCAR", f"Cu\n1.0\n900 0 0\n0 5 0\n0 0 5\nCu\n300\ndirect\n{rows}\n")
    assert "structure" not in item.arguments
    assert b'"@class": "Structure"' in kept.blobs[item.arguments["structure_file"]["sha256"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.cif", "data_x\n_cell_length_a 5\nloop_\n_atom_site_label\n_atom_site_fract_x\nNa1 0\n"),
        ("b.cif", "data_x\n_cell_length_a 5\n"),
        ("c.cif", "nothing of the kind"),
        ("d.vasp", "NaCl\n1.0\n5 0 0\n"),
        ("e.xyz", "three\n\nH 0 0 0\n"),
        ("f.xyz", "3\n\nO 0 0 0\nH 0 0 1\n"),
    ],
)
def test_structures_that_are_cut_off_or_none_are_refused(refuse, name, content):
    assert refuse(name, content)


def test_structures_that_announce_too_much_are_refused_before_they_are_built(refuse):
    huge = files.POSCAR.replace("4 4\n", "400000000 4\n")
    assert "it has 400000004 sites; at most 10000 are taken" in refuse("POSCAR", huge)
    assert "it has 999999999 sites" in refuse("a.xyz", "999999999\n\nH 0 0 0\n")
    operations = "loop_\n_symmetry_equiv_pos_as_xyz\n" + "'x, y, z'\n" * 500
    cif = files.CIF.replace("loop_\n_atom_site_label", operations + "loop_\n_atom_site_label")
    assert "500 symmetry operations" in refuse("a.cif", cif)


def test_frames_of_extxyz_have_energy_and_forces(take, kept):
    import numpy as np

    frames = (
        '1\nLattice="3.6 0 0 0 3.6 0 0 0 3.6" Properties=species:S:1:pos:R:3:forces:R:3 '
        'energy=-3.5 pbc="T T T"\n'
        "Cu 0 0 0 0.1 0 0\n"
        "3\nProperties=species:S:1:pos:R:3\nO 0 0 0\nH 0 0 0.96\nH 0.93 0 -0.24\n"
    )
    items = take("a.extxyz", frames)
    assert [(item.provenance.locator["frame"], item.relation) for item in items] == [
        (1, "structure"),
        (1, "energy"),
        (1, "forces"),
        (2, "structure"),
    ]
    assert items[1].value == Quantity(value=-3.5, unit="eV")
    array = items[2].arguments["array"]
    assert (array["unit"], array["shape"]) == ("eV/angstrom", [1, 3])
    assert np.load(io.BytesIO(kept.blobs[array["sha256"]])).tolist() == [[0.1, 0.0, 0.0]]
    assert items[3].subject_label == "H2O"


def test_sequences_are_told_apart_and_named_by_what_they_are(take, report):
    content = ">p1 lysozyme\nMKTAYIAK\nQRQ\n>d1\nACGTACGTNN\n>r1\nACGUACGU\n>x\n12345\n"
    items = take("a.fasta", content)
    assert [(i.subject_label, i.object, i.arguments["length"]) for i in items] == [
        ("p1", "protein", 11),
        ("d1", "DNA", 10),
        ("r1", "RNA", 8),
    ]
    assert items[0].arguments["sequence"] == "MKTAYIAKQRQ"
    assert [note.place for note in report.notes] == ["record 4"]
    (again,) = take("b.fasta", ">other name\nmktayiakqrq\n")
    assert again.subject == items[0].subject


def test_a_long_sequence_is_kept_beside_its_item(take, kept):
    (item,) = take("a.fa", ">g\n" + "ACGT" * 10, bounds=Bounds(max_residues=20))
    assert "sequence" not in item.arguments
    assert kept.blobs[item.arguments["file"]["sha256"]] == b"ACGT" * 10


def test_a_file_without_a_name_is_known_by_its_words(take):
    assert take("sequences", ">p1\nMKTAYIAKQR\n")[0].relation == "sequence"
    assert take("salt", files.CIF)[0].relation == "structure"
    assert take("readme", "Just words.")[0].relation == "states"
