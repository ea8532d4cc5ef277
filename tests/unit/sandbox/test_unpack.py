"""Archives of strangers unpack to plain files, or not at all."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novum.core.errors import NotFoundError, ToolFailedError, UsageError
from novum.sandbox.files.intake import REFUSALS_KEPT
from novum.sandbox.files.unpack import unpack
from novum.sandbox.files.walk import Caps

SMALL = Caps(total_bytes=4 << 20)
NOISE = random.Random(0).randbytes(5000)


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def take(archive: Path, into: Path, *, caps: Caps = SMALL, ratio: int = 200):
    collected, refused = unpack(archive, into, caps=caps, ratio=ratio)
    there = {path for path in into.rglob("*") if not path.is_dir()}
    assert there == {file.path for file in collected}
    for file in collected:
        content = file.path.read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert stat.S_IMODE(file.path.lstat().st_mode) == 0o600
    assert sum(file.size for file in collected) <= caps.total_bytes
    assert len(collected) <= caps.files
    return {file.name: file.path.read_bytes() for file in collected}, {r.name: r.reason for r in refused}


def zipped(path: Path, members, compression=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def tarred(path: Path, members, mode="w") -> Path:
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def special(name, kind, **fields) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type = kind
    for field, value in fields.items():
        setattr(member, field, value)
    return member, b""


PLAIN = [("a.csv", b"x,y\n1,2\n"), ("sub/Größe.npy", NOISE), ("empty", b"")]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_tar_archives_unpack_whatever_they_are_called(tmp_path, into, mode, layout, monkeypatch):
    monkeypatch.setattr(tarfile, "DEFAULT_FORMAT", layout)
    folder = special("sub", tarfile.DIRTYPE)
    archive = tarred(tmp_path / "data.bin", [folder, *PLAIN, ("./dotted", b"1")], mode)
    assert take(archive, into) == ({**dict(PLAIN), "dotted": b"1"}, {})


def test_zip_archives_unpack(tmp_path, into):
    archive = zipped(tmp_path / "data", [("sub/", b""), *PLAIN])
    assert take(archive, into) == (dict(PLAIN), {})


@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_a_single_packed_file_unpacks_under_the_archives_own_name(tmp_path, into, suffix, pack):
    archive = tmp_path / f"spectrum.csv.{suffix}"
    archive.write_bytes(pack(NOISE) + pack(b"second stream"))
    assert take(archive, into) == ({"spectrum.csv": NOISE + b"second stream"}, {})


def test_the_name_in_a_gzip_header_is_ignored(tmp_path, into):
    archive = tmp_path / "packed"
    with archive.open("wb") as raw, gzip.GzipFile("../../evil", "wb", fileobj=raw) as file:
        file.write(b"x")
    assert take(archive, into) == ({"packed": b"x"}, {})


def test_archives_inside_stay_packed(tmp_path, into):
    inner = zipped(tmp_path / "inner.zip", PLAIN).read_bytes()
    assert take(zipped(tmp_path / "outer.zip", [("inner.zip", inner)]), into) == ({"inner.zip": inner}, {})


HOSTILE_NAMES = [
    "../up",
    "/abs",
    "a/../../up",
    "sub/..",
    "C:\\x",
    "..\\up",
    "a\nb",
    "\x1b[31m",
    ".hidden",
    "a//b",
    "n" * 150,
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_that_lead_out_or_deceive_are_refused(tmp_path, into, name):
    for archive in (zipped(tmp_path / "z", [(name, b"x")]), tarred(tmp_path / "t", [(name, b"x")])):
        files, refused = take(archive, into)
        assert files == {}
        (shown,) = refused
        assert shown.isprintable()
    assert {path.name for path in tmp_path.iterdir()} == {"z", "t", "into"}


def test_a_zip_name_that_hides_its_end_behind_a_nul_is_refused(tmp_path, into):
    archive = zipped(tmp_path / "z", [("harmless_evil", b"x")])
    archive.write_bytes(archive.read_bytes().replace(b"harmless_evil", b"harmless\x00evil"))
    files, refused = take(archive, into)
    assert (files, list(refused)) == ({}, ["harmless\\x00evil"])


def test_links_and_devices_in_tar_are_refused_and_nothing_is_written_through_them(tmp_path, into):
    outside = tmp_path / "outside"
    outside.mkdir()
    members = [
        special("soft", tarfile.SYMTYPE, linkname=str(outside)),
        special("hard", tarfile.LNKTYPE, linkname="/etc/passwd"),
        special("pipe", tarfile.FIFOTYPE),
        special("char", tarfile.CHRTYPE, devmajor=1, devminor=5),
        special("block", tarfile.BLKTYPE),
        ("soft/file", b"evil"),
        ("good", b"x"),
    ]
    files, refused = take(tarred(tmp_path / "t", members), into)
    assert files == {"soft/file": b"evil", "good": b"x"}
    assert not (into / "soft").is_symlink()
    assert list(outside.iterdir()) == []
    assert set(refused) == {"soft", "hard", "pipe", "char", "block"}


def test_links_in_zip_are_refused(tmp_path, into):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    device = zipfile.ZipInfo("device")
    device.external_attr = stat.S_IFCHR << 16
    files, refused = take(zipped(tmp_path / "z", [(info, "/etc/passwd"), (device, "")]), into)
    assert files == {}
    assert refused == {"link": "it is a symbolic link", "device": "it is not a regular file"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_second_of_two_equal_names_is_refused(tmp_path, into):
    names = [("a", b"1"), ("a", b"2"), ("A", b"3"), ("./a", b"4"), ("a/b", b"5"), ("c/d", b"6"), ("c", b"7")]
    for archive, folder in ((zipped(tmp_path / "z", names), "1"), (tarred(tmp_path / "t", names), "2")):
        (into / folder).mkdir()
        collected, refused = unpack(archive, into / folder)
        assert {file.name: file.path.read_bytes() for file in collected} == {"a": b"1", "c/d": b"6"}
        assert len(refused) == 5
        assert {refusal.reason for refusal in refused} == {"there is another of that name"}


def test_encrypted_members_are_refused(tmp_path, into):
    archive = zipped(tmp_path / "z", [("secret", b"x"), ("open", b"y")])
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(raw)
    assert take(archive, into) == ({"open": b"y"}, {"secret": "it is encrypted"})


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_methods_without_a_bound_are_refused(tmp_path, into, method):
    files, refused = take(zipped(tmp_path / "z", [("a", b"0" * 100_000)], method), into)
    assert files == {}
    assert "method" in refused["a"]


def bomb(kind: str, path: Path, size: int = 256 << 20) -> Path:
    """Write an archive of one member of `size` zeros; some hundred kilobytes or less on disk."""
    zeros = bytes(1 << 20)
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb", "w") as file:
            for _ in range(size >> 20):
                file.write(zeros)
        return path
    pack, _, tar = kind.partition("-")
    opener = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}[pack]
    with opener(path, "wb") as file:
        if tar:
            member = tarfile.TarInfo("bomb")
            member.size = size
            file.write(member.tobuf())
        for _ in range(size >> 20):
            file.write(zeros)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "gz", "bz2", "xz", "gz-tar", "bz2-tar", "xz-tar"])
def test_bombs_do_not_go_off(tmp_path, into, kind):
    archive = bomb(kind, tmp_path / "bomb")
    assert archive.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        files, refused = take(archive, into, caps=Caps())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert files == {}
    assert len(refused) == 1 or kind.endswith("tar")
    assert any(word in "".join(refused.values()) for word in ("times its size", "too many"))
    assert peak < 32 << 20


@pytest.mark.parametrize("kind", ["zip", "gz", "bz2", "xz", "gz-tar"])
def test_what_a_ratio_forbids_a_larger_ratio_allows(tmp_path, into, kind):
    """The control of the test above: it is the cap that refused, not damage."""
    archive = bomb(kind, tmp_path / "bomb", size=3 << 20)
    (into / "a").mkdir()
    (into / "b").mkdir()
    collected, refused = unpack(archive, into / "a", caps=SMALL, ratio=2)
    assert collected == ()
    assert "2 times its size" in refused[0].reason
    collected, refused = unpack(archive, into / "b", caps=SMALL, ratio=10**6)
    assert ([file.size for file in collected], refused) == ([3 << 20], ())


def test_sizes_in_zip_headers_are_not_believed(tmp_path, into):
    archive = zipped(tmp_path / "z", [("liar", b"0" * 3_000_000), ("good", NOISE)])
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(struct.pack("<I", 3_000_000), struct.pack("<I", 10)))
    files, refused = take(archive, into)
    assert files == {"good": NOISE}
    assert "damaged" in refused["liar"]


def test_overlapping_members_of_a_zip_count_each_time(tmp_path, into):
    """One kernel of packed data that a thousand entries of the list point to."""
    archive = zipped(tmp_path / "z", [("f000", b"0" * (1 << 20))])
    raw = archive.read_bytes()
    start, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    entry = raw[start:end]
    entries = b"".join(entry.replace(b"f000", b"f%03d" % i) for i in range(1000))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entries), start, 0)
    archive.write_bytes(raw[:start] + entries + tail)
    files, refused = take(archive, into, ratio=10**6)
    assert len(files) <= 4
    assert len(refused) <= REFUSALS_KEPT


def test_the_bytes_of_all_members_are_capped(tmp_path, into):
    members = [(f"{i}", bytes([i]) * (1 << 20)) for i in range(6)]
    for archive, folder in (
        (zipped(tmp_path / "z", members), "z"),
        (tarred(tmp_path / "t", members, "w:gz"), "t"),
    ):
        (into / folder).mkdir()
        collected, refused = unpack(archive, into / folder, caps=SMALL, ratio=10**6)
        assert [file.name for file in collected] == ["0", "1", "2", "3"]
        assert len(refused) == 2


def test_the_number_of_files_is_capped(tmp_path, into):
    members = [(f"{i}", b"x") for i in range(12)]
    for archive, folder in ((zipped(tmp_path / "z", members), "z"), (tarred(tmp_path / "t", members), "t")):
        (into / folder).mkdir()
        collected, refused = unpack(archive, into / folder, caps=Caps(files=10))
        assert (len(collected), len(refused)) == (10, 2)


def test_the_number_of_members_is_capped(tmp_path, into):
    members = [(f"{i}", b"") for i in range(101)]
    for archive, came in ((zipped(tmp_path / "z", members), 0), (tarred(tmp_path / "t", members), 100)):
        folder = into / archive.name
        folder.mkdir()
        collected, refused = unpack(archive, folder, caps=Caps(files=200, entries=100))
        assert len(collected) == came
        assert [refusal.reason for refusal in refused] == [
            "the rest was not unpacked: it has more than 100 members"
        ]


def test_a_long_list_of_members_is_not_even_read(tmp_path, into, monkeypatch):
    archive = zipped(tmp_path / "z", [(f"{i:0200}", b"") for i in range(4000)])
    monkeypatch.setattr(zipfile.ZipInfo, "_decodeExtra", None)  # what parsing an entry would call
    files, refused = take(archive, into, caps=Caps(entries=10))
    assert files == {}
    assert "list of members is too long" in refused["z"]


def test_depth_is_capped(tmp_path, into):
    deep = "/".join("d" * 9) + "/file"
    for archive in (zipped(tmp_path / "z", [(deep, b"x")]), tarred(tmp_path / "t", [(deep, b"x")])):
        assert take(archive, into) == ({}, {deep: "it lies deeper than 8 folders"})


def test_extended_headers_of_tar_are_short(tmp_path, into):
    member = tarfile.TarInfo("file")
    member.pax_headers = {"comment": "x" * 10_000}
    archive = tarred(tmp_path / "t", [("good", b"1"), (member, b"2")])
    files, refused = take(archive, into)
    assert files == {"good": b"1"}
    assert "extended headers are too long" in refused["t"]


def test_many_costly_headers_end_the_reading(tmp_path, into):
    digits = b"1" * 8000
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XGLTYPE, len(digits)
    block = header.tobuf() + digits.ljust(8192, b"\0")
    (tmp_path / "t").write_bytes(block * 400)
    files, refused = take(tmp_path / "t", into)
    assert files == {}
    assert list(refused) == ["t"]


def test_endless_nesting_of_headers_is_damage(tmp_path, into):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
    (tmp_path / "t").write_bytes((header.tobuf() + b"a\0".ljust(512, b"\0")) * 3000)
    assert take(tmp_path / "t", into, caps=Caps())[0] == {}


def test_sparse_members_of_tar_are_refused(tmp_path, into):
    member = tarfile.TarInfo("sparse")
    member.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": "999999999999",
    }
    files, refused = take(tarred(tmp_path / "t", [(member, b"x")]), into)
    assert files == {}
    assert list(refused) == ["sparse"]


@pytest.mark.parametrize("size", [-1, -512, 1 << 60])
def test_impossible_sizes_in_tar_end_the_reading(tmp_path, into, size):
    member = tarfile.TarInfo("file")
    raw = bytearray(member.tobuf())
    raw[124:136] = (b"\xff" if size < 0 else b"\x80") + (size % (1 << 88)).to_bytes(11, "big")
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw)
    (tmp_path / "t").write_bytes(bytes(raw) + b"x" * 512 + bytes(1024))
    files, refused = take(tmp_path / "t", into)
    assert files == {}
    assert refused


def test_an_xz_archive_may_not_ask_for_gigabytes(tmp_path, into):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    archive = tmp_path / "x.xz"
    small = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}])
    # the dictionary's size is one byte of the block's header, which has its own checksum
    header = bytearray(small[12:24])
    header[header.index(0x21) + 2] = 36
    header[8:12] = struct.pack("<I", zlib.crc32(bytes(header[:8])))
    archive.write_bytes(small[:12] + bytes(header) + small[24:])
    assert filters[0]["dict_size"] == (2 | (36 & 1)) << (36 // 2 + 11)
    files, refused = take(archive, into)
    assert files == {}
    assert "emory" in refused["x.xz"]


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["zip", "tar", "gz", "xz"])
def test_a_cut_archive_is_reported(tmp_path, into, kind, cut):
    members = [("a", NOISE), ("b", NOISE[::-1])]
    archive = tmp_path / "cut"
    if kind == "zip":
        zipped(archive, members)
    else:
        tarred(archive, members, {"tar": "w", "gz": "w:gz", "xz": "w:xz"}[kind])
    raw = archive.read_bytes()
    if kind == "tar":
        raw = raw.rstrip(b"\0")
    archive.write_bytes(raw[: int(len(raw) * cut)])
    files, refused = take(archive, into)
    assert "damaged" in refused["cut"]
    assert files.items() <= dict(members).items()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01.", NOISE])
def test_what_is_no_archive_is_said_so(tmp_path, into, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ToolFailedError, match="not an archive"):
        unpack(tmp_path / "x", into)


def test_only_a_regular_file_of_a_bearable_size_is_opened(tmp_path, into):
    zipped(tmp_path / "z", PLAIN)
    (tmp_path / "link").symlink_to("z")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFoundError):
        unpack(tmp_path / "missing", into)
    for name in ("link", "pipe", "into"):
        with pytest.raises(ToolFailedError, match="cannot read"):
            unpack(tmp_path / name, into)
    with pytest.raises(ToolFailedError, match="more than 100"):
        unpack(tmp_path / "z", into, caps=Caps(total_bytes=100))
    (into / "x").touch()
    with pytest.raises(UsageError, match="empty"):
        unpack(tmp_path / "z", into)


BASES = {
    "zip": lambda path: zipped(path, PLAIN),
    "tar": lambda path: tarred(path, PLAIN),
    "gz": lambda path: tarred(path, PLAIN, "w:gz"),
    "xz": lambda path: tarred(path, PLAIN, "w:xz"),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(BASES)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_any_damage_ends_in_a_report_or_one_error(tmp_path_factory, kind, changes, length):
    root = tmp_path_factory.mktemp("damage")
    (root / "into").mkdir()
    raw = bytearray(BASES[kind](root / "archive").read_bytes())
    for at, value in changes:
        raw[int(at * (len(raw) - 1))] = value
    (root / "archive").write_bytes(raw[: int(len(raw) * max(length, 0.2))])
    with suppress(ToolFailedError):
        take(root / "archive", root / "into")
    assert {path.name for path in root.iterdir()} == {"into", "archive"}
