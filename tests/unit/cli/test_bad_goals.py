"""Goals that cannot be pursued: one clear message, exit code 2, nothing written."""

from pathlib import Path

import pytest
from conftest import novum_command

MOLECULES = "objectives: [maximise qed]\n"

BAD = {
    "unknown property": ("objectives: [maximise qeed]\n", "qed"),
    "missing unit": ("objectives: [homo_lumo_gap >= 4]\n", "missing unit"),
    "wrong unit": ("objectives: [homo_lumo_gap >= 4 kg]\n", "kg"),
    "impossible interval": ("objectives: [logp between 3 and 1]\n", "impossible interval"),
    "unreadable SMILES": (MOLECULES + "space: {kind: molecules, start: bad.smi}\n", "line 2"),
    "empty pool": (
        "objectives: [maximise yield in % using pool]\nspace: {kind: pool, file: empty.csv}\n",
        "empty",
    ),
    "budget of zero": (MOLECULES + "budget: {experiments: 0}\n", "budget.experiments"),
    "unknown key": (MOLECULES + "bugdet: {experiments: 5}\n", "did you mean 'budget'"),
    "YAML syntax": ("objectives: [maximise qed\nseed: 1\n", "not valid YAML"),
    "unknown tool": ("objectives: [maximise qed using chemistry.descriptor]\n", "chemistry.descriptors"),
    "control characters": ('objectives: ["maximise \\e[2Jqed"]\n', "cannot read"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_goal_file(name: str, tmp_path: Path) -> None:
    text, said = BAD[name]
    (tmp_path / "bad.smi").write_text("CCO\nC1CC(\n")
    (tmp_path / "empty.csv").write_text("run,yield\n")
    goal = tmp_path / "goal.yaml"
    goal.write_text(text)
    check(novum_command("run", goal, "-w", tmp_path / "ws"), said)


def test_directory_as_file(tmp_path: Path) -> None:
    check(novum_command("run", tmp_path, "-w", tmp_path / "ws"), "directory")


def test_invalid_utf8(tmp_path: Path) -> None:
    goal = tmp_path / "goal.yaml"
    goal.write_bytes(b"objectives: [maximise qed]\ntitle: \xff\n")
    check(novum_command("run", goal, "-w", tmp_path / "ws"), "line 2")


@pytest.mark.parametrize(
    ("sentence", "said"),
    [("maximise qeed", "qed"), (" ; ", "empty"), ("find me a drug", "cannot read"), ("none.yaml", "no file")],
)
def test_bad_sentence(sentence: str, said: str, tmp_path: Path) -> None:
    check(novum_command("run", sentence, "-w", tmp_path / "ws"), said)


def test_unknown_planner(tmp_path: Path) -> None:
    ended = novum_command("run", "maximise qed", "--planner", "optimiser", "-w", tmp_path / "ws")
    assert ended.code == 2
    assert "did you mean 'optimizer'" in ended.err


@pytest.mark.parametrize("option", ["--experiments", "--batch", "--seconds", "--workers"])
def test_zero_is_a_usage_error(option: str, tmp_path: Path) -> None:
    ended = novum_command("run", "maximise qed", option, 0, "-w", tmp_path / "ws")
    assert ended.code == 2
    assert option in ended.err


def test_negative_seed_is_a_usage_error(tmp_path: Path) -> None:
    assert novum_command("run", "maximise qed", "--seed=-1", "-w", tmp_path / "ws").code == 2


def check(ended: object, said: str) -> None:
    assert ended.code == 2, ended
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert "\x1b" not in ended.err
