"""Whole pages for the terminal: a campaign, one of its records, a tool."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from novum.cli import render
from novum.core.calls import Reached, ToolResult, ToolSpec
from novum.core.events import ModelUsed
from novum.core.judgement import calibration, pareto_front
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import (
    Claim,
    ConfirmedValue,
    Hypothesis,
    Measurement,
    Observation,
    Prediction,
    Verdict,
)


def compare(arms: Mapping[str, CampaignRecord]) -> RenderableType:
    """Return what each arm of a comparison found with what it used."""
    rows = []
    for name, record in arms.items():
        seen = render.find_best(record)
        rows.append(
            (
                name,
                record.started.planner if record.started else "",
                record.experiments_used,
                render.label(seen.candidate.label) if seen else "",
                render.values(seen.values, record.goal) if seen else "none",
            )
        )
    return render.table(
        ("arm", "planner", "experiments>", "best", "values"), rows, title="Against the control arm"
    )


def overview(
    record: CampaignRecord,
    *,
    state: str,
    control: str | None,
    scales: Mapping[str, float] | None = None,
) -> RenderableType:
    """Return a campaign on one page.

    Args:
        record: the campaign.
        state: where it stands, in a word.
        control: its control arm.
        scales: property → width over which it varies usefully; None takes them from the goal's bounds.
    """
    assert record.started is not None
    started, goal = record.started, record.goal
    tested = calibration(record.verdicts)
    head = render.fields(
        [
            ("campaign", render.line(render.text(started.campaign, "bold"), f"  {state}")),
            ("title", goal.title),
            ("goal", str(goal)),
            ("space", render.describe_space(goal.space)),
            ("planner", f"{started.planner}, seed {goal.seed}{'' if started.recall else ', without recall'}"),
            ("model", model(started.model)),
            ("closed", closed(record)),
            ("tools", ", ".join(f"{name} by {tool}" for name, tool in started.tools.items())),
            ("sandbox", sandbox(started.sandbox)),
            ("control of", started.parent),
            ("control arm", control),
            ("budget", render.budget(record)),
            ("best", render.best(record)),
            ("front", front(record)),
            ("verdicts", render.counts(record.verdicts)),
            ("noise floor", render.noise(record.noise)),
            (
                "calibration",
                tested
                and f"{tested.coverage:.0%} of {tested.n} predictions inside their {tested.level:.0%} "
                f"interval, rms z {tested.rms_z:.2f}",
            ),
            ("ended", record.finished.reason if record.finished else None),
        ]
    )
    parts: list[RenderableType] = [head]
    if record.plans:
        parts.append(iterations(record))
    if started.model is not None:
        parts.append(proposers(record, scales))
    parts += [claim_table(record)] if record.claims else []
    return Group(*parts)


def closed(record: CampaignRecord) -> str | None:
    """Return that the ledger holds words that are not public, where it does."""
    n = len(record.closed_passages)
    return f"the ledger holds the words of {n} recalled passages that are not public" if n else None


def model(used: ModelUsed | None) -> str | None:
    """Return whom the planner asks, and whether what it is told leaves this machine."""
    return None if used is None else f"{used.name}, {'remote' if used.remote else 'on this machine'}"


def proposers(record: CampaignRecord, scales: Mapping[str, float] | None) -> RenderableType:
    """Return what the model and the optimiser contributed, and how the last plans came about."""
    from novum.workflows.contributions import contributions, rivalry
    from novum.workflows.reporting.reading import scales_from_goal

    assert record.started is not None
    widths = dict(scales) if scales is not None else scales_from_goal(record.goal)
    rows = [
        (
            c.source,
            c.proposed,
            c.ran,
            c.failed,
            c.held,
            c.refuted,
            c.undecided,
            render.line(
                render.label(c.best.candidate.label), f"  {render.values(c.best.values, record.goal)}"
            )
            if c.best
            else "",
            render.number(c.reward),
        )
        for c in contributions(record, widths)
    ]
    columns = (
        "source",
        "proposed>",
        "ran>",
        "failed>",
        "held>",
        "refuted>",
        "undecided>",
        "best",
        "reward>",
    )
    compared = rivalry(record, widths, model=record.started.planner, optimizer="optimizer")
    turns = [
        (i, d.turn.value, ", ".join(f"{name} {n}" for name, n in d.slots.items()), d.filled, d.note)
        for i, d in record.deliberations.items()
    ]
    return Group(
        render.table(columns, rows, title="Sources of hypotheses"),
        render.fields(
            [
                (
                    "better",
                    f"the model's best in {compared.model_ahead}, the optimiser's in "
                    f"{compared.optimizer_ahead} of {compared.both} iterations with both, by "
                    f"{compared.model_candidates} against {compared.optimizer_candidates} candidates",
                ),
                (
                    "nearer",
                    f"the model's number in {compared.model_nearer}, the surrogate's in "
                    f"{compared.surrogate_nearer} of {compared.same_candidates} predictions of its",
                ),
                ("displaced", f"{compared.displaced} candidates that the optimiser alone would have tested"),
            ]
        ),
        render.table(("iteration>", "model", "experiments", "filled>", "note"), turns, title="The model"),
    )


def best_of(seen: Observation | None, record: CampaignRecord) -> Text:
    """Return a candidate with its values; nothing where there is none."""
    if seen is None:
        return Text("")
    return render.line(render.label(seen.candidate.label), f"  {render.values(seen.values, record.goal)}")


def sandbox(attested: Mapping[str, Any]) -> str | None:
    """Return the sandbox that a campaign began in, and whether it promised less than others do."""
    backend = attested.get("backend")
    lacks = ", ".join(attested.get("degraded") or {})
    return f"{backend}, degraded: it does not promise {lacks}" if backend and lacks else backend


def front(record: CampaignRecord) -> str | None:
    """Return the candidates that nothing beats, where several things are optimised."""
    if len(record.goal.optimised) < 2:
        return None
    seen = [o for o in record.observations() if not o.failed]
    rows = [{name: q.value for name, q in o.values.items()} for o in seen]
    chosen = [seen[i].source for i in pareto_front(record.goal, rows)]
    more = f" and {len(chosen) - 12} more" if len(chosen) > 12 else ""
    return f"{len(chosen)} not dominated: {', '.join(chosen[:12])}{more}" if chosen else None


def iterations(record: CampaignRecord) -> RenderableType:
    """Return one row for each iteration."""
    rows = []
    for number_, plan in record.plans.items():
        entries = [e for e in record.experiments.values() if e.iteration == number_]
        judged, decided = record.judgements.get(number_), record.decisions.get(number_)
        rows.append(
            (
                number_,
                len(record.recalls[number_].observations) if number_ in record.recalls else 0,
                len(plan.hypotheses),
                f"{sum(e.finished for e in entries)}/{len(entries)}",
                sum(bool(e.failed) for e in entries),
                render.counts(judged.verdicts) if judged else "",
                decided.reason if decided else "",
            )
        )
    columns = ("iteration>", "recalled>", "hypotheses>", "finished>", "failed>", "verdicts", "decision")
    return render.table(columns, rows, title="Iterations")


def claim_table(record: CampaignRecord) -> RenderableType:
    """Return one row for each claim."""
    rows = [
        (c.id, render.outcome(c.status), render.label(c.candidate.label), c.reason, ", ".join(c.evidence))
        for c in record.claims.values()
    ]
    return render.table(("claim", "status", "candidate", "reason", "evidence"), rows, title="Claims")


def findings(record: CampaignRecord) -> RenderableType:
    """Return what a finished campaign claims, with the check of every number."""
    if not record.claims:
        reason = record.confirmation.reason if record.confirmation else "nothing was measured"
        return render.line(Text("No finding: ", "bold yellow"), reason)
    return Group(*(claim(c) for c in record.claims.values()))


def claim(found: Claim) -> RenderableType:
    """Return one claim: statement, status, every value as won and as confirmed, evidence."""
    failed = [name for name, passed in found.sanity.items() if not passed]
    checks = f"{len(found.sanity) - len(failed)} of {len(found.sanity)} passed" if found.sanity else ""
    head = render.line(
        render.text(f"{found.id} ", "bold"), render.outcome(found.status), "  ", found.statement
    )
    columns = ("property", "won", "confirmed", "by", "change>", "holds", "records")
    return Group(
        head,
        Padding(render.table(columns, [confirmed_row(v) for v in found.values]), (0, 0, 0, 2), expand=False),
        Padding(
            render.fields(
                [
                    ("reason", found.reason),
                    ("candidate", f"{found.candidate.label}  {found.candidate.id}"),
                    ("evidence", ", ".join((found.hypothesis, *found.evidence))),
                    ("sanity checks", f"{checks}; failed: {', '.join(failed)}" if failed else checks),
                ]
            ),
            (0, 0, 1, 2),
            expand=False,
        ),
    )


def confirmed_row(value: ConfirmedValue) -> tuple[object, ...]:
    """Return the cells of one confirmed value."""
    held = {True: Text("yes", "green"), False: Text("no", "red"), None: Text("not checked", "yellow")}
    method = f"{value.method} (independent)" if value.independent else value.method
    return (
        value.property,
        value.winning,
        value.confirmed or "",
        method,
        render.number(value.shrinkage, value.winning.unit),
        held[value.holds],
        ", ".join(value.evidence),
    )


def hypothesis(found: Hypothesis, record: CampaignRecord) -> RenderableType:
    """Return a hypothesis with its registration, its predictions and what became of them."""
    verdicts = {v.property: v for v in render.record_verdicts(record) if v.hypothesis == found.id}
    runs = [e.experiment.id for e in record.experiments.values() if e.experiment.hypothesis == found.id]
    head = render.fields(
        [
            ("hypothesis", render.text(found.id, "bold")),
            ("statement", found.statement),
            ("rationale", found.rationale),
            ("by", f"{found.source}, iteration {found.iteration}"),
            ("candidate", f"{found.candidate.label}  {found.candidate.id}"),
            ("meets goal", None if found.p_goal is None else f"with probability {found.p_goal:.3g}"),
            ("registered", f"sha256 {found.registration()}"),
            ("experiments", ", ".join(runs)),
            ("cites", ", ".join(found.cites)),
            *considered(found, record),
        ]
    )
    rows = [prediction_row(p, verdicts.get(p.property)) for p in found.predictions]
    columns = ("property", "predicted", "allowed", "level>", "observed", "z>", "verdict", "why")
    return Group(head, render.table(columns, rows, title="Predictions"))


def considered(found: Hypothesis, record: CampaignRecord) -> list[tuple[str, str]]:
    """Return what the surrogate and the critic said of a hypothesis that a model proposed."""
    deliberation = record.deliberations.get(found.iteration)
    contender = (
        next((c for c in deliberation.contenders if c.became == found.id), None) if deliberation else None
    )
    if contender is None:
        return []
    rows = [("surrogate", render.predictions(contender.surrogate))] if contender.surrogate else []
    for o in contender.objections:
        ground = o.ground.value.replace("_", " ")
        said = f"{o.text} ({'upheld' if o.upheld else 'not upheld'}: {o.answer})"
        rows.append(("objection", f"{ground}: {said}"))
    return rows


def prediction_row(prediction: Prediction, verdict: Verdict | None) -> tuple[object, ...]:
    """Return the cells of one prediction and its verdict."""
    level = f"{prediction.rule.level:.0%}"
    start = (prediction.property, prediction.expected, render.rule(prediction.rule), level)
    if verdict is None:
        return (*start, "", "", Text("not judged", "dim"), "")
    return (
        *start,
        verdict.observed,
        render.number(verdict.statistic),
        render.outcome(verdict.outcome),
        verdict.reason,
    )


def experiment(entry: ExperimentRecord, record: CampaignRecord) -> RenderableType:
    """Return an experiment with its calls, results and measurements."""
    planned = entry.experiment
    head = render.fields(
        [
            (
                "experiment",
                render.line(render.text(planned.id, "bold"), f"  {render.experiment_state(entry)}"),
            ),
            ("purpose", f"{planned.purpose.value}{', sealed from the planner' if planned.sealed else ''}"),
            ("hypothesis", planned.hypothesis),
            ("iteration", str(entry.iteration)),
            ("candidate", f"{planned.candidate.label}  {planned.candidate.id}"),
            ("planned cost", render.duration(planned.nominal_cost_s)),
            ("attempts", str(entry.attempts)),
            ("by hand", ", ".join(planned.manual)),
            ("failed", render.text(entry.failed, "red") if entry.failed else None),
            ("refused", entry.refused),
        ]
    )
    parts: list[RenderableType] = [head]
    if entry.measurements:
        parts.append(measurement_table(entry.measurements))
    if entry.results:
        parts += [Text("\nCalls", "bold"), *(result(r) for r in entry.results)]
    judged = [v for v in render.record_verdicts(record) if v.experiment == planned.id]
    if judged:
        parts.append(verdict_table(judged))
    return Group(*parts)


def measurement_table(measured: Iterable[Measurement]) -> RenderableType:
    """Return measurements with their origin."""
    rows = [(m.property, m.quantity, m.tool, m.method, m.origin.value, m.call_key[:12]) for m in measured]
    return render.table(("property", "value", "tool", "method", "origin", "call"), rows, title="Measurements")


def verdict_table(judged: Iterable[Verdict]) -> RenderableType:
    """Return verdicts with the numbers that they rest on."""
    rows = [
        (
            v.hypothesis,
            v.property,
            v.expected,
            v.observed,
            render.number(v.noise, v.expected.unit),
            render.number(v.statistic),
            render.number(v.threshold),
            render.outcome(v.outcome),
            v.reason,
        )
        for v in judged
    ]
    columns = (
        "hypothesis",
        "property",
        "expected",
        "observed",
        "noise>",
        "z>",
        "|z| limit>",
        "verdict",
        "why",
    )
    return render.table(columns, rows, title="Verdicts")


def result(found: ToolResult) -> RenderableType:
    """Return the result of a tool call."""
    status = render.text(found.status.value, "green" if found.ok else "red")
    used = (
        f"{render.duration(found.wall_s)}, cpu {render.duration(found.cpu_s)}, {found.peak_memory_mb:.0f} MB"
    )
    arguments = ", ".join(f"{name}={value}" for name, value in found.call.arguments.items())
    return render.fields(
        [
            ("tool", render.line(f"{found.call.tool}@{found.tool_version}  ", status)),
            ("arguments", f"{arguments}; seed {found.call.seed}"),
            *((name, str(quantity)) for name, quantity in found.properties.items()),
            ("message", render.text(found.message, "red") if found.message else None),
            ("warnings", "\n".join(found.warnings)),
            ("details", "\n".join(f"{name}: {value}" for name, value in found.details.items())),
            ("artifacts", "\n".join(f"{a.name} {a.size} bytes sha256 {a.sha256}" for a in found.artifacts)),
            ("network", "\n".join(map(reached, found.network))),
            ("method", f"{found.method}, {found.backend}"),
            ("ran", f"from the cache; {used} then" if found.cached else f"in {found.sandbox}, {used}"),
            ("call key", found.key),
        ]
    )


def reached(attempt: Reached) -> str:
    """Return one try of a call to reach a host."""
    went = f"{attempt.sent} bytes out, {attempt.received} in" if attempt.allowed else "refused"
    return f"{attempt.host}:{attempt.port} {went}" + (f": {attempt.reason}" if attempt.reason else "")


def candidate(name: str, record: CampaignRecord) -> RenderableType:
    """Return everything that a campaign says about one candidate."""
    about = [h for h in record.hypotheses.values() if h.candidate.id == name]
    entries = [e for e in record.experiments.values() if e.experiment.candidate.id == name]
    seen = next((o for o in record.observations() if o.candidate.id == name), None)
    point = seen.candidate if seen else about[0].candidate
    head = render.fields(
        [
            ("candidate", render.text(point.label, "bold cyan")),
            ("id", point.id),
            ("arguments", ", ".join(f"{key}={value}" for key, value in point.arguments.items())),
            ("values", render.values(seen.values, record.goal) if seen else None),
            ("source", f"{seen.source}{', recalled' if seen.recalled else ''}" if seen else None),
            ("failed", seen.failed if seen else None),
        ]
    )
    predicted = [(h.id, h.source, render.predictions(h), h.statement) for h in about]
    ran = [
        (
            e.experiment.id,
            e.experiment.purpose.value,
            render.experiment_state(e),
            render.values({m.property: m.quantity for m in e.measurements}) or e.failed or e.refused,
        )
        for e in entries
    ]
    return Group(
        head,
        render.table(("hypothesis", "by", "predicted", "statement"), predicted, title="Hypotheses"),
        render.table(("experiment", "purpose", "state", "measured"), ran, title="Experiments"),
    )


def tool(spec: ToolSpec, *, availability: str) -> RenderableType:
    """Return a tool with its arguments and properties."""
    required = set(spec.parameters.get("required", ()))
    arguments = [
        (
            name,
            schema_type(schema),
            schema.get("x-unit", ""),
            "required" if name in required else f"default {schema.get('default')!r}",
            schema.get("description", ""),
        )
        for name, schema in spec.parameters.get("properties", {}).items()
    ]
    measured = [
        (
            p.name,
            p.unit,
            render.number(p.low, p.unit),
            render.number(p.high, p.unit),
            render.number(p.error, p.unit),
            p.description,
        )
        for p in spec.properties
    ]
    seeded = "depends on the seed" if spec.stochastic_in_seed else "does not depend on the seed"
    return Group(
        render.fields(
            [
                ("tool", render.text(f"{spec.name}@{spec.version}", "bold")),
                ("", None),
                ("description", spec.description),
                ("method", spec.method),
                ("state", availability),
                ("usual cost", render.duration(spec.nominal_cost_s)),
                ("limits", f"{render.duration(spec.timeout_s)}, {spec.memory_mb} MB"),
                ("repeats", f"{'deterministic' if spec.deterministic else 'not deterministic'}, {seeded}"),
                ("source", spec.source),
                ("code", spec.code_hash),
            ]
        ),
        render.table(("argument", "type", "unit", "default", "description"), arguments, title="Arguments"),
        render.table(
            ("property", "unit", "least>", "most>", "method error>", "description"),
            measured,
            title="Properties",
        ),
    )


def schema_type(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema's type for people.

    Example:
        >>> schema_type({"anyOf": [{"type": "string"}, {"type": "null"}]})
        'string or null'
    """
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(schema_type(one) for one in schema["anyOf"])
    return str(schema.get("type", schema.get("const", "any")))
