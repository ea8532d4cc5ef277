"""SQLite as novum opens it: durable, checked, migrated, shared by threads and processes."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from novum.core.errors import StoreError

BUSY_S = 600.0
"""How long a writer waits for another process before it gives up: far longer than the largest retraction or
import takes on a slow machine, since each is one transaction."""

CHECKED_BYTES = 64 * 1024**2
"""Size up to which a file is looked through for damage when it is opened; it takes 2.5 ms for each MB."""

CACHE_KIB = 65_536
"""Memory for pages of one file."""

Migration = Sequence[str | Callable[[sqlite3.Connection], None]]
"""The steps that lead from one version of a schema to the next: statements, and what SQL cannot say."""


class Database:
    """One SQLite file, with the connection that all threads of this process share.

    Commits go through the write-ahead log with ``synchronous=FULL``: one that has returned survives
    the death of the process and of the machine. Writers take the write lock at the start of their
    transaction and wait for each other. The file must lie on a local disk; SQLite's locks do not
    hold on network file systems. Opening looks through a file of up to `CHECKED_BYTES`; damage in a
    larger one shows when it is met, or to `check`.

    Args:
        path: the file; it and its folder are made where they are missing.
        what: what the file is, for messages: "ledger", "knowledge base".
        application_id: 32-bit number in the file's header, which tells one store from another.
        migrations: all steps from an empty file to the present schema, oldest first. A step that
            has been released is never changed.

    Raises:
        StoreError: the file is damaged, of a later version, another kind of file, or unreachable.
    """

    def __init__(
        self, path: Path, *, what: str, application_id: int, migrations: Sequence[Migration]
    ) -> None:
        self.path = path
        self._what = what
        self._application_id = application_id
        self._migrations = migrations
        self._lock = RLock()
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder of the {what} {path}: {error}") from error
        with self._translated():
            # The busy timeout does not cover the switch to the write-ahead log, so opening is retried.
            for attempt in Retrying(
                retry=retry_if_exception(_is_busy),
                stop=stop_after_delay(BUSY_S),
                wait=wait_random_exponential(multiplier=0.01, max=0.5),
                reraise=True,
            ):
                with attempt:
                    self._connection = self._open()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; commit at the end, durably, or roll back on any exception.

        Raises:
            StoreError: SQLite could not do it: disk full, file damaged, a rule of the schema.
        """
        with self._lock, self._translated():
            connection = self._open_connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of one query.

        Raises:
            StoreError: SQLite could not do it.
        """
        with self._lock, self._translated():
            return self._open_connection().execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Close the connection. Closing twice does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open_connection(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"the {self._what} {self.path} has been closed")
        return self._connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            if self.path.stat().st_size <= CHECKED_BYTES:
                self._check(connection, "quick_check")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def compact(self) -> None:
        """Give unused space back to the file system.

        Raises:
            StoreError: SQLite could not do it: disk full, or another process is at work.
        """
        with self._lock, self._translated():
            connection = self._open_connection()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def check(self) -> None:
        """Look through the whole file for damage, indexes included.

        Raises:
            StoreError: it is damaged.
        """
        with self._lock, self._translated():
            self._check(self._open_connection(), "integrity_check")

    def _check(self, connection: sqlite3.Connection, how: str) -> None:
        found = connection.execute(f"PRAGMA {how}(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(self._damaged(found))

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if self._find_version(connection) == len(self._migrations):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Read again under the lock: another process may have been faster.
            for migration in self._migrations[self._find_version(connection) :]:
                for step in migration:
                    if callable(step):
                        step(connection)
                    else:
                        connection.execute(step)
            connection.execute(f"PRAGMA application_id = {self._application_id}")
            connection.execute(f"PRAGMA user_version = {len(self._migrations)}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _find_version(self, connection: sqlite3.Connection) -> int:
        application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if application_id not in (0, self._application_id) or (version and not application_id):
            raise StoreError(f"{self.path} is a database, but not a {self._what}; choose another path")
        if version > len(self._migrations):
            raise StoreError(
                f"the {self._what} {self.path} has version {version} and this novum knows up to "
                f"{len(self._migrations)}; use the novum that wrote it, or a later one"
            )
        return version

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise StoreError(self._damaged(str(error))) from error
            if _is_busy(error):
                raise StoreError(
                    f"the {self._what} {self.path} has been written by another process for {BUSY_S:.0f} s "
                    f"without a pause; try again, or look what is at work on it"
                ) from error
            raise StoreError(f"the {self._what} {self.path} cannot be used: {error}") from error

    def _damaged(self, found: str) -> str:
        return (
            f"the {self._what} {self.path} is damaged ({found}). Nothing was changed. Copy it together "
            f"with its -wal and -shm files, then restore a backup, or save what is left with: "
            f"sqlite3 '{self.path}' .recover | sqlite3 rescued.sqlite3"
        )


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: BaseException) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
