"""The embedded planner: no model needed, every choice explained, equal contexts give equal plans."""

import random
from typing import Any

import numpy as np

from novum.agents.base import Plan, PlanningContext
from novum.agents.optimizer.batch import Pick, choose_batch
from novum.agents.optimizer.design import start_design
from novum.agents.optimizer.effort import Effort
from novum.agents.optimizer.generators.base import Generator
from novum.agents.optimizer.hypotheses import cost_of, noise_of, write_hypothesis
from novum.agents.optimizer.outlook import Outlook
from novum.agents.optimizer.prior import prior
from novum.agents.optimizer.search import Finalists, search
from novum.agents.optimizer.streams import Stream, open_stream
from novum.agents.optimizer.study import Study
from novum.agents.optimizer.surrogate import Belief, Surrogate
from novum.agents.optimizer.threads import one_thread
from novum.core.science import Hypothesis, Observation

KNOWN_SPREAD = 0.01
"""Least standard deviation predicted for a value known from an earlier campaign, of its scale."""
SURE = 0.5
"""A pick is called exploitation below this share of the widest predicted spread in the plan."""


class OptimizerPlanner:
    """Proposes what is expected to raise the best merit most per declared cost.

    A surrogate with calibrated uncertainty ranks what a generator proposes; see `Acquisition` for the
    gain and `choose_batch` for the batch. Without enough data it proposes a start design with
    predictions from the prior. What failed is never proposed again.
    """

    name = "optimizer"

    def __init__(self, effort: Effort | None = None) -> None:
        self.effort = effort or Effort()

    def plan(self, context: PlanningContext) -> Plan:
        """Return at most `context.n` hypotheses about candidates not yet observed.

        In the first iteration up to a third of them examine the best recalled candidates again.

        Raises:
            GoalError: the goal's space is empty as written.
        """
        with one_thread():
            return self.plan_from(Outlook(context, self.effort))

    def plan_from(self, outlook: Outlook) -> Plan:
        """Return the plan of a context that was looked at already."""
        context, generator, study = outlook.context, outlook.generator, outlook.study
        surrogate, acquisition = outlook.surrogate, outlook.acquisition
        hypotheses = self._again(context, study) if context.iteration == 0 else []
        wanted = context.n - len(hypotheses)
        if wanted <= 0:
            return Plan(tuple(hypotheses), self._notes(study, None, 0))
        if surrogate is None:
            hypotheses += self._design(context, generator, study, wanted, len(hypotheses))
            return Plan(tuple(hypotheses), self._notes(study, None, 0))
        rng = random_of(context.goal.seed, context.iteration, Stream.SEARCH)
        finalists = search(generator, study, surrogate, acquisition, rng, self.effort, n=wanted)
        if finalists is None:
            return Plan(tuple(hypotheses), self._notes(study, surrogate, 0))
        closed = study.closed | {h.candidate.id for h in hypotheses}
        picks = choose_batch(finalists, surrogate, acquisition, generator, n=wanted, closed=closed)
        nearest, likeness = surrogate.nearest(finalists.features)
        widest = np.maximum(finalists.belief.std.max(axis=0), 1e-300)
        published = surrogate.publish(finalists.belief)
        for pick in picks:
            row = pick.row
            spread = float(np.mean(finalists.belief.std[row] / widest))
            neighbour = study.observations[int(nearest[row])]
            hypotheses.append(
                write_hypothesis(
                    context,
                    pick.candidate,
                    _pairs(published, row),
                    number=len(hypotheses),
                    source=self.name,
                    rationale=_reason(finalists, pick, spread, neighbour, float(likeness[row])),
                    gain=pick.gain / cost_of(context),
                    failure=float(finalists.failure[row]),
                )
            )
        return Plan(tuple(hypotheses), self._notes(study, surrogate, finalists.considered))

    def _again(self, context: PlanningContext, study: Study) -> list[Hypothesis]:
        """Return hypotheses on the best candidates known from earlier campaigns."""
        recalled = [i for i in study.complete if study.observations[i].recalled]
        found = []
        for number, i in enumerate(recalled[: context.n // 3]):
            observation = study.observations[i]
            beliefs = []
            for objective in context.goal.objectives:
                value = observation.values[objective.property].to(objective.unit)
                least = KNOWN_SPREAD * study.scales[objective.property]
                spread = np.hypot(value.std or 0.0, noise_of(context, objective))
                beliefs.append((value.value, float(max(spread, least))))
            where = f" ({observation.source})" if observation.source else ""
            found.append(
                write_hypothesis(
                    context,
                    observation.candidate,
                    beliefs,
                    number=number,
                    source=self.name,
                    rationale=f"Known from earlier campaign{where}: rank {number + 1} of {len(recalled)} "
                    "by merit; examined again so that this campaign rests on its own experiment.",
                )
            )
        return found

    def _design(
        self, context: PlanningContext, generator: Generator, study: Study, n: int, number: int
    ) -> list[Hypothesis]:
        """Return hypotheses on a start design, with predictions from the prior."""
        return start_hypotheses(
            context, generator, study, n=n, number=number, source=self.name, size=self.effort.design
        )

    def _notes(self, study: Study, surrogate: Surrogate | None, considered: int) -> dict[str, Any]:
        notes: dict[str, Any] = {
            "fitted": surrogate is not None,
            "observations": len(study.observations),
            "failed": int(study.failed.sum()),
            "considered": considered,
        }
        if study.complete:
            notes["best_known"] = study.observations[study.complete[0]].candidate.id
        if surrogate is not None:
            notes["surrogate"] = {
                name: {
                    "loo_rms_z": round(process.loo_rms_z, 4),
                    "inflation": round(process.inflation * caution, 4),
                    "nugget": round(process.nugget, 8),
                    "spread": float(f"{process.variance**0.5:.4g}"),
                }
                for name, process, caution in zip(
                    study.properties, surrogate.processes, surrogate.caution, strict=True
                )
                if process is not None
            }
        return notes


def start_hypotheses(
    context: PlanningContext,
    generator: Generator,
    study: Study,
    *,
    n: int,
    number: int,
    source: str,
    size: int,
) -> list[Hypothesis]:
    """Return the start design as hypotheses; every planner with the same goal and seed gets the same."""
    rng = random_of(context.goal.seed, context.iteration, Stream.DESIGN)
    design = start_design(
        generator, rng, n=n, size=size, known=study.proposals, keys=study.keys, closed=study.closed
    )
    beliefs = [prior(o, context.properties.get(o.property)) for o in context.goal.objectives]
    return [
        write_hypothesis(
            context,
            candidate,
            beliefs,
            number=number + i,
            source=source,
            rationale=f"Start design, {i + 1} of {len(design)}: stands for a part of the space that the "
            "others do not; the prediction is the prior's, wide on purpose.",
        )
        for i, (_, candidate) in enumerate(design)
    ]


def random_of(seed: int, iteration: int, stream: Stream) -> random.Random:
    """Return a standard-library generator, faster one number at a time, fed by a stream."""
    return random.Random(int(open_stream(seed, iteration, stream).integers(2**63)))  # noqa: S311


def _pairs(belief: Belief, row: int) -> list[tuple[float, float]]:
    return list(zip(belief.mean[row].tolist(), belief.std[row].tolist(), strict=True))


def _reason(finalists: Finalists, pick: Pick, spread: float, neighbour: Observation, likeness: float) -> str:
    proposal = finalists.proposals[pick.row]
    if spread < SURE:
        aim = "Exploit: the surrogate is comparatively sure of it and expects a gain"
    else:
        aim = "Explore: the surrogate is unsure of it and the upper part of what it expects would be a gain"
    origin = f" It is a {proposal.origin}." if proposal.origin else " It comes from the start set."
    risk = float(finalists.failure[pick.row])
    warning = f" Similar experiments failed: {risk:.0%} risk." if risk >= 0.2 else ""
    return f"{aim}. Nearest known: {neighbour.candidate.label} (likeness {likeness:.2f}).{origin}{warning}"
