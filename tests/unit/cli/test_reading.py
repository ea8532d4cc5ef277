"""Commands that read: campaigns, show, report, verify, kb, and completion."""

import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import novum_command

from novum.cli.options import complete_campaign
from novum.memory.ledger import Ledger


def test_overview_has_goal_best_iterations_and_claims(finished: Path) -> None:
    out = novum_command("show", "demo", "-w", finished).out
    for said in (
        "maximise yield",
        "optimizer, seed 1",
        "6 of 6 experiments",
        "Iterations",
        "C001",
        "demo-control",
    ):
        assert said in out


def test_overview_as_json(finished: Path) -> None:
    data = novum_command("show", "demo", "--json", "-w", finished).json
    assert data["experiments_used"] == 6
    assert data["best"]["values"]["yield"]["unit"] == "%"
    assert data["claims"][0]["id"] == "C001"


@pytest.mark.parametrize("record", ["H001", "h001", "E001", "C001", "R03", "design/0", "campaign"])
def test_every_kind_of_record_can_be_shown(record: str, finished: Path) -> None:
    if record == "R03":
        record = novum_command("show", "demo", "--json", "-w", finished).json["best"]["candidate"]["id"]
    ended = novum_command("show", "demo", record, "-w", finished)
    assert ended.code == 0, ended.err
    assert ended.out.strip()
    assert "kind" in novum_command("show", "demo", record, "--json", "-w", finished).json


def test_unknown_record_offers_the_nearest(finished: Path) -> None:
    ended = novum_command("show", "demo", "H0011", "-w", finished)
    assert (ended.code, "'H001'" in ended.err) == (2, True)


def test_reading_leaves_no_workspace_behind(tmp_path: Path) -> None:
    for command in (
        ("show", "x"),
        ("campaigns",),
        ("report", "x"),
        ("verify", "x"),
        ("ask", "x"),
        ("kb", "stats"),
    ):
        novum_command(*command, "-w", tmp_path / "none")
        assert not (tmp_path / "none").exists(), command
    assert "no campaigns" in novum_command("campaigns", "-w", tmp_path / "none").err
    assert novum_command("campaigns", "--json", "-w", tmp_path / "none").json == []


def test_report_can_be_written_elsewhere(finished: Path, tmp_path: Path) -> None:
    paths = novum_command("report", "demo", "-o", tmp_path / "r", "--json", "-w", finished).json
    assert Path(paths["html"]).read_text().startswith("<!")
    assert Path(paths["markdown"]).parent == tmp_path / "r"


def test_verify_accepts_a_sound_campaign(finished: Path) -> None:
    ended = novum_command("verify", "demo", "-w", finished)
    assert ended.code == 0, ended.out + ended.err
    for check in ("hash chain", "registrations", "verdicts", "decisions"):
        assert check in ended.out


def test_verify_names_the_first_difference_of_two_campaigns(finished: Path) -> None:
    ended = novum_command("verify", "demo", "demo-control", "--no-replay", "-w", finished)
    assert ended.code == 5
    assert "first differ at 'campaign'" in ended.out
    assert novum_command("verify", "demo", "demo", "--no-replay", "-w", finished).code == 0


def test_verify_finds_a_changed_record(finished: Path, tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    shutil.copytree(finished, ws)
    with sqlite3.connect(ws / "ledger.sqlite3") as connection:
        connection.execute("DROP TRIGGER events_are_not_updated")
        connection.execute("UPDATE events SET payload = replace(payload, 'demo', 'demi') WHERE ordinal = 1")
    connection.close()
    ended = novum_command("verify", "demo", "--json", "-w", ws)
    assert ended.code == 5
    assert ended.json["ok"] is False
    assert ended.json["checks"][0]["found"].startswith("record 1")
    assert ended.told["error"]["type"] == "EvidenceError"


def test_two_runs_with_one_seed_decide_the_same(pool: Path, tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    for name in ("one", "two"):
        novum_command("run", pool, "--name", name, "--seed", 5, "--no-recall", "-q", "-w", ws)
    ended = novum_command("verify", "one", "two", "-w", ws)
    assert ended.code == 0, ended.out


def test_kb_search_list_show_stats_and_rebuild(finished: Path) -> None:
    found = novum_command("kb", "search", "yield", "-n", 2, "--json", "-w", finished).json
    assert len(found) == 2
    name = found[0]["item"]["id"]
    assert name in novum_command("kb", "search", "yield", "-w", finished).out
    assert found[0]["item"]["text"] in novum_command("kb", "show", name[:-2], "-w", finished).out
    listed = novum_command("kb", "list", "-n", 3, "--relation", "yield", "--json", "-w", finished).json
    assert {item["relation"] for item in listed} == {"yield"}
    stats = novum_command("kb", "stats", "--json", "-w", finished).json
    assert novum_command("kb", "rebuild", "--json", "-w", finished).json["indexed"] == stats["n_items"]


def test_kb_says_when_it_knows_nothing(finished: Path) -> None:
    ended = novum_command("kb", "list", "--relation", "nothing", "-w", finished)
    assert (ended.code, ended.out, "nothing is known" in ended.err) == (0, "", True)
    assert novum_command("kb", "show", "K-nope", "-w", finished).code == 2


def test_completion_names_the_ledgers_campaigns(finished: Path, tmp_path: Path) -> None:
    def complete(folder: Path, incomplete: str) -> list[str]:
        return complete_campaign(SimpleNamespace(params={"workspace": folder}), incomplete)

    with Ledger(finished / "ledger.sqlite3") as ledger:
        assert complete(finished, "") == sorted(c.id for c in ledger.campaigns())
    assert complete(finished, "demo-") == ["demo-control"]
    assert complete(tmp_path, "") == []
    (tmp_path / "ledger.sqlite3").write_text("not a database, but long enough to be read as one" * 40)
    assert complete(tmp_path, "") == []
