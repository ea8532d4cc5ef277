"""The search index: a view of the items that can be deleted and rebuilt at any time.

It holds the words (SQLite FTS5) and the vectors of what items say. Every version of every item is in it,
so that a search can be asked of a past day; versions with the same words share one row of it.
"""

import fcntl
import json
import logging
import os
import re
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from novum.core.digest import digest
from novum.core.errors import StoreError, UsageError
from novum.knowledge_base.embedders import Embedder
from novum.knowledge_base.graph import Graph, GraphDamagedError
from novum.knowledge_base.items import Recorded
from novum.knowledge_base.vector_file import Compared, DamagedError, Floats, Rows, VectorFile
from novum.storage import Database

BATCH = 2048
"""Versions that are indexed together; a writer that is killed loses no more work than that."""

GRAPH_FROM = 200_000
"""Rows above which Chroma's graph is asked for the neighbours. Up to there all vectors are compared."""

GRAPH_LAG = 20_000
"""Rows that may be missing from the graph; they are compared one by one, and added together."""

SPARE = 8
"""How many times more neighbours the graph is asked for than are wanted."""

ASKED = 2_000
"""Neighbours that the graph is asked for, at least; of fewer it misses some of the ten nearest."""

COMMON = 3_000
"""Matches of words that are ranked at most: what is more frequent tells little, and takes long."""

UBIQUITOUS = 10 * COMMON
"""Rows with a word above which it tells nothing beside another."""

T = TypeVar("T")

_MAX_WORDS = 64
_FORMAT = 1
_log = logging.getLogger(__name__)

_MIGRATIONS = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID",
        # Where a version's words and vector are; its facets lie with the items.
        "CREATE TABLE entries (seq INTEGER PRIMARY KEY, row INTEGER NOT NULL) STRICT",
        "CREATE TABLE texts (row INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE) STRICT",
        """
        CREATE VIRTUAL TABLE words USING fts5 (
            text, subject_label, relation,
            content = '', tokenize = 'porter unicode61 remove_diacritics 2'
        )
        """,
    ),
)


class Source(Protocol):
    """What an index is a view of."""

    @property
    def last_position(self) -> int:
        """Position of the latest record; 0 before there is one."""

    def content_at(self, position: int) -> str | None:
        """Return the digest of what was recorded at a position, or None where nothing was."""

    def versions(self, *, since: int = 0) -> Iterator[Recorded]:
        """Yield every version that was recorded after position `since`, in order."""


class Index:
    """The index of one knowledge base, in a folder of its own.

    Recording items does not touch it: reading it first adds what is missing. It carries the name and the
    fingerprint of its embedder, and rebuilds itself with another one, when it is of other items, and when
    it is damaged; a message says so. Several processes may use it; those that write take turns, and one
    that is killed is followed by the next.

    Args:
        folder: where it is; made when it is first needed.
        embedder: what turns texts into vectors.
        source: the items.

    Raises:
        UsageError: `folder` is a network address.
    """

    def __init__(self, folder: str | Path, embedder: Embedder, source: Source) -> None:
        self.folder = refuse_url(folder)
        self.embedder = embedder
        self._source = source
        self._lock = RLock()
        self._n_turns = 0
        self._state: _State | None = None
        self._seen: _State | None = None
        self._parts: _Parts | None = None

    @property
    def count(self) -> int:
        """How many items the index holds; 0 before it is first built, and where it cannot be used."""
        with self._lock:
            try:
                return self._opened().meta("items") if self._is_there() else 0
            except DamagedError:
                return 0

    def sync(self) -> int:
        """Add what is missing; return how many versions were added.

        Raises:
            StoreError: the index can neither be used nor rebuilt.
        """
        with self._lock:
            try:
                if not self._is_there():
                    return self._rebuild()
                return self._catch_up()
            except (DamagedError, OSError) as error:
                return self._rebuild(str(error))

    def rebuild(self) -> int:
        """Build the index anew from the items alone; return how many items it holds.

        Raises:
            StoreError: the index cannot be built.
        """
        with self._lock:
            self._rebuild(forced=True)
            return self.count

    def ask(self, question: Callable[["Reader"], T]) -> T:
        """Return the answer to a question about all that has been recorded.

        An index that turns out to be damaged is rebuilt, and asked again.

        Raises:
            StoreError: the index can neither be used nor rebuilt.
        """
        with self._lock:
            self.sync()
            try:
                return question(self._opened().reader)
            except GraphDamagedError as error:
                self._mend_graph(error)
            except (DamagedError, OSError) as error:
                self._rebuild(str(error))
            try:
                return question(self._opened().reader)
            except (DamagedError, OSError) as error:
                raise StoreError(f"the search index {self.folder} cannot be used: {error}") from error

    def close(self) -> None:
        """Close the index. Closing twice does nothing; using it opens it again."""
        with self._lock:
            if self._parts is not None:
                self._parts.close()
            self._state = self._parts = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _is_there(self) -> bool:
        """Have the generation open that the state names; return False where there is none.

        Raises:
            DamagedError: it cannot be used.
        """
        state = self._read_state()
        self._seen = state
        if state is None:
            return False
        if self._state != state:
            self.close()
            if (state.format, state.fingerprint) != (_FORMAT, self.embedder.fingerprint):
                raise DamagedError(f"it was made with {state.fingerprint}, not {self.embedder.fingerprint}")
            parts = _Parts(self.folder / state.generation, state.dimensions)
            try:
                position = parts.meta("position")
                if position and self._source.content_at(position) != parts.meta("content"):
                    raise DamagedError("it is of other items")
                if n := parts.meta("building"):
                    _log.warning(
                        "the search index %s: a build that was interrupted after %d of %d versions goes on",
                        self.folder,
                        position,
                        n,
                    )
            except BaseException:
                parts.close()
                raise
            self._state, self._parts = state, parts
            self._sweep()
        self._opened().refresh()
        return True

    def _sweep(self) -> None:
        """Delete what a rebuild left that was killed before it was named."""
        if any(folder.name != self._generation for folder in self._folders()):
            with self._turn():
                now = self._read_state_or_none()
                stray = [folder for folder in self._folders() if now and folder.name != now.generation]
                for folder in stray:
                    shutil.rmtree(folder, ignore_errors=True)
            if stray:
                _log.warning("the search index %s: what an interrupted rebuild left is cleared", self.folder)

    def _folders(self) -> list[Path]:
        return [folder for folder in self.folder.iterdir() if folder.is_dir()]

    @property
    def _generation(self) -> str:
        return "" if self._state is None else self._state.generation

    def _opened(self) -> "_Parts":
        assert self._parts is not None
        return self._parts

    def _catch_up(self) -> int:
        n, parts = 0, self._opened()
        # One batch a turn, so that another process is not kept waiting.
        while self._source.last_position > parts.meta("position"):
            with self._turn():
                n += self._add(parts)
        if n and parts.meta("building"):
            with self._turn():
                parts.set_meta(building=0)
        try:
            if parts.reader.outgrew_graph:
                with self._turn():
                    parts.reader.grow_graph()
        except GraphDamagedError as error:
            self._mend_graph(error)
        return n

    def _mend_graph(self, error: GraphDamagedError) -> None:
        _log.warning("the search index %s: its graph is built anew: %s", self.folder, error)
        with self._turn():
            self._opened().reader.drop_graph()
            self._opened().reader.grow_graph()

    def _rebuild(self, why: str = "", *, forced: bool = False) -> int:
        """Begin an index without anything in it, then fill it; return how many versions were added."""
        if why:
            _log.warning("the search index %s is rebuilt: %s", self.folder, why)
        try:
            with self._turn():
                # Unless another process has begun it anew meanwhile.
                if forced or self._read_state_or_none() in (None, self._seen):
                    self._begin()
            if not self._is_there():
                raise DamagedError("its state is gone")
            return self._catch_up()
        except (DamagedError, OSError) as error:
            self.close()
            raise StoreError(
                f"the search index {self.folder} cannot be built: {error}. It may be deleted: "
                f"the items lie elsewhere"
            ) from error

    def _begin(self) -> None:
        self.close()
        # A folder that was never used before: another process may still have the old one open.
        state = _State(
            generation=uuid.uuid4().hex,
            embedder=self.embedder.name,
            fingerprint=self.embedder.fingerprint,
            dimensions=self.embedder.dimensions,
            format=_FORMAT,
        )
        (self.folder / state.generation).mkdir()
        parts = _Parts(self.folder / state.generation, state.dimensions, create=True)
        parts.set_meta(position=0, content="", rows=0, items=0, building=self._source.last_position)
        temporary = self._state_path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(state)))
        temporary.replace(self._state_path)
        self._state, self._parts = state, parts
        for folder in self._folders():
            if folder.name != state.generation:
                shutil.rmtree(folder, ignore_errors=True)

    def _add(self, parts: "_Parts") -> int:
        """Add the next batch of versions; return how many there were."""
        parts.refresh()
        if left := parts.vectors.cut():
            _log.warning(
                "the search index %s was repaired: a writer that was interrupted had left %d vectors",
                self.folder,
                left,
            )
        batch = list(islice(self._source.versions(since=parts.meta("position")), BATCH))
        if batch:
            parts.add(batch, self.embedder)
        return len(batch)

    @property
    def _state_path(self) -> Path:
        return self.folder / "state.json"

    def _read_state(self) -> "_State | None":
        try:
            return _State(**json.loads(self._state_path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise DamagedError(f"its state cannot be read ({error})") from error

    def _read_state_or_none(self) -> "_State | None":
        try:
            return self._read_state()
        except DamagedError:
            return None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only writer among all processes."""
        if self._n_turns:
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"cannot use {self.folder} for the search index: {error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._n_turns += 1
            yield
        finally:
            self._n_turns -= 1
            os.close(file)


class Reader:
    """What a question may ask of an index; valid while it is asked.

    Every method raises `DamagedError` or `OSError` where the index cannot answer, which `Index.ask`
    mends.
    """

    def __init__(self, parts: "_Parts") -> None:
        self._parts = parts
        self._graph: Graph | None = None
        self._frequencies: dict[str, int] = {}

    @property
    def n_rows(self) -> int:
        """How many different texts there are."""
        return len(self._parts.vectors)

    def rows_of(self, positions: Sequence[int]) -> Rows:
        """Return the rows in which versions are that were recorded at `positions`, sorted, each once."""
        at = np.searchsorted(self._parts.positions, np.asarray(positions, dtype=np.int64))
        # What was recorded since the index was opened is not in it.
        return np.unique(self._parts.rows[at[at < len(self._parts.rows)]])

    def positions_of(self, rows: Collection[int]) -> list[tuple[int, int]]:
        """Return the position of every version that is in one of `rows`, and its row."""
        order, ordered = self._parts.by_row()
        wanted = np.fromiter(rows, dtype=np.int64, count=len(rows))
        starts = np.searchsorted(ordered, wanted, side="left")
        counts = np.searchsorted(ordered, wanted, side="right") - starts
        # The places from each start on, one after the other.
        places = np.arange(counts.sum()) + np.repeat(starts - np.cumsum(counts) + counts, counts)
        positions = self._parts.positions[order[places]]
        return list(zip(positions.tolist(), np.repeat(wanted, counts).tolist(), strict=True))

    def compare(self, vector: Floats, n: int, among: Rows | None = None) -> Compared:
        """Return how similar rows are to a vector: all of them, or at least the `n` nearest.

        With `among`, only these rows are compared. Up to `GRAPH_FROM` rows the answer is exact.
        """
        vectors = self._parts.vectors
        n_rows = len(vectors)
        if among is not None:
            among = among[among < n_rows]
        elif n_rows > GRAPH_FROM and (asked := max(ASKED, SPARE * n)) <= n_rows // 10:
            graph = self._opened_graph()
            near = graph.search(vector, asked)
            among = np.union1d(near[near < n_rows], np.arange(len(graph), n_rows))
        return vectors.compare(vector, among)

    def worded(self, text: str, n: int, among: Rows | None = None) -> list[tuple[int, float]]:
        """Return the rows whose words fit `text` best, and BM25 as a positive score, best first.

        Any word may match, whatever its ending. Words are taken from the rarest on, as long as they have
        no more than `COMMON` matches together; where even the rarest has more, several must match.
        `text` is words, not a query language: quotes and operators mean nothing.
        """
        words = list(dict.fromkeys(re.findall(r"\w+", text.casefold())))[:_MAX_WORDS]
        counted = {word: self._frequency(word) for word in words}
        ordered = sorted((word for word in words if counted[word]), key=lambda word: (counted[word], word))
        chosen, total = list[str](), 0
        for word in ordered:
            if total + counted[word] <= COMMON:
                chosen.append(word)
                total += counted[word]
        if chosen:
            return self._match(" OR ".join(f'"{word}"' for word in chosen), n, among)
        telling = [word for word in ordered if counted[word] <= UBIQUITOUS] or ordered[:1]
        for some in (telling, telling[:2]):
            if some and (found := self._match(" AND ".join(f'"{word}"' for word in some), n, among)):
                return found
        return []

    @property
    def outgrew_graph(self) -> bool:
        """Whether so many rows are missing from the graph that it should be grown."""
        n_rows = len(self._parts.vectors)
        return n_rows > GRAPH_FROM and n_rows - len(self._opened_graph()) > GRAPH_LAG

    def grow_graph(self) -> None:
        """Add to the graph what it lacks; for the only writer."""
        graph, vectors = self._opened_graph(), self._parts.vectors
        if not len(graph):
            _log.warning("the search index %s has grown: a graph is built", self._parts.folder.parent)
        graph.add(vectors.rows(len(graph), len(vectors)))

    def drop_graph(self) -> None:
        """Delete the graph; for the only writer."""
        self.close()
        for folder in self._parts.folder.glob("graph-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Close the graph, if it was opened."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def _opened_graph(self) -> Graph:
        if self._graph is None:
            # A new graph has a new name: Chroma keeps what it knows of a path as long as the process lives.
            there = sorted(self._parts.folder.glob("graph-*"))
            self._graph = Graph(there[0] if there else self._parts.folder / f"graph-{uuid.uuid4().hex}")
        return self._graph

    def _match(self, query: str, n: int, among: Rows | None) -> list[tuple[int, float]]:
        # The plus keeps SQLite from looking up each of the rows in the words.
        allowed = "" if among is None else "AND +rowid IN (SELECT value FROM json_each(?))"
        values = [] if among is None else [json.dumps(among.tolist())]
        found = self._parts.ask(
            f"SELECT rowid, -rank FROM words WHERE words MATCH ? {allowed} ORDER BY rank, rowid LIMIT ?",  # noqa: S608 constants
            [query, *values, n],
        )
        return [(row[0], row[1]) for row in found]

    def _frequency(self, word: str) -> int:
        """Return in how many rows a word is, `UBIQUITOUS` and one at most."""
        if word not in self._frequencies:
            (row,) = self._parts.ask(
                "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)",
                (f'"{word}"', UBIQUITOUS + 1),
            )
            if row[0] <= COMMON:
                return int(row[0])
            self._frequencies[word] = row[0]  # a word that is frequent stays so
        return self._frequencies[word]


class _Parts:
    """The files of one generation of an index."""

    def __init__(self, folder: Path, dimensions: int, *, create: bool = False) -> None:
        self.folder = folder
        path = folder / "index.sqlite3"
        if not create and not path.is_file():
            raise DamagedError("its files are gone")
        try:
            self._database = Database(
                path, what="search index", application_id=0x6E6F7634, migrations=_MIGRATIONS
            )
            # A view need not outlive the machine: what a power cut takes is noticed, and indexed again.
            self._database.rows("PRAGMA synchronous = NORMAL")
        except StoreError as error:
            raise _damaged(error) from error
        self.vectors = VectorFile(folder / "vectors.f32", dimensions)
        self.positions: Rows = np.zeros(0, dtype=np.int64)
        self.rows: Rows = np.zeros(0, dtype=np.int64)
        self._by_row: tuple[Rows, Rows] | None = None
        self.reader = Reader(self)

    def ask(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of one query.

        Raises:
            DamagedError: the database cannot answer.
        """
        try:
            return self._database.rows(sql, parameters)
        except StoreError as error:
            raise _damaged(error) from error

    def meta(self, name: str) -> Any:
        """Return what is remembered under `name`.

        Raises:
            DamagedError: nothing is, or the database cannot answer.
        """
        found = self.ask("SELECT value FROM meta WHERE name = ?", (name,))
        if not found:
            raise DamagedError("it was never finished")
        return found[0]["value"]

    def set_meta(self, **values: Any) -> None:
        """Remember values.

        Raises:
            DamagedError: the database cannot be written.
        """
        with self._writing() as connection:
            _remember(connection, values)

    def refresh(self) -> None:
        """See what other processes added.

        Raises:
            DamagedError: it is not all there.
        """
        last = int(self.positions[-1]) if len(self.positions) else 0
        if self.meta("position") > last:
            found = self.ask("SELECT seq, row FROM entries WHERE seq > ? ORDER BY seq", (last,))
            self.positions = np.append(self.positions, [entry["seq"] for entry in found]).astype(np.int64)
            self.rows = np.append(self.rows, [entry["row"] for entry in found]).astype(np.int64)
            self._by_row = None
        self.vectors.open(self.meta("rows"))

    def by_row(self) -> tuple[Rows, Rows]:
        """Return the order that sorts `rows`, and the rows in that order."""
        if self._by_row is None:
            order = np.argsort(self.rows, kind="stable")
            self._by_row = order, self.rows[order]
        return self._by_row

    def add(self, batch: Sequence[Recorded], embedder: Embedder) -> None:
        """Add versions, which follow those that are there; all or none.

        Raises:
            DamagedError: the database cannot be written.
            OSError: the vectors cannot be written.
        """
        n_rows = len(self.vectors)
        keys = [_key(recorded.fields) for recorded in batch]
        known = {
            entry["digest"]: entry["row"]
            for entry in self.ask(
                "SELECT digest, row FROM texts WHERE digest IN (SELECT value FROM json_each(?))",
                (json.dumps(sorted(set(keys))),),
            )
        }
        new: dict[str, dict[str, Any]] = {}
        for key, recorded in zip(keys, batch, strict=True):
            if key not in known:
                new.setdefault(key, recorded.fields)
        rows = {key: n_rows + i for i, key in enumerate(new)}
        if new:
            self.vectors.append(embedder.embed([fields["text"] for fields in new.values()]))
        try:
            with self._writing() as connection:
                connection.executemany(
                    "INSERT INTO texts (row, digest) VALUES (?, ?)", [(row, key) for key, row in rows.items()]
                )
                connection.executemany(
                    "INSERT INTO words (rowid, text, subject_label, relation) VALUES (?, ?, ?, ?)",
                    [(rows[key], f["text"], f["subject_label"], f["relation"]) for key, f in new.items()],
                )
                rows |= known
                connection.executemany(
                    "INSERT INTO entries (seq, row) VALUES (?, ?)",
                    [(recorded.position, rows[key]) for key, recorded in zip(keys, batch, strict=True)],
                )
                n_items = self.meta("items") + sum(recorded.fields["version"] == 1 for recorded in batch)
                last = {"position": batch[-1].position, "content": batch[-1].content}
                _remember(connection, {**last, "rows": len(self.vectors), "items": n_items})
        except BaseException:
            self.vectors.open(n_rows)
            raise
        self.refresh()

    def close(self) -> None:
        """Close the files."""
        self.reader.close()
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._database.transaction() as connection:
                yield connection
        except StoreError as error:
            raise _damaged(error) from error


@dataclass(frozen=True, slots=True)
class _State:
    generation: str
    """Name of the folder in which the index is."""
    embedder: str
    fingerprint: str
    dimensions: int
    format: int


def refuse_url(location: str | Path) -> Path:
    """Return `location` as a path.

    Raises:
        UsageError: it is a network address, as of a Chroma server.
    """
    # Path("http://x") has lost one of the slashes.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", str(location)):
        raise UsageError(
            f"{str(location)!r} is a network address; a knowledge base lies in a local folder. Chroma's "
            f"network API is not used: it has an unfixed remote-code-execution report (GHSA-f4j7-r4q5-qw2c)"
        )
    return Path(location)


def _damaged(error: StoreError) -> DamagedError:
    # The advice of the message, to rescue the file, is for what cannot be built anew.
    return DamagedError(f"its database cannot be used ({error.__cause__ or 'it failed its check'})")


def _key(fields: dict[str, Any]) -> str:
    """Return what versions have in common that are found by the same words."""
    return digest([fields["text"], fields["subject_label"], fields["relation"]])[:32]


def _remember(connection: sqlite3.Connection, values: dict[str, Any]) -> None:
    connection.executemany(
        "INSERT INTO meta (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        list(values.items()),
    )
