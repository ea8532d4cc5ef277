"""From files and folders to items: classes, provenance, access, and what becomes of what is refused."""

import os
import socket
from datetime import UTC, datetime

import pytest
import science_files as files

from novum.core.errors import IngestError, MissingExtraError, NotFoundError, StoreError
from novum.core.knowledge import Access, DataClass, EvidenceRole, Level
from novum.core.science import Origin
from novum.knowledge_base.ingest import About, Bounds, Columns, Report, apart, ingest
from novum.knowledge_base.items import Items


def test_s1_six_data_classes_become_typed_items(tmp_path, kept, report):
    fixtures = {
        "paper.pdf": files.pdf("Methods\nThe flask was heated to 80 °C.", title="On heating"),
        "cells.ome.tif": files.ome_tiff(),
        "molecules.smi": "CCO ethanol\nc1ccccc1 benzene\n",
        "yields.csv": "smiles,T [K],yield (%)\nCCO,300,54.2\n",
        "ecg.h5": files.hdf5(with_series),
        "expression.h5ad": files.h5ad(organism="Mus musculus"),
    }
    for name, content in fixtures.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    items = list(ingest(tmp_path, About(origin=Origin.MEASURED, domain="life"), keep=kept, report=report))
    assert report.refused == []
    by_file = {
        name: {i.data_class for i in items if i.provenance.content_hash == taken.sha256}
        for taken in report.taken
        for name in [taken.name]
    }
    assert by_file == {
        "paper.pdf": {DataClass.TEXT},
        "cells.ome.tif": {DataClass.VISUAL},
        "molecules.smi": {DataClass.SYMBOLIC},
        "yields.csv": {DataClass.SYMBOLIC},  # about a molecule that is given by its structure
        "ecg.h5": {DataClass.TIME_SERIES},
        "expression.h5ad": {DataClass.MULTI_OMICS},
    }
    assert {item.domain for item in items} == {"life"}
    assert all(item.origin is Origin.MEASURED for item in items)
    assert all(item.text and item.provenance.tool and item.provenance.tool_version for item in items)
    values = [item for item in items if item.value is not None]
    assert [(item.relation, str(item.value)) for item in values] == [("yield", "54.2 %")]


def test_a_table_about_no_molecule_is_structured_data(take):
    (item,) = take("alloys.csv", "material,hardness [GPa]\nTiN,21\n")
    assert item.data_class is DataClass.STRUCTURED


def with_series(file):
    file["ecg"] = [0.0, 1.0, 0.5, 0.2]
    file["ecg"].attrs.update({"unit": "mV", "sampling_rate": 250.0})


def test_whether_it_was_measured_must_be_said():
    with pytest.raises(TypeError, match="origin"):
        About(domain="chemistry")


@pytest.mark.parametrize("origin", list(Origin))
def test_what_was_not_measured_is_modelling_and_stays_marked(take, origin):
    (item,) = take("t.csv", "smiles,gap_ev\nCCO,6.1\n", origin=origin)
    assert item.origin is origin
    assert item.level is (Level.FACTUAL if origin is Origin.MEASURED else Level.MODELLING)


def test_the_level_that_is_said_is_taken(take):
    (item,) = take("t.csv", "smiles,gap_ev\nCCO,6.1\n", level=Level.METHODOLOGICAL)
    assert item.level is Level.METHODOLOGICAL


def test_provenance_says_where_from_but_not_where_it_lay(tmp_path, about):
    folder = tmp_path / "private_folder"
    folder.mkdir()
    (folder / "yields.csv").write_text("smiles,yield (%)\nCCO,54.2\n")
    said = about(licence="CC-BY-4.0", method="HPLC", instrument="Agilent 1260", language="en")
    source, item = ingest(folder / "yields.csv", said)
    p = item.provenance
    assert (p.source, p.licence, p.method, p.instrument) == (
        "yields.csv",
        "CC-BY-4.0",
        "HPLC",
        "Agilent 1260",
    )
    assert len(p.content_hash) == 64
    assert p.locator == {"row": 1, "column": "yield (%)"}
    assert "private_folder" not in item.model_dump_json() + source.model_dump_json()
    assert [(e.target, e.role) for e in item.evidence] == [(source.id, EvidenceRole.DERIVED_FROM)]


def test_the_same_file_twice_adds_nothing(tmp_path, about):
    path = tmp_path / "yields.csv"
    path.write_text("smiles,T [K],yield (%)\nCCO,300,54.2\nCCO,300,54.2\nCCN,310,12\n")
    store = Items(tmp_path / "items.sqlite3")
    first = store.put_many(ingest(path, about()))
    again = store.put_many(ingest(path, about()))
    assert [new for _, new in first] == [True, True, True]  # the file, and two different rows
    assert [new for _, new in again] == [False, False, False]
    assert {item.version for item, _ in again} == {1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", files.pdf("Text.")),
        ("a.ome.tif", files.ome_tiff()),
        ("a.dcm", files.dicom()),
        ("a.nii", files.nifti()),
        ("a.h5ad", files.h5ad()),
        ("a.npz", files.npz(u_mv=[1.0, 2.0, 4.0], time_s=[0.0, 1.0, 3.0])),
        ("a.cif", files.CIF),
        ("a.csv", "time [s],U [V]\n0,1\n1,2\n2,1\n"),
    ],
)
def test_the_same_bytes_give_the_same_items_and_blobs(take, kept, name, content):
    first, blobs = take(name, content), dict(kept.blobs)
    assert take(name, content) == first != []
    assert kept.blobs == blobs


def test_values_that_differ_in_their_conditions_are_different_items(take):
    items = take("t.csv", "smiles,T [K],gap_ev\nCCO,300,6.1\nCCO,310,6.1\n")
    assert len({item.id for item in items}) == 2
    assert [item.conditions for item in items] == [{"T [K]": 300.0}, {"T [K]": 310.0}]


@pytest.mark.parametrize(
    ("name", "content"),
    [("scan.dcm", files.dicom()), ("brain.nii", files.nifti()), ("cells.h5ad", files.h5ad())],
)
def test_what_may_come_from_people_is_sensitive_unless_it_is_said_otherwise(take, name, content):
    assert {item.access for item in take(name, content)} == {Access.SENSITIVE}
    assert {i.access for i in take(name, content, access=Access.RESTRICTED)} == {Access.RESTRICTED}


def test_the_name_of_a_file_that_may_identify_a_person_is_not_written_down(tmp_path, about, kept):
    path = tmp_path / "DOE_JANE_1970.dcm"
    path.write_bytes(files.dicom())
    items = list(ingest(path, about(), keep=kept))
    assert len(items) == 2
    assert not any("DOE" in item.model_dump_json() for item in items)
    assert items[0].access is Access.SENSITIVE


def test_blobs_are_kept_under_the_hash_that_the_item_names(take, kept):
    (item,) = take("a.png", files.png(height=4, width=6))
    array = item.arguments["array"]
    assert kept.blobs[array["sha256"]] == files.png(height=4, width=6)
    assert (array["shape"], array["dtype"], array["axes"]) == ([4, 6], "|u1", ["y", "x"])


def test_an_item_without_keep_names_the_same_hash(tmp_path, about, take):
    (kept_item,) = take("a.png", files.png())
    _, bare = ingest(tmp_path / "a.png", about())
    assert bare == kept_item


def test_a_store_that_fails_is_no_fault_of_the_file(tmp_path, about, report):
    (tmp_path / "a.png").write_bytes(files.png())

    def full(data, name, media_type):
        raise StoreError("no space left")

    with pytest.raises(StoreError, match="no space"):
        list(ingest(tmp_path / "a.png", about(), keep=full, report=report))
    assert report.refused == []


def test_a_folder_is_walked_in_order_and_a_bad_file_stops_nothing(tmp_path, about, report):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.smi").write_text("CCO\n")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 and no more")
    (tmp_path / "c.smi").write_text("CCN\n")
    (tmp_path / "deep" / "er" / "d.smi").write_text("CCC\n")
    told = []
    items = list(ingest(tmp_path, about(), report=report, on_progress=told.append))
    assert [taken.name for taken in report.taken] == ["a.smi", "c.smi", "deep/er/d.smi"]
    assert [refused.name for refused in report.refused] == ["b.pdf"]
    assert report.n_items == len(items) == 6
    assert [(p.n_done, p.n_files, p.name) for p in told] == [
        (0, 4, "a.smi"),
        (1, 4, "b.pdf"),
        (2, 4, "c.smi"),
        (3, 4, "deep/er/d.smi"),
        (4, 4, ""),
    ]
    assert told[-1].n_items == 6


def test_without_a_report_the_first_bad_file_raises(tmp_path, about):
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 and no more")
    with pytest.raises(IngestError, match="PDF"):
        list(ingest(tmp_path, about()))


def test_a_file_with_the_content_of_another_is_taken_once(tmp_path, about, report):
    for name in ("a.smi", "copy of a.smi"):
        (tmp_path / name).write_text("CCO\n")
    assert len(list(ingest(tmp_path, about(), report=report))) == 2
    assert [taken.name for taken in report.taken] == ["a.smi"]
    assert [(note.name, note.message) for note in report.notes] == [
        ("copy of a.smi", "left out: it has the same content as a.smi")
    ]


def test_links_pipes_and_sockets_of_a_folder_are_refused_unread(tmp_path, about, report, monkeypatch):
    outside = tmp_path / "secret.smi"
    outside.write_text("CCO\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.smi").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.smi")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.smi")
        assert list(ingest(folder, about(), report=report)) == []
    assert {(refused.name, refused.reason) for refused in report.refused} == {
        ("link.smi", "it is a symbolic link, and no regular file"),
        ("loop", "it is a symbolic link, and no regular file"),
        ("pipe.smi", "it is a pipe, and no regular file"),
        ("socket.smi", "it is a socket, and no regular file"),
    }


def test_a_device_is_refused(about):
    with pytest.raises(IngestError, match="a device, and no regular file"):
        list(ingest("/dev/zero", about()))


def test_a_path_that_is_not_there_is_told_at_once(tmp_path, about):
    for path in (tmp_path / "nothing.csv", "a\x00b"):
        with pytest.raises(NotFoundError, match="there is no file"):
            ingest(path, about())


def test_hidden_files_are_left_out_and_counted(tmp_path, about, report):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.txt").write_text("text")
    (tmp_path / ".notes.txt").write_text("text")
    assert list(ingest(tmp_path, about(), report=report)) == []
    assert [(note.n, "dot" in note.message) for note in report.notes] == [(2, True)]


def test_folders_have_limits(tmp_path, about, report):
    deep = tmp_path
    for _ in range(4):
        deep = deep / "d"
        deep.mkdir()
    (deep / "a.smi").write_text("CCO\n")
    assert list(ingest(tmp_path, about(), report=report, bounds=Bounds(max_depth=2))) == []
    assert [refused.reason for refused in report.refused] == ["it lies deeper than 2 folders"]
    for name in "abc":
        (tmp_path / f"{name}.smi").write_text("C" * (1 + ord(name) - ord("a")))
    few = Report()
    list(ingest(tmp_path, about(), report=few, bounds=Bounds(max_files=2)))
    assert [taken.name for taken in few.taken] == ["a.smi", "b.smi"]
    assert few.refused[-1].reason == "there are more than 2 files"


def test_a_file_that_gives_too_many_items_is_cut_off_and_says_so(tmp_path, about, report):
    (tmp_path / "many.smi").write_text("\n".join("C" * n for n in range(1, 10)))
    items = list(ingest(tmp_path, about(), report=report, bounds=Bounds(max_items=4)))
    assert len(items) == 4
    assert "more than 4 items" in report.refused[0].reason
    assert report.taken == []


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path, about, report):
    path = tmp_path / "growing.smi"
    path.write_text("CCO\nCCN\n")
    items = ingest(path, about(), report=report)
    next(items)
    with path.open("a") as stream:
        stream.write("CCC\n")
    list(items)
    assert "changed while it was read" in report.refused[0].reason


def test_names_of_files_cannot_act_on_a_terminal(tmp_path, about, report):
    (tmp_path / "a\x1b[31m.smi").write_text("CCO\n")
    items = list(ingest(tmp_path, about(), report=report))
    assert "\x1b" not in "".join(item.model_dump_json() for item in items) + report.taken[0].name
    assert items[0].provenance.source == "a\\x1b[31m.smi"


def test_dates_and_subjects_that_are_said_are_taken(take):
    content = files.pdf("The gap is 5.1 eV.", title="On gaps")
    (item,) = take("paper.pdf", content, subject="doi:10.1000/1")
    assert item.provenance.created == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert (item.subject, item.subject_label) == ("doi:10.1000/1", "On gaps")


def test_columns_that_are_not_there_are_an_error(refuse):
    reason = refuse("t.csv", "smiles,gap_ev\nCCO,6.1\n", columns={"subject": "name"})
    assert reason == "there is no column 'name'; it has 'smiles', 'gap_ev'"
    assert Columns(subject="name").subject == "name"


def test_a_missing_reader_refuses_its_files_and_says_how_to_get_it(tmp_path, about, report, monkeypatch):
    monkeypatch.setattr(apart, "CHILD", "bare_reader")
    extras = {}
    for name, content, extra in (
        ("a.pdf", files.pdf("x"), "ingest-documents"),
        ("b.html", b"<p>x</p>", "ingest-documents"),
        ("c.fasta", b">a\nMKT\n", "ingest-sequences"),
        ("d.tif", files.tiff(), "ingest-imaging"),
        ("e.dcm", files.dicom(), "ingest-imaging"),
        ("f.nii", files.nifti(), "ingest-imaging"),
        ("g.h5", files.h5ad(), "ingest-series"),
    ):
        (tmp_path / name).write_bytes(content)
        extras[name] = extra
    (tmp_path / "h.smi").write_text("CCO\n")
    list(ingest(tmp_path, about(), report=report))
    assert [refused.name for refused in report.refused] == list(extras)
    for refused in report.refused:
        assert refused.reason.endswith(f"needs an optional part: pip install 'novum[{extras[refused.name]}]'")
    assert [taken.name for taken in report.taken] == ["h.smi"]
    with pytest.raises(MissingExtraError):
        list(ingest(tmp_path / "a.pdf", about()))


def test_taking_files_loads_nothing_heavy_before_it_is_needed():
    import subprocess
    import sys

    code = "import sys, novum.knowledge_base.ingest; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {
        "rdkit",
        "pymatgen",
        "ase",
        "torch",
        "pypdf",
        "bs4",
        "pydicom",
        "nibabel",
        "tifffile",
        "h5py",
        "Bio",
    }
    assert heavy & set(loaded.split()) == set()
