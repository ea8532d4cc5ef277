import sqlite3
from pathlib import Path

import pytest

from novum.core.errors import StoreError
from novum.memory.calls import CallCache
from novum.memory.ledger import Ledger
from novum.storage import Database

FIRST = ("CREATE TABLE t (x INTEGER NOT NULL) STRICT",)
SECOND = ("ALTER TABLE t ADD COLUMN y INTEGER NOT NULL DEFAULT 7",)


def test_a_commit_is_synchronous_and_goes_through_the_write_ahead_log(tmp_path: Path) -> None:
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as database:
        assert database.rows("PRAGMA journal_mode")[0][0] == "wal"
        assert database.rows("PRAGMA synchronous")[0][0] == 2


def test_migrations_run_in_order_and_once(tmp_path: Path) -> None:
    database = Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,))
    with database, database.transaction() as connection:
        connection.execute("INSERT INTO t (x) VALUES (1)")
    for _ in range(2):
        with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST, SECOND)) as database:
            assert [tuple(row) for row in database.rows("SELECT x, y FROM t")] == [(1, 7)]


def test_a_failed_migration_leaves_the_old_version(tmp_path: Path) -> None:
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)):
        pass
    broken = (*SECOND, "CREATE TABLE t (again INTEGER)")
    with pytest.raises(StoreError, match="already exists"):
        Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST, broken))
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as database:
        assert database.rows("SELECT * FROM t") == []


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST, SECOND)).close()
    with pytest.raises(StoreError, match="version 2 and this novum knows up to 1"):
        Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,))


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    CallCache(tmp_path / "calls.sqlite3").close()
    with pytest.raises(StoreError, match="not a ledger"):
        Ledger(tmp_path / "calls.sqlite3")


def test_a_file_that_is_no_database_is_a_store_error_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"these are notes, not a database" * 100)
    with pytest.raises(StoreError, match=r"damaged.*restore a backup"):
        Ledger(path)
    assert path.read_bytes().startswith(b"these are notes")


def test_a_damaged_page_is_found_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "d"
    database = Database(path, what="store", application_id=1, migrations=(FIRST,))
    with database, database.transaction() as connection:
        connection.executemany("INSERT INTO t (x) VALUES (?)", [(i,) for i in range(5000)])
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        Database(path, what="store", application_id=1, migrations=(FIRST,))


def test_an_exception_rolls_the_transaction_back(tmp_path: Path) -> None:
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as database:
        with pytest.raises(StoreError, match="NOT NULL"), database.transaction() as connection:
            connection.executemany("INSERT INTO t (x) VALUES (?)", [(1,), (None,)])
        assert database.rows("SELECT * FROM t") == []


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        Ledger(tmp_path / "file" / "ledger.sqlite3")


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError, match="has been closed"):
        ledger.exists("a")


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as database:
        other = sqlite3.connect(tmp_path / "d", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO t (x) VALUES (1)")
        assert database.rows("SELECT * FROM t") == []
        other.execute("COMMIT")
        assert len(database.rows("SELECT * FROM t")) == 1
        other.close()


def test_a_migration_may_do_what_sql_cannot_say(tmp_path: Path) -> None:
    def double(connection: sqlite3.Connection) -> None:
        for (x,) in connection.execute("SELECT x FROM t").fetchall():
            connection.execute("INSERT INTO t (x) VALUES (?)", (2 * x,))

    database = Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,))
    with database, database.transaction() as connection:
        connection.execute("INSERT INTO t (x) VALUES (21)")
    with Database(
        tmp_path / "d", what="store", application_id=1, migrations=(FIRST, (double, *SECOND))
    ) as database:
        assert [tuple(row) for row in database.rows("SELECT x, y FROM t")] == [(21, 7), (42, 7)]


def test_a_store_that_another_process_will_not_let_go_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novum.storage.BUSY_S", 0.05)
    with (
        Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as one,
        Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as other,
        one.transaction(),
    ):
        with pytest.raises(StoreError, match="written by another process") as caught, other.transaction():
            pass
        assert "locked" not in str(caught.value)


def test_packing_gives_space_back_and_loses_nothing(tmp_path: Path) -> None:
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as database:
        with database.transaction() as connection:
            connection.executemany("INSERT INTO t (x) VALUES (?)", [(n,) for n in range(20_000)])
        with database.transaction() as connection:
            connection.execute("DELETE FROM t WHERE x > 5")
        database.compact()
        assert (tmp_path / "d").stat().st_size < 40_000
        assert len(database.rows("SELECT * FROM t")) == 6


def test_damage_in_a_large_file_is_found_when_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as database:
        with database.transaction() as connection:
            connection.executemany("INSERT INTO t (x) VALUES (?)", [(n,) for n in range(20_000)])
        database.check()
        database.compact()
    data = bytearray((tmp_path / "d").read_bytes())
    data[4096 * 10 : 4096 * 11] = b"\xff" * 4096
    (tmp_path / "d").write_bytes(data)
    monkeypatch.setattr("novum.storage.CHECKED_BYTES", 0)
    with Database(tmp_path / "d", what="store", application_id=1, migrations=(FIRST,)) as database:
        assert database.rows("SELECT 1")
        with pytest.raises(StoreError, match="damaged"):
            database.check()
