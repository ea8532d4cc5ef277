"""``novum tools``, ``novum doctor`` and ``novum init``."""

from pathlib import Path

import pytest
from conftest import novum_command

import novum.sandbox
from novum.cli.doctor import State, check_folder, describe, examine
from novum.cli.options import open_workspace
from novum.core.errors import SandboxUnavailableError
from novum.tools.registry import Registry
from novum.workflows.assays import choose_assays
from novum.workflows.goal_files import load_goal

KINDS = ["molecules", "pool", "parameters", "manual"]


@pytest.mark.parametrize("kind", KINDS)
def test_init_writes_a_goal_that_loads(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "goal.yaml"
    ended = novum_command("init", file, "--kind", kind)
    assert ended.code == 0, ended.err
    assert "#" in file.read_text()
    registry = Registry.load()
    goal = load_goal(str(file), registry)
    assert choose_assays(goal, registry)


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "candidates.csv").write_text("mine")
    ended = novum_command("init", tmp_path / "goal.yaml", "--kind", "pool")
    assert ended.code == 2
    assert "--force" in ended.err
    assert not (tmp_path / "goal.yaml").exists()
    assert (tmp_path / "candidates.csv").read_text() == "mine"
    assert novum_command("init", tmp_path / "goal.yaml", "--kind", "pool", "--force").code == 0


def test_init_in_a_missing_folder_is_one_message(tmp_path: Path) -> None:
    ended = novum_command("init", tmp_path / "none" / "goal.yaml")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_tools_list_names_properties_with_units() -> None:
    out = novum_command("tools", "list").out
    assert "chemistry.descriptors" in out
    assert "homo_lumo_gap [eV]" in out
    data = novum_command("tools", "list", "--json").json
    assert {t["name"] for t in data["tools"]} >= {"chemistry.descriptors", "chemistry.xtb"}


def test_tools_show() -> None:
    out = novum_command("tools", "show", "chemistry.descriptors").out
    for said in ("smiles", "required", "Properties", "qed"):
        assert said in out


def test_unknown_tool_offers_the_nearest() -> None:
    ended = novum_command("tools", "show", "chemistry.descriptor")
    assert (ended.code, "'chemistry.descriptors'" in ended.err) == (2, True)


def test_tools_run_answers_and_then_comes_from_the_cache(tmp_path: Path) -> None:
    call = ("tools", "run", "chemistry.descriptors", "smiles=CCO", "--json", "-w", tmp_path / "ws")
    first = novum_command(*call)
    assert first.code == 0, first.err
    assert first.json["properties"]["heavy_atoms"]["value"] == 3
    assert novum_command(*call).json["cached"] is True
    assert novum_command(*call, "--fresh").json["cached"] is False
    assert "heavy_atoms" in novum_command(*call[:4], "-w", tmp_path / "ws").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["CCO"], 2), (["smiles=C", "smiles=O"], 2), (["smile=C"], 2), ([], 2), (["smiles=C1CC("], 1)],
)
def test_bad_arguments_of_a_tool(arguments: list[str], code: int, tmp_path: Path) -> None:
    ended = novum_command("tools", "run", "chemistry.descriptors", *arguments, "-w", tmp_path / "ws")
    assert ended.code == code
    assert ended.err.startswith("error: ")


def test_doctor_without_isolation_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise SandboxUnavailableError("set kernel.unprivileged_userns_clone=1")

    monkeypatch.setattr(novum.sandbox, "open_sandbox", refuse)
    ended = novum_command("doctor", "-w", tmp_path / "ws")
    assert ended.code == 1
    assert "kernel.unprivileged_userns_clone=1" in ended.out
    assert "cannot run here: sandbox" in ended.out
    assert not (tmp_path / "ws").exists()


def test_doctor_lists_every_area(tmp_path: Path) -> None:
    data = novum_command("doctor", "--json", "-w", tmp_path / "ws").json
    areas = {f["area"] for f in data["findings"]}
    assert areas >= {"python", "packages", "extras", "sandbox", "tools", "planner", "knowledge", "workspace"}
    # The fake sandbox isolates nothing, and that is what must be said.
    assert data["ok"] is False
    assert [f["name"] for f in data["findings"] if f["state"] == "broken"] == ["isolates"]


def test_doctor_finds_a_damaged_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_text("this is not a database" * 100)
    with open_workspace(tmp_path, create=True) as workspace:
        found = {f.name: f for f in examine(workspace)}
    assert found["ledger"].state is State.BROKEN
    assert describe([*found.values()], fit=False)


def test_doctor_finds_a_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    (found,) = check_folder(tmp_path)
    assert found.state is State.BROKEN
