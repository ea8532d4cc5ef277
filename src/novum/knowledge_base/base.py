"""The knowledge base: items that are known, found by what they say, mean and measure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from novum.core.forecasts import Calibration, Forecast, calibrate
from novum.core.knowledge import Access, EvidenceRole, KnowledgeItem, Level
from novum.knowledge_base import differences, links, retraction, track
from novum.knowledge_base.audit import Audit, Seen, audit
from novum.knowledge_base.bias import Bias, make_up, mean_quality
from novum.knowledge_base.conflicts import Conflict, Rule, find_conflicts, resolve
from novum.knowledge_base.contamination import Contamination, Example, find_overlaps
from novum.knowledge_base.derivation import derive
from novum.knowledge_base.embedders import Embedder, open_embedder
from novum.knowledge_base.index import Index, refuse_url
from novum.knowledge_base.items import Filters, Items, utc_now
from novum.knowledge_base.recording import recording
from novum.knowledge_base.search import Hit, Search
from novum.knowledge_base.structures import Structures
from novum.knowledge_base.writer import CHUNK


@dataclass(frozen=True, slots=True)
class Stats:
    """What a knowledge base holds."""

    n_items: int
    """Items of every status."""
    n_active: int
    n_negative: int
    """Active items that record a failure or a null result."""
    n_versions: int
    n_indexed: int
    """Items in the search index; the others are added by the next search."""
    levels: dict[str, int]
    statuses: dict[str, int]
    domains: dict[str, int]
    embedder: str
    """The embedder's description."""


class Amendments(TypedDict, total=False):
    """What a person may change of an item; everything else comes from its evidence."""

    access: Access
    valid_from: datetime | None
    valid_to: datetime | None
    review_by: datetime | None


class KnowledgeBase:
    """Items in SQLite, with a search index as a view of them.

    Recording writes items only, durably. The index, and the model behind it, are loaded by the first
    search.

    Args:
        root: folder, made where it is missing: ``items.sqlite3``, and views of it that are made when they are
            used: ``index/`` and ``structures.sqlite3``.
        embedder: a name or path for `open_embedder`, or an embedder.
        trace: finds the experiments behind evidence of the form ``ledger:CAMPAIGN/EXPERIMENT``.
        clock: the present time, with its time zone.

    Raises:
        MissingExtraError: the embedder's package is not installed.
        StoreError: the knowledge base is damaged or cannot be reached.
        UsageError: no such embedder, or `root` is a network address.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        embedder: str | Embedder = "auto",
        trace: links.Resolve | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.root = refuse_url(root)
        self._trace = trace
        self.embedder = open_embedder(embedder) if isinstance(embedder, str) else embedder
        self.items = Items(self.root / "items.sqlite3", clock=clock)
        self.index = Index(self.root / "index", self.embedder, self.items)
        self.structures = Structures(self.root / "structures.sqlite3", self.items)

    def record(self, items: Iterable[KnowledgeItem], *, measured_again: bool = False) -> list[str]:
        """Record findings, all or none, durably; return their ids, in order.

        What is known already adds nothing; see `Items.put`. Confidence and quality are computed here,
        whatever the items say. What contradicts what is known becomes a conflict, and both are kept. What
        an item says that it supersedes, is superseded.

        Args:
            items: the findings.
            measured_again: they were just measured, so that what is stale about the same thing can be
                reinstated, where it agrees, or superseded.

        Raises:
            EvidenceError: an item is called measured, and rests on what was not.
            StoreError: the items could not be written.
            ValueError: an item holds a number that is not finite.
        """
        with recording(self.items) as recorder:
            return recorder.record(items, measured_again=measured_again)

    def derive(
        self,
        function: Callable[..., Any],
        ids: Sequence[str],
        *,
        relation: str,
        method: str,
        text: str = "",
        subject: str | None = None,
        unit: str | None = None,
        conditions: Mapping[str, Any] | None = None,
        level: Level = Level.THEORETICAL,
    ) -> KnowledgeItem:
        """Compute a value from those of items, with its uncertainty; record it, and return the item.

        See `novum.knowledge_base.derivation.derive` for the arguments.

        Raises:
            NotFoundError: there is no such item.
            StoreError: the item could not be written.
            UnitError: the arithmetic mixes dimensions, or `unit` is of another one.
            UsageError: an item has no value, or there is no subject.
        """
        parents = [self.get(id) for id in ids]
        new = derive(
            function,
            parents,
            relation=relation,
            method=method,
            text=text,
            subject=subject,
            unit=unit,
            conditions=conditions,
            level=level,
        )
        [id] = self.record([new])
        return self.get(id)

    def link(self, source: str, role: EvidenceRole, target: str, *, weight: float = 1.0) -> KnowledgeItem:
        """Record that `source` stands in a role to `target`; return the item that now carries the link.

        It is read as a sentence: "K-1 supports K-2", "K-3 measured_by ledger:c1/E001". What supports or
        refutes is evidence of the other item. What is superseded is withdrawn. A link that is there
        already gets the new weight.

        Raises:
            EvidenceError: the item would be called measured, and rest on what was not.
            NotFoundError: there is no item to carry the link; what it leads to may come later.
            StoreError: the link could not be written.
            UsageError: an item would stand in a role to itself, or supersede what supersedes it, or what
                another source agrees with.
        """
        with recording(self.items) as recorder:
            return recorder.link(source, role, target, weight)

    def retract(
        self, id: str, *, reason: str, progress: retraction.Progress = retraction.no_progress
    ) -> retraction.Withdrawal:
        """Take an item back, and make stale what rests on it; return both.

        What is stale is left out of searches and of what campaigns build on, until it has been examined
        again. What the item had superseded, and nothing else does, stands again. Nothing is deleted. All
        of it is written, or nothing; others that want to write wait meanwhile.

        Args:
            id: the item.
            reason: why; it stays with the item.
            progress: is told how many of how many dependants have been dealt with.

        Raises:
            NotFoundError: there is no such item.
            StoreError: the knowledge base could not be written.
            UsageError: no reason is given.
        """
        with recording(self.items) as recorder:
            return recorder.retract(id, reason, progress=progress)

    def reinstate(self, id: str, *, reason: str) -> list[KnowledgeItem]:
        """Make an item active again, and what was stale for want of it alone; return all of them.

        Raises:
            NotFoundError: there is no such item.
            StoreError: the knowledge base could not be written.
            UsageError: no reason is given.
        """
        with recording(self.items) as recorder:
            again = recorder.reinstate(id, reason)
            heads = recorder.writer.heads(again)
            return [heads[id] for id in again]

    def amend(self, id: str, *, reason: str, **changes: Unpack[Amendments]) -> KnowledgeItem:
        """Change who may see an item, when it was true or when it is to be reviewed; return it as it is now.

        What rests on an item that is closed to readers is closed with it; opening it again opens it alone.

        Raises:
            NotFoundError: there is no such item.
            StoreError: the change could not be written.
            UsageError: no reason is given.
            ValueError: it would end before it begins, or a time has no time zone.
        """
        with recording(self.items) as recorder:
            return recorder.amend(id, reason, dict(changes))

    def set_clock(self, *, reason: str, by: str) -> None:
        """Say that a clock was ahead when the last record was written, so that recording can go on.

        What is recorded well before the time of the last record is refused, since one of both clocks is
        wrong. After this, recording goes on at the present time; what was recorded with the wrong time keeps
        it, and is known as of now, not as of then.

        Args:
            reason: what was wrong.
            by: who says so.

        Raises:
            StoreError: it could not be written.
            UsageError: the last record is of no later time; or no reason, or nobody's name, is given.
        """
        self.items.set_clock(reason=reason, by=by)

    def expire(self) -> list[retraction.Withdrawal]:
        """Make stale what should have been reviewed by now, and what rests on it; return all of it.

        Raises:
            StoreError: the knowledge base could not be written.
        """
        with recording(self.items) as recorder:
            return recorder.expire()

    def learn(self, forecasts: Iterable[Forecast]) -> int:
        """Record what sources said and whether it held; return how many forecasts were new.

        What is appraised from now on believes each method as far as it has held. `reappraise` applies
        that to what is known already.

        Raises:
            StoreError: the forecasts could not be written.
        """
        with self.items.writing() as writer:
            return track.add(writer.connection, forecasts, writer.now)

    def reappraise(self, ids: Collection[str] | None = None) -> list[str]:
        """Compute confidence and quality of items anew, and of what rests on them; return those that moved.

        Args:
            ids: the items; None for all that are active.

        Raises:
            StoreError: the knowledge base could not be written.
        """
        wanted = list(self.items.ids() if ids is None else ids)
        moved = []
        # In several transactions, so that other writers get their turn.
        for start in range(0, len(wanted), CHUNK):
            with recording(self.items) as recorder:
                found = recorder.appraise(wanted[start : start + CHUNK])
                recorder.appraise_above(found)
                moved += found
        return moved

    def why(self, id: str, *, as_of: datetime | None = None) -> links.Node:
        """Return the tree of evidence of an item: down to measurements, tools and earlier predictions.

        Raises:
            NotFoundError: there is no such item, or was none at `as_of`.
            StoreError: an item, or the ledger, cannot be read.
            UsageError: `as_of` has no time zone.
        """
        until = None if as_of is None else self.items.position_at(as_of)
        return links.why(self.items.database.rows, id, until=until, resolve=self._trace)

    def impact(self, id: str, *, as_of: datetime | None = None) -> list[links.Dependant]:
        """Return what rests on an item or on a record of a ledger, directly or not; nearest first.

        Raises:
            StoreError: the links cannot be read.
            UsageError: `as_of` has no time zone.
        """
        until = None if as_of is None else self.items.position_at(as_of)
        return links.impact(self.items.database.rows, [id], until=until)

    def history(self, id: str) -> list[tuple[datetime, KnowledgeItem]]:
        """Return when each version of an item was recorded, and the version, oldest first.

        Raises:
            NotFoundError: there is no such item.
            StoreError: a version cannot be read.
        """
        return self.items.history(id)

    def changes(self, before: datetime, after: datetime) -> differences.Changes:
        """Return what was learned after one time and up to another.

        Raises:
            StoreError: an item cannot be read.
            UsageError: a time has no time zone.
        """
        return differences.between(self.items, before, after)

    def compare(self, one: str, other: str) -> differences.Comparison:
        """Return what two campaigns found, side by side.

        Raises:
            StoreError: an item cannot be read.
        """
        return differences.of_campaigns(self.items, one, other)

    def conflicts(
        self,
        *,
        id: str | None = None,
        item: str | None = None,
        every: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Conflict]:
        """Return the conflicts that are open, the latest first.

        Args:
            id: only this one.
            item: only those that this item is in.
            every: those that were decided, or have gone away, too.
            limit: how many at most; None for all.
            offset: how many to leave out at the beginning.

        Raises:
            StoreError: the conflicts cannot be read.
        """
        found = find_conflicts(self.items.database.rows, id=id, item=item)
        wanted = (conflict for conflict in found if every or conflict.open)
        return list(islice(wanted, offset, None if limit is None else offset + limit))

    def resolve(
        self,
        conflict: str,
        rule: Rule,
        *,
        winner: str | None = None,
        reason: str = "",
        by: str = "",
    ) -> Conflict:
        """Decide a conflict by a rule, and record how; return it as it then stands.

        The winner supersedes the others, which stay readable; what rests on them becomes stale.

        Args:
            conflict: its id.
            rule: by what it is decided.
            winner: for a person's decision, the item that stands; None if all of them do.
            reason: why; needed for a person's decision.
            by: who decided; needed for a person's decision.

        Raises:
            NotFoundError: there is no such conflict, or the winner is not in it.
            StoreError: the decision could not be written.
            UsageError: it is not open; the rule decides nothing; a person's name or reason is missing.
        """
        with recording(self.items) as recorder:
            decided, taken = resolve(recorder.writer, conflict, rule, winner=winner, reason=reason, by=by)
            recorder.fell(taken)
            if not taken:
                # They refute one another no more.
                recorder.appraise_above([one.id for one in decided.items])
            return next(find_conflicts(recorder.writer.rows, id=conflict))

    def calibration(self) -> list[Calibration]:
        """Return how well what each source said has held.

        Raises:
            StoreError: the forecasts cannot be read.
        """
        return calibrate(track.read(self.items.database.rows("SELECT * FROM forecasts ORDER BY seq")))

    def bias(self) -> Bias:
        """Return the make-up of the active items: shares of sources, languages, domains, levels, signs.

        Raises:
            StoreError: the items cannot be read.
        """
        return make_up(self.items.database)

    def quality(self) -> dict[str, float | None]:
        """Return the mean of each dimension of quality over the active items, and of the score.

        Raises:
            StoreError: the items cannot be read.
        """
        return mean_quality(self.items.database)

    def contamination(self, examples: Iterable[Example]) -> Contamination:
        """Return which examples of an evaluation are known, by hash, molecule and runs of words.

        Items of every status count: what was once read is not unread.

        Raises:
            StoreError: the items cannot be read.
            UsageError: the SMILES of an example is none.
        """
        return find_overlaps(examples, self.items.walk(status=None))

    def verify(self, seen: Iterable[Seen] = ()) -> Audit:
        """Check that every version, forecast and decision is what was recorded.

        Args:
            seen: ends of the chain that were noted elsewhere, as campaigns do in their ledgers. Each has to
                be in the chain still: by itself, a knowledge base does not show that its end was cut off.

        Raises:
            StoreError: the knowledge base cannot be read at all.
        """
        return audit(self.items.database, seen)

    @property
    def head(self) -> tuple[int, str]:
        """How many versions were recorded, and the hash of the last, which names all of them."""
        return self.items.head

    def gc(self) -> int:
        """Give back the space that nothing needs; return how many bytes that was.

        Files are packed, and what is left of search indexes that were replaced is cleared. No version of
        any item goes away.

        Raises:
            StoreError: the files cannot be used.
        """
        before = _size(self.root)
        self.items.database.compact()
        if self.index.folder.is_dir():
            self.index.sync()
        return max(0, before - _size(self.root))

    def search(self, text: str, n: int = 10, **filters: Unpack[Filters]) -> list[Hit]:
        """Return the items that fit `text` best, by meaning and by words, best first.

        See `Search.find`. Only active items are found unless `status` says otherwise; with `as_of`, what
        is found are the versions of that time. Blank text finds nothing.

        Raises:
            StoreError: the items or the index cannot be used.
            UsageError: a filter is unknown or cannot be compared with.
        """
        return Search(self.items, self.index).find(text, n, **filters)

    def find(self, id: str, version: int | None = None) -> KnowledgeItem | None:
        """Return an item, or None; without a version, the latest.

        Raises:
            StoreError: the item cannot be read.
        """
        return self.items.find(id, version)

    def get(self, id: str, version: int | None = None) -> KnowledgeItem:
        """Return an item; without a version, the latest.

        Raises:
            NotFoundError: no such item or version.
            StoreError: the item cannot be read.
        """
        return self.items.get(id, version)

    def query(
        self, *, limit: int | None = None, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[KnowledgeItem]:
        """Return the items that pass the filters, in the order in which they were recorded.

        Raises:
            StoreError: an item cannot be read.
            UsageError: a filter is unknown or cannot be compared with.
        """
        return self.items.query(limit=limit, offset=offset, **filters)

    def about(self, subject: str) -> list[KnowledgeItem]:
        """Return the active items about a subject, oldest first.

        Raises:
            StoreError: the items cannot be read.
        """
        return self.items.query(subjects=[subject])

    def measurements(
        self,
        relation: str,
        *,
        methods: Collection[str] | None = None,
        conditions: Mapping[str, Any] | None = None,
        subjects: Collection[str] | None = None,
    ) -> list[KnowledgeItem]:
        """Return the active items that give `relation` a value, oldest first; nothing is embedded.

        Args:
            relation: the property's name.
            methods: any of these methods; None for all.
            conditions: exactly these conditions; None for all.
            subjects: any of these subjects; None for all.

        Raises:
            StoreError: the items cannot be read.
        """
        return self.items.query(
            relation=relation,
            methods=methods,
            conditions=conditions,
            subjects=subjects,
            negative=False,
            has_value=True,
        )

    def rebuild(self) -> int:
        """Build the search index anew from the items; return how many it holds.

        Raises:
            StoreError: the index cannot be built.
        """
        return self.index.rebuild()

    def stats(self) -> Stats:
        """Return what the knowledge base holds; loads neither the index nor a model.

        Raises:
            StoreError: the items cannot be read.
        """
        return Stats(
            n_items=self.items.count(status=None),
            n_active=self.items.count(),
            n_negative=self.items.count(negative=True),
            n_versions=self.items.n_versions,
            n_indexed=self.index.count,
            levels=self.items.groups("level"),
            statuses=self.items.groups("status"),
            domains=self.items.groups("domain"),
            embedder=self.embedder.description,
        )

    def close(self) -> None:
        """Close items and index. Closing twice does nothing."""
        self.structures.close()
        self.index.close()
        self.items.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _size(folder: Path) -> int:
    """Return how many bytes the files in a folder have."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
