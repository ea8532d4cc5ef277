"""Landlock: a wall around files, TCP and abstract sockets that any process may build around itself.

Behind namespaces it is a second, independent one, which holds if a mount was forgotten. Where
namespaces are refused, it is the only one.

References:
    https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

from novum.sandbox.kernel import linux

_CREATE: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_GET_VERSION: Final = 1
_PATH_BENEATH: Final = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ: Final = _EXECUTE | _READ_FILE | _READ_DIR
_ALL_OF_FIRST_ABI: Final = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FOR_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_NET_BIND_AND_CONNECT: Final = 3
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the version of the kernel's Landlock; 0 where there is none."""
    try:
        return linux.syscall(_CREATE, None, 0, _GET_VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return 0
        raise


def restrict(
    *,
    version: int,
    readable: Iterable[str],
    writable: Iterable[str],
    devices: Iterable[str],
    accelerators: Iterable[str] = (),
) -> None:
    """Leave reading beneath `readable`, writing beneath `writable` and to `devices`, and no TCP.

    `accelerators` are device files that take commands as well. Needs no_new_privs. With version 0 it
    does nothing: the caller must have other walls.
    """
    if version == 0:
        return
    files = _ALL_OF_FIRST_ABI
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        files |= right if version >= since else 0
    ruleset = _Ruleset(
        files,
        _NET_BIND_AND_CONNECT if version >= 4 else 0,
        _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    fd = linux.syscall(_CREATE, ruleset, size, 0)
    try:
        for path in readable:
            _allow(fd, path, _READ)
        for path in writable:
            _allow(fd, path, files & ~_IOCTL_DEV)
        for path in devices:
            _allow(fd, path, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & files)
        for path in accelerators:
            _allow(fd, path, (_READ_FILE | _WRITE_FILE | _IOCTL_DEV) & files)
        linux.syscall(_RESTRICT_SELF, fd, 0)
    finally:
        os.close(fd)


def _allow(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        rights &= _FOR_FILES  # the kernel refuses a rule that gives a file a directory's rights
    try:
        linux.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, _PathBeneath(rights, fd), 0)
    finally:
        os.close(fd)
