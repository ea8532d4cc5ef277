"""The mix: how many experiments each source gets, learned from what became of its earlier ones.

Every judged hypothesis earns its source a reward between 0 and 1: half for its candidate, half for its
numbers. Thompson sampling divides the next batch. All of it follows from the campaign's record and the
goal's seed, so that a resumed campaign and a replay divide alike.

References:
    Thompson, Biometrika 25, 285 (1933); Agrawal and Goyal, COLT 2012, for rewards that are not 0 or 1;
    Raj and Kalyani, arXiv 1707.09727, for discounting; Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359
    (2007), for the score of a prediction.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np

from novum.core.deliberation import Standing
from novum.core.judgement import Merit
from novum.core.science import Hypothesis, Observation, Verdict

FLOOR = 0.15
"""Share of the experiments that every source gets, however badly it has done."""

MEMORY = 0.9
"""Weight of a result relative to one of the next iteration: what a source can do changes with the data."""


@dataclass(frozen=True, slots=True)
class Earned:
    """What one hypothesis earned its source."""

    source: str
    iteration: int
    reward: float


def earnings(
    hypotheses: Sequence[Hypothesis],
    verdicts: Sequence[Verdict],
    observations: Sequence[Observation],
    *,
    merits: Mapping[str, Merit],
    scales: Mapping[str, float],
) -> list[Earned]:
    """Return what every judged hypothesis earned, in their order.

    A reward is the mean of two numbers: the share of the campaign's own candidates, up to the iteration of
    the hypothesis, that its candidate does at least as well as (ties count half); and how near its
    predictions came, by `nearness`. A candidate whose experiment failed earns nothing.

    Args:
        hypotheses: of this campaign, as registered.
        verdicts: on their predictions.
        observations: what was measured, failures too.
        merits: candidate id → merit, of those measured completely.
        scales: property → width over which it varies usefully, in the unit of its objective.
    """
    failed = {o.candidate.id for o in observations if o.failed}
    judged: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        judged.setdefault(verdict.hypothesis, []).append(verdict)
    measured = [h for h in hypotheses if h.id in judged and h.candidate.id in merits]
    found = []
    for h in hypotheses:
        if h.id not in judged:
            continue
        if h.candidate.id in failed:
            found.append(Earned(h.source, h.iteration, 0.0))
        elif h.candidate.id in merits:
            own = merits[h.candidate.id]
            rivals = [merits[r.candidate.id] for r in measured if r.iteration <= h.iteration and r.id != h.id]
            quality = fmean((own > r) + 0.5 * (own == r) for r in rivals) if rivals else 0.5
            scores = [
                nearness(v, scale=scales[v.property])
                for v in judged[h.id]
                if v.observed is not None and v.property in scales
            ]
            found.append(Earned(h.source, h.iteration, (quality + fmean(scores or [0.0])) / 2))
    return found


def nearness(verdict: Verdict, *, scale: float) -> float:
    """Return how good a predicted distribution was, from 0 to 1: exp(-CRPS / scale).

    The continuous ranked probability score is small only for a prediction that is near and knows how near
    it is: one so wide that nothing could refute it earns next to nothing.
    """
    assert verdict.observed is not None
    expected = verdict.expected
    mean, std = expected.value, expected.std or 0.0
    x = verdict.observed.to(expected.unit).value
    if std <= 0:
        return math.exp(-min(abs(x - mean) / scale, 700.0))
    normal = NormalDist()
    z = (x - mean) / std
    crps = std * (z * (2 * normal.cdf(z) - 1) + 2 * normal.pdf(z) - 1 / math.sqrt(math.pi))
    return math.exp(-min(max(crps, 0.0) / scale, 700.0))


def standings(earned: Sequence[Earned], sources: Sequence[str], *, iteration: int) -> tuple[Standing, ...]:
    """Return where every source stands when `iteration` is planned."""
    found = []
    for source in sources:
        own = [e for e in earned if e.source == source]
        weights = [MEMORY ** (iteration - 1 - e.iteration) for e in own]
        successes = math.fsum(w * e.reward for w, e in zip(weights, own, strict=True))
        failures = math.fsum(weights) - successes
        reward = (successes + 1) / (successes + failures + 2) if own else 0.5
        found.append(
            Standing(
                source=source,
                n=len(own),
                reward=round(reward, 9),
                successes=round(successes, 9),
                failures=round(max(failures, 0.0), 9),
            )
        )
    return tuple(found)


def divide(
    found: Sequence[Standing], n: int, *, given: Mapping[str, int], rng: np.random.Generator
) -> dict[str, int]:
    """Return how many of `n` experiments each source gets.

    For each experiment a reward is drawn from every source's Beta distribution, with a uniform prior, and
    the source with the greatest draw gets it. Then each source is lifted to its floor: `FLOOR` of all
    experiments so far and of these, rounded down.

    Args:
        found: where the sources stand.
        n: experiments to divide.
        given: source → experiments that it had before.
        rng: what is drawn from.
    """
    slots = dict.fromkeys((s.source for s in found), 0)
    for _ in range(n):
        draws = [rng.beta(s.successes + 1, s.failures + 1) for s in found]
        slots[found[int(np.argmax(draws))].source] += 1
    total = sum(given.get(s.source, 0) for s in found) + n
    for source in slots:
        floor = min(n, math.floor(FLOOR * total) - given.get(source, 0))
        while slots[source] < floor:
            richest = max((s for s in slots if s != source), key=lambda s: slots[s])
            if slots[richest] == 0:
                break
            slots[richest] -= 1
            slots[source] += 1
    return slots
