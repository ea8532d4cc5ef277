"""A second filter of system calls, for processes that share their user with others.

Where a call has a user of its own, the kernel keeps it away from what others own. Where it has not, the
files and processes of that user are its own too, and Landlock does not speak of everything: not of
modes, owners, times and attributes of files, nor of priorities and limits of processes.

A call may well change the modes and times of its own files: the filter asks a listener to do it,
see `novum.sandbox.landlock.deputy`.

References:
    https://docs.kernel.org/userspace-api/landlock.html, "Current limitations"; seccomp_unotify(2).
"""

import ctypes
import errno
from collections.abc import Iterable
from typing import Final

from novum.sandbox.kernel import linux
from novum.sandbox.kernel.system_calls import ABSENT, ALLOWED, REFUSED, RULED

_LOAD: Final = 0x20
_AND: Final = 0x54
_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF_0000
_ASK: Final = 0x7FC0_0000
_ERRNO: Final = 0x0005_0000
_OFFSET_FIRST_ARGUMENT: Final = 16

_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 8
_WAIT_KILLABLE: Final = 32
"""Once the listener has heard of it, no signal interrupts the caller (Linux 5.19)."""

ATTRIBUTES: Final = ("chmod", "fchmod", "fchmodat", "fchmodat2", "utimensat")
"""What the listener does in the caller's place, where it is the call's own file."""

_REFUSED: Final[dict[str, int]] = {
    # for which every program has a way out
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr", "setxattrat"), errno.EOPNOTSUPP),
    **dict.fromkeys(("removexattr", "lremovexattr", "fremovexattr", "removexattrat"), errno.EOPNOTSUPP),
    **dict.fromkeys(("chown", "fchown", "lchown", "fchownat"), errno.EPERM),
    **dict.fromkeys(("utime", "utimes", "futimesat"), errno.ENOSYS),
    # Landlock does not stop a process from watching what it may not read
    **dict.fromkeys(("inotify_init", "inotify_init1"), errno.ENOSYS),
}

_OF_ITSELF: Final = {
    # the argument that names a process: only 0, which is the caller
    "prlimit64": 0,
    "sched_setaffinity": 0,
    "sched_setparam": 0,
    "sched_setscheduler": 0,
    "sched_setattr": 0,
    "setpriority": 1,
    "ioprio_set": 1,
}
_KIND_OF_PROCESS: Final = {"setpriority": 0, "ioprio_set": 1}
"""The first argument that means one process, rather than a group or a user."""

_EVERYBODY: Final = 0xFFFF_FFFF
_LEASES: Final = (1024, 1026)  # F_SETLEASE, F_NOTIFY
_DISKS: Final = (0x6600, 0x7600, 0x5800, 0x9400)
"""Kinds of ioctl by which file systems are changed: 'f', 'v', 'X', and btrfs's."""

_Instruction = tuple[int, int, int, int]


def program(machine: str, *, shared_user: bool, ask: bool) -> list[_Instruction]:
    """Return the filter as (code, jump if true, jump if false, constant).

    Args:
        machine: of which the numbers are.
        shared_user: whether others run as the same user.
        ask: whether there is a listener to ask.
    """
    column = 0 if machine == "x86_64" else 1
    numbers = {
        name: both[column] for table in (ALLOWED, RULED, REFUSED, ABSENT) for name, both in table.items()
    }
    bodies: dict[str, list[_Instruction]] = {
        # nobody else's process needs to be held, and a signal to everybody is never meant
        "pidfd_open": [_answer(errno.ENOSYS)],
        "kill": _none_of(0, [_EVERYBODY], errno.EPERM),
    }
    if shared_user:
        bodies |= {name: [_answer(error)] for name, error in _REFUSED.items()}
        bodies |= {name: [(_RETURN, 0, 0, _ASK) if ask else _answer(errno.EPERM)] for name in ATTRIBUTES}
        for name, index in _OF_ITSELF.items():
            kind = _KIND_OF_PROCESS.get(name)
            first = [] if kind is None else _demand(0, kind)
            bodies[name] = [*first, *_demand(index, 0), (_RETURN, 0, 0, _ALLOW)]
        bodies["fcntl"] = _none_of(1, _LEASES, errno.EPERM)
        bodies["ioctl"] = _none_of(1, _DISKS, errno.ENOTTY, mask=0xFF00)
    instructions: list[_Instruction] = [(_LOAD, 0, 0, 0)]
    for name, body in bodies.items():
        number = numbers[name]
        if number is not None:
            instructions += [(_EQUAL, 0, len(body), number), *body]
    return [*instructions, (_RETURN, 0, 0, _ALLOW)]


def _answer(error: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | error)


def _demand(argument: int, value: int) -> list[_Instruction]:
    """Refuse the call unless the argument has the value; what follows decides on."""
    return [
        (_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT + 8 * argument),
        (_EQUAL, 1, 0, value),
        _answer(errno.EPERM),
    ]


def _none_of(
    argument: int, values: Iterable[int], error: int, *, mask: int = 0xFFFF_FFFF
) -> list[_Instruction]:
    load: list[_Instruction] = [(_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT + 8 * argument)]
    if mask != 0xFFFF_FFFF:
        load.append((_AND, 0, 0, mask))
    values = list(values)
    compare = [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [*load, *compare, (_RETURN, 0, 0, _ALLOW), _answer(error)]


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("constant", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def prepare(*, shared_user: bool, ask: bool) -> ctypes.Structure:
    """Return the filter of this machine, compiled; a fork inherits it ready to load.

    Raises:
        OSError: a processor without tables.
    """
    return assemble(program(linux.machine(), shared_user=shared_user, ask=ask))


def assemble(instructions: list[_Instruction]) -> ctypes.Structure:
    """Return a filter in the kernel's form."""
    array = (_Filter * len(instructions))(*(_Filter(*i) for i in instructions))
    return _Program(len(instructions), array)


def load(compiled: ctypes.Structure, *, ask: bool) -> int | None:
    """Put the calling thread, and what it starts, under the filter. Needs no_new_privs.

    Returns:
        With `ask`, the descriptor of the listener.

    Raises:
        OSError: EBUSY when another filter around us has a listener already.
    """
    flags = _NEW_LISTENER | _WAIT_KILLABLE if ask else 0
    fd = linux.syscall(_SECCOMP[linux.machine()], _SET_MODE_FILTER, flags, compiled)
    return fd if ask else None
