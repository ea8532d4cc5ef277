"""What items rest on, at any distance: the part of the web of links that bears on a belief."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from novum.core.digest import canonical_json
from novum.core.knowledge import LEDGER, DataClass, Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.core.science import Origin
from novum.knowledge_base.links import FELT

REACH = 500
"""From so many items on, no more are read to find out what two pieces of evidence have in common."""

KEPT = 100_000
"""Items that are remembered within one transaction."""


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


class Web:
    """The latest versions of items as evidence: read once in a transaction, many together, and kept up.

    Args:
        connection: the transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, Ancestor | None] = {}
        self._carrying: dict[str, bool] = {}
        self._behind: dict[str, frozenset[str] | None] = {}
        self.generation = 0
        """Rises where anything of an item that was read changes, its confidence and access apart."""

    def read(self, ids: Iterable[str]) -> dict[str, Ancestor]:
        """Return those of `ids` that are items known here, by id."""
        known = self._known
        wanted = [id for id in ids if not id.startswith(LEDGER)]
        if new := {id for id in wanted if id not in known}:
            known.update(dict.fromkeys(new))
            known.update(self._load(sorted(new)))
        return {id: found for id in wanted if (found := known[id]) is not None}

    def carry(self, ids: Collection[str]) -> set[str]:
        """Return those of `ids` that a link of any version of any item leads to."""
        new = sorted({id for id in ids if id not in self._carrying})
        if new:
            sql = (
                "SELECT value FROM json_each(?) "
                "WHERE EXISTS (SELECT 1 FROM links WHERE links.target = json_each.value)"
            )
            self._carrying.update(dict.fromkeys(new, False))
            rows = self._connection.execute(sql, (canonical_json(new),))
            self._carrying.update((row["value"], True) for row in rows)
        return {id for id in ids if self._carrying[id]}

    def behind(self, id: str) -> frozenset[str] | None:
        """Return all that an item rests on or is refuted by; None where these are more than `REACH` items."""
        if id not in self._behind:
            reached: set[str] = set()
            looked: set[str] = set()
            frontier = {id}
            while frontier and len(looked) < REACH:
                looked |= frontier
                targets = _felt(self.read(frontier).values())
                frontier = targets - reached
                reached |= targets
            self._behind[id] = None if frontier else frozenset(reached)
        return self._behind[id]

    def stand(self, ids: Collection[str]) -> None:
        """Take these as active, as they are about to be written, each in its turn."""
        for found in self.read(ids).values():
            self._known[found.id] = replace(found, status=ItemStatus.ACTIVE)
        self.generation += 1

    def written(self, item: KnowledgeItem) -> None:
        """Take over a version that was just added."""
        if len(self._known) > KEPT or len(self._carrying) > KEPT:
            for kept in (self._known, self._behind, self._carrying):
                kept.clear()
            self.generation += 1
        for link in item.evidence:
            if link.target in self._carrying:
                self._carrying[link.target] = True
        if item.id in self._known:
            before, now = self._known[item.id], ancestor(item)
            self._known[item.id] = now
            if before is None or before.evidence != now.evidence:
                self._behind.clear()
            if before is None or _said(before) != _said(now):
                self.generation += 1

    def _load(self, ids: Collection[str]) -> dict[str, Ancestor]:
        links: dict[str, list[tuple[str, EvidenceRole]]] = {}
        rows: dict[str, sqlite3.Row] = {}
        for row in self._connection.execute(
            "SELECT items.id, method, source, origin, data_class, confidence, status, access, "
            "links.target, links.role FROM json_each(?) AS wanted "
            "CROSS JOIN items ON items.id = wanted.value AND items.until IS NULL "
            "LEFT JOIN links ON links.seq = items.seq",
            (canonical_json(ids),),
        ):
            rows[row["id"]] = row
            found = links.setdefault(row["id"], [])
            if row["target"] is not None:
                found.append((row["target"], EvidenceRole(row["role"])))
        return {
            id: Ancestor(
                id,
                row["method"],
                row["source"],
                Origin(row["origin"]),
                DataClass(row["data_class"]),
                row["confidence"],
                ItemStatus(row["status"]),
                row["access"],
                tuple(links[id]),
            )
            for id, row in rows.items()
        }


class Ancestry:
    """What lies behind items, as one that is appraised sees it.

    Args:
        web: what is known.
        own: the item that is appraised, as it is about to be written.
    """

    def __init__(self, web: Web, own: Ancestor) -> None:
        self._web = web
        self._own = own
        self._looked: set[str] = {own.id}
        self._behind: dict[str, frozenset[str]] = {}

    def read(self, ids: Iterable[str]) -> Mapping[str, Ancestor]:
        """Return the latest versions of those of `ids` that are known, by id."""
        wanted = {id for id in ids if not id.startswith(LEDGER)}
        self._looked |= wanted
        found = self._web.read(wanted - {self._own.id})
        if self._own.id in wanted:
            found[self._own.id] = self._own
        return found

    def behind(self, id: str) -> frozenset[str]:
        """Return all that an item rests on or is refuted by, at any distance: items and records of ledgers.

        The item itself is among them only where links lead back to it.
        """
        if id not in self._behind:
            self._behind[id] = self._walk(id)
        return self._behind[id]

    def is_apart(self, id: str) -> bool:
        """Say whether the one that is appraised does not lie behind an item; False where too much does."""
        behind = self._web.behind(id)
        return behind is not None and id != self._own.id and self._own.id not in behind

    def circular(self, ids: Collection[str]) -> frozenset[str]:
        """Return those of `ids` that rest, at any distance, on the item that is appraised."""
        # Most items have nothing that leads to them, and cannot be in a circle.
        if not ids or not self._web.carry([self._own.id]):
            return frozenset()
        return frozenset(id for id in ids if id == self._own.id or self._own.id in self.behind(id))

    def _walk(self, start: str) -> frozenset[str]:
        if self.is_apart(start) and (known := self._web.behind(start)) is not None:
            looked = self._looked.union({start}, (id for id in known if not id.startswith(LEDGER)))
            if len(looked) < REACH:
                self._looked = looked
                return known
        reached: set[str] = set()
        frontier = {start}
        while frontier:
            enough = len(self._looked) >= REACH
            read = self.read(frontier & self._looked if enough else frontier)
            targets = _felt(read.values())
            frontier = targets - reached
            reached |= targets
        return frozenset(reached)


def _said(item: Ancestor) -> tuple[object, ...]:
    return (item.status, item.evidence, item.method, item.source, item.origin, item.data_class)


def _felt(items: Iterable[Ancestor]) -> set[str]:
    """Return the targets whose changes any of `items` feels."""
    return {target for item in items for target, role in item.evidence if role in FELT}


def _targets(evidence: Iterable[Evidence]) -> tuple[tuple[str, EvidenceRole], ...]:
    return tuple((link.target, link.role) for link in evidence)
