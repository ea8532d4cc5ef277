"""How many experiments a second campaign needs that recalls what a first one learned in an overlapping space.

    python benchmarks/memory.py [--seeds 10] [--json FILE] [--only pool]...

In each task, either the two spaces overlap, and the goal cannot be met in the first; or the first campaign
wishes for something else in the same space. So nothing, or little, that is recalled meets the goal already:
what helps is knowing where not to look, and which way it goes. With each seed a first campaign explores its
space; then the second space is searched twice with one seed, with and without recall. The figure is the
number of the experiment that first met the goal, those that examine again what is known included. A
campaign that did not meet it counts as one more than its budget.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from discovery_smoke import reaction_pool
from hartmann_tool import height
from scipy.stats import binomtest

from novum.agents.choose import open_planner
from novum.core.access import Destination
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.judgement import is_goal_met
from novum.core.record import CampaignRecord
from novum.core.spaces import ContinuousParameter, MoleculeSpace, ParameterSpace, Space
from novum.knowledge_base import KnowledgeBase
from novum.memory.calls import CallCache
from novum.memory.ledger import Ledger
from novum.sandbox.fake import FakeSandbox
from novum.tools.chemistry.descriptors import descriptors
from novum.tools.registry import Registry
from novum.tools.runner import Runner
from novum.workflows.discovery import Discovery
from novum.workflows.executors import LocalExecutor
from novum.workflows.learning import CampaignKnowledge

BATCH = 4


@dataclass(frozen=True)
class Task:
    name: str
    first: Space
    second: Space
    objectives: tuple[Objective, ...]
    wished_before: tuple[Objective, ...] = ()
    """What the first campaign is after, where it is something else."""
    before: int = 24
    """Experiments of the first campaign."""
    budget: int = 48
    """Experiments of the second campaign, at most."""


def tasks() -> list[Task]:
    rise = ObjectiveKind.MAXIMISE
    whole = reaction_pool()
    assert whole.measured is not None
    yields = whole.measured["yield"]
    cool = tuple(row for row in whole.rows if row.arguments["temperature"] < 100)
    hot = tuple(row for row in whole.rows if row.arguments["temperature"] > 80)
    # Just above what the first space holds.
    target = max(yields[row.id] for row in cool) + 1e-6
    return [
        Task(
            "pool",
            whole.model_copy(update={"rows": cool, "source": "screen.csv"}),
            whole.model_copy(update={"rows": hot, "source": "screen.csv"}),
            (Objective(property="yield", kind=rise, unit="%", low=target, tool="pool"),),
        ),
        Task(
            "parameters",
            box(0.0, 0.5),  # its highest point is lower than the goal
            box(0.1, 1.0),
            (Objective(property="height", kind=rise, low=2.8, tool="bench.hartmann"),),
        ),
        Task(
            "small molecules",
            MoleculeSpace(max_heavy_atoms=9),
            MoleculeSpace(max_heavy_atoms=18),
            druglike(1, 3),
            budget=32,
        ),
        Task(
            "another wish",
            MoleculeSpace(max_heavy_atoms=18),
            MoleculeSpace(max_heavy_atoms=18),
            druglike(3, 4.5),
            wished_before=druglike(-1, 1),
            budget=32,
        ),
    ]


def druglike(low: float, high: float) -> tuple[Objective, ...]:
    tool = "chemistry.descriptors"
    return (
        Objective(property="qed", kind=ObjectiveKind.MAXIMISE, low=0.85, tool=tool),
        Objective(property="logp", kind=ObjectiveKind.INTERVAL, low=low, high=high, tool=tool),
    )


def box(low: float, high: float) -> ParameterSpace:
    return ParameterSpace(
        parameters=tuple(ContinuousParameter(name=f"x{i}", low=low, high=high) for i in range(6))
    )


@contextmanager
def workspace(root: Path):
    registry = Registry([height, descriptors])
    with (
        Ledger(root / "ledger.sqlite3") as ledger,
        KnowledgeBase(root / "knowledge", embedder="hashing") as knowledge,
    ):
        yield Discovery(
            ledger=ledger,
            knowledge=lambda goal: CampaignKnowledge(knowledge, goal, to=Destination.LOCAL),
            registry=registry,
            planners=open_planner,
            executor=LocalExecutor(
                Runner(registry, FakeSandbox(), CallCache(root / "calls.sqlite3")),
                workers=1,
                cancel=lambda: None,
            ),
            checkpoints=root / "checkpoints.sqlite3",
            describe=lambda: ({}, {}),
        )


def run(
    discovery: Discovery,
    objectives: tuple[Objective, ...],
    space: Space,
    *,
    seed: int,
    experiments: int,
    recall: bool,
    until_met: bool,
) -> CampaignRecord:
    goal = Goal(
        objectives=objectives,
        space=space,
        budget=Budget(experiments=experiments, batch=BATCH),
        confirmation=Confirmation(method="none"),
        noise_replicates=0,
        stop_when_met=until_met,
        seed=seed,
    )
    return discovery.run(discovery.create(goal, planner="optimizer", recall=recall)).record


def experiments_to(objectives: tuple[Objective, ...], record: CampaignRecord) -> int | None:
    """Return the number, counted from 1, of the experiment that first met a goal; None where none did."""
    goal = record.goal.model_copy(update={"objectives": objectives})
    wanted = {o.property for o in objectives}
    for number, entry in enumerate(record.experiments.values(), start=1):
        values = {m.property: m.quantity.value for m in entry.measurements}
        if wanted <= set(values) and is_goal_met(goal, values):
            return number
    return None


@dataclass(frozen=True)
class Pair:
    seed: int
    cold: int
    recalled: int
    known: int
    """Candidates that the second campaign recalled."""
    met_before: bool
    """The first campaign met the goal of the second by accident."""


def measure(task: Task, seed: int) -> Pair:
    with tempfile.TemporaryDirectory() as folder, workspace(Path(folder)) as discovery:
        before = {"seed": seed, "experiments": task.before, "until_met": False}
        first = run(discovery, task.wished_before or task.objectives, task.first, recall=False, **before)
        after = {"seed": 1000 + seed, "experiments": task.budget, "until_met": True}
        second = run(discovery, task.objectives, task.second, recall=True, **after)
        # Afterwards, so that the other did not recall it.
        cold = run(discovery, task.objectives, task.second, recall=False, **after)
    missed = task.budget + 1
    return Pair(
        seed,
        cold=experiments_to(task.objectives, cold) or missed,
        recalled=experiments_to(task.objectives, second) or missed,
        known=len(second.recalls[0].observations),
        met_before=experiments_to(task.objectives, first) is not None,
    )


def summarise(task: Task, pairs: Iterable[Pair]) -> dict[str, object]:
    pairs = list(pairs)
    faster = sum(p.recalled < p.cold for p in pairs)
    slower = sum(p.recalled > p.cold for p in pairs)
    return {
        "pairs": [[p.seed, p.cold, p.recalled, p.known, p.met_before] for p in pairs],
        "cold_median": statistics.median(p.cold for p in pairs),
        "recalled_median": statistics.median(p.recalled for p in pairs),
        "saved_mean": statistics.mean(p.cold - p.recalled for p in pairs),
        "faster": faster,
        "slower": slower,
        "same": len(pairs) - faster - slower,
        "cold_missed": sum(p.cold > task.budget for p in pairs),
        "recalled_missed": sum(p.recalled > task.budget for p in pairs),
        "met_before": sum(p.met_before for p in pairs),
        "sign_test_p": float(binomtest(faster, faster + slower).pvalue) if faster + slower else 1.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", action="append", help="a task's name; may be repeated")
    options = parser.parse_args()
    rows = {}
    head = ("task", "cold", "recalled", "saved", "faster", "slower", "p", "missed", "known")
    print("{:16}{:>8}{:>10}{:>8}{:>8}{:>8}{:>8}{:>10}{:>8}".format(*head))
    for task in tasks():
        if not options.only or task.name in options.only:
            began = time.perf_counter()
            row = summarise(task, [measure(task, seed) for seed in range(1, options.seeds + 1)])
            rows[task.name] = row
            print(
                f"{task.name:16}{row['cold_median']:8g}{row['recalled_median']:10g}{row['saved_mean']:8.1f}"
                f"{row['faster']:8}{row['slower']:8}{row['sign_test_p']:8.3f}"
                f"{row['cold_missed']:>7}/{row['recalled_missed']:<2}{row['met_before']:>8}"
                f"   {time.perf_counter() - began:.0f} s",
                flush=True,
            )
    print(
        "cold, recalled: median number of the experiment that first met the goal; saved: mean difference;\n"
        "missed: campaigns that did not meet it, cold/recalled; known: first ones that met it by accident"
    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
