"""What the surrogate sees of proposals: numbers, categories and fingerprints, row by row."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Features:
    """Encoded proposals; every part has one row per proposal.

    `bits` is a sparse 0/1 matrix in which a count c of a substructure is written as c ones, so that
    an inner product is exactly the sum of the smaller counts.
    """

    numeric: Array
    """Scaled numbers ``(n, n_numeric)``, about 0 to 1."""
    codes: NDArray[np.int64]
    """Category numbers ``(n, n_categories)``, without an order."""
    bits: Any = None
    """Sparse matrix ``(n, n_bits)`` of int32, or None."""

    def __len__(self) -> int:
        return len(self.numeric)

    def take(self, rows: Any) -> "Features":
        """Return the rows chosen by indices."""
        bits = None if self.bits is None else self.bits[rows]
        return Features(self.numeric[rows], self.codes[rows], bits)

    def join(self, other: Self) -> "Features":
        """Return the rows of this and then of `other`."""
        bits = None
        if self.bits is not None:
            from scipy import sparse

            bits = sparse.vstack([self.bits, other.bits], format="csr")
        return Features(
            np.concatenate([self.numeric, other.numeric]), np.concatenate([self.codes, other.codes]), bits
        )


def tanimoto(a: Features, b: Features) -> Array:
    """Return the count Tanimoto (MinMax) similarity ``(len(a), len(b))``.

    The counts are integers, so that the result does not depend on how the sums are ordered.

    References:
        Ralaivola et al., Neural Networks 18, 1093 (2005), for the MinMax kernel.
    """
    shared = np.asarray((a.bits @ b.bits.T).todense(), dtype=np.float64)
    of_a = np.asarray(a.bits.sum(axis=1), dtype=np.float64).reshape(-1, 1)
    of_b = np.asarray(b.bits.sum(axis=1), dtype=np.float64).reshape(1, -1)
    return shared / np.maximum(of_a + of_b - shared, 1.0)


def square_distances(a: Features, b: Features) -> Array:
    """Return one matrix of squared distances per feature ``(n_groups, len(a), len(b))``.

    Numbers give squared differences, categories 0 or 1, fingerprints 2 (1 - Tanimoto), which is the
    squared distance in the feature space of that kernel.
    """
    groups = [(a.numeric[:, j, None] - b.numeric[None, :, j]) ** 2 for j in range(a.numeric.shape[1])]
    groups += [(a.codes[:, j, None] != b.codes[None, :, j]).astype(float) for j in range(a.codes.shape[1])]
    if a.bits is not None:
        groups.append(2.0 * (1.0 - tanimoto(a, b)))
    if not groups:
        return np.zeros((0, len(a), len(b)))
    return np.stack(groups)
