"""A planning context as arrays: what was proposed, what was measured, what failed."""

from dataclasses import dataclass

import numpy as np

from novum.agents.base import PlanningContext
from novum.agents.optimizer.features import Array
from novum.agents.optimizer.generators.base import Generator, Proposal
from novum.agents.optimizer.prior import useful_scale
from novum.core.goals import Goal
from novum.core.judgement import Merit, merit
from novum.core.science import Observation


@dataclass(frozen=True, slots=True)
class Study:
    """What is known when an iteration is planned, one row per candidate that the space can place."""

    goal: Goal
    properties: tuple[str, ...]
    observations: tuple[Observation, ...]
    proposals: tuple[Proposal, ...]
    values: Array
    """``(n, n_properties)`` in the objectives' units; nan where nothing was measured."""
    failed: Array
    """1 where the experiment failed, else 0."""
    scales: dict[str, float]
    closed: frozenset[str]
    """Ids that must not be proposed: failed, or fully measured."""
    keys: frozenset[str]
    """Their spellings within the generator, for a cheap test before the exact one."""
    merits: dict[int, Merit]
    """Row → merit, for rows with every property."""

    @property
    def complete(self) -> list[int]:
        """Rows with every property, best merit first; equal ones in the order of observation."""
        return sorted(self.merits, key=lambda row: self.merits[row], reverse=True)


def open_study(context: PlanningContext, generator: Generator) -> Study:
    """Return the study of a context; a later observation of a candidate replaces an earlier one."""
    goal = context.goal
    latest: dict[str, Observation] = {}
    for observation in context.observations:
        name = observation.candidate.id
        before = latest.pop(name, None)
        if before is not None and observation.failed and not before.failed:
            observation = before
        latest[name] = observation
    wanted = {o.property: o.unit for o in goal.objectives}
    known: list[Observation] = []
    proposals: list[Proposal] = []
    rows: list[list[float]] = []
    closed: set[str] = set()
    keys: set[str] = set()
    for name, observation in latest.items():
        proposal = generator.locate(observation.candidate)
        row = [
            observation.values[p].to(unit).value if p in observation.values else np.nan
            for p, unit in wanted.items()
        ]
        # What an earlier campaign measured only in part is still worth an experiment here.
        if observation.failed or not observation.recalled or not np.isnan(row).any():
            closed.add(name)
            if proposal is not None:
                keys.add(proposal.key)
        if proposal is not None:
            known.append(observation)
            proposals.append(proposal)
            rows.append(row)
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))
    failed = np.array([bool(o.failed) for o in known], dtype=np.float64)
    scales = {
        o.property: useful_scale(
            o, context.properties.get(o.property), [v for v in values[:, j].tolist() if not np.isnan(v)]
        )
        for j, o in enumerate(goal.objectives)
    }
    merits = {
        i: merit(goal, dict(zip(wanted, values[i].tolist(), strict=True)), scales=scales)
        for i in range(len(known))
        if not failed[i] and not np.isnan(values[i]).any()
    }
    return Study(
        goal=goal,
        properties=tuple(wanted),
        observations=tuple(known),
        proposals=tuple(proposals),
        values=values,
        failed=failed,
        scales=scales,
        closed=frozenset(closed),
        keys=frozenset(keys),
        merits=merits,
    )
