"""When a campaign stops looking and confirms: pure, and in words."""

from dataclasses import dataclass
from typing import Literal

from novum.core.judgement import is_goal_met
from novum.core.record import CampaignRecord

MOST_HAZARDOUS = 10
"""Batches of nothing but what the hazard screen refuses, after which a campaign ends."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens after an iteration, and why."""

    action: Literal["continue", "confirm"]
    reason: str
    best: str | None


def decide(record: CampaignRecord, iteration: int, *, scales: dict[str, float], spent_s: float) -> Decision:
    """Return whether to go on after `iteration`; the first reason to stop wins.

    Args:
        record: the campaign so far, this iteration's verdicts included.
        iteration: the one just judged, counted from 0.
        scales: property → width over which it varies usefully.
        spent_s: wall-clock seconds used by the campaign.
    """
    goal, budget = record.goal, record.goal.budget
    rated = record.merits(scales)
    best = rated[0][1].candidate.id if rated else None
    if goal.stop_when_met:
        for _, seen in rated:
            if is_goal_met(goal, {name: q.value for name, q in seen.values.items()}):
                return Decision("confirm", f"{seen.candidate.label} meets every objective", best)
    used = record.experiments_used
    if used >= budget.experiments:
        return Decision("confirm", f"the budget of {budget.experiments} experiments is used", best)
    if budget.seconds is not None and spent_s >= budget.seconds:
        return Decision("confirm", f"the budget of {budget.seconds:g} s is used", best)
    if not record.plans[iteration].hypotheses:
        return Decision("confirm", "the planner has nothing left to propose in this space", best)
    gate = record.gates[iteration]
    if not gate.allowed and not gate.refused_by_person and not gate.hazards:
        return Decision("confirm", "nothing that the planner proposes may run", best)
    if sum(not g.allowed and bool(g.hazards) for g in record.gates.values()) >= MOST_HAZARDOUS:
        return Decision("confirm", "the planner goes on proposing what the hazard screen refuses", best)
    left = budget.experiments - used
    return Decision("continue", f"{left} of {budget.experiments} experiments are left", best)
