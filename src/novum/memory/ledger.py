"""The ledger: what happened, append-only and hash-chained. A campaign can be rebuilt from it alone."""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from pydantic import ValidationError

from novum.core.digest import canonical_json, digest, digest_bytes
from novum.core.errors import EvidenceError, NotFoundError, StoreError, UsageError
from novum.core.events import Event, parse_event
from novum.core.goals import Objective
from novum.storage import Database

GENESIS = "0" * 64
"""The hash that stands before the first record of a campaign."""

_PAGE = 256

_MIGRATIONS = (
    (
        """
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            campaign TEXT NOT NULL,
            ordinal INTEGER NOT NULL CHECK (ordinal >= 1),
            key TEXT NOT NULL,
            type TEXT NOT NULL,
            time TEXT NOT NULL,
            payload TEXT NOT NULL CHECK (json_valid(payload)),
            prev_hash TEXT NOT NULL,
            hash TEXT NOT NULL,
            UNIQUE (campaign, key),
            UNIQUE (campaign, ordinal)
        ) STRICT
        """,
        "CREATE INDEX events_by_type ON events (campaign, type)",
        # A chain cannot show that its end was cut off; the count and hash of the last record can.
        """
        CREATE TABLE heads (
            campaign TEXT PRIMARY KEY,
            n INTEGER NOT NULL,
            hash TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TRIGGER events_are_not_updated BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
        """,
        """
        CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
        """,
        """
        CREATE TRIGGER heads_only_advance BEFORE UPDATE ON heads
        WHEN new.campaign <> old.campaign OR new.n <= old.n
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
        """,
        """
        CREATE TRIGGER heads_are_not_deleted BEFORE DELETE ON heads
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
        """,
    ),
)


class CampaignState(StrEnum):
    """Where a campaign stands."""

    RUNNING = "running"
    """A process is at work on it."""
    WAITING = "waiting"
    """A person owes it results."""
    INTERRUPTED = "interrupted"
    """It was stopped, or its process is gone; it can be resumed."""
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class CampaignSummary:
    """One line about one campaign."""

    id: str
    title: str
    goal: str
    """The objectives in words."""
    planner: str
    started: datetime
    last: datetime
    """When the latest event was written."""
    state: CampaignState
    n_experiments: int
    """Experiments with an answer, failures included."""
    parent: str | None
    """The campaign whose control arm this is."""


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """One event as the ledger holds it."""

    ordinal: int
    """Place within the campaign, counted from 1."""
    time: datetime
    key: str
    event: Event
    hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk along the hash chain found."""

    ok: bool
    n_records: int
    """Records that are there."""
    head: str
    """Hash of the last record; names the whole history of the campaign."""
    bad: int | None = None
    """Ordinal of the first record that is not as it was written."""
    reason: str = ""


class Ledger:
    """The events of all campaigns of a workspace, in one SQLite file.

    Every campaign is a chain: a record's hash covers its content and the hash before it. Appending is
    safe from several threads and processes; `lock` keeps a campaign to one writer.

    Args:
        path: the database file, made where it is missing.
        listener: called with the campaign and the event after each successful write, by the thread
            that wrote. It does not hold up other writers, so calls of two threads may cross.
        clock: the present time, with its time zone.

    Raises:
        StoreError: the ledger is damaged or cannot be reached.
    """

    def __init__(
        self,
        path: Path,
        *,
        listener: Callable[[str, Event], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = Path(path)
        self.listener = listener
        self._clock = clock
        self._database = Database(self.path, what="ledger", application_id=0x6E6F7631, migrations=_MIGRATIONS)

    def append(self, campaign: str, event: Event) -> bool:
        """Write one event, durably; return whether it was new.

        An event whose key is there already changes nothing, so that a step can be repeated.

        Raises:
            EvidenceError: the key is there with another decision.
            StoreError: the event could not be written.
            ValueError: the event holds a number that is not finite.
        """
        return self.append_many(campaign, [event])[0]

    def append_many(self, campaign: str, events: Iterable[Event]) -> list[bool]:
        """Write events in one transaction, all or none; return which of them were new.

        Raises:
            EvidenceError: a key is there with another decision.
            StoreError: the events could not be written.
            ValueError: an event holds a number that is not finite.
        """
        events = list(events)
        new: list[bool] = []
        with self._database.transaction() as connection:
            head = connection.execute("SELECT n, hash FROM heads WHERE campaign = ?", (campaign,)).fetchone()
            ordinal, previous = (head["n"], head["hash"]) if head else (0, GENESIS)
            for event in events:
                key = event.key()
                row = connection.execute(
                    "SELECT * FROM events WHERE campaign = ? AND key = ?", (campaign, key)
                ).fetchone()
                new.append(row is None)
                if row is not None:
                    _check_repetition(row, event)
                    continue
                ordinal += 1
                time = self._clock().astimezone(UTC).isoformat(timespec="microseconds")
                payload = canonical_json(event.model_dump(mode="json"))
                link = _link(campaign, ordinal, key, event.type, time, payload, previous)
                connection.execute(
                    "INSERT INTO events (campaign, ordinal, key, type, time, payload, prev_hash, hash) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (campaign, ordinal, key, event.type, time, payload, previous, link),
                )
                previous = link
            if any(new):
                connection.execute(
                    "INSERT INTO heads (campaign, n, hash) VALUES (?, ?, ?) "
                    "ON CONFLICT (campaign) DO UPDATE SET n = excluded.n, hash = excluded.hash",
                    (campaign, ordinal, previous),
                )
        if self.listener is not None:
            for event, is_new in zip(events, new, strict=True):
                if is_new:
                    self.listener(campaign, event)
        return new

    def events(self, campaign: str) -> Iterator[Event]:
        """Yield the events of a campaign in order; nothing for one that is unknown.

        Raises:
            StoreError: a record cannot be read.
        """
        return (record.event for record in self.records(campaign))

    def records(self, campaign: str) -> Iterator[LedgerRecord]:
        """Yield the records of a campaign in order; nothing for one that is unknown.

        Raises:
            StoreError: a record cannot be read.
        """
        return map(_to_record, self._rows(campaign))

    def find(self, campaign: str, key: str) -> Event | None:
        """Return the event that a campaign recorded under `key`, or None.

        Raises:
            StoreError: the record cannot be read.
        """
        record = self.find_record(campaign, key)
        return None if record is None else record.event

    def find_record(self, campaign: str, key: str) -> LedgerRecord | None:
        """Return what a campaign recorded under `key`, with its time and hash, or None.

        Raises:
            StoreError: the record cannot be read.
        """
        rows = self._database.rows("SELECT * FROM events WHERE campaign = ? AND key = ?", (campaign, key))
        return _to_record(rows[0]) if rows else None

    def exists(self, campaign: str) -> bool:
        """Say whether the campaign has any record."""
        return bool(self._database.rows("SELECT 1 FROM events WHERE campaign = ? LIMIT 1", (campaign,)))

    def campaigns(self) -> list[CampaignSummary]:
        """Return a line about every campaign that was started, oldest first.

        The state follows from the events. Where they leave a campaign under way, it is running if a
        process holds its lock, and interrupted if none does.

        Raises:
            StoreError: the ledger cannot be read.
        """
        rows = self._database.rows(
            """
            SELECT s.campaign, s.time AS started,
                   json_extract(s.payload, '$.goal.title') AS title,
                   json_extract(s.payload, '$.goal.objectives') AS objectives,
                   json_extract(s.payload, '$.planner') AS planner,
                   json_extract(s.payload, '$.parent') AS parent,
                   last.time AS last, last.type AS last_type,
                   EXISTS (SELECT 1 FROM events f WHERE f.campaign = s.campaign
                           AND f.type = 'campaign_finished') AS finished
            FROM events s
            JOIN events last ON last.campaign = s.campaign AND last.ordinal =
                 (SELECT max(ordinal) FROM events e WHERE e.campaign = s.campaign)
            WHERE s.type = 'campaign_started'
            ORDER BY s.seq
            """
        )
        return [self._summary(row) for row in rows]

    def verify(self, campaign: str) -> Verification:
        """Recompute the hash chain of a campaign and say where it first breaks.

        Raises:
            NotFoundError: no such campaign.
            StoreError: the ledger cannot be read.
        """
        head = self._database.rows("SELECT n, hash FROM heads WHERE campaign = ?", (campaign,))
        if not head and not self.exists(campaign):
            raise NotFoundError(f"no campaign {campaign!r} in the ledger {self.path}")
        previous, n, bad, reason = GENESIS, 0, None, ""
        for row in self._rows(campaign):
            n += 1
            if bad is None:
                reason = _fault(row, expected=n, previous=previous)
                bad = n if reason else None
            previous = row["hash"]
        if bad is None and not head:
            bad, reason = n, "the count of the campaign's records is missing"
        elif bad is None and head[0]["n"] > n:
            bad, reason = n + 1, f"records {n + 1} to {head[0]['n']} are missing"
        elif bad is None and (head[0]["n"], head[0]["hash"]) != (n, previous):
            bad, reason = n, "the last record is not the one that was written last"
        return Verification(ok=bad is None, n_records=n, head=previous, bad=bad, reason=reason)

    def decision_digest(self, campaign: str) -> str:
        """Return the SHA-256 of all decisions in order; equal for campaigns that decided the same.

        Raises:
            NotFoundError: no such campaign.
            StoreError: a record cannot be read.
        """
        if not self.exists(campaign):
            raise NotFoundError(f"no campaign {campaign!r} in the ledger {self.path}")
        total = hashlib.sha256()
        for event in self.events(campaign):
            decision = event.decision()
            if decision is not None:
                total.update(canonical_json(decision).encode() + b"\n")
        return total.hexdigest()

    @contextmanager
    def lock(self, campaign: str) -> Iterator[None]:
        """Be the only writer of a campaign, until the block or the process ends.

        Raises:
            UsageError: another holds the lock; the message names the process.
            StoreError: the lock file cannot be used.
        """
        try:
            file = os.open(self._lock_path(campaign), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"cannot lock campaign {campaign!r}: {error}") from error
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(file, 32, 0).decode() or "unknown"
                raise UsageError(f"campaign {campaign!r} is being run by process {holder}") from error
            os.truncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
            yield
        finally:
            # Closing releases the lock. The file stays: removing it would let two processes each hold
            # a lock on a file of that name.
            os.close(file)

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

    def _rows(self, campaign: str) -> Iterator[sqlite3.Row]:
        # In pages, so that a reader of a long campaign neither holds it in memory nor blocks a writer.
        last = -1
        while rows := self._database.rows(
            "SELECT * FROM events WHERE campaign = ? AND ordinal > ? ORDER BY ordinal LIMIT ?",
            (campaign, last, _PAGE),
        ):
            yield from rows
            last = rows[-1]["ordinal"]

    def _summary(self, row: sqlite3.Row) -> CampaignSummary:
        campaign = row["campaign"]
        answered = {
            r["experiment"]
            for r in self._database.rows(
                "SELECT json_extract(payload, '$.experiment') AS experiment FROM events "
                "WHERE campaign = ? AND type IN ('experiment_finished', 'told')",
                (campaign,),
            )
        }
        asked = {
            experiment
            for r in self._database.rows(
                "SELECT json_extract(payload, '$.experiments') AS experiments FROM events "
                "WHERE campaign = ? AND type = 'asked'",
                (campaign,),
            )
            for experiment in json.loads(r["experiments"])
        }
        if row["finished"]:
            state = CampaignState.FINISHED
        elif asked - answered:
            state = CampaignState.WAITING
        elif row["last_type"] == "interrupted" or not self._is_locked(campaign):
            state = CampaignState.INTERRUPTED
        else:
            state = CampaignState.RUNNING
        objectives = [Objective.model_validate(o) for o in json.loads(row["objectives"])]
        return CampaignSummary(
            id=campaign,
            title=row["title"],
            goal="; ".join(map(str, objectives)),
            planner=row["planner"],
            started=datetime.fromisoformat(row["started"]),
            last=datetime.fromisoformat(row["last"]),
            state=state,
            n_experiments=len(answered),
            parent=row["parent"],
        )

    def _lock_path(self, campaign: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{quote(campaign, safe='')}.lock")

    def _is_locked(self, campaign: str) -> bool:
        try:
            file = os.open(self._lock_path(campaign), os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"cannot read the lock of campaign {campaign!r}: {error}") from error
        try:
            # A shared lock asks without getting in the way of another that only asks.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False


def _link(campaign: str, ordinal: int, key: str, type_: str, time: str, payload: str, previous: str) -> str:
    return digest(
        {
            "campaign": campaign,
            "ordinal": ordinal,
            "key": key,
            "type": type_,
            "time": time,
            "payload": digest_bytes(payload.encode()),
            "prev_hash": previous,
        }
    )


def _fault(row: sqlite3.Row, *, expected: int, previous: str) -> str:
    """Return what is wrong with a record that should be number `expected`; empty if nothing is."""
    if row["ordinal"] != expected:
        return f"record {expected} is missing"
    if row["prev_hash"] != previous:
        return "it does not follow the record before it"
    fields = (row["campaign"], row["ordinal"], row["key"], row["type"], row["time"], row["payload"])
    if _link(*fields, row["prev_hash"]) != row["hash"]:
        return "its content is not what its hash was made of"
    return ""


def _to_record(row: sqlite3.Row) -> LedgerRecord:
    try:
        event = parse_event(json.loads(row["payload"]))
        time = datetime.fromisoformat(row["time"])
    except (ValidationError, ValueError) as error:
        raise StoreError(
            f"record {row['ordinal']} ({row['key']}) of campaign {row['campaign']!r} cannot be read "
            f"by this novum: {error}. Verify the campaign; if its chain holds, use the novum that wrote it"
        ) from error
    return LedgerRecord(ordinal=row["ordinal"], time=time, key=row["key"], event=event, hash=row["hash"])


def _check_repetition(row: sqlite3.Row, event: Event) -> None:
    """Raise EvidenceError unless `event` decides what the record in `row` decided."""
    if row["type"] == event.type:
        # Compared as canonical text, so that 0.0 and -0.0, or 1 and 1.0, are not the same decision.
        recorded = canonical_json(_to_record(row).event.decision())
        if recorded == canonical_json(event.decision()):
            return
    raise EvidenceError(
        f"campaign {row['campaign']!r} has decided {row['key']!r} before, and otherwise (record "
        f"{row['ordinal']}): a repeated step must repeat its decision. Something that the decision rests on "
        f"has changed: the code, a version, or a seed"
    )
