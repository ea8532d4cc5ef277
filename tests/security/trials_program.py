"""Run the whole suite against one backend and print one JSON line per trial.

``python trials_program.py BACKEND [OPTIONS AS JSON]``; `as_user.py` runs it as an ordinary user.
"""

import dataclasses
import json
import os
import sys

from novum.sandbox import SandboxOptions
from novum.sandbox.trials import HOSTILE, INTERFACE, run_controls, run_trials
from novum.sandbox.trials.bench import Bench


def main(backend: str, options: SandboxOptions) -> None:
    for name, sees in run_controls():
        print(
            json.dumps({"name": f"control: {name}", "kept": sees, "seen": "", "uid": os.getuid()}), flush=True
        )
    bench = Bench(backend, options)
    try:
        for verdict in run_trials(bench, (*INTERFACE, *HOSTILE)):
            line = {
                "name": verdict.trial.name,
                "kept": verdict.kept,
                "seen": verdict.seen,
                "seconds": round(verdict.seconds, 2),
                "uid": os.getuid(),
            }
            print(json.dumps(line), flush=True)
    finally:
        bench.close()


if __name__ == "__main__":
    given = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    main(sys.argv[1], dataclasses.replace(SandboxOptions(), **given))
