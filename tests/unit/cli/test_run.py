"""``novum run`` and ``novum resume`` over a pool and a fake sandbox."""

from pathlib import Path

import pytest
from conftest import novum_command

from novum.cli.approval import parse_choice
from novum.core.errors import UsageError


def test_run_prints_progress_findings_report_and_what_is_next(pool: Path, tmp_path: Path) -> None:
    ws = tmp_path / "my lab"
    ended = novum_command("run", pool, "--name", "one", "-w", ws, "--seed", 4)
    assert ended.code == 0, ended.err
    assert "one pursues: maximise yield" in ended.out
    assert "iteration 0: 3 hypotheses" in ended.out
    assert "best so far" in ended.out
    assert "C001" in ended.out
    assert f"novum show one --workspace '{ws}'" in ended.out
    assert (ws / "reports/one.html").is_file()
    assert (ws / "reports/one.md").is_file()
    assert max(map(len, ended.out.splitlines())) < 400


def test_quiet_run_prints_findings_only(pool: Path, tmp_path: Path) -> None:
    ended = novum_command("run", pool, "-q", "-w", tmp_path / "ws")
    assert "iteration" not in ended.out
    assert "C001" in ended.out


def test_json_run_prints_one_event_a_line_and_nothing_else(pool: Path, tmp_path: Path) -> None:
    ended = novum_command("run", pool, "--json", "--name", "j", "-w", tmp_path / "ws", "--experiments", 3)
    assert ended.code == 0
    assert {line["campaign"] for line in ended.lines} == {"j"}
    types = [line["type"] for line in ended.lines]
    assert types[0] == "campaign_started"
    assert types[-1] == "campaign_finished"
    assert ended.told["outcome"] == "finished"
    assert Path(ended.told["report"]["html"]).is_file()


def test_options_replace_the_goal_files_own_values(pool: Path, tmp_path: Path) -> None:
    ended = novum_command(
        "run", pool, "--json", "--seed", 9, "-n", 2, "--batch", 1, "--planner", "random", "--no-recall",
        "-w", tmp_path / "ws",
    )  # fmt: skip
    started = ended.lines[0]
    assert started["goal"]["seed"] == 9
    assert started["goal"]["budget"]["experiments"] == 2
    assert started["goal"]["budget"]["batch"] == 1
    assert (started["planner"], started["recall"]) == ("random", False)


def test_control_arm_runs_after_the_campaign_and_is_compared(pool: Path, tmp_path: Path) -> None:
    ended = novum_command("run", pool, "--name", "c", "--control", "random", "-w", tmp_path / "ws")
    assert "Against the control arm" in ended.out
    found = novum_command("campaigns", "--json", "-w", tmp_path / "ws").json
    assert [(c["id"], c["state"], c["parent"]) for c in found] == [
        ("c", "finished", None),
        ("c-control", "finished", "c"),
    ]
    control = novum_command("show", "c-control", "--json", "-w", tmp_path / "ws").json["campaign"]
    assert control["planner"] == "random"
    assert control["recall"] is False
    assert control["goal"]["confirmation"]["method"] == "none"
    assert control["goal"]["seed"] == 0


def test_control_arm_that_did_not_run_is_resumed_with_its_campaign(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = tmp_path / "ws"
    with monkeypatch.context() as patch:
        patch.setattr("novum.cli.run.go_on", lambda *_: None)  # as if killed after the first events
        novum_command("run", pool, "--name", "c", "--control", "random", "-w", ws)
    states = [c["state"] for c in novum_command("campaigns", "--json", "-w", ws).json]
    assert states == ["not begun", "not begun"]
    assert novum_command("resume", "c", "-w", ws).code == 0
    states = [c["state"] for c in novum_command("campaigns", "--json", "-w", ws).json]
    assert states == ["finished", "finished"]


def test_resume_can_add_a_control_arm(pool: Path, tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    novum_command("run", pool, "--name", "c", "-w", ws)
    ended = novum_command("resume", "c", "--control", "random", "-w", ws)
    assert "c-control" in ended.out


def test_approval_without_a_terminal_says_how_to_go_on(pool: Path, tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    ended = novum_command("run", pool, "--name", "a", "--approve", "-w", ws)
    assert ended.code == 0
    assert "a waits for approval of E001, E002, E003" in ended.out
    assert "--approve all" in ended.out
    assert novum_command("resume", "a", "--approve", "E009", "-w", ws).code == 2
    ended = novum_command("resume", "a", "--approve", "e001,E003", "-w", ws)
    assert "waits for approval of E004" in ended.out  # a choice never speaks for a batch not yet seen
    assert "E002 not run: refused by" in ended.out
    while "waits for approval" in ended.out:
        ended = novum_command("resume", "a", "--approve", "all", "-w", ws)
    assert "C001" in ended.out
    ended = novum_command("resume", "a", "--approve", "all", "-w", ws)
    assert (ended.code, "no experiments wait" in ended.err) == (2, True)


@pytest.mark.parametrize("choice", ["y", "ALL", "yes"])
def test_choice_of_all(choice: str) -> None:
    assert parse_choice(choice, ["E001"]) == ["E001"]


@pytest.mark.parametrize("choice", ["", "maybe", "E001,E777"])
def test_choice_that_cannot_be_read(choice: str) -> None:
    with pytest.raises(UsageError, match="is not what is asked about"):
        parse_choice(choice, ["E001", "E002"])


def test_name_that_is_taken_is_refused(pool: Path, tmp_path: Path) -> None:
    for code in (0, 2):
        ended = novum_command("run", pool, "--name", "x", "-n", 1, "-w", tmp_path / "ws")
        assert ended.code == code
    assert "novum resume x" in ended.err


@pytest.mark.parametrize("name", ["../x", "", "-x", "a b", "x" * 81, "a\x1b"])
def test_name_that_cannot_be_a_file_is_refused(name: str, pool: Path, tmp_path: Path) -> None:
    ended = novum_command("run", pool, f"--name={name}", "-w", tmp_path / "ws")
    assert (ended.code, ended.out) == (2, "")
    assert not (tmp_path / "ws").exists()


def test_resume_of_an_unknown_campaign_offers_the_nearest(finished: Path) -> None:
    ended = novum_command("resume", "dmo", "-w", finished)
    assert ended.code == 2
    assert "did you mean 'demo'" in ended.err


def test_workspace_that_cannot_be_made_is_one_message(pool: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = novum_command("run", pool, "-w", tmp_path / "file")
    assert ended.code == 4
    assert ended.err.count("\n") == 1
