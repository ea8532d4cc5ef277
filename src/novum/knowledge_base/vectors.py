"""The vector index: a view of the items, kept by Chroma, that can be deleted and rebuilt at any time.

The only module that imports chromadb, and only when an index is used. Chroma runs embedded; its
network interface is not used, because it has an unfixed report of remote code execution
(GHSA-f4j7-r4q5-qw2c).
"""

import fcntl
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from novum.core.errors import StoreError, UsageError
from novum.knowledge_base.embedders import Embedder
from novum.knowledge_base.items import Document
from novum.knowledge_base.nearest import Nearest

BATCH = 512
"""Documents embedded and added together; Chroma takes up to 5,461."""

PAGE = 2000
"""Vectors read together."""

EXACT_UP_TO = 50_000
"""Size up to which every item is compared; above it, Chroma's graph searches approximately."""

SPARE = 4
"""How many times more neighbours an approximate search is asked for than are wanted."""

_COLLECTION = "items"
_log = logging.getLogger(__name__)


class Source(Protocol):
    """What an index is a view of."""

    def documents(self, *, since: int = 0) -> Iterator[Document]:
        """Yield the latest text of each item recorded after position `since`, in order."""

    def n_recorded(self, until: int) -> int:
        """Return how many items had been recorded at position `until`."""


class Vectors:
    """The index of one knowledge base, in a folder of its own.

    Writing items does not touch it: `sync` and `search` first add what is missing. It carries the
    fingerprint of its embedder, and rebuilds itself with another one, when its count does not fit the
    items, and when it is damaged. Several processes may use it; they take turns.

    Args:
        path: the folder, made when it is first needed.
        embedder: what turns texts into vectors.
        source: the items.

    Raises:
        UsageError: `path` is a network address.
    """

    def __init__(self, path: str | Path, embedder: Embedder, source: Source) -> None:
        self.path = refuse_url(path)
        self._embedder = embedder
        self._source = source
        self._lock = RLock()
        self._client: Any = None
        self._collection: Any = None
        self._state: _State | None = None
        self._nearest: Nearest | None = None

    @property
    def count(self) -> int:
        """How many items the index held when it was last written; 0 before it is first built."""
        state = self._read_state()
        return 0 if state is None else state.n

    def sync(self) -> int:
        """Add what is missing; return how many items were embedded.

        Raises:
            StoreError: the index can neither be used nor rebuilt.
        """
        with self._turn():
            return self._sync()

    def rebuild(self) -> int:
        """Build the index anew from the items alone; return how many were embedded.

        Raises:
            StoreError: the index cannot be built.
        """
        with self._turn():
            return self._rebuild()

    def search(
        self, text: str, n: int = 10, *, ids: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return the ids of the `n` items nearest to `text` and their cosine similarity, best first.

        With `ids`, only these are compared. Up to `EXACT_UP_TO` items the answer is exact, and equal items
        and texts give equal answers in every process, so that a campaign that recalls by it can be
        repeated. Equal similarities are ordered by id. Blank text finds nothing.

        Raises:
            StoreError: the index can neither be used nor rebuilt.
        """
        if n < 1 or not text.strip():
            return []
        vector = self._embedder.embed([text])[0]
        with self._turn():
            self._sync()
            try:
                return self._search(vector, n, ids)
            except _broken() as error:
                self._rebuild(f"it is damaged ({error})")
                return self._search(vector, n, ids)

    def close(self) -> None:
        """Close the index. Closing twice does nothing; using it opens it again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = self._collection = self._state = self._nearest = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _sync(self) -> int:
        state = self._read_state()
        if state is None:
            return self._rebuild()
        if state.fingerprint != self._embedder.fingerprint:
            return self._rebuild(f"it was made with {state.fingerprint}, not {self._embedder.fingerprint}")
        try:
            fresh = self._use(state)
            state, n = self._add(state)
            expected = self._source.n_recorded(state.position)
            if (fresh or n) and (found := self._collection.count()) != expected:
                return self._rebuild(f"it holds {found} items of {expected}")
        except _broken() as error:
            return self._rebuild(f"it is damaged ({error})")
        return n

    def _rebuild(self, why: str = "") -> int:
        if why:
            _log.warning("the vector index %s is rebuilt: %s", self.path, why)
        self.close()
        # A folder that was never used before: Chroma keeps what it knows of a path, and a process that
        # has the old index open sees from the changed state that it must open the new one.
        state = _State(
            folder=uuid.uuid4().hex,
            fingerprint=self._embedder.fingerprint,
            position=0,
            n=0,
            revision=uuid.uuid4().hex,
        )
        try:
            self._use(state, create=True)
            state, n = self._add(state)
            self._write_state(state)
            for folder in self.path.iterdir():
                if folder.is_dir() and folder.name != state.folder:
                    shutil.rmtree(folder)
        except _broken() as error:
            self.close()
            raise StoreError(
                f"the vector index {self.path} cannot be built: {error}. It may be deleted: "
                f"the items lie elsewhere"
            ) from error
        return n

    def _add(self, state: "_State") -> tuple["_State", int]:
        """Embed and add what was recorded after the state's position; return the new state."""
        total = 0
        for batch in _batches(self._source.documents(since=state.position)):
            vectors = self._embedder.embed([document.text for document in batch.values()])
            self._collection.upsert(ids=list(batch), embeddings=vectors)
            if self._nearest is not None:
                self._nearest.put(list(batch), vectors)
            total += len(batch)
            last = max(document.position for document in batch.values())
            state = replace(state, position=last, n=self._source.n_recorded(last), revision=uuid.uuid4().hex)
            # After each batch, so that a process that is killed has not indexed in vain.
            self._write_state(state)
        return state, total

    def _search(
        self, vector: npt.NDArray[np.float32], n: int, ids: Collection[str] | None
    ) -> list[tuple[str, float]]:
        n_items = self._collection.count()
        if n_items <= EXACT_UP_TO:
            if self._nearest is None:
                self._nearest = self._load(n_items)
            return self._nearest.search(vector, n, names=ids)
        wanted = min(SPARE * n, n_items if ids is None else len(ids))
        if wanted == 0:
            return []
        answer = self._collection.query(
            query_embeddings=[vector],
            n_results=wanted,
            ids=None if ids is None else list(ids),
            include=["embeddings"],
        )
        names, vectors = answer["ids"][0], answer["embeddings"][0]
        if ids is None and len(names) < wanted:
            raise _IncompleteError(f"it gave {len(names)} of {wanted} neighbours")
        nearest = Nearest(self._embedder.dimensions)
        nearest.put(names, vectors)
        return nearest.search(vector, n)

    def _load(self, n_items: int) -> Nearest:
        nearest = Nearest(self._embedder.dimensions)
        for start in range(0, n_items, PAGE):
            page = self._collection.get(limit=PAGE, offset=start, include=["embeddings"])
            nearest.put(page["ids"], page["embeddings"])
        # Chroma counts in its database and keeps vectors in files beside it, which can be lost alone.
        if len(nearest) != n_items:
            raise _IncompleteError(f"it gave {len(nearest)} of {n_items} vectors")
        return nearest

    def _use(self, state: "_State", *, create: bool = False) -> bool:
        """Have the index of `state` open; return whether it had to be opened."""
        if self._state is not None and self._state.revision == state.revision:
            return False
        # Another process wrote meanwhile: what Chroma holds in memory is behind.
        self.close()
        chromadb = _chromadb()
        # Without the file: Chroma would read, and trip over, any .env in the working directory.
        settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(path=str(self.path / state.folder), settings=settings)
        if create:
            self._collection = self._client.create_collection(
                _COLLECTION,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 200}},
            )
        else:
            self._collection = self._client.get_collection(_COLLECTION, embedding_function=None)
        self._state = state
        return True

    @property
    def _state_path(self) -> Path:
        return self.path / "state.json"

    def _read_state(self) -> "_State | None":
        try:
            return _State(**json.loads(self._state_path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            _log.warning("the state of the vector index %s cannot be read: %s", self.path, error)
            return None

    def _write_state(self, state: "_State") -> None:
        temporary = self._state_path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(state)))
        temporary.replace(self._state_path)
        self._state = state

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only user of the folder among all threads and processes."""
        with self._lock:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise StoreError(f"cannot use {self.path} for the vector index: {error}") from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            finally:
                os.close(file)


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


@dataclass(frozen=True, slots=True)
class _State:
    folder: str
    fingerprint: str
    position: int
    """Everything recorded up to here is in the index."""
    n: int
    revision: str
    """Changes with every write, so that other processes notice."""


class _IncompleteError(ValueError):
    """The index gave less than it says it holds."""


def _chromadb() -> Any:
    import chromadb
    import chromadb.config

    return chromadb


def _broken() -> tuple[type[Exception], ...]:
    """Return what Chroma raises for an index that it cannot use."""
    from chromadb.errors import ChromaError

    return (ChromaError, ValueError, OSError)


def _batches(documents: Iterator[Document]) -> Iterator[dict[str, Document]]:
    """Yield documents by id, in batches; of two with one id the later stays."""
    batch: dict[str, Document] = {}
    for document in documents:
        batch[document.id] = document
        if len(batch) == BATCH:
            yield batch
            batch = {}
    if batch:
        yield batch
