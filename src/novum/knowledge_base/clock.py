"""Clocks that were wrong: recording stops where time goes back, until a person says which clock is right."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from novum.core.errors import StoreError, UsageError
from novum.knowledge_base.chain import Chain, Link
from novum.knowledge_base.links import Rows
from novum.knowledge_base.rows import timestamp

TOLERANCE = timedelta(minutes=5)
"""How far the clocks of those who write one knowledge base may be apart, as far as time going back is
concerned: what is recorded up to this much before the last record is recorded at the time of that."""

_COLUMNS = "position, since, reason, by"


@dataclass(frozen=True, slots=True)
class Correction:
    """A person's word that the times before a place in the order of recording were ahead."""

    position: int
    """The last record before it."""
    since: str
    """When it was said, by the clock that is right."""


def present(connection: sqlite3.Connection, now: datetime) -> datetime:
    """Return the time at which to record now: never before what was recorded, since the clock was last set.

    Raises:
        StoreError: `now` lies more than `TOLERANCE` before the last record, so that a clock is or was wrong.
    """
    now = now.astimezone(UTC)
    last = connection.execute("SELECT seq, recorded_at FROM items ORDER BY seq DESC LIMIT 1").fetchone()
    if last is None:
        return now
    floor = datetime.fromisoformat(last["recorded_at"])
    if now < floor and (row := _last(connection)) is not None and row["position"] == last["seq"]:
        floor = datetime.fromisoformat(row["since"])
    if now < floor - TOLERANCE:
        raise StoreError(
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, and the last record of the knowledge base "
            f"is of {floor:%Y-%m-%d %H:%M} UTC: one of both clocks is wrong, and nothing is recorded until "
            f"it is known which. If it is this one, set it right. If it was the other, say so with "
            f"'novum kb clock --by NAME --reason TEXT': nothing is lost, and recording goes on"
        )
    return max(now, floor)


def correct(connection: sqlite3.Connection, now: datetime, *, reason: str, by: str) -> Correction:
    """Record that the last record's time is ahead of the true one, which is `now`.

    Raises:
        UsageError: it is not; or no reason, or nobody's name, is given.
    """
    if not reason.strip() or not by.strip():
        raise UsageError("that a clock was wrong needs the person who says so, and the reason")
    last = connection.execute("SELECT seq, recorded_at FROM items ORDER BY seq DESC LIMIT 1").fetchone()
    moment = timestamp(now)
    assert moment is not None
    if last is None or last["recorded_at"] <= moment:
        raise UsageError("the last record is of no later time than this machine's clock: nothing is wrong")
    fields = (last["seq"], moment, reason, by)
    chain = Chain(connection, "clock")
    connection.execute(
        f"INSERT INTO clock ({_COLUMNS}, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
        (*fields, *chain.add(*fields)),
    )
    chain.close()
    return Correction(last["seq"], moment)


def position_at(rows: Rows, moment: datetime) -> int:
    """Return the place in the order of recording of the last record that was there at `moment`.

    What was recorded before a clock was set right was there by then, whatever time it bears.

    Raises:
        UsageError: `moment` has no time zone.
    """
    then = timestamp(moment)
    start, end = 0, None
    for row in rows("SELECT position, since FROM clock ORDER BY position", []):
        if row["since"] <= then:
            start, end = row["position"], None
        elif end is None:
            end = row["position"]
    # By the index of times, which has the places within it.
    found = rows(
        "SELECT seq FROM items WHERE recorded_at <= ? AND +seq > ? AND (? IS NULL OR +seq <= ?) "
        "ORDER BY recorded_at DESC, seq DESC LIMIT 1",
        [then, start, end, end],
    )
    return int(found[0]["seq"]) if found else start


def links(rows: Iterable[sqlite3.Row]) -> Iterator[Link]:
    """Yield the links of the chain of `clock`."""
    for row in rows:
        fields: tuple[Any, ...] = tuple(row[name] for name in _COLUMNS.split(", "))
        yield Link(f"the clock set after record {row['position']}", row["prev_hash"], row["hash"], fields)


def disorder(rows: Rows) -> list[str]:
    """Return what is wrong with the order of times, in words."""
    wrong = rows(
        "SELECT id, version FROM ("
        "SELECT seq, id, version, recorded_at, lag(recorded_at) OVER (ORDER BY seq) AS before FROM items"
        ") WHERE recorded_at < before AND seq - 1 NOT IN (SELECT position FROM clock) LIMIT 1",
        [],
    )
    return [
        f"items: version {row['version']} of {row['id']} is of an earlier time than the one before it"
        for row in wrong
    ]


def _last(connection: sqlite3.Connection) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT position, since FROM clock ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return row
