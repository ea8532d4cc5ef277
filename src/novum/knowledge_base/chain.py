"""Hash chains: append-only tables of which a stranger can see that nothing was changed afterwards."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from novum.core.digest import canonical_json, digest_bytes

GENESIS = "0" * 64
"""The hash that stands before the first row of a table."""

TIPS = """
    CREATE TABLE tips (
        name TEXT PRIMARY KEY,
        n INTEGER NOT NULL,
        hash TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
"""
"""Number and last hash of each chained table: a chain alone cannot show that its end was cut off."""

GUARDED_TIPS = (
    """
    CREATE TRIGGER tips_only_advance BEFORE UPDATE ON tips WHEN new.name <> old.name OR new.n <= old.n
    BEGIN SELECT RAISE(ABORT, 'the knowledge base is append-only'); END
    """,
    """
    CREATE TRIGGER tips_are_not_deleted BEFORE DELETE ON tips
    BEGIN SELECT RAISE(ABORT, 'the knowledge base is append-only'); END
    """,
)


def guards(table: str) -> tuple[str, str]:
    """Return the triggers that let nobody change or delete a row of `table`."""
    return tuple(  # type: ignore[return-value]
        f"CREATE TRIGGER {table}_are_not_{done} BEFORE {what} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are never overwritten'); END"
        for done, what in (("updated", "UPDATE"), ("deleted", "DELETE"))
    )


class Chain:
    """The end of one table's chain, within a transaction that holds the write lock."""

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        self._connection = connection
        self._table = table
        tip = connection.execute("SELECT n, hash FROM tips WHERE name = ?", (table,)).fetchone()
        self.n: int = tip["n"] if tip else 0
        self.hash: str = tip["hash"] if tip else GENESIS

    def add(self, *fields: Any) -> tuple[str, str]:
        """Return the hash before a new row and its own, which covers `fields`."""
        before = self.hash
        self.n += 1
        self.hash = link(before, fields)
        return before, self.hash

    def close(self) -> None:
        """Remember where the chain ends."""
        if self.n:
            self._connection.execute(
                "INSERT INTO tips (name, n, hash) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET n = excluded.n, hash = excluded.hash "
                "WHERE excluded.n > tips.n",
                (self._table, self.n, self.hash),
            )


def link(before: str, fields: Sequence[Any]) -> str:
    """Return the hash of a row with `fields` that follows the hash `before`."""
    return digest_bytes(f"{before}\n{canonical_json(list(fields))}".encode())


def payload_digest(payload: str) -> str:
    """Return what stands in a chain for the stored text of a row."""
    return digest_bytes(payload.encode())


@dataclass(frozen=True, slots=True)
class Link:
    """One row of a chained table, as it is found."""

    name: str
    """What to call it, as "version 2 of item K-…"."""
    before: str
    hash: str
    fields: tuple[Any, ...]
    fault: str = ""
    """What is wrong with it beside its hash; empty if nothing is."""


def find_fault(links: Iterable[Link], tip: tuple[int, str] | None) -> tuple[str, int]:
    """Return what is first wrong with a chain, in words, or nothing; and how many rows there are.

    Args:
        links: the rows in order.
        tip: number and hash of the last row, as remembered; None where nothing is remembered.
    """
    before, n, fault = GENESIS, 0, ""
    for found in links:
        n += 1
        if not fault and found.fault and not found.fields:
            fault = f"{found.name}: {found.fault}"
        elif not fault and found.before != before:
            fault = f"{found.name} does not follow what was recorded before it"
        elif not fault and link(found.before, found.fields) != found.hash:
            fault = f"{found.name} is not what was recorded"
        elif not fault and found.fault:
            fault = f"{found.name}: {found.fault}"
        before = found.hash
    if not fault and (n, before) != (tip or (0, GENESIS)):
        fault = f"{n} rows are there, ending in {before[:8]}, and not what was recorded last"
    return fault, n
