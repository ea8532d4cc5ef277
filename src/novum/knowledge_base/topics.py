"""What else is said about the thing that an item speaks of, and whether it agrees."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from novum.core.access import TIERS
from novum.core.digest import canonical_json
from novum.core.goals import POOL
from novum.core.judgement import noise_floor
from novum.core.knowledge import Access, ItemStatus, KnowledgeItem
from novum.core.quantity import DIMENSIONLESS
from novum.core.science import Origin
from novum.knowledge_base.agreement import (
    ASSUMED_SPREAD,
    SIGMAS,
    Reading,
    agree,
    apart,
    contradict,
    maker,
    reading,
    rounding_of,
)
from novum.knowledge_base.rows import timestamp

COMPARED = 200
"""The latest items about one thing with which a new one is compared."""

PEERS_OF_A_METHOD = 8
"""Agreeing results of one method that count: more of them hardly add anything."""

REPLICATES = 2_000
"""The latest results of one method from which its spread is taken."""

KEPT = 10_000
"""Topics that are remembered within one transaction."""

_SQUARED = 1e150
"""What is larger cannot be squared."""

_Key = tuple[str, str, str, int, str]
"""Subject, relation, conditions, whether it is a value, and object."""

_TOPIC = "subject = ? AND relation = ? AND conditions = ? AND has_value = ?"
_SAID = (
    "id, base_value, base_std, base_unit, negative, access, origin, "
    "coalesce(valid_from, valid_to) IS NOT NULL AS timed, "
    "(SELECT json_extract(payload, '$.provenance', '$.value') FROM bodies WHERE bodies.seq = items.seq) "
    "AS made"
)
_MEETING = (
    "AND (? IS NULL OR valid_to IS NULL OR valid_to > ?) "
    "AND (? IS NULL OR valid_from IS NULL OR valid_from < ?)"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """An active item that speaks of the same as another one, at the same time."""

    id: str
    apart: float
    """By how many standard deviations the two differ, replicates like any others."""
    agrees: bool
    """It states the same: within `SIGMAS`, where replicates are held against each other like any others."""
    contradicts: bool
    """Both cannot be true; replicates can."""
    origin: str
    """What tells it from other findings; see `origin_of`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one active item says."""

    id: str
    reading: Reading
    origin: str
    """What tells it from other findings; see `origin_of`."""
    access: Access
    timed: bool
    """It holds for some time only."""

    def is_open_to(self, access: Access) -> bool:
        """Say whether it may bear on what is seen by those who see `access`: it is no more closed."""
        return TIERS.index(self.access) <= TIERS.index(access)


@dataclass(slots=True)
class _Topic:
    """The latest that is said about one thing, oldest first."""

    said: dict[str, Statement] = field(default_factory=dict)
    whole: bool = True
    """Nothing active is said beside this."""
    fallen: list[Statement] = field(default_factory=list)
    """What was compared when it was read, and since then is too old to be."""

    @property
    def is_mixed(self) -> bool:
        """Some state what others deny."""
        return len({one.reading.negative for one in self.said.values()}) > 1


@dataclass(frozen=True, slots=True)
class Side:
    """What is stated about one thing, and what is denied of it."""

    said: tuple[Statement, ...]
    """The latest, the latest first; one more than is compared."""
    changed: frozenset[str]
    """Ids of those that were asked for."""
    fallen: tuple[Statement, ...]
    """What is too old to be compared since others came in this transaction."""
    even: bool
    """Each of these is compared with all the others, and was with those that have fallen."""


class Topics:
    """Finds what is said about one thing: read once in a transaction, many things together, and kept up.

    Args:
        connection: the transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._topics: dict[_Key, _Topic] = {}
        self._places: dict[str, _Key] = {}
        self._lost = False
        """Something was read again, so that what fell before is not known."""

    def load(self, items: Iterable[KnowledgeItem]) -> None:
        """Read what is said about the same as any of `items`, in one go."""
        self._load({_key(item) for item in items})

    def compared(self, item: KnowledgeItem) -> Iterator[Peer]:
        """Yield the active items that speak of the same as `item` at the same time.

        The latest `COMPARED` of them. Two items without a value say the same only where they name the same
        object; without one, only those that deny `item` are its peers. What is more closed to readers than
        `item` is none: what is shown of `item` would tell of it.
        """
        own = reading(item)
        for other in self._others(item):
            distance = apart(own, other.reading, replicates=False)
            if distance is not None and other.is_open_to(item.access):
                agrees, against = agree(own, other.reading), contradict(own, other.reading)
                yield Peer(other.id, distance, agrees, against, other.origin)

    def contradictions(self, item: KnowledgeItem) -> list[tuple[str, float]]:
        """Return the active items that contradict `item` and by how many standard deviations, farthest first.

        All of the latest `COMPARED` about the same thing, and so many more of those before: where one
        contradicts it, however old, at least one is found.
        """
        own = reading(item)
        found = {
            other.id: distance
            for other in self._others(item)
            if (distance := apart(own, other.reading)) is not None and distance > SIGMAS
        }
        if own.value is not None and not self._topic(_key(item)).whole:
            for other in self._outliers(item, own):
                distance = apart(own, other.reading)
                if distance is not None and distance > SIGMAS:
                    found[other.id] = distance
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    def sides(self, ids: Collection[str]) -> Iterator[Side]:
        """Yield what is said about the same as any of `ids`: all that can agree with it or contradict it.

        Where nothing else is, there is none to yield.
        """
        rows = self._connection.execute(
            "SELECT items.id, subject, relation, conditions, has_value, object "
            "FROM json_each(?) AS wanted CROSS JOIN items ON items.id = wanted.value AND until IS NULL "
            "WHERE EXISTS (SELECT 1 FROM items AS other "
            "WHERE other.subject = items.subject AND other.relation = items.relation "
            "AND other.conditions = items.conditions AND other.has_value = items.has_value "
            "AND other.negative IN (1 - items.negative, CASE WHEN items.has_value = 1 OR items.object <> '' "
            "THEN items.negative ELSE 1 - items.negative END) AND other.object = items.object "
            "AND +other.until IS NULL AND +other.status = 'active' AND other.id <> items.id)",
            (canonical_json(list(dict.fromkeys(ids))),),
        ).fetchall()
        changed: dict[_Key, set[str]] = {}
        for row in rows:
            changed.setdefault(tuple(row)[1:6], set()).add(row["id"])
        self._load(changed)
        for key, of_it in changed.items():
            known = self._topic(key)
            yield Side(
                tuple(self._all_said(key)),
                frozenset(of_it),
                tuple(known.fallen),
                even=not any(one.timed for one in (*known.said.values(), *known.fallen))
                and (known.whole or not (self._lost or known.is_mixed)),
            )

    def replicate_spread(self, item: KnowledgeItem) -> float | None:
        """Return the pooled standard deviation of replicates by an item's method and tool, in base units.

        Replicates are active results of one property of one thing under the same conditions, that state no
        spread of their own and were made together; see `Maker.repeats`. The latest `REPLICATES` results
        count. None where nothing was measured twice.
        """
        own = reading(item)
        if own.unit is None or not (own.maker.method or own.maker.tool):
            return None
        groups: dict[tuple[str, str, str, str], list[float]] = {}
        for row in self._connection.execute(
            "SELECT subject, conditions, object, base_value, json_extract(payload, '$.provenance') AS made "
            "FROM items JOIN bodies USING (seq) "
            "WHERE relation = ? AND method = ? AND base_unit = ? AND base_std IS NULL "
            "AND abs(base_value) < ? AND +until IS NULL AND +status = 'active' ORDER BY seq DESC LIMIT ?",
            (item.relation, own.maker.method, own.unit, _SQUARED, REPLICATES),
        ):
            other = maker(json.loads(row["made"]))
            where = other.tool or other.campaign or other.bytes
            if other.tool == own.maker.tool and where:
                key = (row["subject"], row["conditions"], row["object"], where)
                groups.setdefault(key, []).append(row["base_value"])
        return noise_floor(groups.values())

    def written(self, item: KnowledgeItem) -> None:
        """Take over a version that was just added."""
        if len(self._topics) > KEPT:
            self._topics.clear()
            self._places.clear()
            self._lost = True
        key, before = _key(item), self._places.get(item.id)
        if before is not None and (before != key or item.status is not ItemStatus.ACTIVE):
            self._forget(item.id, before)
        known = self._topics.get(key)
        if known is not None and item.status is ItemStatus.ACTIVE:
            known.said.pop(item.id, None)  # the latest version is the latest to be compared
            where = origin_of(dict(item.provenance), item.origin)
            known.said[item.id] = Statement(item.id, reading(item), where, item.access, _is_timed(item))
            self._places[item.id] = key
            if len(known.said) > COMPARED + 1:
                oldest = next(iter(known.said))
                self._places.pop(oldest, None)
                known.fallen.append(known.said.pop(oldest))
                known.whole = False

    def _forget(self, id: str, key: _Key) -> None:
        """Leave out what is said no more."""
        del self._places[id]
        known = self._topics.get(key)
        if known is not None and known.said.pop(id, None) is not None and not known.whole:
            # What was said before it is compared now, and has not been read.
            for other in known.said:
                self._places.pop(other, None)
            del self._topics[key]
            self._lost = True

    def _others(self, item: KnowledgeItem) -> Iterator[Statement]:
        """Yield what is said about the same as `item` at the same time, the latest first."""
        key = _key(item)
        known = self._topic(key)
        both = item.value is not None or bool(item.object)
        if _is_timed(item) or not (both or known.whole):
            yield from self._meeting(item, key, both=both)
            return
        others = (
            one
            for one in reversed(known.said.values())
            if one.id != item.id and (both or one.reading.negative is not item.negative)
        )
        for _, one in zip(range(COMPARED), others, strict=False):
            yield one

    def _meeting(self, item: KnowledgeItem, key: _Key, *, both: bool) -> Iterator[Statement]:
        """Yield what `_others` does, by asking for it."""
        start, end = timestamp(item.valid_from), timestamp(item.valid_to)
        negative = (0, 1) if both else (int(not item.negative),) * 2
        rows = self._connection.execute(
            f"SELECT {_SAID} FROM items WHERE {_TOPIC} AND negative IN (?, ?) "  # noqa: S608 constants
            f"AND object = ? AND +until IS NULL AND +status = 'active' AND id <> ? {_MEETING} "
            "ORDER BY seq DESC LIMIT ?",
            (*key[:4], *negative, key[4], item.id, start, start, end, end, COMPARED),
        )
        yield from map(_statement, rows)

    def _outliers(self, item: KnowledgeItem, own: Reading) -> Iterator[Statement]:
        """Yield what lies so far from a value that it contradicts it, however long ago it was said."""
        assert own.value is not None
        key, start, end = _key(item), timestamp(item.valid_from), timestamp(item.valid_to)
        again, by = _replicated(own)
        # In Kelvin there may be values whose unit had an offset: these are looked at one by one.
        assumed = 0.0 if own.unit == "K" else ASSUMED_SPREAD
        for side, edge in (("<", own.value - SIGMAS * own.spread), (">", own.value + SIGMAS * own.spread)):
            rows = self._connection.execute(
                f"SELECT {_SAID} FROM items WHERE {_TOPIC} "  # noqa: S608 constants
                f"AND negative IN (0, 1) AND base_value {side} ? "
                "AND (base_value - ?) * (base_value - ?) > ? * (? + CASE WHEN base_std IS NULL "
                "THEN ? * base_value * base_value ELSE base_std * base_std END) "
                f"AND NOT ({again}) "
                f"AND object = ? AND +base_unit = ? AND +until IS NULL AND +status = 'active' AND id <> ? "
                f"{_MEETING} LIMIT ?",
                (
                    *(*key[:4], edge, own.value, own.value),
                    *(SIGMAS * SIGMAS, own.spread * own.spread, assumed * assumed),
                    *by,
                    *(key[4], own.unit, item.id, start, start, end, end, COMPARED),
                ),
            )
            yield from map(_statement, rows)

    def _all_said(self, key: _Key) -> list[Statement]:
        """Return the latest that is said about a thing, the latest first; one more than is compared."""
        known = self._topic(key)
        if known.whole or key[3] or key[4]:
            return list(reversed(known.said.values()))
        # What only denies is compared with what states, and the other way round: as many of each.
        return [
            _statement(row)
            for negative in (0, 1)
            for row in self._connection.execute(
                f"SELECT {_SAID} FROM items WHERE {_TOPIC} AND negative = ? AND object = ? "  # noqa: S608
                "AND +until IS NULL AND +status = 'active' ORDER BY seq DESC LIMIT ?",
                (*key[:4], negative, key[4], COMPARED + 1),
            )
        ]

    def _topic(self, key: _Key) -> _Topic:
        if key not in self._topics:
            self._load({key})
        return self._topics[key]

    def _load(self, keys: Collection[_Key]) -> None:
        new = sorted(set(keys) - self._topics.keys())
        if not new:
            return
        found = [_Topic() for _ in new]
        for row in self._connection.execute(
            f"SELECT wanted.key, {_SAID.replace('id,', 'items.id,', 1)} FROM json_each(?) AS wanted "  # noqa: S608
            "CROSS JOIN items ON items.seq IN ("
            "SELECT said.seq FROM items AS said WHERE said.subject = json_extract(wanted.value, '$[0]') "
            "AND said.relation = json_extract(wanted.value, '$[1]') "
            "AND said.conditions = json_extract(wanted.value, '$[2]') "
            "AND said.has_value = json_extract(wanted.value, '$[3]') "
            "AND said.object = json_extract(wanted.value, '$[4]') "
            "AND +said.until IS NULL AND +said.status = 'active' ORDER BY said.seq DESC LIMIT ?) "
            "ORDER BY wanted.key, items.seq",
            (canonical_json(new), COMPARED + 1),
        ):
            found[row["key"]].said[row["id"]] = _statement(row)
            self._places[row["id"]] = new[row["key"]]
        for key, topic in zip(new, found, strict=True):
            topic.whole = len(topic.said) <= COMPARED
            self._topics[key] = topic


def is_calculated(made: Mapping[str, Any], origin: Origin) -> bool:
    """Say whether one call gives one answer, however often it is made: a reading of a table does, too.

    Args:
        made: the fields of a `Provenance`, which are not checked again.
        origin: of the finding.
    """
    return bool(made.get("call_key")) and (origin is not Origin.MEASURED or made.get("tool") == POOL)


def origin_of(made: Mapping[str, Any], origin: Origin) -> str:
    """Return what tells two findings apart: the bytes or the call that they are from, or who said them."""
    if made.get("content_hash"):
        return str(made["content_hash"])
    if is_calculated(made, origin):
        return str(made["call_key"])
    return canonical_json([made["source"], made.get("method", "")])


def _is_timed(item: KnowledgeItem) -> bool:
    return item.valid_from is not None or item.valid_to is not None


def _key(item: KnowledgeItem) -> _Key:
    has_value = int(item.value is not None)
    conditions = canonical_json(item.conditions) if item.conditions else "{}"
    return (item.subject, item.relation, conditions, has_value, item.object)


def _replicated(own: Reading) -> tuple[str, tuple[Any, ...]]:
    """Return a condition of SQL that holds for replicates of a reading alone, and the values in it."""
    body = "EXISTS (SELECT 1 FROM bodies WHERE bodies.seq = items.seq AND json_extract(payload, "
    called, read = f"{body}'$.provenance.call_key') <> '')", f"{body}'$.provenance.content_hash') = ?)"
    by = own.maker
    if own.std is not None:
        return "FALSE", ()
    if by.tool:
        return f"base_std IS NULL AND method = ? AND tool = ? AND {called}", (by.method, by.tool)
    together = [("coalesce(campaign, '') = ?", by.campaign), (read, by.bytes)]
    known = [(condition, value) for condition, value in together if value]
    if not by.method or not known:
        return "FALSE", ()
    either = " OR ".join(condition for condition, _ in known)
    values = (by.method, *(value for _, value in known))
    return f"base_std IS NULL AND method = ? AND ({either}) AND NOT {called}", values


def _statement(row: sqlite3.Row) -> Statement:
    made, value = json.loads(row["made"])
    rounding = None
    if value is not None and row["base_std"] is None:
        rounding = rounding_of(value["value"], value.get("unit", DIMENSIONLESS))
    base = (row["base_value"], row["base_std"], row["base_unit"])
    said = Reading(*base, maker(made), bool(row["negative"]), rounding)
    where = origin_of(made, Origin(row["origin"]))
    return Statement(row["id"], said, where, Access(row["access"]), bool(row["timed"]))
