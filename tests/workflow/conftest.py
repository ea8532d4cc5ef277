"""A workshop: ledger, knowledge base, toy tools, a fake sandbox, wired as the runtime does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from toys import level, noisy, survey

from novum.agents.choose import open_planner
from novum.core.access import Destination
from novum.core.goals import Budget, Goal, Objective, ObjectiveKind
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.knowledge_base import KnowledgeBase
from novum.memory.calls import CallCache
from novum.memory.ledger import Ledger
from novum.sandbox.fake import FakeSandbox
from novum.tools.registry import Registry
from novum.tools.runner import Runner
from novum.workflows.discovery import Discovery
from novum.workflows.executors import LocalExecutor
from novum.workflows.learning import CampaignKnowledge


@dataclass
class Workshop:
    """One workspace with everything in it."""

    root: Path
    ledger: Ledger
    knowledge: KnowledgeBase
    registry: Registry
    sandbox: FakeSandbox
    discovery: Discovery


@pytest.fixture
def open_workshop(tmp_path: Path) -> Callable[..., Workshop]:
    opened: list[Workshop] = []

    def make(name: str = "w", *, script: dict | None = None) -> Workshop:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        ledger = Ledger(root / "ledger.sqlite3")
        knowledge = KnowledgeBase(root / "knowledge", embedder="hashing")
        registry = Registry([survey, noisy, level])
        sandbox = FakeSandbox(script)
        runner = Runner(registry, sandbox, CallCache(root / "calls.sqlite3"))
        discovery = Discovery(
            ledger=ledger,
            knowledge=lambda goal: CampaignKnowledge(knowledge, goal, to=Destination.LOCAL),
            registry=registry,
            planners=open_planner,
            executor=LocalExecutor(runner, workers=2, cancel=sandbox.close),
            checkpoints=root / "checkpoints.sqlite3",
            describe=lambda: ({"python": "3"}, {"backend": "fake"}),
        )
        workshop = Workshop(root, ledger, knowledge, registry, sandbox, discovery)
        opened.append(workshop)
        return workshop

    yield make
    for workshop in opened:
        workshop.knowledge.close()
        workshop.ledger.close()


@pytest.fixture
def workshop(open_workshop: Callable[..., Workshop]) -> Workshop:
    return open_workshop()


SPACE = ParameterSpace(
    parameters=(
        ContinuousParameter(name="x", low=-5, high=5),
        ContinuousParameter(name="y", low=-5, high=5),
    )
)


@pytest.fixture
def goal() -> Goal:
    return Goal(
        objectives=(
            Objective(property="height", kind=ObjectiveKind.MAXIMISE, unit="m", low=5, tool="toy.survey"),
            Objective(property="slope", kind=ObjectiveKind.AT_LEAST, low=0.5),
        ),
        space=SPACE,
        budget=Budget(experiments=16, batch=4),
        seed=3,
    )
