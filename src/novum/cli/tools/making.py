"""Writing, checking and testing tools."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from novum.cli import render
from novum.cli.options import JsonOption, SandboxOption, examples
from novum.cli.terminal import show, write_json
from novum.cli.tools.group import ToolArgument, app
from novum.cli.tools.reading import open_tools
from novum.core.calls import ToolCall
from novum.core.errors import NotFoundError, ToolFailedError, UsageError

if TYPE_CHECKING:
    from novum.runtime import Workspace
    from novum.tools.conformance import Report
    from novum.tools.plugins.sources import Source

STYLES = {"kept": "green", "broken": "red", "note": "yellow", "skipped": "dim"}


@app.command("new", epilog=examples("novum tools new my_tool", "novum tools new my_tool --single-file"))
def new_tool(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tool's name, as my_tool.")],
    single_file: Annotated[
        bool, typer.Option("--single-file", help="Write ./tools/NAME.py, without packaging.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="The folder to write to.  [default: .]")
    ] = None,
) -> None:
    """Write a working, tested tool to start from: a package, or a single file."""
    from novum.tools.plugins.scaffold import write_file, write_package

    folder = into or Path()
    made = write_file(name, folder) if single_file else write_package(name, folder)
    for path in made:
        show(render.text(f"wrote {path}"))
    target = made[0] if single_file else folder / name
    show(render.text(f"next: novum tools check {target}"))


@app.command(
    "check",
    epilog=examples(
        "novum tools check tools/my_tool.py", "novum tools check ./my_tool", "novum tools check chemistry.xtb"
    ),
)
def check_tools(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A file, a package's folder, package.module[:function], or a tool's name."
        ),
    ],
    sandbox: SandboxOption = None,
    json: JsonOption = False,
) -> None:
    """Hold a tool against what every tool must be, with calls in the sandbox.

    Schema, units, ranges, docstring, determinism, bad arguments, honest failure, time and memory, and
    what it reaches for. It needs no trust: it gets nothing of what it asks for, unless it has been trusted.
    """
    with open_tools(sandbox) as opened:
        reports = list(_reports(target, opened))
    if json:
        write_json({"passed": all(report.passed for report in reports), "tools": [_json(r) for r in reports]})
    else:
        for report in reports:
            _show(report)
    failed = [report.tool for report in reports if not report.passed]
    if failed:
        raise ToolFailedError(f"{', '.join(failed)} failed the check")


@app.command("test", epilog=examples("novum tools test chemistry.descriptors"))
def try_examples(name: ToolArgument, sandbox: SandboxOption = None, json: JsonOption = False) -> None:
    """Run the calls of a tool whose values are known, and compare."""
    from novum.tools.examples import compare

    with open_tools(sandbox) as opened:
        found = opened.registry.require(name)
        if not found.examples:
            raise UsageError(f"tool {name!r} declares no examples")
        rows: list[dict[str, Any]] = []
        for number, example in enumerate(found.examples, 1):
            call = ToolCall(tool=name, arguments=example.arguments, seed=example.seed)
            result = opened.uncached_runner.run(call)
            rows += [
                {
                    "example": number,
                    "property": one.name,
                    "expected": one.expected,
                    "found": one.found,
                    "tolerance": one.tolerance,
                    "fits": one.fits,
                    "source": example.source,
                    "message": result.message,
                }
                for one in compare(example, result, found.spec)
            ]
    failed = [row for row in rows if not row["fits"]]
    if json:
        write_json({"tool": name, "passed": not failed, "values": rows})
    else:
        show(
            render.table(
                ("example>", "property", "expected>", "found>", "tolerance>", "", "source"),
                [
                    (
                        row["example"],
                        row["property"],
                        f"{row['expected']:g}",
                        "none" if row["found"] is None else f"{row['found']:.8g}",
                        f"{row['tolerance']:.2g}",
                        Text("fits", "green") if row["fits"] else Text("differs", "red"),
                        row["source"],
                    )
                    for row in rows
                ],
            )
        )
    if failed:
        reason = f": {failed[0]['message']}" if failed[0]["message"] else ""
        raise ToolFailedError(f"{name}: {len(failed)} of {len(rows)} values differ{reason}")


def _reports(target: str, opened: "Workspace") -> "Iterator[Report]":
    from novum.tools.conformance import check_source, check_tool
    from novum.tools.described import DescribedTool

    names = set() if target.endswith(".py") or Path(target).is_dir() else _names(opened)
    sources = [] if target in names else list(_sources(target))
    for source in sources:
        yield from check_source(source, lambda: opened.sandbox)
    if not sources:
        found = opened.registry.get(target)
        granted = not isinstance(found, DescribedTool) or opened.registry.is_trusted(found)
        yield check_tool(found, opened.sandbox, granted=granted)


def _names(opened: "Workspace") -> set[str]:
    """Return the names of the tools; a server's tool may be called like a module."""
    return {found.spec.name for found in opened.registry.tools()}


def _sources(target: str) -> "Iterator[Source]":
    """Yield the sources that a target names; none where it is a tool's name."""
    from novum.tools.plugins.sources import SourceError, file_source, module_source
    from novum.tools.registry import GROUP

    path = Path(target)
    if path.is_dir():
        try:
            project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{target!r} holds no pyproject.toml that can be read: {error}") from error
        offered = project.get("project", {}).get("entry-points", {}).get(GROUP, {})
        if not offered:
            raise UsageError(f"{target!r} offers nothing under [project.entry-points.{GROUP!r}]")
        root = path / "src" if (path / "src").is_dir() else path
        for name, value in offered.items():
            yield module_source(value, root.absolute(), promised=name, origin=name)
    elif target.endswith(".py"):
        if not path.is_file():
            raise NotFoundError(f"there is no file {target!r}")
        yield file_source(path.absolute(), origin=target)
    else:
        try:
            yield module_source(target, Path.cwd())
        except SourceError:
            return  # a tool's name looks like a module's


def _json(report: "Report") -> dict[str, Any]:
    findings = [{"check": f.check, "outcome": f.outcome.value, "said": f.said} for f in report.findings]
    return {"tool": report.tool, "passed": report.passed, "findings": findings}


def _show(report: "Report") -> None:
    rows = [(Text(f.outcome.value, STYLES[f.outcome.value]), f.check, f.said) for f in report.findings]
    verdict = "passed" if report.passed else f"failed, {len(report.broken)} broken"
    show(render.table(("", "check", "what was seen"), rows, title=f"{report.tool}: {verdict}"))
