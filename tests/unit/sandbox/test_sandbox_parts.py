"""The parts that need no namespace."""

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
from novum.sandbox.warm.broker import explain


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
