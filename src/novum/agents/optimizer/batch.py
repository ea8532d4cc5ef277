"""Choosing a batch: one by one, each as if those before it had come out as predicted."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from novum.agents.optimizer.acquisition import Acquisition
from novum.agents.optimizer.generators.base import Generator
from novum.agents.optimizer.search import Finalists
from novum.agents.optimizer.surrogate import Belief, Surrogate
from novum.core.spaces import Candidate


@dataclass(frozen=True, slots=True)
class Pick:
    """One chosen finalist."""

    row: int
    candidate: Candidate
    gain: float
    """Expected gain in merit, failures counted, not yet per cost."""


LEFT = 1e-3
"""Share of the first standard deviation below which a believed value teaches nothing more."""


def choose_batch(
    finalists: Finalists,
    surrogate: Surrogate,
    acquisition: Acquisition,
    generator: Generator,
    *,
    n: int,
    closed: Set[str],
) -> list[Pick]:
    """Return at most `n` finalists with different ids, none in `closed`.

    After each pick its predicted values count as observed: the mark to beat rises, and what is alike
    becomes more certain and so less worth an experiment. Proposals more alike than the generator's
    cap wait until nothing else is left.

    References:
        Ginsbourger, Le Riche, Carraro, in Computational Intelligence in Expensive Optimization
        Problems (Springer, 2010), for the kriging believer.
    """
    mean, std = finalists.belief.mean, finalists.belief.std.copy()
    joint = surrogate.covariances(finalists.features)
    likeness = surrogate.similarity(finalists.features, finalists.features)
    survival = np.log1p(-np.minimum(finalists.failure, 1 - 1e-9))
    keeps = acquisition.keeps(mean)
    best = acquisition.best
    named: dict[int, Candidate | None] = {}
    taken = set(closed)
    crowded = np.zeros(len(mean), dtype=bool)
    gone = np.zeros(len(mean), dtype=bool)
    picks: list[Pick] = []
    while len(picks) < n and not gone.all():
        gains = (
            acquisition.log_gain(Belief(mean, std), best, len(picks) % acquisition.n_weightings) + survival
        )
        order = np.lexsort((np.arange(len(mean)), -gains, crowded))
        row = next(int(i) for i in order if not gone[i])
        gone[row] = True
        if row not in named:
            named[row] = generator.candidate(finalists.proposals[row])
        candidate = named[row]
        if candidate is None or candidate.id in taken:
            continue
        taken.add(candidate.id)
        picks.append(Pick(row, candidate, float(np.exp(gains[row]))))
        crowded |= likeness[row] > generator.cap
        if keeps[row]:
            best = np.maximum(best, acquisition.marks(mean[row : row + 1]))
        for j, covariance in enumerate(joint):
            least = (LEFT * float(finalists.belief.std[row, j])) ** 2
            pivot = float(covariance[row, row])
            if pivot <= least:  # nothing is left to learn here, and dividing by it would be noise
                continue
            share = covariance[row] / np.sqrt(pivot + least)
            std[:, j] = np.sqrt(np.maximum(std[:, j] ** 2 - share**2, 1e-4 * finalists.belief.std[:, j] ** 2))
            joint[j] = covariance - np.outer(share, share)
    return picks
