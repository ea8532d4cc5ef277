"""What ships passes the check that plugins are held against."""

import pytest

from novum.core.errors import SandboxUnavailableError
from novum.sandbox.select import open_sandbox
from novum.tools.conformance import check_tool
from novum.tools.registry import Registry


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ["chemistry.descriptors", "chemistry.xtb"])
def test_a_tool_of_ours_passes_the_check(name):
    registry = Registry.load()
    if registry.get(name).missing_libraries():
        pytest.skip("its library is not installed")
    try:
        sandbox = open_sandbox()
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    with sandbox:
        report = check_tool(registry.get(name), sandbox, granted=True)
    assert report.passed, str(report)
