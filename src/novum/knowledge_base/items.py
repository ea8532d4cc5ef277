"""The items of the knowledge base: versioned rows in SQLite, of which none is ever overwritten."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from novum.core.digest import canonical_json
from novum.core.errors import NotFoundError
from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base import clock
from novum.knowledge_base.chain import GENESIS
from novum.knowledge_base.filters import Filters, Where, where
from novum.knowledge_base.rows import to_item
from novum.knowledge_base.schema import MIGRATIONS
from novum.knowledge_base.writer import Appraise, Unappraised, Writer
from novum.storage import Database

__all__ = ["Filters", "Items", "Recorded"]

GROUPED = ("level", "data_class", "status", "domain", "origin", "access")
"""What items can be counted by."""

_WHOLE = "SELECT items.*, bodies.payload FROM items JOIN bodies USING (seq)"
_PAGE = 1000


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One version of an item as it was recorded, and its place in the order of recording."""

    position: int
    recorded_at: str
    """UTC, ISO 8601 with six digits of seconds, so that the order of texts is the order of times."""
    content: str
    """Digest of this record and of all before it."""
    fields: dict[str, Any]
    """The item in JSON terms, as `KnowledgeItem.model_dump` writes it; not validated."""


class Items:
    """Versioned knowledge items in one SQLite file.

    Reading gives the latest version of each item unless it says otherwise.

    Args:
        path: the database file, made where it is missing.
        clock: the present time, with its time zone.

    Raises:
        StoreError: the file is damaged or cannot be reached.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.path = Path(path)
        self._clock = clock
        self.database = Database(
            self.path, what="knowledge base", application_id=0x6E6F7633, migrations=MIGRATIONS
        )

    @contextmanager
    def writing(self, *, appraiser: Callable[[Writer], Appraise] = Unappraised) -> Iterator[Writer]:
        """Read and write in one transaction, all or none: nobody else writes meanwhile.

        Args:
            appraiser: see `Writer`.

        Raises:
            StoreError: SQLite could not do it, or the clock is well behind the last record.
        """
        with self.database.transaction() as connection:
            writer = Writer(connection, self._clock(), appraiser=appraiser)
            yield writer
            writer.close()

    @property
    def now(self) -> datetime:
        """The present, by the clock of these items."""
        return self._clock().astimezone(UTC)

    def put(self, item: KnowledgeItem) -> tuple[KnowledgeItem, bool]:
        """Record a finding, durably; return the item's latest version and whether it is new.

        What was put before adds nothing, so that a step can be repeated; `version`, `confidence` and
        `quality` are not looked at. Anything else becomes the next version, in which evidence adds up:
        see `novum.knowledge_base.writer.merge`. An item that was withdrawn stays so when it is found
        once more; `revise` reinstates it.

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
        with self.writing() as writer:
            return writer.put(items)

    def revise(self, item: KnowledgeItem) -> tuple[KnowledgeItem, bool]:
        """Make `item` the latest version as it is given, status included; return as `put` does.

        For a deliberate change: a retraction, a reinstatement, a confidence that has moved. Only
        content equal to the latest version adds nothing.

        Raises:
            StoreError: the item could not be written.
            ValueError: the item holds a number that is not finite.
        """
        with self.writing() as writer:
            return writer.revise(item)

    def find(self, id: str, version: int | None = None) -> KnowledgeItem | None:
        """Return an item, or None; without a version, the latest.

        Raises:
            StoreError: the item cannot be read.
        """
        which = "items.until IS NULL" if version is None else "items.version = ?"
        rows = self.database.rows(
            f"{_WHOLE} WHERE items.id = ? AND {which}",
            (id,) if version is None else (id, version),
        )
        return to_item(rows[0]) if rows else None

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
        sql = f"{_WHOLE} WHERE items.until IS NULL AND items.id IN (SELECT value FROM json_each(?))"  # noqa: S608 constants
        rows = self.database.rows(sql, (canonical_json(list(ids)),))
        return {row["id"]: to_item(row) for row in rows}

    def versions_at(self, ids: Collection[str], position: int) -> dict[str, KnowledgeItem]:
        """Return the versions of `ids` that were the latest at a place in the order of recording, by id.

        Raises:
            StoreError: an item cannot be read.
        """
        sql = (
            f"{_WHOLE} WHERE items.id IN (SELECT value FROM json_each(?)) AND items.seq <= ? "  # noqa: S608
            "AND (items.until IS NULL OR items.until > ?)"
        )
        rows = self.database.rows(sql, (canonical_json(list(ids)), position, position))
        return {row["id"]: to_item(row) for row in rows}

    def history(self, id: str) -> list[tuple[datetime, KnowledgeItem]]:
        """Return when each version of an item was recorded, and the version, oldest first.

        Raises:
            NotFoundError: no such item.
            StoreError: a version cannot be read.
        """
        rows = self.database.rows(f"{_WHOLE} WHERE items.id = ? ORDER BY items.version", (id,))
        if not rows:
            raise NotFoundError(f"no item {id!r} in the knowledge base {self.path}")
        return [(datetime.fromisoformat(row["recorded_at"]), to_item(row)) for row in rows]

    def query(
        self, *, limit: int | None = None, offset: int = 0, **filters: Unpack[Filters]
    ) -> list[KnowledgeItem]:
        """Return the items that fit, in the order in which their latest versions were recorded.

        Raises:
            StoreError: an item cannot be read.
        """
        found = self._where(filters)
        rows = self.database.rows(
            f"{_WHOLE} WHERE {found.sql} ORDER BY items.seq LIMIT ? OFFSET ?",
            [*found.values, -1 if limit is None else limit, offset],
        )
        return [to_item(row) for row in rows]

    def walk(self, **filters: Unpack[Filters]) -> Iterator[KnowledgeItem]:
        """Yield the items that fit, in the order of `query`, without holding them all.

        Raises:
            StoreError: an item cannot be read.
        """
        found, last = self._where(filters), 0
        while rows := self.database.rows(
            f"{_WHOLE} WHERE {found.sql} AND items.seq > ? ORDER BY items.seq LIMIT ?",
            [*found.values, last, _PAGE],
        ):
            yield from map(to_item, rows)
            last = rows[-1]["seq"]

    def ids(self, **filters: Unpack[Filters]) -> list[str]:
        """Return the ids of the items that fit, in the order of `query`.

        Raises:
            StoreError: the items cannot be read.
        """
        found = self._where(filters)
        sql = f"SELECT items.id FROM items WHERE {found.sql} ORDER BY items.seq"  # noqa: S608 constants
        return [row["id"] for row in self.database.rows(sql, found.values)]

    def conditions(self, relation: str) -> list[dict[str, Any]]:
        """Return the different conditions under which items give `relation` a value.

        Raises:
            StoreError: the items cannot be read.
        """
        rows = self.database.rows(
            "SELECT DISTINCT conditions FROM items "
            "WHERE relation = ? AND has_value = 1 AND until IS NULL ORDER BY conditions",
            (relation,),
        )
        return [json.loads(row["conditions"]) for row in rows]

    def count(self, **filters: Unpack[Filters]) -> int:
        """Return how many items fit.

        Raises:
            StoreError: the items cannot be read.
        """
        found = self._where(filters)
        sql = f"SELECT count(*) FROM items WHERE {found.sql}"  # noqa: S608 constants
        return int(self.database.rows(sql, found.values)[0][0])

    def position_at(self, moment: datetime) -> int:
        """Return the place in the order of recording of the last record that was there at `moment`.

        Raises:
            UsageError: `moment` has no time zone.
            StoreError: the items cannot be read.
        """
        return clock.position_at(self.database.rows, moment)

    def set_clock(self, *, reason: str, by: str) -> None:
        """Record that the last record's time was ahead, and go on from the present.

        Raises:
            UsageError: it is not ahead; or no reason, or nobody's name, is given.
            StoreError: it could not be written.
        """
        with self.database.transaction() as connection:
            clock.correct(connection, self.now, reason=reason, by=by)

    def _where(self, filters: Filters) -> Where:
        as_of = filters.get("as_of")
        return where(filters, until=None if as_of is None else self.position_at(as_of))

    def groups(self, column: str) -> dict[str, int]:
        """Return how many items, of every status, have each value of one of `GROUPED`.

        Raises:
            StoreError: the items cannot be read.
        """
        assert column in GROUPED
        sql = (
            f"SELECT {column}, count(*) AS n FROM items WHERE until IS NULL "  # noqa: S608 checked above
            f"GROUP BY {column} ORDER BY {column}"
        )
        return {row[column]: row["n"] for row in self.database.rows(sql)}

    @property
    def n_versions(self) -> int:
        """How many versions there are of all items together."""
        return int(self.database.rows("SELECT count(*) FROM items")[0][0])

    @property
    def last_position(self) -> int:
        """Position of the latest record; 0 before there is one."""
        return int(self.database.rows("SELECT coalesce(max(seq), 0) FROM items")[0][0])

    @property
    def head(self) -> tuple[int, str]:
        """Position and digest of the latest record."""
        rows = self.database.rows("SELECT seq, hash FROM bodies ORDER BY seq DESC LIMIT 1")
        return (rows[0]["seq"], rows[0]["hash"]) if rows else (0, GENESIS)

    def content_at(self, position: int) -> str | None:
        """Return the digest of what was recorded at a position, or None where nothing was.

        Raises:
            StoreError: the items cannot be read.
        """
        rows = self.database.rows("SELECT hash FROM bodies WHERE seq = ?", (position,))
        return rows[0]["hash"] if rows else None

    def versions(self, *, since: int = 0) -> Iterator[Recorded]:
        """Yield every version of every item that was recorded after position `since`, in order.

        Raises:
            StoreError: the items cannot be read.
        """
        sql = (
            "SELECT seq, recorded_at, hash, payload FROM items JOIN bodies USING (seq) "
            "WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        while rows := self.database.rows(sql, (since, _PAGE)):
            for row in rows:
                yield Recorded(row["seq"], row["recorded_at"], row["hash"], json.loads(row["payload"]))
            since = rows[-1]["seq"]

    def close(self) -> None:
        """Close the database. Closing twice does nothing."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
