"""Belief by arithmetic: how probable an item is, given its evidence. No model has a say in it.

The rule is Bayes' in its log-odds form. An item begins at even odds. Each piece of evidence that would be
right with probability p adds w · ln(p / (1 − p)) to the log odds of the item, or takes as much away where it
refutes; w is its weight. p comes from how often what the same method said has held before (`Reliability`).

Pieces from one method share its systematic errors, and pieces that rest on one thing share its. n such pieces
together count as n / (1 + (n − 1) · ρ), so that no amount of repetition is worth more than 1/ρ pieces; ρ is
`CORRELATION`. The strongest piece counts in full, and each further one by what it adds to that number: no
piece takes away from another that shares nothing with it, and a weaker repetition never from a stronger one.

References:
    Good, *Probability and the Weighing of Evidence*, Griffin, 1950, for log odds as weight of evidence;
    Kish, *Survey Sampling*, Wiley, 1965, section 8.2, for the design effect of correlated pieces.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

CORRELATION = 0.5
"""ρ: correlation of the errors of two pieces that share a method, or something they rest on. Between no new
information (1) and independence (0); a choice, until the knowledge base holds enough forecasts to estimate
it."""

REPEATED = 2 / (1 + CORRELATION) - 1
"""What a second piece is worth that shares the errors of the first."""

LEAST, MOST = 0.01, 0.99
"""No evidence makes an item impossible or certain."""

COUNTED = 100
"""So many of the strongest pieces are weighed: it takes time to find what they have in common."""

PRIOR_STRENGTH = 4.0
"""How many outcomes a prior reliability is worth."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often what a method said has held: a Beta distribution around a prior.

    Example:
        >>> Reliability(0.8).mean, Reliability(0.8, held=16, failed=0).mean
        (0.8, 0.96)
    """

    prior: float
    """What is expected of a method of this kind before it has a record."""
    held: float = 0.0
    failed: float = 0.0

    @property
    def mean(self) -> float:
        """Probability that the next thing it says holds."""
        n = self.held + self.failed
        return (PRIOR_STRENGTH * self.prior + self.held) / (PRIOR_STRENGTH + n)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence for or against an item."""

    group: str
    """What its errors are shared with: the method."""
    probability: float
    """That it is right, 0 to 1. At a half and below it says nothing."""
    weight: float = 1.0
    supports: bool = True
    roots: frozenset[str] = frozenset()
    """What it rests on, at any distance: pieces that have any of it in common share its errors."""
    name: str = ""
    """Decides between pieces that are equally strong, so that the order in which they come does not."""


def confidence(pieces: Iterable[Piece]) -> float:
    """Return the probability of an item that `pieces` speak for and against.

    Example:
        >>> round(confidence([Piece("GFN2-xTB", 0.8)]), 3)
        0.8
        >>> round(confidence([Piece("GFN2-xTB", 0.8), Piece("DFT", 0.8)]), 3)
        0.941
        >>> round(confidence([Piece("GFN2-xTB", 0.8), Piece("DFT", 0.8, supports=False)]), 3)
        0.5
    """
    sides: dict[bool, list[Piece]] = {True: [], False: []}
    for piece in pieces:
        sides[piece.supports].append(piece)
    total = _weight_of_evidence(sides[True]) - _weight_of_evidence(sides[False])
    return min(MOST, max(LEAST, 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))))


def strongest(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the `COUNTED` strongest of pieces, the strongest first."""
    return _by_strength(pieces)[:COUNTED]


def attenuated(reliability: float, *conditions: float) -> float:
    """Return how probably a piece is right that also needs each of `conditions` to be true.

    Where one of them is false, it says nothing rather than the contrary.

    Example:
        >>> attenuated(0.9, 1.0), round(attenuated(0.9, 0.5), 3), attenuated(0.9, 0.0)
        (0.9, 0.7, 0.5)
    """
    return 0.5 + (reliability - 0.5) * math.prod(conditions)


def derived(reliability: float, *conditions: float) -> float:
    """Return how probable is what a method made of `conditions`, all of which it needs.

    It is never more probable than the least of them: a conjunction is not.

    Example:
        >>> round(derived(0.9, 0.9), 3), round(derived(0.8, 0.9, 0.9), 3), derived(0.9, 0.6)
        (0.86, 0.743, 0.6)
    """
    return min(attenuated(reliability, *conditions), *conditions, 1.0)


def _weight_of_evidence(pieces: Iterable[Piece]) -> float:
    """Return the log odds that pieces add up to which all speak for one side."""
    total, counted = 0.0, list[Piece]()
    # Which of the stronger ones are of a group, and which rest on a thing: not each pair is compared.
    sharing: dict[tuple[bool, str], list[int]] = {}
    for n, piece in enumerate(_by_strength(pieces)):
        reasons = [(False, piece.group), *((True, root) for root in piece.roots)]
        shared = {i for reason in reasons for i in sharing.get(reason, ())}
        before = math.fsum(counted[i].weight for i in shared)
        total += log_odds(piece.probability) * (_effective(before + piece.weight) - _effective(before))
        counted.append(piece)
        for reason in reasons:
            sharing.setdefault(reason, []).append(n)
    return total


def _by_strength(pieces: Iterable[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda p: (-log_odds(p.probability), p.group, p.name, p.weight))


def _effective(n: float) -> float:
    """Return how many independent pieces `n` are worth that share their errors."""
    return n / (1 + max(0.0, n - 1) * CORRELATION)


def log_odds(probability: float) -> float:
    """Return the log odds of a piece that is right with a probability; 0 at a half and below."""
    p = min(MOST, max(0.5, probability))
    return math.log(p / (1 - p))
