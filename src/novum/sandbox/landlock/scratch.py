"""Directories of the host that calls write in: made for one call, watched, and removed whatever is in them.

There is no file system of the right size here, as a mount would give. So what lies in a directory is
added up every few milliseconds, and what a process holds open without a name as well.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from novum.sandbox.files.walk import open_beneath

_PREFIX: Final = "novum-landlock-"
_LOCK: Final = "owner"
_BLOCK: Final = 512
_MOST_OPEN: Final = 200
WORK: Final = "work"
TEMPORARY: Final = "tmp"


class Home:
    """The directory below which the calls of one sandbox have theirs. Only its owner may list it.

    It is locked for as long as this process lives: what is not locked was left by a dead one, and the
    next `Home` removes it.
    """

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        _sweep(parent)
        self.path = parent / f"{_PREFIX}{secrets.token_hex(8)}"
        self.path.mkdir(mode=0o700)
        self._lock = _lock(self.path, create=True)
        # as root, calls have users of their own, who must find their way through
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self._finalizer = weakref.finalize(self, _leave, self.path, self._lock, os.getpid())

    def close(self) -> None:
        """Remove it, with whatever is in it."""
        self._finalizer()


def _lock(directory: Path, *, create: bool = False) -> int:
    """Return the descriptor that holds the lock.

    Raises:
        OSError: EWOULDBLOCK when another process has it, ENOENT when it was never made.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if create else 0)
    fd = os.open(directory / _LOCK, flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _leave(path: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:
        remove(path)
    os.close(lock)


def _sweep(parent: Path) -> None:
    """Remove what dead processes of this user left."""
    for directory in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # it lives, or another sweeper was quicker
            found = directory.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                lock = _lock(directory)
                remove(directory)
                os.close(lock)


def make(directory: str, *, owner: int | None) -> None:
    """Make the scratch of one call: ``work``, where it starts, and ``tmp``.

    Args:
        directory: where; its parent exists.
        owner: user and group whose it is to be; None for our own.
    """
    for path in (directory, f"{directory}/{WORK}", f"{directory}/{TEMPORARY}"):
        os.mkdir(path, 0o700)  # noqa: PTH102  (pathlib would apply the umask twice over)
    if owner is not None:
        for path in (f"{directory}/{WORK}", f"{directory}/{TEMPORARY}", directory):
            os.chown(path, owner, owner)


def remove(directory: str | Path) -> None:
    """Remove a directory that untrusted code has filled, whose processes are gone.

    Modes that forbid it are changed, links are not followed, and trees of any depth are taken apart
    with a few descriptors. What cannot be removed stays, and the next sweep tries again.
    """
    parent, name = os.path.split(os.fspath(directory))
    with contextlib.suppress(OSError):
        above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _empty(above, name)
            os.rmdir(name, dir_fd=above)
        finally:
            os.close(above)


def _empty(above: int, name: str) -> None:
    top = _open(above, name)
    try:
        number = 0
        while True:
            names = os.listdir(top)  # noqa: PTH208  (by descriptor)
            progress = False
            for entry in names:
                with contextlib.suppress(OSError):
                    if not _is_directory(top, entry):
                        os.unlink(entry, dir_fd=top)
                    else:
                        number = _flatten(top, entry, number)
                        os.rmdir(entry, dir_fd=top)
                    progress = True
            if not progress:
                return
    finally:
        os.close(top)


def _flatten(top: int, name: str, number: int) -> int:
    """Empty the directory `name` of `top`: its files are removed, its directories moved up to `top`."""
    inner = _open(top, name)
    try:
        for entry in os.listdir(inner):  # noqa: PTH208  (by descriptor)
            if not _is_directory(inner, entry):
                os.unlink(entry, dir_fd=inner)
                continue
            # a directory can be moved only by who may write in it
            os.close(_open(inner, entry))
            while True:
                number += 1
                try:
                    os.rename(entry, f".{number}", src_dir_fd=inner, dst_dir_fd=top)
                    break
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                        raise
    finally:
        os.close(inner)
    return number


def _open(above: int, name: str) -> int:
    """Open a directory by the descriptor of the one above, with every right in it."""
    held = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        path = f"/proc/self/fd/{held}"
        if os.fstat(held).st_mode & 0o700 != 0o700:
            os.chmod(path, 0o700)  # noqa: PTH101  (by descriptor)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(held)


def _is_directory(above: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)


@dataclass(frozen=True, slots=True)
class Content:
    """What lies in a scratch directory."""

    allocated: int
    """Bytes on the disk, each file once however many names it has."""
    entries: int
    """Names."""


class HiddenError(Exception):
    """A directory cannot be looked into."""


def allowed_entries(scratch_mb: int) -> int:
    """Return how many files and directories a scratch of that size may have."""
    return max(1024, 64 * scratch_mb)


def measure(directory: str, *, held: dict[tuple[int, int], int], most: Content) -> Content:
    """Add up what lies in `directory`, while untrusted code changes it; no further than `most`.

    Args:
        directory: the scratch.
        held: inode → bytes of files that processes hold open and that have no name any more.
        most: what is allowed.

    Raises:
        HiddenError: something in it cannot be looked at.
    """
    seen = dict(held)
    total, entries = sum(seen.values()), 0
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, top)
        # opened from the one above as long as there are few: the way from the top may be long
        waiting: list[tuple[str, int | None]] = [(".", None)]
        stack.callback(_close_all, waiting)
        while waiting:
            path, opened = waiting.pop()
            fd = opened if opened is not None else _look_into(top, path)
            if fd is None:
                continue
            try:
                for name in os.listdir(fd):  # noqa: PTH208  (by descriptor)
                    entries += 1
                    try:
                        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    inode = (found.st_dev, found.st_ino)
                    size = found.st_blocks * _BLOCK
                    total += size - seen.get(inode, 0)
                    seen[inode] = size
                    if stat.S_ISDIR(found.st_mode):
                        inner = _look_into(fd, name) if len(waiting) < _MOST_OPEN else None
                        waiting.append((f"{path}/{name}", inner))
                    if total > most.allocated or entries > most.entries:
                        return Content(total, entries)
            except PermissionError as error:
                raise HiddenError(error.strerror) from error
            finally:
                os.close(fd)
    return Content(total, entries)


def _close_all(waiting: list[tuple[str, int | None]]) -> None:
    for _, fd in waiting:
        if fd is not None:
            os.close(fd)


def _look_into(above: int, path: str) -> int | None:
    """Open a directory, or return None if it is not there any more.

    Raises:
        HiddenError: it is closed to us.
    """
    try:
        return open_beneath(above, path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EAGAIN, errno.EXDEV):
            return None  # it was replaced by a link, or moved: the next look finds it
        raise HiddenError(error.strerror) from error


def held_files(process: str, home: str) -> dict[tuple[int, int], int]:
    """Return inode → bytes of the files that a process holds and that have no name any more.

    Those that are open count with what they take on the disk, those that are only mapped as far as
    they are mapped.

    Args:
        process: its directory in /proc.
        home: the scratch, without links in its name.
    """
    found: dict[tuple[int, int], int] = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for fd in os.listdir(f"{process}/fd"):  # noqa: PTH208  (done often)
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = os.stat(f"{process}/fd/{fd}")  # noqa: PTH116  (done often)
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    found[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
        mark = f" {home}/".encode()
        for line in Path(process, "maps").read_bytes().splitlines():
            if mark in line and line.endswith(b" (deleted)"):
                span, _, offset, device, inode, _ = line.split(maxsplit=5)
                low, high = (int(part, 16) for part in span.split(b"-"))
                major, minor = (int(part, 16) for part in device.split(b":"))
                key = (os.makedev(major, minor), int(inode))
                found[key] = max(found.get(key, 0), int(offset, 16) + high - low)
    return found
