"""The few Linux calls that the standard library lacks, through ctypes. Each raises OSError."""

import ctypes
import functools
import os
import platform
import sys
from typing import Final

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWCGROUP: Final = 0x0200_0000
CLONE_NEWUTS: Final = 0x0400_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000
CLONE_NEWNET: Final = 0x4000_0000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

MOUNT_ATTR_RDONLY: Final = 1
MOUNT_ATTR_NOSUID: Final = 2
MOUNT_ATTR_NODEV: Final = 4
_AT_RECURSIVE: Final = 0x8000
_AT_FDCWD: Final = -100

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR: Final = 442
_CAPABILITY_VERSION_3: Final = 0x2008_0522


def machine() -> str:
    """Return the processor architecture: ``x86_64`` or ``aarch64``.

    Raises:
        OSError: another one, for which the system call tables were not reviewed.
    """
    name = platform.machine()
    if name not in _PIVOT_ROOT or sys.byteorder != "little" or sys.maxsize < 2**32:
        raise OSError(0, f"processor {name!r} is not supported; x86_64 and aarch64 are")
    return name


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: int | bytes | ctypes.Structure | None) -> int:
    """Call the kernel by number; integers travel as 64-bit words, structures by reference."""
    words = [
        ctypes.c_long(a) if isinstance(a, int) else ctypes.byref(a) if isinstance(a, ctypes.Structure) else a
        for a in arguments
    ]
    return _check(int(_libc().syscall(ctypes.c_long(number), *words)), f"system call {number}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _check(_libc().unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind `fd`."""
    _check(_libc().setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount `source` at `target`."""
    result = _libc().mount(
        source.encode() if source is not None else None,
        target.encode(),
        kind.encode() if kind is not None else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    _check(result, f"mount {source or kind} on {target}")


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """Take the mount at `target` out of the tree."""
    _check(_libc().umount2(target.encode(), ctypes.c_int(flags)), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root and put the old root at `old`."""
    syscall(_PIVOT_ROOT[machine()], new.encode(), old.encode())


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def restrict_mount(target: str, attributes: int, *, recursive: bool = False) -> None:
    """Add `attributes` to the mount at `target`; existing ones stay (Linux 5.12)."""
    wanted = _MountAttributes(attributes, 0, 0, 0)
    syscall(
        _MOUNT_SETATTR,
        _AT_FDCWD,
        target.encode(),
        _AT_RECURSIVE if recursive else 0,
        wanted,
        ctypes.sizeof(wanted),
    )


def prctl(option: int, value: int = 0, third: int = 0) -> int:
    """Operate on the calling process."""
    result = _libc().prctl(
        ctypes.c_int(option),
        ctypes.c_ulong(value),
        ctypes.c_ulong(third),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )
    return _check(result, f"prctl({option})")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("low", ctypes.c_uint32 * 3), ("high", ctypes.c_uint32 * 3))


def drop_bounding_set() -> None:
    """Give up every capability that an exec could still give back."""
    capability = 0
    while True:
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            if capability == 0:
                raise
            return  # EINVAL: past the last one that this kernel knows
        capability += 1


def drop_capabilities() -> None:
    """Empty the permitted, effective, inheritable and ambient sets."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header, data = _CapabilityHeader(_CAPABILITY_VERSION_3, 0), _CapabilityData()
    _check(_libc().capset(ctypes.byref(header), ctypes.byref(data)), "capset")


def set_hostname(name: str) -> None:
    """Name the machine, in the current UTS namespace."""
    raw = name.encode()
    _check(_libc().sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname")
