"""The tournament: who is tested, out of what the model proposed and what the optimiser chose."""

from collections.abc import Sequence
from dataclasses import dataclass

from novum.agents.base import PlanningContext
from novum.agents.optimizer.hypotheses import statement_of, write_hypothesis
from novum.agents.optimizer.outlook import Appraisal
from novum.agents.scientist.proposals import Draft
from novum.core.deliberation import Contender
from novum.core.judgement import probability_within
from novum.core.science import Hypothesis


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is tested, and how the others fared."""

    hypotheses: tuple[Hypothesis, ...]
    contenders: tuple[Contender, ...]
    """The model's, with what they became."""
    filled: int
    """Experiments of the model that the optimiser had to fill."""


def enter(context: PlanningContext, draft: Draft, appraisal: Appraisal, *, id: str, source: str) -> Contender:
    """Return a proposal as a contender: with the model's own predictions, and the surrogate's beside them."""
    p_goal = 1.0 - appraisal.failure
    for objective, prediction in zip(context.goal.objectives, draft.predictions, strict=True):
        p_goal *= probability_within(objective, prediction.expected)
    hypothesis = Hypothesis(
        id=id,
        iteration=context.iteration,
        statement=statement_of(draft.candidate, draft.predictions),
        rationale=draft.rationale,
        source=source,
        candidate=draft.candidate,
        predictions=draft.predictions,
        p_goal=min(1.0, max(0.0, p_goal)),
        gain=appraisal.gain,
        cites=draft.cites,
    )
    believed = write_hypothesis(
        context,
        draft.candidate,
        appraisal.beliefs,
        number=0,
        source="surrogate",
        rationale="What the surrogate predicts of the same candidate.",
        gain=appraisal.gain,
        failure=appraisal.failure,
    )
    return Contender(
        hypothesis=hypothesis,
        surrogate=believed.model_copy(update={"id": f"{id}s"}),
        gain=appraisal.gain,
    )


def hold(
    context: PlanningContext,
    contenders: Sequence[Contender],
    rival: Sequence[Hypothesis],
    *,
    slots: int,
    reason: str,
) -> Choice:
    """Return who is tested: the best of the model's in its `slots`, the optimiser's in all others.

    Among the model's, whoever has fewer objections upheld goes first, then whoever promises the greater
    gain, then whom the model named first. What the model leaves open the optimiser fills, marked as such.

    Args:
        context: what the planner was asked.
        contenders: the model's, in its order.
        rival: what the optimiser would test alone, in its order.
        slots: experiments that the mix gives to the model.
        reason: why the model left some open, for the mark.
    """
    order = sorted(
        range(len(contenders)),
        key=lambda row: (sum(o.upheld for o in contenders[row].objections), -contenders[row].gain, row),
    )
    chosen = order[: min(slots, len(contenders))]
    taken = {contenders[row].hypothesis.candidate.id for row in chosen}
    others = [h for h in rival if h.candidate.id not in taken]
    wanted = max(0, context.n - len(chosen))
    own = list(others[:wanted])
    filled = max(0, min(slots - len(chosen), len(own)))
    if filled:
        mark = f"In place of a proposal of the model ({reason or 'it made too few'}). "
        own = [
            h.model_copy(update={"rationale": mark + h.rationale}) if i >= len(own) - filled else h
            for i, h in enumerate(own)
        ]
    tested: list[tuple[int | None, Hypothesis]] = [(None, h) for h in own]
    tested += [(row, contenders[row].hypothesis) for row in chosen]
    tested.sort(key=lambda pair: -pair[1].gain)
    became = {}
    hypotheses = []
    for number, (row, hypothesis) in enumerate(tested):
        name = f"H{context.first_id + number:03d}"
        hypotheses.append(hypothesis.model_copy(update={"id": name}))
        if row is not None:
            became[row] = name
    return Choice(
        tuple(hypotheses),
        tuple(c.model_copy(update={"became": became.get(row, "")}) for row, c in enumerate(contenders)),
        filled,
    )
