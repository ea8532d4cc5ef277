"""Whatever a file does to the process that reads it, we live, it is named, and the next file is taken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import science_files as files

from novum.core.errors import IngestError
from novum.core.science import Origin
from novum.knowledge_base.ingest import About, Bounds, Report, apart, ingest
from novum.knowledge_base.ingest.formats import LIBRARIES, Format
from novum.knowledge_base.ingest.readers import READERS


@pytest.fixture
def hostile(tmp_path, monkeypatch, report):
    """Take a folder with a text that is carried out, between two good files; return the report."""
    monkeypatch.setattr(apart, "CHILD", "hostile_reader")

    def taken(text, *, bounds=None, **more):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "a.smi").write_text("CCO\n")
        (folder / "b.txt").write_text(text)
        (folder / "c.smi").write_text("CCN\n")
        about = About(origin=Origin.MEASURED, domain="chemistry")
        list(ingest(folder, about, report=report, bounds=bounds or Bounds(max_seconds=60.0), **more))
        assert [taken.name for taken in report.taken if taken.name != "b.txt"] == ["a.smi", "c.smi"]
        return report

    return taken


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("segfault", "its reader crashed on it (signal 11), as on a damaged file"),
        (
            "one sentence\nsegfault",
            "after 2 items: its reader crashed on it (signal 11), as on a damaged file",
        ),
        ("die 9", "its reader crashed on it (signal 9), as on a damaged file"),
        ("exit 3", "its reader crashed on it (exit code 3), as on a damaged file"),
        ("exit 0", "its reader crashed on it (exit code 0), as on a damaged file"),
        ("tell rubbish", "its reader told something that cannot be understood"),
        ('tell {"kind": "draft"}', "its reader told something that cannot be understood"),
        ('tell {"kind": "draft", "draft": {}}', "its reader told something that cannot be understood"),
        ('tell {"kind": "dance"}', "its reader told something that cannot be understood"),
        ('tell {"kind": []}', "its reader told something that cannot be understood"),
        ("tell []", "its reader told something that cannot be understood"),
        ("tell " + "[" * 100_000, "its reader told something that cannot be understood"),
        (
            'tell {"kind": "bytes", "size": 1000000000000, "name": "a", "media_type": "b"}',
            "its reader gave 1000000000000 bytes to keep",
        ),
        (
            'tell {"kind": "bytes", "size": 5, "name": "a", "media_type": "b"}\nexit 0',
            "its reader told something that cannot be understood",
        ),
        ("nothing", "there is nothing in it that could be taken"),
    ],
)
def test_a_reader_that_crashes_or_lies_refuses_its_file_and_the_next_is_taken(hostile, text, reason):
    [refused] = hostile(text).refused
    assert (refused.name, refused.reason) == ("b.txt", reason)


@pytest.mark.parametrize("text", ["ignore\nloop", "fork\nsleep", "one first\nloop"])
def test_a_reader_that_does_not_end_is_ended(hostile, text):
    [refused] = hostile(text, bounds=Bounds(max_seconds=2.0)).refused
    assert refused.name == "b.txt"
    assert refused.reason.endswith("it takes longer than 2 s to read")


def test_a_reader_that_tells_without_end_is_ended(hostile):
    [refused] = hostile("notes", bounds=Bounds(max_items=100)).refused
    assert refused.reason == "its reader does not come to an end"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("allocate", "it needs more memory than it may have to be read as plain text"),
        ("allocate_deaf", "its reader crashed on it (signal 11), as on a damaged file"),
    ],
)
def test_a_reader_that_fills_memory_is_bounded_from_outside(hostile, monkeypatch, text, reason):
    monkeypatch.setattr(apart, "LIBRARIES_BYTES", 512 * 2**20)
    [refused] = hostile(text, bounds=Bounds(max_held_bytes=2**20)).refused
    assert (refused.name, refused.reason) == ("b.txt", reason)


def test_a_reader_writes_no_file(hostile, tmp_path):
    there = tmp_path / "there"
    assert len(hostile(f"write {there}").refused) == 1
    assert not there.exists() or there.read_bytes() == b""


def test_what_a_library_prints_is_no_answer_and_is_not_seen(hostile, capfd):
    report = hostile('print {"kind": "refused", "reason": "x"}\none sentence')
    assert report.refused == []
    assert capfd.readouterr() == ("", "")


def test_all_files_of_a_walk_share_a_process_until_something_happens_to_it(tmp_path, monkeypatch, report):
    started = []
    real = subprocess.Popen

    def popen(*args, **kwargs):
        started.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(apart, "CHILD", "hostile_reader")
    monkeypatch.setattr(subprocess, "Popen", popen)
    for i in range(6):
        (tmp_path / f"{i}.smi").write_text("C" * (i + 1) + "O\n")
    (tmp_path / "3a.txt").write_text("segfault")
    list(ingest(tmp_path, About(origin=Origin.MEASURED, domain="chemistry"), report=report))
    assert [len(report.taken), len(report.refused), len(started)] == [6, 1, 2]


@pytest.mark.parametrize("n_bytes", [0, 40])
def test_a_process_is_replaced_after_many_bytes(tmp_path, monkeypatch, report, n_bytes):
    monkeypatch.setattr(apart, "RENEWED_BYTES", n_bytes)
    for i in range(3):
        (tmp_path / f"{i}.smi").write_text("C" * (i + 1) + "O  some name of it\n")
    list(ingest(tmp_path, About(origin=Origin.MEASURED, domain="chemistry"), report=report))
    assert [taken.name for taken in report.taken] == ["0.smi", "1.smi", "2.smi"]


def test_a_walk_that_is_left_in_the_middle_leaves_no_process_and_no_open_file(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.smi").write_text("C" * (i + 1) + "O\n" + "CCN\n" * 10)
    before = set(os.listdir("/proc/self/fd")), children()
    walk = ingest(tmp_path, About(origin=Origin.MEASURED, domain="chemistry"))
    next(walk)
    assert len(children()) == len(before[1]) + 1
    walk.close()
    assert (set(os.listdir("/proc/self/fd")), children()) == before


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_without_a_process_no_file_is_read(tmp_path, monkeypatch, report):
    """It fails closed: nothing is read in our own process instead."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-such-python"))
    (tmp_path / "a.smi").write_text("CCO\n")
    assert list(ingest(tmp_path, About(origin=Origin.MEASURED, domain="chemistry"), report=report)) == []
    assert report.refused[0].reason.startswith("there is no process to read it in: ")


def test_a_process_that_ends_at_once_refuses_the_file_and_says_how(tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "CHILD", "no_such_program")
    (tmp_path / "a.smi").write_text("CCO\n")
    with pytest.raises(IngestError, match=r"no process to read it in: it ended at once \(exit code 1\)"):
        list(ingest(tmp_path, About(origin=Origin.MEASURED, domain="chemistry")))


def test_no_parser_is_loaded_into_our_own_process(tmp_path):
    """Not one library that parses a file of others is there after files of all classes were taken."""
    for name, content in {
        "a.pdf": files.pdf("Some text on a page."),
        "a.png": files.png(16, 16),
        "a.tif": files.tiff(),
        "a.dcm": files.dicom(),
        "a.nii": files.nifti(),
        "a.h5ad": files.h5ad(),
        "a.cif": files.CIF.encode(),
        "a.smi": b"CCO\n",
        "a.html": b"<p>Some text.</p>",
    }.items():
        (tmp_path / name).write_bytes(content)
    code = (
        "import sys; from novum.core.science import Origin;"
        "from novum.knowledge_base.ingest import About, Report, ingest; report = Report();"
        "list(ingest(sys.argv[1], About(origin=Origin.MEASURED, domain='life'), report=report));"
        "assert len(report.taken) == 9, report.refused;"
        "print([m for m in ('pypdf', 'PIL', 'tifffile', 'pydicom', 'nibabel', 'h5py', 'pymatgen', 'rdkit',"
        " 'bs4', 'ase', 'pyarrow', 'Bio') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stdout == "[]\n", ended.stderr


def test_each_format_has_a_reader_and_says_whose():
    assert set(READERS) == set(LIBRARIES) == set(Format)


def nested_pdf():
    """A PDF whose tree of pages holds itself 100,000 levels deep in arrays."""
    return files.pdf("x").replace(b"/Kids [", b"/Kids " + b"[" * 100_000, 1)


def looping_pdf():
    """A PDF whose pages are their own parent and child."""
    return files.pdf("x").replace(b"/Kids [4 0 R] /Count 1", b"/Kids [2 0 R] /Count 9", 1)


def wide_cif():
    """A crystal with half a million atoms in its loop."""
    start = files.CIF.index("loop_")
    rows = "".join(f"Na{i} Na {i / 5e5:.6f} 0 0\n" for i in range(500_000))
    names = "\n".join(f"_atom_site_{n}" for n in ("label", "type_symbol", "fract_x", "fract_y", "fract_z"))
    return f"{files.CIF[:start]}loop_\n{names}\n{rows}".encode()


@pytest.mark.parametrize(
    ("name", "content"), [("b.pdf", nested_pdf()), ("b.pdf", looping_pdf()), ("b.cif", wide_cif())]
)
def test_real_files_that_hang_a_parser_cost_only_themselves(tmp_path: Path, name, content):
    (tmp_path / "a.smi").write_text("CCO\n")
    (tmp_path / name).write_bytes(content)
    (tmp_path / "c.smi").write_text("CCN\n")
    report = Report()
    about = About(origin=Origin.MEASURED, domain="chemistry")
    list(ingest(tmp_path, about, report=report, bounds=Bounds(max_seconds=6.0)))
    assert [taken.name for taken in report.taken] == ["a.smi", "c.smi"]
    assert [refused.name for refused in report.refused] == [name]
