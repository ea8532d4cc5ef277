"""What ``novum kb diff`` compares: two times, two campaigns, or two crates."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novum.cli.kb import pages
from novum.cli.kb.opening import open_knowledge
from novum.cli.kb.options import parse_moment
from novum.cli.options import is_crate, nearest
from novum.core.errors import NotFoundError, UsageError
from novum.core.knowledge import KnowledgeItem


@dataclass(frozen=True, slots=True)
class Row:
    """One item that differs."""

    item: KnowledgeItem
    said: str = ""
    before: KnowledgeItem | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Items that differ in the same way."""

    name: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs, in sections."""

    title: str
    sections: tuple[Section, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            section.name: [
                {
                    "item": row.item.model_dump(mode="json"),
                    "before": row.before and row.before.model_dump(mode="json"),
                    "said": row.said,
                }
                for row in section.rows
            ]
            for section in self.sections
        }


def compare(one: str, other: str, workspace: Path | None) -> Compared:
    """Return what differs between two things of one kind.

    Raises:
        CrateError: a crate does not verify.
        NotFoundError: there is no such campaign.
        UsageError: they are not of one kind.
    """
    kinds = [_kind(name) for name in (one, other)]
    if kinds[0] != kinds[1]:
        raise UsageError(f"{one!r} is a {kinds[0]}, and {other!r} is a {kinds[1]}; compare two of one kind")
    if kinds[0] == "crate":
        return _crates(Path(one), Path(other))
    if kinds[0] == "time":
        return _times(one, other, workspace)
    return _campaigns(one, other, workspace)


def _kind(name: str) -> str:
    if is_crate(name):
        return "crate"
    try:
        parse_moment(name)
    except UsageError:
        return "campaign"
    return "time"


def _times(one: str, other: str, workspace: Path | None) -> Compared:
    before, after = parse_moment(one), parse_moment(other)
    if before > after:
        raise UsageError(f"{one} is after {other}; write the earlier time first")
    with open_knowledge(workspace) as knowledge:
        found = knowledge.changes(before, after)
    withdrawn, reinstated = found.withdrawn, found.reinstated
    others = tuple(c for c in found.changed if c not in withdrawn and c not in reinstated)
    changed = (("withdrawn", withdrawn), ("reinstated", reinstated), ("changed", others))
    return Compared(
        f"what was learned from {pages.when(before)} to {pages.when(after)}",
        (
            Section("added", "New", _plain(found.added)),
            *(
                Section(name, name.capitalize(), tuple(_changed(c.before, c.after) for c in some))
                for name, some in changed
            ),
        ),
    )


def _campaigns(one: str, other: str, workspace: Path | None) -> Compared:
    with open_knowledge(workspace) as knowledge:
        for name in (one, other):
            if not knowledge.items.count(campaign=name, status=None):
                known = {item.provenance.campaign or "" for item in knowledge.items.walk(status=None)}
                hint = nearest(name, sorted(known), listing="'novum campaigns' lists campaigns")
                raise NotFoundError(f"nothing is known from a campaign {name!r}{hint}")
        found = knowledge.compare(one, other)
    apart = tuple(
        Row(d.other, f"{d.statistic:.1f} standard deviations from {d.one.id}", d.one)
        for d in found.disagreements
    )
    return Compared(
        f"what {one} and {other} found",
        (
            Section("disagreements", "In conflict", apart),
            Section("only_one", f"Only {one}", _plain(found.only_one)),
            Section("only_other", f"Only {other}", _plain(found.only_other)),
            Section("both", "Both", _plain(found.both)),
        ),
    )


def _crates(one: Path, other: Path) -> Compared:
    first, second = _latest(one), _latest(other)
    changed = tuple(
        _changed(first[id], second[id]) for id in first if id in second and first[id] != second[id]
    )
    return Compared(
        f"what {one} and {other} hold",
        (
            Section("only_one", f"Only {one}", _plain(i for id, i in first.items() if id not in second)),
            Section("only_other", f"Only {other}", _plain(i for id, i in second.items() if id not in first)),
            Section("changed", "Changed", changed),
        ),
    )


def _latest(path: Path) -> dict[str, KnowledgeItem]:
    """Return the latest version of each item of a crate that verifies."""
    from novum.knowledge_base.exchange.reading import open_source
    from novum.knowledge_base.exchange.verify import checked_records, verify_crate

    verify_crate(path)
    with open_source(path) as source:
        return {item.id: item for _, item in checked_records(source) if item is not None}


def _plain(items: Iterable[KnowledgeItem]) -> tuple[Row, ...]:
    return tuple(Row(item, item.text.replace("\n", " ")[:120]) for item in items)


def _changed(before: KnowledgeItem, after: KnowledgeItem) -> Row:
    said = "; ".join(pages.changes(before, after))
    return Row(after, f"{said}: {after.status_reason}" if after.status_reason else said, before)
