"""The hostile suite on every backend, as the user who runs the tests and as an ordinary one."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from docker_engine import find_engine

from novum.core.errors import SandboxUnavailableError
from novum.sandbox import SandboxOptions
from novum.sandbox.select import STRENGTH
from novum.sandbox.trials import HOSTILE, INTERFACE, Trial, run_controls, run_trials
from novum.sandbox.trials.bench import Bench

ORDINARY_USER = 12345
TRIALS = (*INTERFACE, *HOSTILE)
HERE = Path(__file__).parent
ROWS = range(1, 36)

MARKS = {"docker": pytest.mark.docker, "namespace": pytest.mark.sandbox, "landlock": pytest.mark.sandbox}


def cases(backends: Iterable[str], trials: Callable[[str], tuple[Trial, ...]]) -> list:
    """Each backend with each of its trials, backend by backend."""
    return [
        pytest.param(name, trial, marks=MARKS[name], id=f"{name}-{trial.name}")
        for name in backends
        for trial in trials(name)
    ]


def trials_of_an_ordinary_user(backend: str) -> tuple[Trial, ...]:
    """All; but of Docker, where the engine does the same for everybody, the interface's own."""
    return INTERFACE if backend == "docker" else TRIALS


@contextlib.contextmanager
def options_for(backend: str) -> Iterator[SandboxOptions]:
    """What reaches a backend here; one that is missing fails where everything is installed."""
    try:
        with find_engine() if backend == "docker" else contextlib.nullcontext() as engine:
            yield SandboxOptions(docker_host=engine)
    except SandboxUnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"the {backend} sandbox must be available here: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def bench(request) -> Iterator[Bench]:
    with options_for(request.param) as options:
        opened = Bench(request.param, options)
        try:
            assert opened.sandbox.attest().passed, opened.sandbox.attest().broken
            yield opened
        finally:
            opened.close()


@pytest.fixture(scope="module")
def as_ordinary_user(request) -> dict[str, dict]:
    """What came of every trial when an ordinary user ran them, by name."""
    if os.geteuid() != 0:
        pytest.skip("we are an ordinary user: the other tests of this file show it")
    with options_for(request.param) as options:
        given = json.dumps({"docker_host": options.docker_host})
        only = [trial.name for trial in trials_of_an_ordinary_user(request.param)]
        program = [str(HERE / "trials_program.py"), request.param, given, *only]
        done = subprocess.run(
            [sys.executable, str(HERE / "as_user.py"), str(ORDINARY_USER), *program],
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


# the scope is the backend's: for that of a trial, pytest would open one for each
@pytest.mark.parametrize(
    ("bench", "trial"), cases(STRENGTH, lambda _: TRIALS), indirect=["bench"], scope="module"
)
def test_trial_holds(bench, trial):
    (verdict,) = run_trials(bench, [trial])
    assert verdict.kept is not False, verdict.seen


@pytest.mark.parametrize(
    ("as_ordinary_user", "trial"),
    cases(STRENGTH, trials_of_an_ordinary_user),
    indirect=["as_ordinary_user"],
    scope="module",
)
def test_trial_holds_for_an_ordinary_user(as_ordinary_user, trial):
    line = as_ordinary_user[trial.name]
    assert line["uid"] == ORDINARY_USER
    assert line["kept"] is not False, line["seen"]


def test_probes_see_what_is_there():
    """Positive controls: outside a sandbox each kind of probe finds its canary."""
    controls = dict(run_controls())
    assert len(controls) >= 14
    assert all(controls.values()), controls


def test_every_row_of_the_list_is_tried():
    assert {trial.row for trial in HOSTILE} == set(ROWS)


def test_a_broken_promise_is_told(bench_of_nothing):
    verdicts = {v.trial.name: v.kept for v in run_trials(bench_of_nothing, HOSTILE[:2])}
    assert False in verdicts.values()


@pytest.fixture
def bench_of_nothing() -> Bench:
    """A backend that isolates nothing: the trials must notice."""
    from novum.sandbox import FakeSandbox

    return Bench("fake", make=FakeSandbox)


def test_trials_have_names_and_promises():
    names = [trial.name for trial in TRIALS]
    assert len(set(names)) == len(names)
    assert all(isinstance(trial, Trial) and trial.promise for trial in TRIALS)
