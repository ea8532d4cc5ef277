import importlib.metadata

import pytest
from made_up_tools import absent, brew, refractometer, weigh

from novum.core.errors import NotFoundError, UsageError
from novum.tools.registry import BUILT_IN, BrokenTool, Registry


@pytest.fixture
def registry():
    return Registry([weigh, brew, refractometer, absent])


def test_tools_are_found_by_name(registry):
    assert registry.get("lab.brew") is brew
    assert [t.spec.name for t in registry.tools()] == [
        "lab.absent",
        "lab.brew",
        "lab.refractometer",
        "lab.weigh",
    ]


def test_an_unknown_name_offers_the_nearest(registry):
    with pytest.raises(NotFoundError, match=r"did you mean 'lab\.brew'"):
        registry.get("lab.brow")
    with pytest.raises(NotFoundError, match=r"known are lab\.absent, "):
        registry.get("zzz")


def test_duplicate_tool_name_is_an_error(registry):
    with pytest.raises(UsageError, match=r"two tools are called 'lab\.brew'"):
        registry.register(brew)


def test_properties_list_their_tools_cheapest_first(registry):
    assert [s.name for s in registry.for_property("strength")] == ["lab.refractometer", "lab.brew"]
    assert set(registry.properties()) == {"strength", "yield_", "weight"}


def test_an_unknown_property_offers_the_nearest(registry):
    with pytest.raises(NotFoundError, match="did you mean 'strength'"):
        registry.for_property("strenght")
    with pytest.raises(NotFoundError, match="no tool measures 'mass'"):
        registry.independent("mass", "scales")


def test_another_method_is_independent(registry):
    assert [s.name for s in registry.independent("strength", "percolation")] == ["lab.refractometer"]
    assert registry.independent("yield_", "percolation") == []


def test_a_tool_without_its_library_is_listed_and_unavailable(registry):
    assert not registry.is_available(absent.spec)
    assert absent.spec in registry.for_property("weight")
    assert absent.spec.extra == "unicorn"
    assert registry.is_available(brew.spec)


def test_built_in_tools_load_without_metadata(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [])
    registry = Registry.load()
    assert [t.spec.name for t in registry.tools()] == sorted(BUILT_IN)
    assert registry.broken == {}


def test_what_ships_and_fails_to_load_is_listed_with_its_error():
    registry = Registry()
    registry._load("lab.number", "made_up_tools:not_a_tool")
    registry._load("lab.alias", "made_up_tools:weigh")
    registry._load("lab.gone", "no_such_module:x")
    assert set(registry.broken) == {"lab.gone", "lab.number", "lab.alias"}
    assert "not a function under @tool" in registry.broken["lab.number"].error
    assert "calls itself 'lab.weigh'" in registry.broken["lab.alias"].error
    with pytest.raises(NotFoundError, match="could not be loaded: ModuleNotFoundError"):
        registry.get("lab.gone")


def test_a_broken_plugin_is_listed_and_stops_nothing():
    registry = Registry.load([BrokenTool("tools/bomb.py", "RuntimeError: boom")])
    assert registry.broken["tools/bomb.py"].error == "RuntimeError: boom"
    assert "chemistry.descriptors" in [t.spec.name for t in registry.tools()]


def test_the_package_declares_its_own_tools():
    declared = {p.name: p.value for p in importlib.metadata.entry_points(group="novum.tools")}
    assert {name: declared.get(name) for name in BUILT_IN} == dict(BUILT_IN)
