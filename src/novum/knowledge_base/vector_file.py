"""Vectors in one file that is mapped into memory: quick to open, and compared exactly."""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_DIGITS = 5
_ROUNDING = np.float32(2e-5)

_BLOCK = 8192
"""Rows whose lengths are checked together."""


class DamagedError(ValueError):
    """The index does not hold what was written to it."""


class VectorFile:
    """Unit vectors by row number; appended to, never changed.

    The file belongs to one writer at a time, and its owner remembers how many rows are valid: what lies
    behind them is left over from a writer that was killed, and is overwritten. Similarities are rounded
    to five digits, because a model's last digits depend on what else was in the batch, and equal ones are
    ordered by row.

    Args:
        path: the file, made when the first rows are appended.
        dimensions: length of a vector.
    """

    def __init__(self, path: Path, dimensions: int) -> None:
        self.path = path
        self.dimensions = dimensions
        self._vectors: Floats = np.zeros((0, dimensions), dtype=np.float32)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, vectors: Floats) -> None:
        """Write vectors of shape ``(n, dimensions)`` as the next rows.

        Raises:
            OSError: they cannot be written.
        """
        data = memoryview(np.ascontiguousarray(vectors, "<f4").tobytes())
        offset = self._n * self._width
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            while data:
                written = os.pwrite(file, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(file)
        self._n += len(vectors)

    def open(self, n: int) -> None:
        """Have the first `n` rows; those that are new to this process are checked.

        Raises:
            DamagedError: the file holds fewer rows, or something else than unit vectors.
            OSError: it cannot be read.
        """
        checked = len(self._vectors)
        self._n = n
        if n <= checked:
            return
        if not self.path.exists() or self.path.stat().st_size < n * self._width:
            raise DamagedError(f"it has fewer than {n} vectors")
        with self.path.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), n * self._width, access=mmap.ACCESS_READ)
        vectors: Floats = np.frombuffer(mapped, dtype="<f4").reshape(n, self.dimensions)
        for start in range(checked, n, _BLOCK):
            block = vectors[start : start + _BLOCK]
            if not (np.abs(np.einsum("ij,ij->i", block, block) - 1.0) < 1e-3).all():
                raise DamagedError("some of its vectors are not those that were written")
        self._vectors = vectors

    def cut(self) -> int:
        """Cut off what lies behind the valid rows; return how many rows that were, begun ones included.

        Raises:
            OSError: the file cannot be written.
        """
        size = self.path.stat().st_size if self.path.exists() else 0
        extra = size - self._n * self._width
        if extra > 0:
            os.truncate(self.path, self._n * self._width)
        return max(0, -(-extra // self._width))

    def rows(self, start: int, stop: int) -> Floats:
        """Return the vectors of the rows from `start` to before `stop`.

        Raises:
            DamagedError: the file does not hold them.
            OSError: it cannot be read.
        """
        self.open(self._n)
        return self._vectors[start:stop]

    def compare(self, vector: Floats, among: Rows | None = None) -> "Compared":
        """Return the cosine similarity of every row to `vector`; with `among`, of these rows only.

        Raises:
            DamagedError: the file does not hold what was written.
            OSError: it cannot be read.
        """
        self.open(self._n)
        rows = np.arange(self._n) if among is None else among
        vectors = self._vectors[: self._n] if among is None else self._vectors[among]
        return Compared(rows, vectors @ vector)

    @property
    def _width(self) -> int:
        return 4 * self.dimensions


@dataclass(frozen=True, slots=True)
class Compared:
    """Rows and how similar they are to a query, before rounding."""

    rows: Rows
    similarities: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def best(self, n: int) -> list[tuple[int, float]]:
        """Return the `n` most similar rows and their rounded similarities, best first."""
        if n < 1 or not len(self.rows):
            return []
        near = np.arange(len(self.rows))
        if n < len(self.rows):
            worst = np.partition(self.similarities, -n)[-n]
            # With all that rounding makes equal to the worst.
            near = np.flatnonzero(self.similarities >= worst - _ROUNDING)
        rows, similarities = self.rows[near], self.similarities[near].astype(np.float64).round(_DIGITS)
        best = np.lexsort((rows, -similarities))[:n]
        return list(zip(rows[best].tolist(), similarities[best].tolist(), strict=True))
