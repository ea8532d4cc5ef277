"""Checking that the knowledge base is what was recorded, and nothing else."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from novum.core.errors import StoreError
from novum.knowledge_base import clock, conflicts, track
from novum.knowledge_base.chain import GENESIS, Link, find_fault, payload_digest
from novum.knowledge_base.rows import FACETS, facets, to_item
from novum.storage import Database

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Audit:
    """What a walk along the hash chains found."""

    ok: bool
    n_versions: int
    head: str
    """Hash of the latest version; names the whole history of the items."""
    faults: tuple[str, ...]
    """The first fault of each kind, in words."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An end of the chain of versions that somebody noted elsewhere."""

    where: str
    """Who noted it, as "campaign c1, record/0"."""
    position: int
    hash: str


def audit(database: Database, seen: Iterable[Seen] = ()) -> Audit:
    """Recompute every hash, and hold every column against what it repeats.

    Args:
        database: the knowledge base.
        seen: ends of the chain that have to be in it still.

    Raises:
        StoreError: the knowledge base cannot be read.
    """
    faults = []
    try:
        database.check()
    except StoreError as error:
        faults.append(str(error))
    counts = {}
    for name, links in (
        ("items", _items(database)),
        ("forecasts", track.links(_pages(database, "SELECT * FROM forecasts WHERE seq > ?"))),
        (
            "disagreements",
            conflicts.disagreement_links(_pages(database, "SELECT * FROM disagreements WHERE seq > ?")),
        ),
        (
            "resolutions",
            conflicts.resolution_links(_pages(database, "SELECT * FROM resolutions WHERE seq > ?")),
        ),
        ("clock", clock.links(_pages(database, "SELECT * FROM clock WHERE seq > ?"))),
    ):
        tip = database.rows("SELECT n, hash FROM tips WHERE name = ?", (name,))
        fault, counts[name] = find_fault(links, (tip[0]["n"], tip[0]["hash"]) if tip else None)
        if fault:
            faults.append(f"{name}: {fault}")
    faults += _order(database) + clock.disorder(database.rows) + missing(database, seen)
    head = database.rows("SELECT hash FROM bodies ORDER BY seq DESC LIMIT 1")
    return Audit(
        ok=not faults,
        n_versions=counts["items"],
        head=head[0]["hash"] if head else GENESIS,
        faults=tuple(faults),
    )


def missing(database: Database, seen: Iterable[Seen]) -> list[str]:
    """Return which ends of the chain are not in it any more, in words.

    Raises:
        StoreError: the knowledge base cannot be read.
    """
    gone = []
    for noted in seen:
        rows = database.rows("SELECT hash FROM bodies WHERE seq = ?", (noted.position,))
        if not rows or rows[0]["hash"] != noted.hash:
            what = "another one is there" if rows else "the end of the chain is missing"
            gone.append(
                f"items: version {noted.position} in the order of recording, {noted.hash[:8]}, was noted by "
                f"{noted.where}; {what}"
            )
    return gone


def _items(database: Database) -> Iterator[Link]:
    sql = "SELECT * FROM items LEFT JOIN bodies USING (seq) WHERE seq > ?"
    for row in _pages(database, sql):
        name = f"version {row['version']} of item {row['id']}"
        if row["payload"] is None:
            yield Link(name, "", "", (), fault="its content is missing")
            continue
        fields = (row["id"], row["version"], row["recorded_at"], payload_digest(row["payload"]))
        yield Link(name, row["prev_hash"], row["hash"], fields, fault=_fault(database, row))


def _fault(database: Database, row: sqlite3.Row) -> str:
    """Return which column says something else than the item itself; empty if none does."""
    item = to_item(row)
    for column, said in zip(FACETS, facets(item, row["recorded_at"]), strict=True):
        if row[column] != said:
            return f"column {column!r} says {row[column]!r}, and the item {said!r}"
    if (row["id"], row["version"], row["text"]) != (item.id, item.version, item.text):
        return "its text or name is not that of the item"
    found = database.rows(
        "SELECT target, role, weight FROM links WHERE seq = ? ORDER BY position", (row["seq"],)
    )
    if [tuple(link) for link in found] != [(e.target, e.role.value, e.weight) for e in item.evidence]:
        return "its links are not those of the item"
    return ""


def _order(database: Database) -> list[str]:
    """Return what is wrong with which version counts as the latest."""
    wrong = database.rows(
        "SELECT items.id, items.version FROM items LEFT JOIN items AS next "
        "ON next.id = items.id AND next.version = items.version + 1 "
        "WHERE items.until IS NOT next.seq LIMIT 1"
    )
    gap = database.rows(
        "SELECT id, count(*) AS n, max(version) AS last FROM items GROUP BY id HAVING n <> last LIMIT 1"
    )
    return [f"items: version {row['version']} of {row['id']} ends at the wrong place" for row in wrong] + [
        f"items: of {row['id']} there are {row['n']} versions, and not {row['last']}" for row in gap
    ]


def _pages(database: Database, sql: str) -> Iterator[sqlite3.Row]:
    last = 0
    while rows := database.rows(f"{sql} ORDER BY seq LIMIT {_PAGE}", (last,)):
        yield from rows
        last = rows[-1]["seq"]
