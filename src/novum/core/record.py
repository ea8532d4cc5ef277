"""CampaignRecord: what a campaign's events add up to. The same fold serves planner, CLI and report."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from novum.core.calls import ToolResult
from novum.core.conversation import Exchange
from novum.core.deliberation import Deliberation
from novum.core.events import (
    Analysed,
    Asked,
    CampaignFinished,
    CampaignStarted,
    Claimed,
    ConfirmationPlanned,
    Decided,
    Designed,
    Event,
    Exchanged,
    ExperimentFinished,
    ExperimentStarted,
    Gated,
    Hypothesised,
    Interrupted,
    Judged,
    KnowledgeHead,
    Probed,
    Recalled,
    Recorded,
    Resumed,
    Told,
)
from novum.core.goals import Goal
from novum.core.judgement import Merit, is_goal_met, merit
from novum.core.knowledge import Access
from novum.core.prose import Analysis
from novum.core.quantity import Quantity
from novum.core.science import (
    Claim,
    Experiment,
    Hypothesis,
    Measurement,
    Observation,
    Purpose,
    Verdict,
)


@dataclass(slots=True)
class ExperimentRecord:
    """One experiment with everything that became of it."""

    experiment: Experiment
    iteration: int
    allowed: bool | None = None
    """None until the gate has spoken."""
    refused: str = ""
    refused_by_person: bool = False
    refused_as_hazard: bool = False
    attempts: int = 0
    finished: bool = False
    failed: str = ""
    results: tuple[ToolResult, ...] = ()
    measurements: tuple[Measurement, ...] = ()

    def measured(self, name: str, tool: str) -> Quantity | None:
        """Return what `tool` measured of the property `name`, or None."""
        return next((m.quantity for m in self.measurements if (m.property, m.tool) == (name, tool)), None)


@dataclass(slots=True)
class CampaignRecord:
    """A campaign, rebuilt from its ledger alone.

    Example:
        >>> CampaignRecord.from_events([]).started is None
        True
    """

    started: CampaignStarted | None = None
    finished: CampaignFinished | None = None
    recalls: dict[int, Recalled] = field(default_factory=dict)
    plans: dict[int, Hypothesised] = field(default_factory=dict)
    designs: dict[int, Designed] = field(default_factory=dict)
    gates: dict[int, Gated] = field(default_factory=dict)
    judgements: dict[int, Judged] = field(default_factory=dict)
    records: dict[int, Recorded] = field(default_factory=dict)
    decisions: dict[int, Decided] = field(default_factory=dict)
    confirmation: ConfirmationPlanned | None = None
    hypotheses: dict[str, Hypothesis] = field(default_factory=dict)
    experiments: dict[str, ExperimentRecord] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    """Every question to a language model with its answer, by the exchange's id."""
    probes: dict[tuple[int, int], ToolResult] = field(default_factory=dict)
    """(iteration, number) → what a call beside the experiments gave."""
    analysis: Analysis | None = None
    interruptions: int = 0
    resumptions: int = 0
    waiting: bool = False
    """A person was asked and has not answered everything yet."""

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> "CampaignRecord":
        """Return the record that `events`, in the order in which they happened, add up to."""
        record = cls()
        for event in events:
            record.apply(event)
        return record

    @property
    def heads(self) -> dict[str, KnowledgeHead]:
        """Where the chain of the knowledge base ended, by the key of the event that noted it."""
        events: list[Recorded | CampaignFinished] = list(self.records.values())
        if self.finished is not None:
            events.append(self.finished)
        return {event.key(): event.head for event in events if event.head is not None}

    def apply(self, event: Event) -> None:
        """Add one event."""
        match event:
            case CampaignStarted():
                self.started = event
            case Recalled():
                self.recalls[event.iteration] = event
            case Hypothesised():
                self.plans[event.iteration] = event
                self.hypotheses.update((h.id, h) for h in event.hypotheses)
            case Designed():
                self.designs[event.iteration] = event
                self._add_experiments(event.experiments, event.iteration)
            case ConfirmationPlanned():
                self.confirmation = event
                self.hypotheses.update((h.id, h) for h in event.hypotheses)
                self._add_experiments(event.experiments, event.iteration)
                for experiment in event.experiments:
                    self.experiments[experiment.id].allowed = True
            case Gated():
                self.gates[event.iteration] = event
                for name in event.allowed:
                    self.experiments[name].allowed = True
                for name, reason in event.refused.items():
                    self.experiments[name].allowed = False
                    self.experiments[name].refused = reason
                    self.experiments[name].refused_by_person = name in event.refused_by_person
                    self.experiments[name].refused_as_hazard = name in event.hazards
            case ExperimentStarted():
                entry = self.experiments[event.experiment]
                entry.attempts = max(entry.attempts, event.attempt)
            case ExperimentFinished():
                entry = self.experiments[event.experiment]
                entry.finished = True
                entry.failed = event.failed
                entry.results = event.results
                entry.measurements = event.measurements
            case Asked():
                self.waiting = True
            case Told():
                self.told[event.experiment] = event
            case Judged():
                self.judgements[event.iteration] = event
            case Recorded():
                self.records[event.iteration] = event
            case Decided():
                self.decisions[event.iteration] = event
            case Claimed():
                self.claims[event.claim.id] = event.claim
            case Probed():
                self.probes[event.iteration, event.number] = event.result
            case Analysed():
                self.analysis = event.analysis
            case Exchanged():
                self.exchanges[event.exchange.id] = event.exchange
            case CampaignFinished():
                self.finished = event
            case Interrupted():
                self.interruptions += 1
            case Resumed():
                self.resumptions += 1
        if self.waiting:
            self.waiting = bool(self.worklist)

    def _add_experiments(self, experiments: Iterable[Experiment], iteration: int) -> None:
        for experiment in experiments:
            self.experiments[experiment.id] = ExperimentRecord(experiment, iteration)

    @property
    def closed_passages(self) -> tuple[str, ...]:
        """Return the ids of the passages that are not public and whose words stand in the ledger in clear."""
        passages = (p for recall in self.recalls.values() for p in recall.passages)
        return tuple(dict.fromkeys(p.id for p in passages if p.access is not Access.PUBLIC))

    def was_told_closed(self, step: str) -> bool:
        """Say whether a model was told in a step, or in a part of it, what is not public.

        Args:
            step: as ``hypothesise/3``, with all of its parts.
        """
        return any(
            e.access is not Access.PUBLIC
            for e in self.exchanges.values()
            if e.step == step or e.step.startswith(f"{step}/")
        )

    @property
    def worklist(self) -> list[Experiment]:
        """The experiments that wait for a person's results."""
        return [
            e.experiment
            for name, e in self.experiments.items()
            if e.experiment.manual and e.allowed and not e.finished and name not in self.told
        ]

    @property
    def goal(self) -> Goal:
        """The goal pursued; only for a record that has started."""
        assert self.started is not None
        return self.started.goal

    @property
    def deliberations(self) -> dict[int, Deliberation]:
        """Iteration → how its plan came about, where a model was asked."""
        return {i: plan.deliberation for i, plan in self.plans.items() if plan.deliberation is not None}

    @property
    def verdicts(self) -> list[Verdict]:
        """Every verdict on a planner's prediction, in the order in which it was reached."""
        return [v for i, judged in self.judgements.items() if i in self.plans for v in judged.verdicts]

    @property
    def sealed_verdicts(self) -> list[Verdict]:
        """The verdicts of the sealed confirmation."""
        return [v for i, judged in self.judgements.items() if i not in self.plans for v in judged.verdicts]

    @property
    def noise(self) -> dict[str, Quantity]:
        """Property → latest noise floor; `value` is a standard deviation in the objective's unit."""
        floor: dict[str, Quantity] = {}
        for judged in self.judgements.values():
            floor.update(judged.noise)
        return floor

    @property
    def experiments_used(self) -> int:
        """Experiments that count against the budget: everything allowed, but for confirmation."""
        return sum(1 for e in self.experiments.values() if e.allowed and not e.experiment.sealed)

    @property
    def spent_s(self) -> float:
        """Wall-clock seconds up to the last decision, summed over interruptions."""
        return max((d.spent_s for d in self.decisions.values()), default=0.0)

    def observations(self) -> tuple[Observation, ...]:
        """Return what a planner may know: recalled first, then own, in a fixed order.

        Sealed experiments are left out. What a person or the hazard screen refused counts as failed, so
        that it is not proposed again. Replicates of one candidate are averaged. The order is that of
        the design, not that in which experiments happened to end.
        """
        refused = {
            e.experiment.candidate.id: Observation(
                candidate=e.experiment.candidate, failed=e.refused, source=e.experiment.id
            )
            for e in self.experiments.values()
            if e.refused_by_person or e.refused_as_hazard
        }
        recalled = {o.candidate.id: o for recall in self.recalls.values() for o in recall.observations}
        own: dict[str, list[ExperimentRecord]] = {}
        for entry in self.experiments.values():
            if entry.finished and not entry.experiment.sealed:
                own.setdefault(entry.experiment.candidate.id, []).append(entry)
        observed = [o for key, o in recalled.items() if key not in own]
        observed += [observation(entries) for entries in own.values()]
        observed += [o for key, o in refused.items() if key not in own]
        return tuple(observed)

    def merits(self, scales: dict[str, float]) -> list[tuple[Merit, Observation]]:
        """Return the completely measured observations with their merit, best first.

        What meets the whole goal, success values included, comes before what does not; then the merit
        decides; equal ones keep the order of `observations`.
        """
        rated: list[tuple[bool, Merit, Observation]] = []
        for seen in self.observations():
            values = {name: q.value for name, q in seen.values.items()}
            if not seen.failed and all(o.property in values for o in self.goal.objectives):
                met = is_goal_met(self.goal, values)
                rated.append((met, merit(self.goal, values, scales=scales), seen))
        rated.sort(key=lambda row: row[:2], reverse=True)
        return [(value, seen) for _, value, seen in rated]


def observation(entries: list[ExperimentRecord]) -> Observation:
    """Return what the experiments on one candidate say together.

    An exploration that failed marks the candidate as failed; its measured properties are kept.
    """
    explored = [e for e in entries if e.experiment.purpose is Purpose.EXPLORE] or entries
    values: dict[str, list[Quantity]] = {}
    for entry in entries:
        for m in entry.measurements:
            values.setdefault(m.property, []).append(m.quantity)
    failed = next((e.failed for e in explored if e.failed), "")
    return Observation(
        candidate=explored[0].experiment.candidate,
        values={name: mean(quantities) for name, quantities in values.items()},
        failed=failed,
        source=explored[0].experiment.id,
    )


def mean(quantities: list[Quantity]) -> Quantity:
    """Return the mean of repeated measurements, in the unit of the first.

    Its standard deviation is that of the mean of independent measurements, where all of them state one.
    """
    first = quantities[0]
    if len(quantities) == 1:
        return first
    same = [q.to(first.unit) for q in quantities]
    spreads = [q.std for q in same if q.std is not None]
    std = math.hypot(*spreads) / len(same) if len(spreads) == len(same) else None
    return first.model_copy(update={"value": math.fsum(q.value for q in same) / len(same), "std": std})
