"""One opened file: hashed, bounded, and the same from beginning to end."""

import codecs
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from novum.core.errors import IngestError
from novum.core.text import clean_text
from novum.knowledge_base.ingest.bounds import Bounds

HEAD_BYTES = 4096
"""How much of a file is looked at to find its format."""

_BLOCK = 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Source:
    """A regular file that is open for reading.

    Its name is all that is known of where it lies; no path leaves this class.
    """

    name: str
    """The file's own name, with characters that act made visible."""
    label: str
    """How notes call it: its path below the folder that is walked."""
    size: int
    sha256: str
    head: bytes
    """The first `HEAD_BYTES` bytes."""
    _descriptor: int
    _stamp: tuple[int, int]

    @property
    def id(self) -> str:
        """The subject of what has no other: ``file:`` and the first half of the hash."""
        return f"file:{self.sha256[:32]}"

    @property
    def descriptor(self) -> int:
        """The open file, for a process that reads it in our stead."""
        return self._descriptor

    @property
    def suffix(self) -> str:
        """The end of the name in lower case, with ``.nii.gz`` taken as one."""
        name = self.name.lower()
        return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix

    def open(self) -> BinaryIO:
        """Return the file from its beginning. Only the stream opened last may be read."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return cast(BinaryIO, os.fdopen(os.dup(self._descriptor), "rb"))

    def read(self, limit: int) -> bytes:
        """Return the whole content.

        Raises:
            IngestError: it has more than `limit` bytes.
        """
        if self.size > limit:
            raise IngestError(
                f"it has {self.size} bytes, and files of this kind are read whole: at most {limit}"
            )
        with self.open() as stream:
            return stream.read(limit)

    @contextmanager
    def lines(self, encoding: str) -> Iterator[io.TextIOWrapper]:
        """Open the file as text, line ends as they are; a byte order mark overrules `encoding`.

        Raises:
            IngestError: the bytes are not text in that encoding, or `encoding` is unknown.
        """
        name = self.encoding(encoding)
        with self.open() as raw, io.TextIOWrapper(raw, encoding=name, errors="strict", newline="") as text:
            try:
                yield text
            except UnicodeDecodeError as error:
                raise _not_text(error, name) from error
            except UnicodeError as error:  # a stream without the mark that it must have
                raise IngestError(f"it is not {name} text: {error}") from error

    def text(self, bounds: Bounds, encoding: str) -> str:
        """Return the whole content as text.

        Raises:
            IngestError: it is too long, empty of text, or not text in that encoding.
        """
        data = self.read(min(4 * bounds.max_text_chars, bounds.max_held_bytes))
        name = self.encoding(encoding)
        try:
            text = data.decode(name)
        except UnicodeDecodeError as error:
            raise _not_text(error, name) from error
        if len(text) > bounds.max_text_chars:
            raise IngestError(f"it has {len(text)} characters; at most {bounds.max_text_chars} are taken")
        n_control = len(_CONTROL.findall(text))
        if "\x00" in text or n_control > max(10, len(text) / 100):
            raise IngestError(f"it holds {n_control} control characters, and so is no text")
        if not text.strip():
            raise IngestError("it holds no text")
        return text

    def encoding(self, asked: str) -> str:
        """Return the encoding to read with.

        Raises:
            IngestError: `asked` is not the name of one.
        """
        for mark, name in _MARKS:
            if self.head.startswith(mark):
                return name
        try:
            codec = codecs.lookup(asked)
        except LookupError as error:
            raise IngestError(f"there is no encoding {asked!r}; try 'utf-8' or 'latin-1'") from error
        if not codec._is_text_encoding:
            raise IngestError(f"{asked!r} is no encoding of text; try 'utf-8' or 'latin-1'")
        return codec.name

    @cached_property
    def is_binary(self) -> bool:
        """Whether the first bytes hold a null that no text encoding with a mark explains."""
        marked = any(self.head.startswith(mark) for mark, _ in _MARKS)
        return b"\x00" in self.head and not marked

    def check_unchanged(self) -> None:
        """Hold the file against what it was when it was hashed.

        Raises:
            IngestError: it was changed since.
        """
        now = os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != self._stamp:
            raise IngestError("it was changed while it was read; take it again")


@contextmanager
def open_source(path: Path, bounds: Bounds, *, label: str = "") -> Iterator[Source]:
    """Open a regular file that is no symbolic link, and hash it.

    Raises:
        IngestError: it is missing, no regular file, empty, too large, or cannot be read.
    """
    try:
        # Without O_NONBLOCK, a named pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise IngestError("there is no such file") from error
    except (OSError, ValueError) as error:
        why = "it is a symbolic link" if path.is_symlink() else getattr(error, "strerror", None) or error
        raise IngestError(f"it cannot be opened: {why}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise IngestError(f"it is {kind_of_file(found.st_mode)}, and no regular file")
        if found.st_size == 0:
            raise IngestError("it is empty")
        if found.st_size > bounds.max_file_bytes:
            raise IngestError(f"it has {found.st_size} bytes; at most {bounds.max_file_bytes} are read")
        name = clean_text(path.name.encode(errors="surrogateescape").decode(errors="replace"), limit=200)
        yield Source(
            name=name,
            label=clean_text(label) or name,
            size=found.st_size,
            sha256=_hash(descriptor),
            head=os.pread(descriptor, HEAD_BYTES, 0),
            _descriptor=descriptor,
            _stamp=(found.st_size, found.st_mtime_ns),
        )
    except OSError as error:
        raise IngestError(f"it cannot be read: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


def _hash(descriptor: int) -> str:
    found, place = hashlib.sha256(), 0
    while block := os.pread(descriptor, _BLOCK, place):
        found.update(block)
        place += len(block)
    return found.hexdigest()


def kind_of_file(mode: int) -> str:
    """Return what lies under a mode that is no regular file, in words."""
    for is_kind, name in (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if is_kind(mode):
            return name
    return "something else"


def _not_text(error: UnicodeDecodeError, encoding: str) -> IngestError:
    return IngestError(
        f"it is not {encoding} text: byte {error.object[error.start]:#04x} near {error.start} does not fit. "
        f"Say which encoding it has"
    )
