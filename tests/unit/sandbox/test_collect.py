"""Files come out of a finished sandbox; links, devices and surprises stay in it."""

import contextlib
import errno
import hashlib
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novum.core.errors import SandboxBrokenError, SandboxUnavailableError, UsageError
from novum.sandbox.base import Limits
from novum.sandbox.files import walk
from novum.sandbox.files.collect import collect
from novum.sandbox.files.intake import REFUSALS_KEPT, Intake
from novum.sandbox.files.names import collision_key, safe_part, safe_path
from novum.sandbox.files.walk import Caps, Found, Refused, find_files, open_directory

CANARY = b"canary-7f3a of the host"


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(CANARY)
    return file


def take(out: Path, into: Path, **limits: int):
    fd = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        collected, refused = collect(fd, into, limits=Limits(**limits))
    finally:
        os.close(fd)
    check_report(collected, into)
    return {file.name: file for file in collected}, {refusal.name: refusal.reason for refusal in refused}


def find(out: Path, caps: Caps) -> list[Found | Refused]:
    fd = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return list(find_files(fd, caps))
    finally:
        os.close(fd)


def check_report(collected, into: Path) -> None:
    """The directory holds what is reported, and nothing else."""
    there = {path for path in into.rglob("*") if not stat.S_ISDIR(path.lstat().st_mode)}
    assert there == {file.path for file in collected}
    for file in collected:
        found = file.path.lstat()
        assert stat.S_ISREG(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        content = file.path.read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert CANARY not in content
        assert file.path.relative_to(into).as_posix() == file.name
    for path in into.rglob("*"):
        if path.is_dir():
            assert any(path in file.path.parents for file in collected), "an empty folder was left"


def test_plain_files_come_out_in_order_with_their_hashes(out, into):
    (out / "b").mkdir()
    (out / "b" / "Größe β.csv").write_bytes(b"x,y\n1,2\n")
    (out / "a.npy").write_bytes(b"123")
    (out / "empty").touch()
    collected, refused = take(out, into)
    assert list(collected) == ["a.npy", "b/Größe β.csv", "empty"]
    assert refused == {}
    assert collected["a.npy"].sha256 == hashlib.sha256(b"123").hexdigest()


def test_executable_and_set_id_bits_stay_behind(out, into):
    file = out / "run"
    file.write_bytes(b"#!/bin/sh\n")
    file.chmod(0o6755)
    collected, _ = take(out, into)
    assert stat.S_IMODE(collected["run"].path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "target",
    [
        "{secret}",
        "../secret",
        "loop",
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/proc/self/exe",
        "real",
        ".",
        "/",
    ],
)
def test_links_of_every_kind_stay_behind(out, into, secret, target):
    (out / "real").write_bytes(b"fine")
    (out / "loop").symlink_to(target.format(secret=secret))
    collected, refused = take(out, into)
    assert list(collected) == ["real"]
    assert refused == {"loop": "it is a symbolic link"}


def test_a_link_to_a_directory_is_not_entered(out, into, secret):
    (out / "folder").symlink_to(secret.parent)
    assert take(out, into) == ({}, {"folder": "it is a symbolic link"})


def test_hard_links_stay_behind(out, into, secret):
    os.link(secret, out / "stolen")
    assert take(out, into) == ({}, {"stolen": "it has another link"})


def test_pipes_sockets_and_devices_are_not_even_opened(out, into, monkeypatch):
    os.mkfifo(out / "pipe")
    # a socket's path is short
    monkeypatch.chdir(out)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        expected = {"pipe": "it is a pipe", "socket": "it is a socket"}
        if os.geteuid() == 0:
            os.mknod(out / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
            expected["zero"] = "it is a device"
        opened = []
        real = walk.open_beneath

        def watched(fd, name, flags):
            if not flags & os.O_PATH:
                opened.append(name)
            return real(fd, name, flags)

        monkeypatch.setattr(walk, "open_beneath", watched)
        assert take(out, into) == ({}, expected)
    assert opened == ["."]


def test_a_hole_that_looks_like_a_file_stays_behind(out, into):
    with (out / "hole").open("wb") as file:
        file.truncate(8 << 20)
    (out / "solid").write_bytes(os.urandom(1 << 20))
    collected, refused = take(out, into)
    assert list(collected) == ["solid"]
    assert "mostly a hole" in refused["hole"]


@pytest.mark.parametrize(
    "name",
    [
        "..x", ".hidden", "-rf", " space", "dot.", "end ", "new\nline", "esc\x1b[31m", "tab\t", "a\\b", "a:b",
        "a*", "n" * 121, "ä" * 61, "\u202egnp.exe", "zero\u200bwidth", "filler\u3164", "tag\U000e0041", "CON",
        "nul.txt", "Com1.tar.gz", "lpt9 .txt", "emoji😀", "a\u0301\u0302", "$(id)", "`id`", "a;b", "'q'",
    ],
)  # fmt: skip
def test_unsafe_names_are_refused_and_shown_safely(out, into, name):
    (out / name).write_bytes(b"x")
    collected, refused = take(out, into)
    assert collected == {}
    (shown,) = refused
    assert shown.isprintable()
    assert len(shown) <= 160
    assert "name" in refused[shown]


def test_names_that_are_not_text_are_refused(out, into):
    fd = os.open(os.fsencode(out) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY)
    os.close(fd)
    collected, refused = take(out, into)
    assert (collected, list(refused)) == ({}, ["\\udcff\\udcfe"])


def test_names_in_another_form_are_composed_and_clash_openly(out, into):
    for name in ("e\u0301.csv", "é.csv", "A", "a"):
        (out / name).write_bytes(name.encode())
    collected, refused = take(out, into)
    assert set(collected) == {"é.csv", "A"}
    assert set(refused) == {"é.csv", "a"}
    assert {"case or form" in reason for reason in refused.values()} == {True}


def test_the_number_of_files_is_capped(out, into):
    for i in range(12):
        (out / f"{i:02}").write_bytes(b"x")
    collected, refused = take(out, into, files=10)
    assert list(collected) == [f"{i:02}" for i in range(10)]
    assert refused == {"...": "2 more files, over the limit of 10"}


def test_the_bytes_of_all_files_are_capped(out, into):
    for name in "abc":
        (out / name).write_bytes(b"x" * 600_000)
    (out / "d").write_bytes(b"x" * 1000)
    (out / "large").write_bytes(b"x" * 1_100_000)
    collected, refused = take(out, into, files_mb=1)
    assert list(collected) == ["a", "d"]
    assert list(refused) == ["b", "c", "large"]


def test_one_file_has_its_own_cap(out):
    (out / "a").write_bytes(b"x" * 11)
    (out / "b").write_bytes(b"x" * 10)
    assert find(out, Caps(file_bytes=10))[0] == Refused("a", "it has 11 bytes, more than 10")


def test_depth_is_capped(out):
    folder = out
    for _ in range(6):
        (folder / "file").write_bytes(b"x")
        folder = folder / "d"
        folder.mkdir()
    found = find(out, Caps(depth=2))
    assert [item.name for item in found] == ["d/d/d", "d/d/file", "d/file", "file"]
    assert found[0] == Refused("d/d/d", "it lies deeper than 2 folders")


def test_a_crowded_directory_costs_no_more_than_the_cap(out, monkeypatch):
    for i in range(3000):
        (out / f"f{i}").symlink_to("x")
    opened = []
    real = walk.open_beneath
    monkeypatch.setattr(walk, "open_beneath", lambda *a: opened.append(a) or real(*a))
    found = find(out, Caps(entries=100))
    assert len(found) == 101
    assert found[-1].reason == "not looked at further: more than 100 names in all"
    assert len(opened) <= 102


def test_the_cap_on_names_holds_over_all_folders(out):
    for i in range(10):
        (out / f"{i}").mkdir()
        for j in range(10):
            (out / f"{i}" / f"{j}").write_bytes(b"")
    assert sum(isinstance(item, Found) for item in find(out, Caps(entries=45))) == 35


def test_refusals_are_capped_and_the_last_one_counts_the_rest(out, into):
    for i in range(REFUSALS_KEPT + 10):
        (out / f"{i:03}").symlink_to("x")
    _, refused = take(out, into)
    assert len(refused) == REFUSALS_KEPT
    assert refused["..."] == "11 more were refused"


def test_exactly_as_many_refusals_as_are_kept_need_no_count(out, into):
    for i in range(REFUSALS_KEPT):
        (out / f"{i:03}").symlink_to("x")
    _, refused = take(out, into)
    assert len(refused) == REFUSALS_KEPT
    assert "..." not in refused


@pytest.mark.parametrize(("change", "reason"), [(b"longer than before", "grew"), (b"", "shrank")])
def test_a_file_that_changes_while_it_is_read_is_refused(out, into, change, reason, monkeypatch):
    folder = out / "sub"
    folder.mkdir()
    file = folder / "file"
    file.write_bytes(b"content")
    real = Found.chunks

    def late(found):
        file.write_bytes(change)
        return real(found)

    monkeypatch.setattr(Found, "chunks", late)
    collected, refused = take(out, into)
    assert collected == {}
    assert refused == {"sub/file": f"it {reason} while it was read"}
    assert list(into.iterdir()) == []


def test_an_endless_file_is_cut_off_at_its_size(tmp_path):
    endless = os.open("/dev/zero", os.O_RDONLY)
    try:
        chunks = Found("zero", 1_000_000, endless).chunks()
        read = sum(len(next(chunks)) for _ in range(4))
        with pytest.raises(ValueError, match="grew"):
            next(chunks)
    finally:
        os.close(endless)
    assert read == 1_000_000


def test_nothing_in_the_receiving_directory_is_followed(out, into, secret):
    (out / "sub").mkdir()
    (out / "sub" / "file").write_bytes(b"evil")
    with Intake(into) as intake:
        (into / "sub").symlink_to(secret.parent)
        with pytest.raises(SandboxBrokenError):
            intake.put("sub/file", [b"evil"])
        (into / "file").symlink_to(secret)
        with pytest.raises(SandboxBrokenError):
            intake.put("file", [b"evil"])
    assert secret.read_bytes() == CANARY
    assert not (secret.parent / "file").exists()


def test_the_receiving_directory_must_be_empty_and_real(out, into, tmp_path):
    (into / "old").touch()
    fd = os.open(out, os.O_RDONLY)
    try:
        with pytest.raises(UsageError, match="empty"):
            collect(fd, into, limits=Limits())
        (tmp_path / "link").symlink_to(out)
        for path in (tmp_path / "link", tmp_path / "missing"):
            with pytest.raises(UsageError):
                collect(fd, path, limits=Limits())
    finally:
        os.close(fd)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_without_openat2_nothing_is_taken(out, into, monkeypatch, number):
    (out / "file").write_bytes(b"x")

    def refuse(*_):
        raise OSError(number, "no")

    monkeypatch.setattr(walk.linux, "syscall", refuse)
    fd = os.open(out, os.O_RDONLY)
    try:
        with pytest.raises(SandboxUnavailableError, match="openat2"):
            collect(fd, into, limits=Limits())
        with pytest.raises(SandboxUnavailableError, match="openat2"):
            open_directory(fd, "x")
    finally:
        os.close(fd)
    assert list(into.iterdir()) == []


def test_the_directory_of_results_may_not_be_a_link_itself(out, tmp_path, secret):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "out").symlink_to(secret.parent)
    fd = os.open(tmp_path / "work", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="Not a directory"):
            open_directory(fd, "out")
        with pytest.raises(OSError, match="device link"):
            open_directory(fd, "../out")
    finally:
        os.close(fd)


def test_no_descriptor_is_left_open(out, into, secret):
    (out / "a" / "b").mkdir(parents=True)
    (out / "a" / "b" / "file").write_bytes(b"x")
    (out / "a" / "link").symlink_to(secret)
    before = set(os.listdir("/proc/self/fd"))
    take(out, into)
    fd = os.open(out, os.O_RDONLY)
    walk_on = find_files(fd, Caps())
    assert isinstance(next(walk_on), Found)
    walk_on.close()
    os.close(fd)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_directory_swapped_for_a_link_during_collection_leads_nowhere(out, tmp_path, secret):
    """A thread swaps as fast as it can; a walk by path names would read the canary within a few rounds."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(CANARY)
    real, spare, link = out / "swap", out / "spare", out / "link"
    real.mkdir()
    (real / "file").write_bytes(b"harmless")
    link.symlink_to(outside)
    stop, swaps = threading.Event(), [0]

    def swap():
        while not stop.is_set():
            real.rename(spare)
            link.rename(real)
            real.rename(link)
            spare.rename(real)
            swaps[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    came_out = 0
    try:
        for i in range(300):
            into = tmp_path / f"into{i}"
            into.mkdir()
            collected, _ = take(out, into)
            came_out += len(collected)
            assert {file.path.read_bytes() for file in collected.values()} <= {b"harmless"}
    finally:
        stop.set()
        thread.join()
    assert swaps[0] > 0
    assert came_out > 0


@pytest.mark.parametrize("name", ["folder", "file"])
def test_a_swap_at_the_worst_moment_leads_nowhere(out, into, secret, monkeypatch, name):
    """Between the look at what it is and the opening of it; a second look by name comes too late."""
    (out / "folder").mkdir()
    (out / "folder" / "inner").write_bytes(b"harmless")
    (out / "file").write_bytes(b"harmless")
    target = secret if name == "file" else secret.parent
    seen_by_name = []
    real = walk.open_beneath

    def swapping(fd, raw, flags):
        if raw == name and not flags & os.O_PATH:
            (out / name).rename(out.parent / "aside")
            (out / name).symlink_to(target)
            seen_by_name.append((out / name / "secret" if name == "folder" else out / name).read_bytes())
        return real(fd, raw, flags)

    monkeypatch.setattr(walk, "open_beneath", swapping)
    collected, refused = take(out, into)
    assert seen_by_name == [CANARY]
    assert list(refused) == [name]
    assert {file.path.read_bytes() for file in collected.values()} == {b"harmless"}


NAMES = st.one_of(
    st.sampled_from(
        ["..a", "new\nline", "\x1b[2J", "n" * 200, ".dot", "a.csv", "β.npy", "CON", "a", "A", "é", "e\u0301"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\x00"), min_size=1, max_size=12),
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255)
LEAVES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=400)),
    st.tuples(st.just("solid"), st.integers(0, 400_000)),
    st.tuples(st.just("sparse"), st.integers(100_000, 1 << 40)),
    st.tuples(
        st.just("link"),
        st.sampled_from(
            [
                "{secret}",
                "../secret",
                "../../secret",
                "x",
                ".",
                "..",
                "/",
                "/proc/self/environ",
                "/proc/self/root",
            ]
        ),
    ),
    st.sampled_from([("hard", None), ("pipe", None), ("socket", None), ("device", None), ("many", None)]),
)
TREES = st.dictionaries(
    NAMES,
    st.recursive(LEAVES, lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12),
    max_size=8,
)


def build(tree, folder: Path, secret: Path) -> None:
    for name, item in tree.items():
        path = folder / name
        try:
            if isinstance(item, dict):
                path.mkdir()
                build(item, path, secret)
                continue
            match item:
                case "file", content:
                    path.write_bytes(content)
                    path.chmod(0o6777)
                case "solid", size:
                    path.write_bytes(b"\xa5" * size)
                case "sparse", size:
                    with path.open("wb") as file:
                        file.truncate(size)
                case "link", target:
                    path.symlink_to(target.format(secret=secret))
                case "hard", _:
                    os.link(secret, path)
                case "pipe", _:
                    os.mkfifo(path)
                case "socket", _:
                    # a path to a socket is short: a long name stays away
                    with socket.socket(socket.AF_UNIX) as listener, contextlib.suppress(OSError):
                        listener.bind(f"/proc/self/fd/{open_dir(folder)}/{name}")
                case "device", _:
                    if os.geteuid() == 0:
                        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
                case "many", _:
                    path.mkdir()
                    for i in range(200):
                        (path / f"{i}").touch()
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG):
                raise


DIRECTORIES: list[int] = []


def open_dir(folder: Path) -> int:
    DIRECTORIES.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    return DIRECTORIES[-1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, st.integers(0, 12), st.integers(0, 1), st.integers(0, 3))
def test_whatever_a_tree_holds_only_plain_files_within_the_caps_come_out(
    tmp_path_factory, tree, files, megabytes, depth
):
    root = tmp_path_factory.mktemp("tree", numbered=True)
    out, into, secret = root / "out", root / "into", root / "secret"
    out.mkdir()
    into.mkdir()
    secret.write_bytes(CANARY)
    try:
        build(tree, out, secret)
    finally:
        while DIRECTORIES:
            os.close(DIRECTORIES.pop())
    caps = Caps(files=files, total_bytes=megabytes << 20, depth=depth, entries=150)
    fd = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with Intake(into) as intake:
            for item in find_files(fd, caps):
                if isinstance(item, Found):
                    intake.put(item.name, item.chunks())
                else:
                    intake.refuse(item.name, item.reason)
            collected, refused = intake.report()
    finally:
        os.close(fd)
    check_report(collected, into)
    assert len(collected) <= files
    assert sum(file.size for file in collected) <= megabytes << 20
    assert len(refused) <= REFUSALS_KEPT
    for file in collected:
        original = (out / file.name).lstat() if (out / file.name).exists() else None
        assert safe_path(file.name, depth=depth) == file.name
        if original is not None:
            assert stat.S_ISREG(original.st_mode)
            assert original.st_nlink == 1
    for refusal in refused:
        assert refusal.name.isprintable()
        assert len(refusal.name) <= 160
    assert len({collision_key(file.name) for file in collected}) == len(collected)
    assert secret.read_bytes() == CANARY


@given(st.text(max_size=130))
def test_a_name_that_is_accepted_can_do_nothing(raw):
    try:
        name = safe_part(raw)
    except ValueError:
        return
    assert safe_part(name) == name
    assert name not in ("", ".", "..")
    assert not set(name) & set("/\\:*?\"<>|\x00\n\t'`$;&!()")
    assert name.isprintable()
    assert len(name.encode()) <= 120
