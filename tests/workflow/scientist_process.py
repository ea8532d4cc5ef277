"""Runs, or resumes, one toy campaign that a model plans, in its own process: ``scientist_process.py ROOT``.

The model is slow, and leaves a line for each question before it answers.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import toys
from lives import life
from scripts import opening, random_reply

from novum.agents.models.base import Request
from novum.agents.models.scripted import ScriptedModel
from novum.core.goals import Budget, Goal, Objective, ObjectiveKind
from novum.core.spaces import ContinuousParameter, ParameterSpace

CAMPAIGN = "killed"
GOAL = Goal(
    objectives=(
        Objective(property="height", kind=ObjectiveKind.MAXIMISE, unit="m", low=5, tool="toy.survey"),
    ),
    space=ParameterSpace(
        parameters=(
            ContinuousParameter(name="x", low=-5, high=4),
            ContinuousParameter(name="y", low=-5, high=5),
        )
    ),
    budget=Budget(experiments=24, batch=4),
    seed=11,
)


def main(root: Path) -> None:
    log = root / "questions.log"
    answer = random_reply()

    def slowly(request: Request) -> str:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{request.step} {request.digest()}\n".encode())
        os.close(descriptor)
        time.sleep(0.05)
        return answer(request)

    planners = opening(ScriptedModel(slowly))
    with life(root, planners=planners, tools=(toys.survey, toys.weigh, toys.level)) as one:
        if not one.ledger.exists(CAMPAIGN):
            one.discovery.create(GOAL, planner="scientist", campaign=CAMPAIGN)
        print("running", flush=True)
        print(one.discovery.run(CAMPAIGN).state, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
