"""Goal files over crystals: their keys, structures to substitute in, and complaints with a place."""

from pathlib import Path

import pytest

from novum.core.crystals import find_prototype
from novum.core.errors import GoalError
from novum.core.spaces import CrystalSpace
from novum.tools.registry import Registry
from novum.workflows.assays import choose_assays, missing_arguments
from novum.workflows.goal_files import load_goal
from novum.workflows.space_files import load_template


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


def goal_file(folder: Path, space: str) -> str:
    path = folder / "goal.yaml"
    path.write_text(
        "objectives:\n  - wish: minimise formation_energy\n    tool: materials.stability\n"
        f"space:\n  kind: crystals\n{space}"
    )
    return str(path)


def test_a_space_of_crystals_is_read_and_can_be_measured(tmp_path, registry) -> None:
    goal = load_goal(goal_file(tmp_path, "  elements: [Al, Ni]\n  prototypes: [B2, L1_2]\n"), registry)
    assert isinstance(goal.space, CrystalSpace)
    assert [p.name for p in goal.space.types()] == ["B2", "L1_2"]
    tool = registry.get("materials.stability").spec
    assert missing_arguments(tool, goal.space, {}) == []
    if registry.is_available(tool):
        assert choose_assays(goal, registry)["formation_energy"].tool == tool


@pytest.mark.parametrize(
    ("space", "key", "reason"),
    [
        ("  elements: [Al, Nj]\n", "space.elements", "'Nj' is no element, did you mean"),
        ("  elements: [Al]\n", "space.elements", "at least 2"),
        ("  elements: [Al, Ni]\n  prototypes: [B99]\n", "space", "unknown structure type 'B99'"),
        ("  elements: [Al, Ni]\n  templates: [none.cif]\n", "space.templates.0", "there is no file"),
        ("  elements: [Al, Ni]\n  prototype: [B2]\n", "space.prototype", "did you mean 'prototypes'"),
    ],
)
def test_a_space_that_cannot_be_is_refused_with_its_place(tmp_path, registry, space, key, reason) -> None:
    with pytest.raises(GoalError, match=reason) as caught:
        load_goal(goal_file(tmp_path, space), registry)
    assert caught.value.key == key


def test_a_structure_file_becomes_a_structure_type(tmp_path, registry) -> None:
    known = find_prototype("C16")
    assert known is not None
    (tmp_path / "khatyrkite.poscar").write_text(known.crystal(["Al", "Cu"]))
    found = load_template(tmp_path / "khatyrkite.poscar")
    assert found.name == "khatyrkite"
    assert found.example == "Al2Cu"
    assert found.counts == known.counts
    goal = load_goal(
        goal_file(tmp_path, "  elements: [Zr, Ni]\n  templates: [khatyrkite.poscar]\n"), registry
    )
    assert [p.name for p in goal.space.types()] == ["khatyrkite"]


def test_a_file_that_is_no_crystal_is_refused(tmp_path) -> None:
    (tmp_path / "note.cif").write_text("nothing here")
    with pytest.raises(GoalError, match="cannot be read as a crystal"):
        load_template(tmp_path / "note.cif")
