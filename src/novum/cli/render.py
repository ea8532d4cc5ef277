"""Core values → what a terminal shows.

All text that comes from goals, tools, files and stores passes through `text`, which makes control
characters visible and never reads markup in it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from novum.core.calls import ToolResult, ToolSpec
from novum.core.goals import Goal, Objective
from novum.core.judgement import calibration, pareto_front
from novum.core.knowledge import KnowledgeItem
from novum.core.quantity import DIMENSIONLESS, Quantity
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import (
    Claim,
    ClaimStatus,
    ConfirmedValue,
    Hypothesis,
    Measurement,
    Observation,
    Outcome,
    Prediction,
    Verdict,
)
from novum.core.spaces import MoleculeSpace, ParameterSpace, PoolSpace, Space
from novum.sandbox.text import clean_text

LABEL_LIMIT = 60
"""Characters of a candidate's label in a table or a line."""

STYLES = {
    Outcome.SUPPORTED: "green",
    Outcome.REFUTED: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.OUT_OF_DOMAIN: "magenta",
    ClaimStatus.CONFIRMED: "bold green",
    ClaimStatus.NOT_CONFIRMED: "bold red",
    ClaimStatus.UNCONFIRMED: "bold yellow",
}


def text(value: object, style: str = "", *, limit: int | None = None) -> Text:
    """Return `value` as text that only shows: no control character acts, no markup is read.

    Example:
        >>> text("[red]\\x1b[2J").plain
        '[red]\\\\x1b[2J'
    """
    return Text(clean_text(str(value), limit=limit), style)


def line(*parts: Text | str) -> Text:
    """Return parts joined into one line; plain strings are our own words or pass through `text`."""
    joined = Text()
    for part in parts:
        joined.append_text(part if isinstance(part, Text) else text(part))
    return Text(" ").join(joined.split("\n")) if "\n" in joined.plain else joined


def fields(pairs: Iterable[tuple[str, RenderableType | object | None]]) -> Table:
    """Return names with their values, one a row; what is None or empty is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value is None or value == "":
            continue
        grid.add_row(text(name), value if isinstance(value, Text | Table | Group) else text(value))
    return grid


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> RenderableType:
    """Return a table; columns that end in ``>`` are numbers and stand to the right."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        made.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(
            *(cell if isinstance(cell, Text) else text("" if cell is None else cell) for cell in row)
        )
    return Group(Text(""), Text(title, "bold"), made) if title else made


def label(name: str) -> Text:
    """Return a candidate's label, short enough for a line."""
    return text(name.replace("\n", " "), "cyan", limit=LABEL_LIMIT)


def outcome(value: Outcome | ClaimStatus) -> Text:
    """Return an outcome or a status in its colour."""
    return text(value.value.replace("_", " "), STYLES[value])


def number(value: float | None, unit: str = DIMENSIONLESS) -> str:
    """Return a bare number with its unit; empty where there is none."""
    if value is None:
        return ""
    return f"{value:.4g}" + ("" if unit == DIMENSIONLESS else f" {unit}")


def duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> duration(0.42), duration(75), duration(7325)
        ('0.4 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def values(quantities: Mapping[str, Quantity], goal: Goal | None = None) -> str:
    """Return quantities by name, in the goal's order and units where one is given."""
    shown = dict(quantities)
    if goal is not None:
        shown = {
            o.property: quantities[o.property].to(o.unit) for o in goal.objectives if o.property in quantities
        }
    return ", ".join(f"{name} {quantity}" for name, quantity in shown.items())


def predictions(hypothesis: Hypothesis) -> str:
    """Return what a hypothesis predicts, one quantity after the other."""
    return values({p.property: p.expected for p in hypothesis.predictions})


def counts(verdicts: Iterable[Verdict]) -> Text:
    """Return how often each outcome was reached."""
    found = Counter(v.outcome for v in verdicts)
    parts = [text(f"{found[o]} {o.value.replace('_', ' ')}", STYLES[o]) for o in Outcome if found[o]]
    return Text(", ").join(parts) if parts else Text("none")


def noise(floors: Mapping[str, Quantity]) -> str:
    """Return noise floors: one standard deviation of a repetition, by property."""
    return ", ".join(f"{name} ± {quantity}" for name, quantity in floors.items())


def describe_space(space: Space) -> str:
    """Return a search space in a line."""
    match space:
        case MoleculeSpace():
            start = f", {len(space.start)} to start from" if space.start else ""
            return (
                f"molecules of {', '.join(space.elements)} with {space.min_heavy_atoms} to "
                f"{space.max_heavy_atoms} heavy atoms{start}"
            )
        case PoolSpace():
            return f"pool of {len(space.rows)} candidates from {space.source or 'a table'}"
        case ParameterSpace():
            return "parameters " + ", ".join(p.name for p in space.parameters)


def find_best(record: CampaignRecord) -> Observation | None:
    """Return the best observation so far, as the latest decision named it."""
    named = next((d.best for d in reversed(record.decisions.values()) if d.best), None)
    if named is None:
        return None
    return next((o for o in record.observations() if o.candidate.id == named), None)


def best(record: CampaignRecord) -> Text | None:
    """Return the best so far with its values and the record they come from."""
    seen = find_best(record)
    if seen is None:
        return None
    source = f"  ({seen.source}{', recalled' if seen.recalled else ''})" if seen.source else ""
    return line(label(seen.candidate.label), "  ", values(seen.values, record.goal), text(source, "dim"))


def budget(record: CampaignRecord) -> str:
    """Return what is used and what is left."""
    limits = record.goal.budget
    used = f"{record.experiments_used} of {limits.experiments} experiments"
    spent = record.finished.spent_s if record.finished else record.spent_s
    if limits.seconds is None:
        return f"{used}, {duration(spent)}"
    return f"{used}, {duration(spent)} of {duration(limits.seconds)}"


def overview(record: CampaignRecord, *, state: str, control: str | None) -> RenderableType:
    """Return a campaign on one page."""
    assert record.started is not None
    started, goal = record.started, record.goal
    tested = calibration(record.verdicts)
    head = fields(
        [
            ("campaign", line(text(started.campaign, "bold"), f"  {state}")),
            ("title", goal.title),
            ("goal", str(goal)),
            ("space", describe_space(goal.space)),
            ("planner", f"{started.planner}, seed {goal.seed}{'' if started.recall else ', without recall'}"),
            ("tools", ", ".join(f"{name} by {tool}" for name, tool in started.tools.items())),
            ("sandbox", started.sandbox.get("backend")),
            ("control of", started.parent),
            ("control arm", control),
            ("budget", budget(record)),
            ("best", best(record)),
            ("front", front(record)),
            ("verdicts", counts(record.verdicts)),
            ("noise floor", noise(record.noise)),
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
    parts += [claim_table(record)] if record.claims else []
    return Group(*parts)


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
                counts(judged.verdicts) if judged else "",
                decided.reason if decided else "",
            )
        )
    columns = ("iteration>", "recalled>", "hypotheses>", "finished>", "failed>", "verdicts", "decision")
    return table(columns, rows, title="Iterations")


def claim_table(record: CampaignRecord) -> RenderableType:
    """Return one row for each claim."""
    rows = [
        (c.id, outcome(c.status), label(c.candidate.label), c.reason, ", ".join(c.evidence))
        for c in record.claims.values()
    ]
    return table(("claim", "status", "candidate", "reason", "evidence"), rows, title="Claims")


def findings(record: CampaignRecord) -> RenderableType:
    """Return what a finished campaign claims, with the check of every number."""
    if not record.claims:
        reason = record.confirmation.reason if record.confirmation else "nothing was measured"
        return line(Text("No finding: ", "bold yellow"), reason)
    return Group(*(claim(c) for c in record.claims.values()))


def claim(found: Claim) -> RenderableType:
    """Return one claim: statement, status, every value as won and as confirmed, evidence."""
    failed = [name for name, passed in found.sanity.items() if not passed]
    checks = f"{len(found.sanity) - len(failed)} of {len(found.sanity)} passed" if found.sanity else ""
    head = line(text(f"{found.id} ", "bold"), outcome(found.status), "  ", found.statement)
    columns = ("property", "won", "confirmed", "by", "shrinkage>", "holds", "records")
    return Group(
        head,
        Padding(table(columns, [confirmed_row(v) for v in found.values]), (0, 0, 0, 2)),
        Padding(
            fields(
                [
                    ("reason", found.reason),
                    ("candidate", f"{found.candidate.label}  {found.candidate.id}"),
                    ("evidence", ", ".join((found.hypothesis, *found.evidence))),
                    ("sanity checks", f"{checks}; failed: {', '.join(failed)}" if failed else checks),
                ]
            ),
            (0, 0, 1, 2),
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
        number(value.shrinkage, value.winning.unit),
        held[value.holds],
        ", ".join(value.evidence),
    )


def hypothesis(found: Hypothesis, record: CampaignRecord) -> RenderableType:
    """Return a hypothesis with its registration, its predictions and what became of them."""
    verdicts = {v.property: v for v in record_verdicts(record) if v.hypothesis == found.id}
    runs = [e.experiment.id for e in record.experiments.values() if e.experiment.hypothesis == found.id]
    head = fields(
        [
            ("hypothesis", text(found.id, "bold")),
            ("statement", found.statement),
            ("rationale", found.rationale),
            ("by", f"{found.source}, iteration {found.iteration}"),
            ("candidate", f"{found.candidate.label}  {found.candidate.id}"),
            ("meets goal", None if found.p_goal is None else f"with probability {found.p_goal:.3g}"),
            ("registered", f"sha256 {found.registration()}"),
            ("experiments", ", ".join(runs)),
            ("cites", ", ".join(found.cites)),
        ]
    )
    rows = [prediction_row(p, verdicts.get(p.property)) for p in found.predictions]
    columns = ("property", "predicted", "rule", "level>", "observed", "z>", "verdict", "why")
    return Group(head, table(columns, rows, title="Predictions"))


def prediction_row(prediction: Prediction, verdict: Verdict | None) -> tuple[object, ...]:
    """Return the cells of one prediction and its verdict."""
    rule = f"{prediction.rule.level:.0%}"
    start = (prediction.property, prediction.expected, prediction.rule, rule)
    if verdict is None:
        return (*start, "", "", Text("not judged", "dim"), "")
    return (*start, verdict.observed, number(verdict.statistic), outcome(verdict.outcome), verdict.reason)


def record_verdicts(record: CampaignRecord) -> list[Verdict]:
    """Return every verdict, those of the sealed check included."""
    return [*record.verdicts, *record.sealed_verdicts]


def experiment(entry: ExperimentRecord, record: CampaignRecord) -> RenderableType:
    """Return an experiment with its calls, results and measurements."""
    planned = entry.experiment
    head = fields(
        [
            ("experiment", line(text(planned.id, "bold"), f"  {experiment_state(entry)}")),
            ("purpose", f"{planned.purpose.value}{', sealed from the planner' if planned.sealed else ''}"),
            ("hypothesis", planned.hypothesis),
            ("iteration", str(entry.iteration)),
            ("candidate", f"{planned.candidate.label}  {planned.candidate.id}"),
            ("planned cost", duration(planned.nominal_cost_s)),
            ("attempts", str(entry.attempts)),
            ("by hand", ", ".join(planned.manual)),
            ("failed", text(entry.failed, "red") if entry.failed else None),
            ("refused", entry.refused),
        ]
    )
    parts: list[RenderableType] = [head]
    if entry.measurements:
        parts.append(measurement_table(entry.measurements))
    if entry.results:
        parts += [Text("\nCalls", "bold"), *(result(r) for r in entry.results)]
    judged = [v for v in record_verdicts(record) if v.experiment == planned.id]
    if judged:
        parts.append(verdict_table(judged))
    return Group(*parts)


def experiment_state(entry: ExperimentRecord) -> str:
    """Return where an experiment stands, in a word or two."""
    if entry.finished:
        return "failed" if entry.failed else "done"
    if entry.allowed is None:
        return "not approved yet"
    if not entry.allowed:
        return "refused"
    return "running or waiting" if entry.attempts else "allowed"


def measurement_table(measured: Iterable[Measurement]) -> RenderableType:
    """Return measurements with their origin."""
    rows = [(m.property, m.quantity, m.tool, m.method, m.origin.value, m.call_key[:12]) for m in measured]
    return table(("property", "value", "tool", "method", "origin", "call"), rows, title="Measurements")


def verdict_table(judged: Iterable[Verdict]) -> RenderableType:
    """Return verdicts with the numbers that they rest on."""
    rows = [
        (
            v.hypothesis,
            v.property,
            v.expected,
            v.observed,
            number(v.noise, v.expected.unit),
            number(v.statistic),
            number(v.threshold),
            outcome(v.outcome),
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
    return table(columns, rows, title="Verdicts")


def result(found: ToolResult) -> RenderableType:
    """Return the result of a tool call."""
    status = text(found.status.value, "green" if found.ok else "red")
    used = f"{duration(found.wall_s)}, cpu {duration(found.cpu_s)}, {found.peak_memory_mb:.0f} MB"
    arguments = ", ".join(f"{name}={value}" for name, value in found.call.arguments.items())
    return fields(
        [
            ("tool", line(f"{found.call.tool}@{found.tool_version}  ", status)),
            ("arguments", f"{arguments}; seed {found.call.seed}"),
            *((name, str(quantity)) for name, quantity in found.properties.items()),
            ("message", text(found.message, "red") if found.message else None),
            ("warnings", "\n".join(found.warnings)),
            ("details", "\n".join(f"{name}: {value}" for name, value in found.details.items())),
            ("artifacts", "\n".join(f"{a.name} {a.size} bytes sha256 {a.sha256}" for a in found.artifacts)),
            ("method", f"{found.method}, {found.backend}"),
            ("ran", f"from the cache; {used} then" if found.cached else f"in {found.sandbox}, {used}"),
            ("call key", found.key),
        ]
    )


def candidate(name: str, record: CampaignRecord) -> RenderableType:
    """Return everything that a campaign says about one candidate."""
    about = [h for h in record.hypotheses.values() if h.candidate.id == name]
    entries = [e for e in record.experiments.values() if e.experiment.candidate.id == name]
    seen = next((o for o in record.observations() if o.candidate.id == name), None)
    point = seen.candidate if seen else about[0].candidate
    head = fields(
        [
            ("candidate", text(point.label, "bold cyan")),
            ("id", point.id),
            ("arguments", ", ".join(f"{key}={value}" for key, value in point.arguments.items())),
            ("values", values(seen.values, record.goal) if seen else None),
            ("source", f"{seen.source}{', recalled' if seen.recalled else ''}" if seen else None),
            ("failed", seen.failed if seen else None),
        ]
    )
    predicted = [(h.id, h.source, predictions(h), h.statement) for h in about]
    ran = [
        (
            e.experiment.id,
            e.experiment.purpose.value,
            experiment_state(e),
            values({m.property: m.quantity for m in e.measurements}) or e.failed or e.refused,
        )
        for e in entries
    ]
    return Group(
        head,
        table(("hypothesis", "by", "predicted", "statement"), predicted, title="Hypotheses"),
        table(("experiment", "purpose", "state", "measured"), ran, title="Experiments"),
    )


def knowledge_table(rows: Iterable[tuple[KnowledgeItem, float | None]]) -> RenderableType:
    """Return items, one a row, with their similarity to a query where there is one."""
    cells = []
    for item, similarity in rows:
        value = "no result" if item.negative and item.value is None else (item.value or "")
        cells.append(
            (
                item.id,
                "" if similarity is None else f"{similarity:.2f}",
                item.level.value,
                label(item.subject_label or item.subject),
                item.relation,
                value,
                item.provenance.campaign or item.provenance.source,
                text(item.text, limit=160),
            )
        )
    columns = ("item", "fit>", "level", "subject", "relation", "value", "from", "text")
    return table(columns, cells)


def knowledge_item(item: KnowledgeItem) -> RenderableType:
    """Return one item with why it is believed."""
    source = item.provenance
    tool = f"{source.tool}@{source.tool_version}" if source.tool_version else source.tool
    links = "\n".join(f"{e.role.value} {e.target} (weight {e.weight:g})" for e in item.evidence)
    return fields(
        [
            ("item", line(text(item.id, "bold"), f"  version {item.version}, {item.status.value}")),
            ("text", item.text),
            ("level", f"{item.level.value}, {item.data_class.value}, {item.domain}"),
            ("subject", f"{item.subject_label}  {item.subject}" if item.subject_label else item.subject),
            ("relation", item.relation),
            ("value", item.value and str(item.value)),
            ("negative", "a failure or a null result" if item.negative else None),
            ("conditions", ", ".join(f"{k}={v}" for k, v in item.conditions.items())),
            ("arguments", ", ".join(f"{k}={v}" for k, v in item.arguments.items())),
            ("origin", item.origin.value),
            ("confidence", f"{item.confidence:.2f}"),
            ("source", source.source),
            ("campaign", source.campaign),
            ("agent", source.agent),
            ("tool", tool),
            ("method", source.method),
            ("call key", source.call_key),
            ("licence", source.licence),
            ("evidence", links),
            ("access", item.access.value),
        ]
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
            number(p.low, p.unit),
            number(p.high, p.unit),
            number(p.error, p.unit),
            p.description,
        )
        for p in spec.properties
    ]
    seeded = "depends on the seed" if spec.stochastic_in_seed else "does not depend on the seed"
    return Group(
        fields(
            [
                ("tool", text(f"{spec.name}@{spec.version}", "bold")),
                ("", None),
                ("description", spec.description),
                ("method", spec.method),
                ("state", availability),
                ("usual cost", duration(spec.nominal_cost_s)),
                ("limits", f"{duration(spec.timeout_s)}, {spec.memory_mb} MB"),
                ("repeats", f"{'deterministic' if spec.deterministic else 'not deterministic'}, {seeded}"),
                ("source", spec.source),
                ("code", spec.code_hash),
            ]
        ),
        table(("argument", "type", "unit", "default", "description"), arguments, title="Arguments"),
        table(
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


def objective_units(objectives: Iterable[Objective]) -> dict[str, str]:
    """Return the unit of each objective's property."""
    return {o.property: o.unit for o in objectives}


Renderer = Callable[[], RenderableType]
