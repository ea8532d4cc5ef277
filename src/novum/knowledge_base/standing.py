"""What stands and what does not: supersession by whatever route, and new evidence for what had lost."""

from collections.abc import Collection, Sequence

from novum.core.goals import POOL
from novum.core.knowledge import LEDGER, Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.core.science import Origin
from novum.knowledge_base.agreement import SIGMAS, difference, topic
from novum.knowledge_base.retraction import get, restore, withdraw_all
from novum.knowledge_base.rows import tool_of
from novum.knowledge_base.supersession import Superseder, circular, release, superseded, superseders
from novum.knowledge_base.writer import Writer

_AGAIN = "; found again since"

_SHOWING = (EvidenceRole.MEASURED_BY, EvidenceRole.SIMULATED_BY, EvidenceRole.SUPPORTS)


def settle(writer: Writer, ids: Collection[str]) -> list[str]:
    """Hold the supersession of items against what supersedes them; return the ids of those that changed.

    An item is superseded while any item that was not retracted says in its latest version that it
    supersedes it, whichever of both was recorded first and however they came in. It stands again where all
    that said so have been retracted; where it supersedes them in its turn, as when two people decided
    opposite ways; and where another source agrees with it and contradicts all of them.

    Args:
        writer: the transaction.
        ids: items that are new or have changed. What they supersede is looked at as well.
    """
    said = superseders(writer, [*ids, *superseded(writer, ids)])
    heads = writer.heads(said)
    reasons = {id: _why_standing(writer, heads[id], said[id]) for id in heads}
    changed: list[str] = []
    for id, reason in reasons.items():
        if reason and heads[id].status is ItemStatus.SUPERSEDED:
            changed += restore(writer, id, reason).ids
        elif reason and any(not item.retracted for item in said[id]):
            release(writer, id)
    lost = {
        id: f"{next(item.id for item in said[id] if not item.retracted)} supersedes it"
        for id, reason in reasons.items()
        if not reason and heads[id].status in (ItemStatus.ACTIVE, ItemStatus.STALE)
    }
    withdraw_all(writer, lost, ItemStatus.SUPERSEDED)
    return list(dict.fromkeys([*changed, *lost]))


def _why_standing(writer: Writer, item: KnowledgeItem, said: Sequence[Superseder]) -> str:
    """Return why an item stands whatever is said to supersede it; nothing where it does not."""
    counting = [by.id for by in said if not by.retracted]
    if not counting:
        return f"{said[0].id}, which superseded it, was retracted"
    counting = [by for by in counting if not circular(writer, item.id, by)]
    if not counting:
        return f"it and {said[0].id} supersede each other: their conflict is open again"
    if speaker := corroborated(writer, item, counting):
        return f"{speaker} agrees with it: its conflict with {counting[0]} is open again"
    return ""


def corroborated(writer: Writer, item: KnowledgeItem, superseders: Sequence[str]) -> str:
    """Return the id of an active item that agrees with `item` and contradicts all of `superseders`.

    It comes from another source than `item`. Empty where there is none.
    """
    against: set[str] | None = None
    for by in writer.heads(superseders).values():
        apart = {other for other, _ in writer.topics.contradictions(by)} - {item.id, *superseders}
        against = apart if against is None else against & apart
        if not against or topic(by) != topic(item):
            return ""
    for other in sorted(writer.heads(against or ()).values(), key=lambda found: found.id):
        z = difference(other, item)
        if z is not None and z <= SIGMAS and _is_another_source(other, item):
            return other.id
    return ""


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


def measured_since(writer: Writer, item: KnowledgeItem) -> list[Evidence]:
    """Return what measured an item after it had been retracted; nothing where that tells nothing new.

    A calculation that is repeated, or a table that is read again, says what it said before.
    """
    made = item.provenance
    repeated = bool(made.call_key) and (item.origin is not Origin.MEASURED or made.tool == POOL)
    if item.status is not ItemStatus.RETRACTED or item.origin is not Origin.MEASURED or repeated:
        return []
    rows = writer.rows(
        "SELECT DISTINCT target FROM links JOIN items USING (seq) WHERE id = ? AND version < ?",
        (item.id, item.version),
    )
    known = {row["target"] for row in rows}
    return [
        link
        for link in item.evidence
        if link.role is EvidenceRole.MEASURED_BY
        and link.target.startswith(LEDGER)
        and link.target not in known
    ]


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
