"""Hostile code in the namespace sandbox, as the user who runs the tests and as an ordinary one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hostile
import pytest

from novum.core.errors import SandboxUnavailableError
from novum.sandbox import open_sandbox
from novum.sandbox.attest import host_canaries
from novum.sandbox.conformance import CHECKS
from novum.sandbox.probes import survey, touch_processes

pytestmark = pytest.mark.sandbox

ORDINARY_USER = 12345


@pytest.fixture(scope="module")
def sandbox():
    try:
        opened = open_sandbox()
    except SandboxUnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"the default sandbox must be available here: {error}")
        pytest.skip(str(error))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def seen_as_ordinary_user(sandbox) -> dict[str, dict]:
    if os.geteuid() != 0:
        pytest.skip("we are an ordinary user: the other tests of this file show it")
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(here / "as_user.py"), str(ORDINARY_USER), str(here / "hostile.py")],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {line["case"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: case.__name__)
def test_hostile(sandbox, case):
    case(sandbox)


@pytest.mark.parametrize("case", [*CHECKS, *hostile.CASES], ids=lambda case: case.__name__)
def test_hostile_as_ordinary_user(seen_as_ordinary_user, case):
    line = seen_as_ordinary_user[case.__name__]
    assert line["uid"] == ORDINARY_USER
    assert line["problem"] == ""


def test_the_probes_see_what_is_there():
    """Positive control: outside a sandbox the same probes find every canary."""
    with host_canaries() as host:
        seen = survey(
            paths=[str(host.secret)], canary=host.mark, port=host.port, abstract=host.abstract, harmless=True
        )
        touched = touch_processes(host.pid, harmless=True)
        assert host.reached() == 2
    assert seen["opened"] == [str(host.secret)]
    assert seen["environments"] == [f"/proc/{host.pid}/environ"]
    assert seen["loopback"]
    assert seen["abstract"]
    assert host.pid in seen["processes"]
    assert seen["seccomp"] == 0
    assert touched["seen"]
    assert touched["signalled"]
    assert touched["opened"]


def test_the_memory_probe_sees_what_is_there():
    hostile.searching_memory_finds_what_is_there()
