"""Belief by arithmetic: how probable an item is, given its evidence. No model has a say in it.

The rule is Bayes' in its log-odds form. An item begins at even odds. Each piece of evidence that would be
right with probability p adds w · ln(p / (1 − p)) to the log odds of the item, or takes as much away where it
refutes; w is its weight. p comes from how often what the same method said has held before (`Reliability`).

Pieces from one method share its systematic errors. n of them together count as n / (1 + (n − 1) · ρ), so
that no amount of repetition is worth more than 1/ρ pieces; ρ is `CORRELATION`.

References:
    Good, *Probability and the Weighing of Evidence*, Griffin, 1950, for log odds as weight of evidence;
    Kish, *Survey Sampling*, Wiley, 1965, section 8.2, for the design effect of correlated pieces.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

CORRELATION = 0.5
"""ρ: correlation of the errors of two results of one method. Between no new information (1) and
independence (0); a choice, until the knowledge base holds enough forecasts to estimate it."""

LEAST, MOST = 0.01, 0.99
"""No evidence makes an item impossible or certain."""

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
    groups: dict[tuple[str, bool], list[Piece]] = {}
    for piece in pieces:
        groups.setdefault((piece.group, piece.supports), []).append(piece)
    total = math.fsum(
        (1 if supports else -1) * _weight_of_evidence(group) for (_, supports), group in groups.items()
    )
    return min(MOST, max(LEAST, 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))))


def attenuated(reliability: float, *conditions: float) -> float:
    """Return how probably a piece is right that also needs each of `conditions` to be true.

    Where one of them is false, it says nothing rather than the contrary.

    Example:
        >>> attenuated(0.9, 1.0), round(attenuated(0.9, 0.5), 3), attenuated(0.9, 0.0)
        (0.9, 0.7, 0.5)
    """
    return 0.5 + (reliability - 0.5) * math.prod(conditions)


def _weight_of_evidence(group: list[Piece]) -> float:
    n = math.fsum(piece.weight for piece in group)
    if n == 0:
        return 0.0
    total = math.fsum(piece.weight * _log_odds(piece.probability) for piece in group)
    return total / (1 + max(0.0, n - 1) * CORRELATION)


def _log_odds(probability: float) -> float:
    p = min(MOST, max(0.5, probability))
    return math.log(p / (1 - p))
