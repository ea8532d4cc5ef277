"""A workspace that outlives the processes that work in it: each `life` is one of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import toys

from novum.agents.choose import open_planner
from novum.core.access import Destination
from novum.core.events import Event
from novum.knowledge_base import KnowledgeBase
from novum.memory.artifacts import Artifacts
from novum.memory.calls import CallCache
from novum.memory.ledger import Ledger
from novum.sandbox.fake import FakeSandbox
from novum.tools.registry import Registry
from novum.tools.runner import Runner
from novum.workflows.discovery import Discovery
from novum.workflows.executors import LocalExecutor
from novum.workflows.learning import CampaignKnowledge

TOOLS = (toys.survey, toys.noisy, toys.level)


class PowerCut(BaseException):
    """The process is gone; nothing may catch it."""


class MortalLedger(Ledger):
    """A ledger whose process dies right after a number of writes; None lives for ever."""

    def __init__(self, path: Path, *, dies_after: int | None = None) -> None:
        super().__init__(path)
        self.writes = 0
        self._dies_after = dies_after

    def append_many(self, campaign: str, events: Iterable[Event]) -> list[bool]:
        new = super().append_many(campaign, events)
        if any(new):
            self.writes += 1
            if self.writes == self._dies_after:
                raise PowerCut(f"after write {self.writes}")
        return new


@dataclass
class Life:
    """What one process has open."""

    ledger: MortalLedger
    knowledge: KnowledgeBase
    registry: Registry
    sandbox: Any
    discovery: Discovery


@contextmanager
def life(
    root: Path,
    *,
    dies_after: int | None = None,
    planners: Callable[[str], Any] = open_planner,
    sandbox: Any = None,
    script: dict | None = None,
    tools: Iterable[Any] = TOOLS,
    workers: int = 1,
) -> Iterator[Life]:
    """Open the workspace at `root` as a new process would."""
    root.mkdir(exist_ok=True)
    registry = Registry(tools)
    sandbox = sandbox or FakeSandbox(script)
    with (
        MortalLedger(root / "ledger.sqlite3", dies_after=dies_after) as ledger,
        KnowledgeBase(root / "knowledge", embedder="hashing") as knowledge,
    ):
        artifacts = Artifacts(root / "artifacts")
        runner = Runner(registry, sandbox, CallCache(root / "calls.sqlite3"), artifacts=artifacts)
        discovery = Discovery(
            ledger=ledger,
            knowledge=lambda goal: CampaignKnowledge(knowledge, goal, to=Destination.LOCAL),
            registry=registry,
            planners=planners,
            executor=LocalExecutor(runner, workers=workers, cancel=sandbox.close),
            checkpoints=root / "checkpoints.sqlite3",
            describe=lambda: ({"python": "3"}, {"backend": "fake"}),
            keep=artifacts.put,
        )
        yield Life(ledger, knowledge, registry, sandbox, discovery)
