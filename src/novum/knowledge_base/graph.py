"""Chroma's graph of neighbours, for knowledge bases that are too large to compare every vector.

The only module that imports chromadb, and only when a graph is used. Chroma runs embedded; its network
interface is not used, because it has an unfixed report of remote code execution (GHSA-f4j7-r4q5-qw2c).
"""

from pathlib import Path
from typing import Any

import numpy as np

from novum.knowledge_base.vector_file import DamagedError, Floats, Rows

BATCH = 5000
"""Vectors added together; Chroma takes up to 5,461."""

_COLLECTION = "rows"


class GraphDamagedError(DamagedError):
    """Chroma cannot use the graph, or lost part of it; the vectors themselves may be well."""


class Graph:
    """Row numbers of a `VectorFile`, found approximately by their vectors.

    Chroma keeps a database and the graph's own files, without a commit that joins them; rows added twice
    are the same rows, so that a writer that was killed is simply followed by the next.

    Args:
        folder: where Chroma keeps it; made where it is missing.

    Raises:
        GraphDamagedError: Chroma cannot use what is there.

    References:
        Malkov and Yashunin, arXiv 1603.09320, for the graph (HNSW).
    """

    def __init__(self, folder: Path) -> None:
        import chromadb
        import chromadb.config
        from chromadb.errors import ChromaError

        self._broken = (ChromaError, ValueError, OSError)
        # Without the file: Chroma would read, and trip over, any .env in the working directory.
        settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
        self._client: Any = None
        try:
            self._client = chromadb.PersistentClient(path=str(folder), settings=settings)
            self._collection: Any = self._client.get_or_create_collection(
                _COLLECTION,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 200}},
            )
            self._n = int(self._collection.count())
        except self._broken as error:
            self.close()
            raise GraphDamagedError(f"the graph is damaged ({error})") from error

    def __len__(self) -> int:
        return self._n

    def add(self, vectors: Floats) -> None:
        """Add the next rows, vectors of shape ``(n, dimensions)``.

        Raises:
            GraphDamagedError: Chroma cannot.
        """
        try:
            for start in range(0, len(vectors), BATCH):
                some = vectors[start : start + BATCH]
                ids = [str(self._n + row) for row in range(len(some))]
                self._collection.upsert(ids=ids, embeddings=np.array(some))
                self._n += len(some)
        except self._broken as error:
            raise GraphDamagedError(f"the graph is damaged ({error})") from error

    def search(self, vector: Floats, n: int) -> Rows:
        """Return `n` rows that are near `vector`, in no order that means anything.

        Raises:
            GraphDamagedError: the graph gives fewer.
        """
        n = min(n, self._n)
        if n < 1:
            return np.zeros(0, dtype=np.int64)
        try:
            answer = self._collection.query(query_embeddings=[vector], n_results=n, include=[])
        except self._broken as error:
            raise GraphDamagedError(f"the graph is damaged ({error})") from error
        rows = np.array([int(id) for id in answer["ids"][0]], dtype=np.int64)
        # Chroma counts in its database and keeps vectors in files beside it, which can be lost alone.
        if len(rows) < n:
            raise GraphDamagedError(f"the graph gave {len(rows)} of {n} neighbours")
        return rows

    def close(self) -> None:
        """Close the graph. Closing twice does nothing."""
        if self._client is not None:
            self._client.close()
            self._client = self._collection = None
