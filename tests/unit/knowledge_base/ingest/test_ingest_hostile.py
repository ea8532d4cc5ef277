"""Files that lie, unfold or hide something are refused with a reason, and memory stays bounded."""

import gzip
import io
import json
import pickle
import resource
import subprocess
import sys
import zipfile
import zlib
from datetime import UTC
from pathlib import Path

import pytest
import science_files as files
from hypothesis import given
from hypothesis import strategies as st
from strategies import quantities

from novum.core.knowledge import DataClass, Interval, Level
from novum.knowledge_base.ingest import Bounds
from novum.knowledge_base.ingest.draft import Draft
from novum.knowledge_base.ingest.wire import draft_from, draft_to


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"", "it is empty"),
        ("a.csv", b"   \n \n", "it has no headers"),
        ("a.txt", b" \n", "it holds no text"),
        ("a.txt", b"\x7fELF\x02\x01\x01\x00" + bytes(100), "it is a program"),
        ("a.txt", bytes(range(256)), "its name says plain text, and its content is something else"),
        ("a.txt", files.png(), "its name says plain text, and its content is PNG"),
        ("a.png", b"not an image", "its name says PNG, and its content is something else"),
        ("a.tif", files.png(), "its name says TIFF, and its content is PNG"),
        ("a.pdf", b"<html></html>", "its name says PDF, and its content is something else"),
        ("a.csv", pickle.dumps({"a": 1}, protocol=4), "it is a pickle"),
        ("a", pickle.dumps({"a": 1}, protocol=2), "it is a pickle"),
        ("a.xlsx", zipped(a="x" * 1000), "it is an office document"),
        ("a.zip", zipped(a="x"), "it is an archive; unpack it first"),
        ("a.npz", zipped(a="x"), "'a' in it is no array"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n"), "it is an archive; unpack it first"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(20), "it is a JPEG image"),
        ("a.bin", bytes(100), "its format is unknown"),
        ("a.doc", b"\xd0\xcf\x11\xe0" + bytes(100), "it is an old office document"),
    ],
)
def test_files_that_are_not_what_they_say_are_refused(refuse, name, content, reason):
    assert refuse(name, content).startswith(reason)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", files.pdf("Some text on a page.")),
        ("a.png", files.png(64, 64)),
        ("a.tif", files.tiff()),
        ("b.tif", files.ome_tiff()),
        ("a.dcm", files.dicom()),
        ("a.nii", files.nifti()),
        ("a.nii.gz", gzip.compress(files.nifti())),
        ("a.npz", files.npz(u_mv=[1.0, 2.0], sampling_rate_hz=1.0)),
        ("a.h5ad", files.h5ad()),
        ("a.cif", files.CIF),
        ("POSCAR", files.POSCAR),
    ],
)
def test_a_file_that_is_cut_off_anywhere_is_refused_or_still_itself(tmp_path, about, reader, name, content):
    """At every tenth of its length a file ends in an error of ours, or in what can be read of it."""
    from novum.knowledge_base.ingest import Report, ingest

    data = content if isinstance(content, bytes) else content.encode()
    n_refused = 0
    for tenth in range(1, 10):
        (tmp_path / name).write_bytes(data[: len(data) * tenth // 10])
        report = Report()
        list(ingest(tmp_path / name, about(), report=report, reader=reader))
        n_refused += len(report.refused)
        assert len(report.refused) + len(report.taken) == 1
    assert n_refused >= 7


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", files.pdf("Some text on a page.")),
        ("a.png", files.png(16, 16)),
        ("a.tif", files.imagej_tiff()),
        ("a.dcm", files.dicom()),
        ("a.nii", files.nifti()),
        ("a.npz", files.npz(u_mv=[1.0, 2.0], sampling_rate_hz=1.0)),
        ("a.h5ad", files.h5ad()),
        ("a.cif", files.CIF.encode()),
        ("a.json", b'[{"smiles": "CCO", "gap_ev": 1.0}]'),
        ("a.csv", b"smiles,gap_ev\nCCO,1\n"),
    ],
)
def test_bytes_that_are_flipped_raise_nothing_but_our_errors(
    tmp_path, about, report, reader, name, content, seed
):
    import numpy as np

    from novum.knowledge_base.ingest import ingest

    random = np.random.default_rng(seed)
    for number in range(15):
        data = bytearray(content)
        for place in random.integers(0, len(data), size=4):
            data[place] = random.integers(0, 256)
        (tmp_path / f"{number:02}{name}").write_bytes(data)
    list(ingest(tmp_path, about(), report=report, reader=reader))
    assert (
        len(report.refused)
        + len(report.taken)
        + len({n for n in report.notes if "same content" in n.message})
        == 15
    )


def test_a_file_above_the_limit_is_not_even_read(refuse):
    reason = refuse("a.txt", "x" * 1000, bounds=Bounds(max_file_bytes=100))
    assert reason == "it has 1000 bytes; at most 100 are read"


def test_deep_markup_does_not_exhaust_the_stack(take, refuse):
    (item,) = take("a.html", "<div>" * 50_000 + "text" + "</div>" * 50_000)
    assert item.text == "text"
    assert take("a.md", ">" * 20_000 + " text")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spaces.txt", "a" + " " * 300_000 + "b"),
        ("heading.txt", "Synthesis of" + " " * 300_000 + "x"),
        ("lines.txt", "a" + "\n" * 300_000 + "b"),
        ("links.md", "[a](" * 50_000),
        ("brackets.md", "[" * 100_000),
        ("cells.csv", "material,gap_ev\nA," + "1" * 90_000 + "\nB,1\n"),
        ("unit.csv", "material,gap\nA,1 m" + " " * 90_000 + "9\nB,1 eV\n"),
        ("power.csv", "material,gap (10**10**10)\nA,1\nB,1 eV\n"),
    ],
)
def test_no_text_takes_time_with_its_square(tmp_path, about, report, name, content):
    """With the square of its length, each would take minutes and run into the limit of the test."""
    from novum.knowledge_base.ingest import ingest

    (tmp_path / name).write_text(content)
    list(ingest(tmp_path / name, about(), report=report))
    assert len(report.taken) + len(report.refused) == 1


def bombs():
    """Small files that unfold to more than 256 MiB, by name."""
    import numpy as np

    pages = zlib.compress(b"(a) Tj " * 40_000_000, 1)
    pdf = files.pdf("x")
    start = pdf.index(b"<< /Length", pdf.index(b"5 0 obj"))
    end = pdf.index(b"endstream", start)
    pdf = (
        pdf[:start] + b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\n" % (len(pages), pages) + pdf[end:]
    )
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2_000_000_000,)}
    )

    def hdf5(file):
        data = file.create_dataset("u", (2 * 10**9,), "f8", chunks=(10**6,), compression="gzip")
        data.attrs.update({"unit": "V", "sampling_rate": 1.0})

    return {
        "content.pdf": pdf,
        "array.npz": zipped(**{"u_mv.npy": header.getvalue() + bytes(1000)}),
        "volume.nii.gz": gzip.compress(files.nifti() + bytes(300 * 2**20), 1),
        "series.h5": files.hdf5(hdf5),
        "line.csv": b"smiles,gap_ev\n" + b"C" * (40 * 2**20),
        "nested.json": b"[" * (40 * 2**20),
        "tags.html": b"<b>" * (6 * 2**20),
        "cell.csv": b'smiles,gap_ev\n"' + b"C\n" * (20 * 2**20),
        "record.sdf": b"C\n" * (20 * 2**20),
        "words.smi": b"C" * (40 * 2**20),
    }


CHILD = """
import json, resource, sys
from pathlib import Path
import bs4, h5py, nibabel, numpy, pypdf, rdkit.Chem, rdkit.Chem.rdMolDescriptors
from novum.core.science import Origin
from novum.knowledge_base.ingest import About, Report, ingest
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = used + 1200 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
report = Report()
n = sum(1 for _ in ingest(sys.argv[1], About(origin=Origin.SYNTHETIC, domain="chemistry"), report=report))
print(json.dumps({"n": n, "refused": {r.name: r.reason for r in report.refused}}))
"""


@pytest.mark.slow
def test_bombs_are_refused_within_bounded_memory(tmp_path):
    """With 1.2 GiB of address space above what the libraries take, each is refused for what it is."""
    assert resource.RLIMIT_AS
    content = bombs()
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, timeout=280, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout)
    assert set(found["refused"]) == set(content)
    assert not [reason for reason in found["refused"].values() if "memory" in reason]
    assert found["n"] == 0


def test_a_folder_of_bad_files_tells_each_reason(tmp_path, about, report):
    from novum.knowledge_base.ingest import ingest

    for name in ("a.pdf", "b.png", "c.dcm", "d.h5", "e.parquet", "f.npz", "g.nii.gz"):
        (tmp_path / name).write_bytes(b"\x00\x01 nothing of the kind")
    assert list(ingest(tmp_path, about(), report=report)) == []
    assert [refused.name for refused in report.refused] == [p.name for p in sorted(Path(tmp_path).iterdir())]
    assert all("its content is something else" in refused.reason for refused in report.refused)


@given(data=st.data())
def test_drafts_travel_between_processes_as_json(data):
    value = data.draw(st.none() | quantities())
    draft = Draft(
        data_class=data.draw(st.sampled_from(DataClass)),
        subject="s",
        relation="r",
        text=data.draw(st.text()),
        value=value,
        interval=Interval(low=1, high=2) if value is not None else None,
        conditions=data.draw(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans())),
        level=data.draw(st.none() | st.sampled_from(Level)),
        flags=("instruction-like",),
        sensitive=data.draw(st.booleans()),
        created=data.draw(st.none() | st.datetimes(timezones=st.just(UTC))),
    )
    assert draft_from(json.loads(json.dumps(draft_to(draft)))) == draft


def test_a_module_beside_the_data_is_not_run(tmp_path, about, report, monkeypatch):
    from novum.knowledge_base.ingest import ingest

    (tmp_path / "json.py").write_text("open('ran', 'w')\n")
    (tmp_path / "a.h5").write_bytes(files.h5ad())
    monkeypatch.chdir(tmp_path)
    assert len(list(ingest("a.h5", about(), report=report))) == 5
    assert not (tmp_path / "ran").exists()


def test_what_a_library_mends_is_not_printed(take, capfd):
    content = bytearray(files.nifti())
    content[252] = 246  # a code of orientation that there is not
    take("a.nii", bytes(content))
    assert capfd.readouterr() == ("", "")
