"""The landlock backend: what is its own, as root, as an ordinary user, and in a container's place."""

import json
import os
import subprocess
import sys
from pathlib import Path

import landlock_program
import pytest

from novum.core.errors import SandboxUnavailableError
from novum.sandbox.conformance import CHECKS

pytestmark = pytest.mark.sandbox

ORDINARY_USER = 12345
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def bench():
    opened = landlock_program.open_bench()
    try:
        assert opened.sandbox.attest().passed, opened.sandbox.attest().broken
    except SandboxUnavailableError as error:
        opened.sandbox.close()
        if os.environ.get("CI"):
            pytest.fail(f"the landlock sandbox must be available here: {error}")
        pytest.skip(str(error))
    yield opened
    opened.sandbox.close()


def run_program(user: int | None, mode: str) -> dict[str, dict]:
    """Run all cases in a process of their own; `user` 0 is root whom everybody may reach Python through."""
    program = [str(HERE / "landlock_program.py"), mode]
    if user is not None:
        program = [str(HERE / "as_user.py"), str(user), *program]
    done = subprocess.run(
        [sys.executable, *program], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    return {line["case"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module", params=["root", "ordinary user"])
def in_a_container(request, bench) -> dict[str, dict]:
    if os.geteuid() != 0:
        if request.param == "root":
            pytest.skip("we are an ordinary user")
        return run_program(None, "in-a-container")
    return run_program(0 if request.param == "root" else ORDINARY_USER, "in-a-container")


@pytest.fixture(scope="module")
def as_ordinary_user(bench) -> dict[str, dict]:
    if os.geteuid() != 0:
        pytest.skip("we are an ordinary user: the other tests of this file show it")
    return run_program(ORDINARY_USER, "here")


@pytest.mark.parametrize("case", landlock_program.CASES, ids=lambda case: case.__name__)
def test_landlock(bench, case):
    case(bench)


ALL = [case.__name__ for case in (*CHECKS, *landlock_program.CASES)]


@pytest.mark.parametrize("name", [*ALL, "nothing_is_left"])
def test_landlock_as_ordinary_user(as_ordinary_user, name):
    line = as_ordinary_user[name]
    assert line["uid"] == ORDINARY_USER
    assert line["problem"] == ""


IN_A_CONTAINER = [case.__name__ for case in landlock_program.IN_A_CONTAINER]


@pytest.mark.parametrize("name", [*IN_A_CONTAINER, *ALL, "nothing_is_left"])
def test_landlock_where_namespaces_are_refused(in_a_container, name):
    assert in_a_container[name]["problem"] == ""
