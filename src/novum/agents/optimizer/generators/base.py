"""The generator's interface: a space as a source of proposals."""

import random
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

from novum.agents.optimizer.features import Features
from novum.agents.optimizer.kernels import Kernel
from novum.core.spaces import Candidate


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point of a space before it is worth an id."""

    key: str
    """A cheap spelling: equal keys are equal candidates; the reverse need not hold."""
    point: Any
    """What the generator computes with."""
    origin: str = ""
    """How it was made, in words: "crossover of CCO and CCN"; empty for the start set."""


class Generator(Protocol):
    """Proposes points of one space and describes them to the surrogate."""

    finite: bool
    """Whether `start` runs through the whole space; `offspring` then gives nothing."""
    kernel: Kernel
    cap: float
    """Likeness above which two proposals are too close for one batch."""

    survivors: int
    """How many proposals live through a generation of the search: fewer where `admits` is slow."""

    def start(self, rng: random.Random, exclude: Set[str]) -> Iterator[Proposal]:
        """Yield admitted proposals of the start set in random order, without keys in `exclude`."""
        ...

    def parents(self) -> list[Proposal]:
        """Return proposals that may be parents from the beginning, though perhaps not candidates."""
        ...

    def offspring(
        self, parents: Sequence[Proposal], rng: random.Random, n: int, exclude: Set[str]
    ) -> list[Proposal]:
        """Return at most `n` distinct new proposals, made from `parents`, best parents first.

        They are within the space; `admits` has still to be asked.
        """
        ...

    def admits(self, proposal: Proposal) -> bool:
        """Say whether a proposal passes the checks that are too slow for every offspring."""
        ...

    def candidate(self, proposal: Proposal) -> Candidate | None:
        """Return the candidate with its id; None where it cannot be named."""
        ...

    def locate(self, candidate: Candidate) -> Proposal | None:
        """Return the proposal of a candidate from elsewhere; None where it is not of this space."""
        ...

    def encode(self, proposals: Sequence[Proposal]) -> Features:
        """Return the features of proposals, row by row."""
        ...


def rank(rng: random.Random, n: int) -> int:
    """Return a random index below `n` that favours small ones: half the mass lies in the first eighth."""
    return min(n - 1, int(n * rng.random() ** 3))
