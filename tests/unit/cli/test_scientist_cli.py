"""``novum run --planner scientist``, and what show, report and verify say of it."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import novum_command
from fault_server import FaultServer, call, fail, say
from scripts import draw


def willing(body: Any, stage: Any) -> None:
    """Answer whatever is to be filled in, at random and in order."""
    rng = random.Random(json.dumps(body, sort_keys=True))
    if body.get("response_format"):
        schema = body["response_format"]["json_schema"]["schema"]
    elif body.get("tool_choice"):
        schema = body["tools"][0]["function"]["parameters"]
    else:
        say("none")(body, stage)
        return
    said = draw(schema, rng)
    if body.get("response_format"):
        say(json.dumps(said))(body, stage)
    else:
        say(tool_calls=[call(body["tools"][0]["function"]["name"], said)])(body, stage)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultServer]:
    monkeypatch.chdir(tmp_path)
    with FaultServer(then=willing) as opened:
        entry = {"base_url": opened.url, "model": "faulty-1", "context_tokens": 16384}
        monkeypatch.setenv("NOVUM_MODELS", json.dumps({"mini": entry}))
        yield opened


def run(pool: Path, ws: Path, *options: object) -> Any:
    return novum_command("run", pool, "--name", "s", "-w", ws, "--seed", 4, *options)


def test_a_campaign_with_a_model_is_run_shown_reported_and_verified(
    pool: Path, tmp_path: Path, server: FaultServer
) -> None:
    ws = tmp_path / "ws"
    ended = run(pool, ws, "--planner", "scientist", "--model", "mini", "--control", "optimizer")
    assert ended.code == 0, ended.err
    assert "iteration 0: model answered: " in ended.out
    assert server.bodies
    shown = novum_command("show", "s", "-w", ws)
    assert "scientist, seed 4" in shown.out
    assert "mini, on this machine" in shown.out
    assert "Sources of hypotheses" in shown.out
    assert "the model's best in" in shown.out
    data = novum_command("show", "s", "--json", "-w", ws).json
    assert data["campaign"]["model"]["name"] == "mini"
    assert data["deliberations"]["0"]["turn"] == "answered"
    text = (ws / "reports/s.md").read_text()
    assert "## The model and the optimiser" in text
    assert "### Against the control arm" in text
    asked = len(server.requests)
    verified = novum_command("verify", "s", "-w", ws)
    assert verified.code == 0, verified.out
    assert "decided again from the record, all the same" in verified.out
    assert len(server.requests) == asked
    own = next(c for d in data["deliberations"].values() for c in d["contenders"] if c["became"])
    page = novum_command("show", "s", own["became"], "-w", ws).out
    assert "surrogate" in page
    assert ("upheld" in page) is bool(own["objections"])
    (key, *_) = [r for r in json.loads(json.dumps(_keys(ws))) if r.startswith("exchange/")]
    assert '"request_digest"' in novum_command("show", "s", key, "--json", "-w", ws).out


def _keys(ws: Path) -> list[str]:
    from novum.memory.ledger import Ledger

    with Ledger(ws / "ledger.sqlite3") as ledger:
        return [r.key for r in ledger.records("s")]


def test_naming_a_model_means_the_scientist_and_auto_takes_one_that_is_set_up(
    pool: Path, tmp_path: Path, server: FaultServer
) -> None:
    named = run(pool, tmp_path / "a", "--model", "mini", "--json")
    assert named.lines[0]["planner"] == "scientist"
    auto = run(pool, tmp_path / "b", "--planner", "auto", "--json")
    assert auto.lines[0]["planner"] == "scientist"
    assert auto.lines[0]["model"]["card"]["context_tokens"] == 16384
    assert server.bodies


def test_auto_without_a_model_is_the_optimiser(pool: Path, tmp_path: Path) -> None:
    ended = run(pool, tmp_path / "ws", "--planner", "auto", "--json")
    assert (ended.lines[0]["planner"], ended.lines[0]["model"]) == ("optimizer", None)


def test_a_scientist_without_a_model_says_what_to_do(pool: Path, tmp_path: Path) -> None:
    ended = run(pool, tmp_path / "ws", "--planner", "scientist")
    assert ended.code == 2
    assert "novum model add" in ended.err
    unknown = run(pool, tmp_path / "ws", "--model", "maxi")
    assert unknown.code == 2
    assert "maxi" in unknown.err


def test_a_server_that_is_down_leaves_the_optimiser_and_says_so(
    pool: Path, tmp_path: Path, server: FaultServer
) -> None:
    server.then = fail(400, "no such model")
    ended = run(pool, tmp_path / "ws", "--model", "mini")
    assert ended.code == 0, ended.err
    assert "the optimiser plans without it" in ended.out
    assert "C001" in ended.out
