"""Reading files that a stranger made: bounded, and never outside the crate.

Nothing is unpacked. A crate that is not plain is refused as a whole: names that lead elsewhere, links,
devices, archives that unfold to much more than they are, texts that nobody can have meant.
"""

import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from novum.core.errors import IngestError

MAX_FILES = 10_000

MAX_BYTES = 16 * 2**30
"""Of all files together, unfolded."""

MAX_JSON = 64 * 2**20
"""Bytes of a JSON file that is read as a whole."""

MAX_LINE = 8 * 2**20
"""Bytes of a line of a file that is read line by line."""

MAX_RATIO = 500
"""How many times larger than its archive a file may be, from 1 MiB on; text rarely exceeds 30."""

MAX_DEPTH = 64
"""Levels of lists and objects within each other."""

_BLOCK = 1 << 20


class CrateError(IngestError):
    """A crate that is damaged, or that nobody should open."""


class Source(Protocol):
    """The files of a crate."""

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file by name, with ``/`` between folders, as far as the container says."""

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open one of the files for reading."""


@contextmanager
def open_source(path: Path) -> Iterator["Source"]:
    """Give the files of a crate that is a folder or a ZIP archive.

    Raises:
        CrateError: there is none, or it must not be read.
    """
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.is_file():
        raise CrateError(f"there is no crate {str(path)!r}; a crate is a folder or a .zip file")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise CrateError(f"{str(path)!r} is no crate: {error}") from error
    with archive:
        yield _Archive(archive)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes: dict[str, int] = {}
        waiting = [path]
        while waiting:
            with os.scandir(waiting.pop()) as listing:
                entries = list(listing)
            for entry in entries:
                name = Path(entry.path).relative_to(path).as_posix()
                if entry.is_symlink():
                    raise CrateError(f"the crate holds a link, {name!r}; a crate holds plain files")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    self.sizes[_checked(name)] = entry.stat(follow_symlinks=False).st_size
                else:
                    raise CrateError(f"the crate holds {name!r}, which is no file")
                _check_amount(self.sizes)

    def open(self, name: str) -> IO[bytes]:
        file = os.open(self._path / name, os.O_RDONLY | os.O_NOFOLLOW)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise CrateError(f"{name!r} is no file any more")
        return os.fdopen(file, "rb")


class _Archive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.sizes: dict[str, int] = {}
        for info in self._archive.infolist():
            if info.is_dir():
                _checked(info.filename.rstrip("/"))
                continue
            name = _checked(info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise CrateError(f"the crate holds {name!r}, which is no plain file")
            if info.flag_bits & 1:
                raise CrateError(f"{name!r} in the crate is encrypted")
            if name in self.sizes:
                raise CrateError(f"the crate holds two files with the name {name!r}")
            if info.file_size > _BLOCK and info.file_size > MAX_RATIO * max(1, info.compress_size):
                raise CrateError(
                    f"{name!r} would unfold from {info.compress_size} to {info.file_size} bytes; "
                    f"no honest file is compressed {MAX_RATIO} times"
                )
            self.sizes[name] = info.file_size
            _check_amount(self.sizes)

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


def blocks(source: Source, name: str) -> Iterator[bytes]:
    """Yield the bytes of a file, no more than its container promised.

    Raises:
        CrateError: the file is missing, longer than promised, or cannot be read.
    """
    if name not in source.sizes:
        raise CrateError(f"the crate has no file {name!r}")
    left = source.sizes[name]
    try:
        with source.open(name) as stream:
            while block := stream.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise CrateError(
                        f"{name!r} is longer than the {source.sizes[name]} bytes that it should have"
                    )
                yield block
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise CrateError(f"{name!r} in the crate cannot be read: {error}") from error


def digest_file(source: Source, name: str) -> str:
    """Return the SHA-256 of a file.

    Raises:
        CrateError: it cannot be read.
    """
    found = hashlib.sha256()
    for block in blocks(source, name):
        found.update(block)
    return found.hexdigest()


def read_json(source: Source, name: str) -> Any:
    """Return what a JSON file of at most `MAX_JSON` bytes says.

    Raises:
        CrateError: it is larger, or not strict JSON.
    """
    if source.sizes.get(name, 0) > MAX_JSON:
        raise CrateError(
            f"{name!r} has {source.sizes[name]} bytes; more than {MAX_JSON} are not read as JSON"
        )
    return parse_json(b"".join(blocks(source, name)), name)


def lines(source: Source, name: str) -> Iterator[bytes]:
    """Yield the lines of a file, without their ends.

    Raises:
        CrateError: a line is longer than `MAX_LINE`, or the file cannot be read.
    """
    rest = b""
    for block in blocks(source, name):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise CrateError(f"{name!r} has a line of more than {MAX_LINE} bytes")
    if rest:
        yield rest


def parse_json(data: bytes, name: str) -> Any:
    """Return what strict JSON says: UTF-8, no NaN, no key twice, not more than `MAX_DEPTH` levels deep.

    Raises:
        CrateError: it is something else.
    """
    try:
        value = json.loads(data.decode(), parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise CrateError(f"{name} is not the JSON that it should be: {str(error)[:200]}") from error
    if _depth(value) > MAX_DEPTH:
        raise CrateError(f"{name} has more than {MAX_DEPTH} levels of lists and objects")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    plain = name == path.as_posix() and not path.is_absolute() and ".." not in path.parts
    if not plain or "\\" in name or ":" in name or not name.isprintable() or len(name) > 500:
        raise CrateError(f"the crate holds a file with the name {name[:200]!r}, which could lead out of it")
    return name


def _check_amount(sizes: dict[str, int]) -> None:
    if len(sizes) > MAX_FILES:
        raise CrateError(f"the crate holds more than {MAX_FILES} files")
    if sum(sizes.values()) > MAX_BYTES:
        raise CrateError(f"the crate would unfold to more than {MAX_BYTES} bytes")
