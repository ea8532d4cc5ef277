"""Results of tool calls by content address, so that no call that succeeded runs twice."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from novum.core.calls import CallStatus, ToolResult
from novum.core.digest import canonical_json
from novum.core.errors import StoreError
from novum.storage import Database

LIMITED = frozenset(
    {
        CallStatus.TIMEOUT,
        CallStatus.OUT_OF_MEMORY,
        CallStatus.TOO_MANY_PROCESSES,
        CallStatus.OUTPUT_LIMIT,
    }
)
"""Failures that more generous limits could turn into a success."""

_MIGRATIONS = (
    (
        """
        CREATE TABLE results (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT NOT NULL,
            status TEXT NOT NULL,
            limits TEXT NOT NULL CHECK (json_valid(limits)),
            recorded_at TEXT NOT NULL,
            payload TEXT NOT NULL CHECK (json_valid(payload))
        ) STRICT
        """,
        "CREATE UNIQUE INDEX one_answer ON results (key) WHERE status = 'ok'",
        "CREATE UNIQUE INDEX one_failure ON results (key, status, limits) WHERE status <> 'ok'",
    ),
)


class CallCache:
    """Results of calls, named by `ToolCall.key`.

    Only successes are answers. Failures are kept with the limits under which they happened, to warn
    of repeating them.

    Args:
        path: the database file, made where it is missing.
        clock: the present time, with its time zone.

    Raises:
        StoreError: the cache is damaged or cannot be reached.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = Path(path)
        self._clock = clock
        self._database = Database(
            self.path, what="call cache", application_id=0x6E6F7632, migrations=_MIGRATIONS
        )

    def put(self, result: ToolResult, *, limits: Mapping[str, float] | None = None) -> bool:
        """Keep a result, durably; return whether it was new.

        The first success under a key stays. A result that came from a cache is not kept again.

        Args:
            result: what came of the call.
            limits: what the call was allowed, by name; larger is more generous.

        Raises:
            StoreError: the result could not be written.
            ValueError: the result holds a number that is not finite.
        """
        if result.cached:
            return False
        row = (
            result.key,
            result.status.value,
            canonical_json({} if result.ok else dict(limits or {})),
            self._clock().astimezone(UTC).isoformat(timespec="microseconds"),
            canonical_json(result.model_dump(mode="json")),
        )
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO results (key, status, limits, recorded_at, payload) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                row,
            )
            return cursor.rowcount == 1

    def find(self, key: str) -> ToolResult | None:
        """Return the success kept under `key`, marked as cached, or None.

        Raises:
            StoreError: the cache cannot be read.
        """
        rows = self._database.rows("SELECT key, payload FROM results WHERE key = ? AND status = 'ok'", (key,))
        return _to_result(rows[0]) if rows else None

    def find_failure(self, key: str, *, limits: Mapping[str, float] | None = None) -> ToolResult | None:
        """Return the latest failure that says what a call under `limits` would come to, or None.

        A call that was killed from outside says nothing. One that reached a limit says nothing about a
        call that is allowed more. Without `limits`, any failure counts. Nothing is returned for a call
        that has succeeded.

        Raises:
            StoreError: the cache cannot be read.
        """
        rows = self._database.rows(
            "SELECT key, status, limits, payload FROM results WHERE key = ? ORDER BY seq DESC", (key,)
        )
        if any(row["status"] == CallStatus.OK for row in rows):
            return None
        for row in rows:
            status = CallStatus(row["status"])
            if status is CallStatus.KILLED:
                continue
            if limits is not None and status in LIMITED and _exceeds(limits, row["limits"]):
                continue
            return _to_result(row)
        return None

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


def _exceeds(limits: Mapping[str, float], recorded: str) -> bool:
    """Say whether any of `limits` is more generous than when the failure was recorded."""
    then = json.loads(recorded)
    return any(name not in then or limit > then[name] for name, limit in limits.items())


def _to_result(row: sqlite3.Row) -> ToolResult:
    try:
        result = ToolResult.model_validate_json(row["payload"])
    except ValidationError as error:
        raise StoreError(
            f"the kept result of call {row['key']} cannot be read by this novum: {error}. The call cache may "
            f"be deleted; calls then run again"
        ) from error
    return result.model_copy(update={"cached": True})
