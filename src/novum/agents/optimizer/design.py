"""The start design: a few proposals that together stand for the whole start set."""

import random
from collections.abc import Iterator, Sequence, Set

import numpy as np

from novum.agents.optimizer.generators.base import Generator, Proposal
from novum.core.spaces import Candidate

SHARPNESS = 2.0
"""Power on likeness: the greater, the closer a design point must be to stand for another."""
WALKS = 6
"""Rounds of undirected changes once a start set is used up."""
WALK = 40
"""Changes in each round."""


def start_design(
    generator: Generator,
    rng: random.Random,
    *,
    n: int,
    size: int,
    known: Sequence[Proposal],
    keys: Set[str],
    closed: Set[str],
) -> list[tuple[Proposal, Candidate]]:
    """Return at most `n` diverse and typical proposals from a random sample of `size`.

    Each next one is the proposal that best stands for what the others do not yet stand for (greedy
    facility location): outliers come late, near-duplicates never. A start set smaller than `n` is
    taken whole and completed by undirected changes.
    """
    sample: list[tuple[Proposal, Candidate]] = []
    for proposal, candidate in named(generator, generator.start(rng, keys), closed):
        sample.append((proposal, candidate))
        if len(sample) == max(size, n):
            break
    if len(sample) < n:
        return sample + undirected(
            generator,
            rng,
            n=n - len(sample),
            parents=[p for p, _ in sample] + list(known),
            keys=keys | {p.key for p, _ in sample},
            closed=closed | {c.id for _, c in sample},
        )
    features = generator.encode([proposal for proposal, _ in sample])
    likeness = generator.kernel.similarity(features, features) ** SHARPNESS
    covered = np.zeros(len(sample))
    chosen: list[int] = []
    while len(chosen) < n:
        reach = np.maximum(likeness, covered).sum(axis=1)
        reach[chosen] = -1.0
        row = int(np.argmax(np.round(reach, 9)))
        chosen.append(row)
        covered = np.maximum(covered, likeness[row])
    return [sample[i] for i in chosen]


def undirected(
    generator: Generator,
    rng: random.Random,
    *,
    n: int,
    parents: Sequence[Proposal],
    keys: Set[str],
    closed: Set[str],
) -> list[tuple[Proposal, Candidate]]:
    """Return at most `n` admitted proposals made from `parents` in random order; fewer if none come."""
    found: list[tuple[Proposal, Candidate]] = []
    stock = list(parents) + generator.parents()
    for _ in range(WALKS):
        rng.shuffle(stock)
        children = generator.offspring(stock, rng, WALK, keys | {p.key for p, _ in found})
        ids = closed | {c.id for _, c in found}
        for pair in named(generator, (p for p in children if generator.admits(p)), ids):
            if len(found) == n:
                return found
            found.append(pair)
        stock += children
    return found


def named(
    generator: Generator, proposals: Iterator[Proposal], closed: Set[str]
) -> Iterator[tuple[Proposal, Candidate]]:
    """Yield proposals with their candidates, each id once and none in `closed`."""
    taken = set(closed)
    for proposal in proposals:
        candidate = generator.candidate(proposal)
        if candidate is not None and candidate.id not in taken:
            taken.add(candidate.id)
            yield proposal, candidate
