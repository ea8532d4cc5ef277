"""Seconds of novum per experiment beyond the tool's own, on a tool that does nothing.

Runs one whole campaign (ledger durable against power loss, namespace sandbox, knowledge base, LangGraph
with its checkpoints) with the control planner, so that no surrogate is in the way, and once with the
embedded optimiser. Beside it, in the same process: what the same number of calls costs in the sandbox
alone, and what one durable SQLite commit costs, which is the floor of a durable loop.

    python benchmarks/overhead.py [--experiments 200] [--batch 8] [--json FILE]
"""

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from noop_tool import noop

from novum.agents.choose import open_planner
from novum.core.access import Destination
from novum.core.calls import ToolCall
from novum.core.events import Decided, Event
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.record import CampaignRecord
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.knowledge_base import KnowledgeBase
from novum.memory.calls import CallCache
from novum.memory.ledger import Ledger
from novum.sandbox import open_sandbox
from novum.tools.registry import Registry
from novum.tools.runner import Runner
from novum.workflows.discovery import Discovery
from novum.workflows.executors import LocalExecutor
from novum.workflows.learning import CampaignKnowledge

TARGET_MS = 10.0


def goal(experiments: int, batch: int) -> Goal:
    return Goal(
        objectives=(Objective(property="height", kind=ObjectiveKind.MAXIMISE, unit="m", tool="bench.noop"),),
        space=ParameterSpace(
            parameters=(
                ContinuousParameter(name="x", low=-5, high=5),
                ContinuousParameter(name="y", low=-5, high=5),
            )
        ),
        budget=Budget(experiments=experiments, batch=batch),
        confirmation=Confirmation(method="none"),
    )


def campaign_ms(root: Path, sandbox, planner: str, experiments: int, batch: int) -> dict[str, float]:
    """Return the milliseconds per experiment of a campaign, over its iterations, and the tool's own."""
    ends: list[float] = []

    def listen(_: str, event: Event) -> None:
        if isinstance(event, Decided):
            ends.append(time.perf_counter())

    registry = Registry([noop])
    with (
        Ledger(root / "ledger.sqlite3", listener=listen) as ledger,
        KnowledgeBase(root / "knowledge", embedder="hashing") as knowledge,
    ):
        discovery = Discovery(
            ledger=ledger,
            knowledge=lambda g: CampaignKnowledge(knowledge, g, to=Destination.LOCAL),
            registry=registry,
            planners=open_planner,
            executor=LocalExecutor(
                Runner(registry, sandbox, CallCache(root / "calls.sqlite3")),
                workers=os.cpu_count() or 1,
                cancel=sandbox.close,
            ),
            checkpoints=root / "checkpoints.sqlite3",
            describe=lambda: ({}, {}),
        )
        name = discovery.create(goal(experiments, batch), planner=planner)
        record: CampaignRecord = discovery.run(name).record
    steps = [(b - a) * 1000 / batch for a, b in pairwise(ends)]
    tool = [r.cpu_s * 1000 for e in record.experiments.values() for r in e.results]
    return {
        "median_ms": statistics.median(steps),
        "p90_ms": sorted(steps)[int(0.9 * len(steps))],
        "tool_cpu_ms": statistics.median(tool),
        "experiments": record.experiments_used,
    }


def sandbox_ms(sandbox, calls: int) -> float:
    runner = Runner(Registry([noop]), sandbox)
    seconds = []
    for i in range(calls):
        began = time.perf_counter()
        result = runner.run(ToolCall(tool="bench.noop", arguments={"x": float(i), "y": 0.0}))
        seconds.append(time.perf_counter() - began)
        assert result.ok, result.message
    return statistics.median(seconds) * 1000


def commit_ms(root: Path, commits: int = 100) -> float:
    connection = sqlite3.connect(root / "floor.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (x)")
    seconds = []
    for _ in range(commits):
        began = time.perf_counter()
        connection.execute("INSERT INTO t VALUES (zeroblob(2000))")
        seconds.append(time.perf_counter() - began)
    connection.close()
    return statistics.median(seconds) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sandbox = open_sandbox("auto")
    sandbox_ms(sandbox, 3)
    rows = {}
    try:
        for planner in ("random", "optimizer"):
            with tempfile.TemporaryDirectory() as folder:
                rows[planner] = campaign_ms(
                    Path(folder), sandbox, planner, options.experiments, options.batch
                )
        with tempfile.TemporaryDirectory() as folder:
            rows["sandbox call alone"] = {"median_ms": sandbox_ms(sandbox, 100)}
            rows["one durable commit"] = {"median_ms": commit_ms(Path(folder))}
    finally:
        sandbox.close()
    print(f"{'':24}{'median ms':>12}{'p90 ms':>10}")
    for name, row in rows.items():
        print(f"{name:24}{row['median_ms']:12.2f}{row.get('p90_ms', float('nan')):10.2f}")
    kept = "kept" if rows["random"]["median_ms"] <= TARGET_MS else "missed"
    print(
        f"target: {TARGET_MS:g} ms per experiment with the control planner: {kept}; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
