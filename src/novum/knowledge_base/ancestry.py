"""What items rest on, at any distance: the part of the web of links that bears on a belief."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from novum.core.digest import canonical_json
from novum.core.knowledge import (
    CARRYING,
    LEDGER,
    DataClass,
    Evidence,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
)
from novum.core.science import Origin

_FELT = CARRYING | {EvidenceRole.REFUTES}

REACH = 500
"""From so many items on, no more are read to find out what two pieces of evidence have in common."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """An item as evidence for another one."""

    id: str
    method: str
    source: str
    origin: Origin
    data_class: DataClass
    confidence: float
    status: ItemStatus
    access: str
    evidence: tuple[tuple[str, EvidenceRole], ...]
    """Targets and roles of its links."""

    @property
    def voice(self) -> str:
        """Whose errors it has: its method's, or its source's where it names none."""
        return self.method or self.source

    @property
    def standing(self) -> float:
        """How probably it is true, as evidence for others: what has fallen says nothing."""
        return self.confidence if self.status is ItemStatus.ACTIVE else 0.0


def ancestor(item: KnowledgeItem) -> Ancestor:
    """Return an item as evidence for another one."""
    return Ancestor(
        item.id,
        item.provenance.method,
        item.provenance.source,
        item.origin,
        item.data_class,
        item.confidence,
        item.status,
        item.access,
        _targets(item.evidence),
    )


class Ancestry:
    """What lies behind items, read as far as it is asked for.

    Args:
        connection: the transaction.
        own: the item that is appraised, as it is about to be written.
    """

    def __init__(self, connection: sqlite3.Connection, own: Ancestor) -> None:
        self._connection = connection
        self._own = own
        self._known: dict[str, Ancestor] = {own.id: own}
        self._looked: set[str] = {own.id}
        self._behind: dict[str, frozenset[str]] = {}

    def read(self, ids: Iterable[str]) -> Mapping[str, Ancestor]:
        """Return the latest versions of those of `ids` that are known, by id."""
        wanted = {id for id in ids if not id.startswith(LEDGER)}
        new = sorted(wanted - self._looked)
        if new:
            self._looked.update(new)
            found: dict[str, list[tuple[str, EvidenceRole]]] = {}
            rows: dict[str, sqlite3.Row] = {}
            for row in self._connection.execute(
                "SELECT items.id, method, source, origin, data_class, confidence, status, access, "
                "links.target, links.role FROM json_each(?) AS wanted "
                "CROSS JOIN items ON items.id = wanted.value AND items.until IS NULL "
                "LEFT JOIN links ON links.seq = items.seq",
                (canonical_json(new),),
            ):
                rows[row["id"]] = row
                links = found.setdefault(row["id"], [])
                if row["target"] is not None:
                    links.append((row["target"], EvidenceRole(row["role"])))
            for id, row in rows.items():
                self._known[id] = Ancestor(
                    id,
                    row["method"],
                    row["source"],
                    Origin(row["origin"]),
                    DataClass(row["data_class"]),
                    row["confidence"],
                    ItemStatus(row["status"]),
                    row["access"],
                    tuple(found[id]),
                )
        return {id: self._known[id] for id in wanted if id in self._known}

    def behind(self, id: str) -> frozenset[str]:
        """Return all that an item rests on or is refuted by, at any distance: items and records of ledgers.

        The item itself is among them only where links lead back to it.
        """
        if id not in self._behind:
            self._behind[id] = self._walk(id)
        return self._behind[id]

    def circular(self, ids: Collection[str]) -> frozenset[str]:
        """Return those of `ids` that rest, at any distance, on the item that is appraised."""
        # Most items have nothing that leads to them, and cannot be in a circle.
        sql = "SELECT 1 FROM links WHERE target = ? LIMIT 1"
        if not ids or self._connection.execute(sql, (self._own.id,)).fetchone() is None:
            return frozenset()
        return frozenset(id for id in ids if id == self._own.id or self._own.id in self.behind(id))

    def _walk(self, start: str) -> frozenset[str]:
        reached: set[str] = set()
        frontier = {start}
        while frontier:
            enough = len(self._looked) >= REACH
            known = frontier & self._known.keys()
            read = {id: self._known[id] for id in known} if enough else self.read(frontier)
            targets = {t for item in read.values() for t, role in item.evidence if role in _FELT}
            frontier = targets - reached
            reached |= targets
        return frozenset(reached)


def _targets(evidence: Iterable[Evidence]) -> tuple[tuple[str, EvidenceRole], ...]:
    return tuple((link.target, link.role) for link in evidence)
