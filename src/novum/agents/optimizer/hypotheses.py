"""From candidates and beliefs to hypotheses that an experiment can refute."""

from collections.abc import Sequence

from novum.agents.base import PlanningContext
from novum.agents.optimizer.prior import possible_range
from novum.core.goals import Objective
from novum.core.judgement import interval_prediction, probability_within
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.science import Hypothesis, Prediction
from novum.core.spaces import Candidate


def write_hypothesis(
    context: PlanningContext,
    candidate: Candidate,
    beliefs: Sequence[tuple[float, float]],
    *,
    number: int,
    source: str,
    rationale: str,
    gain: float = 0.0,
    failure: float = 0.0,
) -> Hypothesis:
    """Return the hypothesis that a candidate's properties are as believed.

    Args:
        context: what the planner was asked.
        candidate: what it is about.
        beliefs: (mean, standard deviation) per objective, in its unit and in the goal's order.
        number: counted from 0 within the plan.
        source: the planner's name.
        rationale: why this candidate, in words.
        gain: expected gain in merit per declared cost.
        failure: probability that the experiment gives nothing.
    """
    predictions: list[Prediction] = []
    p_goal = 1.0 - failure
    for objective, (mean, std) in zip(context.goal.objectives, beliefs, strict=True):
        prediction = _predict(context, objective, mean, std)
        predictions.append(prediction)
        p_goal *= probability_within(objective, prediction.expected)
    return Hypothesis(
        id=f"H{context.first_id + number:03d}",
        iteration=context.iteration,
        statement=statement_of(candidate, predictions),
        rationale=rationale,
        source=source,
        candidate=candidate,
        predictions=tuple(predictions),
        p_goal=min(1.0, max(0.0, p_goal)),
        gain=gain,
        cites=context.cites.get(candidate.id, ()),
    )


def statement_of(candidate: Candidate, predictions: Sequence[Prediction]) -> str:
    """Return what is claimed of a candidate, in words."""
    return f"{candidate.label} has {_list([f'{p.property} {p.expected}' for p in predictions])}"


def cost_of(context: PlanningContext) -> float:
    """Return the declared seconds of measuring every objective of one candidate; 1 if none is known."""
    total = sum(context.costs.get(o.property, 0.0) for o in context.goal.objectives)
    return total if total > 0 else 1.0


def noise_of(context: PlanningContext, objective: Objective) -> float:
    """Return the noise floor of an objective's property, in its unit; 0 where none is known."""
    floor = context.noise.get(objective.property)
    return 0.0 if floor is None else abs(floor.value)


def _predict(context: PlanningContext, objective: Objective, mean: float, std: float) -> Prediction:
    low, high = possible_range(objective, context.properties.get(objective.property))
    if low is not None:
        mean = max(mean, low)
    if high is not None:
        mean = min(mean, high)
    expected = Quantity(value=mean, unit=objective.unit, std=std, kind=UncertaintyKind.EPISTEMIC)
    return interval_prediction(objective.property, expected, low=low, high=high)


def _list(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
