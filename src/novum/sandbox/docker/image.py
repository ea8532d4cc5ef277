"""Images without a registry: an empty one for binds, and a full one for engines that see no file of ours.

The full image is a closure: the interpreter, its packages, novum, the shared libraries that any of them
is linked to, and a few programs, each at its place on this machine; but what lies where a call has its
scratch files, which would be covered by them, is moved below `MOVED`.
"""

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from novum.core.errors import SandboxUnavailableError, UsageError
from novum.sandbox.base import Profile
from novum.sandbox.docker.engine import Engine
from novum.sandbox.docker.frames import PROTOCOL
from novum.sandbox.docker.init import SCRATCH
from novum.sandbox.docker.windows import system_links
from novum.sandbox.windows import find_windows

REPOSITORY: Final = "novum-sandbox"

FULL: Final = f"{REPOSITORY}:full"
"""The image for engines that do not see this machine's files, unless another one is named."""

PROTOCOL_LABEL: Final = "org.novum.image.protocol"
PYTHON_LABEL: Final = "org.novum.image.python"
IMPORT_LABEL: Final = "org.novum.image.import"
READABLE_LABEL: Final = "org.novum.image.readable"
"""JSON: directory of the machine on which the image was built → its place in the image."""

MOVED: Final = "/opt/novum"

_WRITTEN: Final = {
    "etc/passwd": "root:x:0:0::/:/bin/false\nsandbox:x:65532:65532::/work:/bin/false\n",
    "etc/group": "root:x:0:\nsandbox:x:65532:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_PROGRAMS: Final = (
    "sh", "cat", "cp", "cut", "echo", "env", "false", "grep", "head", "id", "ls", "mkdir", "mv", "rm", "sed",
    "setsid", "sleep", "sort", "tail", "test", "touch", "tr", "true", "uname", "wc",
)  # fmt: skip
_LIBRARIES_AT_ONCE: Final = 100
_LEFT_OUT: Final = frozenset({"__pycache__", ".git", "node_modules"})
_NOT_FOR_CALLS: Final = frozenset({"test", "idlelib", "ensurepip", "turtledemo"})
"""Folders of the standard library."""
_SHARED_PREFIXES: Final = ("/usr", "/usr/local")
"""Where an interpreter lies among everything else."""
_WRITE_BYTES: Final = 1 << 20


def prepare_empty(engine: Engine) -> str:
    """Return the name of the image that has mount points only, made if it is not there yet."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _add_skeleton(archive)
        content = file.getvalue()
    name = f"{REPOSITORY}:empty-{hashlib.sha256(content).hexdigest()[:16]}"
    if engine.find_image(name) is None:
        engine.import_image(iter([content]), name, labels={PROTOCOL_LABEL: str(PROTOCOL)})
    return name


def build_image(
    host: str | None = None,
    *,
    name: str = FULL,
    readable: Sequence[str] = (),
    without: Collection[str] = (),
) -> str:
    """Build the full image out of this machine's files, without a registry, and give it to an engine.

    It needs as much room as the environment that novum runs in; a few gigabytes with every extra.

    Args:
        host: the engine, as for `DockerSandbox`.
        name: ``REPOSITORY:TAG`` of the image.
        readable: further directories, those of `Profile.readable`.
        without: top-level names in ``site-packages`` that are left out, where no tool needs them.

    Returns:
        The name.

    Raises:
        UsageError: the name has no tag, or a directory is not there.
        SandboxUnavailableError: no engine answers, or this machine runs no Linux.
        SandboxBrokenError: the engine could not take the image.
    """
    if ":" not in name.rpartition("/")[2]:
        raise UsageError(f"image name {name!r} has no tag; expected REPOSITORY:TAG")
    if sys.platform != "linux":
        raise SandboxUnavailableError(
            "an image of this machine's files can be made on Linux only; build the one of the Dockerfile"
        )
    for path in readable:
        if not Path(path).is_dir():
            raise UsageError(f"readable path {path!r} is not a directory")
    windows = find_windows(Profile(name="image", readable=tuple(readable)))
    engine = Engine(host)
    try:
        labels = {
            PROTOCOL_LABEL: str(PROTOCOL),
            PYTHON_LABEL: place_of(sys.executable),
            IMPORT_LABEL: place_of(windows.import_own) if windows.import_own is not None else "",
            READABLE_LABEL: json.dumps({path: place_of(path) for path in sorted(readable)}),
        }
        engine.import_image(_stream(_closure(windows.visible, without)), name, labels=labels)
    finally:
        engine.close()
    return name


def place_of(path: str) -> str:
    """Return where a path of this machine lies in the full image."""
    return f"{MOVED}{path}" if any(path.startswith(f"{place}/") for place in SCRATCH) else path


def _add_skeleton(archive: tarfile.TarFile) -> None:
    """Add what every image has: mount points, links, and three small files. No time, so no two differ."""
    directories = {"dev", "etc", "proc", "run", "sys", "usr"}
    for place in SCRATCH:
        parts = place.strip("/").split("/")
        directories |= {"/".join(parts[: i + 1]) for i in range(len(parts))}
    for path in sorted(directories):
        archive.addfile(_entry(path, tarfile.DIRTYPE, 0o755))
    for path, to in sorted(system_links().items()):
        link = _entry(path.strip("/"), tarfile.SYMTYPE, 0o777)
        link.linkname = to
        archive.addfile(link)
    for path, text in _WRITTEN.items():
        raw = text.encode()
        file = _entry(path, tarfile.REGTYPE, 0o644)
        file.size = len(raw)
        archive.addfile(file, io.BytesIO(raw))


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    return entry


class _Queue(io.RawIOBase):
    """Takes what tarfile writes, and gives it away again."""

    def __init__(self) -> None:
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.held += data
        return len(data)

    def take(self) -> bytes:
        held, self.held = bytes(self.held), bytearray()
        return held


def _stream(paths: Iterable[str]) -> Iterator[bytes]:
    """Yield a tar archive of `paths` piece by piece: it never lies anywhere as a whole."""
    queue = _Queue()
    with tarfile.open(fileobj=queue, mode="w|", bufsize=_WRITE_BYTES, format=tarfile.PAX_FORMAT) as archive:
        _add_skeleton(archive)
        done = set(archive.getnames())
        for path in paths:
            name = place_of(path).lstrip("/")
            if name in done:
                continue
            done.add(name)
            if stat.S_ISSOCK(Path(path).lstat().st_mode):
                continue  # nothing that an archive could hold
            entry = archive.gettarinfo(path, arcname=name)
            if entry.issym():
                entry.linkname = place_of(entry.linkname)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            # a call is another user than whoever installed this; and nothing is given away by it
            entry.mode = (entry.mode | 0o444 | (0o111 if entry.mode & 0o100 else 0)) & 0o755
            if entry.isreg():
                with Path(path).open("rb") as file:
                    archive.addfile(entry, file)
            elif entry.isdir() or entry.issym() or entry.islnk():
                archive.addfile(entry)
            if queue.held:
                yield queue.take()
    yield queue.take()


def _closure(visible: Sequence[str], without: Collection[str]) -> Iterator[str]:
    """Yield every path of the image, directories before what is in them."""
    seen: set[str] = set()
    linked: list[str] = []
    roots = sorted(set(_roots(visible)))
    programs = [found for name in _PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))]
    interpreter = os.path.realpath(sys.executable)
    locale = "/usr/lib/locale/C.utf8"
    for root in [*roots, *filter(os.path.exists, [locale, "/etc/ld.so.cache"])]:
        for path in _walk(root, without):
            if path not in seen:
                yield from _ancestors(path, seen)
                seen.add(path)
                yield path
                if _is_linked(path):
                    linked.append(path)
    for path in [*programs, *_libraries([interpreter, *linked, *programs])]:
        # the linker asks for it under this name, whatever it is a link to
        for name in _chain(path):
            if name not in seen:
                yield from _ancestors(name, seen)
                seen.add(name)
                yield name


def _roots(visible: Sequence[str]) -> Iterator[str]:
    for path in {*visible, *map(os.path.realpath, visible)}:
        if path not in _SHARED_PREFIXES:
            yield path
            continue
        library = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *sys.path}
        yield from (found for found in library if found.startswith(f"{path}/") and Path(found).exists())
        yield from (found for found in _chain(sys.executable) if found.startswith(f"{path}/"))


def _walk(root: str, without: Collection[str]) -> Iterator[str]:
    library = sysconfig.get_path("stdlib")
    importable = {os.path.realpath(path) for path in sys.path}
    yield root
    if Path(root).is_symlink() or not Path(root).is_dir():
        return
    for directory, folders, files in os.walk(root):
        left_out = set(_LEFT_OUT)
        if Path(directory).name in ("site-packages", "dist-packages"):
            if os.path.realpath(directory) not in importable:
                folders[:] = []
                continue  # those of the interpreter below a virtual environment, which does not use them
            left_out |= set(without)
        if directory == library:
            left_out |= _NOT_FOR_CALLS | {name for name in folders if name.startswith("config-")}
        folders[:] = sorted(set(folders) - left_out)
        yield from (f"{directory}/{name}" for name in (*folders, *sorted(files)))


def _ancestors(path: str, seen: set[str]) -> Iterator[str]:
    links = system_links()
    parents = [str(parent) for parent in reversed(Path(path).parents) if str(parent) != "/"]
    for parent in parents:
        # only those of the image's own places: the others are made on the way by whoever unpacks it
        if parent not in seen and parent not in links and place_of(parent) == parent:
            seen.add(parent)
            yield parent


def _chain(path: str) -> Iterator[str]:
    """Yield a file and what it is a link to, link by link, each with its directory resolved."""
    for _ in range(40):
        place = Path(os.path.realpath(Path(path).parent), Path(path).name)
        yield str(place)
        if not place.is_symlink():
            return
        path = os.path.normpath(place.parent / place.readlink())


def _is_linked(path: str) -> bool:
    """Whether a file is a program or a shared library."""
    try:
        if not stat.S_ISREG(Path(path).lstat().st_mode):
            return False
        if not (".so" in Path(path).name or os.access(path, os.X_OK)):
            return False
        with Path(path).open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _libraries(linked: Sequence[str]) -> list[str]:
    """Return the shared libraries that these files are linked to, as this machine's linker finds them."""
    found: set[str] = set()
    for start in range(0, len(linked), _LIBRARIES_AT_ONCE):
        # they are this machine's own, and as trusted as the interpreter that runs this
        done = subprocess.run(
            ["ldd", *linked[start : start + _LIBRARIES_AT_ONCE]],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,  # it fails for a static program among many
        )
        for line in done.stdout.splitlines():
            name, arrow, place = line.strip().partition(" => ")
            path = (place if arrow else name).rpartition(" (")[0]
            if path.startswith("/"):
                found.add(path)
    return sorted(found)
