"""Taking back: retraction, supersession, review dates, and what falls with them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar

from novum.core.digest import canonical_json
from novum.core.errors import NotFoundError, UsageError
from novum.core.knowledge import CARRYING, LEDGER, Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.knowledge_base.links import FELT, Dependant, impact
from novum.knowledge_base.rows import timestamp
from novum.knowledge_base.supersession import release
from novum.knowledge_base.writer import CHUNK, Writer

_FALL = (ItemStatus.ACTIVE, ItemStatus.STALE, ItemStatus.SUPERSEDED, ItemStatus.RETRACTED)

_T = TypeVar("_T")

Progress = Callable[[int, int], None]
"""Is told how many of how many items have been dealt with."""


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What became of an item that was taken back, and of what rests on it."""

    item: KnowledgeItem
    stale: tuple[Dependant, ...]
    """What rests on it and has to be examined again; nearest first."""
    new: bool
    """It had not been taken back before."""
    settled: frozenset[str] = frozenset()
    """Ids of those that fell with it and have been appraised with all that fell."""


def withdraw(
    writer: Writer, id: str, status: ItemStatus, reason: str, *, progress: Progress = no_progress
) -> Withdrawal:
    """Give an item a status other than active, and make stale what rests on it.

    What has been withdrawn already can only fall further: from stale to superseded to retracted.

    Raises:
        NotFoundError: there is no such item.
        UsageError: no reason is given.
    """
    [taken] = withdraw_all(writer, {id: reason}, status, progress=progress)
    return taken


def withdraw_all(
    writer: Writer, reasons: Mapping[str, str], status: ItemStatus, *, progress: Progress = no_progress
) -> list[Withdrawal]:
    """Do to several items what `withdraw` does to one, walking once what rests on any of them.

    What rests on several is told with the one to which it is nearest.

    Args:
        writer: the transaction.
        reasons: why, by the ids of the items.
        status: what they become.
        progress: is told how many of how many dependants have been dealt with.

    Raises:
        NotFoundError: there is no such item.
        UsageError: a reason is missing.
    """
    items, new = dict[str, KnowledgeItem](), set[str]()
    for id, reason in reasons.items():
        items[id] = get(writer, id)
        if not reason.strip():
            raise UsageError(f"say why {id} is {status.value}: the reason stays with it")
        if _FALL.index(status) > _FALL.index(items[id].status):
            fallen = items[id].model_copy(update={"status": status, "status_reason": reason})
            items[id], _ = writer.revise(fallen)
            new.add(id)
    stale, settled = _cascade(writer, {id: item.status for id, item in items.items()}, progress=progress)
    return [
        Withdrawal(item=item, stale=tuple(stale.get(id, ())), new=id in new, settled=settled)
        for id, item in items.items()
    ]


def _cascade(
    writer: Writer, roots: Mapping[str, ItemStatus], *, progress: Progress
) -> tuple[dict[str, list[Dependant]], frozenset[str]]:
    """Make stale what rests on `roots` and is active; return what is stale with each, and what is settled.

    Each falls and is appraised in one version, some at a time. Links in a circle are walked once. What has
    been withdrawn otherwise stays as it is.
    """
    dependants = impact(writer.rows, roots)
    falling = {dependant.id for dependant in dependants}
    stale: dict[str, list[Dependant]] = {}
    root_of = {id: id for id in roots}
    settled: set[str] = set()
    done = 0
    for chunk in _by_depth(dependants):
        heads = writer.heads([dependant.id for dependant in chunk])
        writer.appraise.prepare(heads.values())
        fallen = []
        for dependant in chunk:
            item = heads[dependant.id]
            root_of[item.id] = root_of[dependant.via]
            if item.status is ItemStatus.ACTIVE:
                state = roots.get(dependant.via, ItemStatus.STALE).value
                reason = f"it rests on {dependant.via}, which is {state}"
                update = {
                    "status": ItemStatus.STALE,
                    "status_reason": reason,
                    "version": item.version + 1,
                }
                fallen.append(writer.appraise(item.model_copy(update=update)))
                if not _feels(item, falling):
                    settled.add(item.id)
            if item.status in (ItemStatus.ACTIVE, ItemStatus.STALE):
                stale.setdefault(root_of[item.id], []).append(dependant)
        writer.rewrite(fallen)
        falling.difference_update(heads)  # what is above these sees them as they now are
        done += len(chunk)
        progress(done, len(dependants))
    return stale, frozenset(settled)


def _feels(item: KnowledgeItem, changing: Collection[str]) -> bool:
    return any(link.target in changing and link.role in FELT for link in item.evidence)


def _by_depth(dependants: Iterable[Dependant]) -> Iterator[list[Dependant]]:
    """Yield what is as far away, nearest first, some at a time."""
    for _, level in groupby(dependants, key=lambda dependant: dependant.depth):
        yield from chunks(list(level))


def chunks(found: Sequence[_T]) -> Iterator[list[_T]]:
    """Yield things some at a time, in order."""
    for start in range(0, len(found), CHUNK):
        yield list(found[start : start + CHUNK])


@dataclass(frozen=True, slots=True)
class Return:
    """Items that stand again."""

    ids: tuple[str, ...]
    """The one that was asked for first, then those that rest on it, nearest first."""
    settled: frozenset[str] = frozenset()
    """Ids of those that rest on it and have been appraised with all that stands again below them."""


def reinstate(writer: Writer, id: str, reason: str, *, evidence: tuple[Evidence, ...] = ()) -> Return:
    """Make an item active again, and what is stale for want of it alone.

    Evidence that has fallen is left out of the new version, but for what it is derived from, without which it
    is another statement. What superseded it does so no more. A review date that has passed is put off by as
    long as it was away when the item was first recorded.

    Args:
        writer: the transaction.
        id: the item.
        reason: why it may be used again.
        evidence: what is added for it.

    Raises:
        NotFoundError: there is no such item.
        UsageError: no reason is given, or it is derived from what has fallen.
    """
    item = get(writer, id)
    if not reason.strip():
        raise UsageError(f"say why {id} is reinstated: the reason stays with it")
    if item.status is ItemStatus.ACTIVE:
        return Return(())
    source = fallen_source(writer, item)
    if source is not None:
        raise UsageError(
            f"{id} is derived from {source.id}, which is {source.status.value}: reinstate that first, or "
            f"record what is derived from something else"
        )
    known = writer.heads({link.target for link in item.evidence})
    kept = tuple(link for link in item.evidence if not _has_fallen(link, known))
    new = tuple(link for link in evidence if link not in kept)
    again = {
        "status": ItemStatus.ACTIVE,
        "status_reason": reason,
        "evidence": (*kept, *new),
        "review_by": _next_review(writer, item),
    }
    standing, _ = writer.revise(writer.appraise(item.model_copy(update=again)))
    release(writer, id)
    return _revive(writer, id) if standing.status is ItemStatus.ACTIVE else Return((id,))


def fallen_source(writer: Writer, item: KnowledgeItem) -> KnowledgeItem | None:
    """Return what an item is derived from and has fallen, if anything has.

    What is stale and rests on the item itself does not count: it stands again with it.
    """
    sources = {e.target for e in item.evidence if e.role is EvidenceRole.DERIVED_FROM} - {item.id}
    known = writer.heads(sorted(sources)).values()
    fallen = [source for source in known if source.status is not ItemStatus.ACTIVE]
    if not fallen:
        return None
    above = {dependant.id for dependant in impact(writer.rows, [item.id])}
    return next((s for s in fallen if s.status is not ItemStatus.STALE or s.id not in above), None)


def measure_anew(writer: Writer, id: str, evidence: Sequence[Evidence]) -> Return:
    """Let an item stand again that was retracted and then measured again, with what is stale for want of it.

    It stands by what measured it since: what it was taken back with counts no more.

    Args:
        writer: the transaction.
        id: the item.
        evidence: what measured it since.

    Raises:
        NotFoundError: there is no such item.
    """
    item = get(writer, id)
    shown = (EvidenceRole.MEASURED_BY, EvidenceRole.SIMULATED_BY, *CARRYING)
    kept = tuple(link for link in item.evidence if link.role not in shown)
    update = {
        "status": ItemStatus.ACTIVE,
        "status_reason": f"it was measured again, by {evidence[0].target}, after it had been retracted",
        "evidence": (*kept, *evidence),
    }
    writer.revise(writer.appraise(item.model_copy(update=update)))
    release(writer, id)
    return _revive(writer, id)


def restore(writer: Writer, id: str, reason: str) -> Return:
    """Let an item stand again that was superseded, with what is stale for want of it alone.

    It keeps its evidence, and is stale where any of that has fallen or its review is overdue. What
    superseded it does so no more.

    Raises:
        NotFoundError: there is no such item.
    """
    item = get(writer, id)
    again = item.model_copy(update={"status": ItemStatus.ACTIVE, "status_reason": reason})
    if item.review_by is not None and item.review_by <= writer.now:
        overdue = f"its review was due on {item.review_by.date()}"
        again = again.model_copy(update={"status": ItemStatus.STALE, "status_reason": overdue})
    again, _ = writer.revise(writer.appraise(again))
    release(writer, id)
    return _revive(writer, id) if again.status is ItemStatus.ACTIVE else Return((id,))


def expire(writer: Writer) -> list[Withdrawal]:
    """Make stale what should have been examined again by now, and what rests on it."""
    due = writer.connection.execute(
        "SELECT id, review_by FROM items WHERE review_by <= ? AND until IS NULL AND status = 'active' "
        "ORDER BY seq",
        (timestamp(writer.now),),
    ).fetchall()
    reasons = {row["id"]: f"its review was due on {row['review_by'][:10]}" for row in due}
    return withdraw_all(writer, reasons, ItemStatus.STALE)


def get(writer: Writer, id: str) -> KnowledgeItem:
    """Return the latest version of an item.

    Raises:
        NotFoundError: there is no such item.
    """
    item = writer.head(id)
    if item is None:
        raise NotFoundError(f"there is no item {id!r} in the knowledge base")
    return item


def _revive(writer: Writer, id: str) -> Return:
    """Reinstate what is stale, rests on `id`, and of which nothing it rests on stays withdrawn.

    Items that rest on each other stand again together. Each is appraised in the version in which it does.
    """
    above = impact(writer.rows, [id])
    standing = _standing(_resting(writer, [dependant.id for dependant in above]))
    rising = set(standing)
    settled: set[str] = set()
    for chunk in _by_depth(dependant for dependant in above if dependant.id in standing):
        heads = writer.heads([dependant.id for dependant in chunk])
        writer.appraise.prepare(heads.values())
        writer.web.stand({link.target for item in heads.values() for link in item.evidence} & rising)
        risen = []
        for dependant in chunk:
            item = heads[dependant.id]
            again = {
                "status": ItemStatus.ACTIVE,
                "status_reason": f"what it rests on stands again: {dependant.via}",
                "version": item.version + 1,
            }
            risen.append(writer.appraise(item.model_copy(update=again)))
            if not _feels(item, rising):
                settled.add(item.id)
        writer.rewrite(risen)
        rising.difference_update(heads)
    revived = (dependant.id for dependant in above if dependant.id in standing)
    return Return((id, *revived), frozenset(settled))


def _standing(carried: Mapping[str, set[str]]) -> set[str]:
    """Return those that nothing withdrawn carries but what stands again with them.

    Args:
        carried: of each, what is withdrawn and carries it.
    """
    above: dict[str, list[str]] = {}
    for id, fallen in carried.items():
        for target in fallen:
            above.setdefault(target, []).append(id)
    standing = set(carried)
    lost = [target for target in above if target not in standing]
    while lost:
        lost = [id for target in lost for id in above.get(target, ()) if id in standing]
        standing.difference_update(lost)
    return standing


def _resting(writer: Writer, ids: Sequence[str]) -> dict[str, set[str]]:
    """Return what is withdrawn and carries those of `ids` that are stale and not overdue, by these."""
    found: dict[str, set[str]] = {}
    for chunk in chunks(ids):
        for row in writer.rows(
            "SELECT items.id, target.id AS fallen FROM json_each(?) AS wanted "
            "CROSS JOIN items ON items.id = wanted.value AND items.until IS NULL "
            "LEFT JOIN links ON links.seq = items.seq AND links.role IN (SELECT value FROM json_each(?)) "
            "LEFT JOIN items AS target ON target.id = links.target AND target.until IS NULL "
            "AND target.status <> 'active' "
            "WHERE items.status = 'stale' AND (items.review_by IS NULL OR items.review_by > ?)",
            (canonical_json(chunk), canonical_json(sorted(CARRYING)), timestamp(writer.now)),
        ):
            carried = found.setdefault(row["id"], set())
            if row["fallen"] is not None and row["fallen"] != row["id"]:
                carried.add(row["fallen"])
    return found


def _next_review(writer: Writer, item: KnowledgeItem) -> datetime | None:
    if item.review_by is None or item.review_by > writer.now:
        return item.review_by
    [first] = writer.rows("SELECT recorded_at FROM items WHERE id = ? AND version = 1", (item.id,))
    span = item.review_by - datetime.fromisoformat(first["recorded_at"])
    return writer.now + span if span > timedelta() else None


def _has_fallen(link: Evidence, known: dict[str, KnowledgeItem]) -> bool:
    """Say whether a link carries its item no more."""
    if link.role not in CARRYING or link.target.startswith(LEDGER):
        return False
    target = known.get(link.target)
    return target is not None and target.status is not ItemStatus.ACTIVE
