"""The system call filter: an allow-list, in the kernel's form and in Docker's.

Both are made from the tables in `novum.sandbox.kernel.system_calls` and the rules here. A call that is not
allowed answers an errno, so that a library with a fallback uses it; a foreign ABI (32-bit calls, x32)
kills the process, since its numbers mean other calls.

References:
    seccomp(2). CVE-2019-10063: the kernel reads 32 bits of ioctl's request, so must a filter.
    CVE-2021-41133: deny-lists rot.
"""

import ctypes
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal, NamedTuple

from novum.sandbox.kernel import linux
from novum.sandbox.kernel.system_calls import ABSENT, ALLOWED, REFUSED, RULED

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP: Final = 0x05  # BPF_JMP | BPF_JA
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_FARTHEST: Final = 255
"""Instructions that a conditional jump can pass over."""

_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_ERRNO: Final = 0x0005_0000

_AUDIT_ARCH: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_OFFSET_NUMBER: Final = 0
_OFFSET_ARCH: Final = 4
_OFFSET_FIRST_ARGUMENT: Final = 16
_X32_BIT: Final = 0x4000_0000

_NEW_NAMESPACES: Final = 0x7E02_0080
_IOCTLS: Final = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_SEQPACKET = 1, 5
_TYPE_OF_SOCKET: Final = 0xF


@dataclass(frozen=True, slots=True)
class Policy:
    """In what the filters of the backends differ."""

    sockets: Literal["private", "none"]
    """``private``: the process has a network of its own, and may use Unix and internet sockets in it.
    ``none``: it shares the host's, and gets connected pairs of Unix stream sockets at most."""
    dumpable_may_change: bool = False
    """Container runtimes need it. Elsewhere it must not: a process that is not dumpable hides its
    memory use from an unprivileged watchdog."""


class Rule(NamedTuple):
    """A condition on the low 32 bits of one argument."""

    argument: int
    """Its index, from 0."""
    values: tuple[int, ...]
    refused_with: int
    """The errno of a call that breaks the rule."""
    forbidden: bool = False
    """The values are those that are refused, rather than the only ones that are not."""
    mask: int = 0xFFFF_FFFF
    """The bits that count."""


Decision = int | tuple[Rule, ...]
"""The errno with which a call is refused, or the rules that it must keep: none for most."""


def decisions(policy: Policy) -> dict[str, Decision]:
    """Return what `policy` decides about every system call that was reviewed, by name."""
    decided: dict[str, Decision] = dict.fromkeys(ALLOWED, ())
    decided |= dict.fromkeys(REFUSED, errno.EPERM)
    decided |= dict.fromkeys(ABSENT, errno.ENOSYS)
    return decided | _rules(policy)


def refused(machine: str, policy: Policy) -> dict[str, tuple[int, int]]:
    """Return number and errno of every call that is refused whatever its arguments, by name."""
    decided = decisions(policy)
    return {
        name: (number, decision)
        for name, number in numbers(machine).items()
        if isinstance(decision := decided[name], int)
    }


def numbers(machine: str) -> dict[str, int]:
    """Return the numbers of the calls that `machine` has, by name."""
    column = 0 if machine == "x86_64" else 1
    found = {}
    for table in (ALLOWED, RULED, REFUSED, ABSENT):
        for name, both in table.items():
            number = both[column]
            if number is not None:
                found[name] = number
    return found


def _rules(policy: Policy) -> dict[str, Decision]:
    no_family = errno.EAFNOSUPPORT
    decided: dict[str, Decision] = {
        "clone": (Rule(0, (0,), errno.EPERM, mask=_NEW_NAMESPACES),),
        "ioctl": (Rule(1, _IOCTLS, errno.EPERM, forbidden=True),),
        # to ask, and to be what every process is
        "personality": (Rule(0, (0, 0xFFFF_FFFF), errno.EPERM),),
        "prctl": (Rule(0, (linux.PR_SET_DUMPABLE,), errno.EPERM, forbidden=True),),
        "socket": (Rule(0, (_AF_UNIX, _AF_INET, _AF_INET6), no_family),),
        "socketpair": (Rule(0, (_AF_UNIX,), no_family),),
        "bind": (),
        "connect": (),
    }
    if policy.dumpable_may_change:
        decided["prctl"] = ()
    if policy.sockets == "none":
        decided |= dict.fromkeys(("socket", "bind", "connect"), no_family)
        # a datagram socket of a pair can still send to any address: only the connected types are safe
        types = Rule(1, (_SOCK_STREAM, _SOCK_SEQPACKET), no_family, mask=_TYPE_OF_SOCKET)
        decided["socketpair"] = (Rule(0, (_AF_UNIX,), no_family), types)
    return decided


_Instruction = tuple[int, int, int, int]
_Step = tuple[int, list[_Instruction]]
"""A number, and what is done with calls from it on up to the next step's."""


def program(machine: str, policy: Policy) -> list[_Instruction]:
    """Return the filter for `machine` as (code, jump if true, jump if false, constant).

    A binary search over the ranges of numbers that are treated alike: seven comparisons for any call.
    The kernel does not even run it for calls that are allowed whatever their arguments (Linux 5.11).
    """
    return [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
        *_search(_steps(machine, policy)),
    ]


def _steps(machine: str, policy: Policy) -> list[_Step]:
    decided = decisions(policy)
    unknown = [_refuse(errno.ENOSYS)]
    steps: list[_Step] = []
    expected = 0
    for number, name in sorted((number, name) for name, number in numbers(machine).items()):
        if number != expected:
            steps.append((expected, unknown))
        decision = decided[name]
        steps.append((number, [_refuse(decision)] if isinstance(decision, int) else _obey(decision)))
        expected = number + 1
    steps.append((expected, unknown))
    if machine == "x86_64":
        steps.append((_X32_BIT, [(_RETURN, 0, 0, _KILL)]))
    merged: list[_Step] = []
    for start, body in steps:
        if not merged or merged[-1][1] != body:
            merged.append((start, body))
    return merged


def _search(steps: list[_Step]) -> list[_Instruction]:
    """Find the step of the loaded number and do what it says; every body ends in a return."""
    if len(steps) == 1:
        return steps[0][1]
    middle = len(steps) // 2
    below, above = _search(steps[:middle]), _search(steps[middle:])
    pivot = steps[middle][0]
    if len(below) <= _FARTHEST:
        return [(_AT_LEAST, len(below), 0, pivot), *below, *above]
    return [(_AT_LEAST, 0, 1, pivot), (_JUMP, 0, 0, len(below)), *below, *above]


def _refuse(error: int) -> _Instruction:
    return (_RETURN, 0, 0, _ERRNO | error)


def _obey(rules: tuple[Rule, ...]) -> list[_Instruction]:
    """Allow a call that keeps all `rules`; the first one that is broken gives the errno."""
    if not rules:
        return [(_RETURN, 0, 0, _ALLOW)]
    rule, *others = rules
    kept, broken = _obey(tuple(others)), [_refuse(rule.refused_with)]
    # little endian: the low half comes first
    load: list[_Instruction] = [(_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT + 8 * rule.argument)]
    if rule.mask != 0xFFFF_FFFF:
        load.append((_AND, 0, 0, rule.mask))
    found, lost = (broken, kept) if rule.forbidden else (kept, broken)
    *first, last = rule.values
    compare = [(_EQUAL, len(first) - i, 0, value) for i, value in enumerate(first)]
    return [*load, *compare, (_EQUAL, 0, len(found), last), *found, *lost]


def docker_profile(policy: Policy) -> dict[str, Any]:
    """Return the same filter in the JSON form of Docker's ``--security-opt seccomp=``.

    It has to let pass what the container runtime itself does between loading it and starting the
    program, as a filter of ordinary work does. Two differences to `program` are libseccomp's: for a
    foreign ABI it kills the thread, not the process; and what an old version has no name for, it
    leaves out, so that the call answers ENOSYS.
    """
    decided = decisions(policy)
    calls: list[dict[str, Any]] = []
    allowed = sorted(name for name, decision in decided.items() if decision == ())
    calls.append({"names": allowed, "action": "SCMP_ACT_ALLOW"})
    # the last one is the default, but engines before 22 do not read that and answer EPERM
    for error in (errno.EPERM, errno.EAFNOSUPPORT, errno.ENOSYS):
        names = sorted(name for name, decision in decided.items() if decision == error)
        if names:
            calls.append({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error})
    for name, decision in sorted(decided.items()):
        if not isinstance(decision, int):
            calls += _conditions(name, decision)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.ENOSYS,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": calls,
    }


_Bits = tuple[int, int]
"""A mask, and what the bits under it are."""


def _conditions(name: str, rules: tuple[Rule, ...]) -> Iterator[dict[str, Any]]:
    """Write `rules` as libseccomp can keep them: as alternatives that exclude each other.

    An entry without a condition would replace all with one, conditions on one argument mean "or"
    (https://github.com/opencontainers/runc/issues/2735), and the order of entries means nothing. So
    "not these values" is a set of bit patterns, of which every other value fits exactly one.
    """
    kept: list[list[_Bits]] = []
    for i, rule in enumerate(rules):
        inside = [(rule.mask, value) for value in rule.values]
        outside = list(_other_values(rule.mask, rule.values))
        good, bad = (outside, inside) if rule.forbidden else (inside, outside)
        for patterns in product(*kept, bad):
            yield {
                "names": [name],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": rule.refused_with,
                "args": _arguments(rules[: i + 1], patterns),
            }
        kept.append(good)
    for patterns in product(*kept) if rules else ():
        yield {"names": [name], "action": "SCMP_ACT_ALLOW", "args": _arguments(rules, patterns)}


def _arguments(rules: tuple[Rule, ...], patterns: tuple[_Bits, ...]) -> list[dict[str, Any]]:
    return [
        {"index": rule.argument, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
        for rule, (mask, value) in zip(rules, patterns, strict=True)
    ]


def _other_values(mask: int, values: tuple[int, ...], *, seen: _Bits = (0, 0)) -> Iterator[_Bits]:
    """Yield disjoint bit patterns that fit every value under `mask` but `values`."""
    if not values:
        yield seen
    elif mask:
        bit = 1 << (mask.bit_length() - 1)
        for side in (0, bit):
            same = tuple(value for value in values if value & bit == side)
            yield from _other_values(mask & ~bit, same, seen=(seen[0] | bit, seen[1] | side))


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("constant", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def prepare(policy: Policy) -> ctypes.Structure:
    """Return the filter of this machine, compiled; a fork inherits it ready to load.

    Raises:
        OSError: a processor without tables.
    """
    instructions = program(linux.machine(), policy)
    array = (_Filter * len(instructions))(*(_Filter(*i) for i in instructions))
    return _Program(len(instructions), array)


def load(compiled: ctypes.Structure) -> None:
    """Put the calling thread, and what it starts, under the filter for good. Needs no_new_privs.

    Raises:
        OSError: the kernel has no seccomp filter, or no_new_privs is not set.
    """
    linux.prctl(linux.PR_SET_SECCOMP, 2, ctypes.addressof(compiled))
