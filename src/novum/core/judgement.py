"""Judgement: pure arithmetic from predictions and measurements to verdicts, merit and claims.

Nothing here asks a model. Every threshold is named and every statistic is returned with the verdict.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import total_ordering
from statistics import NormalDist

from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.quantity import Quantity
from novum.core.science import (
    FalsificationKind,
    FalsificationRule,
    Hypothesis,
    Outcome,
    Prediction,
    Verdict,
)

LEVEL = 0.95
"""Probability that a predictor gives to the outcomes that its prediction allows."""

INFORMATIVE = 1.0
"""A supported prediction must be narrower than the noise it is judged through times this."""


def two_sided(level: float = LEVEL) -> float:
    """Return the standard normal quantile that bounds the central `level`.

    Example:
        >>> round(two_sided(0.95), 3)
        1.96
    """
    return NormalDist().inv_cdf(0.5 + level / 2)


def interval_prediction(
    property_name: str,
    expected: Quantity,
    *,
    low: float | None = None,
    high: float | None = None,
    level: float = LEVEL,
) -> Prediction:
    """Return the prediction that a value lies in the central interval of a normal distribution.

    `low` and `high` are the values that can occur at all, in the unit of `expected`; they clip the
    interval.

    Raises:
        ValueError: `expected` has no standard deviation.
    """
    if expected.std is None:
        raise ValueError(f"a prediction of {property_name!r} needs a standard deviation")
    half = two_sided(level) * expected.std
    lower, upper = expected.value - half, expected.value + half
    if low is not None:
        lower = max(lower, low)
    if high is not None:
        upper = min(upper, high)
    rule = FalsificationRule(low=lower, high=upper, unit=expected.unit, level=level)
    return Prediction(property=property_name, expected=expected, rule=rule)


def judge(
    hypothesis: Hypothesis,
    prediction: Prediction,
    observed: Quantity | None,
    *,
    experiment: str,
    noise: float = 0.0,
    reason: str = "",
) -> Verdict:
    """Return the verdict on one prediction.

    The allowed outcomes are those that the rule registered, widened by the noise of the measurement
    at the rule's level: what noise alone could have moved across the bound refutes nothing. Where the
    noise is larger than the prediction's own spread, an outcome inside is inconclusive: it would have
    been inside for many other values as well.

    Args:
        hypothesis: the statement that made the prediction.
        prediction: what was registered.
        observed: the measured value, in any unit of the right dimension; None where nothing usable
            was measured.
        experiment: id of the experiment that measured it.
        noise: standard deviation of the noise floor, in the prediction's unit.
        reason: why nothing was measured, where `observed` is None.

    Raises:
        UnitError: the observed unit has another dimension than the predicted one.
    """
    expected, rule = prediction.expected, prediction.rule

    def verdict(outcome: Outcome, why: str, seen: Quantity | None = None, z: float | None = None) -> Verdict:
        return Verdict(
            hypothesis=hypothesis.id,
            experiment=experiment,
            property=prediction.property,
            tool=prediction.tool,
            outcome=outcome,
            expected=expected,
            observed=seen,
            statistic=z,
            threshold=two_sided(rule.level),
            noise=noise,
            reason=why,
        )

    if observed is None:
        return verdict(Outcome.INCONCLUSIVE, reason or "nothing was measured")
    seen = observed.to(expected.unit)
    spread = math.hypot(noise, seen.std or 0.0)
    scale = math.hypot(expected.std or 0.0, spread)
    z = (seen.value - expected.value) / scale if scale > 0 else None
    slack = two_sided(rule.level) * spread
    low = -math.inf if rule.low is None else _bound(rule.low, rule, expected) - slack
    high = math.inf if rule.high is None else _bound(rule.high, rule, expected) + slack
    if not low <= seen.value <= high:
        side = "below" if seen.value < low else "above"
        bound = low if seen.value < low else high
        allowed = Quantity(value=bound, unit=seen.unit)
        return verdict(Outcome.REFUTED, f"{seen} is {side} the allowed {allowed}", seen, z)
    own = expected.std or 0.0
    if rule.kind is FalsificationKind.INTERVAL and spread > INFORMATIVE * own and spread > 0:
        why = f"inside, but the noise ({spread:.2g}) exceeds the predicted spread ({own:.2g}), in {seen.unit}"
        return verdict(Outcome.INCONCLUSIVE, why, seen, z)
    return verdict(Outcome.SUPPORTED, f"{seen} is inside the allowed outcomes", seen, z)


def _bound(value: float, rule: FalsificationRule, expected: Quantity) -> float:
    return Quantity(value=value, unit=rule.unit).to(expected.unit).value


def noise_of(prediction: Prediction, floors: Mapping[str, Quantity]) -> float:
    """Return the noise floor of a prediction's property in the prediction's unit; 0 where none is known.

    Args:
        prediction: what is judged.
        floors: property → noise floor, its `value` being the standard deviation itself.
    """
    floor = floors.get(prediction.property)
    if floor is None or prediction.tool is not None:  # the floor is that of the goal's own tool
        return 0.0
    # As a spread around zero, because a spread has no offset (°C).
    spread = Quantity(value=0.0, unit=floor.unit, std=floor.value).to(prediction.expected.unit).std
    return spread or 0.0


def noise_floor(groups: Iterable[Sequence[float]]) -> float | None:
    """Return the pooled standard deviation of replicates; None without two replicates of anything.

    Example:
        >>> noise_floor([[1.0, 3.0], [5.0, 5.0, 5.0]])  # sqrt(2 / 3)
        0.816496580927726
    """
    squares, freedom = 0.0, 0
    for group in groups:
        if len(group) < 2:
            continue
        mean = math.fsum(group) / len(group)
        squares += math.fsum((x - mean) ** 2 for x in group)
        freedom += len(group) - 1
    return math.sqrt(squares / freedom) if freedom else None


def meets(objective: Objective, value: float) -> bool:
    """Say whether `value`, in the objective's unit, lies within its bounds.

    An objective without bounds (plain maximise or minimise) is always met.
    """
    return not (
        (objective.low is not None and value < objective.low)
        or (objective.high is not None and value > objective.high)
    )


def violation(objective: Objective, value: float, *, scale: float) -> float:
    """Return how far `value` lies outside the bounds, in units of `scale`; 0 inside."""
    below = 0.0 if objective.low is None else max(0.0, objective.low - value)
    above = 0.0 if objective.high is None else max(0.0, value - objective.high)
    return (below + above) / scale


def desirability(objective: Objective, value: float, *, scale: float) -> float:
    """Return how desirable `value` is, from 0 to 1, smooth and never quite flat.

    `scale` is the width over which the property varies usefully, in the objective's unit. Bounds give
    1 inside and fall off as exp(-distance / scale) outside. What is optimised has no inside: it maps
    through a logistic curve of that width, centred on the success value where there is one.

    References:
        Derringer and Suich, J. Qual. Technol. 12, 214 (1980), for the use of desirabilities.
    """
    match objective.kind:
        case ObjectiveKind.MAXIMISE:
            return _logistic((value - (objective.low or 0.0)) / scale)
        case ObjectiveKind.MINIMISE:
            return _logistic(((objective.high or 0.0) - value) / scale)
        case ObjectiveKind.TARGET:
            assert objective.target is not None
            return math.exp(-abs(value - objective.target) / scale)
        case _:
            return math.exp(-violation(objective, value, scale=scale))


@total_ordering
@dataclass(frozen=True, slots=True)
class Merit:
    """How good a candidate is: feasible before infeasible, then less violation, then more score."""

    feasible: bool
    violation: float
    """Sum over the constraints, each in units of its scale, weighted."""
    score: float
    """Comparable within one goal only. One thing optimised: its value in units of its scale, turned so
    that more is better, which never saturates. Several: the weighted mean of log desirability."""

    def _order(self) -> tuple[bool, float, float]:
        return (self.feasible, -self.violation, self.score)

    def __lt__(self, other: "Merit") -> bool:
        return self._order() < other._order()


def merit(goal: Goal, values: Mapping[str, float], *, scales: Mapping[str, float]) -> Merit:
    """Return the merit of measured `values`, in the objectives' units.

    Only constraints decide feasibility. Success values of maximise and minimise do not: a candidate
    short of success is still better than one that breaks a constraint.

    Raises:
        KeyError: a property of the goal was not measured.
    """
    broken = math.fsum(
        o.weight * violation(o, values[o.property], scale=scales[o.property]) for o in goal.constraints
    )
    return Merit(feasible=broken == 0, violation=broken, score=_score(goal.optimised, values, scales))


def _score(optimised: Sequence[Objective], values: Mapping[str, float], scales: Mapping[str, float]) -> float:
    if not optimised:
        return 0.0
    if len(optimised) == 1:
        only = optimised[0]
        return -_loss(only, values[only.property]) / scales[only.property]
    total = math.fsum(o.weight for o in optimised)
    return (
        math.fsum(
            o.weight * math.log(max(desirability(o, values[o.property], scale=scales[o.property]), 1e-300))
            for o in optimised
        )
        / total
    )


def is_goal_met(goal: Goal, values: Mapping[str, float]) -> bool:
    """Say whether every objective is met, success values included."""
    return all(o.property in values and meets(o, values[o.property]) for o in goal.objectives)


def probability_within(objective: Objective, expected: Quantity) -> float:
    """Return the probability that a normal quantity lies within the objective's bounds.

    `expected` must be in the objective's unit; without a standard deviation it counts as exact.
    """
    if not expected.std:
        return float(meets(objective, expected.value))
    normal = NormalDist(expected.value, expected.std)
    upper = 1.0 if objective.high is None else normal.cdf(objective.high)
    lower = 0.0 if objective.low is None else normal.cdf(objective.low)
    return max(0.0, upper - lower)


def pareto_front(goal: Goal, rows: Sequence[Mapping[str, float]]) -> list[int]:
    """Return the indices of the rows that no other row beats in everything that is optimised.

    Only rows that keep every constraint and have every optimised property take part. Rows with equal
    values are all kept. With nothing optimised, every feasible row is on the front.
    """
    feasible = [
        i
        for i, row in enumerate(rows)
        if all(o.property in row and meets(o, row[o.property]) for o in goal.constraints)
        and all(o.property in row for o in goal.optimised)
    ]
    losses = {i: tuple(_loss(o, rows[i][o.property]) for o in goal.optimised) for i in feasible}
    return [
        i
        for i in feasible
        if not any(
            all(a <= b for a, b in zip(losses[j], losses[i], strict=True)) and losses[j] != losses[i]
            for j in feasible
        )
    ]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How predictions compared with what was observed."""

    n: int
    coverage: float
    """Share of verdicts inside the central interval at `level`."""
    level: float
    rms_z: float
    """Root mean square of the standardised residuals; 1 for honest uncertainty."""


def calibration(verdicts: Iterable[Verdict], *, level: float = LEVEL) -> Calibration | None:
    """Return how well the predicted uncertainties held; None without any judged prediction."""
    zs = [v.statistic for v in verdicts if v.statistic is not None]
    if not zs:
        return None
    bound = two_sided(level)
    return Calibration(
        n=len(zs),
        coverage=sum(abs(z) <= bound for z in zs) / len(zs),
        level=level,
        rms_z=math.sqrt(math.fsum(z * z for z in zs) / len(zs)),
    )


def _logistic(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)


def _loss(objective: Objective, value: float) -> float:
    match objective.kind:
        case ObjectiveKind.MAXIMISE:
            return -value
        case ObjectiveKind.MINIMISE:
            return value
        case _:
            assert objective.target is not None
            return abs(value - objective.target)
