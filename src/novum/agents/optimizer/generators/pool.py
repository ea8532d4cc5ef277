"""A pool as a source of proposals: every row, described by its columns."""

import random
from collections.abc import Iterator, Sequence, Set

import numpy as np

from novum.agents.optimizer.features import Features
from novum.agents.optimizer.generators.base import Proposal
from novum.agents.optimizer.kernels import ArdKernel, Kernel
from novum.core.spaces import Candidate, PoolSpace


class PoolGenerator:
    """Rows of a pool. Numbers are scaled to 0…1 over the pool, words become categories.

    A column that never varies, or that is a different word in every row, describes nothing and is
    left out. Measured columns are never read.
    """

    finite = True
    cap = 0.999
    survivors = 160

    def __init__(self, space: PoolSpace) -> None:
        self.kernel: Kernel = ArdKernel()
        self._rows = space.rows
        self._index = {row.id: i for i, row in enumerate(space.rows)}
        hidden = set(space.measured)
        names = space.features or tuple(n for n in space.rows[0].arguments if n not in hidden)
        numeric: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        codes: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        for name in names:
            column = [row.arguments.get(name) for row in space.rows]
            if name == space.smiles:
                continue
            numbers = [float(v) for v in column if isinstance(v, int | float) and not isinstance(v, bool)]
            if len(numbers) == len(column):
                x = np.array(numbers)
                span = float(np.ptp(x))
                if span > 0:
                    numeric.append((x - x.min()) / span)
            else:
                words = [str(v) for v in column]
                levels = {word: i for i, word in enumerate(sorted(set(words)))}
                if 1 < len(levels) < len(words):
                    codes.append(np.array([levels[word] for word in words], dtype=np.int64))
        n = len(space.rows)
        bits = None
        if space.smiles is not None:
            from novum.agents.optimizer.generators.fingerprints import fingerprints_of_smiles

            bits = fingerprints_of_smiles([str(row.arguments.get(space.smiles, "")) for row in space.rows])
        self._features = Features(
            np.stack(numeric, axis=1) if numeric else np.zeros((n, 0)),
            np.stack(codes, axis=1) if codes else np.zeros((n, 0), dtype=np.int64),
            bits,
        )

    def start(self, rng: random.Random, exclude: Set[str]) -> Iterator[Proposal]:
        """Yield every row, in random order."""
        order = list(range(len(self._rows)))
        rng.shuffle(order)
        for i in order:
            if self._rows[i].id not in exclude:
                yield Proposal(self._rows[i].id, i)

    def parents(self) -> list[Proposal]:
        """Return nothing: every parent is a candidate too."""
        return []

    def offspring(
        self,
        parents: Sequence[Proposal],  # noqa: ARG002
        rng: random.Random,  # noqa: ARG002
        n: int,  # noqa: ARG002
        exclude: Set[str],  # noqa: ARG002
    ) -> list[Proposal]:
        """Return nothing: a pool has no rows but its own."""
        return []

    def admits(self, proposal: Proposal) -> bool:  # noqa: ARG002
        """Say yes: whoever listed the pool admitted its rows."""
        return True

    def candidate(self, proposal: Proposal) -> Candidate | None:
        """Return the row."""
        row: int = proposal.point
        return self._rows[row]

    def locate(self, candidate: Candidate) -> Proposal | None:
        """Return the row with the candidate's id."""
        i = self._index.get(candidate.id)
        return None if i is None else Proposal(candidate.id, i)

    def encode(self, proposals: Sequence[Proposal]) -> Features:
        """Return the features of rows."""
        return self._features.take(np.array([p.point for p in proposals], dtype=np.int64))
