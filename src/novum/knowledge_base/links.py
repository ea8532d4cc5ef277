"""Walking the links between items: down to what an item rests on, up to what rests on it."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from novum.core.digest import canonical_json
from novum.core.errors import NotFoundError
from novum.core.knowledge import CARRYING, LEDGER, EvidenceRole, KnowledgeItem
from novum.core.tracing import Trace
from novum.knowledge_base.rows import to_item

Resolve = Callable[[str], Trace | None]
"""Finds what a ledger holds under a target ``ledger:CAMPAIGN/RECORD``; None where it is not there."""

Rows = Callable[[str, Sequence[Any]], Sequence[sqlite3.Row]]
"""Runs a query."""

DEPTH = 64
"""Steps that a walk takes at most; a chain of evidence is rarely longer than ten."""

FELT = CARRYING | {EvidenceRole.REFUTES}
"""The roles through which an item feels a change of what they lead to."""

_PRESENT = "items.until IS NULL"
_THEN = "items.seq <= ? AND (items.until IS NULL OR items.until > ?)"


class Found(StrEnum):
    """What is behind the target of a link."""

    ITEM = "item"
    RECORD = "record"
    """A record of a ledger."""
    MISSING = "missing"
    """Nothing that is here: an item or a record of somewhere else."""


@dataclass(frozen=True, slots=True)
class Node:
    """One place in the tree of evidence."""

    target: str
    role: EvidenceRole | None
    """How it bears on what is above it; None at the top."""
    weight: float
    found: Found
    item: KnowledgeItem | None = None
    trace: Trace | None = None
    below: tuple["Node", ...] = ()
    repeated: bool = False
    """It stands elsewhere in the tree, with what is below it."""

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, from top to bottom."""
        yield self
        for node in self.below:
            yield from node.walk()


@dataclass(frozen=True, slots=True)
class Dependant:
    """An item that rests on another thing, directly or through others."""

    id: str
    depth: int
    """1 for what rests on it directly."""
    via: str
    """What it rests on directly."""
    role: EvidenceRole


def why(
    rows: Rows, id: str, *, until: int | None = None, resolve: Resolve | None = None, depth: int = DEPTH
) -> Node:
    """Return the tree of evidence of an item, down to raw measurements.

    Every item stands in it with what is below it where it is first met, and alone where it is met again:
    links in a circle end where they close.

    Args:
        rows: runs a query.
        id: the item.
        until: the last place in the order of recording that counts; None for all.
        resolve: finds records of ledgers.
        depth: steps down at most.

    Raises:
        NotFoundError: there is no such item.
        StoreError: an item cannot be read.
    """
    items = _evidence(rows, id, until, depth)
    if id not in items:
        raise NotFoundError(f"there is no item {id!r} in the knowledge base")
    seen: set[str] = set()
    traces: dict[str, Trace | None] = {}

    def node(target: str, role: EvidenceRole | None, weight: float, left: int) -> Node:
        if target.startswith(LEDGER):
            if target not in traces:
                traces[target] = resolve(target) if resolve else None
            trace = traces[target]
            return Node(target, role, weight, Found.RECORD if trace else Found.MISSING, trace=trace)
        item = items.get(target)
        if item is None:
            return Node(target, role, weight, Found.MISSING)
        if target in seen or left == 0:
            return Node(target, role, weight, Found.ITEM, item=item, repeated=target in seen)
        seen.add(target)
        below = tuple(node(link.target, link.role, link.weight, left - 1) for link in item.evidence)
        return Node(target, role, weight, Found.ITEM, item=item, below=below)

    return node(id, None, 1.0, depth)


def impact(
    rows: Rows,
    targets: Iterable[str],
    *,
    until: int | None = None,
    roles: Collection[EvidenceRole] = CARRYING,
) -> list[Dependant]:
    """Return the items that rest on any of `targets`, nearest first, each once.

    Args:
        rows: runs a query.
        targets: ids of items, or records of ledgers.
        until: the last place in the order of recording that counts; None for all.
        roles: the links that are followed.

    Raises:
        StoreError: the links cannot be read.
    """
    found: dict[str, Dependant] = {}
    frontier = set(targets)
    start = frozenset(frontier)
    step = 0
    when, values = (_PRESENT, []) if until is None else (_THEN, [until, until])
    sql = (
        "SELECT items.id, links.target, links.role FROM json_each(?) AS wanted "  # noqa: S608 constants
        "CROSS JOIN links ON links.target = wanted.value CROSS JOIN items ON items.seq = links.seq "
        f"WHERE {when} AND links.role IN (SELECT value FROM json_each(?)) "
        "ORDER BY items.id, links.target, links.role"
    )
    wanted = canonical_json(sorted(roles))
    while frontier:
        step += 1
        new: dict[str, Dependant] = {}
        for row in rows(sql, [canonical_json(sorted(frontier)), *values, wanted]):
            if row["id"] not in found and row["id"] not in new and row["id"] not in start:
                role = EvidenceRole(row["role"])
                new[row["id"]] = Dependant(row["id"], depth=step, via=row["target"], role=role)
        found |= new
        frontier = set(new)
    return list(found.values())


def _evidence(rows: Rows, id: str, until: int | None, depth: int) -> Mapping[str, KnowledgeItem]:
    """Return the items at and below `id`, in the versions of that time."""
    when, values = (_PRESENT, []) if until is None else (_THEN, [until, until])
    sql = (
        "SELECT items.id, items.version, bodies.payload FROM json_each(?) AS wanted "  # noqa: S608 constants
        "CROSS JOIN items ON items.id = wanted.value CROSS JOIN bodies ON bodies.seq = items.seq "
        f"WHERE {when}"
    )
    found: dict[str, KnowledgeItem] = {}
    frontier = {id}
    for _ in range(depth + 1):
        read = {row["id"]: to_item(row) for row in rows(sql, [canonical_json(sorted(frontier)), *values])}
        found |= read
        frontier = {
            link.target
            for item in read.values()
            for link in item.evidence
            if not link.target.startswith(LEDGER) and link.target not in found
        }
        if not frontier:
            break
    return found
