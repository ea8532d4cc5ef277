"""Whether two items about one thing agree."""

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from novum.core.digest import canonical_json, digest
from novum.core.knowledge import KnowledgeItem
from novum.core.quantity import base_units
from novum.knowledge_base.rows import timestamp, tool_of

SIGMAS = 3.0
"""Two values conflict where they differ by more standard deviations of their difference than this."""

ASSUMED_SPREAD = 0.05
"""Relative standard deviation of a value that states none: a choice, so that no value counts as exact
because somebody left its uncertainty out."""

COMPARED = 200
"""The latest items about one thing with which a new one is compared."""


def topic(item: KnowledgeItem) -> str:
    """Return the id of what an item speaks of: its subject, relation, object and conditions."""
    return f"X-{digest([item.subject, item.relation, item.object, item.conditions])[:16]}"


def difference(one: KnowledgeItem, other: KnowledgeItem, *, replicates: bool = True) -> float | None:
    """Return by how many standard deviations two items about one thing differ.

    Infinite where one denies what the other states. None where they cannot be compared: a number and no
    number, another dimension, or validities that do not meet. Results of one method and tool that state no
    spread are replicates: their difference is the spread, so that it is 0.

    Args:
        one: an item.
        other: another item with the same subject, relation, object and conditions.
        replicates: whether results of one method and tool are replicates. They are none where one of them
            is in doubt and the other is its test; then `ASSUMED_SPREAD` holds for them as for any others.
    """
    if not _meet(one, other):
        return None
    return _compare(_reading(one), _reading(other), replicates=replicates)


def peers(connection: sqlite3.Connection, item: KnowledgeItem) -> Iterator[tuple[str, float]]:
    """Yield the active items that speak of the same as `item` at the same time, and their `difference`.

    The latest `COMPARED` of them. Of items without a value, only those that deny it.
    """
    start, end = timestamp(item.valid_from), timestamp(item.valid_to)
    own = _reading(item)
    for row in connection.execute(
        "SELECT id, base_value, base_std, base_unit, method, tool, negative FROM items "
        "WHERE subject = ? AND relation = ? AND conditions = ? AND has_value = ? AND negative IN (?, ?) "
        "AND object = ? AND +until IS NULL AND +status = 'active' AND id <> ? "
        "AND (? IS NULL OR valid_to IS NULL OR valid_to > ?) "
        "AND (? IS NULL OR valid_from IS NULL OR valid_from < ?) "
        "ORDER BY seq DESC LIMIT ?",
        (
            *(item.subject, item.relation, canonical_json(item.conditions), int(item.value is not None)),
            *((0, 1) if item.value is not None else (int(not item.negative),) * 2),
            *(item.object, item.id, start, start, end, end, COMPARED),
        ),
    ):
        source = (row["method"], row["tool"])
        base = (row["base_value"], row["base_std"], row["base_unit"])
        apart = _compare(own, _Reading(*base, source, bool(row["negative"])))
        if apart is not None:
            yield row["id"], apart


@dataclass(frozen=True, slots=True)
class _Reading:
    """What decides whether two items agree, in base units."""

    value: float | None
    std: float | None
    unit: str | None
    source: tuple[str, str]
    negative: bool


def _reading(item: KnowledgeItem) -> _Reading:
    base = None if item.value is None else base_units(item.value, item.std)
    value, std, unit = base or (None, None, None)
    p = item.provenance
    return _Reading(value, std, unit, (p.method, tool_of(p.tool, p.tool_version)), item.negative)


def _compare(one: _Reading, other: _Reading, *, replicates: bool = True) -> float | None:
    if one.value is None and other.value is None:
        return math.inf if one.negative is not other.negative else 0.0
    if one.value is None or other.value is None or one.unit != other.unit:
        return None
    same_source = one.source == other.source and any(one.source)
    if replicates and same_source and one.std is None and other.std is None:
        return 0.0
    apart = abs(one.value - other.value)
    if apart == 0:
        return 0.0
    spread = math.hypot(_spread(one.value, one.std), _spread(other.value, other.std))
    return apart / spread if spread else math.inf


def _spread(value: float, std: float | None) -> float:
    return abs(value) * ASSUMED_SPREAD if std is None else std


def _meet(one: KnowledgeItem, other: KnowledgeItem) -> bool:
    """Say whether the times at which two items are true overlap."""
    return not any(
        a.valid_to is not None and b.valid_from is not None and a.valid_to <= b.valid_from
        for a, b in ((one, other), (other, one))
    )
