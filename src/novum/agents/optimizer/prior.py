"""What is expected of a property before anything was measured, and how widely it usefully varies."""

import math
from collections.abc import Sequence
from statistics import fmean, pstdev

from novum.core.calls import PropertySpec
from novum.core.goals import Objective
from novum.core.quantity import Quantity

ENOUGH = 4
"""Observed values from which the observed spread is the scale."""


def prior(objective: Objective, spec: PropertySpec | None) -> tuple[float, float]:
    """Return mean and standard deviation, in the objective's unit, that no data entered.

    They come from the usual values where the tool declares them, else from the values that can occur at
    all, else from the objective's own bounds, else they are 0 and 1: wide on purpose.
    """
    if spec is not None and spec.usual is not None:
        least, most = (Quantity(value=end, unit=spec.unit).to(objective.unit).value for end in spec.usual)
        return (least + most) / 2, max(abs(most - least) / 4, 1e-12)
    low, high = possible_range(objective, spec)
    if low is not None and high is not None:
        return (low + high) / 2, max((high - low) / 4, 1e-12)
    width = _wished_width(objective)
    centre = _wished_centre(objective)
    spread = width if width is not None else max(1.0, abs(centre))
    if low is not None:
        centre = max(centre, low + spread)
    if high is not None:
        centre = min(centre, high - spread)
    return centre, spread


def possible_range(objective: Objective, spec: PropertySpec | None) -> tuple[float | None, float | None]:
    """Return the bounds of the values that can occur, in the objective's unit."""
    if spec is None:
        return None, None
    ends = [
        None if end is None else Quantity(value=end, unit=spec.unit).to(objective.unit).value
        for end in (spec.low, spec.high)
    ]
    return ends[0], ends[1]


def useful_scale(objective: Objective, spec: PropertySpec | None, values: Sequence[float]) -> float:
    """Return the width over which a property varies usefully, in the objective's unit, > 0.

    It is the observed standard deviation once there are enough values, else the width that the
    objective itself names, else the prior spread.
    """
    if len(values) >= ENOUGH:
        spread = pstdev(values, fmean(values))
        if spread > 1e-9 * max(1.0, *(abs(v) for v in values)):
            return spread
    width = _wished_width(objective)
    return width if width is not None else prior(objective, spec)[1]


def _wished_width(objective: Objective) -> float | None:
    if objective.low is None or objective.high is None:
        return None
    width = (objective.high - objective.low) / 2
    return width if math.isfinite(width) else None


def _wished_centre(objective: Objective) -> float:
    ends = [end for end in (objective.low, objective.high) if end is not None]
    return fmean(ends) if ends else 0.0
