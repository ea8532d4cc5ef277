"""Tools that crash, hang, lie or flood, in the real sandbox, under a whole campaign."""

import pytest
from rude_tools import MANNERS, speed

from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.knowledge import ItemStatus
from novum.core.settings import load_settings
from novum.core.spaces import Candidate, PoolSpace
from novum.runtime import Workspace
from novum.workflows.learning import FAILS, UNFINISHED

EXPECTED = {
    "crash": "crash",
    "exit": "crash",
    "hang": "timeout",
    "nan": "bad-result",
    "empty": "bad-result",
    "wrong_unit": "not the promised",
    "novel": "",
    "raises": "RuntimeError",
    "oom": "oom",
}

SAID_SO = {"nan", "empty", "wrong_unit", "raises"}
"""Where the tool itself answered, or said that it could not."""


@pytest.mark.sandbox
@pytest.mark.slow
def test_every_rude_tool_becomes_a_failed_experiment_and_the_campaign_goes_on(tmp_path):
    goal = Goal(
        objectives=(Objective(property="speed", kind=ObjectiveKind.MAXIMISE, unit="m/s", tool="rude.speed"),),
        space=PoolSpace(
            source="manners",
            rows=tuple(
                Candidate(id=manner, label=manner, arguments={"manner": manner, "x": 0.5})
                for manner in MANNERS
            ),
        ),
        budget=Budget(experiments=len(MANNERS), batch=5),
        confirmation=Confirmation(method="auto"),
    )
    with Workspace(load_settings(workspace=tmp_path / "w", embedder="hashing", workers=2)) as workspace:
        assert workspace.sandbox.name == "namespace", "a rude tool must not run in this process"
        workspace.registry.register(speed)
        campaign = workspace.discovery.create(goal, planner="random")
        record = workspace.discovery.run(campaign).record
        failures = {
            e.experiment.candidate.id: e.failed
            for e in record.experiments.values()
            if not e.experiment.sealed
        }
        known = {
            item.subject: item
            for relation in (FAILS, UNFINISHED)
            for item in workspace.knowledge.items.query(relation=relation, status=ItemStatus.ACTIVE)
        }
    assert record.finished is not None
    assert set(failures) == set(MANNERS)
    assert failures["kind"] == ""
    for manner, said in EXPECTED.items():
        assert failures[manner], manner
        assert said in failures[manner]
        assert "\x1b" not in failures[manner]
        assert known[manner].negative
        # What the tool did not say itself may end otherwise with more time or memory.
        assert known[manner].relation == (FAILS if manner in SAID_SO else UNFINISHED), manner
    # What a tool prints is cut and harms nothing; what it measured then still counts.
    assert failures["flood"] == ""
    assert [claim.candidate.id for claim in record.claims.values()] == ["flood"]
