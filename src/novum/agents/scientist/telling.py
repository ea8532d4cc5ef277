"""Telling: what a model is told of a campaign, line by line, the most important first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from novum.agents.base import PlanningContext
from novum.agents.optimizer.outlook import Outlook
from novum.agents.optimizer.prior import possible_range
from novum.agents.scientist.quoting import LIMIT, passage_line, quoted
from novum.core.calls import ToolResult
from novum.core.deliberation import Contender
from novum.core.digest import canonical_json
from novum.core.goals import Goal
from novum.core.quantity import DIMENSIONLESS
from novum.core.science import Hypothesis, Observation, Verdict

ARGUMENT = 160
"""Characters of an argument of a call."""
PRINTED = 2000
"""Characters of what a program printed."""
LABEL = 160
"""Characters of a candidate's label."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and the ids that may be cited once it was shown."""

    text: str
    ids: tuple[str, ...] = ()


def goal_line(goal: Goal) -> str:
    """Return the goal in a line; its title and its names are the user's words."""
    title = f"{quoted(goal.title)}: " if goal.title else ""
    return title + quoted(str(goal), limit=2000)


def property_lines(context: PlanningContext) -> list[str]:
    """Return what is known of each property of the goal: what it is, what can occur, how it is repeated."""
    lines = []
    for o in context.goal.objectives:
        spec, floor = context.properties.get(o.property), context.noise.get(o.property)
        parts = [f"in {o.unit}" if o.unit != DIMENSIONLESS else "a pure number"]
        if spec is not None and spec.description:
            parts.insert(0, quoted(spec.description))
        low, high = possible_range(o, spec)
        if low is not None or high is not None:
            parts.append(
                f"from {'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'}"
            )
        if floor is not None:
            parts.append(f"repeated measurements spread by {floor}")
        lines.append(f"- {quoted(o.property, limit=80)}: {', '.join(parts)}")
    return lines


def known_lines(outlook: Outlook) -> list[Line]:
    """Return what was measured, best first, then what failed; without what must not be told."""
    study, withheld = outlook.study, outlook.context.briefing.withheld
    order = study.complete
    rest = [i for i in range(len(study.observations)) if i not in set(order)]
    lines = []
    for rank, row in enumerate([*order, *rest], 1):
        seen = study.observations[row]
        if seen.candidate.id in withheld:
            continue
        place = f", rank {rank}" if row in study.merits else ""
        lines.append(_observation_line(seen, place))
    return lines


def lesson_lines(context: PlanningContext, source: str) -> list[Line]:
    """Return how the predictions of a source's hypotheses did, the latest first."""
    briefing = context.briefing
    own = {h.id: h for h in briefing.hypotheses if h.source == source}
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in briefing.verdicts:
        if verdict.hypothesis in own:
            verdicts.setdefault(verdict.hypothesis, []).append(verdict)
    return [
        Line(f"{name}: {quoted(own[name].candidate.label, limit=LABEL)}: {_judged(found)}", (name,))
        for name, found in reversed(verdicts.items())
        if own[name].candidate.id not in briefing.withheld
    ]


def passage_lines(context: PlanningContext) -> list[Line]:
    """Return what the knowledge base says, the most relevant first."""
    return [Line(passage_line(p), (p.id,)) for p in context.briefing.passages]


def probe_lines(results: Sequence[ToolResult], flags: Sequence[Sequence[str]]) -> list[Line]:
    """Return what tools gave: numbers with units, handles of files, and words as data.

    Args:
        results: in their order.
        flags: for each, what its words look like.
    """
    lines = []
    for number, (result, found) in enumerate(zip(results, flags, strict=True), 1):
        marked = f" ({', '.join(found)})" if found else ""
        lines.append(Line(f"T{number}{marked}: {result_text(result)}"))
    return lines


def result_text(result: ToolResult) -> str:
    """Return what a call gave in a line; of files the handles alone."""
    arguments = ", ".join(f"{name}={_argument(v)}" for name, v in sorted(result.call.arguments.items()))
    call = f"{result.call.tool}({arguments})"
    if not result.ok:
        return f"{quoted(call)} failed: {quoted(result.message)}"
    values = ", ".join(
        f"{quoted(name, limit=80)} {quantity}" for name, quantity in sorted(result.properties.items())
    )
    files = ", ".join(f"artifact {a.sha256[:16]} ({quoted(a.name, limit=80)})" for a in result.artifacts)
    words = "; ".join(quoted(w) for w in result.warnings)
    printed = result.details.get("printed")
    parts = [quoted(call), "gave", values or "no number"]
    if isinstance(printed, str) and printed.strip():
        parts.append(f"and printed {quoted(printed, limit=PRINTED)}")
    if files:
        parts.append(f"and {files}")
    if words:
        parts.append(f"with warnings {words}")
    return " ".join(parts)


def _argument(value: Any) -> str:
    """Return an argument in a few words, the same however the keys in it came to be ordered."""
    said = canonical_json(value) if isinstance(value, dict | list | tuple) else str(value)
    return said if len(said) <= ARGUMENT else f"{said[:ARGUMENT]}…"


def hypothesis_lines(contenders: Sequence[Contender]) -> list[str]:
    """Return hypotheses by number, for the critic."""
    return [
        f"{number}: {quoted(c.hypothesis.candidate.label, limit=LABEL)}: {predicted(c.hypothesis)}; "
        f"because {quoted(c.hypothesis.rationale, limit=LIMIT)}"
        for number, c in enumerate(contenders, 1)
    ]


def predicted(hypothesis: Hypothesis) -> str:
    """Return what a hypothesis predicts."""
    return ", ".join(f"{quoted(p.property, limit=80)} {p.expected}" for p in hypothesis.predictions)


def _observation_line(seen: Observation, place: str) -> Line:
    label = quoted(seen.candidate.label, limit=LABEL)
    ids = tuple(name for name in seen.source.split(",") if name)
    head = f"{ids[0] if ids else 'earlier'}{', recalled' if seen.recalled else ''}{place}: {label}"
    if seen.failed:
        return Line(f"{head} failed: {quoted(seen.failed)}", ids)
    values = ", ".join(f"{quoted(name, limit=80)} {q}" for name, q in sorted(seen.values.items()))
    return Line(f"{head}: {values or 'nothing measured'}", ids)


def _judged(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(
        f"{quoted(v.property, limit=80)} predicted {v.expected}, measured {v.observed or 'nothing'}: "
        f"{v.outcome.value}"
        for v in verdicts
    )
