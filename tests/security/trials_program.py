"""Run the suite against one backend and print one JSON line per trial.

``python trials_program.py BACKEND [OPTIONS AS JSON [TRIAL…]]``; `as_user.py` runs it as an ordinary user.
"""

import dataclasses
import json
import os
import sys

from novum.sandbox import SandboxOptions
from novum.sandbox.trials import HOSTILE, INTERFACE, run_controls, run_trials
from novum.sandbox.trials.bench import Bench


def main(backend: str, options: SandboxOptions, only: list[str]) -> None:
    for name, sees in run_controls():
        line = {"name": f"control: {name}", "kept": sees, "seen": "", "uid": os.getuid()}
        print(json.dumps(line), flush=True)
    trials = [trial for trial in (*INTERFACE, *HOSTILE) if not only or trial.name in only]
    bench = Bench(backend, options)
    try:
        for verdict in run_trials(bench, trials):
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
    main(sys.argv[1], dataclasses.replace(SandboxOptions(), **given), sys.argv[3:])
