"""What stands and what does not: supersession by whatever route, and new evidence for what had lost."""

from collections.abc import Collection

from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.core.science import Origin
from novum.knowledge_base.agreement import SIGMAS, difference, topic
from novum.knowledge_base.retraction import get, restore, withdraw_all
from novum.knowledge_base.rows import tool_of
from novum.knowledge_base.supersession import superseded, superseders
from novum.knowledge_base.writer import Writer

_AGAIN = "; found again since"

_SHOWING = (EvidenceRole.MEASURED_BY, EvidenceRole.SIMULATED_BY, EvidenceRole.SUPPORTS)


def settle(writer: Writer, ids: Collection[str]) -> list[str]:
    """Hold the supersession of items against what supersedes them; return the ids of those that changed.

    An item is superseded while any item that was not retracted says in its latest version that it
    supersedes it, whichever of both was recorded first and however they came in. Where all that said so
    have been retracted, it stands again.

    Args:
        writer: the transaction.
        ids: items that are new or have changed. What they supersede is looked at as well.
    """
    said = superseders(writer, [*ids, *superseded(writer, ids)])
    heads = writer.heads(said)
    changed: list[str] = []
    again = [id for id in heads if all(item.retracted for item in said[id])]
    for id in again:
        if heads[id].status is ItemStatus.SUPERSEDED:
            changed += restore(writer, id, f"{said[id][0].id}, which superseded it, was retracted").ids
    lost = {}
    for id in heads:
        by = next((item.id for item in said[id] if not item.retracted), None)
        if by is not None and heads[id].status in (ItemStatus.ACTIVE, ItemStatus.STALE):
            lost[id] = f"{by} supersedes it"
    withdraw_all(writer, lost, ItemStatus.SUPERSEDED)
    return list(dict.fromkeys([*changed, *lost]))


def found_again(writer: Writer, id: str, before: KnowledgeItem) -> list[str]:
    """Deal with new evidence for an item that has been withdrawn; return the ids of what stands again.

    Where independent evidence came for one that was superseded, and it contradicts an active item, it stands
    again: the conflict of both is open again. Else it stays withdrawn, and its reason says that it was
    found again.

    Args:
        writer: the transaction.
        id: the item.
        before: what it was before the evidence came.
    """
    item = get(writer, id)
    known = {(link.target, link.role) for link in before.evidence}
    new = [e for e in item.evidence if e.role in _SHOWING and (e.target, e.role) not in known]
    if not new or item.status not in (ItemStatus.SUPERSEDED, ItemStatus.RETRACTED):
        return []
    if item.status is ItemStatus.SUPERSEDED and any(_is_independent(writer, item, link) for link in new):
        apart = [other for other, _ in writer.topics.contradictions(item)]
        if apart:
            reason = f"{new[0].target} speaks for it: its conflict with {apart[0]} is open again"
            return list(restore(writer, id, reason).ids)
    reason = f"{item.status_reason.partition(_AGAIN)[0]}{_AGAIN}: {new[-1].target}"
    writer.revise(item.model_copy(update={"status_reason": reason}))
    return []


def take_up_again(writer: Writer, ids: Collection[str]) -> list[str]:
    """Let stand again what lost to an item that is contradicted now; return the ids of all that does.

    A loser stands again where the new item agrees with it, and is no repetition of the same calculation.

    Args:
        writer: the transaction.
        ids: new items that contradict others.
    """
    changed: list[str] = []
    for item in (get(writer, id) for id in ids):
        apart = [other for other, _ in writer.topics.contradictions(item)]
        for loser in writer.heads(superseded(writer, apart)).values():
            if loser.status is not ItemStatus.SUPERSEDED or topic(loser) != topic(item):
                continue
            z = difference(item, loser)
            if z is not None and z <= SIGMAS and _is_another_source(item, loser):
                reason = f"{item.id} agrees with it: its conflict with {apart[0]} is open again"
                changed += restore(writer, loser.id, reason).ids
    return changed


def _is_independent(writer: Writer, item: KnowledgeItem, link: Evidence) -> bool:
    """Say whether evidence is more than the same calculation once again."""
    if item.origin is Origin.MEASURED:
        return True
    other = writer.head(link.target)
    return other is not None and other.status is ItemStatus.ACTIVE and _is_another_source(other, item)


def _is_another_source(one: KnowledgeItem, other: KnowledgeItem) -> bool:
    if one.origin is Origin.MEASURED:
        return True
    mine, its = ((p.method, tool_of(p.tool, p.tool_version)) for p in (one.provenance, other.provenance))
    return mine != its
