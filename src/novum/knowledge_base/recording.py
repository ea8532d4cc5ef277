"""Recording findings: each is appraised, held against what is known, and felt by what rests on it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from novum.core.errors import UsageError
from novum.core.knowledge import CARRYING, Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.knowledge_base import conflicts
from novum.knowledge_base.agreement import SIGMAS, difference
from novum.knowledge_base.appraisal import Appraiser, moved, shut
from novum.knowledge_base.items import Items
from novum.knowledge_base.links import impact
from novum.knowledge_base.retraction import get, reinstate, superseded, withdraw
from novum.knowledge_base.writer import Writer

ROUNDS = 10
"""How often a change of confidence is passed on along links that form a circle."""

_FELT = CARRYING | {EvidenceRole.REFUTES}
"""The roles through which an item feels a change of what they lead to."""


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
        for item in new:
            for target in superseded(item):
                if self.writer.head(target) is not None:
                    reason = f"{item.id} supersedes it"
                    withdraw(self.writer, target, ItemStatus.SUPERSEDED, reason)
                    self.appraise_above([target])
        conflicts.detect(self.writer, new)
        self.appraise_above([item.id for item in new])
        return [item.id for item, _ in found]

    def link(self, source: str, role: EvidenceRole, target: str, weight: float) -> KnowledgeItem:
        """Record that `source` stands in a role to `target`. See `KnowledgeBase.link`."""
        if role in (EvidenceRole.SUPPORTS, EvidenceRole.REFUTES):
            source, target = target, source
        item = get(self.writer, source)
        link = Evidence(target=target, role=role, weight=weight)
        others = tuple(e for e in item.evidence if (e.target, e.role) != (target, role))
        appraised = self._appraiser(item.model_copy(update={"evidence": (*others, link)}))
        linked, _ = self.writer.revise(appraised)
        if role is EvidenceRole.SUPERSEDES and self.writer.head(target) is not None:
            withdraw(self.writer, target, ItemStatus.SUPERSEDED, f"{source} supersedes it")
            self.appraise_above([target])
        self.appraise_above([source])
        return linked

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

        What is superseded or retracted stays as it was when it was taken back.
        """
        return [after.id for _, after in self._appraise(ids)]

    def appraise_above(self, ids: Collection[str]) -> None:
        """Pass a change of `ids` on to all that feels it, among them as well.

        Who may see an item and whether it is stale go as far as the links do: both only ever close, so that
        this comes to an end. What circles do to confidence may not, and is left after `ROUNDS`.
        """
        above = [dependant.id for dependant in impact(self.writer.rows, ids, roles=_FELT)]
        felt = [*self._feeling(ids, {*ids, *above}), *above]
        for n in count(1):
            changes = self._appraise(felt)
            if not changes or (n >= ROUNDS and not any(shut(*change) for change in changes)):
                return

    def _appraise(self, ids: Collection[str]) -> list[tuple[KnowledgeItem, KnowledgeItem]]:
        """Appraise items in the order of `ids`; return those that moved, before and after."""
        heads = self.writer.heads(ids)
        changes = []
        # In this order, so that one walk from the nearest on takes a change along a chain of any length.
        for item in (heads[id] for id in dict.fromkeys(ids) if id in heads):
            if item.status in (ItemStatus.SUPERSEDED, ItemStatus.RETRACTED):
                continue
            again = self._appraiser(item)
            if moved(item, again):
                self.writer.revise(again)
                changes.append((item, again))
        return changes

    def _feeling(self, ids: Collection[str], changed: Collection[str]) -> list[str]:
        """Return those of `ids` that feel a change of any of `changed`, in their order."""
        heads = self.writer.heads(ids)
        return [
            id
            for id in dict.fromkeys(ids)
            if id in heads and any(e.role in _FELT and e.target in changed for e in heads[id].evidence)
        ]

    def _examine(self, item: KnowledgeItem) -> None:
        """Hold what was just measured against what is stale about the same thing."""
        for stale in self._stale(item):
            if stale.id == item.id:
                self._reinstate(stale, "it was measured again, with the same result", ())
                continue
            if get(self.writer, item.id).status is not ItemStatus.ACTIVE:
                continue
            apart = difference(item, stale, replicates=False)
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
        again = reinstate(self.writer, stale.id, reason, evidence=evidence)
        self.appraise([item.id for item in again])

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
