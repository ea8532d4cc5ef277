"""How a campaign got on: the best so far, experiment by experiment."""

import math

from novum.core.judgement import Merit, is_goal_met, meets
from novum.core.science import Observation
from novum.workflows.reporting.figures import plain
from novum.workflows.reporting.reading import Reading
from novum.workflows.reporting.report import Axis, Point, Series


def axis_of(reading: Reading) -> Axis:
    """Return what the progress curve of a goal shows.

    One thing optimised: its value. Several: the overall desirability, from 0 to 1. None: how many
    objectives are met.
    """
    optimised = reading.goal.optimised
    if len(optimised) == 1:
        only = optimised[0]
        return Axis(plain(only.property), only.unit, "property", only.low, only.high)
    if optimised:
        return Axis("overall desirability", "1", "desirability")
    return Axis("objectives met", "1", "met", low=float(len(reading.goal.objectives)))


def value_of(reading: Reading, merit: Merit, seen: Observation) -> float:
    """Return where a candidate stands on that axis."""
    optimised = reading.goal.optimised
    if len(optimised) == 1:
        return seen.values[optimised[0].property].value
    if optimised:
        return math.exp(merit.score)
    return float(sum(meets(o, seen.values[o.property].value) for o in reading.goal.objectives))


def progress(reading: Reading) -> Series:
    """Return every experiment of the budget in the order of the design, and the improvements."""
    assert reading.record.started is not None
    rated = {seen.source: (merit, seen) for merit, seen in reading.rated}
    points, best, leader = [], [], None
    for n, entry in enumerate(reading.budgeted, 1):
        name = entry.experiment.id
        if not entry.finished:
            continue
        found = rated.get(name)
        if found is None:
            if entry.failed:
                points.append(Point(n, name, None, False))
            continue
        merit, seen = found
        point = Point(n, name, value_of(reading, merit, seen), merit.feasible)
        points.append(point)
        if leader is None or merit > leader:
            leader = merit
            best.append(point)
    return Series(plain(reading.record.started.planner), tuple(points), tuple(best))


def is_met(reading: Reading, seen: Observation) -> bool:
    """Say whether a candidate meets the whole goal, success values included."""
    return is_goal_met(reading.goal, {name: q.value for name, q in seen.values.items()})
