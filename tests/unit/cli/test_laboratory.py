"""``novum ask`` and ``novum tell``: a campaign measured by people."""

import csv
import io
from pathlib import Path

import pytest
from conftest import novum_command


@pytest.fixture
def waiting(manual: Path, tmp_path: Path) -> Path:
    ended = novum_command("run", manual, "--name", "lab", "-w", tmp_path / "ws")
    assert ended.code == 0, ended.err
    assert "lab waits for results of E001, E002" in ended.out
    assert "novum tell lab worklist.csv" in ended.out
    return tmp_path / "ws"


def fill(worklist: str, value: str = "71.5 %", std: str = "0.5") -> str:
    rows = list(csv.DictReader(io.StringIO(worklist)))
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows({**row, "value": value, "std": std} for row in rows)
    return out.getvalue()


def test_ask_and_tell_to_the_end(waiting: Path, tmp_path: Path) -> None:
    for _ in range(2):
        asked = novum_command("ask", "lab", "-w", waiting)
        assert asked.out.startswith("experiment,")
        told = novum_command("tell", "lab", "-", "--by", "ada", "-w", waiting, stdin=fill(asked.out))
        assert told.code == 0, told.err
    assert "71.50 ± 0.50 %" in told.out
    state = novum_command("campaigns", "--json", "-w", waiting).json[0]["state"]
    assert state == "finished"
    again = novum_command("ask", "lab", "-w", waiting)
    assert (again.code, "nobody" in again.err) == (0, True)


def test_ask_as_json(waiting: Path) -> None:
    task = novum_command("ask", "lab", "--json", "-w", waiting).json[0]
    assert task["experiment"] == "E001"
    assert (task["property"], task["unit"], task["value"]) == ("yield", "%", None)


def test_ask_never_writes_over_a_file(waiting: Path, tmp_path: Path) -> None:
    file = tmp_path / "work.csv"
    assert novum_command("ask", "lab", "-o", file, "-w", waiting).code == 0
    before = file.read_text()
    assert novum_command("ask", "lab", "-o", file, "-w", waiting).code == 2
    assert file.read_text() == before


def test_dry_run_records_nothing(waiting: Path) -> None:
    before = novum_command("verify", "lab", "--json", "-w", waiting).json["checks"][0]["found"]
    answers = fill(novum_command("ask", "lab", "-w", waiting).out)
    ended = novum_command("tell", "lab", "-", "--dry-run", "-w", waiting, stdin=answers)
    assert "Would be recorded" in ended.out
    assert novum_command("verify", "lab", "--json", "-w", waiting).json["checks"][0]["found"] == before


def test_partial_answers_and_failures_keep_it_waiting(waiting: Path) -> None:
    answers = "experiment,value,failed\nE001,,the flask broke\n"
    ended = novum_command("tell", "lab", "-", "-w", waiting, stdin=answers)
    assert "failed: the flask broke" in ended.out
    assert "waits for results of E002" in ended.out


def test_no_resume_leaves_the_campaign_where_it_is(waiting: Path) -> None:
    answers = fill(novum_command("ask", "lab", "-w", waiting).out)
    assert novum_command("tell", "lab", "-", "--no-resume", "-w", waiting, stdin=answers).code == 0
    assert "E003" not in novum_command("show", "lab", "-w", waiting).out


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("experiment,value\nE001,71.5\n", "needs a unit"),
        ("experiment,value\nE001,71.5 kg\n", "kg"),
        ("experiment,value\nE001,high\n", "not a number"),
        ("experiment,value,std\nE001,71.5 %,-1\n", "std"),
        ("experiment,value\nE099,71.5 %\n", "not asked for"),
        ("value\n71.5 %\n", "experiment"),
        ("", "experiment"),
        ("[{]", "JSON"),
        (b"experiment,value\nE001,\xff %\n", "line 2"),
    ],
)
def test_answers_that_cannot_be_taken_change_nothing(answers: str | bytes, said: str, waiting: Path) -> None:
    ended = novum_command("tell", "lab", "-", "-w", waiting, stdin=answers)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert len(novum_command("ask", "lab", "--json", "-w", waiting).json) == 2


def test_answers_from_a_missing_file(waiting: Path) -> None:
    ended = novum_command("tell", "lab", "none.csv", "-w", waiting)
    assert (ended.code, "none.csv" in ended.err) == (2, True)
