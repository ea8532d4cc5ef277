"""Optimiser against random search at equal budgets, on oracles inside this process.

    python benchmarks/discovery_smoke.py [--seeds 3] [--json result.json] [--only molecules]

Every task is a full loop of plans and answers; paired arms share their first batch. The figure is the
best feasible value after the budget, averaged over the seeds, with the coverage of the predictions.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from novum.agents.base import PlanningContext
from novum.agents.choose import PLANNERS, open_planner
from novum.core.calls import PropertySpec
from novum.core.goals import Budget, Goal, Objective, ObjectiveKind
from novum.core.judgement import meets
from novum.core.quantity import Quantity
from novum.core.science import Observation
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    ContinuousParameter,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
)

Oracle = Callable[[Candidate], dict[str, float]]


@dataclass(frozen=True)
class Task:
    name: str
    goal: Goal
    oracle: Oracle
    bounds: dict[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class Run:
    best: list[float]
    """Best feasible value of the first objective after each experiment; nan before any."""
    coverage: float
    seconds_per_plan: list[float]


def molecule_oracle(candidate: Candidate) -> dict[str, float]:
    from rdkit import Chem
    from rdkit.Chem import QED, Crippen, rdMolDescriptors

    molecule = Chem.MolFromSmiles(candidate.arguments["smiles"])
    return {
        "qed": QED.qed(molecule),
        "logp": Crippen.MolLogP(molecule),
        "tpsa": rdMolDescriptors.CalcTPSA(molecule),
        "molar_mass": rdMolDescriptors.CalcExactMolWt(molecule),
    }


def branin(candidate: Candidate) -> dict[str, float]:
    x, y = candidate.arguments["x"], candidate.arguments["y"]
    value = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return {"loss": value + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10}


def hartmann(candidate: Candidate) -> dict[str, float]:
    a = [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
    p = [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
    x = [candidate.arguments[f"x{i}"] for i in range(6)]
    total = 0.0
    for weight, row, centre in zip((1, 1.2, 3, 3.2), a, p, strict=True):
        total += weight * math.exp(
            -sum(s * (v - c / 1e4) ** 2 for s, v, c in zip(row, x, centre, strict=True))
        )
    return {"loss": -total}


def mixture(candidate: Candidate) -> dict[str, float]:
    t, c = candidate.arguments["temperature"], candidate.arguments["catalyst"]
    peak = {"A": 60, "B": 90, "C": 75, "D": 40}[c]
    height = {"A": 0.7, "B": 0.95, "C": 0.6, "D": 0.5}[c]
    load = math.exp(-((math.log10(candidate.arguments["loading"]) + 1.5) ** 2))
    return {"yield": 100 * height * math.exp(-(((t - peak) / 15) ** 2)) * load}


def reaction_pool() -> PoolSpace:
    """A synthetic full factorial with an interaction, in the manner of a reaction screen."""
    ligand = {f"L{i}": math.sin(2.4 * i) for i in range(12)}
    base = {f"B{i}": math.cos(1.7 * i) for i in range(4)}
    solvent = {f"S{i}": math.sin(1.3 * i + 1) for i in range(4)}
    rows, values = [], {}
    for name_l, a in ligand.items():
        for name_b, b in base.items():
            for name_s, s in solvent.items():
                for t in (60, 90, 105):
                    row = f"{name_l}-{name_b}-{name_s}-{t}"
                    arguments = {"ligand": name_l, "base": name_b, "solvent": name_s, "temperature": t}
                    rows.append(Candidate(id=row, label=row, arguments=arguments))
                    x = 1.4 * a + 0.8 * b * s + 0.6 * s + 0.012 * (t - 85) - 0.6 * a * b
                    values[row] = 100 / (1 + math.exp(-2 * x + 2))
    return PoolSpace(rows=tuple(rows), measured={"yield": values})


def tasks() -> list[Task]:
    pool = reaction_pool()
    maximise, minimise = ObjectiveKind.MAXIMISE, ObjectiveKind.MINIMISE
    qed = Goal(
        objectives=(
            Objective(property="qed", kind=maximise),
            Objective(property="logp", kind=ObjectiveKind.INTERVAL, low=0.5, high=2.0),
        ),
        space=MoleculeSpace(),
    )
    polar = Goal(
        objectives=(
            Objective(property="logp", kind=maximise),
            Objective(property="tpsa", kind=ObjectiveKind.AT_LEAST, low=90.0),
            Objective(property="molar_mass", kind=ObjectiveKind.AT_MOST, high=350.0),
        ),
        space=MoleculeSpace(),
    )
    plane = ParameterSpace(
        parameters=(
            ContinuousParameter(name="x", low=-5, high=10),
            ContinuousParameter(name="y", low=0, high=15),
        )
    )
    cube = ParameterSpace(
        parameters=tuple(ContinuousParameter(name=f"x{i}", low=0, high=1) for i in range(6))
    )
    mixed = ParameterSpace(
        parameters=(
            ContinuousParameter(name="temperature", low=20, high=120, unit="degC"),
            ContinuousParameter(name="loading", low=1e-3, high=1, log=True),
            ChoiceParameter(name="catalyst", options=("A", "B", "C", "D")),
        )
    )
    small = Budget(experiments=36, batch=3)
    return [
        Task("molecules: qed, logp 0.5-2", qed, molecule_oracle, {"qed": (0, 1), "logp": (-15, 25)}),
        Task(
            "molecules: logp, tpsa>=90, mass<=350",
            polar,
            molecule_oracle,
            {"logp": (-15, 25), "tpsa": (0, 500), "molar_mass": (1, 2000)},
        ),
        Task(
            "parameters: Branin",
            Goal(objectives=(Objective(property="loss", kind=minimise),), space=plane, budget=small),
            branin,
            {"loss": (None, None)},
        ),
        Task(
            "parameters: Hartmann 6",
            Goal(objectives=(Objective(property="loss", kind=minimise),), space=cube),
            hartmann,
            {"loss": (None, None)},
        ),
        Task(
            "parameters: mixed yield",
            Goal(objectives=(Objective(property="yield", kind=maximise),), space=mixed, budget=small),
            mixture,
            {"yield": (0, 100)},
        ),
        Task(
            "pool: 576 reactions",
            Goal(objectives=(Objective(property="yield", kind=maximise),), space=pool, budget=small),
            lambda c: {"yield": pool.measured["yield"][c.id]},
            {"yield": (0, 100)},
        ),
    ]


def run(task: Task, planner: str, seed: int) -> Run:
    goal = task.goal.model_copy(update={"seed": seed})
    specs = {
        name: PropertySpec(name=name, description=name, low=low, high=high)
        for name, (low, high) in task.bounds.items()
    }
    arm = open_planner(planner)
    first, others = goal.objectives[0], goal.constraints
    sign = 1.0 if first.kind is ObjectiveKind.MAXIMISE else -1.0
    observations: list[Observation] = []
    best: list[float] = []
    seconds: list[float] = []
    inside: list[bool] = []
    iteration = 0
    while len(observations) < goal.budget.experiments:
        n = min(goal.budget.batch, goal.budget.experiments - len(observations))
        begin = time.perf_counter()
        plan = arm.plan(
            PlanningContext(
                goal=goal,
                iteration=iteration,
                n=n,
                observations=tuple(observations),
                properties=specs,
                costs=dict.fromkeys(specs, 1.0),
                noise={},
                first_id=len(observations) + 1,
                cites={},
            )
        )
        seconds.append(time.perf_counter() - begin)
        if not plan.hypotheses:
            break
        for hypothesis in plan.hypotheses:
            values = task.oracle(hypothesis.candidate)
            for p in hypothesis.predictions:
                assert p.rule.low is not None
                assert p.rule.high is not None
                if iteration:
                    inside.append(p.rule.low <= values[p.property] <= p.rule.high)
            feasible = all(meets(o, values[o.property]) for o in others)
            now = sign * values[first.property] if feasible else -math.inf
            best.append(max(now, best[-1] if best else -math.inf))
            observations.append(
                Observation(
                    candidate=hypothesis.candidate,
                    values={o.property: Quantity(value=values[o.property]) for o in goal.objectives},
                )
            )
        iteration += 1
    best = [sign * b if math.isfinite(b) else math.nan for b in best]
    return Run(best, statistics.fmean(inside) if inside else math.nan, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--only", default="", help="run the tasks whose name contains this")
    options = parser.parse_args()
    rows = []
    print(
        f"{'task':38} {'planner':10} {'best, mean':>11} {'worst':>9} {'best':>9} {'covered':>9} {'s/plan':>6}"
    )
    for task in tasks():
        if options.only not in task.name:
            continue
        for planner in PLANNERS:
            runs = [run(task, planner, seed) for seed in range(options.seeds)]
            finals = [r.best[-1] for r in runs]
            minimised = task.goal.objectives[0].kind is ObjectiveKind.MINIMISE
            ordered = sorted(finals, reverse=minimised)
            row = {
                "task": task.name,
                "planner": planner,
                "experiments": task.goal.budget.experiments,
                "seeds": options.seeds,
                "mean": statistics.fmean(finals),
                "worst": ordered[0],
                "best": ordered[-1],
                "coverage": statistics.fmean(r.coverage for r in runs),
                "seconds_per_plan": statistics.fmean(s for r in runs for s in r.seconds_per_plan),
                "slowest_plan_s": max(s for r in runs for s in r.seconds_per_plan),
                "finals": finals,
            }
            rows.append(row)
            print(
                f"{task.name:38} {planner:10} {row['mean']:11.4f} {row['worst']:9.4f} {row['best']:9.4f} "
                f"{row['coverage']:9.3f} {row['seconds_per_plan']:7.3f}",
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
