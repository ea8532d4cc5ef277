"""Decompressing what a stranger packed: in pieces, with a cap, whatever the headers say."""

import bz2
import gzip
import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Protocol

from novum.core.errors import NotFoundError, ToolFailedError
from novum.sandbox.files.names import shown

PIECE_BYTES: Final = 1 << 16
"""How much is decompressed at once."""

RATIO_FROM_BYTES: Final = 1 << 20
"""Below this size a ratio is not judged: little files of equal bytes are ordinary."""

_READS_AFTER_END: Final = 16
_XZ_MEMORY_BYTES: Final = 128 << 20  # the strongest preset of xz needs 65 MiB
_ZIP_OPENING_BYTES: Final = (1 << 16) + 4096
_ZIP_ENTRY_BYTES: Final = 512

DAMAGED: Final = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # RecursionError, NotImplementedError, and what zipfile raises for passwords
    OverflowError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the readers of the standard library raise for archives that are not as they say."""


class Readable(Protocol):
    """What bytes can be read from, a few at a time."""

    def read(self, size: int = ..., /) -> bytes | None:
        """Return at most `size` bytes; nothing at the end."""
        ...


class TooMuchError(Exception):
    """More came out than allowed. No ValueError or OSError: readers must not take it for damage."""


def open_regular(path: Path, *, limit: int) -> IO[bytes]:
    """Open a file of a stranger that lies with us: a regular one, no link, of at most `limit` bytes.

    Raises:
        NotFoundError: it is not there.
        ToolFailedError: it is not a regular file, or has more than `limit` bytes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {shown(str(path))!r}") from error
    except OSError as error:
        raise ToolFailedError(f"cannot read {shown(path.name)!r}: {error.strerror}") from error
    found = os.fstat(fd)
    problem = ""
    if not stat.S_ISREG(found.st_mode):
        problem = "it is not a regular file"
    elif found.st_size > limit:
        problem = f"it has {found.st_size} bytes, more than {limit}"
    if problem:
        os.close(fd)
        raise ToolFailedError(f"cannot read {shown(path.name)!r}: {problem}")
    return os.fdopen(fd, "rb")


class CappedStream(io.RawIOBase):
    """Reads from a decompressor, and stops at a number of bytes and at a ratio.

    Args:
        source: where the bytes come from.
        limit: how many may come.
        packed: how many bytes they were packed into.
        ratio: how many may come for each of those.
    """

    def __init__(self, source: Readable, *, limit: int, packed: int, ratio: int) -> None:
        super().__init__()
        self._source = source
        self._limit = limit
        self._by_ratio = max(RATIO_FROM_BYTES, packed * ratio)
        self._ratio = ratio
        self._head = b""
        self._count = 0
        self._ends = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def peek_first(self, size: int) -> bytes:
        """Return the first bytes without taking them; before anything else was read."""
        while len(self._head) < size:
            piece = self._take(size - len(self._head))
            if not piece:
                break
            self._head += piece
        return self._head

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as there is something, and return how far.

        Raises:
            TooMuchError: a cap is reached.
            EOFError: it is asked for more again and again after the end.
        """
        if self._head:
            piece = self._head[: len(buffer)]
            self._head = self._head[len(piece) :]
        else:
            piece = self._take(min(len(buffer), PIECE_BYTES))
        buffer[: len(piece)] = piece
        return len(piece)

    def chunks(self) -> Iterator[bytes]:
        """Yield all the rest.

        Raises:
            TooMuchError: a cap is reached.
        """
        while piece := self.read(PIECE_BYTES):
            yield piece

    def _take(self, size: int) -> bytes:
        piece = self._source.read(size) or b""
        if not piece:
            # tarfile goes on for hours after the end, towards where a header says that there is more
            self._ends += 1
            if self._ends > _READS_AFTER_END:
                raise EOFError("it ends before its end")
        self._count += len(piece)
        if self._count > self._limit:
            raise TooMuchError(f"it unpacks to more than {self._limit} bytes")
        if self._count > self._by_ratio:
            raise TooMuchError(f"it unpacks to more than {self._ratio} times its size")
        return piece


class _Xz(io.RawIOBase):
    """Like `lzma.LZMAFile`, which cannot be told how much memory a dictionary may take."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._decoder = self._new()
        self._fresh = True

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            rest = b""
            if self._decoder.eof:
                rest = self._decoder.unused_data or self._file.read(PIECE_BYTES)
                if not rest:
                    return 0
                self._decoder = self._new()
            elif self._decoder.needs_input:
                rest = self._file.read(PIECE_BYTES)
                if not rest:
                    raise EOFError("the archive ends before its end")
            piece = self._decoder.decompress(rest, max_length=len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)


def decompressed(file: IO[bytes], head: bytes) -> Readable | None:
    """Return what unpacks `file`, by its first bytes: gzip, bzip2 or xz; None for anything else."""
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file, "rb")
    if head.startswith(b"\xfd7zXZ\x00"):
        return _Xz(file)
    return None


class _Metered(io.RawIOBase):
    """A file of which only so much is read at once until `free` is set."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        super().__init__()
        self._file = file
        self._left = limit
        self.free = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if self.free:
            return self._file.read(size)
        here = self._file.tell()
        rest = self._file.seek(0, os.SEEK_END) - here
        self._file.seek(here)
        self._left -= rest if size < 0 else min(size, rest)
        if self._left < 0:
            raise TooMuchError("its list of members is too long")
        return self._file.read(size)


def open_zip(file: IO[bytes], *, entries: int) -> zipfile.ZipFile:
    """Open a zip archive whose list of members may be as long as `entries` members need.

    Raises:
        TooMuchError: the list is longer.
        One of DAMAGED: it is not a zip archive.
    """
    metered = _Metered(file, 2 * _ZIP_OPENING_BYTES + entries * _ZIP_ENTRY_BYTES)
    archive = zipfile.ZipFile(metered)
    metered.free = True
    if len(archive.infolist()) > entries:
        raise TooMuchError(f"it has more than {entries} members")
    return archive


def find_zip_problem(info: zipfile.ZipInfo) -> str | None:
    """Return why a member of a zip archive is not read, or None."""
    if info.flag_bits & 0x2041:
        return "it is encrypted"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "it is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is not a regular file"
    # the standard library unpacks the other methods without a bound
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"it is packed with method {info.compress_type}; only 'stored' and 'deflate' are read"
    return None
