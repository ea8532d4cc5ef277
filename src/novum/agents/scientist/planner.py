"""The planner `scientist`: a language model proposes, the optimiser stands beside it, code decides."""

import time
from collections.abc import Callable, Mapping, Sequence

from novum.agents.base import Deliberating, Plan, PlanningContext
from novum.agents.models.base import Model
from novum.agents.optimizer.outlook import Appraisal, Outlook
from novum.agents.optimizer.planner import OptimizerPlanner
from novum.agents.optimizer.streams import Stream, open_stream
from novum.agents.optimizer.threads import one_thread
from novum.agents.scientist.analyst import analyse
from novum.agents.scientist.asking import Patience, Voice, patience_with
from novum.agents.scientist.critic import RULE, criticise
from novum.agents.scientist.desk import Desk, room_of
from novum.agents.scientist.experimenter import Probing, experiment
from novum.agents.scientist.mix import divide, earnings, standings
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.proposer import Proposed, propose
from novum.agents.scientist.quoting import as_data
from novum.agents.scientist.telling import probe_lines
from novum.agents.scientist.tournament import enter, hold
from novum.core.calls import ToolResult
from novum.core.deliberation import (
    REFUSED_CALL,
    Contender,
    Deliberation,
    Fact,
    Rejected,
    Standing,
    Turn,
)
from novum.core.goals import Goal
from novum.core.prose import Analysis

LEAST_ASKED, MOST_ASKED = 3, 8
"""Hypotheses that the model is asked for: more than it has experiments, so that there is a choice."""

PROMPTS = ("system", "propose", "criticise", "experiment")


class ScientistPlanner:
    """Asks a language model for hypotheses and puts the best of them beside the optimiser's.

    Every proposal is judged by code; the surrogate scores it; a critic objects and numbers answer. How many
    experiments the model gets is learned from what became of its earlier hypotheses (`mix`). Where the
    model is silent or of no use the optimiser plans alone, and the plan says so. What the model is told and
    what it answers goes through the `Model` that is given, which records it.

    Args:
        model: whom to ask.
        patience: how much is asked of it; by default as its card calls for.
        clock: seconds, for deadlines alone.
    """

    name = "scientist"

    def __init__(
        self,
        model: Model,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._given = patience
        self._patience = patience or patience_with(model.card, reply_tokens=room_of(model.card).reply)
        self._clock = clock
        self._rival = OptimizerPlanner()

    @property
    def model(self) -> Model:
        """Whom it asks."""
        return self._model

    def asking(self, model: Model) -> "ScientistPlanner":
        """Return the same planner, asking another model."""
        return ScientistPlanner(model, patience=self._given, clock=self._clock)

    def plan(self, context: PlanningContext) -> Plan:
        """Return the plan of `deliberate`, where no tool answers.

        Raises:
            GoalError: the goal's space is empty as written.
        """
        talk = self.deliberate(context)
        try:
            next(talk)
            while True:
                talk.send(())
        except StopIteration as ended:
            plan: Plan = ended.value
            return plan

    def deliberate(self, context: PlanningContext) -> Deliberating:
        """Return the plan in the making; see `ModelPlanner`.

        Raises:
            GoalError: the goal's space is empty as written.
        """
        with one_thread():
            outlook = Outlook(context)
            rival = self._rival.plan_from(outlook)
        if not rival.hypotheses:  # nothing to test: the space is exhausted, or nothing was wanted
            return rival
        found = self._standings(outlook)
        slots = self._slots(context, found)
        resting = is_resting(context.briefing.deliberations, context.iteration, self._patience)
        if resting or not slots[self.name]:
            note = resting or "the mix gave it no experiment this time"
            silent = Proposed(Turn.RESTING, note=note)
            return self._conclude(context, rival, found, slots, silent, (), asked=0)
        desk = Desk(outlook, source=self.name, card=self._model.card)
        if desk.is_empty():
            silent = Proposed(Turn.RESTING, note="there is nothing of which it may be told")
            return self._conclude(context, rival, found, slots, silent, (), asked=0)
        voices = [self._voice(context, "experiment", brief=True), self._voice(context, "propose")]
        probing = Probing()
        if context.briefing.tools and self._model.card.tools != "none":
            seconds = context.n * max(sum(context.costs.values()), 1.0)
            probing = yield from experiment(voices[0], desk, context.briefing.tools, seconds=seconds)
        if probing.silence is not None and probing.silence.turn is Turn.UNAVAILABLE:
            made = Proposed(Turn.UNAVAILABLE, note=probing.silence.reason)
        else:
            n = max(LEAST_ASKED, min(MOST_ASKED, context.n), slots[self.name])
            if desk.shown:
                n = min(n, len(desk.shown))
            with one_thread():
                enough = min(n, slots[self.name])
                made = propose(voices[1], desk, n, enough=enough, probes=_told(probing.results))
        refused = tuple(Rejected(said=text, reason=REFUSED_CALL) for text in probing.refused)
        contenders, appraisals = self._enter(outlook, made)
        note = ""
        if contenders:
            voices.append(self._voice(context, "criticise", brief=True))
            contenders, note = criticise(voices[2], desk, contenders, appraisals)
        made = Proposed(
            made.turn,
            made.drafts,
            (*refused, *made.rejected),
            note="; ".join(part for part in (made.note, note) if part),
        )
        asked = sum(voice.asked for voice in voices)
        return self._conclude(context, rival, found, slots, made, contenders, asked=asked)

    def analyse(
        self,
        goal: Goal,
        facts: Sequence[Fact],
        *,
        names: Sequence[str] = (),
        deliberations: Mapping[int, Deliberation] | None = None,
    ) -> Analysis:
        """Return what the model says about a finished search; see `ModelPlanner`."""
        past = deliberations or {}
        resting = is_resting(past, max(past, default=-1) + 1, self._patience)
        if resting:
            return Analysis(turn=Turn.RESTING, note=resting)
        voice = Voice(self._model, step="analyse", seed=goal.seed, patience=self._patience, clock=self._clock)
        return analyse(voice, self._model.card, goal, facts, names=names)

    def _voice(self, context: PlanningContext, step: str, *, brief: bool = False) -> Voice:
        return Voice(
            self._model,
            step=f"hypothesise/{context.iteration}/{step}",
            seed=context.goal.seed,
            patience=self._patience,
            brief=brief,
            clock=self._clock,
        )

    def _standings(self, outlook: Outlook) -> tuple[Standing, ...]:
        context, study = outlook.context, outlook.study
        merits = {
            study.observations[row].candidate.id: merit
            for row, merit in study.merits.items()
            if not study.observations[row].recalled
        }
        # Of what was known before, a prediction that comes true says nothing about who made it.
        fresh = tuple(h for h in context.briefing.hypotheses if h.candidate.id not in context.cites)
        earned = earnings(
            fresh,
            context.briefing.verdicts,
            context.observations,
            merits=merits,
            scales=study.scales,
        )
        return standings(earned, (self.name, self._rival.name), iteration=context.iteration)

    def _slots(self, context: PlanningContext, found: Sequence[Standing]) -> dict[str, int]:
        sources = [h.source for h in context.briefing.hypotheses]
        rng = open_stream(context.goal.seed, context.iteration, Stream.MIX)
        given = {s.source: sources.count(s.source) for s in found}
        return divide(found, context.n, given=given, rng=rng)

    def _enter(self, outlook: Outlook, made: Proposed) -> tuple[tuple[Contender, ...], list[Appraisal]]:
        context = outlook.context
        with one_thread():
            appraisals = outlook.appraise([draft.candidate for draft in made.drafts])
        placed = [(d, a) for d, a in zip(made.drafts, appraisals, strict=True) if a is not None]
        contenders = tuple(
            enter(context, draft, appraisal, id=f"M{context.iteration}.{number}", source=self.name)
            for number, (draft, appraisal) in enumerate(placed, 1)
        )
        return contenders, [appraisal for _, appraisal in placed]

    def _conclude(
        self,
        context: PlanningContext,
        rival: Plan,
        found: Sequence[Standing],
        slots: Mapping[str, int],
        made: Proposed,
        contenders: Sequence[Contender],
        *,
        asked: int,
    ) -> Plan:
        """Return the plan, with everything that led to it."""
        reason = made.note if not contenders else ""
        choice = hold(context, contenders, rival.hypotheses, slots=slots[self.name], reason=reason)
        used = PROMPTS if asked else ()
        deliberation = Deliberation(
            turn=made.turn,
            note=made.note,
            rule=RULE if contenders else "",
            standings=tuple(found),
            slots=dict(slots),
            filled=choice.filled,
            contenders=choice.contenders,
            rejected=made.rejected,
            counterfactual=tuple(
                h.model_copy(update={"id": f"O{context.iteration}.{number}"})
                for number, h in enumerate(rival.hypotheses, 1)
            ),
            prompts={name: load_prompt(name).hash for name in used},
            exchanges=asked,
        )
        return Plan(choice.hypotheses, rival.notes, deliberation)


def is_resting(deliberations: Mapping[int, Deliberation], iteration: int, patience: Patience) -> str:
    """Return why the model is not asked in an iteration; empty where it is.

    After `patience.failures` steps in vain, one after the other, it is asked every `patience.rest`
    iterations only, until it answers again. It follows from the record alone.
    """
    in_vain: list[int] = []
    for number, found in sorted(deliberations.items(), reverse=True):
        if found.turn is Turn.ANSWERED:
            break
        if found.turn.failed:
            in_vain.append(number)
    if len(in_vain) < patience.failures:
        return ""
    if iteration >= in_vain[0] + patience.rest:
        return ""
    return f"it failed {len(in_vain)} times in a row and is asked every {patience.rest} iterations only"


def _told(results: Sequence[ToolResult]) -> str:
    """Return what tools gave, for a prompt, with what looks like an instruction marked."""
    from novum.knowledge_base.ingest.instructions import flags_of

    said = (
        [r.message, str(r.details.get("printed", "")), *r.warnings, *(a.name for a in r.artifacts)]
        for r in results
    )
    flags = [flags_of(" ".join(words)) for words in said]
    return as_data((line.text for line in probe_lines(results, flags)), empty="None.")
