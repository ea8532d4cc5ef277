"""Which trial notices when a layer of the namespace sandbox is taken away, and what still holds.

``python benchmarks/ablation.py [LAYER…]`` prints the table of the documentation, then the same as JSON.
Run it on a machine that may be stopped: a layer that is missing is a layer that does not hold.
"""

import json
import os
import sys
import time

from novum.sandbox.ablation import AblatedSandbox, Layer
from novum.sandbox.trials import HOSTILE, run_trials
from novum.sandbox.trials.bench import Bench

LEFT_OUT = {
    # they are about other instances of the backend, or about honest work
    "a_killed_supervisor_leaves_nothing", "an_interrupt_ends_the_call", "nothing_is_typed_into_our_terminal",
    "a_sandbox_that_fails_its_attestation_runs_nothing", "a_backend_that_ignores_limits_is_refused",
    "libraries_give_the_same_numbers_inside", "bad_requests_are_the_callers_error", "nothing_piles_up",
}  # fmt: skip


def ablate(*layers: Layer) -> dict[str, str]:
    """Return the trials that break without `layers`, each with what was seen."""
    bench = Bench("ablated", make=lambda: AblatedSandbox(*layers))
    trials = [trial for trial in HOSTILE if trial.name not in LEFT_OUT]
    try:
        return {v.trial.name: v.seen[:300] for v in run_trials(bench, trials) if v.kept is False}
    finally:
        bench.close()


def main(wanted: list[Layer]) -> None:
    table = {}
    print(f"as user {os.geteuid()}")
    for layers in [(), *((layer,) for layer in wanted)]:
        started = time.monotonic()
        name = ", ".join(layers) or "nothing"
        table[name] = ablate(*layers)
        noticed = ", ".join(table[name]) or "none: other layers hold"
        print(f"without {name:32} {noticed}  ({time.monotonic() - started:.0f} s)", flush=True)
    print(json.dumps({"user": os.geteuid(), "broken": table}, indent=2))


if __name__ == "__main__":
    main([Layer(name) for name in sys.argv[1:]] or list(Layer))
