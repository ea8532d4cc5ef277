"""What ``novum kb`` prints: tables of items, and one item in full."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from novum.cli import render
from novum.core.knowledge import Evidence, ItemStatus, KnowledgeItem
from novum.core.quality import score

if TYPE_CHECKING:
    from novum.knowledge_base.conflicts import Conflict
    from novum.knowledge_base.exchange import Origin

STYLES = {
    ItemStatus.ACTIVE: "green",
    ItemStatus.STALE: "yellow",
    ItemStatus.SUPERSEDED: "magenta",
    ItemStatus.RETRACTED: "red",
}
TEXT_LIMIT = 160
"""Characters of an item's text in a table."""


def is_overdue(item: KnowledgeItem) -> bool:
    """Return whether an active item should have been reviewed by now; `novum kb expire` makes it stale."""
    return (
        item.status is ItemStatus.ACTIVE
        and item.review_by is not None
        and item.review_by <= datetime.now(UTC)
    )


def status(item: KnowledgeItem) -> Text:
    """Return an item's status in its colour; ``overdue`` where its review is."""
    if is_overdue(item):
        return render.text("overdue", STYLES[ItemStatus.STALE])
    return render.text(item.status.value, STYLES[item.status])


def when(moment: datetime) -> str:
    """Return a time in local time, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def value(item: KnowledgeItem) -> str:
    """Return what an item says of its subject, in a few words."""
    if item.value is not None:
        return str(item.value)
    return "no result" if item.negative else item.object


def saying(item: KnowledgeItem, *, limit: int = TEXT_LIMIT) -> Text:
    """Return an item's text on one line."""
    return render.text(item.text.replace("\n", " "), limit=limit)


def table(rows: Sequence[tuple[KnowledgeItem, float | None]]) -> RenderableType:
    """Return items, one a row, with their likeness to what was asked where there is one."""
    searched = any(fit is not None for _, fit in rows)
    withdrawn = any(item.status is not ItemStatus.ACTIVE or is_overdue(item) for item, _ in rows)
    cells = [
        (
            item.id,
            *([f"{fit:.2f}" if fit is not None else ""] if searched else []),
            item.level.value,
            *([status(item)] if withdrawn else []),
            f"{item.confidence:.2f}",
            render.label(item.subject_label or item.subject),
            item.relation,
            render.text(value(item), limit=40),
            item.provenance.campaign or item.provenance.source,
            saying(item),
        )
        for item, fit in rows
    ]
    columns = (
        "item",
        *(["fit>"] if searched else []),
        "level",
        *(["status"] if withdrawn else []),
        "confidence>",
        *("subject", "relation", "value", "from", "text"),
    )
    return render.table(columns, cells)


def item(
    found: KnowledgeItem,
    history: Sequence[tuple[datetime, KnowledgeItem]],
    *,
    origins: "Sequence[Origin]" = (),
    conflicts: "Sequence[Conflict]" = (),
) -> RenderableType:
    """Return one item in full: what it says, how far it is believed and why, and its versions."""
    p, q = found.provenance, found.quality
    tool = f"{p.tool}@{p.tool_version}" if p.tool_version else p.tool
    dimensions = [(n, getattr(q, n)) for n in ("accuracy", "completeness", "timeliness", "traceability")]
    said = ", ".join(f"{n} {'not measured' if v is None else f'{v:.2f}'}" for n, v in dimensions)
    head = render.fields(
        [
            (
                "item",
                render.line(
                    render.text(found.id, "bold"),
                    f"  version {found.version} of {len(history)}, ",
                    status(found),
                ),
            ),
            ("because", found.status_reason),
            ("text", found.text),
            ("flags", ", ".join(found.flags)),
            ("level", f"{found.level.value}, {found.data_class.value}, {found.domain}"),
            ("subject", f"{found.subject_label}  {found.subject}" if found.subject_label else found.subject),
            ("relation", found.relation),
            ("object", found.object),
            ("value", found.value and str(found.value)),
            ("interval", _interval(found)),
            ("uncertainty from", ", ".join(f"{id} {share:.3g}" for id, share in found.contributions.items())),
            ("negative", "a failure or a null result" if found.negative else None),
            ("conditions", _pairs(found.conditions)),
            ("arguments", _pairs(found.arguments)),
            ("origin", f"{found.origin.value}{_by(found)}"),
            ("confidence", f"{found.confidence:.2f}, computed from its evidence"),
            ("quality", f"{score(q):.2f}: {said}"),
            ("source", p.source),
            ("place", _pairs(p.locator)),
            ("campaign", p.campaign),
            ("agent", p.agent),
            ("instrument", p.instrument),
            ("tool", tool),
            ("method", p.method),
            ("call key", p.call_key),
            ("content", p.content_hash and f"sha256 {p.content_hash}"),
            ("created", p.created and when(p.created)),
            ("language", p.language),
            ("licence", p.licence),
            ("valid", _validity(found)),
            ("review by", found.review_by and when(found.review_by)),
            ("access", found.access.value),
            (
                "imported from",
                "\n".join(f"{o.name}, crate {o.crate[:16]}, {when(o.imported_at)}" for o in origins),
            ),
            ("in conflict", "\n".join(f"{c.id}: {'open' if c.open else 'closed'}" for c in conflicts)),
        ]
    )
    links = [(e.role.value, e.target, f"{e.weight:g}") for e in found.evidence]
    parts: list[RenderableType] = [head]
    if links:
        parts.append(render.table(("role", "target", "weight>"), links, title="Evidence"))
    rows = [(v.version, when(at), status(v), f"{v.confidence:.2f}", v.status_reason) for at, v in history]
    parts.append(
        render.table(("version>", "recorded", "status", "confidence>", "because"), rows, title="Versions")
    )
    return Group(*parts)


def changes(before: KnowledgeItem, after: KnowledgeItem) -> list[str]:
    """Return what differs between two versions of an item, in words."""
    said = []
    if before.status is not after.status:
        said.append(f"{before.status.value} → {after.status.value}")
    for name in ("confidence",):
        old, new = getattr(before, name), getattr(after, name)
        if f"{old:.2f}" != f"{new:.2f}":
            said.append(f"{name} {old:.2f} → {new:.2f}")
    one, two = set(_named(before.evidence)), set(_named(after.evidence))
    said += [f"with {link}" for link in _named(after.evidence) if link not in one]
    said += [f"without {link}" for link in _named(before.evidence) if link not in two]
    shown = {"version", "status", "status_reason", "confidence", "evidence"}
    others = [
        n for n in KnowledgeItem.model_fields if n not in shown and getattr(before, n) != getattr(after, n)
    ]
    if others:
        said.append(f"{', '.join(others)} changed")
    return said


def _named(evidence: Iterable[Evidence]) -> list[str]:
    return [f"{e.role.value} {e.target}" for e in evidence]


def _pairs(values: dict[str, object]) -> str:
    return ", ".join(f"{key}={_short(entry)}" for key, entry in values.items())


def _short(entry: object) -> str:
    text = str(entry)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _interval(found: KnowledgeItem) -> str | None:
    if found.interval is None or found.value is None:
        return None
    i = found.interval
    return f"{i.low:.6g} to {i.high:.6g} {found.value.unit} ({i.level:.0%})"


def _by(found: KnowledgeItem) -> str:
    return f", by {found.generated_by}" if found.generated_by else ""


def _validity(found: KnowledgeItem) -> str | None:
    if found.valid_from is None and found.valid_to is None:
        return None
    start = when(found.valid_from) if found.valid_from else "always"
    return f"from {start} to {when(found.valid_to) if found.valid_to else 'further notice'}"
