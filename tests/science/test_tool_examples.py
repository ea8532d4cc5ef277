"""What the tools declare of themselves: each example, run in a sandbox, gives the value of its source."""

import pytest

from novum.core.calls import ToolCall
from novum.core.errors import SandboxUnavailableError
from novum.sandbox.select import open_sandbox
from novum.tools.examples import compare
from novum.tools.registry import Registry
from novum.tools.runner import Runner

REGISTRY = Registry.load()
EXAMPLES = [
    pytest.param(found, example, id=f"{found.spec.name}-{number}")
    for found in REGISTRY.tools()
    for number, example in enumerate(found.examples, 1)
]


@pytest.fixture(scope="module")
def run():
    try:
        opened = open_sandbox()
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    yield Runner(REGISTRY, opened).run
    opened.close()


@pytest.mark.sandbox
@pytest.mark.parametrize(("found", "example"), EXAMPLES)
def test_the_example_gives_the_value_of_its_source(found, example, run):
    if found.missing_libraries():
        pytest.skip(f"needs novum[{found.spec.extra}]")
    result = run(ToolCall(tool=found.spec.name, arguments=example.arguments, seed=example.seed))
    assert result.ok, result.message
    for one in compare(example, result, found.spec):
        assert one.fits, (
            f"{one.name}: {one.found}, expected {one.expected} ± {one.tolerance} ({example.source})"
        )


def test_every_tool_of_chemistry_declares_examples():
    names = ("chemistry.descriptors", "chemistry.xtb", "chemistry.dft")
    assert all(REGISTRY.get(name).examples for name in names)
