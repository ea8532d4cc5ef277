"""Questions and goals with a real server: the tiny model, which writes at random what fits a schema."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import novum_command

from novum.memory.ledger import Ledger

pytest_plugins = ["tiny_model"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("llguidance"), reason="the extra serve-tiny is not installed"),
]


@pytest.fixture
def workspace(finished: Path, tmp_path: Path, tiny_server, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOVUM_MODELS", json.dumps({"tiny": tiny_server.model_dump(mode="json")}))
    return Path(shutil.copytree(finished, tmp_path / "ws"))


def test_what_it_says_of_a_campaign_is_checked_and_kept(workspace):
    ended = novum_command("chat", "demo", "What was the best?", "--json", "-w", workspace)
    assert ended.code == 0, ended.err
    said = ended.json
    assert said["sentences"]
    for sentence in said["sentences"]:
        unknown = [name for name in sentence["cites"] if name not in said["records"]]
        assert ("unknown record" in sentence["marks"]) == bool(unknown)
    with Ledger(workspace / "conversations.sqlite3") as kept:
        assert kept.verify("chat/demo").ok
        assert list(kept.events("chat/demo"))


def test_a_goal_that_it_writes_at_random_is_refused_and_nothing_runs(workspace):
    ended = novum_command("run", "find me a good molecule for this", "--yes", "-w", workspace)
    assert ended.code == 2
    assert "model 'tiny' made no goal of the text" in ended.err
    with Ledger(workspace / "ledger.sqlite3") as ledger:
        assert {c.id for c in ledger.campaigns()} == {"demo", "demo-control"}
