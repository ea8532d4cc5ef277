"""Holding a campaign against its own ledger: the chain, the arithmetic, and the decisions again."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from novum.agents.base import ModelPlanner, Planner
from novum.agents.models.base import Card
from novum.agents.models.exchanges import ReplayModel
from novum.core.access import Destination
from novum.core.digest import canonical_json
from novum.core.errors import EvidenceError
from novum.core.events import CampaignStarted, ConfirmationPlanned, Event, Hypothesised, Recalled
from novum.core.forecasts import Forecast
from novum.core.judgement import judge, noise_of
from novum.core.knowledge import KnowledgeItem
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord
from novum.core.science import Verdict
from novum.tools.registry import Registry
from novum.workflows.assays import Assay, choose_assays
from novum.workflows.auxiliary import auxiliary_tools
from novum.workflows.discovery import build_graph
from novum.workflows.executors import RecordedExecutor
from novum.workflows.nodes import DiscoveryNodes, Rooms


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a campaign and its record disagree."""

    where: str
    recorded: str
    found: str


def check_registrations(record: CampaignRecord) -> list[Difference]:
    """Return the hypotheses whose predictions are not those that were registered."""
    plans: list[Hypothesised | ConfirmationPlanned] = [*record.plans.values()]
    if record.confirmation:
        plans.append(record.confirmation)
    return [
        Difference(h.id, plan.registrations.get(h.id, "nothing"), h.registration())
        for plan in plans
        for h in plan.hypotheses
        if plan.registrations.get(h.id) != h.registration()
    ]


def check_verdicts(record: CampaignRecord) -> list[Difference]:
    """Return the verdicts that the recorded predictions and measurements do not give again."""
    differences = []
    for judged in record.judgements.values():
        for verdict in judged.verdicts:
            again = _judge_again(record, verdict, judged.noise)
            if again != verdict:
                texts = (canonical_json(v.model_dump(mode="json")) for v in (verdict, again))
                differences.append(Difference(f"{verdict.hypothesis} {verdict.property}", *_shorten(*texts)))
    return differences


def _judge_again(record: CampaignRecord, verdict: Verdict, noise: Mapping[str, Quantity]) -> Verdict:
    assert record.started is not None
    hypothesis = record.hypotheses[verdict.hypothesis]
    prediction = next(
        p for p in hypothesis.predictions if (p.property, p.tool) == (verdict.property, verdict.tool)
    )
    entry = record.experiments[verdict.experiment]
    own = record.started.tools[verdict.property].partition("@")[0]
    return judge(
        hypothesis,
        prediction,
        entry.measured(verdict.property, verdict.tool or own),
        experiment=verdict.experiment,
        noise=noise_of(prediction, noise),
        reason=entry.failed,
    )


class _Collector:
    """A journal that holds the repeated events against the recorded ones."""

    def __init__(self, recorded: Iterable[Event]) -> None:
        self._recorded = {event.key(): event for event in recorded}
        self._seen: set[str] = set()
        self.differences: list[Difference] = []

    def append(self, campaign: str, event: Event) -> bool:  # noqa: ARG002 - the protocol's signature
        key, decision = event.key(), event.decision()
        known = self._recorded.get(key)
        self._seen.add(key)
        if decision is not None:
            before = canonical_json(known.decision()) if known is not None else "nothing"
            after = canonical_json(decision)
            if before != after:
                self.differences.append(Difference(key, *_shorten(before, after)))
        return True

    def append_many(self, campaign: str, events: Iterable[Event]) -> list[bool]:
        return [self.append(campaign, event) for event in events]

    def close(self) -> None:
        """Add the decisions on record that were not taken again; what was given counts as taken."""
        for key, event in self._recorded.items():
            decision = event.decision()
            given = isinstance(event, CampaignStarted | Recalled)
            if decision is not None and not given and key not in self._seen:
                self.differences.append(Difference(key, canonical_json(decision)[:120], "nothing"))


class _RecordedKnowledge:
    """Recalls what the record says was recalled, and stores nothing."""

    def __init__(self, record: CampaignRecord) -> None:
        self._record = record

    def relevant(self, text: str, n: int) -> tuple[KnowledgeItem, ...]:  # noqa: ARG002
        return ()

    def withheld(self, subjects: Collection[str], *, to: Destination) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def recall(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:  # noqa: ARG002
        return ()

    def doubted(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:  # noqa: ARG002
        return ()

    def learn(self, forecasts: Iterable[Forecast]) -> None:
        pass

    def head(self) -> None:
        return None

    def record(self, items: Iterable[KnowledgeItem]) -> tuple[str, ...]:
        return tuple(item.id for item in items)


def replay(events: Iterable[Event], registry: Registry, planners: Callable[..., Planner]) -> list[Difference]:
    """Decide a finished campaign again, with results, answers and recollections from its record.

    No tool runs and no model is asked: what they gave is in the record, and what is missing there is a
    difference, never a new call. All that follows a difference tends to differ as well.

    Args:
        events: of the campaign.
        registry: the tools.
        planners: name → planner; with `model`, one that asks that model.

    Raises:
        EvidenceError: the campaign has not finished.
    """
    recorded = list(events)
    before = CampaignRecord.from_events(recorded)
    if before.started is None or before.finished is None:
        raise EvidenceError("only a finished campaign can be decided again")
    fresh = CampaignRecord()
    fresh.apply(before.started)
    fresh.told.update(before.told)
    fresh.recalls.update(before.recalls)
    fresh.probes.update(before.probes)
    collector = _Collector(recorded)
    results = {name: entry.results for name, entry in before.experiments.items() if entry.finished}
    assays = choose_assays(before.goal, registry)
    planner = _planner(before, planners)
    nodes = DiscoveryNodes(
        before.started.campaign,
        fresh,
        assays=assays,
        rooms=Rooms(
            journal=collector,
            knowledge=_RecordedKnowledge(before),
            planner=planner,
            tools=auxiliary_tools(assays, before.goal.space, registry)
            if isinstance(planner, ModelPlanner)
            else (),
            executor=RecordedExecutor(results),
            registry=registry,
            clock=lambda: before.decisions[min(len(fresh.decisions), len(before.decisions) - 1)].spent_s,
            ask=lambda request: _recorded_approval(before, request),
        ),
    )
    graph = build_graph(nodes)
    try:
        graph.invoke({"iteration": 0, "action": "continue"}, {"recursion_limit": 10_000})
    except EvidenceError as error:
        collector.differences.append(Difference(_place(fresh), "recorded results", str(error)))
    collector.close()
    return collector.differences


def _place(fresh: CampaignRecord) -> str:
    """Return what was missing where deciding again came to a halt: results, or answers of a model."""
    running = any(e.attempts and not e.finished for e in fresh.experiments.values())
    return "experiments" if running else "answers"


def _planner(record: CampaignRecord, planners: Callable[..., Planner]) -> Planner:
    """Return the campaign's planner, with the record in place of its model."""
    assert record.started is not None
    used = record.started.model
    if used is None:
        return planners(record.started.planner)
    model = ReplayModel(
        record.exchanges.values(),
        name=used.name,
        destination=Destination.REMOTE_MODEL if used.remote else Destination.LOCAL,
        card=Card.model_validate(used.card),
    )
    return planners(record.started.planner, model=model)


def _recorded_approval(record: CampaignRecord, request: Mapping[str, Any]) -> dict[str, Any]:
    if request["kind"] != "approve":
        raise EvidenceError("the record lacks a person's results")
    gate = record.gates[request["iteration"]]
    return {"allowed": list(gate.allowed), "by": gate.by}


def _shorten(before: str, after: str) -> tuple[str, str]:
    """Return the two texts from a little before they first differ."""
    same = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    start = max(0, same - 40)
    return before[start : same + 80], after[start : same + 80]
