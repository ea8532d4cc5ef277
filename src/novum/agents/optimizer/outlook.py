"""Outlook: what is known of a context, fitted once, and what it says of any candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novum.agents.base import PlanningContext
from novum.agents.optimizer.acquisition import Acquisition
from novum.agents.optimizer.effort import Effort
from novum.agents.optimizer.generators.choose import open_generator
from novum.agents.optimizer.generators.limits import without_given
from novum.agents.optimizer.hypotheses import cost_of, noise_of
from novum.agents.optimizer.prior import prior
from novum.agents.optimizer.streams import Stream, open_stream
from novum.agents.optimizer.study import open_study
from novum.agents.optimizer.surrogate import Surrogate
from novum.core.spaces import Candidate

FIRST_DATA = 2
"""Measured values of every property from which the surrogate is asked."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What the surrogate thinks of one candidate."""

    beliefs: tuple[tuple[float, float], ...]
    """(mean, standard deviation) per objective, in its unit, as they would be published."""
    gain: float
    """Expected gain in merit per unit of declared cost, failures counted."""
    failure: float
    """Probability that its experiment gives nothing."""
    nearest: str
    """Label of the observed candidate that is most like it; empty where nothing was observed."""
    likeness: float
    """How much alike they are, from 0 to 1."""


class Outlook:
    """A planning context with its generator, its study, and the surrogate fitted to it.

    Args:
        context: what the planner was asked.
        effort: how hard the plan tries.

    Raises:
        GoalError: the goal's space is empty as written.
    """

    def __init__(self, context: PlanningContext, effort: Effort | None = None) -> None:
        self.effort = effort or Effort()
        self.context = without_given(context)
        """Without the wishes that every candidate of the space fulfils by construction."""
        self.generator = open_generator(self.context.goal)
        self.study = open_study(self.context, self.generator)
        self.surrogate: Surrogate | None = None
        """None as long as too little was measured."""
        measured = np.sum(~np.isnan(self.study.values), axis=0)
        if np.min(measured, initial=len(self.study.values)) >= FIRST_DATA:
            self.surrogate = self._fitted()
        self.acquisition = Acquisition(
            self.study,
            open_stream(self.context.goal.seed, self.context.iteration, Stream.ACQUISITION),
            samples=self.effort.samples,
        )

    def appraise(self, candidates: Sequence[Candidate]) -> list[Appraisal | None]:
        """Return what is thought of each candidate; None for one that is not of this space.

        Without a fitted surrogate the beliefs are the prior's and every gain is 0.
        """
        placed = [(i, p) for i, c in enumerate(candidates) if (p := self.generator.locate(c)) is not None]
        found: list[Appraisal | None] = [None] * len(candidates)
        if not placed:
            return found
        features = self.generator.encode([proposal for _, proposal in placed])
        if self.surrogate is None:
            goal, specs = self.context.goal, self.context.properties
            expected = tuple(prior(o, specs.get(o.property)) for o in goal.objectives)
            for i, _ in placed:
                found[i] = Appraisal(expected, gain=0.0, failure=0.0, nearest="", likeness=0.0)
            return found
        belief = self.surrogate.predict(features)
        failure = self.surrogate.failure(features)
        gains = np.exp(self.acquisition.log_gain(belief, self.acquisition.best)) * (1 - failure)
        nearest, likeness = self.surrogate.nearest(features)
        published = self.surrogate.publish(belief)
        cost = cost_of(self.context)
        for row, (i, _) in enumerate(placed):
            found[i] = Appraisal(
                tuple(zip(published.mean[row].tolist(), published.std[row].tolist(), strict=True)),
                gain=float(gains[row]) / cost,
                failure=float(failure[row]),
                nearest=self.study.observations[int(nearest[row])].candidate.label,
                likeness=float(likeness[row]),
            )
        return found

    def _fitted(self) -> Surrogate:
        context, study = self.context, self.study
        objectives = context.goal.objectives
        return Surrogate(
            self.generator.kernel,
            self.generator.encode(study.proposals),
            study.values,
            failed=study.failed,
            priors=[prior(o, context.properties.get(o.property)) for o in objectives],
            noise=[noise_of(context, o) for o in objectives],
        )
