"""The system call filter: what no scientific tool needs and what kernel exploits like.

This is a deny-list with a ceiling: named calls are refused, and so is every number above the newest
one that was reviewed, so that a later kernel's calls start out refused. Refused calls answer an
errno, so that a library with a fallback uses it; a foreign ABI kills the process.

References:
    seccomp(2); CVE-2019-10063 (compare only the low 32 bits of ioctl's request);
    CVE-2021-41133 (deny-lists rot: hence the ceiling).
"""

import ctypes
import errno
from typing import Final, NamedTuple

from novum.sandbox import linux

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_ERRNO: Final = 0x0005_0000

_AUDIT_ARCH: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_OFFSET_NUMBER: Final = 0
_OFFSET_ARCH: Final = 4
_OFFSET_FIRST_ARGUMENT: Final = 16

NEWEST_REVIEWED: Final = 466
"""removexattrat, Linux 6.13."""

_X32_BIT: Final = 0x4000_0000

_NEW_NAMESPACES: Final = 0x7E02_0080
_IOCTLS: Final = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
_FAMILIES: Final = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6


class _Denied(NamedTuple):
    x86_64: int | None
    aarch64: int | None
    error: int = errno.EPERM


DENIED: Final[dict[str, _Denied]] = {
    # the mount table and namespaces
    "mount": _Denied(165, 40),
    "umount2": _Denied(166, 39),
    "pivot_root": _Denied(155, 41),
    "chroot": _Denied(161, 51),
    "unshare": _Denied(272, 97),
    "setns": _Denied(308, 268),
    "open_tree": _Denied(428, 428),
    "move_mount": _Denied(429, 429),
    "fsopen": _Denied(430, 430),
    "fsconfig": _Denied(431, 431),
    "fsmount": _Denied(432, 432),
    "fspick": _Denied(433, 433),
    "mount_setattr": _Denied(442, 442),
    "statmount": _Denied(457, 457),
    "listmount": _Denied(458, 458),
    "name_to_handle_at": _Denied(303, 264),
    "open_by_handle_at": _Denied(304, 265),
    # other processes
    "ptrace": _Denied(101, 117),
    "process_vm_readv": _Denied(310, 270),
    "process_vm_writev": _Denied(311, 271),
    "pidfd_getfd": _Denied(438, 438),
    "kcmp": _Denied(312, 272),
    # memory that no process's size shows
    "memfd_create": _Denied(319, 279, errno.ENOSYS),
    "memfd_secret": _Denied(447, 447, errno.ENOSYS),
    "shmget": _Denied(29, 194, errno.ENOSYS),
    "shmat": _Denied(30, 196, errno.ENOSYS),
    "shmctl": _Denied(31, 195, errno.ENOSYS),
    "shmdt": _Denied(67, 197, errno.ENOSYS),
    "semget": _Denied(64, 190, errno.ENOSYS),
    "semop": _Denied(65, 193, errno.ENOSYS),
    "semctl": _Denied(66, 191, errno.ENOSYS),
    "semtimedop": _Denied(220, 192, errno.ENOSYS),
    "msgget": _Denied(68, 186, errno.ENOSYS),
    "msgsnd": _Denied(69, 189, errno.ENOSYS),
    "msgrcv": _Denied(70, 188, errno.ENOSYS),
    "msgctl": _Denied(71, 187, errno.ENOSYS),
    "mq_open": _Denied(240, 180, errno.ENOSYS),
    # large and often exploited parts of the kernel
    "io_uring_setup": _Denied(425, 425, errno.ENOSYS),
    "io_uring_enter": _Denied(426, 426, errno.ENOSYS),
    "io_uring_register": _Denied(427, 427, errno.ENOSYS),
    "bpf": _Denied(321, 280),
    "perf_event_open": _Denied(298, 241),
    "userfaultfd": _Denied(323, 282),
    "add_key": _Denied(248, 217),
    "request_key": _Denied(249, 218),
    "keyctl": _Denied(250, 219),
    "fanotify_init": _Denied(300, 262),
    "fanotify_mark": _Denied(301, 263),
    "move_pages": _Denied(279, 239),
    "mbind": _Denied(237, 235),
    "migrate_pages": _Denied(256, 238),
    "set_mempolicy": _Denied(238, 237),
    "set_mempolicy_home_node": _Denied(450, 450),
    "modify_ldt": _Denied(154, None),
    "personality": _Denied(135, 92),
    "uselib": _Denied(134, None),
    "ustat": _Denied(136, None),
    "sysfs": _Denied(139, None),
    "_sysctl": _Denied(156, None),
    "lookup_dcookie": _Denied(212, 18),
    # the machine itself
    "kexec_load": _Denied(246, 104),
    "kexec_file_load": _Denied(320, 294),
    "init_module": _Denied(175, 105),
    "finit_module": _Denied(313, 273),
    "delete_module": _Denied(176, 106),
    "reboot": _Denied(169, 142),
    "swapon": _Denied(167, 224),
    "swapoff": _Denied(168, 225),
    "acct": _Denied(163, 89),
    "settimeofday": _Denied(164, 170),
    "clock_settime": _Denied(227, 112),
    "clock_adjtime": _Denied(305, 266),
    "adjtimex": _Denied(159, 171),
    "sethostname": _Denied(170, 161),
    "setdomainname": _Denied(171, 162),
    "iopl": _Denied(172, None),
    "ioperm": _Denied(173, None),
    "quotactl": _Denied(179, 60),
    "quotactl_fd": _Denied(443, 443),
    "nfsservctl": _Denied(180, 42),
    "syslog": _Denied(103, 116),
    "vhangup": _Denied(153, 58),
    # its flags lie in memory, where a filter cannot look; the C library falls back to clone
    "clone3": _Denied(435, 435, errno.ENOSYS),
}

_FILTERED: Final = {
    "clone": {"x86_64": 56, "aarch64": 220},
    "ioctl": {"x86_64": 16, "aarch64": 29},
    "prctl": {"x86_64": 157, "aarch64": 167},
    "socket": {"x86_64": 41, "aarch64": 198},
}

_Instruction = tuple[int, int, int, int]


def _refuse(error: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | error)


def _when_call(number: int, body: list[_Instruction]) -> list[_Instruction]:
    """Run `body` for that system call only; the body must end in a return."""
    return [(_EQUAL, 0, len(body), number), *body]


def _argument(index: int) -> _Instruction:
    """Load the low 32 bits of an argument (little endian)."""
    return (_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT + 8 * index)


def program(machine: str) -> list[_Instruction]:
    """Return the filter for `machine` as (code, jump if true, jump if false, constant)."""
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        # 32-bit pointers on a 64-bit kernel; and the hole between the old and the shared numbers
        code += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
        code += [(_AT_LEAST, 0, 2, 335), (_AT_LEAST, 1, 0, 424), _refuse(errno.ENOSYS)]
    code += [(_AT_LEAST, 0, 1, NEWEST_REVIEWED + 1), _refuse(errno.ENOSYS)]
    for denied in DENIED.values():
        number = denied.x86_64 if machine == "x86_64" else denied.aarch64
        if number is not None:
            code += _when_call(number, [_refuse(denied.error)])
    code += _when_call(
        _FILTERED["clone"][machine],
        [_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _refuse(errno.EPERM), (_RETURN, 0, 0, _ALLOW)],
    )
    ioctl = [_argument(1)]
    for request in _IOCTLS:
        ioctl += [(_EQUAL, 0, 1, request), _refuse(errno.EPERM)]
    code += _when_call(_FILTERED["ioctl"][machine], [*ioctl, (_RETURN, 0, 0, _ALLOW)])
    # a process that is not dumpable hides its memory use from an unprivileged watchdog
    code += _when_call(
        _FILTERED["prctl"][machine],
        [_argument(0), (_EQUAL, 0, 1, linux.PR_SET_DUMPABLE), _refuse(errno.EPERM), (_RETURN, 0, 0, _ALLOW)],
    )
    sockets = [_argument(0)]
    for family in _FAMILIES:
        sockets += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    code += _when_call(_FILTERED["socket"][machine], [*sockets, _refuse(errno.EAFNOSUPPORT)])
    code.append((_RETURN, 0, 0, _ALLOW))
    return code


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("constant", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def prepare() -> ctypes.Structure:
    """Return the filter of this machine, compiled; a fork inherits it ready to load."""
    instructions = program(linux.machine())
    array = (_Filter * len(instructions))(*(_Filter(*i) for i in instructions))
    return _Program(len(instructions), array)


def load(compiled: ctypes.Structure) -> None:
    """Put the calling thread under the filter, for good. Needs no_new_privs.

    Raises:
        OSError: the kernel has no seccomp filter.
    """
    linux.prctl(linux.PR_SET_SECCOMP, 2, ctypes.addressof(compiled))
