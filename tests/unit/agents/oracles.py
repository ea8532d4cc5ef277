"""In-process oracles and a loop, so that planners can be tested without any tool."""

import math
from collections.abc import Callable, Sequence

from novum.agents.base import Plan, Planner, PlanningContext
from novum.core.calls import PropertySpec
from novum.core.goals import Goal
from novum.core.quantity import Quantity
from novum.core.science import Observation
from novum.core.spaces import Candidate

Oracle = Callable[[Candidate], dict[str, float]]


def context_of(
    goal: Goal,
    observations: Sequence[Observation] = (),
    *,
    iteration: int = 0,
    n: int = 6,
    bounds: dict[str, tuple[float | None, float | None]] | None = None,
    noise: dict[str, float] | None = None,
    costs: dict[str, float] | None = None,
    cites: dict[str, tuple[str, ...]] | None = None,
) -> PlanningContext:
    units = {o.property: o.unit for o in goal.objectives}
    return PlanningContext(
        goal=goal,
        iteration=iteration,
        n=n,
        observations=tuple(observations),
        properties={
            name: PropertySpec(name=name, unit=units[name], description=name, low=low, high=high)
            for name, (low, high) in (bounds or {}).items()
        },
        costs=dict.fromkeys(units, 1.0) if costs is None else costs,
        noise={name: Quantity(value=v, unit=units[name]) for name, v in (noise or {}).items()},
        first_id=len(observations) + 1,
        cites=cites or {},
    )


def observe(goal: Goal, candidate: Candidate, values: dict[str, float], **more: object) -> Observation:
    quantities = {
        o.property: Quantity(value=values[o.property], unit=o.unit)
        for o in goal.objectives
        if o.property in values
    }
    return Observation(candidate=candidate, values=quantities, **more)  # type: ignore[arg-type]


def run(
    planner: Planner,
    goal: Goal,
    oracle: Oracle,
    *,
    calls: int,
    n: int = 6,
    bounds: dict[str, tuple[float | None, float | None]] | None = None,
) -> tuple[list[Observation], list[Plan]]:
    """Plan and answer until `calls` candidates are observed or the space is exhausted."""
    observations: list[Observation] = []
    plans: list[Plan] = []
    while len(observations) < calls:
        wanted = min(n, calls - len(observations))
        plan = planner.plan(context_of(goal, observations, iteration=len(plans), n=wanted, bounds=bounds))
        plans.append(plan)
        if not plan.hypotheses:
            break
        observations += [observe(goal, h.candidate, oracle(h.candidate)) for h in plan.hypotheses]
    return observations, plans


def molecule_oracle(candidate: Candidate) -> dict[str, float]:
    from rdkit import Chem
    from rdkit.Chem import QED, Crippen

    molecule = Chem.MolFromSmiles(candidate.arguments["smiles"])
    return {
        "qed": QED.qed(molecule),
        "logp": Crippen.MolLogP(molecule),
        "heavy_atoms": float(molecule.GetNumHeavyAtoms()),
    }


def branin(candidate: Candidate) -> dict[str, float]:
    x, y = candidate.arguments["x"], candidate.arguments["y"]
    value = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return {"loss": value + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10}
