"""The records behind a report, row by row, so that a citation leads somewhere."""

from novum.core.calls import ToolResult
from novum.core.events import ConfirmationPlanned, Hypothesised
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import Hypothesis, Verdict
from novum.workflows.reporting import figures
from novum.workflows.reporting.figures import plain
from novum.workflows.reporting.report import CallRow, ExperimentRow, HypothesisRow, PredictionRow

CLOSED = "left out: the model was told what is not public, and may repeat it"
"""Stands in place of the words of a model that was told such things."""

SHORT_DIGEST = 16
"""Digits of a registration's digest that a table shows."""


def hypothesis_rows(record: CampaignRecord) -> tuple[HypothesisRow, ...]:
    """Return every hypothesis with its predictions, what would refute them, and the verdicts."""
    verdicts: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in [*record.verdicts, *record.sealed_verdicts]:
        verdicts.setdefault((verdict.hypothesis, verdict.property), []).append(verdict)
    plans: list[Hypothesised | ConfirmationPlanned] = [*record.plans.values()]
    if record.confirmation:
        plans.append(record.confirmation)
    return tuple(
        _hypothesis_row(h, plan.registrations.get(h.id, ""), verdicts, rationale=_rationale(h, record))
        for plan in plans
        for h in plan.hypotheses
    )


def experiment_rows(record: CampaignRecord) -> tuple[ExperimentRow, ...]:
    """Return every experiment with its calls and what they measured."""
    return tuple(_experiment_row(e, record) for e in record.experiments.values())


def state_of(entry: ExperimentRecord) -> str:
    """Return how an experiment stands, in a word or two."""
    if entry.allowed is False:
        return "refused"
    if entry.finished:
        return "failed" if entry.failed else "done"
    if entry.allowed is None:
        return "planned"
    return "waiting for a person" if entry.experiment.manual else "not finished"


def _rationale(h: Hypothesis, record: CampaignRecord) -> str:
    """Return why a hypothesis was made, unless a model says so that was told what is not public."""
    own = record.started is not None and h.source == record.started.planner
    return (
        CLOSED
        if h.rationale and own and record.was_told_closed(f"hypothesise/{h.iteration}")
        else h.rationale
    )


def _hypothesis_row(
    h: Hypothesis, registration: str, verdicts: dict[tuple[str, str], list[Verdict]], *, rationale: str
) -> HypothesisRow:
    rows = []
    for p in h.predictions:
        expected, rule = figures.quantity(p.expected), figures.rule(p.rule)
        found = verdicts.get((h.id, p.property), [])
        if not found:
            rows.append(PredictionRow(plain(p.property), expected, rule, "", "not judged", "", "", ""))
        rows += [
            PredictionRow(
                property=plain(p.property),
                expected=expected,
                rule=rule,
                experiment=v.experiment,
                outcome=v.outcome.value.replace("_", " "),
                observed=figures.quantity(v.observed) if v.observed else "",
                statistic="" if v.statistic is None else f"{v.statistic:+.2f}",
                reason=plain(v.reason),
            )
            for v in found
        ]
    return HypothesisRow(
        id=h.id,
        iteration=h.iteration,
        source=plain(h.source),
        label=plain(h.candidate.label),
        statement=plain(h.statement),
        rationale=plain(rationale),
        p_goal="" if h.p_goal is None else f"{100 * h.p_goal:.0f} %",
        registration=plain(registration)[:SHORT_DIGEST],
        cites=tuple(plain(c) for c in h.cites),
        predictions=tuple(rows),
    )


def _experiment_row(entry: ExperimentRecord, record: CampaignRecord) -> ExperimentRow:
    experiment = entry.experiment
    told = record.told.get(experiment.id)
    results = list(entry.results)
    calls = [_call_row(r) for r in results]
    # Calls behind a failed one have no result; what was planned is shown all the same.
    calls += [
        CallRow(plain(c.tool), figures.settings(c.arguments), c.seed, "not run", "", False, "")
        for c in experiment.calls[len(results) :]
    ]
    return ExperimentRow(
        id=experiment.id,
        purpose=experiment.purpose,
        hypothesis=experiment.hypothesis,
        label=plain(experiment.candidate.label),
        state=state_of(entry),
        reason=plain(entry.refused or entry.failed),
        measurements=tuple(
            (
                plain(m.property),
                figures.quantity(m.quantity),
                f"{plain(m.method)}, {m.origin.value}",
            )
            for m in entry.measurements
        ),
        calls=tuple(calls),
        by=plain(told.by) if told else "",
    )


def _call_row(r: ToolResult) -> CallRow:
    tool = plain(r.call.tool) + (f"@{plain(r.tool_version)}" if r.tool_version else "")
    return CallRow(
        tool=tool,
        arguments=figures.settings(r.call.arguments),
        seed=r.call.seed,
        status=r.status.value,
        seconds=figures.duration(r.wall_s),
        cached=r.cached,
        message=plain("; ".join([r.message, *r.warnings] if r.message else r.warnings)),
    )
