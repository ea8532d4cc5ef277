"""Walking a directory that untrusted code has filled, without ever leaving it.

Every step is one ``openat2`` on the descriptor of the directory above: the kernel refuses links of
every kind, mounts, and ways out, so that nothing which a name says, or which changes in the middle of
the walk, leads elsewhere. Best done when every process of the call is gone.

The standard library only: the same walk runs inside a container.

References:
    openat2(2), Linux 5.6; https://lwn.net/Articles/1050887/ on why paths must not be walked by name.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from novum.core.errors import SandboxBrokenError, SandboxUnavailableError
from novum.sandbox.files.names import collision_key, safe_part, shown
from novum.sandbox.kernel import linux

CHUNK_BYTES: Final = 1 << 18
"""How much is read at once."""

_OPENAT2: Final = 437  # on every architecture
_RESOLVE_NO_XDEV: Final = 0x01
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_RESOLVE: Final = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH

_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_SPARSE_FROM_BYTES: Final = 1 << 16
_SPARSE_BELOW: Final = 1 / 8
"""Of a file's size, allocated: less is a hole that was made to look like a file."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How much is taken out of a directory or an archive.

    Example:
        >>> Caps(total_bytes=10).file_bytes is None
        True
    """

    files: int = 64
    total_bytes: int = 64 << 20
    """Of all files together."""
    file_bytes: int | None = None
    """Of one file; None is `total_bytes`."""
    depth: int = 8
    """How many folders may be around a file."""
    entries: int = 4096
    """How many names are looked at, of files, folders and everything else."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that is not taken out, with its name as it may be shown."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that may be taken out. `fd` is open until the next one is asked for."""

    name: str
    """Relative, with ``/`` between folders; every part safe."""
    size: int
    """In bytes, when it was opened."""
    fd: int

    def chunks(self) -> Iterator[bytes]:
        """Yield the content, never more than `size` bytes.

        Raises:
            ValueError: the file has more or fewer bytes by now.
            OSError: it cannot be read.
        """
        left = self.size
        while left:
            piece = os.read(self.fd, min(left, CHUNK_BYTES))
            if not piece:
                raise ValueError("it shrank while it was read")
            left -= len(piece)
            yield piece
        if os.read(self.fd, 1):
            raise ValueError("it grew while it was read")


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(directory_fd: int, name: str, flags: int) -> int:
    """Open `name` below a directory, through no link and no mount, and without blocking.

    Raises:
        OSError: it cannot be opened so; ELOOP for a link, EXDEV for a way out.
    """
    how = _OpenHow(flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0, _RESOLVE)
    if flags & os.O_PATH:
        # openat2 is strict: O_PATH goes with no other flag than these
        how.flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | (flags & os.O_DIRECTORY)
    return linux.syscall(_OPENAT2, directory_fd, os.fsencode(name), how, ctypes.sizeof(how))


def open_directory(parent_fd: int, name: str) -> int:
    """Open a directory that untrusted code may have made, or may have replaced by something else.

    Raises:
        SandboxUnavailableError: this kernel, or a filter around us, has no ``openat2``.
        OSError: there is no such directory: ENOENT; ENOTDIR for a link or a file; EXDEV for a way out.
    """
    _demand_openat2(parent_fd)
    return open_beneath(parent_fd, name, os.O_RDONLY | os.O_DIRECTORY)


def find_files(directory_fd: int, caps: Caps) -> Iterator[Found | Refused]:
    """Yield every file below a directory that may be taken out, and why the rest may not.

    In the order of the names, as far as `caps` allow. A file is taken if it is regular, has no other
    link, holds about what its size says, and every part of its name is safe. No device and no pipe is
    opened. The descriptor stays open.

    Raises:
        SandboxUnavailableError: this kernel, or a filter around us, has no ``openat2``. There is no
            second way, since every other one is weaker.
        SandboxBrokenError: the directory itself cannot be read.
    """
    _demand_openat2(directory_fd)
    try:
        own = open_beneath(directory_fd, ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SandboxBrokenError(f"the directory of results cannot be read: {error}") from error
    walk = _Walk(caps)
    try:
        yield from walk.directory(own, "", 0)
    finally:
        os.close(own)
    if walk.files_over:
        yield Refused("...", f"{walk.files_over} more files, over the limit of {caps.files}")


class _Walk:
    """What one walk has seen so far."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._entries = 0
        self._files = 0
        self._bytes = 0
        self._keys: set[str] = set()
        self.files_over = 0

    def directory(self, fd: int, prefix: str, depth: int) -> Iterator[Found | Refused]:
        names, rest = self._names(fd)
        for raw in names:
            try:
                name = prefix + safe_part(raw)
            except ValueError as error:
                yield Refused(shown(prefix + raw), str(error))
                continue
            key = collision_key(name)
            if key in self._keys:
                yield Refused(shown(name), "its name differs from another's in case or form only")
                continue
            self._keys.add(key)
            try:
                kind = _kind(fd, raw)
                if stat.S_ISDIR(kind):
                    if depth >= self._caps.depth:
                        raise ValueError(f"it lies deeper than {self._caps.depth} folders")
                    below = open_beneath(fd, raw, os.O_RDONLY | os.O_DIRECTORY)
                elif stat.S_ISREG(kind):
                    below = open_beneath(fd, raw, os.O_RDONLY)
                else:
                    raise ValueError(f"it is {_KINDS.get(stat.S_IFMT(kind), 'not a file')}")
            except (ValueError, OSError) as error:
                yield Refused(shown(name), _reason(error))
                continue
            try:
                if stat.S_ISDIR(kind):
                    yield from self.directory(below, name + "/", depth + 1)
                else:
                    found = self._file(below, name)
                    if found is not None:
                        yield found
            finally:
                os.close(below)
        if rest:
            yield Refused(shown(prefix or "."), f"not looked at further: {rest}")

    def _names(self, fd: int) -> tuple[list[str], str]:
        """Return names in order, and why these are not all; empty where they are."""
        names: list[str] = []
        rest = ""
        try:
            with os.scandir(fd) as listing:
                for entry in listing:
                    if self._entries >= self._caps.entries:
                        rest = f"more than {self._caps.entries} names in all"
                        break
                    self._entries += 1
                    names.append(entry.name)
        except OSError as error:
            rest = f"it cannot be listed: {os.strerror(error.errno or 0)}"
        return sorted(names), rest

    def _file(self, fd: int, name: str) -> Found | Refused | None:
        found = os.fstat(fd)
        largest = self._caps.total_bytes if self._caps.file_bytes is None else self._caps.file_bytes
        if not stat.S_ISREG(found.st_mode):
            return Refused(shown(name), "it was replaced while it was opened")
        if found.st_nlink != 1:
            return Refused(shown(name), "it has another link")
        if found.st_size > largest:
            return Refused(shown(name), f"it has {found.st_size} bytes, more than {largest}")
        if found.st_size >= _SPARSE_FROM_BYTES and found.st_blocks * 512 < found.st_size * _SPARSE_BELOW:
            return Refused(shown(name), f"it is mostly a hole: {found.st_size} bytes, hardly any stored")
        if self._files >= self._caps.files:
            self.files_over += 1
            return None
        if self._bytes + found.st_size > self._caps.total_bytes:
            return Refused(shown(name), f"with it there would be more than {self._caps.total_bytes} bytes")
        self._files += 1
        self._bytes += found.st_size
        return Found(name, found.st_size, fd)


def _demand_openat2(directory_fd: int) -> None:
    try:
        os.close(open_beneath(directory_fd, ".", os.O_PATH))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            raise SandboxUnavailableError(
                "files can be taken out of a sandbox only with openat2: Linux 5.6 or newer is needed, "
                "and a seccomp filter that allows it"
            ) from error
        raise SandboxBrokenError(f"the directory of results cannot be read: {error}") from error


def _kind(directory_fd: int, name: str) -> int:
    # O_PATH touches nothing: opening a device, or a pipe with a writer, would already be an act
    fd = open_beneath(directory_fd, name, os.O_PATH)
    try:
        return os.fstat(fd).st_mode
    finally:
        os.close(fd)


def _reason(error: ValueError | OSError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    match error.errno:
        case errno.ELOOP:
            return "it is a symbolic link"
        case errno.EXDEV:
            return "it is on another file system"
        case _:
            return f"it cannot be opened: {os.strerror(error.errno or 0)}"
