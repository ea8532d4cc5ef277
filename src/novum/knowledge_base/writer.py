"""Writing versions of items: the only place that adds any, within one transaction."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from novum.core.access import strictest
from novum.core.digest import canonical_json
from novum.core.knowledge import ItemStatus, KnowledgeItem
from novum.knowledge_base import clock
from novum.knowledge_base.ancestry import Web
from novum.knowledge_base.chain import Chain, payload_digest
from novum.knowledge_base.rows import FACETS, content_of, facets, timestamp, to_item
from novum.knowledge_base.topics import Topics

CHUNK = 1000
"""Items written together."""

_INSERT_ITEM = f"INSERT INTO items (seq, {', '.join(FACETS)}) VALUES (?{', ?' * len(FACETS)})"  # noqa: S608 names
_INSERT_BODY = "INSERT INTO bodies (seq, text, payload, content, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_LINK = "INSERT INTO links (seq, position, target, role, weight) VALUES (?, ?, ?, ?, ?)"
_HEADS = (
    "SELECT items.seq, items.id, items.version, items.status, bodies.payload "
    "FROM items JOIN bodies USING (seq) "
    "WHERE items.until IS NULL AND items.id IN (SELECT value FROM json_each(?))"
)

_CONTENTS = (
    "SELECT items.id, items.access, bodies.content FROM json_each(?) AS wanted "
    "CROSS JOIN items ON items.id = wanted.value AND items.until IS NULL CROSS JOIN bodies USING (seq)"
)


class Appraise(Protocol):
    """Computes what the knowledge base says of items: confidence, quality, who may read them."""

    def __call__(self, item: KnowledgeItem) -> KnowledgeItem:
        """Return an item with what is said of it as it is about to be written."""

    def prepare(self, items: Collection[KnowledgeItem]) -> None:
        """Read in one go what appraising these takes."""


class Unappraised:
    """Says of items what they say themselves."""

    def __init__(self, writer: "Writer") -> None:
        pass

    def __call__(self, item: KnowledgeItem) -> KnowledgeItem:
        """Return the item."""
        return item

    def prepare(self, items: Collection[KnowledgeItem]) -> None:
        """Read nothing."""


class Writer:
    """Adds versions within a transaction that holds the write lock; sees what it has added itself.

    Args:
        connection: inside the transaction.
        now: the present. What is recorded is never earlier than what was recorded before it, so that the
            order of recording is the order of times; see `novum.knowledge_base.clock`.
        appraiser: makes what computes the confidence and quality of items that are found; it may read
            through the writer.

    Raises:
        StoreError: `now` lies well before the last record: a clock is wrong.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        now: datetime,
        *,
        appraiser: "Callable[[Writer], Appraise]" = Unappraised,
    ) -> None:
        self.connection = connection
        self.web = Web(connection)
        self.topics = Topics(connection)
        self._seq = connection.execute("SELECT coalesce(max(seq), 0) FROM items").fetchone()[0]
        self.now = clock.present(connection, now)
        self._chain = Chain(connection, "items")
        self.appraise = appraiser(self)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of one query, within the transaction."""
        return self.connection.execute(sql, parameters).fetchall()

    def head(self, id: str) -> KnowledgeItem | None:
        """Return the latest version of an item, or None."""
        return self.heads([id]).get(id)

    def heads(self, ids: Collection[str]) -> dict[str, KnowledgeItem]:
        """Return the latest versions of those of `ids` that are known, by id."""
        rows = self.connection.execute(_HEADS, (canonical_json(list(ids)),))
        return {row["id"]: to_item(row) for row in rows}

    def put(self, items: Iterable[KnowledgeItem]) -> list[tuple[KnowledgeItem, bool]]:
        """Record findings; return each item's latest version and whether it is new. See `Items.put`."""
        found: list[tuple[KnowledgeItem, bool]] = []
        remaining = iter(items)
        while chunk := list(islice(remaining, CHUNK)):
            heads = self.heads({item.id for item in chunk})
            self.appraise.prepare(chunk)
            rows: list[_Version] = []
            waiting: set[str] = set()
            for item in chunk:
                head = heads.get(item.id)
                if head is not None or any(link.target in waiting for link in item.evidence):
                    # What was added in this chunk has to be there to be compared with.
                    self._write(rows)
                    rows, waiting = [], set()
                if head is None:
                    given = item if item.version == 1 else item.model_copy(update={"version": 1})
                    item, new = self.appraise(given), True
                    rows.append(_Version(item))
                    waiting.add(item.id)
                else:
                    item, new = self._put_again(item, head)
                heads[item.id] = item
                found.append((item, new))
            self._write(rows)
        return found

    def revise(self, item: KnowledgeItem) -> tuple[KnowledgeItem, bool]:
        """Make `item` the latest version as it is given; return as `put` does. See `Items.revise`."""
        head = self.head(item.id)
        item = item.model_copy(update={"version": 1 if head is None else head.version})
        if item == head:
            return head, False
        if head is not None:
            item = item.model_copy(update={"version": head.version + 1})
        self._write([_Version(item)])
        return item, True

    def rewrite(self, items: Iterable[KnowledgeItem]) -> None:
        """Add the next version of each of `items`, in which nothing but what is computed of it has changed.

        For any number of them: each was read as the latest version within this transaction, bears the
        number that follows it, and nothing was added to it since.
        """
        remaining = iter(items)
        while chunk := list(islice(remaining, CHUNK)):
            access = {item.id: item.access for item in chunk}
            contents = {
                row["id"]: row["content"]
                for row in self.rows(_CONTENTS, (canonical_json(list(access)),))
                # Of all that is computed, this alone is content too.
                if row["access"] == access[row["id"]]
            }
            self._write([_Version(item, content=contents.get(item.id)) for item in chunk])

    def close(self) -> None:
        """Remember what was added; before the transaction is committed."""
        self._chain.close()

    def _put_again(self, item: KnowledgeItem, head: KnowledgeItem) -> tuple[KnowledgeItem, bool]:
        given = _Version(item).content
        withdraws = item.status is not ItemStatus.ACTIVE and item.status is not head.status
        if not withdraws:
            sql = "SELECT 1 FROM items JOIN bodies USING (seq) WHERE id = ? AND content = ?"
            if self.connection.execute(sql, (item.id, given)).fetchone():
                return head, False
        merged = merge(item, head)
        if merged.model_copy(update={"confidence": head.confidence, "quality": head.quality}) == head:
            return head, False
        merged = self.appraise(merged.model_copy(update={"version": head.version + 1}))
        self._write([_Version(merged, content=given)])
        return merged, True

    def _write(self, versions: "list[_Version]") -> None:
        if not versions:
            return
        moment = timestamp(self.now)
        assert moment is not None
        ended, items, bodies, links = [], [], [], []
        for version in versions:
            self._seq += 1
            item, payload = version.item, version.payload
            if item.version > 1:
                ended.append((self._seq, item.id))
            items.append((self._seq, *facets(item, moment)))
            digests = self._chain.add(item.id, item.version, moment, payload_digest(payload))
            bodies.append((self._seq, item.text, payload, version.content, *digests))
            for i, link in enumerate(item.evidence):
                links.append((self._seq, i, link.target, link.role.value, link.weight))
        self.connection.executemany("UPDATE items SET until = ? WHERE id = ? AND until IS NULL", ended)
        self.connection.executemany(_INSERT_ITEM, items)
        self.connection.executemany(_INSERT_LINK, links)
        self.connection.executemany(_INSERT_BODY, bodies)
        for version in versions:
            self.web.written(version.item)
            self.topics.written(version.item)


def merge(item: KnowledgeItem, head: KnowledgeItem) -> KnowledgeItem:
    """Return what `item`, found again, makes of the latest version of it, `head`.

    Evidence adds up. An item that was withdrawn stays so, and one that was closed to readers stays
    closed; dates that the new finding does not state are kept. The same bytes keep the name under which they
    were first read.
    """
    made = item.provenance
    if made.content_hash and made.content_hash == head.provenance.content_hash:
        made = made.model_copy(update={"source": head.provenance.source})
    kept = {(link.target, link.role) for link in head.evidence}
    added = tuple(link for link in item.evidence if (link.target, link.role) not in kept)
    changes: dict[str, object] = {
        "version": head.version,
        "provenance": made,
        "evidence": (*head.evidence, *added),
        "access": strictest(item.access, head.access),
        "flags": tuple(dict.fromkeys((*head.flags, *item.flags))),
        "valid_from": item.valid_from or head.valid_from,
        "valid_to": item.valid_to or head.valid_to,
        "review_by": item.review_by or head.review_by,
    }
    if item.status is ItemStatus.ACTIVE:
        changes |= {"status": head.status, "status_reason": head.status_reason}
    return item.model_copy(update=changes)


class _Version:
    """A version with the texts that are stored of it."""

    __slots__ = ("content", "item", "payload")

    def __init__(self, item: KnowledgeItem, *, content: str | None = None) -> None:
        fields = item.model_dump(mode="json")
        self.item = item
        self.payload = canonical_json(fields)
        self.content = content_of(fields) if content is None else content
