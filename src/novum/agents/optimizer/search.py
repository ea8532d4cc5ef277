"""The inner search: evolves proposals on the acquisition, which costs no experiment."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from novum.agents.optimizer.acquisition import Acquisition
from novum.agents.optimizer.effort import PER_PICK, Effort
from novum.agents.optimizer.features import Array, Features
from novum.agents.optimizer.generators.base import Generator, Proposal
from novum.agents.optimizer.study import Study
from novum.agents.optimizer.surrogate import Belief, Surrogate


@dataclass(frozen=True, slots=True)
class Finalists:
    """The best proposals that the search found, greatest expected gain first."""

    proposals: tuple[Proposal, ...]
    features: Features
    belief: Belief
    failure: Array
    """Probability that the experiment fails ``(n,)``."""
    considered: int
    """How many proposals the surrogate judged."""


@dataclass(slots=True)
class _Population:
    proposals: list[Proposal]
    features: Features
    score: Array

    def take(self, rows: list[int]) -> "_Population":
        return _Population([self.proposals[i] for i in rows], self.features.take(rows), self.score[rows])


def search(
    generator: Generator,
    study: Study,
    surrogate: Surrogate,
    acquisition: Acquisition,
    rng: random.Random,
    effort: Effort,
    *,
    n: int,
) -> Finalists | None:
    """Return the proposals with the greatest expected gain; None where the space is exhausted.

    There are enough for a batch of `n`, as far as the space has them. A listed space is judged
    completely. Any other starts from a fresh sample of its start set and the best that is known, and
    evolves.
    """

    def score(features: Features) -> Array:
        belief = surrogate.predict(features)
        return acquisition.log_gain(belief, acquisition.best) + np.log1p(
            -np.minimum(surrogate.failure(features), 1 - 1e-9)
        )

    started = list(islice(generator.start(rng, study.keys), None if generator.finite else effort.start))
    known = [study.proposals[i] for i in study.complete[: effort.parents]]
    if not started and not known and not generator.parents():
        return None
    population = _judged(generator, started, score)
    considered = len(started)
    survivors = max(generator.survivors, PER_PICK * n)
    if not generator.finite:
        seen = {p.key for p in started} | study.keys
        for _ in range(effort.generations):
            parents = _interleaved(known or generator.parents(), population.proposals)
            children = generator.offspring(parents, rng, effort.offspring, seen)
            seen |= {p.key for p in children}
            considered += len(children)
            population = _survivors(generator, population, _judged(generator, children, score), survivors)
    order = np.argsort(-population.score, kind="stable")[: effort.finalists].tolist()
    if not order:
        return None
    best = population.take(order)
    return Finalists(
        tuple(best.proposals),
        best.features,
        surrogate.predict(best.features),
        surrogate.failure(best.features),
        considered,
    )


def _judged(
    generator: Generator, proposals: list[Proposal], score: Callable[[Features], Array]
) -> _Population:
    features = generator.encode(proposals)
    return _Population(proposals, features, score(features) if proposals else np.zeros(0))


def _survivors(generator: Generator, old: _Population, new: _Population, n: int) -> _Population:
    """Return the best of both, asking the slow checks only of those that would survive."""
    proposals = old.proposals + new.proposals
    scores = np.concatenate([old.score, new.score])
    rows: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        if len(rows) == n:
            break
        if generator.admits(proposals[i]):
            rows.append(i)
    return _Population(proposals, old.features.join(new.features), scores).take(rows)


def _interleaved(known: list[Proposal], found: list[Proposal]) -> list[Proposal]:
    """Return both lists in turn, so that the ranks of parents mix what is known with what is hoped."""
    mixed: list[Proposal] = []
    for i in range(max(len(known), len(found))):
        mixed += known[i : i + 1] + found[i : i + 1]
    return mixed
