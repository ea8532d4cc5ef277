"""Taking back: retraction, supersession, review dates, and what falls with them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from novum.core.errors import NotFoundError, UsageError
from novum.core.knowledge import CARRYING, LEDGER, Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.knowledge_base.links import Dependant, impact
from novum.knowledge_base.rows import timestamp
from novum.knowledge_base.writer import Writer

_FALL = (ItemStatus.ACTIVE, ItemStatus.STALE, ItemStatus.SUPERSEDED, ItemStatus.RETRACTED)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What became of an item that was taken back, and of what rests on it."""

    item: KnowledgeItem
    stale: tuple[Dependant, ...]
    """What rests on it and has to be examined again; nearest first."""
    new: bool
    """It had not been taken back before."""


def withdraw(writer: Writer, id: str, status: ItemStatus, reason: str) -> Withdrawal:
    """Give an item a status other than active, and make stale what rests on it.

    What has been withdrawn already can only fall further: from stale to superseded to retracted.

    Raises:
        NotFoundError: there is no such item.
        UsageError: no reason is given.
    """
    item = get(writer, id)
    if not reason.strip():
        raise UsageError(f"say why {id} is {status.value}: the reason stays with it")
    new = _FALL.index(status) > _FALL.index(item.status)
    if new:
        item, _ = writer.revise(item.model_copy(update={"status": status, "status_reason": reason}))
    return Withdrawal(item=item, stale=cascade(writer, [id]), new=new)


def cascade(writer: Writer, ids: Collection[str]) -> tuple[Dependant, ...]:
    """Make stale what rests on any of `ids` and is active; return all that is stale with it, nearest first.

    Links in a circle are walked once. What has been withdrawn otherwise stays as it is.
    """
    dependants = impact(writer.rows, ids)
    heads = writer.heads([*(d.id for d in dependants), *ids])
    stale = []
    for dependant in dependants:
        item = heads[dependant.id]
        if item.status is ItemStatus.ACTIVE:
            above = heads.get(dependant.via)
            state = above.status.value if above is not None and dependant.depth == 1 else "stale"
            reason = f"it rests on {dependant.via}, which is {state}"
            writer.revise(item.model_copy(update={"status": ItemStatus.STALE, "status_reason": reason}))
        if item.status in (ItemStatus.ACTIVE, ItemStatus.STALE):
            stale.append(dependant)
    return tuple(stale)


def reinstate(
    writer: Writer, id: str, reason: str, *, evidence: tuple[Evidence, ...] = ()
) -> list[KnowledgeItem]:
    """Make an item active again, and what is stale for want of it alone; return all of them.

    Evidence that has fallen is left out of the new version. A review date that has passed is put off by
    as long as it was away when the item was first recorded.

    Args:
        writer: the transaction.
        id: the item.
        reason: why it may be used again.
        evidence: what is added for it.

    Raises:
        NotFoundError: there is no such item.
        UsageError: no reason is given.
    """
    item = get(writer, id)
    if not reason.strip():
        raise UsageError(f"say why {id} is reinstated: the reason stays with it")
    if item.status is ItemStatus.ACTIVE:
        return []
    known = writer.heads({link.target for link in item.evidence})
    kept = tuple(link for link in item.evidence if not _has_fallen(link, known))
    new = tuple(link for link in evidence if link not in kept)
    again, _ = writer.revise(
        item.model_copy(
            update={
                "status": ItemStatus.ACTIVE,
                "status_reason": reason,
                "evidence": (*kept, *new),
                "review_by": _next_review(writer, item),
            }
        )
    )
    return [again, *_revive(writer, id)]


def expire(writer: Writer) -> list[Withdrawal]:
    """Make stale what should have been examined again by now, and what rests on it."""
    due = writer.connection.execute(
        "SELECT id, review_by FROM items WHERE review_by <= ? AND until IS NULL AND status = 'active' "
        "ORDER BY seq",
        (timestamp(writer.now),),
    ).fetchall()
    return [
        withdraw(writer, row["id"], ItemStatus.STALE, f"its review was due on {row['review_by'][:10]}")
        for row in due
    ]


def get(writer: Writer, id: str) -> KnowledgeItem:
    """Return the latest version of an item.

    Raises:
        NotFoundError: there is no such item.
    """
    item = writer.head(id)
    if item is None:
        raise NotFoundError(f"there is no item {id!r} in the knowledge base")
    return item


def _revive(writer: Writer, id: str) -> list[KnowledgeItem]:
    """Reinstate what is stale, rests on `id`, and of which nothing it rests on is withdrawn any more."""
    revived: list[KnowledgeItem] = []
    found = impact(writer.rows, [id])
    for dependant in found:  # nearest first, so that what is between has been decided
        item = get(writer, dependant.id)
        known = writer.heads({link.target for link in item.evidence})
        fallen = any(_has_fallen(link, known) for link in item.evidence)
        overdue = item.review_by is not None and item.review_by <= writer.now
        if item.status is ItemStatus.STALE and not fallen and not overdue:
            reason = f"what it rests on stands again: {dependant.via}"
            update = {"status": ItemStatus.ACTIVE, "status_reason": reason}
            revived.append(writer.revise(item.model_copy(update=update))[0])
    return revived


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


def superseded(item: KnowledgeItem) -> list[str]:
    """Return the ids of the items that `item` says it supersedes."""
    return [link.target for link in item.evidence if link.role is EvidenceRole.SUPERSEDES]
