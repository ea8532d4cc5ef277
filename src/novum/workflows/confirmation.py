"""Sealed confirmation: the winner, checked by another method or fresh repetitions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from novum.core.calls import ToolCall, ToolSpec
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.judgement import interval_prediction, meets, two_sided
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.record import CampaignRecord, mean
from novum.core.science import (
    Claim,
    ClaimStatus,
    ConfirmedValue,
    Experiment,
    FalsificationKind,
    FalsificationRule,
    Hypothesis,
    Measurement,
    Observation,
    Prediction,
    Purpose,
)
from novum.tools.registry import Registry
from novum.workflows.assays import Assay, confirming_options, find_confirming_tool, tool_call

SEALED_SEED = 1_000_003
"""First seed of confirmation runs; explorations and replicates use smaller ones."""

SAME_NUMBER = 1e-6
"""Relative difference within which a deterministic tool must repeat itself."""


@dataclass(frozen=True, slots=True)
class ConfirmationPlan:
    """What will be checked, registered before it runs."""

    hypotheses: tuple[Hypothesis, ...]
    experiments: tuple[Experiment, ...]
    reason: str


def plan_confirmation(
    record: CampaignRecord, assays: Mapping[str, Assay], registry: Registry, scales: dict[str, float]
) -> ConfirmationPlan:
    """Return how the winners are checked.

    Each property is checked by an independent tool where one is available, and the whole candidate by
    fresh runs of the tools that found it: under new seeds where they are stochastic, else once more.
    """
    goal = record.goal
    if goal.confirmation.method == "none":
        return ConfirmationPlan((), (), "confirmation is switched off")
    chosen = winners(record, scales)
    if not chosen:
        return ConfirmationPlan((), (), "no candidate of this campaign keeps every constraint")
    hypotheses, experiments = [], []
    number = len(record.experiments)
    for seen in chosen:
        origin = record.experiments[seen.source].experiment.hypothesis
        tools = _independent(assays, goal, registry)
        hypothesis = _sealed_hypothesis(record, seen, record.hypotheses[origin], assays, tools)
        hypotheses.append(hypothesis)
        for experiment in _sealed_experiments(goal, hypothesis, assays, tools):
            number += 1
            experiments.append(experiment.model_copy(update={"id": f"E{number:03d}"}))
    return ConfirmationPlan(
        tuple(hypotheses),
        tuple(experiments),
        f"the best {len(chosen)} of the campaign, sealed from the planner",
    )


def winners(record: CampaignRecord, scales: dict[str, float]) -> list[Observation]:
    """Return the best feasible candidates that this campaign itself examined, best first."""
    own = [seen for value, seen in record.merits(scales) if value.feasible and not seen.recalled]
    return own[: record.goal.confirmation.candidates]


def claims_of(record: CampaignRecord, assays: Mapping[str, Assay], scales: dict[str, float]) -> list[Claim]:
    """Return one claim for each winner, with its status and the records that carry it."""
    planned = record.confirmation
    observations = {seen.candidate.id: seen for seen in record.observations()}
    if planned is None or not planned.hypotheses:
        return [
            _claim(record, seen, {}, [], number, planned.reason if planned else "")
            for number, seen in enumerate(winners(record, scales), 1)
        ]
    claims = []
    for number, hypothesis in enumerate(planned.hypotheses, 1):
        sealed = [e for e in planned.experiments if e.hypothesis == hypothesis.id]
        seen = observations[hypothesis.candidate.id]
        claims.append(_claim(record, seen, dict(assays), sealed, number, ""))
    return claims


def _independent(assays: Mapping[str, Assay], goal: Goal, registry: Registry) -> dict[str, ToolSpec]:
    found = {name: find_confirming_tool(assay, goal, registry) for name, assay in assays.items()}
    return {name: tool for name, tool in found.items() if tool is not None}


def _sealed_hypothesis(
    record: CampaignRecord,
    seen: Observation,
    origin: Hypothesis,
    assays: Mapping[str, Assay],
    independent: Mapping[str, ToolSpec],
) -> Hypothesis:
    predictions: list[Prediction] = []
    for name, assay in assays.items():
        won = seen.values[name]
        noise = record.noise[name].value if name in record.noise else 0.0
        spread = max(noise * math.sqrt(2), SAME_NUMBER * abs(won.value), 1e-12)
        expected = Quantity(value=won.value, unit=won.unit, std=spread)
        rule = _bound_rule(assay.objective)
        predictions.append(
            Prediction(property=name, expected=expected, rule=rule)
            if rule
            else interval_prediction(name, expected)
        )
        if name in independent:
            wanted = record.goal.confirmation.objective(assay.objective)
            rule = _bound_rule(wanted)
            if rule:  # without a bound, nothing that another method says could refute the finding
                expected = expected.to(wanted.unit)
                tool = independent[name].name
                predictions.append(Prediction(property=name, expected=expected, rule=rule, tool=tool))
    return Hypothesis(
        id=f"{origin.id}c",
        iteration=max(record.decisions) + 1,
        statement=f"{seen.candidate.label} keeps what it won when it is measured again, "
        + (
            f"by {', '.join(sorted({t.method for t in independent.values()}))} as well"
            if independent
            else "in fresh runs"
        ),
        rationale=f"best feasible candidate, from {origin.id} in {seen.source}",
        source="confirmation",
        candidate=seen.candidate,
        predictions=tuple(predictions),
        cites=(origin.id, seen.source),
    )


def _bound_rule(objective: Objective) -> FalsificationRule | None:
    low, high, unit = objective.low, objective.high, objective.unit
    if low is not None and high is not None:
        return FalsificationRule(kind=FalsificationKind.INTERVAL, low=low, high=high, unit=unit)
    if low is not None:
        return FalsificationRule(kind=FalsificationKind.AT_LEAST, low=low, unit=unit)
    if high is not None:
        return FalsificationRule(kind=FalsificationKind.AT_MOST, high=high, unit=unit)
    return None


def _sealed_experiments(
    goal: Goal, hypothesis: Hypothesis, assays: Mapping[str, Assay], independent: Mapping[str, ToolSpec]
) -> list[Experiment]:
    """Return the independent check, then the repetitions; ids are given by the caller."""
    candidate = hypothesis.candidate

    def experiment(calls: Iterable[ToolCall], cost: float) -> Experiment:
        return Experiment(
            id="E000",
            hypothesis=hypothesis.id,
            candidate=candidate,
            purpose=Purpose.CONFIRM,
            calls=tuple(calls),
            nominal_cost_s=cost,
        )

    experiments = []
    made: list[tuple[ToolCall, ToolSpec]] = []
    for name, tool in independent.items():
        options = confirming_options(tool, assays[name], goal)
        call = tool_call(tool, candidate, options, space=goal.space, seed=SEALED_SEED)
        if not any(call == known for known, _ in made):
            made.append((call, tool))
    experiments += [experiment([call], tool.nominal_cost_s) for call, tool in made]
    used = {(a.tool.name, str(a.objective.options)): a for a in assays.values() if a.tool}
    stochastic = any(a.tool is not None and a.tool.stochastic_in_seed for a in used.values())
    for repetition in range(goal.confirmation.replicates if stochastic else 1):
        calls = [
            tool_call(
                a.tool,
                candidate,
                a.objective.options,
                space=goal.space,
                seed=SEALED_SEED + repetition,
                replicate=repetition + 1,
            )
            for a in used.values()
            if a.tool and (a.tool.stochastic_in_seed or repetition == 0)
        ]
        if calls:
            experiments.append(experiment(calls, sum(a.cost_s for a in used.values())))
    return experiments


def _claim(
    record: CampaignRecord,
    seen: Observation,
    assays: Mapping[str, Assay],
    sealed: Sequence[Experiment],
    number: int,
    why_not: str,
) -> Claim:
    goal = record.goal
    hypothesis = record.experiments[seen.source].experiment.hypothesis
    values = [
        value
        for objective in goal.objectives
        for value in _confirmed(record, objective, seen, assays.get(objective.property), sealed)
    ]
    problems = [f"{v.property} was not measured again" for v in values if v.confirmed is None]
    failures = [
        f"{e.id} failed ({record.experiments[e.id].failed})"
        for e in sealed
        if record.experiments[e.id].failed
    ]
    checked = [v for v in values if v.holds is not None]
    lacking = [o for o in goal.objectives if not meets(o, seen.values[o.property].value)]
    if lacking:
        status = ClaimStatus.SHORT
        reason = "the best that was found falls short of: " + ", ".join(map(str, lacking))
    elif why_not or not checked:
        status = ClaimStatus.UNCONFIRMED
        reason = why_not or "; ".join([*failures, *problems]) or "nothing could be measured again"
    elif any(v.holds is False for v in checked):
        status = ClaimStatus.NOT_CONFIRMED
        broken = [f"{v.property} = {v.confirmed} by {v.method}" for v in checked if v.holds is False]
        reason = "the sealed check disagrees: " + "; ".join(broken)
    elif problems or failures:
        status = ClaimStatus.UNCONFIRMED
        reason = "; ".join([*failures, *problems])
    else:
        status = ClaimStatus.CONFIRMED
        reason = "every objective holds in the sealed check"
    won = ", ".join(
        f"{v.property} {v.confirmed or v.winning}" + (f" by {v.method}" if v.independent else "")
        for v in values
    )
    verb = {
        ClaimStatus.CONFIRMED: "meets",
        ClaimStatus.NOT_CONFIRMED: "does not meet",
        ClaimStatus.SHORT: "falls short of",
        ClaimStatus.UNCONFIRMED: "may meet",
    }[status]
    return Claim(
        id=f"C{number:03d}",
        statement=f"{seen.candidate.label} {verb} '{goal}': {won}",
        status=status,
        hypothesis=hypothesis,
        candidate=seen.candidate,
        values=tuple(values),
        evidence=(seen.source, *(e.id for e in sealed)),
        sanity=_checks(record, sealed),
        reason=reason,
    )


def _confirmed(
    record: CampaignRecord,
    objective: Objective,
    seen: Observation,
    assay: Assay | None,
    sealed: Sequence[Experiment],
) -> list[ConfirmedValue]:
    """Return one property as the sealed check found it: by its own method, and by an independent one."""
    name, winning = objective.property, seen.values[objective.property]
    methods: dict[str, list[Measurement]] = {}
    for experiment in sealed:
        for m in record.experiments[experiment.id].measurements:
            if m.property == name:
                methods.setdefault(m.method, []).append(m)
    values = []
    for method, found in methods.items():
        quantity = mean([m.quantity for m in found])
        if len(found) > 1:
            spread = stdev(m.quantity.value for m in found) / math.sqrt(len(found))
            quantity = quantity.model_copy(update={"std": spread, "kind": UncertaintyKind.MEASUREMENT})
        independent = assay is not None and found[0].tool != assay.source_name and method != assay.method
        values_found = [m.quantity.value for m in found]
        holds = _holds(record, objective, assay, winning, values_found, independent=independent)
        values.append(
            ConfirmedValue(
                property=name,
                winning=winning,
                confirmed=quantity,
                method=method,
                independent=independent,
                holds=holds,
                shrinkage=quantity.value - winning.value,
                evidence=tuple(dict.fromkeys(m.experiment for m in found)),
            )
        )
    return values or [
        ConfirmedValue(
            property=name, winning=winning, confirmed=None, method="", independent=False, holds=None
        )
    ]


def _holds(
    record: CampaignRecord,
    objective: Objective,
    assay: Assay | None,
    winning: Quantity,
    found: Sequence[float],
    *,
    independent: bool,
) -> bool | None:
    """Say whether the sealed values of one method carry the finding; None where they could not refute it.

    Bounds must hold. A tool that repeats itself must repeat itself. Where noise decides and no bound was
    wished, the sealed mean may fall short of what won by no more than noise explains, at the level of
    predictions. Another method without a bound of its own cannot refute anything, on its other scale.

    Args:
        record: the campaign, with its noise floor.
        objective: the wish.
        assay: how the campaign measured it.
        winning: the value that won.
        found: sealed values, in the objective's unit.
        independent: they are another method's.
    """
    value = math.fsum(found) / len(found)
    if independent:
        wanted = record.goal.confirmation.objective(objective)
        if wanted.low is None and wanted.high is None:
            return None
        return meets(wanted, Quantity(value=value, unit=objective.unit).to(wanted.unit).value)
    if not meets(objective, value):
        return False
    if assay is not None and assay.tool and not assay.tool.stochastic_in_seed:
        return math.isclose(value, winning.value, rel_tol=SAME_NUMBER, abs_tol=1e-12)
    if objective.low is not None or objective.high is not None:
        return True
    floor = record.noise[objective.property].value if objective.property in record.noise else 0.0
    spread = max(floor, stdev(found) if len(found) > 1 else 0.0)
    slack = two_sided() * spread * math.sqrt(1 + 1 / len(found)) + SAME_NUMBER * abs(winning.value)
    worse = winning.value - value if objective.kind is ObjectiveKind.MAXIMISE else value - winning.value
    return worse <= slack


def _checks(record: CampaignRecord, sealed: Sequence[Experiment]) -> dict[str, bool]:
    """Return the sanity checks that the tools themselves reported, each true only if always true."""
    checks: dict[str, bool] = {}
    for experiment in sealed:
        for result in record.experiments[experiment.id].results:
            for name, passed in (result.details.get("checks") or {}).items():
                checks[name] = checks.get(name, True) and bool(passed)
    return checks
