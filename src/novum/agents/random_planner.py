"""The control arm: the same start, the same space, no thought."""

from itertools import islice
from statistics import fmean, stdev
from typing import Any

import numpy as np

from novum.agents.base import Plan, PlanningContext
from novum.agents.optimizer.design import named, undirected
from novum.agents.optimizer.effort import Effort
from novum.agents.optimizer.generators.base import Generator
from novum.agents.optimizer.generators.choose import open_generator
from novum.agents.optimizer.generators.limits import without_given
from novum.agents.optimizer.hypotheses import write_hypothesis
from novum.agents.optimizer.planner import random_of, start_hypotheses
from novum.agents.optimizer.prior import prior
from novum.agents.optimizer.streams import Stream
from novum.agents.optimizer.study import Study, open_study
from novum.core.spaces import Candidate

FIRST_DATA = 3
"""Measured values from which their mean and spread are the prediction."""


class RandomPlanner:
    """Proposes at random what the optimiser could have proposed.

    With the same goal and seed its first batch is the optimiser's own start design, so that the two
    arms are paired. It predicts the mean and the spread of what was observed, which is honest.
    """

    name = "random"

    def plan(self, context: PlanningContext) -> Plan:
        """Return at most `context.n` hypotheses about candidates not yet observed.

        Raises:
            GoalError: the goal's space is empty as written.
        """
        context = without_given(context)
        generator = open_generator(context.goal)
        study = open_study(context, generator)
        notes: dict[str, Any] = {"fitted": False, "observations": len(study.observations)}
        if context.iteration == 0:
            found = start_hypotheses(
                context, generator, study, n=context.n, number=0, source=self.name, size=Effort().design
            )
            return Plan(tuple(found), notes)
        beliefs = _beliefs(context, study)
        hypotheses = tuple(
            write_hypothesis(
                context,
                candidate,
                beliefs,
                number=number,
                source=self.name,
                rationale="Control: drawn at random; the prediction is the mean and the spread so far.",
            )
            for number, candidate in enumerate(_draw(context, generator, study))
        )
        return Plan(hypotheses, notes)


def _draw(context: PlanningContext, generator: Generator, study: Study) -> list[Candidate]:
    rng = random_of(context.goal.seed, context.iteration, Stream.RANDOM)
    start = named(generator, generator.start(rng, study.keys), study.closed)
    drawn = list(islice(start, context.n))
    if len(drawn) < context.n:
        drawn += undirected(
            generator,
            rng,
            n=context.n - len(drawn),
            parents=study.proposals,
            keys=study.keys | {p.key for p, _ in drawn},
            closed=study.closed | {c.id for _, c in drawn},
        )
    return [candidate for _, candidate in drawn]


def _beliefs(context: PlanningContext, study: Study) -> list[tuple[float, float]]:
    """Return the predictive mean and spread of another draw, per objective."""
    from scipy.special import stdtrit

    beliefs = []
    for j, objective in enumerate(context.goal.objectives):
        values = [v for v in study.values[:, j].tolist() if not np.isnan(v)]
        mean, spread = prior(objective, context.properties.get(objective.property))
        if len(values) >= FIRST_DATA:
            n = len(values)
            widening = float(stdtrit(n - 1, 0.975)) / 1.96 * (1 + 1 / n) ** 0.5
            mean, least = fmean(values), 1e-3 * study.scales[objective.property]
            spread = max(stdev(values) * widening, least)
        beliefs.append((mean, spread))
    return beliefs
