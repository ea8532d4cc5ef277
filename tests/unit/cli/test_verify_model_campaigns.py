"""``novum verify`` of a campaign that a model planned, where that model is not to be had any more."""

import json
from pathlib import Path

import pytest
from conftest import novum_command
from scripts import random_reply

from novum.agents.models.scripted import ScriptedModel
from novum.runtime import Workspace


def test_it_is_decided_again_from_its_ledger_alone(pool: Path, tmp_path: Path, monkeypatch) -> None:
    ws = tmp_path / "ws"
    model = ScriptedModel(random_reply(), name="gone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workspace, "open_model", lambda self, name=None: model)
        ended = novum_command("run", pool, "--model", "gone", "--name", "c", "-q", "-w", ws)
        assert ended.code == 0, ended.err
        told = json.dumps({"sentences": [{"text": "It is done.", "cites": ["campaign"]}]})
        talker = ScriptedModel(lambda request: told)
        patch.setattr(Workspace, "open_model", lambda self, name=None: talker)
        assert novum_command("chat", "c", "Is it done?", "-w", ws).code == 0
    assert model.requests
    checked = novum_command("verify", "c", "--json", "-w", ws)
    assert checked.code == 0, checked.out
    found = {check["name"]: check["ok"] for check in checked.json["checks"]}
    assert found["decisions"] is True
    assert found["hash chain"] is True
