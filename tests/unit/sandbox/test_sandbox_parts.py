"""The parts that need no namespace."""

import errno
import subprocess
import sys

import pytest

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, UsageError
from novum.sandbox import (
    FakeSandbox,
    Limits,
    NamespaceSandbox,
    Profile,
    SandboxRequest,
    SandboxResult,
    open_sandbox,
)
from novum.sandbox.namespace import seccomp
from novum.sandbox.namespace.broker import explain

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the filter as the kernel would."""
    words = {0: number, 4: ARCHES[machine] if arch is None else arch}
    words |= {16 + 8 * i: a & 0xFFFFFFFF for i, a in enumerate((*arguments, 0, 0, 0, 0, 0, 0))}
    program = seccomp.program(machine)
    accumulator, at = 0, 0
    while True:
        code, yes, no, constant = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = words[constant]
            case 0x06:
                return constant
            case 0x15:
                at += yes if accumulator == constant else no
            case 0x35:
                at += yes if accumulator >= constant else no
            case 0x45:
                at += yes if accumulator & constant else no
            case _:
                raise AssertionError(code)


ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000


@pytest.mark.parametrize("machine", ARCHES)
def test_filter_refuses_what_it_names_and_allows_ordinary_work(machine):
    for denied in seccomp.DENIED.values():
        number = denied.x86_64 if machine == "x86_64" else denied.aarch64
        if number is not None:
            assert decide(machine, number) == REFUSE | denied.error
    ordinary = (0, 1, 9, 61, 257, 424, 434, 439) if machine == "x86_64" else (63, 64, 222, 260, 56, 424, 439)
    for number in ordinary:
        assert decide(machine, number) == ALLOW
    assert decide(machine, seccomp.NEWEST_REVIEWED + 1) == REFUSE | errno.ENOSYS
    assert decide(machine, 0, arch=0x40000003) == KILL


@pytest.mark.parametrize(
    ("machine", "clone", "ioctl", "prctl", "sock"),
    [("x86_64", 56, 16, 157, 41), ("aarch64", 220, 29, 167, 198)],
)
def test_filter_looks_at_arguments(machine, clone, ioctl, prctl, sock):
    assert decide(machine, clone, 0x01200011) == ALLOW
    assert decide(machine, clone, 0x10000000) == REFUSE | errno.EPERM
    assert decide(machine, ioctl, 0, 0x5401) == ALLOW
    assert decide(machine, ioctl, 0, 0x5412 | 1 << 32) == REFUSE | errno.EPERM
    assert decide(machine, prctl, 15) == ALLOW
    assert decide(machine, prctl, 4) == REFUSE | errno.EPERM
    assert [decide(machine, sock, family) for family in (1, 2, 10)] == [ALLOW] * 3
    assert decide(machine, sock, 40) == REFUSE | errno.EAFNOSUPPORT


def test_x32_calls_are_killed():
    assert decide("x86_64", 0x40000001) == KILL
    assert decide("x86_64", 350) == REFUSE | errno.ENOSYS


def test_the_fake_follows_its_script():
    result = SandboxResult(status=CallStatus.TIMEOUT)
    fake = FakeSandbox(
        {"lab:slow": result, "lab:broken": SandboxBrokenError("gone"), "lab:measure": lambda x: {"y": x + 1}}
    )
    assert fake.run(SandboxRequest("lab:slow", {})) is result
    with pytest.raises(SandboxBrokenError, match="gone"):
        fake.run(SandboxRequest("lab:broken", {}))
    assert fake.run(SandboxRequest("lab:measure", {"x": 1})).value == {"y": 2}
    assert [request.entry for request in fake.requests] == ["lab:slow", "lab:broken", "lab:measure"]


def test_an_unknown_sandbox_is_a_usage_error():
    with pytest.raises(UsageError, match="'fake'"):
        open_sandbox("fake")


@pytest.mark.parametrize("path", ["relative", "/", "/proc/self", "/etc", "/usr", "/no/such/path"])
def test_paths_that_cannot_be_shown_are_a_usage_error(path):
    with NamespaceSandbox() as sandbox, pytest.raises(UsageError):
        sandbox.run_unattested(SandboxRequest("math:sqrt", {}, profile=Profile(readable=(path,))))


@pytest.mark.parametrize("limits", [Limits(wall_s=0), Limits(memory_mb=-1), Limits(wall_s=float("nan"))])
def test_limits_out_of_range_are_a_usage_error(limits):
    with NamespaceSandbox() as sandbox, pytest.raises(UsageError, match="limit"):
        sandbox.run_unattested(SandboxRequest("math:sqrt", {}, limits=limits))


def test_a_closed_sandbox_says_so():
    sandbox = NamespaceSandbox()
    sandbox.close()
    sandbox.close()
    with pytest.raises(SandboxBrokenError, match="closed"):
        sandbox.run_unattested(SandboxRequest("math:sqrt", {}))


def test_the_refusal_says_what_to_do():
    text = explain("namespaces", "unshare: Operation not permitted")
    assert "unshare" in text
    assert "root" in text


def test_importing_the_package_loads_nothing_heavy():
    program = (
        "import sys, novum.sandbox, novum.sandbox.namespace.zygote\n"
        "print([m for m in ('pydantic', 'numpy', 'rdkit', 'subprocess') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
