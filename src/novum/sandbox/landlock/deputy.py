"""Changing the modes and times of files in a call's place.

As an ordinary user a call could change the modes of all the user's files, since Landlock does not speak
of modes. So the guard makes the change itself: it opens what the call named, looks whether that lies in
the call's scratch, and changes what it has opened. What the call could replace in the meantime does not
matter then.

References:
    seccomp_unotify(2). Forks are not asked about, though that would count them exactly: a signal in the
    middle would make them fail with EINTR, which no program expects of fork.
"""

import contextlib
import errno
import fcntl
import os
import struct
import time
from typing import Final

from novum.sandbox.kernel import linux
from novum.sandbox.kernel.system_calls import ALLOWED
from novum.sandbox.landlock import filters

_RECEIVE: Final = 0xC050_2100
_SEND: Final = 0xC018_2101
_IS_VALID: Final = 0x4008_2102
_SIZE: Final = 80
_LAYOUT: Final = struct.Struct("<QIIiIQ6Q")
_HERE: Final = -100
_NO_FOLLOW: Final = 0x100
_LONGEST_PATH: Final = 4096
_PAGE: Final = 4096
_MODES: Final = 0o1777
_TIMES: Final = struct.Struct("<4q")
_NOW, _OMIT = (1 << 30) - 1, (1 << 30) - 2


class Deputy:
    """Acts for the processes of one call: what `filters.ATTRIBUTES` names.

    Args:
        listener: where it is asked.
        home: the call's scratch directory, without links in its name.
    """

    def __init__(self, listener: int, *, home: str) -> None:
        self._listener = listener
        self._home = home
        column = 0 if linux.machine() == "x86_64" else 1
        self._names = {ALLOWED[name][column]: name for name in filters.ATTRIBUTES}

    def answer(self) -> None:
        """Answer one question."""
        question = bytearray(_SIZE)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, question)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # who asked was interrupted, or has died
                return
            raise
        number, thread, _, call, _, _, *arguments = _LAYOUT.unpack(question)
        result = self._change(self._names[call], number, thread, arguments)
        with contextlib.suppress(FileNotFoundError):  # who asked does not wait any more
            fcntl.ioctl(self._listener, _SEND, struct.pack("<QqiI", number, 0, -result, 0))

    def _change(self, name: str, number: int, thread: int, arguments: list[int]) -> int:
        """Make a change to a file of the call; return 0 or an errno."""
        if name == "chmod":
            directory, path, value, flags = _HERE, arguments[0], arguments[1], 0
        elif name == "fchmod":
            directory, path, value, flags = _signed(arguments[0]), 0, arguments[1], 0
        else:
            directory, path, value = _signed(arguments[0]), arguments[1], arguments[2]
            flags = 0 if name == "fchmodat" else arguments[3]
        try:
            text = _read_path(thread, path) if path else b""
            times = _read(thread, value, _TIMES.size) if name == "utimensat" and value else b""
            target = self._open(thread, directory, text, follow=not flags & _NO_FOLLOW)
            try:
                fcntl.ioctl(self._listener, _IS_VALID, struct.pack("<Q", number))
                own = f"/proc/self/fd/{target}"
                if not os.readlink(own).startswith(f"{self._home}/"):  # noqa: PTH115  (by descriptor)
                    return errno.EACCES
                if name == "utimensat":
                    _set_times(own, times)
                else:
                    os.chmod(own, value & _MODES)  # noqa: PTH101  (by descriptor)
            finally:
                os.close(target)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def _open(self, thread: int, directory: int, path: bytes, *, follow: bool) -> int:
        base = f"/proc/{thread}/cwd" if directory == _HERE else f"/proc/{thread}/fd/{directory}"
        name = path if path.startswith(b"/") else base.encode() + (b"/" + path if path else b"")
        return os.open(name, os.O_PATH | os.O_CLOEXEC | (0 if follow or not path else os.O_NOFOLLOW))


def _signed(word: int) -> int:
    return struct.unpack("<i", struct.pack("<I", word & 0xFFFF_FFFF))[0]  # type: ignore[no-any-return]


def _read(thread: int, address: int, size: int) -> bytes:
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        memory.seek(address)
        return memory.read(size)


def _read_path(thread: int, address: int) -> bytes:
    """Return a name from the memory of the caller, as the kernel would read it."""
    text = b""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        while b"\0" not in text:
            if len(text) >= _LONGEST_PATH:
                raise OSError(errno.ENAMETOOLONG, "the name is too long")
            memory.seek(address + len(text))
            # not beyond the page: the next one may not be there
            part = memory.read(_PAGE - (address + len(text)) % _PAGE)
            if not part:
                raise OSError(errno.EFAULT, "no memory there")
            text += part
    return text[: text.index(b"\0")]


def _set_times(path: str, raw: bytes) -> None:
    if not raw:
        os.utime(path)
        return
    found = os.stat(path)  # noqa: PTH116  (by descriptor)
    access_s, access_ns, change_s, change_ns = _TIMES.unpack(raw)
    now = None
    wanted = []
    for seconds, part, old in (
        (access_s, access_ns, found.st_atime_ns),
        (change_s, change_ns, found.st_mtime_ns),
    ):
        if part == _NOW:
            now = now or time.time_ns()
            wanted.append(now)
        else:
            wanted.append(old if part == _OMIT else seconds * 10**9 + part)
    os.utime(path, ns=(wanted[0], wanted[1]))
