"""How long a durable append to the ledger takes.

    python benchmarks/ledger.py [--n 500] [--folder DIR] [--json]

A commit waits for the disk, so the figures are those of the disk that holds the folder.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from novum.core.events import Decided, Event, Hypothesised
from novum.core.judgement import interval_prediction
from novum.core.quantity import Quantity
from novum.core.science import Hypothesis
from novum.core.spaces import Candidate
from novum.memory.ledger import Ledger


def decided(i: int) -> Event:
    return Decided(iteration=i, action="continue", reason="more to gain", experiments_used=i)


def hypothesised(i: int) -> Event:
    expected = Quantity(value=4.0, unit="eV", std=0.3)
    hypotheses = tuple(
        Hypothesis(
            id=f"h{i}-{k}",
            iteration=i,
            statement="the gap is 4.0 ± 0.3 eV",
            source="optimizer",
            candidate=Candidate(id=f"c{k}", label="c1ccccc1", arguments={"smiles": "c1ccccc1"}),
            predictions=(interval_prediction("gap", expected),),
        )
        for k in range(6)
    )
    registrations = {h.id: h.registration() for h in hypotheses}
    return Hypothesised(iteration=i, hypotheses=hypotheses, registrations=registrations)


def measure(step: Callable[[int], object], n: int) -> dict[str, float]:
    times = []
    for i in range(n):
        start = time.perf_counter()
        step(i)
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    return {"n": n, "median_ms": statistics.median(times), "p95_ms": times[int(0.95 * (n - 1))]}


def run(folder: Path, n: int) -> dict[str, dict[str, float]]:
    with Ledger(folder / "ledger.sqlite3") as ledger:
        figures = {
            "append, small event": measure(lambda i: ledger.append("small", decided(i)), n),
            "append, six hypotheses": measure(lambda i: ledger.append("large", hypothesised(i)), n),
            "append, repeated": measure(lambda i: ledger.append("small", decided(i)), n),
            "append_many, ten events": measure(
                lambda i: ledger.append_many("many", [decided(10 * i + k) for k in range(10)]),
                max(1, n // 10),
            ),
            "find": measure(lambda i: ledger.find("large", f"hypothesise/{i}"), n),
            "verify, per campaign": measure(lambda _: ledger.verify("large"), 3),
        }
    figures["open, with quick check"] = measure(lambda _: Ledger(folder / "ledger.sqlite3").close(), 5)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=500, help="events of each kind")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = run(Path(folder), arguments.n)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{'':28}{'n':>6}{'median ms':>12}{'95 % ms':>12}")
    for name, row in figures.items():
        print(f"{name:28}{row['n']:6.0f}{row['median_ms']:12.3f}{row['p95_ms']:12.3f}")


if __name__ == "__main__":
    main()
