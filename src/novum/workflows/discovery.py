"""The discovery workflow: a LangGraph over `DiscoveryNodes`, started, stopped, resumed."""

import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from novum.agents.base import ModelPlanner, Planner
from novum.agents.models.base import Card
from novum.agents.models.exchanges import RecordedModel
from novum.agents.models.recalled import AsItWas
from novum.core.access import Destination
from novum.core.calls import ToolSpec
from novum.core.conversation import Exchange
from novum.core.errors import NotFoundError, UsageError
from novum.core.events import CampaignStarted, Exchanged, Interrupted, ModelUsed, Resumed
from novum.core.goals import Goal
from novum.core.record import CampaignRecord
from novum.memory.ledger import Ledger
from novum.tools.registry import Registry
from novum.workflows.assays import choose_assays, find_confirming_tool
from novum.workflows.auxiliary import auxiliary_tools
from novum.workflows.executors import Executor
from novum.workflows.nodes import DiscoveryNodes, Knowledge, Rooms
from novum.workflows.state import DiscoveryState

NODES_PER_ITERATION = 8
RECURSION_MARGIN = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of the workflow ended.

    `request` says what a person is asked for: ``{"kind": "approve" | "ask", ...}``.
    """

    campaign: str
    state: Literal["finished", "waiting", "approval", "interrupted"]
    record: CampaignRecord
    request: Mapping[str, Any] | None = None


class Discovery:
    """Runs campaigns in one workspace.

    Args:
        ledger: where events go; the truth of what happened.
        knowledge: what the nodes need of the knowledge base.
        registry: the tools.
        planners: name → planner; with `model`, one that asks the model of that name.
        executor: where experiments run.
        checkpoints: the SQLite file of LangGraph's checkpointer.
        describe: returns versions and the sandbox's attestation, for the first event.
        keep: keeps bytes as an artifact, under a name; without it, tools that take files find none.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        knowledge: Callable[[Goal], Knowledge],
        registry: Registry,
        planners: Callable[..., Planner],
        executor: Executor,
        checkpoints: Path,
        describe: Callable[[], tuple[dict[str, str], dict[str, Any]]],
        keep: Callable[[bytes, str], object] = lambda data, name: None,  # noqa: ARG005
    ) -> None:
        self._ledger = ledger
        self._knowledge = knowledge
        self._registry = registry
        self._planners = planners
        self._executor = executor
        self._checkpoints = checkpoints
        self._describe = describe
        self._keep = keep

    def create(
        self,
        goal: Goal,
        *,
        planner: str,
        model: str | None = None,
        recall: bool = True,
        approve: bool = False,
        parent: str | None = None,
        campaign: str | None = None,
    ) -> str:
        """Write the first event of a new campaign and return its id. Nothing runs yet.

        Args:
            goal: what is pursued.
            planner: who proposes.
            model: whom a planner asks that asks a model; None for the one that is the default.
            recall: whether it may start from what earlier campaigns learned.
            approve: whether a person approves each batch.
            parent: the campaign whose control arm it is.
            campaign: its id; None makes one from the goal.

        Raises:
            UsageError: the goal cannot be measured here, the planner or its model is unknown, or the id is
                taken.
        """
        assays = choose_assays(goal, self._registry)
        used = [assay.tool for assay in assays.values()]
        for assay in assays.values():
            # complains now, not after the whole budget
            used.append(find_confirming_tool(assay, goal, self._registry))
        chosen = self._planners(planner) if model is None else self._planners(planner, model=model)
        name = campaign or new_campaign_id(goal, {c.id for c in self._ledger.campaigns()})
        if self._ledger.exists(name):
            raise UsageError(f"campaign {name!r} exists; 'novum resume {name}' goes on with it")
        versions, sandbox = self._describe()
        self._ledger.append(
            name,
            CampaignStarted(
                campaign=name,
                goal=goal,
                planner=planner,
                tools={prop: assay.name for prop, assay in assays.items()},
                recall=recall,
                approve=approve,
                parent=parent,
                model=_model_of(chosen),
                versions={**versions, **self._registry.trusted_code(tool.name for tool in used if tool)},
                sandbox=sandbox,
            ),
        )
        return name

    def run(self, campaign: str, *, answer: Mapping[str, Any] | None = None) -> Outcome:
        """Go on with a campaign from wherever it stands, to its end or to the next request.

        Args:
            campaign: its id.
            answer: the answer to an approval request: ``{"allowed": [ids], "by": name}``.

        Raises:
            NotFoundError: there is no such campaign.
            UsageError: another process runs it.
            InfrastructureError: something underneath failed; run again to go on.
        """
        if not self._ledger.exists(campaign):
            raise NotFoundError(f"there is no campaign {campaign!r}; 'novum campaigns' lists them")
        with self._ledger.lock(campaign):
            record = CampaignRecord.from_events(self._ledger.events(campaign))
            if record.finished is not None:
                return Outcome(campaign, "finished", record)
            return self._run(campaign, record, answer)

    def _run(self, campaign: str, record: CampaignRecord, answer: Mapping[str, Any] | None) -> Outcome:
        assert record.started is not None
        if record.plans or record.recalls:
            resumed = Resumed(ordinal=record.resumptions + 1)
            self._ledger.append(campaign, resumed)
            record.apply(resumed)
        began = time.monotonic()
        assays = choose_assays(record.goal, self._registry)
        planner = self._planner(campaign, record)
        audience, tools = Destination.LOCAL, tuple[ToolSpec, ...]()
        if isinstance(planner, ModelPlanner):
            audience = planner.model.destination
            tools = auxiliary_tools(assays, record.goal.space, self._registry)
        nodes = DiscoveryNodes(
            campaign,
            record,
            assays=assays,
            rooms=Rooms(
                journal=self._ledger,
                knowledge=self._knowledge(record.goal),
                planner=planner,
                executor=self._executor,
                registry=self._registry,
                clock=lambda: time.monotonic() - began,
                audience=audience,
                tools=tools,
                keep=self._keep,
            ),
        )
        with closing(sqlite3.connect(self._checkpoints, check_same_thread=False)) as connection:
            graph = build_graph(nodes, SqliteSaver(connection, serde=_strict_serializer()))
            try:
                state = self._invoke(graph, campaign, record, answer)
            except KeyboardInterrupt:
                stopped = Interrupted(ordinal=record.interruptions + 1, reason="stopped by a person")
                self._ledger.append(campaign, stopped)
                record.apply(stopped)
                return Outcome(campaign, "interrupted", record)
        requests = state.get("__interrupt__")
        if requests:
            request = requests[0].value
            kind: Literal["approval", "waiting"] = "approval" if request["kind"] == "approve" else "waiting"
            return Outcome(campaign, kind, record, request)
        return Outcome(campaign, "finished", record)

    def _planner(self, campaign: str, record: CampaignRecord) -> Planner:
        """Return the campaign's planner; what its model is asked, and answers, goes into the ledger."""
        assert record.started is not None
        started = record.started
        if started.model is None:
            return self._planners(started.planner)
        planner = self._planners(started.planner, model=started.model.name)
        assert isinstance(planner, ModelPlanner)

        def keep(exchange: Exchange) -> None:
            event = Exchanged(exchange=exchange)
            if self._ledger.append(campaign, event):
                record.apply(event)

        return planner.asking(
            RecordedModel(
                AsItWas(
                    planner.model,
                    card=Card.model_validate(started.model.card),
                    destination=Destination.REMOTE_MODEL if started.model.remote else Destination.LOCAL,
                ),
                known=tuple(record.exchanges.values()),
                keep=keep,
            )
        )

    def _invoke(
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        campaign: str,
        record: CampaignRecord,
        answer: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        budget = record.goal.budget.experiments
        config: Any = {
            "configurable": {"thread_id": campaign},
            "recursion_limit": NODES_PER_ITERATION * (budget + RECURSION_MARGIN),
        }
        snapshot = graph.get_state(config)
        given: Any
        if not snapshot.created_at:
            given = DiscoveryState(iteration=0, action="continue")
        elif snapshot.interrupts:
            kind = snapshot.interrupts[0].value["kind"]
            if kind == "approve" and not answer:
                return {"__interrupt__": snapshot.interrupts}
            # What a person measured is in the ledger: the step looks there, and asks again for the rest.
            given = Command(resume=dict(answer)) if kind == "approve" and answer else None
        else:
            given = None
        return dict(graph.invoke(given, config, durability="sync"))


def _model_of(planner: Planner) -> ModelUsed | None:
    if not isinstance(planner, ModelPlanner):
        return None
    model = planner.model
    return ModelUsed(
        name=model.name,
        remote=model.destination is not Destination.LOCAL,
        card=model.card.model_dump(mode="json"),
    )


def build_graph(
    nodes: DiscoveryNodes, checkpointer: SqliteSaver | None = None
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the discovery graph over `nodes`.

    recall → hypothesise → design → gate → execute → judge → record → decide ─┬→ recall …
                                                                             └→ confirm → conclude
    """
    graph = StateGraph(DiscoveryState)
    steps: dict[str, Any] = {
        "recall": nodes.recall,
        "hypothesise": nodes.hypothesise,
        "design": nodes.design,
        "gate": nodes.gate,
        "execute": nodes.execute,
        "judge": nodes.judge,
        "record": nodes.record_knowledge,
        "decide": nodes.decide,
        "confirm": nodes.confirm,
        "conclude": nodes.conclude,
    }
    for name, step in steps.items():
        graph.add_node(name, step)
    names = list(steps)
    graph.add_edge(START, "recall")
    for one, following in pairwise(names[:8]):
        graph.add_edge(one, following)
    graph.add_conditional_edges(
        "decide", lambda state: state["action"], {"continue": "recall", "confirm": "confirm"}
    )
    graph.add_edge("confirm", "conclude")
    graph.add_edge("conclude", END)
    return graph.compile(checkpointer=checkpointer)


def new_campaign_id(goal: Goal, taken: set[str]) -> str:
    """Return a readable id that no campaign of the workspace has: a slug and a number."""
    words = re.sub(r"[^a-z0-9]+", "-", (goal.title or str(goal.objectives[0])).lower()).strip("-")
    slug = words[:40].rstrip("-") or "campaign"
    number = 1
    while f"{slug}-{number}" in taken:
        number += 1
    return f"{slug}-{number}"


def _strict_serializer() -> JsonPlusSerializer:
    """Return a serialiser that reads nothing but plain data back from a checkpoint."""
    return JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
