"""Planners, embedders and executors of other packages: found by name, and refused in words."""

import importlib.metadata
import sys

import pytest

from novum.agents.choose import open_planner
from novum.core.errors import UsageError
from novum.core.extensions import GROUPS, ExtensionError, extension_names, open_extension
from novum.knowledge_base.embedders import HashingEmbedder, open_embedder
from novum.workflows.executors import LocalExecutor, open_executor

MODULE = """
from novum.agents.random_planner import RandomPlanner
from novum.knowledge_base.embedders import HashingEmbedder
from novum.workflows.executors import LocalExecutor

class Careful(RandomPlanner):
    name = "careful"

def small():
    return HashingEmbedder(64)

class Cluster(LocalExecutor):
    pass

class Nothing:
    pass

def fails():
    raise RuntimeError("no licence")
"""


@pytest.fixture
def offer(monkeypatch, tmp_path):
    (tmp_path / "other_package.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    points = []
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [p for p in points if p.group == group]
    )
    yield lambda kind, name, value: points.append(importlib.metadata.EntryPoint(name, value, GROUPS[kind]))
    sys.modules.pop("other_package", None)


def test_what_a_package_offers_opens_by_its_name(offer):
    offer("planner", "careful", "other_package:Careful")
    offer("embedder", "small", "other_package:small")
    offer("executor", "cluster", "other_package:Cluster")
    assert open_planner("careful").name == "careful"
    assert open_embedder("small").dimensions == 64
    made = open_executor("cluster", None, workers=1, cancel=lambda: None)
    assert type(made).__name__ == "Cluster"


def test_nothing_is_loaded_that_is_not_named(offer):
    offer("planner", "bomb", "no_such_module:x")
    assert extension_names("planner") == ("bomb",)
    assert open_planner("random").name == "random"
    assert isinstance(open_embedder("hashing"), HashingEmbedder)
    assert isinstance(open_executor("local", None, workers=1, cancel=lambda: None), LocalExecutor)
    assert "other_package" not in sys.modules


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module:x", "cannot be loaded: ModuleNotFoundError"),
        ("other_package:nowhere", "cannot be loaded: AttributeError"),
        ("other_package:fails", "cannot be loaded: RuntimeError: no licence; update or remove"),
        ("other_package:Nothing", "is none: it has no 'name', 'plan'"),
    ],
)
def test_one_that_cannot_be_used_says_why(offer, value, said):
    offer("planner", "odd", value)
    with pytest.raises(ExtensionError, match=said):
        open_planner("odd")


def test_two_packages_of_one_name_are_an_error(offer):
    offer("planner", "careful", "other_package:Careful")
    offer("planner", "careful", "another:Careful")
    with pytest.raises(ExtensionError, match="two packages offer the planner 'careful'"):
        open_planner("careful")


def test_an_unknown_name_lists_what_is_offered(offer):
    offer("planner", "careful", "other_package:Careful")
    offer("executor", "cluster", "other_package:Cluster")
    with pytest.raises(UsageError, match="did you mean 'careful'"):
        open_planner("carefull")
    with pytest.raises(UsageError, match="there are 'local', 'cluster'"):
        open_executor("grid", None, workers=1, cancel=lambda: None)
    assert open_extension("embedder", "none") is None


def test_a_package_cannot_replace_what_is_ours(offer):
    offer("planner", "random", "other_package:Careful")
    assert open_planner("random").name == "random"
