"""How hard one plan tries: the only knobs of the inner search, all counts, none in seconds."""

from dataclasses import dataclass

PER_PICK = 4
"""Survivors for each wanted hypothesis."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Sizes of the inner search. Counts and not seconds, so that a plan does not depend on the machine."""

    start: int = 120
    """Proposals drawn from the start set of a space that cannot be listed."""
    generations: int = 6
    offspring: int = 160
    """New proposals in each generation."""
    parents: int = 40
    """Best observed candidates that take part as parents."""
    finalists: int = 240
    """Proposals among which the batch is chosen."""
    samples: int = 128
    """Quasi-random samples of the predictive distribution; a power of two."""
    design: int = 96
    """Proposals among which the start design is chosen."""
