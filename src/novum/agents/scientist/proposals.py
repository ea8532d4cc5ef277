"""Proposals: the schema that a model fills in, and the judgement of code on what it filled in."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from novum.agents.base import PlanningContext
from novum.agents.optimizer.prior import possible_range, prior, useful_scale
from novum.agents.scientist.forms import Form, ProposalError
from novum.core.deliberation import Rejected
from novum.core.errors import UnitError
from novum.core.goals import Objective
from novum.core.judgement import LEVEL, interval_prediction
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.science import FalsificationKind, FalsificationRule, Prediction
from novum.core.spaces import Candidate
from novum.core.text import clean_text

MOST_CITES = 8
LONGEST_RATIONALE = 600
OUTSIDE, BELOW, ABOVE = SIDES = ("outside", "below", "above")
"""On which side of its bounds a value refutes a prediction."""
LEAST_LEVEL, MOST_LEVEL = 0.5, 0.99
"""Between these lies the probability that a prediction gives to its own allowed outcomes: a rule that its own
author expects to be broken, or that hardly anything could break, tests nothing."""

SCALES = 4.0
"""So many times the scale of a property beyond what is known of it, a value is not to be expected."""
UNKNOWN_SCALES = 1000.0
"""The same, where nothing was measured and nothing is known: the scale is a guess then."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal that code found in order; not yet a hypothesis."""

    candidate: Candidate
    predictions: tuple[Prediction, ...]
    """One per objective, in the goal's order and units."""
    rationale: str
    cites: tuple[str, ...]


def proposal_schema(
    form: Form,
    objectives: Sequence[Objective],
    context: PlanningContext,
    *,
    n: int,
    citable: Collection[str],
) -> dict[str, Any]:
    """Return the JSON schema of at most `n` proposals; every text in it is bounded.

    Args:
        form: of the space.
        objectives: what is predicted.
        context: says what values can occur.
        n: how many proposals are asked for.
        citable: ids that the model is shown.
    """
    ids: dict[str, Any] = {"type": "string", "enum": sorted(citable)} if citable else {"type": "string"}
    predictions = {o.property: _prediction_schema(o, context) for o in objectives}
    one = {
        "type": "object",
        "properties": {
            "candidate": form.schema(),
            "predictions": {
                "type": "object",
                "properties": predictions,
                "required": list(predictions),
                "additionalProperties": False,
            },
            "rationale": {"type": "string", "minLength": 1, "maxLength": LONGEST_RATIONALE},
            "cites": {
                "type": "array",
                "items": ids if citable else {**ids, "maxLength": 40},
                "maxItems": MOST_CITES if citable else 0,
            },
        },
        "required": ["candidate", "predictions", "rationale", "cites"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"hypotheses": {"type": "array", "items": one, "minItems": 1, "maxItems": n}},
        "required": ["hypotheses"],
        "additionalProperties": False,
    }


def proposal_example(form: Form, objectives: Sequence[Objective]) -> str:
    """Return what an answer looks like, for a prompt; its numbers are plainly no advice."""
    return json.dumps(
        {
            "hypotheses": [
                {
                    "candidate": form.example(),
                    "predictions": {
                        o.property: {"value": 0.0, "std": 1.0, "unit": o.unit} for o in objectives
                    },
                    "rationale": "…",
                    "cites": [],
                }
            ]
        },
        ensure_ascii=False,
    )


def read_proposals(
    entries: Sequence[Any],
    form: Form,
    context: PlanningContext,
    *,
    closed: Collection[str],
    citable: Collection[str],
) -> tuple[list[Draft], list[Rejected]]:
    """Return the proposals that are in order, and those that are not with what is wrong with each.

    Args:
        entries: what the model filled in, as JSON data.
        form: of the space.
        context: what was asked, without the wishes that are fulfilled by construction.
        closed: ids of candidates that must not be proposed: measured, failed, or proposed before.
        citable: ids that the model was shown.
    """
    drafts: list[Draft] = []
    rejected: list[Rejected] = []
    taken = set(closed)
    for entry in entries:
        try:
            draft = _read(entry, form, context, taken, citable)
        except ProposalError as error:
            rejected.append(Rejected(said=_shown(entry), reason=str(error)))
            continue
        taken.add(draft.candidate.id)
        drafts.append(draft)
    return drafts, rejected


def _read(
    entry: Any, form: Form, context: PlanningContext, closed: Collection[str], citable: Collection[str]
) -> Draft:
    if not isinstance(entry, Mapping):
        raise ProposalError("a hypothesis is an object")
    candidate = form.read(entry.get("candidate"))
    if candidate.id in closed:
        raise ProposalError("it was measured, failed or was proposed before")
    given = entry.get("predictions")
    if not isinstance(given, Mapping):
        raise ProposalError("it has no predictions")
    predictions = tuple(_predicted(o, given.get(o.property), context) for o in context.goal.objectives)
    cites = entry.get("cites") or []
    if not isinstance(cites, list) or not all(isinstance(c, str) for c in cites):
        raise ProposalError("cites is a list of ids")
    unknown = [c for c in cites if c.strip() not in citable]
    if unknown:
        raise ProposalError(f"it cites {_shown(unknown[0], 40)}, which is not an id that is shown")
    rationale = entry.get("rationale")
    if not isinstance(rationale, str) or not rationale.strip():
        raise ProposalError("it has no rationale")
    return Draft(
        candidate,
        predictions,
        rationale=" ".join(clean_text(rationale, limit=LONGEST_RATIONALE).split()),
        cites=tuple(dict.fromkeys(c.strip() for c in cites))[:MOST_CITES],
    )


def _predicted(objective: Objective, said: Any, context: PlanningContext) -> Prediction:
    """Return a prediction in the objective's unit.

    Raises:
        ProposalError: it is missing, not finite, in another dimension, impossible, or tests nothing.
    """
    name = objective.property
    if not isinstance(said, Mapping):
        raise ProposalError(f"it does not predict {name}")
    value, std = _number(said.get("value"), f"{name}.value"), _number(said.get("std"), f"{name}.std")
    if std <= 0:
        raise ProposalError(f"{name}.std is {std:g}; a standard deviation is above 0")
    unit = said.get("unit", objective.unit)
    if not isinstance(unit, str):
        raise ProposalError(f"{name}.unit is a text, as {objective.unit!r}")
    try:
        stated = Quantity(value=value, unit=unit, std=std)
        expected = stated.to(objective.unit).model_copy(update={"kind": UncertaintyKind.EPISTEMIC})
    except UnitError as error:
        raise ProposalError(f"{name} is wanted in {objective.unit!r}: {error}") from error
    low, high = possible_range(objective, context.properties.get(name))
    if (low is not None and expected.value < low) or (high is not None and expected.value > high):
        bounds = f"{'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"
        raise ProposalError(f"{name} cannot be {expected}; possible is {bounds} {objective.unit}")
    if expected.std is None or not expected.std > 0:
        raise ProposalError(f"{name}.std vanishes in {objective.unit!r}")
    rule = _rule(name, expected, said.get("refuted_if", OUTSIDE), said.get("level", LEVEL), low, high)
    least, most = _expected_range(objective, context)
    if (rule.low is None or rule.low <= least) and (rule.high is None or rule.high >= most):
        within = f"{least:g} to {most:g} {objective.unit}"
        raise ProposalError(f"{name}: no value that can occur would refute it, of {within}; make std smaller")
    return Prediction(property=name, expected=expected, rule=rule)


def _expected_range(objective: Objective, context: PlanningContext) -> tuple[float, float]:
    """Return between which values a property is looked for; what nothing in it refutes tests nothing.

    These are the values that can occur. On a side where there is no such bound it reaches a few scales
    beyond what was measured and what the goal asks for.
    """
    spec = context.properties.get(objective.property)
    low, high = possible_range(objective, spec)
    seen = [q.value for o in context.observations if (q := o.values.get(objective.property)) is not None]
    known = [*seen, *(end for end in (objective.low, objective.high) if end is not None)]
    centre, spread = prior(objective, spec)
    scale = max(useful_scale(objective, spec, seen), spread, *(abs(v) for v in known), 0.0)
    guessed = not known and low is None and high is None and (spec is None or spec.usual is None)
    reach = (UNKNOWN_SCALES if guessed else SCALES) * scale
    places = [*known, centre]
    return (
        min(places) - reach if low is None else low,
        max(places) + reach if high is None else high,
    )


def _rule(
    name: str, expected: Quantity, side: Any, level: Any, low: float | None, high: float | None
) -> FalsificationRule:
    """Return the rule that the model chose: the side by name, the bound from its own distribution."""
    if side not in SIDES:
        raise ProposalError(f"{name}.refuted_if is one of {', '.join(SIDES)}")
    share = _number(level, f"{name}.level")
    if not LEAST_LEVEL <= share <= MOST_LEVEL:
        raise ProposalError(f"{name}.level is {share:g}, not {LEAST_LEVEL:g} to {MOST_LEVEL:g}")
    if side == OUTSIDE:
        return interval_prediction(name, expected, low=low, high=high, level=share).rule
    assert expected.std is not None
    reach = NormalDist().inv_cdf(share) * expected.std
    if side == BELOW:
        kind, bound = FalsificationKind.AT_LEAST, {"low": expected.value - reach}
    else:
        kind, bound = FalsificationKind.AT_MOST, {"high": expected.value + reach}
    return FalsificationRule(kind=kind, unit=expected.unit, level=share, **bound)


def _prediction_schema(objective: Objective, context: PlanningContext) -> dict[str, Any]:
    low, high = possible_range(objective, context.properties.get(objective.property))
    number: dict[str, Any] = {"type": "number"}
    bounds = {name: end for name, end in (("minimum", low), ("maximum", high)) if end is not None}
    widest = {} if low is None or high is None else {"maximum": (high - low) / 4}
    return {
        "type": "object",
        "properties": {
            "value": {**number, **bounds},
            "std": {"type": "number", "exclusiveMinimum": 0, **widest},
            "unit": {"type": "string", "enum": [objective.unit]},
            "refuted_if": {"type": "string", "enum": list(SIDES)},
            "level": {"type": "number", "minimum": LEAST_LEVEL, "maximum": MOST_LEVEL},
        },
        "required": ["value", "std", "unit"],
        "additionalProperties": False,
    }


def _number(said: Any, what: str) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ProposalError(f"{what} is not a number")
    try:
        value = float(said)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ProposalError(f"{what} is not finite")
    return value


def _shown(said: Any, limit: int = 200) -> str:
    try:
        # Sorted, because a ledger gives the keys of a recorded answer back in another order.
        text = (
            said
            if isinstance(said, str)
            else json.dumps(said, ensure_ascii=False, sort_keys=True, default=str)
        )
    except (ValueError, TypeError, RecursionError):
        text = f"a {type(said).__name__}"
    return " ".join(clean_text(text, limit=limit).split())
