"""What every tool that comes with novum must be, and how it behaves inside a real sandbox."""

import importlib
import re

import pytest

from novum.core.calls import CallStatus, ToolCall
from novum.core.digest import canonical_json
from novum.core.errors import SandboxUnavailableError
from novum.core.quantity import canonical_unit, is_compatible
from novum.sandbox.select import open_sandbox
from novum.tools.base import Tool
from novum.tools.registry import Registry
from novum.tools.runner import Runner

REGISTRY = Registry.load()
TOOLS = REGISTRY.tools()

EXAMPLES = {
    "analysis.python": {"code": "print(6 * 7)"},
    "chemistry.descriptors": {"smiles": "CCO"},
    "chemistry.dft": {"smiles": "[H][H]"},
    "chemistry.xtb": {"smiles": "O"},
}
"""A quick call of each tool that declares no example of its own; a new tool needs one."""

EXTRAS = {"xtb", "dft", "mlip", "phonon", "imaging"}


def example_of(found: Tool) -> dict:
    """Return the arguments of a quick call: those given here, or of the first example that it declares."""
    return EXAMPLES[found.spec.name] if found.spec.name in EXAMPLES else found.examples[0].arguments


@pytest.fixture(params=TOOLS, ids=lambda found: found.spec.name)
def found(request) -> Tool:
    return request.param


def test_nothing_that_ships_is_broken():
    assert REGISTRY.broken == {}


def test_the_spec_is_complete(found):
    spec = found.spec
    assert len(spec.description) > 40
    assert "doi:" in spec.source or "Convention" in spec.source  # a treaty has none
    assert re.fullmatch(r"[0-9a-f]{64}", spec.code_hash)
    assert spec.extra is None or spec.extra in EXTRAS
    assert found.libraries
    for parameter in spec.parameters["properties"].values():
        assert parameter["description"]
    canonical_json(spec.model_dump(mode="json"))


def test_every_unit_is_known(found):
    for measured in found.spec.properties:
        assert is_compatible(canonical_unit(measured.unit), measured.unit)
    for parameter in found.spec.parameters["properties"].values():
        canonical_unit(parameter.get("x-unit", "1"))


def test_the_entry_leads_back_to_the_tool(found):
    module, _, name = found.spec.entry.partition(":")
    assert getattr(importlib.import_module(module), name) is found


def test_one_property_has_one_dimension_everywhere():
    for name, specs in REGISTRY.properties().items():
        units = [spec.find_property(name).unit for spec in specs]
        assert all(is_compatible(units[0], unit) for unit in units), name


@pytest.fixture(scope="module")
def sandbox():
    try:
        opened = open_sandbox()
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    yield opened
    opened.close()


@pytest.mark.sandbox
def test_the_example_runs_in_a_real_sandbox_with_the_same_numbers(found, sandbox):
    if found.missing_libraries():
        pytest.skip(f"needs novum[{found.spec.extra}]")
    call = ToolCall(tool=found.spec.name, arguments=example_of(found), seed=1)
    result = Runner(REGISTRY, sandbox).run(call)
    assert result.status is CallStatus.OK, result.message
    # What measures nothing has no numbers to compare, and code of others runs in no process of ours.
    direct = found.invoke(found.normalise(call.arguments), seed=1) if found.spec.properties else None
    for name, quantity in result.properties.items():
        spec = found.spec.find_property(name)
        assert quantity.to(spec.unit).value == pytest.approx(getattr(direct, name), rel=1e-6, abs=1e-6)
    assert result.wall_s > 0
    assert result.peak_memory_mb > 0


@pytest.mark.sandbox
def test_equal_calls_give_equal_numbers_to_the_last_digit(found, sandbox):
    if found.missing_libraries() or not found.spec.deterministic:
        pytest.skip("cannot run, or promises nothing")
    call = ToolCall(tool=found.spec.name, arguments=example_of(found), seed=1)
    first, second = (Runner(REGISTRY, sandbox).run(call) for _ in range(2))
    assert first.properties == second.properties
    assert first.details == second.details


@pytest.mark.sandbox
def test_a_molecule_that_is_none_is_an_error_in_words(found, sandbox):
    if "smiles" not in found.spec.parameters["properties"]:
        pytest.skip("takes no molecule")
    if found.missing_libraries():
        pytest.skip(f"needs novum[{found.spec.extra}]")
    known = found.examples[0].arguments  # what else it asks for
    call = ToolCall(tool=found.spec.name, arguments={**known, "smiles": "c1ccccc"})
    result = Runner(REGISTRY, sandbox).run(call)
    assert result.status is CallStatus.ERROR
    assert "'c1ccccc' is not a molecule: unclosed ring" in result.message
