"""Runs, or resumes, one toy campaign in its own process: ``campaign_process.py ROOT``."""

import os
import sys
import time
from pathlib import Path

import toys

from novum.agents.choose import open_planner
from novum.core.access import Destination
from novum.core.goals import Budget, Goal, Objective, ObjectiveKind
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.knowledge_base import KnowledgeBase
from novum.memory.calls import CallCache
from novum.memory.ledger import Ledger
from novum.sandbox.fake import FakeSandbox
from novum.tools import worker
from novum.tools.registry import Registry
from novum.tools.runner import Runner
from novum.workflows.discovery import Discovery
from novum.workflows.executors import LocalExecutor
from novum.workflows.learning import CampaignKnowledge

CAMPAIGN = "killed"
GOAL = Goal(
    objectives=(
        Objective(property="height", kind=ObjectiveKind.MAXIMISE, unit="m", low=5, tool="toy.survey"),
        Objective(property="slope", kind=ObjectiveKind.AT_LEAST, low=0.5),
    ),
    space=ParameterSpace(
        parameters=(
            ContinuousParameter(name="x", low=-5, high=5),
            ContinuousParameter(name="y", low=-5, high=5),
        )
    ),
    budget=Budget(experiments=40, batch=4),
    seed=11,
)


def main(root: Path) -> None:
    log = root / "executions.log"

    def call(entry: str, arguments: dict, seed: int) -> dict:
        """Do the work of the real worker, slowly, and leave a line when it is done."""
        time.sleep(0.02)
        answer = worker.call(entry, arguments, seed)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{entry} {sorted(arguments.items())} {seed}\n".encode())
        os.close(descriptor)
        return answer

    sandbox = FakeSandbox({worker.ENTRY: call})
    registry = Registry([toys.survey, toys.noisy, toys.level])
    with (
        Ledger(root / "ledger.sqlite3") as ledger,
        KnowledgeBase(root / "knowledge", embedder="hashing") as knowledge,
    ):
        discovery = Discovery(
            ledger=ledger,
            knowledge=lambda goal: CampaignKnowledge(knowledge, goal, to=Destination.LOCAL),
            registry=registry,
            planners=open_planner,
            executor=LocalExecutor(
                Runner(registry, sandbox, CallCache(root / "calls.sqlite3")), workers=2, cancel=sandbox.close
            ),
            checkpoints=root / "checkpoints.sqlite3",
            describe=lambda: ({}, {}),
        )
        if not ledger.exists(CAMPAIGN):
            discovery.create(GOAL, planner="random", campaign=CAMPAIGN)
        print("running", flush=True)
        print(discovery.run(CAMPAIGN).state, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
