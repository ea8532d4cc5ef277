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


# Not parametrised fixtures: pytest would open a backend anew whenever it puts another one's trial between.
@pytest.fixture(scope="module")
def open_bench() -> Iterator[Callable[[str], Bench]]:
    """Return the bench of a backend, which stays open until the last trial of this file."""
    opened: dict[str, Bench] = {}
    with contextlib.ExitStack() as stack:

        def get(backend: str) -> Bench:
            if backend not in opened:
                bench = Bench(backend, stack.enter_context(options_for(backend)))
                stack.callback(bench.close)
                assert bench.sandbox.attest().passed, bench.sandbox.attest().broken
                opened[backend] = bench
            return opened[backend]

        yield get


@pytest.fixture(scope="module")
def run_as_ordinary_user() -> Callable[[str], dict[str, dict]]:
    """Return what came of every trial of a backend when an ordinary user ran them, by name."""
    if os.geteuid() != 0:
        pytest.skip("we are an ordinary user: the other tests of this file show it")
    came: dict[str, dict[str, dict]] = {}

    def get(backend: str) -> dict[str, dict]:
        if backend not in came:
            came[backend] = run_program(backend)
        return came[backend]

    return get


def run_program(backend: str) -> dict[str, dict]:
    with options_for(backend) as options:
        given = json.dumps({"docker_host": options.docker_host})
        only = [trial.name for trial in trials_of_an_ordinary_user(backend)]
        program = [str(HERE / "trials_program.py"), backend, given, *only]
        done = subprocess.run(
            [sys.executable, str(HERE / "as_user.py"), str(ORDINARY_USER), *program],
            capture_output=True, text=True, timeout=800, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize(("backend", "trial"), cases(STRENGTH, lambda _: TRIALS))
def test_trial_holds(open_bench, backend, trial):
    (verdict,) = run_trials(open_bench(backend), [trial])
    assert verdict.kept is not False, verdict.seen


@pytest.mark.timeout(900)  # the first of a backend runs them all
@pytest.mark.parametrize(("backend", "trial"), cases(STRENGTH, trials_of_an_ordinary_user))
def test_trial_holds_for_an_ordinary_user(run_as_ordinary_user, backend, trial):
    line = run_as_ordinary_user(backend)[trial.name]
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


def test_programs_of_trials_start_whatever_is_set(tmp_path):
    """As the command line sets it: with a file of attestations."""
    bench = Bench("namespace", SandboxOptions(remember_in=tmp_path / "attestations.json"))
    try:
        program = bench.program("print('started')\nsandbox.close()\n")
    finally:
        bench.close()
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "started\n"
