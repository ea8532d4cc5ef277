"""Every sandbox keeps the promises of `novum.sandbox.base.Sandbox`.

The backends that isolate run these checks, and the hostile suite, in `tests/security`.
"""

import pytest

from novum.sandbox import FakeSandbox, Sandbox
from novum.sandbox.conformance import RESULT_CHECKS
from novum.sandbox.docker import DockerSandbox
from novum.sandbox.landlock import LandlockSandbox
from novum.sandbox.namespace.backend import NamespaceSandbox


@pytest.mark.parametrize("check", RESULT_CHECKS, ids=lambda check: check.__name__)
def test_fake_sandbox(check):
    check(FakeSandbox())


@pytest.mark.parametrize("kind", [DockerSandbox, FakeSandbox, LandlockSandbox, NamespaceSandbox])
def test_all_have_the_same_interface(kind):
    for method in ("run", "warm", "attest", "idle_memory_mb", "close"):
        assert callable(getattr(kind, method)), method


def test_the_fake_never_passes_for_isolation():
    assert isinstance(FakeSandbox(), Sandbox)
    assert not FakeSandbox().attest().passed
