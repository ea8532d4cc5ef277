"""A tool reaches the hosts that a person granted; every attempt, and every file, is in the record."""

import importlib
import json

import pytest
from test_granted_network import server  # noqa: F401  (a fixture)

from novum.core.calls import ToolCall
from novum.core.errors import NotGrantedError
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.settings import load_settings
from novum.core.spaces import Candidate, PoolSpace
from novum.runtime import Workspace

pytestmark = pytest.mark.sandbox


@pytest.fixture
def fetch(server, monkeypatch):  # noqa: F811
    """The tool, asking for the port on which the server of this test listens."""
    import fetching_tools

    monkeypatch.setenv("FETCH_PORT", str(server))
    return importlib.reload(fetching_tools).fetch


@pytest.fixture
def workspace(tmp_path, fetch):
    grants = {"net.fetch": fetch.spec.hosts}
    with Workspace(
        load_settings(
            workspace=tmp_path / "w", embedder="hashing", workers=1, sandbox="namespace", grants=grants
        )
    ) as opened:
        opened.registry.register(fetch)
        yield opened


def address(fetch):
    return f"http://{fetch.spec.hosts[0]}/"


def test_a_tool_whose_hosts_nobody_granted_does_not_run(tmp_path, fetch):
    with Workspace(load_settings(workspace=tmp_path / "w", sandbox="namespace")) as opened:
        opened.registry.register(fetch)
        with pytest.raises(NotGrantedError, match=r'\[grants\] "net.fetch" = \["127.0.0.1'):
            opened.runner.run(ToolCall(tool="net.fetch", arguments={"address": address(fetch), "x": 1.0}))


def test_attempts_and_files_are_in_the_result(workspace, fetch):
    found = workspace.runner.run(ToolCall(tool="net.fetch", arguments={"address": address(fetch), "x": 1.0}))
    assert found.ok, found
    tried = {attempt.host: attempt.allowed for attempt in found.network}
    assert tried == {"127.0.0.1": True, "metadata.example": False}
    assert [artifact.name for artifact in found.artifacts] == ["answer.txt", "refusal.txt"]
    assert workspace.artifacts.get(found.artifacts[0].sha256) == b"123"
    assert any("link was not taken" in warning for warning in found.warnings)


def test_attempts_are_in_the_ledger(workspace, fetch):
    rows = tuple(
        Candidate(id=str(x), label=str(x), arguments={"address": address(fetch), "x": float(x)})
        for x in range(3)
    )
    goal = Goal(
        objectives=(Objective(property="length", kind=ObjectiveKind.MAXIMISE, unit="m", tool="net.fetch"),),
        space=PoolSpace(source="rows", rows=rows),
        budget=Budget(experiments=3, batch=3),
        confirmation=Confirmation(method="none"),
    )
    campaign = workspace.discovery.create(goal, planner="random")
    workspace.discovery.run(campaign)
    text = json.dumps([event.model_dump(mode="json") for event in workspace.ledger.events(campaign)])
    assert text.count("metadata.example") >= 3
    assert '"allowed": false' in text
