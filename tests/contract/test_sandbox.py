"""Every sandbox keeps the promises of `novum.sandbox.base.Sandbox`."""

import os

import pytest

from novum.core.errors import SandboxUnavailableError
from novum.sandbox import FakeSandbox, Sandbox, open_sandbox
from novum.sandbox.conformance import CHECKS, RESULT_CHECKS


@pytest.fixture(scope="module")
def namespace():
    try:
        sandbox = open_sandbox("namespace")
    except SandboxUnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"the default sandbox must be available here: {error}")
        pytest.skip(str(error))
    yield sandbox
    sandbox.close()


@pytest.mark.sandbox
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_namespace_sandbox(namespace, check):
    check(namespace)


@pytest.mark.parametrize("check", RESULT_CHECKS, ids=lambda check: check.__name__)
def test_fake_sandbox(check):
    check(FakeSandbox())


def test_both_are_sandboxes(namespace):
    assert isinstance(namespace, Sandbox)
    assert isinstance(FakeSandbox(), Sandbox)


def test_the_fake_never_passes_for_isolation():
    assert not FakeSandbox().attest().passed
