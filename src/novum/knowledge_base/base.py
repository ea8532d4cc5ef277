"""The knowledge base: items that are known, found by what they say, mean and measure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base.embedders import Embedder, open_embedder
from novum.knowledge_base.items import Filters, Items
from novum.knowledge_base.vectors import Vectors, refuse_url

RANK_OFFSET = 60
"""Constant of the reciprocal rank fusion: how little the very first ranks stand out."""


class How(StrEnum):
    """Which search found an item."""

    VECTOR = "vector"
    TEXT = "text"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that a search found."""

    item: KnowledgeItem
    similarity: float
    """Cosine similarity of the item's text to the query, -1 to 1."""
    score: float
    """Fused rank; only its order means anything."""
    how: How


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
    """Items in the vector index; the others are added by the next search."""
    levels: dict[str, int]
    statuses: dict[str, int]
    domains: dict[str, int]
    embedder: str
    """The embedder's description."""


class KnowledgeBase:
    """Items in SQLite, with a vector index as a view of them.

    Recording writes items only, durably. The index, and the model behind it, are loaded by the first
    search.

    Args:
        root: folder, made where it is missing: ``items.sqlite3`` and ``vectors/``.
        embedder: a name or path for `open_embedder`, or an embedder.

    Raises:
        MissingExtraError: the embedder's package is not installed.
        StoreError: the knowledge base is damaged or cannot be reached.
        UsageError: no such embedder, or `root` is a network address.
    """

    def __init__(self, root: str | Path, *, embedder: str | Embedder = "auto") -> None:
        self.root = refuse_url(root)
        self.embedder = open_embedder(embedder) if isinstance(embedder, str) else embedder
        self.items = Items(self.root / "items.sqlite3")
        self.vectors = Vectors(self.root / "vectors", self.embedder, self.items)

    def record(self, items: Iterable[KnowledgeItem]) -> list[str]:
        """Record findings, all or none, durably; return their ids, in order.

        What is known already adds nothing; see `Items.put`.

        Raises:
            StoreError: the items could not be written.
            ValueError: an item holds a number that is not finite.
        """
        return [item.id for item, _ in self.items.put_many(items)]

    def search(self, text: str, n: int = 10, **filters: Unpack[Filters]) -> list[Hit]:
        """Return the items that fit `text` best, by meaning and by words, best first.

        The ranks of both searches are fused. Only active items are found unless `status` says
        otherwise. Blank text finds nothing.

        Raises:
            StoreError: the items or the index cannot be used.

        References:
            Cormack et al., SIGIR 2009, doi:10.1145/1571941.1572114, for reciprocal rank fusion.
        """
        if n < 1 or not text.strip():
            return []
        depth = max(4 * n, RANK_OFFSET)
        by_vector = self.vectors.search(text, depth, ids=self.items.ids(**filters))
        by_text = self.items.find_text(text, depth, **filters)
        scores: dict[str, float] = {}
        for ranking in ([id for id, _ in by_vector], by_text):
            for rank, id in enumerate(ranking, start=1):
                scores[id] = scores.get(id, 0.0) + 1.0 / (RANK_OFFSET + rank)
        best = sorted(scores, key=lambda id: (-scores[id], id))[:n]
        similarities = dict(by_vector)
        far = [id for id in best if id not in similarities]
        if far:
            similarities |= dict(self.vectors.search(text, len(far), ids=far))
        known, worded, near = self.items.get_many(best), set(by_text), {id for id, _ in by_vector}
        return [
            Hit(
                item=known[id],
                similarity=similarities.get(id, 0.0),
                score=scores[id],
                how=How.BOTH if id in worded and id in near else How.TEXT if id in worded else How.VECTOR,
            )
            for id in best
        ]

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
        """Build the vector index anew from the items; return how many it holds.

        Raises:
            StoreError: the index cannot be built.
        """
        return self.vectors.rebuild()

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
            n_indexed=self.vectors.count,
            levels=self.items.groups("level"),
            statuses=self.items.groups("status"),
            domains=self.items.groups("domain"),
            embedder=self.embedder.description,
        )

    def close(self) -> None:
        """Close items and index. Closing twice does nothing."""
        self.vectors.close()
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
