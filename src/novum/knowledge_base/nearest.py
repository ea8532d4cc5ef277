"""Nearest neighbours by exact comparison in memory: the same answer every time."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt


class Nearest:
    """Named unit vectors, all of which are compared with the query.

    Similarities are rounded to five digits, because a model's last digits depend on what else was in
    the batch, and equal ones are ordered by name.

    Example:
        >>> nearest = Nearest(2)
        >>> nearest.put(["a", "b"], np.eye(2, dtype=np.float32))
        >>> nearest.search(np.array([0.6, 0.8], dtype=np.float32), 1)
        [('b', 0.8)]
    """

    def __init__(self, dimensions: int) -> None:
        self._rows: dict[str, int] = {}
        self._matrix = np.zeros((0, dimensions), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, names: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
        """Add vectors of shape ``(n_names, dimensions)``; one that has its name already is replaced."""
        for name in names:
            self._rows.setdefault(name, len(self._rows))
        n = len(self._rows)
        if n > len(self._matrix):
            # Doubling, so that adding one by one does not copy everything each time.
            larger = np.zeros((max(n, 2 * len(self._matrix)), self._matrix.shape[1]), dtype=np.float32)
            larger[: len(self._matrix)] = self._matrix
            self._matrix = larger
        self._matrix[[self._rows[name] for name in names]] = vectors

    def search(
        self, vector: npt.NDArray[np.float32], n: int, *, names: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return the `n` nearest and their similarities, best first; of `names` only, if given.

        Names that are not known are left out.
        """
        among = list(self._rows) if names is None else [name for name in names if name in self._rows]
        if n < 1 or not among:
            return []
        rows = slice(len(self._rows)) if names is None else [self._rows[name] for name in among]
        similarities = np.round((self._matrix[rows] @ vector).astype(np.float64), 5)
        worst = np.partition(similarities, -n)[-n] if n < len(among) else -np.inf
        near = [(among[i], float(similarities[i])) for i in np.flatnonzero(similarities >= worst)]
        return sorted(near, key=lambda pair: (-pair[1], pair[0]))[:n]
