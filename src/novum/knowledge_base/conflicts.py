"""Contradictions: items about one thing, under the same conditions, that cannot all be true."""

import json
import math
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from typing import Any

from novum.core.digest import canonical_json
from novum.core.errors import NotFoundError, UsageError
from novum.core.forecasts import Forecast
from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.core.quality import score
from novum.knowledge_base import track
from novum.knowledge_base.agreement import SIGMAS, difference, topic
from novum.knowledge_base.chain import Chain, Link
from novum.knowledge_base.links import Rows
from novum.knowledge_base.retraction import Withdrawal, withdraw_all
from novum.knowledge_base.rows import timestamp, to_item
from novum.knowledge_base.writer import Writer

_DISAGREEMENT = "conflict, item, against, statistic, recorded_at"
_INSERT_DISAGREEMENT = (
    f"INSERT INTO disagreements ({_DISAGREEMENT}, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
)
_RESOLUTION = "conflict, rule, winner, members, reason, by, recorded_at"


class Rule(StrEnum):
    """By what a conflict is resolved."""

    WEIGHT = "weight"
    """The item for which the evidence weighs most: the highest confidence."""
    RECENCY = "recency"
    """The item whose source is the latest, by its own date or, without one, by when it was recorded."""
    QUALITY = "quality"
    """The item of the best quality as data."""
    PERSON = "person"
    """The item that a person names, or none of them: then all of them stand."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a conflict was decided."""

    rule: Rule
    winner: str | None
    """The item that stands; None where a person found that all of them do."""
    members: tuple[str, ...]
    """The items among which it was decided."""
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Conflict:
    """Items that cannot all be true."""

    id: str
    items: tuple[KnowledgeItem, ...]
    """All of them, in their present versions, in the order in which they came into the conflict."""
    statistic: float | None
    """The largest difference between those that are active, in standard deviations; None without numbers."""
    since: datetime
    resolution: Resolution | None
    """The latest decision."""
    open: bool
    """Active items contradict each other, and nobody has decided between just these."""

    @property
    def subject(self) -> str:
        """What they are about."""
        return self.items[0].subject

    @property
    def relation(self) -> str:
        """What they say of it."""
        return self.items[0].relation


def detect(writer: Writer, items: Iterable[KnowledgeItem]) -> list[str]:
    """Record the conflicts that new items are in; return the ids of those items."""
    found: dict[str, None] = {}
    chain = Chain(writer.connection, "disagreements")
    for item in items:
        if item.status is not ItemStatus.ACTIVE:
            continue
        apart = [(z, id) for id, z in writer.topics.contradictions(item)]
        if not apart:
            continue
        found[item.id] = None
        id = topic(item)
        worst = max(apart)
        rows = writer.rows("SELECT item FROM disagreements WHERE conflict = ?", (id,))
        known = {row["item"] for row in rows}
        for z, one, against in (*((z, other, item.id) for z, other in apart), (worst[0], item.id, worst[1])):
            if one not in known:
                known.add(one)
                fields = (id, one, against, z if math.isfinite(z) else None, timestamp(writer.now))
                writer.connection.execute(_INSERT_DISAGREEMENT, (*fields, *chain.add(*fields)))
    chain.close()
    return list(found)


def find_conflicts(rows: Rows, *, id: str | None = None, item: str | None = None) -> Iterator[Conflict]:
    """Yield conflicts, the latest first.

    Args:
        rows: runs a query.
        id: only this one.
        item: only those that this item is in.
    """
    which, values = "TRUE", []
    if id is not None:
        which, values = "conflict = ?", [id]
    elif item is not None:
        which, values = "conflict IN (SELECT conflict FROM disagreements WHERE item = ?)", [item]
    grouped = rows(
        "SELECT conflict, min(recorded_at) AS since, json_group_array(item) AS members "  # noqa: S608
        f"FROM (SELECT * FROM disagreements WHERE {which} ORDER BY recorded_at, item) "
        "GROUP BY conflict ORDER BY max(recorded_at) DESC, conflict",
        values,
    )
    for row in grouped:
        yield _conflict(rows, row["conflict"], json.loads(row["members"]), row["since"])


def resolve(
    writer: Writer, id: str, rule: Rule, *, winner: str | None = None, reason: str = "", by: str = ""
) -> tuple[Conflict, list[Withdrawal]]:
    """Decide a conflict by a rule, and record how; return it, and what became of the items that lost.

    The winner stays, with what agrees with it and with each other, and supersedes the others, which stay
    readable; what rests on them becomes stale.

    Args:
        writer: the transaction.
        id: the conflict.
        rule: by what it is decided.
        winner: for `Rule.PERSON`, the item that stands; None for all of them.
        reason: why; for a person's decision.
        by: who decided.

    Raises:
        NotFoundError: there is no such conflict, or the winner is not in it.
        UsageError: it is not open; the rule decides nothing; a person's name or reason is missing.
    """
    rows = writer.rows
    conflict = next(find_conflicts(rows, id=id), None)
    if conflict is None:
        raise NotFoundError(f"there is no conflict {id!r}")
    if not conflict.open:
        raise UsageError(f"conflict {id} is not open: its items agree by now, or it has been decided")
    active = [item for item in conflict.items if item.status is ItemStatus.ACTIVE]
    chosen, why = _choose(rows, active, rule, winner, reason, by)
    fields = (
        id,
        rule.value,
        chosen and chosen.id,
        canonical_json([item.id for item in active]),
        why,
        by,
        timestamp(writer.now),
    )
    chain = Chain(writer.connection, "resolutions")
    writer.connection.execute(
        f"INSERT INTO resolutions ({_RESOLUTION}, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (*fields, *chain.add(*fields)),
    )
    chain.close()
    withdrawals = []
    if chosen is not None:
        lost = _losers(chosen, active)
        links = tuple(Evidence(target=item.id, role=EvidenceRole.SUPERSEDES) for item in lost)
        writer.revise(chosen.model_copy(update={"evidence": (*chosen.evidence, *links)}))
        reasons = dict.fromkeys((item.id for item in lost), f"conflict {id}: {why}")
        withdrawals = withdraw_all(writer, reasons, ItemStatus.SUPERSEDED)
        if rule is Rule.PERSON:
            # The other rules rest on what is known of the methods, and would teach themselves.
            track.add(writer.connection, _lessons(id, active, lost), writer.now)
    return next(find_conflicts(rows, id=id)), withdrawals


def resolution_links(rows: Iterable[sqlite3.Row]) -> Iterator[Link]:
    """Yield the links of the chain of `resolutions`."""
    for row in rows:
        fields: tuple[Any, ...] = tuple(row[name] for name in _RESOLUTION.split(", "))
        yield Link(f"the resolution of conflict {row['conflict']}", row["prev_hash"], row["hash"], fields)


def disagreement_links(rows: Iterable[sqlite3.Row]) -> Iterator[Link]:
    """Yield the links of the chain of `disagreements`."""
    for row in rows:
        fields: tuple[Any, ...] = tuple(row[name] for name in _DISAGREEMENT.split(", "))
        yield Link(f"{row['item']} in conflict {row['conflict']}", row["prev_hash"], row["hash"], fields)


def _conflict(rows: Rows, id: str, members: Sequence[str], since: str) -> Conflict:
    found = {
        row["id"]: to_item(row)
        for row in rows(
            "SELECT items.id, items.version, bodies.payload FROM items JOIN bodies USING (seq) "
            "WHERE items.until IS NULL AND items.id IN (SELECT value FROM json_each(?))",
            [canonical_json(members)],
        )
    }
    items = tuple(found[member] for member in members)
    resolution = _latest_resolution(rows, id)
    active = [item for item in items if item.status is ItemStatus.ACTIVE]
    apart = [z for a, b in combinations(active, 2) if (z := difference(a, b)) is not None]
    largest = max(apart, default=0.0)
    # Where one was chosen and another stands again, what was decided does not hold any more.
    decided = (
        resolution is not None
        and resolution.winner is None
        and {item.id for item in active} <= set(resolution.members)
    )
    return Conflict(
        id=id,
        items=items,
        statistic=largest if math.isfinite(largest) else None,
        since=datetime.fromisoformat(since),
        resolution=resolution,
        open=largest > SIGMAS and not decided,
    )


def _latest_resolution(rows: Rows, id: str) -> Resolution | None:
    found = rows("SELECT * FROM resolutions WHERE conflict = ? ORDER BY seq DESC LIMIT 1", [id])
    if not found:
        return None
    row = found[0]
    return Resolution(
        rule=Rule(row["rule"]),
        winner=row["winner"],
        members=tuple(json.loads(row["members"])),
        reason=row["reason"],
        by=row["by"],
        at=datetime.fromisoformat(row["recorded_at"]),
    )


def _choose(
    rows: Rows, items: Sequence[KnowledgeItem], rule: Rule, winner: str | None, reason: str, by: str
) -> tuple[KnowledgeItem | None, str]:
    """Return the item that stands, and why."""
    if rule is Rule.PERSON:
        if not by.strip() or not reason.strip():
            raise UsageError("a person's decision needs the person and the reason")
        if winner is None:
            return None, reason
        chosen = next((item for item in items if item.id == winner), None)
        if chosen is None:
            raise NotFoundError(f"{winner!r} is none of {', '.join(item.id for item in items)}")
        return chosen, reason
    if winner is not None:
        raise UsageError(f"rule {rule.value!r} finds the item itself; only a person names one")
    ranked = sorted(((_rank(rows, item, rule), item) for item in items), key=lambda pair: pair[0])
    best, chosen = ranked[-1]
    # What agrees with it is no rival, however high it ranks.
    rivals = [(rank, item) for rank, item in ranked[:-1] if (difference(chosen, item) or 0) > SIGMAS]
    second, other = (rivals or ranked[:-1])[-1]
    if best == second:
        raise UsageError(f"rule {rule.value!r} does not decide: {chosen.id} and {other.id} are equal in it")
    why = f"{chosen.id} stands by {rule.value}: {_said(best)} against {_said(second)} of {other.id}"
    return chosen, f"{why}; {reason}" if reason else why


def _rank(rows: Rows, item: KnowledgeItem, rule: Rule) -> float | str:
    match rule:
        case Rule.WEIGHT:
            return item.confidence
        case Rule.QUALITY:
            return score(item.quality)
        case _:
            created = timestamp(item.provenance.created)
            if created is not None:
                return created
            first = rows("SELECT recorded_at FROM items WHERE id = ? AND version = 1", [item.id])
            return str(first[0]["recorded_at"])


def _said(rank: float | str) -> str:
    return rank if isinstance(rank, str) else f"{rank:.3f}"


def _losers(winner: KnowledgeItem, members: Sequence[KnowledgeItem]) -> list[KnowledgeItem]:
    """Return the members that contradict the winner, or something that is nearer to it and stays."""
    apart = {item.id: difference(winner, item) or 0.0 for item in members if item.id != winner.id}
    others = sorted((item for item in members if item.id in apart), key=lambda i: (apart[i.id], i.id))
    staying, lost = [winner], list[KnowledgeItem]()
    for item in others:
        agrees = all((difference(one, item) or 0.0) <= SIGMAS for one in staying)
        (staying if agrees else lost).append(item)
    return lost


def _lessons(
    id: str, members: Iterable[KnowledgeItem], lost: Collection[KnowledgeItem]
) -> Iterator[Forecast]:
    for item in members:
        source = item.provenance.method or item.provenance.source
        yield Forecast(source=source, key=f"{id}/{item.id}", held=item not in lost)
