"""The nodes of the discovery graph: recall → hypothesise → design → gate → execute → judge → record → decide.

Every node can be repeated. It writes one event under a key that names campaign, iteration and step; a
node that finds its event in the record returns at once. So a campaign that was killed at any instant
goes on where it stopped, and what an experiment gave is never asked for twice.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langgraph.types import interrupt

from novum.agents.base import Briefing, ModelPlanner, Plan, Planner, PlanningContext
from novum.core.access import Destination, release
from novum.core.calls import CallStatus, ToolCall, ToolResult, ToolSpec
from novum.core.deliberation import Passage
from novum.core.digest import digest, is_json
from novum.core.events import (
    Analysed,
    Asked,
    CampaignFinished,
    Claimed,
    ConfirmationPlanned,
    Decided,
    Designed,
    Event,
    ExperimentFinished,
    ExperimentStarted,
    Gated,
    Hypothesised,
    Judged,
    KnowledgeHead,
    Probed,
    Recalled,
    Recorded,
)
from novum.core.forecasts import Forecast
from novum.core.goals import POOL
from novum.core.judgement import judge, noise_floor, noise_of
from novum.core.knowledge import KnowledgeItem
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import (
    Experiment,
    Hypothesis,
    Measurement,
    Observation,
    Origin,
    Purpose,
    Verdict,
)
from novum.core.spaces import Candidate, PoolSpace
from novum.tools.files import files_parameter
from novum.tools.registry import Registry
from novum.workflows import stopping
from novum.workflows.assays import Assay, scales_of, tool_call
from novum.workflows.confirmation import claims_of, plan_confirmation
from novum.workflows.executors import Executor
from novum.workflows.facts import facts_of, names_of
from novum.workflows.findings import items_of_claims
from novum.workflows.forecasting import forecasts_of_claims, forecasts_of_verdicts
from novum.workflows.hazards import SCREENS, hazard_in, hazard_of, overridden
from novum.workflows.learning import items_of, recalled_observations
from novum.workflows.measuring import measurements_of
from novum.workflows.reexamination import reexaminations
from novum.workflows.state import DiscoveryState
from novum.workflows.tables import as_offered, table_handles, tables_of

RELEVANT = 10
"""Knowledge items that are looked up by meaning when a campaign begins."""

REPLICATE_SEED = 1
"""Seed of repetitions; explorations use 0, so that campaigns share their results."""

REEXAMINED = 0.5
"""Share of the budget that may go into measuring again what is in doubt."""

MAX_NOISE_TRIES = 3
"""Repetitions tried, as a multiple of those wanted, before the noise floor stays as it is."""


class Journal(Protocol):
    """Where events go: the ledger."""

    def append(self, campaign: str, event: Event) -> bool:
        """Write one event durably; False if it was there."""
        ...

    def append_many(self, campaign: str, events: Iterable[Event]) -> list[bool]:
        """Write several events in one durable step."""
        ...


class Knowledge(Protocol):
    """What the nodes need of the knowledge base."""

    def relevant(self, text: str, n: int) -> tuple[KnowledgeItem, ...]:
        """Return the items nearest to `text`, best first."""
        ...

    def withheld(self, subjects: Collection[str], *, to: Destination) -> frozenset[str]:
        """Return those of `subjects` of which something is known that may not go to a destination."""
        ...

    def recall(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:
        """Return the items that the assays would measure, or that tell of their failure."""
        ...

    def doubted(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:
        """Return the stale items that the assays would measure."""
        ...

    def record(self, items: Iterable[KnowledgeItem]) -> tuple[str, ...]:
        """Store items that were just found; return their ids."""
        ...

    def head(self) -> KnowledgeHead | None:
        """Return where the chain of what is known ends; None where nothing is stored."""
        ...

    def learn(self, forecasts: Iterable[Forecast]) -> None:
        """Store what was said to come, and whether it did."""
        ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the nodes reach. Agents never see it."""

    journal: Journal
    knowledge: Knowledge
    planner: Planner
    executor: Executor
    registry: Registry
    clock: Callable[[], float]
    """Seconds that this process has worked on the campaign."""
    audience: Destination = Destination.LOCAL
    """Where the planner's model is: what is recalled goes no further than there."""
    tools: tuple[ToolSpec, ...] = ()
    """What a planner that asks a model may wish to have called beside the experiments."""
    keep: Callable[[bytes, str], object] = lambda data, name: None  # noqa: ARG005 - a replay keeps nothing
    """Keeps bytes as an artifact: what the tools get as files."""
    ask: Callable[[dict[str, Any]], Any] = interrupt
    """Asks a person and returns the answer; LangGraph's interrupt stops the workflow until there is one."""


class DiscoveryNodes:
    """The steps of one campaign, over its record and the rooms.

    Args:
        campaign: its id.
        record: what its ledger holds; kept up to date here.
        assays: how each property is measured.
        rooms: everything outside.
    """

    def __init__(
        self, campaign: str, record: CampaignRecord, *, assays: Mapping[str, Assay], rooms: Rooms
    ) -> None:
        assert record.started is not None
        self.campaign = campaign
        self.record = record
        self.assays = dict(assays)
        self.rooms = rooms
        self.goal = record.goal
        self.scales = scales_of(assays)
        self._spent_before = record.spent_s
        self._recall = record.started.recall
        self._approve = record.started.approve

    def recall(self, state: DiscoveryState) -> dict[str, Any]:
        """Look up what is already known about this goal and this space."""
        iteration = state["iteration"]
        if iteration not in self.record.recalls:
            query = str(self.goal)
            items: tuple[str, ...] = ()
            observations: tuple[Observation, ...] = ()
            doubted: tuple[Observation, ...] = ()
            passages: tuple[Passage, ...] = ()
            if self._recall and iteration == 0:
                known = self._released(self.rooms.knowledge.recall(self.assays))
                observations = recalled_observations(known, self.assays)
                stale = self._released(self.rooms.knowledge.doubted(self.assays))
                doubted = recalled_observations(stale, self.assays)
                found = self._released(self.rooms.knowledge.relevant(query, RELEVANT))
                items = tuple(dict.fromkeys(item.id for item in (*found, *known)))
                if isinstance(self.rooms.planner, ModelPlanner):
                    passages = tuple(map(Passage.of, found))
            self._write(
                Recalled(
                    iteration=iteration,
                    query=query,
                    items=items,
                    observations=observations,
                    doubted=doubted,
                    passages=passages,
                    withheld=self._withheld(),
                )
            )
        return {}

    def hypothesise(self, state: DiscoveryState) -> dict[str, Any]:
        """Let the planner predict, and register the predictions before anything runs."""
        iteration = state["iteration"]
        if iteration not in self.record.plans:
            again = self._reexaminations(iteration)
            left = self.goal.budget.experiments - self.record.experiments_used - len(self._leader())
            left -= len(again)
            plan = self._plan(
                PlanningContext(
                    goal=self.goal,
                    iteration=iteration,
                    n=max(0, min(self.goal.budget.batch, left)),
                    observations=self.record.observations(),
                    properties={name: assay.measured for name, assay in self.assays.items()},
                    costs={name: assay.cost_s for name, assay in self.assays.items()},
                    noise=self.record.noise,
                    first_id=len(self.record.hypotheses) + len(again) + 1,
                    cites=self._cites(),
                    briefing=self._briefing(iteration),
                )
            )
            tested = {h.candidate.id for h in again}
            hypotheses = (*again, *(h for h in plan.hypotheses if h.candidate.id not in tested))
            self._write(
                Hypothesised(
                    iteration=iteration,
                    hypotheses=hypotheses,
                    registrations={h.id: h.registration() for h in hypotheses},
                    notes=plan.notes,
                    deliberation=plan.deliberation,
                )
            )
        return {}

    def design(self, state: DiscoveryState) -> dict[str, Any]:
        """Turn hypotheses into calls, and add replicates while the noise floor is unknown."""
        iteration = state["iteration"]
        if iteration not in self.record.designs:
            hypotheses = self.record.plans[iteration].hypotheses
            experiments: list[Experiment] = []
            for hypothesis in self._leader():
                experiments.append(self._replicate(hypothesis, len(experiments)))
            for hypothesis in hypotheses:
                experiments.append(self._explore(hypothesis, len(experiments)))
            for hypothesis in hypotheses[: self._lacking_replicates()]:
                experiments.append(self._replicate(hypothesis, len(experiments)))
            self._write(Designed(iteration=iteration, experiments=tuple(experiments)))
        return {}

    def gate(self, state: DiscoveryState) -> dict[str, Any]:
        """Hold the plan against budget, known failures and the hazard screen; ask a person where wanted.

        What the screen stops runs only where a person names it in an approval.
        """
        iteration = state["iteration"]
        if iteration in self.record.gates:
            return {}
        left = self.goal.budget.experiments - self.record.experiments_used
        failed = {o.candidate.id: o.failed for o in self.record.observations() if o.failed}
        allowed: list[str] = []
        refused: dict[str, str] = {}
        hazards: dict[str, str] = {}
        let_through = overridden(self.record)
        for experiment in self.record.designs[iteration].experiments:
            candidate = experiment.candidate
            if len(allowed) >= left:
                refused[experiment.id] = "the budget is used"
            elif candidate.id in failed:
                refused[experiment.id] = f"it failed before: {failed[candidate.id]}"
            elif candidate.id not in let_through and (hazard := hazard_of(candidate, self.goal.space)):
                hazards[experiment.id] = hazard
            else:
                allowed.append(experiment.id)
        by = "budget"
        unwanted: tuple[str, ...] = ()
        if self._approve and (allowed or hazards):
            asked = [*allowed, *hazards]
            request = {"kind": "approve", "iteration": iteration, "experiments": asked}
            answer = self.rooms.ask({**request, "hazards": hazards} if hazards else request)
            by = str(answer["by"])
            wanted = [name for name in asked if name in answer["allowed"]][: max(0, left)]
            unwanted = tuple(name for name in allowed if name not in wanted)
            refused.update((name, f"refused by {by}") for name in unwanted)
            allowed = wanted
        refused.update((name, hazards[name]) for name in hazards if name not in allowed)
        self._write(
            Gated(
                iteration=iteration,
                allowed=tuple(allowed),
                refused=refused,
                refused_by_person=unwanted,
                hazards=hazards,
                by=by,
            )
        )
        return {}

    def execute(self, state: DiscoveryState) -> dict[str, Any]:
        """Run what may run and has no result yet; wait for people where they measure."""
        iteration = state["iteration"]
        self._run(
            [
                self.record.experiments[name]
                for name in self.record.gates[iteration].allowed
                if not self.record.experiments[name].finished
            ],
            iteration,
        )
        waiting = tuple(e.id for e in self.record.worklist)
        if waiting:
            self._write(Asked(iteration=iteration, experiments=waiting))
            self.rooms.ask({"kind": "ask", "experiments": list(waiting)})
        return {}

    def judge(self, state: DiscoveryState) -> dict[str, Any]:
        """Hold every prediction against its measurement. Arithmetic only."""
        iteration = state["iteration"]
        if iteration not in self.record.judgements:
            noise = self._noise()
            verdicts: list[Verdict] = []
            for name in self.record.gates[iteration].allowed:
                entry = self.record.experiments[name]
                if entry.experiment.purpose is Purpose.EXPLORE:
                    verdicts += self._verdicts(entry, noise)
            self._write(Judged(iteration=iteration, verdicts=tuple(verdicts), noise=noise))
        return {}

    def record_knowledge(self, state: DiscoveryState) -> dict[str, Any]:
        """Write what the iteration taught into the knowledge base, failures too."""
        iteration = state["iteration"]
        if iteration not in self.record.records:
            entries = [self.record.experiments[name] for name in self.record.gates[iteration].allowed]
            items = items_of(
                entries,
                self.assays,
                campaign=self.campaign,
                space=self.goal.space,
                verdicts=self.record.judgements[iteration].verdicts,
            )
            verdicts = self.record.judgements[iteration].verdicts
            self.rooms.knowledge.learn(forecasts_of_verdicts(verdicts, self.record, campaign=self.campaign))
            recorded = self.rooms.knowledge.record(items)
            self._write(Recorded(iteration=iteration, items=recorded, head=self.rooms.knowledge.head()))
        return {}

    def decide(self, state: DiscoveryState) -> dict[str, Any]:
        """Go on, or confirm what was found."""
        iteration = state["iteration"]
        if iteration not in self.record.decisions:
            spent = self._spent_before + self.rooms.clock()
            decision = stopping.decide(self.record, iteration, scales=self.scales, spent_s=spent)
            self._write(
                Decided(
                    iteration=iteration,
                    action=decision.action,
                    reason=decision.reason,
                    best=decision.best,
                    experiments_used=self.record.experiments_used,
                    spent_s=spent,
                )
            )
        decided = self.record.decisions[iteration]
        following = iteration + 1 if decided.action == "continue" else iteration
        return {"iteration": following, "action": decided.action}

    def confirm(self, state: DiscoveryState) -> dict[str, Any]:
        """Check the winners on data that the planner never sees, by rules registered beforehand."""
        if self.record.confirmation is None:
            plan = plan_confirmation(self.record, self.assays, self.rooms.registry, self.scales)
            self._write(
                ConfirmationPlanned(
                    iteration=state["iteration"] + 1,
                    hypotheses=plan.hypotheses,
                    registrations={h.id: h.registration() for h in plan.hypotheses},
                    experiments=plan.experiments,
                    reason=plan.reason,
                )
            )
        planned = self.record.confirmation
        assert planned is not None
        entries = [self.record.experiments[e.id] for e in planned.experiments]
        self._run([e for e in entries if not e.finished], planned.iteration)
        if planned.iteration not in self.record.judgements:
            noise = self._noise()
            verdicts = [v for e in entries for v in self._verdicts(e, noise) if v.observed is not None]
            self._write(Judged(iteration=planned.iteration, verdicts=tuple(verdicts), noise=noise))
        return {}

    def conclude(self, state: DiscoveryState) -> dict[str, Any]:  # noqa: ARG002 - a node's signature
        """State the findings with their evidence, and end the campaign."""
        if self.record.finished is not None:
            return {}
        claims = claims_of(self.record, self.assays, self.scales)
        for claim in claims:
            self._write(Claimed(claim=claim))
        planned = self.record.confirmation
        sealed = [self.record.experiments[e.id] for e in planned.experiments] if planned else []
        self.rooms.knowledge.learn(forecasts_of_claims(self.record, self.assays, campaign=self.campaign))
        finished = [entry for entry in self.record.experiments.values() if entry.finished]
        measured = items_of(
            finished,
            self.assays,
            campaign=self.campaign,
            space=self.goal.space,
            verdicts=self.record.verdicts,
        )
        self.rooms.knowledge.record(
            [
                *items_of(sealed, self.assays, campaign=self.campaign, space=self.goal.space),
                *items_of_claims(self.record, measured, campaign=self.campaign),
            ]
        )
        self._analyse()
        last = max(self.record.decisions)
        self._write(
            CampaignFinished(
                reason=self.record.decisions[last].reason,
                claims=tuple(claim.id for claim in claims),
                spent_s=self._spent_before + self.rooms.clock(),
                head=self.rooms.knowledge.head(),
            )
        )
        return {}

    def _write(self, event: Event) -> None:
        if self.rooms.journal.append(self.campaign, event):
            self.record.apply(event)

    def _released(self, items: Iterable[KnowledgeItem]) -> tuple[KnowledgeItem, ...]:
        return release(items, to=self.rooms.audience).items

    def _withheld(self) -> tuple[str, ...]:
        """Return the candidates of which a model elsewhere must not be told, though they are known here."""
        if self.rooms.audience is Destination.LOCAL:
            return ()
        space = self.goal.space
        subjects = {o.candidate.id for o in self.record.observations()}
        subjects |= {row.id for row in space.rows} if isinstance(space, PoolSpace) else set()
        return tuple(sorted(self.rooms.knowledge.withheld(subjects, to=self.rooms.audience)))

    def _briefing(self, iteration: int) -> Briefing:
        """Return what a planner that asks a model may know and use; nothing for any other."""
        if not isinstance(self.rooms.planner, ModelPlanner):
            return Briefing()
        return Briefing(
            hypotheses=tuple(h for plan in self.record.plans.values() for h in plan.hypotheses),
            verdicts=tuple(self.record.verdicts),
            deliberations=self.record.deliberations,
            passages=tuple(p for recall in self.record.recalls.values() for p in recall.passages),
            withheld=frozenset(self.record.recalls[iteration].withheld),
            # Where a person approves what runs, nothing runs on the side.
            tools=() if self._approve else tuple(map(as_offered, self.rooms.tools)),
        )

    def _plan(self, context: PlanningContext) -> Plan:
        """Return the planner's plan, with the calls made that it wishes for on the way."""
        planner = self.rooms.planner
        if not isinstance(planner, ModelPlanner):
            return planner.plan(context)
        talk = planner.deliberate(context)
        made = 0
        try:
            wished = next(talk)
            while True:
                results = tuple(
                    self._probe(call, context.iteration, number) for number, call in enumerate(wished, made)
                )
                made += len(wished)
                wished = talk.send(results)
        except StopIteration as ended:
            plan: Plan = ended.value
            return plan

    def _probe(self, call: ToolCall, iteration: int, number: int) -> ToolResult:
        """Return what a call beside the experiments gives; it runs where they run, and is recorded."""
        call = self._with_tables(call, iteration)
        known = self.record.probes.get((iteration, number))
        if known is not None and known.call == call:
            return known
        if call.tool not in {spec.name for spec in self.rooms.tools} or not is_json(call.arguments):
            told = (
                "this tool is not on offer" if is_json(call.arguments) else "its arguments are no JSON data"
            )
            refused = call.model_copy(update={"arguments": {}})
            key = refused.key(version="", code_hash="")
            return ToolResult(call=refused, key=key, status=CallStatus.ERROR, message=told)
        hazard = hazard_in({k: v for k, v in call.arguments.items() if k == "smiles"})
        if hazard and call.tool not in SCREENS:
            key = call.key(version="", code_hash="")
            return ToolResult(call=call, key=key, status=CallStatus.ERROR, message=f"not run: {hazard}")
        subject = Candidate(id="", label="", arguments=call.arguments)
        probe = Experiment(id=f"T{iteration}.{number}", hypothesis="", candidate=subject, calls=(call,))
        (_, results), *_ = self.rooms.executor.run([probe])
        self._write(Probed(iteration=iteration, number=number, result=results[0]))
        return results[0]

    def _with_tables(self, call: ToolCall, iteration: int) -> ToolCall:
        """Return a call with the campaign's tables as its files, where its tool takes files."""
        spec = next((spec for spec in self.rooms.tools if spec.name == call.tool), None)
        parameter = files_parameter(spec) if spec is not None else None
        if parameter is None:
            return call
        tables = tables_of(self.record, withheld=self.record.recalls[iteration].withheld)
        for name, data in tables.items():
            self.rooms.keep(data, name)
        files = {"arguments": {**call.arguments, parameter: table_handles(tables)}}
        return call.model_copy(update=files)

    def _analyse(self) -> None:
        """Let a planner's model write about the finished search; words only."""
        planner = self.rooms.planner
        if self.record.analysis is not None or not isinstance(planner, ModelPlanner):
            return
        withheld = {name for recall in self.record.recalls.values() for name in recall.withheld}
        analysis = planner.analyse(
            self.goal,
            facts_of(self.record, self.scales, withheld=withheld),
            names=names_of(self.record),
            deliberations=self.record.deliberations,
        )
        self._write(Analysed(analysis=analysis))

    def _cites(self) -> dict[str, tuple[str, ...]]:
        return {
            o.candidate.id: tuple(o.source.split(","))
            for recall in self.record.recalls.values()
            for o in recall.observations
        }

    def _explore(self, hypothesis: Hypothesis, number: int) -> Experiment:
        """Return the experiment with every tool that the goal needs, cheapest first."""
        tools: dict[str, Assay] = {}
        for assay in sorted(self.assays.values(), key=lambda a: a.cost_s):
            if assay.tool:
                tools.setdefault(digest([assay.tool.name, assay.objective.options]), assay)
        calls = tuple(
            tool_call(a.tool, hypothesis.candidate, a.objective.options, space=self.goal.space)
            for a in tools.values()
            if a.tool
        )
        return Experiment(
            id=self._experiment_id(number),
            hypothesis=hypothesis.id,
            candidate=hypothesis.candidate,
            calls=calls,
            manual=tuple(name for name, a in self.assays.items() if a.source == "manual"),
            nominal_cost_s=sum(a.cost_s for a in tools.values()),
            fresh=any(o.candidate.id == hypothesis.candidate.id for o in self._doubted()),
        )

    def _doubted(self) -> tuple[Observation, ...]:
        return tuple(o for recall in self.record.recalls.values() for o in recall.doubted)

    def _reexaminations(self, iteration: int) -> tuple[Hypothesis, ...]:
        """Return what the first iteration tests beside its plan: whether stale values still hold."""
        if iteration:
            return ()
        return reexaminations(
            self._doubted(),
            self.assays,
            self.goal.space,
            most=math.ceil(self.goal.budget.experiments * REEXAMINED),
            iteration=iteration,
            first_id=len(self.record.hypotheses) + 1,
        )

    def _replicate(self, hypothesis: Hypothesis, number: int) -> Experiment:
        """Return the repetition of a hypothesis's experiment under another seed, where a seed matters."""
        noisy = self._noisy()
        return Experiment(
            id=self._experiment_id(number),
            hypothesis=hypothesis.id,
            candidate=hypothesis.candidate,
            purpose=Purpose.REPLICATE,
            calls=tuple(
                tool_call(
                    a.tool,
                    hypothesis.candidate,
                    a.objective.options,
                    space=self.goal.space,
                    seed=REPLICATE_SEED,
                )
                for a in noisy
                if a.tool
            ),
            nominal_cost_s=sum(a.cost_s for a in noisy),
        )

    def _noisy(self) -> list[Assay]:
        """Return one assay for each call whose answer depends on its seed."""
        calls = {
            digest([a.tool.name, a.objective.options]): a
            for a in self.assays.values()
            if a.tool and a.tool.stochastic_in_seed
        }
        return list(calls.values())

    def _replicated(self) -> list[ExperimentRecord]:
        return [e for e in self.record.experiments.values() if e.experiment.purpose is Purpose.REPLICATE]

    def _lacking_replicates(self) -> int:
        """Return how many first candidates must still run twice before the noise floor counts as known.

        Several candidates share the work, because noise differs between them: a rigid molecule has one
        conformer, a flexible one has many. Repetitions that failed are made up for on later candidates.
        """
        if not self._noisy():
            return 0
        done = self._replicated()
        lacking = self.goal.noise_replicates - sum(1 for e in done if e.finished and not e.failed)
        return max(0, min(lacking, self.goal.noise_replicates * MAX_NOISE_TRIES - len(done)))

    def _leader(self) -> list[Hypothesis]:
        """Return the hypothesis of the best candidate so far, if noise alone may have put it there.

        What leads after one measurement under one seed is measured again before more is built on it.
        """
        if not self._noisy() or not self.goal.noise_replicates:
            return []
        best = next((o for value, o in self.record.merits(self.scales) if value.feasible), None)
        if best is None or best.recalled or self.record.experiments_used >= self.goal.budget.experiments:
            return []
        if any(e.experiment.candidate.id == best.candidate.id for e in self._replicated()):
            return []
        return [self.record.hypotheses[self.record.experiments[best.source].experiment.hypothesis]]

    def _experiment_id(self, number: int) -> str:
        return f"E{len(self.record.experiments) + number + 1:03d}"

    def _run(self, entries: Sequence[ExperimentRecord], iteration: int) -> None:
        """Run experiments and write each result as it comes."""
        if not entries:
            return
        self._write_many(
            ExperimentStarted(iteration=iteration, experiment=e.experiment.id, attempt=e.attempts + 1)
            for e in entries
        )
        for experiment, results in self.rooms.executor.run([e.experiment for e in entries]):
            failed = failure_of(results)
            if experiment.manual and not failed and experiment.id not in self.record.told:
                continue
            measurements = measurements_of(experiment, results, self.assays)
            if not failed:
                measured, failed = self._from_pool(experiment)
                measurements += measured
            told = self.record.told.get(experiment.id)
            if told is not None and not failed:
                measurements += told.measurements
                failed = told.failed
            self._write(
                ExperimentFinished(
                    iteration=iteration,
                    experiment=experiment.id,
                    results=results,
                    measurements=measurements,
                    failed=failed,
                )
            )

    def _from_pool(self, experiment: Experiment) -> tuple[tuple[Measurement, ...], str]:
        """Return what the pool's own table says, or why it says nothing."""
        space = self.goal.space
        measurements = []
        for name, assay in self.assays.items():
            if assay.source != POOL or experiment.sealed:  # a table read twice confirms nothing
                continue
            assert isinstance(space, PoolSpace)
            value = space.measured[name].get(experiment.candidate.id)
            if value is None:
                return (), f"the pool has no {name} for {experiment.candidate.id}"
            measurements.append(
                Measurement(
                    experiment=experiment.id,
                    candidate=experiment.candidate.id,
                    property=name,
                    quantity=Quantity(value=value, unit=assay.objective.unit),
                    tool=POOL,
                    method=f"table {space.source}",
                    call_key=digest([space.source, experiment.candidate.id, name]),
                    origin=Origin.MEASURED,
                    sealed=experiment.sealed,
                )
            )
        return tuple(measurements), ""

    def _write_many(self, events: Iterable[Event]) -> None:
        batch = list(events)
        self.rooms.journal.append_many(self.campaign, batch)
        for event in batch:
            self.record.apply(event)

    def _noise(self) -> dict[str, Quantity]:
        """Return the noise floor of every property that a stochastic tool measures, where known."""
        floors: dict[str, Quantity] = {}
        for name, assay in self.assays.items():
            if assay.tool is None or not assay.tool.stochastic_in_seed:
                continue
            groups: dict[str, list[float]] = {}
            for entry in self.record.experiments.values():
                for m in entry.measurements:
                    if m.property == name and not m.sealed:
                        groups.setdefault(m.candidate, []).append(m.quantity.value)
            floor = noise_floor(groups.values())
            if floor is not None:
                floors[name] = Quantity(value=floor, unit=assay.objective.unit)
        return floors

    def _verdicts(self, entry: ExperimentRecord, noise: Mapping[str, Quantity]) -> list[Verdict]:
        hypothesis = self.record.hypotheses[entry.experiment.hypothesis]
        return [
            judge(
                hypothesis,
                prediction,
                entry.measured(prediction.property, prediction.tool or self._own_tool(prediction.property)),
                experiment=entry.experiment.id,
                noise=noise_of(prediction, noise),
                reason=entry.failed,
            )
            for prediction in hypothesis.predictions
        ]

    def _own_tool(self, name: str) -> str:
        return self.assays[name].source_name


def failure_of(results: Sequence[ToolResult]) -> str:
    """Return why a sequence of calls failed, or nothing."""
    return next((f"{r.call.tool}: {r.status.value}: {r.message}" for r in results if not r.ok), "")
