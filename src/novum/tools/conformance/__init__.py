"""What every tool must be: the checks of ``novum tools check``, for the tests of a plugin as well.

Example:
    In a plugin's tests::

        from novum.tools.conformance import check

        def test_it_conforms():
            report = check(my_tool)
            assert report.passed, str(report)
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from novum.core.calls import CallStatus
from novum.sandbox.base import Profile, Sandbox, SandboxRequest
from novum.tools.base import Tool
from novum.tools.conformance import imports, watch
from novum.tools.conformance.checks import BUDGET_S, Checker
from novum.tools.conformance.evidence import Tried, try_call
from novum.tools.conformance.imports import normalised
from novum.tools.conformance.report import Finding, Outcome, Report
from novum.tools.plugins import inside
from novum.tools.plugins.describe import LIMITS, PluginError, describe
from novum.tools.plugins.sources import Source, module_source
from novum.tools.registry import AnyTool

__all__ = ["Finding", "Outcome", "Report", "check", "check_source", "check_tool"]


def check(tool: Tool[..., Any], sandbox: Sandbox | None = None) -> Report:
    """Check a tool of one's own, as others would get it: from its module's code, in a sandbox.

    Args:
        tool: a function under ``@tool`` at the top of a module.
        sandbox: where; the strongest that this machine has by default.

    Raises:
        SourceError: the code of its module cannot be found.
        SandboxUnavailableError: no isolation can be had here.
    """
    from novum.sandbox import open_sandbox

    opened = sandbox or open_sandbox()
    module = sys.modules[tool.function.__module__]
    parts = module.__name__.split(".")
    folder = Path(str(module.__file__)).resolve().parents[len(parts) - 1]
    if Path(str(module.__file__)).name == "__init__.py":
        folder = folder.parent
    try:
        source = module_source(tool.spec.entry, folder)
        (report,) = check_source(source, lambda: opened)
        return report
    finally:
        if sandbox is None:
            opened.close()


def check_source(
    source: Source, sandbox: Callable[[], Sandbox], *, budget_s: float = BUDGET_S
) -> list[Report]:
    """Check every tool of a module, and the module itself. Nothing of it runs outside of the sandbox.

    Raises:
        InfrastructureError: no isolation can be had, or it failed.
    """
    whole = Report(source.origin)
    try:
        tools = describe(source, sandbox)
    except PluginError as error:
        whole.add("loads", [str(error)])
        return [whole]
    reports = [check_tool(tool, sandbox(), budget_s=budget_s) for tool in tools]
    reached = _reached_on_import(source, sandbox())
    used = _used_packages(source, sandbox())
    for tool, report in zip(tools, reports, strict=True):
        report.add("import", reached, kept="importing it reaches for nothing")
        if used is None:
            report.skip("packages", "its source cannot be read")
            continue
        # a module with several tools says for each what that one computes with
        declared = {normalised(name) for other in tools for name in other.libraries}
        hidden = [
            f"it imports {name}, which it does not list under 'libraries': its version is no part of a "
            "result's address, and nobody is asked about it"
            for name in used
            if name not in declared
        ]
        report.add("packages", hidden, kept=", ".join(tool.libraries) or "none")
    return reports


def check_tool(
    tool: AnyTool, sandbox: Sandbox, *, granted: bool = False, budget_s: float = BUDGET_S
) -> Report:
    """Check one tool: schema, units, ranges, docstring, determinism, bad input, answers, reach.

    Args:
        tool: the tool.
        sandbox: where it is called, with nothing of what it asks for unless `granted`.
        granted: whether it gets the files, hosts and accelerators that it declares.
        budget_s: seconds after which no further call is started.

    Raises:
        InfrastructureError: no isolation can be had, or it failed.
    """
    return Checker(tool, sandbox, granted=granted, budget_s=budget_s).run()


def _try(source: Source, sandbox: Sandbox, entry: str, arguments: dict[str, str]) -> Tried:
    request = SandboxRequest(
        entry=f"{watch.__name__}:watched",
        arguments={"entry": entry, "arguments": arguments, "readable": []},
        profile=Profile(name="plugin", modules=(inside.__name__, watch.__name__)),
        limits=LIMITS,
    )
    return try_call(sandbox, request, {inside.ARCHIVE: source.archive} if source.archive else {})


def _used_packages(source: Source, sandbox: Sandbox) -> list[str] | None:
    tried = _try(source, sandbox, f"{imports.__name__}:used_packages", {"module": source.module})
    found = tried.answer if tried.status is CallStatus.OK else None
    return [str(name) for name in found] if isinstance(found, list) else None


def _reached_on_import(source: Source, sandbox: Sandbox) -> list[str]:
    arguments = {"module": source.module, "attribute": source.attribute}
    tried = _try(source, sandbox, f"{inside.__name__}:describe", arguments)
    if tried.status is not CallStatus.OK:
        return [f"importing it a second time ends with {tried.status.value}: {tried.message[:150]}"]
    return [f"importing it reaches for {one.get('what')} ({one.get('kind')})" for one in tried.seen]
