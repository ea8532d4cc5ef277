"""Core values → what a terminal shows.

All text that comes from goals, tools, files and stores passes through `text`, which makes control
characters visible and never reads markup in it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from novum.core.goals import Goal
from novum.core.quantity import DIMENSIONLESS, Quantity
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import (
    ClaimStatus,
    FalsificationRule,
    Hypothesis,
    Observation,
    Outcome,
    Verdict,
)
from novum.core.spaces import CrystalSpace, MoleculeSpace, ParameterSpace, PoolSpace, Space
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
    ClaimStatus.SHORT: "bold yellow",
}


def text(value: object, style: str = "", *, limit: int | None = None) -> Text:
    r"""Return `value` as text that only shows: no control character acts, no markup is read.

    Example:
        >>> text("[red]\x1b[2J").plain
        '[red]\\x1b[2J'
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
        >>> duration(0.042), duration(4.2), duration(75), duration(7325)
        ('42 ms', '4.2 s', '1 min 15 s', '2 h 2 min')
    """
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
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


def rule(found: FalsificationRule) -> str:
    """Return the outcomes that a prediction allows."""
    low, high = number(found.low, found.unit), number(found.high, found.unit)
    if found.low is not None and found.high is not None:
        return f"{found.low:.4g} to {high}"
    return f"at least {low}" if found.low is not None else f"at most {high}"


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
        case CrystalSpace():
            return f"crystals of {', '.join(space.elements)} in {len(space.types())} structure types"
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


def record_verdicts(record: CampaignRecord) -> list[Verdict]:
    """Return every verdict, those of the sealed check included."""
    return [*record.verdicts, *record.sealed_verdicts]


def experiment_state(entry: ExperimentRecord) -> str:
    """Return where an experiment stands, in a word or two."""
    if entry.finished:
        return "failed" if entry.failed else "done"
    if entry.allowed is None:
        return "not approved yet"
    if not entry.allowed:
        return "refused"
    return "running or waiting" if entry.attempts else "allowed"
