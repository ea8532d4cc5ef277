"""Whether two items about one thing agree."""

import math
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from novum.core.digest import canonical_json, digest
from novum.core.judgement import noise_floor
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

REPLICATES = 2_000
"""The latest results of one method from which its spread is taken."""


def topic(item: KnowledgeItem) -> str:
    """Return the id of what an item speaks of: its subject, relation, object and conditions."""
    return f"X-{digest([item.subject, item.relation, item.object, item.conditions])[:16]}"


@dataclass(frozen=True, slots=True)
class Peer:
    """An active item that speaks of the same as another one, at the same time."""

    id: str
    apart: float
    """By how many standard deviations the two differ, replicates not at all; see `difference`."""
    agrees: bool
    """It states the same: within `SIGMAS`, where replicates are held against each other like any others."""
    source: str
    method: str


def difference(
    one: KnowledgeItem, other: KnowledgeItem, *, replicates: bool = True, noise: float | None = None
) -> float | None:
    """Return by how many standard deviations two items about one thing differ.

    Infinite where one denies what the other states. None where they cannot be compared: a number and no
    number, another dimension, or validities that do not meet. Results of one method and tool that state no
    spread are replicates: their difference is the spread, so that it is 0.

    Args:
        one: an item.
        other: another item with the same subject, relation, object and conditions.
        replicates: whether results of one method and tool are replicates. They are none where one of them
            is in doubt and the other is its test; then `noise` holds for them, or `ASSUMED_SPREAD`.
        noise: the standard deviation of results of one method and tool that state none, in base units; see
            `replicate_spread`. None where it is not known.
    """
    if not _meet(one, other):
        return None
    return _compare(_reading(one), _reading(other), replicates=replicates, noise=noise)


def replicate_spread(connection: sqlite3.Connection, item: KnowledgeItem) -> float | None:
    """Return the pooled standard deviation of replicates by the method and tool of an item, in base units.

    Replicates are active results of one property of one thing under the same conditions, that state no
    spread of their own. The latest `REPLICATES` results count. None where nothing was measured twice.
    """
    own = _reading(item)
    if own.unit is None or not any(own.source):
        return None
    groups: dict[tuple[str, str, str], list[float]] = {}
    for row in connection.execute(
        "SELECT subject, conditions, object, base_value FROM items "
        "WHERE relation = ? AND method = ? AND tool = ? AND base_unit = ? AND base_std IS NULL "
        "AND +until IS NULL AND +status = 'active' ORDER BY seq DESC LIMIT ?",
        (item.relation, *own.source, own.unit, REPLICATES),
    ):
        key = (row["subject"], row["conditions"], row["object"])
        groups.setdefault(key, []).append(row["base_value"])
    return noise_floor(groups.values())


def peers(connection: sqlite3.Connection, item: KnowledgeItem) -> Iterator[tuple[str, float]]:
    """Yield the active items that speak of the same as `item` at the same time, and their `difference`."""
    return ((peer.id, peer.apart) for peer in compared(connection, item))


def compared(connection: sqlite3.Connection, item: KnowledgeItem) -> Iterator[Peer]:
    """Yield the active items that speak of the same as `item` at the same time.

    The latest `COMPARED` of them. Two items without a value say the same only where they name the same
    object; without one, only those that deny `item` are its peers.
    """
    start, end = timestamp(item.valid_from), timestamp(item.valid_to)
    own = _reading(item)
    both = item.value is not None or bool(item.object)
    for row in connection.execute(
        "SELECT id, base_value, base_std, base_unit, method, source, tool, negative FROM items "
        "WHERE subject = ? AND relation = ? AND conditions = ? AND has_value = ? AND negative IN (?, ?) "
        "AND object = ? AND +until IS NULL AND +status = 'active' AND id <> ? "
        "AND (? IS NULL OR valid_to IS NULL OR valid_to > ?) "
        "AND (? IS NULL OR valid_from IS NULL OR valid_from < ?) "
        "ORDER BY seq DESC LIMIT ?",
        (
            *(item.subject, item.relation, canonical_json(item.conditions), int(item.value is not None)),
            *((0, 1) if both else (int(not item.negative),) * 2),
            *(item.object, item.id, start, start, end, end, COMPARED),
        ),
    ):
        source = (row["method"], row["tool"])
        base = (row["base_value"], row["base_std"], row["base_unit"])
        other = _Reading(*base, source, bool(row["negative"]))
        apart = _compare(own, other)
        if apart is None:
            continue
        strictly = _compare(own, other, replicates=False)
        agrees = own.negative is other.negative and strictly is not None and strictly <= SIGMAS
        yield Peer(row["id"], apart, agrees, row["source"], row["method"])


def contradictions(connection: sqlite3.Connection, item: KnowledgeItem) -> list[tuple[str, float]]:
    """Return the active items that contradict `item`, and by how many standard deviations, farthest first.

    All of the latest `COMPARED` about the same thing, and so many more of those before: where one
    contradicts it, however old, at least one is found.
    """
    found = {peer.id: peer.apart for peer in compared(connection, item) if peer.apart > SIGMAS}
    own = _reading(item)
    if own.value is not None:
        start, end = timestamp(item.valid_from), timestamp(item.valid_to)
        spread = _spread(own.value, own.std, None)
        for side, edge in (("<", own.value - SIGMAS * spread), (">", own.value + SIGMAS * spread)):
            for row in connection.execute(
                "SELECT id, base_value, base_std, base_unit, method, tool, negative FROM items "  # noqa: S608
                "WHERE subject = ? AND relation = ? AND conditions = ? AND has_value = 1 "
                f"AND negative IN (0, 1) AND base_value {side} ? "
                "AND (base_value - ?) * (base_value - ?) > ? * (? + CASE WHEN base_std IS NULL "
                "THEN ? * base_value * base_value ELSE base_std * base_std END) "
                "AND NOT (? AND base_std IS NULL AND method = ? AND tool = ?) "
                "AND object = ? AND +base_unit = ? AND +until IS NULL AND +status = 'active' AND id <> ? "
                "AND (? IS NULL OR valid_to IS NULL OR valid_to > ?) "
                "AND (? IS NULL OR valid_from IS NULL OR valid_from < ?) LIMIT ?",
                (
                    *(item.subject, item.relation, canonical_json(item.conditions), edge),
                    *(own.value, own.value, SIGMAS**2, spread**2, ASSUMED_SPREAD**2),
                    *(own.std is None and any(own.source), *own.source),
                    *(item.object, own.unit, item.id, start, start, end, end, COMPARED),
                ),
            ):
                base = (row["base_value"], row["base_std"], row["base_unit"])
                other = _Reading(*base, (row["method"], row["tool"]), bool(row["negative"]))
                apart = _compare(own, other)
                if apart is not None and apart > SIGMAS:
                    found[row["id"]] = apart
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def companions(connection: sqlite3.Connection, ids: Collection[str]) -> list[str]:
    """Return the active items that speak of the same as any of `ids`, these included where several do.

    What agrees with an item bears on its belief, so that all of them feel it when one comes or falls.

    Args:
        connection: the transaction.
        ids: items that came, and were appraised then, or that fell.
    """
    topics = connection.execute(
        "SELECT DISTINCT subject, relation, conditions, has_value, negative, object FROM items "
        "WHERE until IS NULL AND id IN (SELECT value FROM json_each(?)) AND (has_value = 1 OR object <> '')",
        (canonical_json(list(ids)),),
    ).fetchall()
    given, found = set(ids), dict[str, None]()
    for topic_ in topics:
        rows = connection.execute(
            "SELECT id, source, campaign FROM items WHERE subject = ? AND relation = ? "
            "AND conditions = ? AND has_value = ? AND negative = ? AND object = ? "
            "AND +until IS NULL AND +status = 'active' ORDER BY seq DESC LIMIT ?",
            (*topic_, COMPARED + 1),
        ).fetchall()
        active = [row["id"] for row in rows]
        # Rows of one file say nothing about each other.
        elsewhere = any(row["campaign"] for row in rows) or len({row["source"] for row in rows}) > 1
        among = given.intersection(active)
        if len(among) == len(active) and (len(active) == 1 or not elsewhere):
            continue
        # A single one was appraised when all the others were there.
        found.update(dict.fromkeys(active if len(among) > 1 else (id for id in active if id not in among)))
    return list(found)


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


def _compare(
    one: _Reading, other: _Reading, *, replicates: bool = True, noise: float | None = None
) -> float | None:
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
    known = noise if same_source else None
    spread = math.hypot(_spread(one.value, one.std, known), _spread(other.value, other.std, known))
    return apart / spread if spread else math.inf


def _spread(value: float, std: float | None, noise: float | None) -> float:
    if std is not None:
        return std
    return abs(value) * ASSUMED_SPREAD if noise is None else noise


def _meet(one: KnowledgeItem, other: KnowledgeItem) -> bool:
    """Say whether the times at which two items are true overlap."""
    return not any(
        a.valid_to is not None and b.valid_from is not None and a.valid_to <= b.valid_from
        for a, b in ((one, other), (other, one))
    )
