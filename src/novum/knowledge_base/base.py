"""The knowledge base: items that are known, found by what they say, mean and measure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base.embedders import Embedder, open_embedder
from novum.knowledge_base.index import Index, refuse_url
from novum.knowledge_base.items import Filters, Items
from novum.knowledge_base.search import Hit, Search


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


class KnowledgeBase:
    """Items in SQLite, with a search index as a view of them.

    Recording writes items only, durably. The index, and the model behind it, are loaded by the first
    search.

    Args:
        root: folder, made where it is missing: ``items.sqlite3`` and ``index/``.
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
        self.index = Index(self.root / "index", self.embedder, self.items)

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
