"""Recording findings: each is appraised, held against what is known, and felt by what rests on it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

from novum.core.digest import canonical_json
from novum.core.errors import UsageError
from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.knowledge_base import conflicts
from novum.knowledge_base.agreement import SIGMAS, companions, difference, replicate_spread
from novum.knowledge_base.appraisal import Appraiser, moved, shut
from novum.knowledge_base.items import Items
from novum.knowledge_base.links import impact
from novum.knowledge_base.retraction import (
    FELT,
    Progress,
    Withdrawal,
    chunks,
    get,
    no_progress,
    reinstate,
    withdraw,
)
from novum.knowledge_base.rows import to_item
from novum.knowledge_base.standing import found_again, settle, take_up_again
from novum.knowledge_base.writer import Writer

ROUNDS = 10
"""How often a change of confidence is passed on along links that form a circle."""


class Recorder:
    """Writes items with everything that follows from them, in one transaction."""

    def __init__(self, writer: Writer, appraiser: Appraiser) -> None:
        self.writer = writer
        self._appraiser = appraiser

    def record(self, items: Iterable[KnowledgeItem], *, measured_again: bool = False) -> list[str]:
        """Record findings; return their ids. See `KnowledgeBase.record`."""
        found = self.writer.put(items)
        new = [item for item, is_new in found if is_new]
        if measured_again:
            for item in new:
                self._examine(item)
        self.follow_up([(item, self._before(item)) for item in new])
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
        self.appraise(stand)
        self.appraise_above(list(dict.fromkeys([*ids, *stand])))

    def link(self, source: str, role: EvidenceRole, target: str, weight: float) -> KnowledgeItem:
        """Record that `source` stands in a role to `target`. See `KnowledgeBase.link`."""
        if role in (EvidenceRole.SUPPORTS, EvidenceRole.REFUTES):
            source, target = target, source
        item = get(self.writer, source)
        link = Evidence(target=target, role=role, weight=weight)
        others = tuple(e for e in item.evidence if (e.target, e.role) != (target, role))
        appraised = self._appraiser(item.model_copy(update={"evidence": (*others, link)}))
        linked, _ = self.writer.revise(appraised)
        self.follow_up([(linked, item)])
        return get(self.writer, source)

    def retract(self, id: str, reason: str, *, progress: Progress = no_progress) -> Withdrawal:
        """Take an item back. See `KnowledgeBase.retract`."""
        taken = withdraw(self.writer, id, ItemStatus.RETRACTED, reason, progress=progress)
        if taken.new:
            again = settle(self.writer, [id])
            self.appraise(again)
            self.appraise_above([id], settled=taken.settled)
            self.appraise_above(again)
        return taken

    def reinstate(self, id: str, reason: str) -> list[str]:
        """Make an item active again; return all that is. See `KnowledgeBase.reinstate`."""
        again = reinstate(self.writer, id, reason)
        self.appraise(again)
        superseded = settle(self.writer, [id])
        self.appraise(superseded)
        self.appraise_above([id, *superseded])
        return again

    def amend(self, id: str, reason: str, changes: Mapping[str, object]) -> KnowledgeItem:
        """Change what a person may change of an item. See `KnowledgeBase.amend`."""
        item = get(self.writer, id)
        if not reason.strip():
            raise UsageError(f"say why {id} is amended: the reason stays with it")
        # Through the checks of an item, as when it was made.
        fields = dict(item) | dict(changes) | {"status_reason": reason}
        amended, new = self.writer.revise(self._appraiser(KnowledgeItem.model_validate(fields)))
        if new:
            self.appraise_above([id])
        return amended

    def appraise(self, ids: Collection[str]) -> list[str]:
        """Compute confidence and quality of items anew; return the ids of those that moved.

        What is superseded or retracted stays as it was when it was taken back, and is closed to readers only.
        """
        return [id for id, _ in self._appraise(ids)]

    def appraise_above(self, ids: Collection[str], *, settled: Collection[str] = ()) -> None:
        """Pass a change of `ids` on to all that feels it, among them as well.

        Who may see an item and whether it is stale go as far as the links do: both only ever close, so that
        this comes to an end. What circles do to confidence may not, and is left after `ROUNDS`.

        Args:
            ids: the items.
            settled: ids of those above them that have been appraised with the change.
        """
        felt = [id for id in self._above(ids) if id not in settled]
        for n in count(1):
            changes = self._appraise(felt)
            if not changes or (n >= ROUNDS and not any(closed for _, closed in changes)):
                return
            if settled:
                felt, settled = self._above([id for id, _ in changes]), ()

    def _above(self, ids: Collection[str]) -> list[str]:
        """Return the ids of what feels a change of `ids`, nearest first."""
        above = [dependant.id for dependant in impact(self.writer.rows, ids, roles=FELT)]
        # What agrees with any of these bears on its belief, and this on that of what rests on it.
        beside = companions(self.writer.connection, [*ids, *above])
        further = [dependant.id for dependant in impact(self.writer.rows, beside, roles=FELT)]
        return [*self._feeling(ids, {*ids, *above}), *above, *beside, *further]

    def _appraise(self, ids: Collection[str]) -> list[tuple[str, bool]]:
        """Appraise items in the order of `ids`; return those that moved, and whether each was shut."""
        changes = []
        # In this order, so that one walk from the nearest on takes a change along a chain of any length.
        for chunk in chunks(list(dict.fromkeys(ids))):
            heads = self.writer.heads(chunk)
            for item in (heads[id] for id in chunk if id in heads):
                again = self._appraiser(item)
                if item.status in (ItemStatus.SUPERSEDED, ItemStatus.RETRACTED):
                    # What is withdrawn can still be read, and so is closed with what it rests on.
                    again = item.model_copy(update={"access": again.access})
                if moved(item, again):
                    self.writer.rewrite([again.model_copy(update={"version": item.version + 1})])
                    changes.append((item.id, shut(item, again)))
        return changes

    def _feeling(self, ids: Collection[str], changed: Collection[str]) -> list[str]:
        """Return those of `ids` that feel a change of any of `changed`, in their order."""
        feeling: list[str] = []
        for chunk in chunks(list(dict.fromkeys(ids))):
            rows = self.writer.rows(
                "SELECT items.id, links.target FROM json_each(?) AS wanted "
                "CROSS JOIN items ON items.id = wanted.value AND items.until IS NULL "
                "CROSS JOIN links ON links.seq = items.seq "
                "WHERE links.role IN (SELECT value FROM json_each(?)) ORDER BY wanted.key",
                (canonical_json(chunk), canonical_json(sorted(FELT))),
            )
            feeling += dict.fromkeys(row["id"] for row in rows if row["target"] in changed)
        return feeling

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
            if stale.id == item.id:
                self._reinstate(stale, "it was measured again, with the same result", ())
                continue
            if get(self.writer, item.id).status is not ItemStatus.ACTIVE:
                continue
            noise = replicate_spread(self.writer.connection, item)
            apart = difference(item, stale, replicates=False, noise=noise)
            if apart is None:
                continue
            if apart <= SIGMAS:
                support = (Evidence(target=item.id, role=EvidenceRole.SUPPORTS),)
                self._reinstate(stale, f"it was measured again: {item.id} agrees with it", support)
            else:
                reason = f"it was measured again, and {item.id} differs from it by {apart:.1f} σ"
                now = get(self.writer, item.id)
                link = Evidence(target=stale.id, role=EvidenceRole.SUPERSEDES)
                self.writer.revise(now.model_copy(update={"evidence": (*now.evidence, link)}))
                withdraw(self.writer, stale.id, ItemStatus.SUPERSEDED, reason)

    def _reinstate(self, stale: KnowledgeItem, reason: str, evidence: tuple[Evidence, ...]) -> None:
        self.appraise(reinstate(self.writer, stale.id, reason, evidence=evidence))

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


@contextmanager
def recording(items: Items) -> Iterator[Recorder]:
    """Record in one transaction, all or none; nobody else writes meanwhile.

    Raises:
        StoreError: SQLite could not do it.
    """
    appraiser: Appraiser | None = None

    def appraise(item: KnowledgeItem) -> KnowledgeItem:
        assert appraiser is not None
        return appraiser(item)

    with items.writing(appraise=appraise) as writer:
        appraiser = Appraiser(writer.connection, writer.now)
        yield Recorder(writer, appraiser)
