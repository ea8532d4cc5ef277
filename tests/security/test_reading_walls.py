"""Files of others are read within walls: a reader that a file took over reads and reaches nothing else."""

import socket

import pytest
import science_files as files

from novum.core.science import Origin
from novum.knowledge_base.ingest import About, ReaderProcess, apart, ingest
from novum.knowledge_base.ingest.report import Report
from novum.sandbox.walls import command_prefix

walls = command_prefix()
pytestmark = pytest.mark.skipif(not walls, reason="this kernel has no Landlock")

ABOUT = About(origin=Origin.MEASURED, domain="life")


def attempt(tmp_path, monkeypatch, text, walls):
    monkeypatch.setattr(apart, "CHILD", "hostile_reader")
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    (folder / "b.txt").write_text(text)
    report = Report()
    with ReaderProcess(walls=walls) as reader:
        items = list(ingest(folder, ABOUT, report=report, reader=reader))
    return items, report


def test_what_lies_beside_a_file_cannot_be_read(tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("the key")
    items, _ = attempt(tmp_path, monkeypatch, f"show {secret}", ())
    assert items[1].text == "the key"
    items, report = attempt(tmp_path, monkeypatch, f"show {secret}", walls)
    assert (items, len(report.refused)) == ([], 1)
    assert "Permission denied" in report.refused[0].reason


def test_nothing_is_reached_over_the_network(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = f"connect {server.getsockname()[1]}"
        items, _ = attempt(tmp_path, monkeypatch, text, ())
        assert items[1].text == "connected"
        items, report = attempt(tmp_path, monkeypatch, text, walls)
        assert (items, len(report.refused)) == ([], 1)


def test_no_file_is_made_or_emptied(tmp_path, monkeypatch):
    there, new = tmp_path / "there", tmp_path / "new"
    there.write_text("kept")
    for path in (there, new):
        items, report = attempt(tmp_path, monkeypatch, f"write {path}", walls)
        assert (items, len(report.refused)) == ([], 1)
    assert there.read_text() == "kept"
    assert not new.exists()


def test_every_format_is_read_within_walls(tmp_path):
    for name, content in {
        "a.pdf": files.pdf("Some text on a page."),
        "a.png": files.png(16, 16),
        "a.tif": files.tiff(),
        "a.dcm": files.dicom(),
        "a.nii": files.nifti(),
        "a.npz": files.npz(u_mv=[1.0, 2.0], sampling_rate_hz=1.0),
        "a.h5ad": files.h5ad(),
        "a.cif": files.CIF.encode(),
        "POSCAR": files.POSCAR.encode(),
        "a.smi": b"CCO\n",
        "a.html": b"<p>Some text.</p>",
        "a.md": b"# On it\n\nSome more text.\n",
        "a.csv": b"smiles,gap [eV]\nCCO,1\n",
        "a.fasta": b">a\nMKTAYIAKQR\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    report = Report()
    about = About(origin=Origin.MEASURED, domain="life", pixel_size_um=1.0)
    with ReaderProcess(walls=walls) as reader:
        list(ingest(tmp_path, about, report=report, reader=reader))
    assert report.refused == []
    assert len(report.taken) == 14
