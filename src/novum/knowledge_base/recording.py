"""Recording findings: each is appraised, held against what is known, and felt by what rests on it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from itertools import count

from novum.core.access import strictest
from novum.core.digest import canonical_json
from novum.core.errors import UsageError
from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.knowledge_base import conflicts
from novum.knowledge_base.agreement import SIGMAS, difference
from novum.knowledge_base.appraisal import Appraiser, moved, shut
from novum.knowledge_base.bearing import Bearing
from novum.knowledge_base.items import Items
from novum.knowledge_base.links import FELT, impact
from novum.knowledge_base.retraction import (
    Progress,
    Withdrawal,
    chunks,
    expire,
    fallen_source,
    get,
    measure_anew,
    no_progress,
    reinstate,
    withdraw,
)
from novum.knowledge_base.rows import to_item
from novum.knowledge_base.standing import corroborated, found_again, measured_since, settle, take_up_again
from novum.knowledge_base.supersession import circular
from novum.knowledge_base.writer import Writer

ROUNDS = 10
"""How often a change of confidence is passed on along links that form a circle."""


class Recorder:
    """Writes items with everything that follows from them, in one transaction."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._bearing = Bearing(writer)

    def record(self, items: Iterable[KnowledgeItem], *, measured_again: bool = False) -> list[str]:
        """Record findings; return their ids. See `KnowledgeBase.record`."""
        found = self.writer.put(items)
        new = [item for item, is_new in found if is_new]
        if measured_again:
            for item in new:
                self._examine(item)
        withdrawn = {item.id: before for item in new if (before := self._before(item)) is not None}
        for id in list(withdrawn):
            since = measured_since(self.writer, get(self.writer, id))
            if since:
                again = measure_anew(self.writer, id, since)
                self.appraise_above([id], settled=again.settled)
                del withdrawn[id]
        self.follow_up([(item, withdrawn.get(item.id)) for item in new])
        return [item.id for item, _ in found]

    def follow_up(self, found: Sequence[tuple[KnowledgeItem, KnowledgeItem | None]]) -> None:
        """Draw the consequences of what was recorded: supersession, conflicts, and what feels either.

        Args:
            found: the latest versions of items that are new or have changed; for what is withdrawn, with
                what it was before, so that new evidence can be told from old.
        """
        ids = [item.id for item, _ in found]
        stand: list[str] = []
        for chunk in chunks(ids):
            stand += settle(self.writer, chunk)
        contradicted = conflicts.detect(self.writer, self._active(item for item, _ in found))
        stand += take_up_again(self.writer, contradicted)
        for item, before in found:
            if before is not None:
                stand += found_again(self.writer, item.id, before)
        conflicts.detect(self.writer, self.writer.heads(stand).values())
        new = {item.id for item, _ in found if item.version == 1}
        self.appraise_above(list(dict.fromkeys([*ids, *stand])), new=new.difference(stand))

    def link(self, source: str, role: EvidenceRole, target: str, weight: float) -> KnowledgeItem:
        """Record that `source` stands in a role to `target`. See `KnowledgeBase.link`."""
        if role in (EvidenceRole.SUPPORTS, EvidenceRole.REFUTES):
            source, target = target, source
        item = get(self.writer, source)
        if target == source:
            raise UsageError(f"{source} cannot stand in a role to itself")
        if role is EvidenceRole.SUPERSEDES and self.writer.head(target) is not None:
            self._check_supersession(source, target)
        link = Evidence(target=target, role=role, weight=weight)
        others = tuple(e for e in item.evidence if (e.target, e.role) != (target, role))
        appraised = self.writer.appraise(item.model_copy(update={"evidence": (*others, link)}))
        linked, _ = self.writer.revise(appraised)
        self.follow_up([(linked, item)])
        return get(self.writer, source)

    def _check_supersession(self, source: str, target: str) -> None:
        """Refuse what would not count: the word of what is superseded itself, or against two sources."""
        if circular(self.writer, target, source):
            raise UsageError(f"{target} supersedes {source} already: retract or reinstate one of them first")
        speaker = corroborated(self.writer, get(self.writer, target), [source])
        if speaker:
            raise UsageError(
                f"{speaker} agrees with {target} and contradicts {source}: decide their conflict instead"
            )

    def retract(self, id: str, reason: str, *, progress: Progress = no_progress) -> Withdrawal:
        """Take an item back. See `KnowledgeBase.retract`."""
        taken = withdraw(self.writer, id, ItemStatus.RETRACTED, reason, progress=progress)
        if taken.new:
            again = settle(self.writer, [id])
            self.appraise_above([id], settled=taken.settled)
            self.appraise_above(again)
        return taken

    def expire(self) -> list[Withdrawal]:
        """Make stale what should have been reviewed by now. See `KnowledgeBase.expire`."""
        taken = expire(self.writer)
        self.fell(taken)
        return taken

    def fell(self, taken: Sequence[Withdrawal]) -> None:
        """Pass on that items have fallen together."""
        if taken:
            self.appraise_above([one.item.id for one in taken], settled=taken[0].settled)

    def reinstate(self, id: str, reason: str) -> list[str]:
        """Make an item active again; return all that is. See `KnowledgeBase.reinstate`."""
        again = reinstate(self.writer, id, reason)
        superseded = settle(self.writer, [id])
        self.appraise_above([id, *superseded], settled=() if superseded else again.settled)
        return list(again.ids)

    def amend(self, id: str, reason: str, changes: Mapping[str, object]) -> KnowledgeItem:
        """Change what a person may change of an item. See `KnowledgeBase.amend`."""
        item = get(self.writer, id)
        if not reason.strip():
            raise UsageError(f"say why {id} is amended: the reason stays with it")
        # Through the checks of an item, as when it was made.
        fields = dict(item) | dict(changes) | {"status_reason": reason}
        amended, new = self.writer.revise(self.writer.appraise(KnowledgeItem.model_validate(fields)))
        if new:
            self.appraise_above([id])
        return amended

    def appraise(self, ids: Collection[str]) -> list[str]:
        """Compute confidence and quality of items anew; return the ids of those that moved.

        What is superseded or retracted stays as it was when it was taken back, and is closed to readers only.
        """
        return list(self._appraise(ids))

    def appraise_above(
        self, ids: Collection[str], *, settled: Collection[str] = (), new: Collection[str] = ()
    ) -> None:
        """Pass a change of `ids` on to all that feels it, among them as well.

        Who may see an item and whether it is stale go as far as the links do: both only ever close, so that
        this comes to an end. What circles do to confidence may not, and is left after `ROUNDS`.

        Args:
            ids: the items.
            settled: ids of those above them that have been appraised with the change.
            new: those of `ids` that were not known before, and have not changed since they came.
        """
        felt = self._above(ids, new=new, settled=settled)
        order: _Order | None = None
        waiting: set[str] | None = None
        for n in count(1):
            if order is None or waiting is None:
                changes = self._appraise(felt)
            else:
                changes = self._appraise_waiting(order, waiting)
            closed = any(changes.values())
            if not changes or (n >= ROUNDS and not closed):
                return
            waiting = None
            if settled:
                felt, settled = self._above(changes), ()
            elif not closed:
                # Confidence is felt along links alone, and was by all that came later in the order.
                order = order or _Order(felt, self._links(felt, set(felt)))
                waiting = order.earlier(changes)

    def _appraise_waiting(self, order: "_Order", waiting: Collection[str]) -> dict[str, bool]:
        """Appraise those that wait, in their order, and what comes later and feels it where one moves."""
        changes: dict[str, bool] = {}
        places = [order.place[id] for id in waiting]
        heapify(places)
        last = -1
        while places:
            if (place := heappop(places)) == last:
                continue
            last = place
            if moved := self._appraise([order.ids[place]]):
                changes |= moved
                for later in order.later(order.ids[place]):
                    heappush(places, later)
        return changes

    def _above(
        self, ids: Collection[str], *, new: Collection[str] = (), settled: Collection[str] = ()
    ) -> list[str]:
        """Return the ids of what feels a change of `ids` and is not settled, nearest first."""
        above = [dependant.id for dependant in impact(self.writer.rows, ids, roles=FELT)]
        # What agrees with any of these bears on its belief, and this on that of what rests on it.
        beside = self._bearing.companions([*ids, *above], new=new)
        further = [dependant.id for dependant in impact(self.writer.rows, beside, roles=FELT)]
        feeling = (id for id in (*self._feeling(ids, {*ids, *above}), *above) if id not in settled)
        return [*feeling, *beside, *further]

    def _appraise(self, ids: Collection[str]) -> dict[str, bool]:
        """Appraise items in the order of `ids`; return those that moved, and whether each was shut."""
        changes: dict[str, bool] = {}
        # In this order, so that one walk from the nearest on takes a change along a chain of any length.
        for chunk in chunks(list(dict.fromkeys(ids))):
            heads = self.writer.heads(chunk)
            self.writer.appraise.prepare(heads.values())
            for item in (heads[id] for id in chunk if id in heads):
                again = self.writer.appraise(item)
                if item.status in (ItemStatus.SUPERSEDED, ItemStatus.RETRACTED):
                    # What is withdrawn can still be read, and so is closed with what it rests on.
                    again = item.model_copy(update={"access": again.access})
                if moved(item, again):
                    self.writer.rewrite([again.model_copy(update={"version": item.version + 1})])
                    changes[item.id] = shut(item, again)
        return changes

    def _feeling(self, ids: Collection[str], changed: Collection[str]) -> list[str]:
        """Return those of `ids` that feel a change of any of `changed`, in their order."""
        return list(dict.fromkeys(id for id, _ in self._links(ids, changed)))

    def _links(self, ids: Collection[str], changed: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield which of `ids` feels a change of which of `changed`, in their order."""
        for chunk in chunks(list(dict.fromkeys(ids))):
            rows = self.writer.rows(
                "SELECT items.id, links.target FROM json_each(?) AS wanted "
                "CROSS JOIN items ON items.id = wanted.value AND items.until IS NULL "
                "CROSS JOIN links ON links.seq = items.seq "
                "WHERE links.role IN (SELECT value FROM json_each(?)) ORDER BY wanted.key",
                (canonical_json(chunk), canonical_json(sorted(FELT))),
            )
            yield from ((row["id"], row["target"]) for row in rows if row["target"] in changed)

    def _active(self, items: Iterable[KnowledgeItem]) -> Iterator[KnowledgeItem]:
        """Yield those of `items` that are still active."""
        for chunk in chunks(list(items)):
            rows = self.writer.rows(
                "SELECT items.id FROM json_each(?) AS wanted CROSS JOIN items ON items.id = wanted.value "
                "WHERE items.until IS NULL AND items.status = 'active'",
                (canonical_json([item.id for item in chunk]),),
            )
            active = {row["id"] for row in rows}
            yield from (item for item in chunk if item.id in active)

    def _before(self, item: KnowledgeItem) -> KnowledgeItem | None:
        """Return the version before the one that was just recorded, where the item is withdrawn."""
        if item.version == 1 or item.status not in (ItemStatus.SUPERSEDED, ItemStatus.RETRACTED):
            return None
        rows = self.writer.rows(
            "SELECT items.id, items.version, bodies.payload FROM items JOIN bodies USING (seq) "
            "WHERE id = ? AND version = ?",
            (item.id, item.version - 1),
        )
        return to_item(rows[0])

    def _examine(self, item: KnowledgeItem) -> None:
        """Hold what was just measured against what is stale about the same thing."""
        for stale in self._stale(item):
            sound = fallen_source(self.writer, stale) is None
            if stale.id == item.id and sound:
                self._reinstate(stale, "it was measured again, with the same result", ())
            if stale.id == item.id or get(self.writer, item.id).status is not ItemStatus.ACTIVE:
                continue
            noise = self.writer.topics.replicate_spread(item)
            apart = difference(item, stale, replicates=False, noise=noise)
            if apart is None:
                continue
            if apart <= SIGMAS and not sound:
                continue  # it says what was made of something that is not there: the new item says it instead
            # What is more closed to readers is not named to those of what was in doubt.
            named = strictest(item.access, stale.access) is stale.access
            if apart <= SIGMAS and not named:
                self._reinstate(stale, "it was measured again, and the result agrees with it", ())
            elif apart <= SIGMAS:
                support = (Evidence(target=item.id, role=EvidenceRole.SUPPORTS),)
                self._reinstate(stale, f"it was measured again: {item.id} agrees with it", support)
            else:
                reason = "it was measured again, and the result differs from it"
                if named:
                    reason = f"it was measured again, and {item.id} differs from it by {apart:.1f} σ"
                now = get(self.writer, item.id)
                link = Evidence(target=stale.id, role=EvidenceRole.SUPERSEDES)
                self.writer.revise(now.model_copy(update={"evidence": (*now.evidence, link)}))
                withdraw(self.writer, stale.id, ItemStatus.SUPERSEDED, reason)

    def _reinstate(self, stale: KnowledgeItem, reason: str, evidence: tuple[Evidence, ...]) -> None:
        again = reinstate(self.writer, stale.id, reason, evidence=evidence)
        self.appraise_above([stale.id], settled=again.settled)

    def _stale(self, item: KnowledgeItem) -> list[KnowledgeItem]:
        """Return the stale items about the same thing, `item` itself included."""
        rows = self.writer.rows(
            "SELECT other.id FROM items AS own "
            "JOIN items AS other USING (subject, relation, conditions, object, has_value) "
            "WHERE own.id = ? AND own.until IS NULL "
            "AND +other.until IS NULL AND +other.status = 'stale' ORDER BY other.seq",
            (item.id,),
        )
        heads = self.writer.heads([row["id"] for row in rows])
        return [heads[row["id"]] for row in rows]


class _Order:
    """In which order items are appraised, and which of them feels a change of which."""

    def __init__(self, ids: Iterable[str], links: Iterable[tuple[str, str]]) -> None:
        self.ids = list(dict.fromkeys(ids))
        self.place = {id: n for n, id in enumerate(self.ids)}
        self._above: dict[str, list[int]] = {}
        for id, target in links:
            self._above.setdefault(target, []).append(self.place[id])

    def earlier(self, changed: Iterable[str]) -> set[str]:
        """Return what was appraised before one of `changed` was that it feels."""
        return {
            self.ids[place]
            for target in changed
            for place in self._above.get(target, ())
            if place < self.place[target]
        }

    def later(self, id: str) -> list[int]:
        """Return the places of what comes after an item and feels it."""
        return [place for place in self._above.get(id, ()) if place > self.place[id]]


@contextmanager
def recording(items: Items) -> Iterator[Recorder]:
    """Record in one transaction, all or none; nobody else writes meanwhile.

    Raises:
        StoreError: SQLite could not do it.
    """
    with items.writing(appraiser=Appraiser) as writer:
        yield Recorder(writer)
