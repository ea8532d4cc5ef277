"""How long `novum --help` takes, against an empty interpreter and the bare libraries.

    python benchmarks/startup.py [--runs 15] [--json result.json]

Every figure is the median over the runs, in fresh processes, with the arms taken in turn so that a busy
moment of the machine meets all of them. The target is 0.3 s for `novum --help` on a quiet machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

TARGET_S = 0.3

ARMS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import typer, rich": [sys.executable, "-c", "import typer, rich"],
    "novum --help": [str(Path(sys.executable).with_name("novum")), "--help"],
    "novum run --help": [str(Path(sys.executable).with_name("novum")), "run", "--help"],
}


def measure(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in ARMS}
    for command in ARMS.values():  # once unmeasured: compiled files and disk cache
        measure(command)
    for _ in range(options.runs):
        for name, command in ARMS.items():
            seconds[name].append(measure(command))
    print(f"{'command':20} {'median s':>9} {'least s':>9} {'most s':>9}")
    rows = []
    for name, found in seconds.items():
        row = {
            "command": name,
            "median_s": statistics.median(found),
            "least_s": min(found),
            "most_s": max(found),
        }
        rows.append(row)
        print(f"{name:20} {row['median_s']:9.3f} {row['least_s']:9.3f} {row['most_s']:9.3f}")
    median = next(row["median_s"] for row in rows if row["command"] == "novum --help")
    verdict = "within" if median <= TARGET_S else "above"
    load = os.getloadavg()[0]
    print(f"{verdict} the target of {TARGET_S} s; load average {load:.1f} on {os.cpu_count()} cores")
    if options.json is not None:
        result = {"runs": options.runs, "target_s": TARGET_S, "load_average": load, "arms": rows}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
