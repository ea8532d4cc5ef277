"""The hostile suite: what code that means harm would try, judged by what the host saw.

Canaries decide, not error codes: each trial looks for a secret, a file, a connection or a process of
its own. Each kind of probe has a positive control, which must find what is there when no sandbox is
in the way; a probe that cannot fail proves nothing. `novum sandbox test --full` runs all of it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from novum.core.errors import NovumError
from novum.sandbox.base import Sandbox
from novum.sandbox.conformance import CHECKS
from novum.sandbox.trials import host, lifetime, resources, results, rights, science
from novum.sandbox.trials.bench import Bench, Trial

HOSTILE: tuple[Trial, ...] = tuple(
    sorted(
        (
            trial
            for module in (host, rights, resources, results, lifetime, science)
            for trial in module.TRIALS.all
        ),
        key=lambda trial: trial.row,
    )
)
"""The hostile cases, in the order of the list in the documentation."""


def _check(check: Callable[[Sandbox], None], bench: Bench) -> None:
    check(bench.sandbox)


INTERFACE: tuple[Trial, ...] = tuple(
    Trial(check.__name__, 0, " ".join((check.__doc__ or "").split()), partial(_check, check))
    for check in CHECKS
)
"""The checks that every backend must pass, as trials."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one trial."""

    trial: Trial
    kept: bool | None
    """Whether the promise was kept; None where the backend does not make it."""
    seen: str
    """What broke it, or why it was not asked for."""
    seconds: float


def run_trials(bench: Bench, trials: Iterable[Trial]) -> Iterator[Verdict]:
    """Run trials one after the other, and yield what came of each."""
    for trial in trials:
        started = time.monotonic()
        if trial.needs and not bench.promises(trial.needs):
            reason = bench.sandbox.attest().degraded[trial.needs]
            yield Verdict(trial, None, reason, 0.0)
            continue
        try:
            trial.run(bench)
            kept, seen = True, ""
        except (AssertionError, NovumError, OSError, ValueError, TypeError, LookupError) as error:
            kept, seen = False, f"{type(error).__name__}: {error}"
        yield Verdict(trial, kept, seen, time.monotonic() - started)


def run_controls() -> Iterator[tuple[str, bool]]:
    """Yield each kind of probe, and whether it finds what is there when no sandbox is in the way."""
    yield from host.controls()
    yield from results.controls()
