"""From a campaign's record to its report. Pure: every number comes from the record, or is counted here."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from novum.core.errors import UsageError
from novum.core.judgement import calibration, meets, pareto_front
from novum.core.record import CampaignRecord
from novum.core.science import Outcome, Purpose, Verdict
from novum.core.spaces import CrystalSpace, MoleculeSpace, ParameterSpace, PoolSpace, Space
from novum.workflows.reporting import figures
from novum.workflows.reporting.appendix import experiment_rows, hypothesis_rows, state_of
from novum.workflows.reporting.figures import count, plain, unit_text
from novum.workflows.reporting.findings import (
    control_of,
    finding_of,
    nearest_of,
    outcome_of,
    recalled_best,
)
from novum.workflows.reporting.progress import axis_of, is_met, progress
from novum.workflows.reporting.proposers import model_section
from novum.workflows.reporting.reading import (
    Reading,
    find_smiles,
    setting_headings,
    settings_of,
)
from novum.workflows.reporting.report import (
    Agreement,
    CandidateRow,
    CandidateValue,
    Environment,
    Failure,
    IterationRow,
    ObjectiveRow,
    PredictedPoint,
    Recall,
    Report,
    Scatter,
    ScatterPoint,
    Spending,
    ToolUse,
)

SHOWN = 10
"""Candidates in the table of the best."""


def build_report(
    record: CampaignRecord,
    *,
    control: CampaignRecord | None = None,
    verification: Mapping[str, str] | None = None,
    scales: Mapping[str, float] | None = None,
) -> Report:
    """Return what the report of a campaign says.

    Args:
        record: the campaign.
        control: its control arm, if there is one.
        verification: what a check of the ledger found, by name of the check.
        scales: property → width over which it varies usefully, as the campaign ranked by it; by default
            from the goal's own bounds. Matters where several properties are optimised or broken.

    Raises:
        UsageError: the record is empty.
    """
    if record.started is None:
        raise UsageError("there is nothing to report: the campaign has not started")
    reading = Reading.of(record, scales)
    goal, started = record.goal, record.started
    return Report(
        campaign=plain(started.campaign),
        title=plain(goal.title or started.campaign),
        goal=plain(str(goal)),
        space=_space_in_words(goal.space),
        parameters=_parameters(goal.space),
        planner=plain(started.planner),
        seed=goal.seed,
        parent=plain(started.parent or ""),
        warning=_warning(record),
        outcome=outcome_of(reading),
        stopped=plain(record.finished.reason) if record.finished else "",
        objectives=_objectives(record),
        findings=tuple(finding_of(reading, claim) for claim in record.claims.values()),
        nearest=nearest_of(reading),
        candidates=_candidates(reading),
        n_candidates=len(reading.rated),
        setting_names=setting_headings(goal),
        labelled=not isinstance(goal.space, ParameterSpace),
        optimised=tuple(plain(o.property) for o in goal.optimised),
        axis=axis_of(reading),
        series=progress(reading),
        fronts=_fronts(reading),
        agreements=_agreements(record),
        calibration=calibration(record.verdicts),
        verdicts=tuple(
            (
                outcome.value.replace("_", " "),
                _count(record.verdicts, outcome),
                _count(record.sealed_verdicts, outcome),
            )
            for outcome in Outcome
        ),
        noise=tuple((plain(name), figures.quantity(q)) for name, q in record.noise.items()),
        failures=_failures(record),
        refusals=_refusals(record),
        recall=_recall(reading),
        spending=_spending(reading),
        iterations=_iterations(reading),
        model=model_section(reading),
        control=control_of(reading, control) if control is not None else None,
        interruptions=record.interruptions,
        resumptions=record.resumptions,
        environment=_environment(record, verification or {}),
        hypotheses=hypothesis_rows(record),
        experiments=experiment_rows(record),
    )


def _warning(record: CampaignRecord) -> str:
    if record.finished is not None:
        return ""
    budget = record.goal.budget.experiments
    done = sum(1 for e in record.experiments.values() if e.finished and not e.experiment.sealed)
    said = f"This campaign is not finished: {done} of {count(budget, 'experiment')} are done"
    waiting = [e.id for e in record.worklist]
    if waiting:
        return (
            f"{said}, and {count(len(waiting), 'result')} of a person are waited for ({', '.join(waiting)})."
        )
    if record.interruptions > record.resumptions:
        return f"{said}, and it was stopped. What follows may change when it goes on."
    return f"{said}. What follows may change."


def _space_in_words(space: Space) -> str:
    match space:
        case MoleculeSpace():
            atoms = f"{space.min_heavy_atoms} to {space.max_heavy_atoms} heavy atoms"
            charge = (
                "neutral"
                if space.min_charge == space.max_charge == 0
                else f"charge {space.min_charge} to {space.max_charge}"
            )
            alerts = ", without structural alerts" if space.alerts else ""
            return plain(f"molecules of {', '.join(space.elements)} with {atoms}, {charge}{alerts}")
        case CrystalSpace():
            types = count(len(space.types()), "structure type")
            return plain(f"crystals of {', '.join(space.elements)} in {types}")
        case PoolSpace():
            source = f" from {space.source}" if space.source else ""
            return plain(f"a pool of {count(len(space.rows), 'candidate')}{source}")
        case ParameterSpace():
            return count(len(space.parameters), "parameter")


def _parameters(space: Space) -> tuple[tuple[str, str], ...]:
    if not isinstance(space, ParameterSpace):
        return ()
    rows = []
    for p in space.parameters:
        if p.kind == "choice":
            ranges = ", ".join(map(plain, p.options))
        else:
            ranges = figures.with_unit(f"{figures.number(p.low)} to {figures.number(p.high)}", p.unit)
            ranges += ", whole numbers" if p.kind == "integer" else ""
            ranges += ", logarithmic" if p.kind == "continuous" and p.log else ""
        rows.append((plain(p.name), ranges))
    for c in space.constraints:
        terms = " + ".join(f"{figures.number(k)} {plain(name)}" for name, k in c.coefficients.items())
        rows.append(("constraint", f"{terms} ≤ {figures.number(c.bound)}"))
    return tuple(rows)


def _objectives(record: CampaignRecord) -> tuple[ObjectiveRow, ...]:
    assert record.started is not None
    methods: dict[str, dict[str, None]] = {}
    for entry in record.experiments.values():
        if not entry.experiment.sealed:
            for m in entry.measurements:
                methods.setdefault(m.property, {})[plain(m.method)] = None
    return tuple(
        ObjectiveRow(
            property=plain(o.property),
            wish=figures.wish(o),
            unit=unit_text(o.unit),
            tool=plain(record.started.tools.get(o.property, "")),
            methods=tuple(methods.get(o.property, ())),
            role="optimised" if o.is_optimised else "constraint",
        )
        for o in record.goal.objectives
    )


def _candidates(reading: Reading) -> tuple[CandidateRow, ...]:
    goal = reading.goal
    rows = [{name: q.value for name, q in seen.values.items()} for _, seen in reading.rated]
    front = set(pareto_front(goal, rows)) if len(goal.optimised) > 1 else set()
    return tuple(
        CandidateRow(
            rank=i + 1,
            label=plain(seen.candidate.label),
            smiles=find_smiles(goal, seen.candidate),
            settings=settings_of(goal, seen.candidate),
            values=tuple(
                CandidateValue(
                    property=plain(o.property),
                    text=figures.quantity(seen.values[o.property]),
                    met=None if o.low is None and o.high is None else meets(o, seen.values[o.property].value),
                )
                for o in goal.objectives
            ),
            feasible=merit.feasible,
            meets_goal=is_met(reading, seen),
            pareto=i in front,
            hypothesis=reading.hypothesis_of(seen),
            experiments=reading.sources(seen.candidate.id),
        )
        for i, (merit, seen) in enumerate(reading.rated[:SHOWN])
    )


def _fronts(reading: Reading) -> tuple[Scatter, ...]:
    goal = reading.goal
    rows = [{name: q.value for name, q in seen.values.items()} for _, seen in reading.rated]
    front = set(pareto_front(goal, rows))
    return tuple(
        Scatter(
            x=plain(x.property),
            x_unit=x.unit,
            y=plain(y.property),
            y_unit=y.unit,
            points=tuple(
                ScatterPoint(rows[i][x.property], rows[i][y.property], merit.feasible, i in front)
                for i, (merit, _) in enumerate(reading.rated)
            ),
        )
        for x, y in combinations(goal.optimised, 2)
        if rows
    )


def _agreements(record: CampaignRecord) -> tuple[Agreement, ...]:
    rows = []
    for objective in record.goal.objectives:
        judged = [v for v in record.verdicts if v.property == objective.property]
        points = tuple(
            PredictedPoint(
                hypothesis=v.hypothesis,
                experiment=v.experiment,
                expected=v.expected.value,
                std=v.expected.std or 0.0,
                observed=v.observed.value,
                outcome=v.outcome,
            )
            for v in judged
            if v.observed is not None
        )
        if points:
            unit = next(v.expected.unit for v in judged)
            rows.append(Agreement(plain(objective.property), unit, points, calibration(judged)))
    return tuple(rows)


def _count(verdicts: Sequence[Verdict], outcome: Outcome) -> int:
    return sum(1 for v in verdicts if v.outcome is outcome)


def _failures(record: CampaignRecord) -> tuple[Failure, ...]:
    return tuple(
        Failure(name, plain(e.experiment.candidate.label), plain(e.failed))
        for name, e in record.experiments.items()
        if e.finished and e.failed
    )


def _refusals(record: CampaignRecord) -> tuple[Failure, ...]:
    return tuple(
        Failure(name, plain(e.experiment.candidate.label), plain(e.refused))
        for name, e in record.experiments.items()
        if e.allowed is False
    )


def _recall(reading: Reading) -> Recall:
    record = reading.record
    assert record.started is not None
    return Recall(
        allowed=record.started.recall,
        items=len({name for r in record.recalls.values() for name in r.items}),
        candidates=len({o.candidate.id for r in record.recalls.values() for o in r.observations}),
        cached_calls=sum(1 for e in record.experiments.values() for r in e.results if r.cached),
        best=recalled_best(reading),
    )


def _spending(reading: Reading) -> Spending:
    record = reading.record
    counted = reading.budgeted
    entries = list(record.experiments.values())
    states = [state_of(e) for e in counted]
    results = [r for e in entries for r in e.results]
    tools = []
    for tool in sorted({r.call.tool for r in results}):
        calls = [r for r in results if r.call.tool == tool]
        tools.append(
            ToolUse(
                tool=plain(tool),
                calls=len(calls),
                cached=sum(r.cached for r in calls),
                failed=sum(not r.ok for r in calls),
                seconds=sum(r.wall_s for r in calls if not r.cached),
            )
        )
    return Spending(
        used=record.experiments_used,
        allowed=record.goal.budget.experiments,
        seconds=record.finished.spent_s if record.finished else record.spent_s,
        seconds_allowed=record.goal.budget.seconds,
        measured=states.count("done"),
        failed=states.count("failed"),
        open=len(states) - states.count("done") - states.count("failed"),
        refused=sum(1 for e in entries if e.allowed is False),
        cached=sum(1 for e in entries if e.results and all(r.cached for r in e.results)),
        confirmation=sum(1 for e in entries if e.experiment.purpose is Purpose.CONFIRM),
        tools=tuple(tools),
    )


def _iterations(reading: Reading) -> tuple[IterationRow, ...]:
    record = reading.record
    rows = []
    for i, plan in record.plans.items():
        verdicts = record.judgements[i].verdicts if i in record.judgements else ()
        supported, refuted = _count(verdicts, Outcome.SUPPORTED), _count(verdicts, Outcome.REFUTED)
        decision = record.decisions.get(i)
        rows.append(
            IterationRow(
                iteration=i + 1,
                hypotheses=len(plan.hypotheses),
                experiments=len(record.gates[i].allowed) if i in record.gates else 0,
                supported=supported,
                refuted=refuted,
                undecided=len(verdicts) - supported - refuted,
                best=reading.find_label(decision.best) if decision else "",
                decision=plain(decision.reason) if decision else "",
            )
        )
    return tuple(rows)


def _environment(record: CampaignRecord, verification: Mapping[str, str]) -> Environment:
    assert record.started is not None
    attested: Mapping[str, Any] = record.started.sandbox
    return Environment(
        backend=plain(attested.get("backend", "")),
        checks=tuple((plain(name), bool(kept)) for name, kept in dict(attested.get("checks") or {}).items()),
        mechanisms=tuple(
            (plain(name), plain(how)) for name, how in dict(attested.get("mechanisms") or {}).items()
        ),
        degraded=tuple(
            (plain(name), plain(why)) for name, why in dict(attested.get("degraded") or {}).items()
        ),
        used=tuple(
            sorted({plain(r.sandbox) for e in record.experiments.values() for r in e.results if r.sandbox})
        ),
        versions=tuple((plain(name), plain(v)) for name, v in record.started.versions.items()),
        verification=tuple((plain(name), plain(found)) for name, found in verification.items()),
    )
