"""What differs between two times, or between what two campaigns found."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from novum.core.knowledge import ItemStatus, KnowledgeItem
from novum.knowledge_base.agreement import SIGMAS, difference, topic
from novum.knowledge_base.items import Items


@dataclass(frozen=True, slots=True)
class Change:
    """One item at two times."""

    before: KnowledgeItem
    after: KnowledgeItem


@dataclass(frozen=True, slots=True)
class Changes:
    """What was learned between two times."""

    before: datetime
    after: datetime
    added: tuple[KnowledgeItem, ...]
    """Items that were not there before, as they stood at the later time."""
    changed: tuple[Change, ...]
    """Items of which there is another version; those that were taken back included."""

    @property
    def withdrawn(self) -> tuple[Change, ...]:
        """The changes after which an item may not be used any more."""
        return tuple(c for c in self.changed if _is_active(c.before) and not _is_active(c.after))

    @property
    def reinstated(self) -> tuple[Change, ...]:
        """The changes after which an item may be used again."""
        return tuple(c for c in self.changed if _is_active(c.after) and not _is_active(c.before))


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What two campaigns say of one thing under the same conditions."""

    one: KnowledgeItem
    other: KnowledgeItem
    statistic: float
    """By how many standard deviations they differ."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two campaigns found, side by side."""

    one: str
    other: str
    only_one: tuple[KnowledgeItem, ...]
    only_other: tuple[KnowledgeItem, ...]
    both: tuple[KnowledgeItem, ...]
    """The very same findings."""
    disagreements: tuple[Disagreement, ...]
    """Findings about the same thing that conflict; they are among the others as well."""


def between(items: Items, before: datetime, after: datetime) -> Changes:
    """Return what was learned after `before` and up to `after`.

    Raises:
        UsageError: a time has no time zone.
        StoreError: an item cannot be read.
    """
    start, end = items.position_at(before), items.position_at(after)
    touched = [
        row["id"]
        for row in items.database.rows(
            "SELECT DISTINCT id FROM items WHERE seq > ? AND seq <= ? ORDER BY id", (start, end)
        )
    ]
    old, new = items.versions_at(touched, start), items.versions_at(touched, end)
    return Changes(
        before=before,
        after=after,
        added=tuple(new[id] for id in touched if id not in old),
        changed=tuple(Change(old[id], new[id]) for id in touched if id in old),
    )


def of_campaigns(items: Items, one: str, other: str) -> Comparison:
    """Return what two campaigns found, side by side, in the present versions.

    Raises:
        StoreError: an item cannot be read.
    """
    first = {item.id: item for item in items.query(campaign=one, status=None)}
    second = {item.id: item for item in items.query(campaign=other, status=None)}
    about: dict[str, list[KnowledgeItem]] = {}
    for item in second.values():
        about.setdefault(topic(item), []).append(item)
    pairs = (
        (a, b, difference(a, b)) for a in first.values() for b in about.get(topic(a), ()) if a.id != b.id
    )
    return Comparison(
        one=one,
        other=other,
        only_one=_without(first.values(), second),
        only_other=_without(second.values(), first),
        both=tuple(item for id, item in first.items() if id in second),
        disagreements=tuple(Disagreement(a, b, z) for a, b, z in pairs if z is not None and z > SIGMAS),
    )


def _without(items: Iterable[KnowledgeItem], known: dict[str, KnowledgeItem]) -> tuple[KnowledgeItem, ...]:
    return tuple(item for item in items if item.id not in known)


def _is_active(item: KnowledgeItem) -> bool:
    return item.status is ItemStatus.ACTIVE
