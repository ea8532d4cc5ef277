"""What a person grants holds for the code that was there, and for nothing else."""

import stat

import pytest

from novum.core.calls import PropertySpec, ToolSpec
from novum.core.errors import MissingExtraError, StoreError
from novum.tools.described import DescribedTool
from novum.tools.plugins.trust import NotTrustedError, TrustStore
from novum.tools.registry import Registry


def plugin(code="a" * 64, *, libraries=(), **changes) -> DescribedTool:
    given = {
        "name": "lab.weigh",
        "version": "1",
        "description": "Weigh.",
        "entry": "m:f",
        "parameters": {"type": "object", "properties": {}},
        "properties": (PropertySpec(name="weight", unit="kg", description="of it"),),
        "method": "scales",
    }
    return DescribedTool(
        ToolSpec(**(given | changes)),
        origin="tools/m.py",
        kind="file",
        code=code,
        launch=lambda *_: None,
        libraries=libraries,
    )


@pytest.fixture
def store(tmp_path):
    return TrustStore(tmp_path / "config" / "trusted.json")


def test_nothing_is_trusted_until_a_person_says_so(store):
    with pytest.raises(NotTrustedError, match=r"is not trusted yet; .* novum tools trust lab\.weigh"):
        store.check(plugin())
    granted = store.add(plugin(hosts=("data.example.org",), gpu=True, files=("/data/x",)))
    assert granted.needs.hosts == ("data.example.org",)
    assert store.check(plugin(hosts=("data.example.org",), gpu=True, files=("/data/x",))) == granted


def test_changed_code_asks_again(store):
    store.add(plugin())
    with pytest.raises(NotTrustedError, match="has changed since it was trusted"):
        store.check(plugin("b" * 64))


@pytest.mark.parametrize("more", [{"hosts": ("a.example",)}, {"gpu": True}, {"files": ("/data",)}])
def test_asking_for_more_asks_again(store, more):
    store.add(plugin())
    with pytest.raises(NotTrustedError):
        store.check(plugin(**more))


def test_two_projects_may_have_different_code_under_one_name(store):
    store.add(plugin())
    store.add(plugin("b" * 64))
    assert store.check(plugin()).code == "a" * 64
    assert store.check(plugin("b" * 64)).code == "b" * 64


def test_a_grant_can_be_taken_back(store):
    store.add(plugin())
    assert store.withdraw("lab.weigh") == 1
    assert store.withdraw("lab.weigh") == 0
    assert store.find(plugin()) is None


def test_the_file_is_for_its_owner_only(store):
    store.add(plugin())
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600


def test_a_damaged_file_trusts_nobody(store):
    store.add(plugin())
    store.file.write_text("[]")
    with pytest.raises(StoreError, match="trust your tools again"):
        TrustStore(store.file).find(plugin())


def test_what_another_process_grants_is_seen(store):
    assert store.find(plugin()) is None
    TrustStore(store.file).add(plugin())
    assert store.find(plugin()) is not None


def test_an_untrusted_tool_is_never_chosen_before_a_trusted_one(store):
    cheap, own = plugin(nominal_cost_s=1e-6), plugin(name="lab.scales", nominal_cost_s=10)
    store.add(own)
    registry = Registry([cheap, own], trust=store)
    assert [spec.name for spec in registry.for_property("weight")] == ["lab.scales", "lab.weigh"]
    assert not registry.is_available(cheap.spec)
    store.add(cheap)
    assert [spec.name for spec in registry.for_property("weight")] == ["lab.weigh", "lab.scales"]
    assert registry.trusted_code(["lab.scales"])["tool lab.scales"].startswith("a" * 64 + " trusted 2")


def test_without_a_store_no_tool_of_others_can_be_called(store):
    registry = Registry([plugin(), plugin(name="lab.absent", libraries=("no-such-distribution",))])
    with pytest.raises(NotTrustedError):
        registry.require("lab.weigh")
    with pytest.raises(MissingExtraError):
        registry.require("lab.absent")
