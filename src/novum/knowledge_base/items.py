"""The items of the knowledge base: versioned rows in SQLite, of which none is ever overwritten."""

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from pydantic import ValidationError

from novum.core.digest import canonical_json, digest
from novum.core.errors import NotFoundError, StoreError, UsageError
from novum.core.knowledge import Access, ItemStatus, KnowledgeItem, Level
from novum.core.science import Origin
from novum.storage import Database

_PAGE = 1000
_MAX_WORDS = 64

_MIGRATIONS = (
    (
        """
        CREATE TABLE items (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL,
            version INTEGER NOT NULL CHECK (version >= 1),
            recorded_at TEXT NOT NULL,
            content TEXT NOT NULL,
            level TEXT NOT NULL,
            domain TEXT NOT NULL,
            subject TEXT NOT NULL,
            subject_label TEXT NOT NULL,
            relation TEXT NOT NULL,
            conditions TEXT NOT NULL,
            method TEXT NOT NULL,
            campaign TEXT,
            origin TEXT NOT NULL,
            negative INTEGER NOT NULL,
            has_value INTEGER NOT NULL,
            status TEXT NOT NULL,
            access TEXT NOT NULL,
            text TEXT NOT NULL,
            payload TEXT NOT NULL CHECK (json_valid(payload)),
            UNIQUE (id, version)
        ) STRICT
        """,
        "CREATE INDEX items_by_content ON items (id, content)",
        "CREATE INDEX first_versions ON items (seq) WHERE version = 1",
        "CREATE INDEX items_by_subject ON items (subject, relation)",
        "CREATE INDEX items_by_relation ON items (relation, method)",
        "CREATE INDEX items_by_campaign ON items (campaign, id)",
        # The latest version of each item; the versions themselves never change.
        "CREATE TABLE heads (id TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID",
        """
        CREATE VIRTUAL TABLE words USING fts5 (
            text, subject_label, relation,
            content = 'items', content_rowid = 'seq', tokenize = 'porter unicode61 remove_diacritics 2'
        )
        """,
        """
        CREATE TRIGGER items_are_found AFTER INSERT ON items BEGIN
            INSERT INTO heads (id, seq) VALUES (new.id, new.seq)
                ON CONFLICT (id) DO UPDATE SET seq = excluded.seq;
            INSERT INTO words (rowid, text, subject_label, relation)
                VALUES (new.seq, new.text, new.subject_label, new.relation);
        END
        """,
        """
        CREATE TRIGGER items_are_not_updated BEFORE UPDATE ON items
        BEGIN SELECT RAISE(ABORT, 'items are never overwritten'); END
        """,
        """
        CREATE TRIGGER items_are_not_deleted BEFORE DELETE ON items
        BEGIN SELECT RAISE(ABORT, 'items are never overwritten'); END
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Document:
    """The text of an item, and its place in the order of recording."""

    position: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One version of an item as it was recorded, and its place in the order of recording."""

    position: int
    recorded_at: str
    """UTC, ISO 8601 with six digits of seconds, so that the order of texts is the order of times."""
    content: str
    """Digest of what was recorded."""
    fields: dict[str, Any]
    """The item in JSON terms, as `KnowledgeItem.model_dump` writes it; not validated."""


class Filters(TypedDict, total=False):
    """Which items are meant. What is left out, or None, does not restrict; except `status`."""

    subjects: Collection[str] | None
    """Any of these subjects."""
    relation: str | None
    level: Level | None
    domain: str | None
    status: ItemStatus | None
    """Left out, it means active items only; None means items of every status."""
    negative: bool | None
    conditions: Mapping[str, Any] | None
    """Exactly these conditions."""
    methods: Collection[str] | None
    """Any of these methods of measurement."""
    origin: Origin | None
    access: Collection[Access] | None
    """Any of these tiers."""
    campaign: str | None
    """Recorded, in any version, by this campaign."""
    has_value: bool | None


class Items:
    """Versioned knowledge items in one SQLite file.

    Reading gives the latest version of each item unless it says otherwise.

    Args:
        path: the database file, made where it is missing.
        clock: the present time, with its time zone.

    Raises:
        StoreError: the file is damaged or cannot be reached.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = Path(path)
        self._clock = clock
        self._database = Database(
            self.path, what="knowledge base", application_id=0x6E6F7633, migrations=_MIGRATIONS
        )

    def put(self, item: KnowledgeItem) -> tuple[KnowledgeItem, bool]:
        """Record a finding, durably; return the item's latest version and whether it is new.

        Content that any version of the item already has adds nothing, so that a step can be repeated.
        Other content becomes the next version; the `version` that is given is not looked at. An item
        that was withdrawn stays so when it is found once more; `revise` reinstates it.

        Raises:
            StoreError: the item could not be written.
            ValueError: the item holds a number that is not finite.
        """
        return self.put_many([item])[0]

    def put_many(self, items: Iterable[KnowledgeItem]) -> list[tuple[KnowledgeItem, bool]]:
        """Record findings in one transaction, all or none; return each as `put` does.

        Raises:
            StoreError: the items could not be written.
            ValueError: an item holds a number that is not finite.
        """
        with self._database.transaction() as connection:
            return [self._put(connection, item, deliberate=False) for item in items]

    def revise(self, item: KnowledgeItem) -> tuple[KnowledgeItem, bool]:
        """Make `item` the latest version as it is given, status included; return as `put` does.

        For a deliberate change: a retraction, a reinstatement, a confidence that has moved. Only
        content equal to the latest version adds nothing.

        Raises:
            StoreError: the item could not be written.
            ValueError: the item holds a number that is not finite.
        """
        with self._database.transaction() as connection:
            return self._put(connection, item, deliberate=True)

    def find(self, id: str, version: int | None = None) -> KnowledgeItem | None:
        """Return an item, or None; without a version, the latest.

        Raises:
            StoreError: the item cannot be read.
        """
        if version is None:
            sql = "SELECT items.* FROM heads JOIN items USING (seq) WHERE heads.id = ?"
            rows = self._database.rows(sql, (id,))
        else:
            rows = self._database.rows("SELECT * FROM items WHERE id = ? AND version = ?", (id, version))
        return _to_item(rows[0]) if rows else None

    def get(self, id: str, version: int | None = None) -> KnowledgeItem:
        """Return an item; without a version, the latest.

        Raises:
            NotFoundError: no such item or version.
            StoreError: the item cannot be read.
        """
        item = self.find(id, version)
        if item is None:
            which = "" if version is None else f" in version {version}"
            raise NotFoundError(f"no item {id!r}{which} in the knowledge base {self.path}")
        return item

    def get_many(self, ids: Collection[str]) -> dict[str, KnowledgeItem]:
        """Return the latest versions of those of `ids` that are known, by id.

        Raises:
            StoreError: an item cannot be read.
        """
        sql = (
            "SELECT items.* FROM heads JOIN items USING (seq) "
            "WHERE heads.id IN (SELECT value FROM json_each(?))"
        )
        rows = self._database.rows(sql, (canonical_json(list(ids)),))
        return {row["id"]: _to_item(row) for row in rows}

    def history(self, id: str) -> list[tuple[datetime, KnowledgeItem]]:
        """Return when each version of an item was recorded, and the version, oldest first.

        Raises:
            NotFoundError: no such item.
            StoreError: a version cannot be read.
        """
        rows = self._database.rows("SELECT * FROM items WHERE id = ? ORDER BY version", (id,))
        if not rows:
            raise NotFoundError(f"no item {id!r} in the knowledge base {self.path}")
        return [(datetime.fromisoformat(row["recorded_at"]), _to_item(row)) for row in rows]

    def query(
        self, *, limit: int | None = None, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[KnowledgeItem]:
        """Return the items that fit, in the order in which their latest versions were recorded.

        Raises:
            StoreError: an item cannot be read.
        """
        where, values = _where(filters)
        rows = self._database.rows(
            f"SELECT items.* FROM heads JOIN items USING (seq) WHERE {where} "  # noqa: S608 constants
            "ORDER BY items.seq LIMIT ? OFFSET ?",
            [*values, -1 if limit is None else limit, offset],
        )
        return [_to_item(row) for row in rows]

    def ids(self, **filters: Unpack[Filters]) -> list[str]:
        """Return the ids of the items that fit, in the order of `query`.

        Raises:
            StoreError: the items cannot be read.
        """
        where, values = _where(filters)
        sql = f"SELECT heads.id FROM heads JOIN items USING (seq) WHERE {where} ORDER BY items.seq"  # noqa: S608 constants
        return [row["id"] for row in self._database.rows(sql, values)]

    def count(self, **filters: Unpack[Filters]) -> int:
        """Return how many items fit.

        Raises:
            StoreError: the items cannot be read.
        """
        where, values = _where(filters)
        sql = f"SELECT count(*) FROM heads JOIN items USING (seq) WHERE {where}"  # noqa: S608 constants
        return int(self._database.rows(sql, values)[0][0])

    def find_text(self, text: str, n: int = 10, **filters: Unpack[Filters]) -> list[str]:
        """Return the ids of the items whose words fit `text` best, best first.

        Any word may match, whatever its ending; rare words count for more (BM25). `text` is words, not
        a query language: quotes and operators mean nothing.

        Raises:
            StoreError: the items cannot be read.
        """
        words = re.findall(r"\w+", text)[:_MAX_WORDS]
        if not words:
            return []
        where, values = _where(filters)
        rows = self._database.rows(
            "SELECT heads.id FROM words JOIN heads ON heads.seq = words.rowid "  # noqa: S608 constants
            f"JOIN items ON items.seq = words.rowid WHERE words MATCH ? AND {where} "
            "ORDER BY bm25(words), heads.id LIMIT ?",
            [" OR ".join(f'"{word}"' for word in words), *values, n],
        )
        return [row["id"] for row in rows]

    def groups(self, column: str) -> dict[str, int]:
        """Return how many items, of every status, have each value of "level", "status" or "domain".

        Raises:
            StoreError: the items cannot be read.
        """
        assert column in ("level", "status", "domain")
        sql = (
            f"SELECT {column}, count(*) AS n FROM heads JOIN items USING (seq) "  # noqa: S608 checked above
            f"GROUP BY {column} ORDER BY {column}"
        )
        return {row[column]: row["n"] for row in self._database.rows(sql)}

    @property
    def n_versions(self) -> int:
        """How many versions there are of all items together."""
        return int(self._database.rows("SELECT count(*) FROM items")[0][0])

    def n_recorded(self, until: int) -> int:
        """Return how many items had been recorded at position `until`.

        Raises:
            StoreError: the items cannot be read.
        """
        # Every item has one first version, and none goes away: the number never changes again.
        sql = "SELECT count(*) FROM items WHERE version = 1 AND seq <= ?"
        return int(self._database.rows(sql, (until,))[0][0])

    def documents(self, *, since: int = 0) -> Iterator[Document]:
        """Yield the latest text of each item that was recorded after position `since`, in order.

        Raises:
            StoreError: the items cannot be read.
        """
        while rows := self._database.rows(
            "SELECT items.seq, items.id, items.text FROM items JOIN heads USING (seq) "
            "WHERE items.seq > ? ORDER BY items.seq LIMIT ?",
            (since, _PAGE),
        ):
            for row in rows:
                yield Document(position=row["seq"], id=row["id"], text=row["text"])
            since = rows[-1]["seq"]

    @property
    def last_position(self) -> int:
        """Position of the latest record; 0 before there is one."""
        return int(self._database.rows("SELECT coalesce(max(seq), 0) FROM items")[0][0])

    def content_at(self, position: int) -> str | None:
        """Return the digest of what was recorded at a position, or None where nothing was.

        Raises:
            StoreError: the items cannot be read.
        """
        rows = self._database.rows("SELECT content FROM items WHERE seq = ?", (position,))
        return rows[0]["content"] if rows else None

    def versions(self, *, since: int = 0) -> Iterator[Recorded]:
        """Yield every version of every item that was recorded after position `since`, in order.

        Raises:
            StoreError: the items cannot be read.
        """
        sql = "SELECT seq, recorded_at, content, payload FROM items WHERE seq > ? ORDER BY seq LIMIT ?"
        while rows := self._database.rows(sql, (since, _PAGE)):
            for row in rows:
                yield Recorded(row["seq"], row["recorded_at"], row["content"], json.loads(row["payload"]))
            since = rows[-1]["seq"]

    def close(self) -> None:
        """Close the database. Closing twice does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _put(
        self, connection: sqlite3.Connection, item: KnowledgeItem, *, deliberate: bool
    ) -> tuple[KnowledgeItem, bool]:
        row = connection.execute(
            "SELECT items.* FROM heads JOIN items USING (seq) WHERE heads.id = ?", (item.id,)
        ).fetchone()
        head = _to_item(row) if row else None
        withdraws = item.status is not ItemStatus.ACTIVE
        if head is not None and head.status is not ItemStatus.ACTIVE and not (deliberate or withdraws):
            item = item.model_copy(update={"status": head.status})
        content = digest(item.model_dump(mode="json", exclude={"version"}))
        if head is not None:
            # A repeated finding may lie under later versions; a repeated change only on top.
            sql = "SELECT 1 FROM items WHERE id = ? AND content = ? AND version >= ?"
            oldest = head.version if deliberate or withdraws else 1
            if connection.execute(sql, (item.id, content, oldest)).fetchone():
                return head, False
        item = item.model_copy(update={"version": 1 if head is None else head.version + 1})
        row = {
            "id": item.id,
            "version": item.version,
            "recorded_at": self._clock().astimezone(UTC).isoformat(timespec="microseconds"),
            "content": content,
            "level": item.level.value,
            "domain": item.domain,
            "subject": item.subject,
            "subject_label": item.subject_label,
            "relation": item.relation,
            "conditions": canonical_json(item.conditions),
            "method": item.provenance.method,
            "campaign": item.provenance.campaign,
            "origin": item.origin.value,
            "negative": int(item.negative),
            "has_value": int(item.value is not None),
            "status": item.status.value,
            "access": item.access.value,
            "text": item.text,
            "payload": canonical_json(item.model_dump(mode="json")),
        }
        names, slots = ", ".join(row), ", ".join(f":{name}" for name in row)
        connection.execute(f"INSERT INTO items ({names}) VALUES ({slots})", row)  # noqa: S608 names from above
        return item, True


def _where(filters: Filters) -> tuple[str, list[Any]]:
    """Return the condition that `filters` put on a row of `items`, and its parameters."""
    unknown = set(filters) - set(Filters.__annotations__)
    if unknown:
        raise UsageError(f"unknown filter {sorted(unknown)}; there are {sorted(Filters.__annotations__)}")
    clauses, values = ["TRUE"], list[Any]()

    def add(clause: str, value: Any) -> None:
        if value is not None:
            clauses.append(clause)
            values.append(value)

    def listed(names: Collection[str] | None) -> str | None:
        # As one JSON array, because SQLite limits the number of parameters.
        return None if names is None else canonical_json(sorted(names))

    add("items.status = ?", filters.get("status", ItemStatus.ACTIVE))
    add("items.subject IN (SELECT value FROM json_each(?))", listed(filters.get("subjects")))
    add("items.relation = ?", filters.get("relation"))
    add("items.level = ?", filters.get("level"))
    add("items.domain = ?", filters.get("domain"))
    add("items.negative = ?", filters.get("negative"))
    conditions = filters.get("conditions")
    add("items.conditions = ?", None if conditions is None else canonical_json(dict(conditions)))
    add("items.method IN (SELECT value FROM json_each(?))", listed(filters.get("methods")))
    add("items.origin = ?", filters.get("origin"))
    add("items.access IN (SELECT value FROM json_each(?))", listed(filters.get("access")))
    add("items.id IN (SELECT id FROM items AS other WHERE other.campaign = ?)", filters.get("campaign"))
    add("items.has_value = ?", filters.get("has_value"))
    return " AND ".join(clauses), values


def _to_item(row: sqlite3.Row) -> KnowledgeItem:
    try:
        return KnowledgeItem.model_validate_json(row["payload"])
    except ValidationError as error:
        raise StoreError(
            f"item {row['id']} in version {row['version']} cannot be read by this novum: {error}. "
            f"Use the novum that wrote it, or a later one"
        ) from error
