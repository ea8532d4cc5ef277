"""Reading what the tools are, and calling one by hand."""

import json as json_text
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from novum.cli import pages, render
from novum.cli.options import (
    JsonOption,
    SandboxOption,
    WorkspaceOption,
    complete_campaign,
    examples,
    get_record,
    open_workspace,
)
from novum.cli.terminal import show, write_json
from novum.cli.tools.group import ToolArgument, app
from novum.core.calls import ToolCall, ToolResult, ToolSpec
from novum.core.errors import ToolArgumentError, ToolFailedError, UsageError
from novum.core.quantity import DIMENSIONLESS

if TYPE_CHECKING:
    from novum.runtime import Workspace
    from novum.tools.registry import Registry


@app.command("list", epilog=examples("novum tools list", "novum tools list --json"))
def list_tools(json: JsonOption = False) -> None:
    """List the tools with the properties that they measure, and those that are missing or broken.

    The code of a plugin runs in the sandbox only, even to be listed.
    """
    with open_tools() as opened:
        registry = opened.registry
    specs = [found.spec for found in registry.tools()]
    if json:
        write_json(
            {
                "tools": [
                    {
                        **spec.model_dump(mode="json"),
                        "available": registry.is_available(spec),
                        "trusted": registry.is_trusted(registry.get(spec.name)),
                    }
                    for spec in specs
                ],
                "broken": [{"name": b.name, "error": b.error} for b in registry.broken.values()],
            }
        )
        return
    rows = [(s.name, s.version, s.method, state(s, registry), properties(s)) for s in specs]
    show(render.table(("tool", "version", "method", "state", "properties [unit]"), rows))
    if registry.broken:
        broken = [(b.name, b.error) for b in registry.broken.values()]
        show(render.table(("tool", "error"), broken, title="Could not be loaded"))


@app.command("show", epilog=examples("novum tools show chemistry.descriptors"))
def show_tool(name: ToolArgument, json: JsonOption = False) -> None:
    """Show a tool: arguments, properties, units, bounds, errors, sources."""
    with open_tools() as opened:
        registry = opened.registry
    spec = registry.get(name).spec
    if json:
        write_json({**spec.model_dump(mode="json"), "available": registry.is_available(spec)})
    else:
        show(pages.tool(spec, availability=state(spec, registry).plain))


@app.command(
    "run",
    epilog=examples(
        "novum tools run chemistry.descriptors smiles=CCO",
        "novum tools run chemistry.xtb smiles=CCO --json",
        "novum tools run analysis.python code=@fit.py --campaign maximise-qed-1 -o figures/",
        "novum tools run analysis.fit_curve curve=arrhenius x=T y=k --file rates.csv",
    ),
)
def run_tool(
    name: ToolArgument,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE...",
            help="Arguments; numbers may carry a unit, as t='300 K'; a program may be a file: code=@fit.py.",
        ),
    ] = None,
    campaign: Annotated[
        str | None,
        typer.Option(
            "--campaign",
            "-c",
            metavar="CAMPAIGN",
            help="Give a tool that takes files the tables of this campaign.",
            autocompletion=complete_campaign,
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="Give a tool that takes files this one; may be repeated."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Write the files that the call leaves to this folder."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the call.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run it even if the result is known.")] = False,
    sandbox: SandboxOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Call a tool in its sandbox and print what it measured.

    The tables of a campaign are what it examined, what was measured, and how predictions held, as CSV.
    """
    with open_workspace(workspace, create=True, sandbox=sandbox) as opened:
        spec = opened.registry.get(name).spec
        given = read_programs(parse_arguments(arguments or (), spec), spec)
        if campaign is not None:
            given |= campaign_files(opened, campaign, spec)
        if files:
            given |= own_files(opened, files, spec, beside=given)
        try:
            found = opened.runner.run(ToolCall(tool=name, arguments=given, seed=seed), fresh=fresh)
        except ToolArgumentError as error:  # here the caller is a person, not a planner
            raise UsageError(f"{error}; 'novum tools show {name}' describes the arguments") from error
        if output is not None:
            write_artifacts(opened, found, output)
    if json:
        write_json(found.model_dump(mode="json"))
    else:
        show(pages.result(found))
    if not found.ok:
        raise ToolFailedError(f"{name}: {found.status.value}: {found.message}")


def read_programs(given: dict[str, Any], spec: ToolSpec) -> dict[str, Any]:
    """Return arguments with each program read from its file, where it is given as ``@FILE``.

    Raises:
        UsageError: a file cannot be read.
    """
    from novum.tools.files import written_parameters

    read = dict(given)
    for name in written_parameters(spec):
        value = given.get(name)
        if isinstance(value, str) and value.startswith("@"):
            try:
                read[name] = Path(value[1:]).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{value[1:]!r} cannot be read: {error}") from error
    return read


def campaign_files(workspace: "Workspace", campaign: str, spec: ToolSpec) -> dict[str, Any]:
    """Return the tables of a campaign as an argument of a tool; they are kept as artifacts.

    Raises:
        NotFoundError: there is no such campaign.
        UsageError: the tool takes no files.
    """
    from novum.tools.files import files_parameter
    from novum.workflows.tables import table_handles, tables_of

    parameter = files_parameter(spec)
    if parameter is None:
        raise UsageError(f"{spec.name} takes no files; --campaign is of use with the tools of analysis")
    tables = tables_of(get_record(workspace, campaign), sealed=True)
    for name, data in tables.items():
        workspace.artifacts.put(data, name, "text/csv")
    return {parameter: table_handles(tables)}


def own_files(
    workspace: "Workspace", paths: Sequence[Path], spec: ToolSpec, *, beside: Mapping[str, Any]
) -> dict[str, Any]:
    """Return files of the machine as an argument of a tool; they are kept as artifacts.

    Args:
        workspace: which keeps them.
        paths: of the files; each is named in the call as it is in its folder.
        spec: of the tool.
        beside: the other arguments, which may name files as well.

    Raises:
        UsageError: the tool takes no files, one cannot be read, or two have one name.
    """
    from novum.tools.files import files_of, files_parameter

    parameter = files_parameter(spec)
    if parameter is None:
        raise UsageError(f"{spec.name} takes no files; --file is of use with the tools of analysis")
    found = files_of(spec, beside)
    for path in paths:
        if path.name in found:
            raise UsageError(f"two files are called {path.name!r}")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        found[path.name] = workspace.artifacts.put(data, path.name).sha256
    return {parameter: found}


def write_artifacts(workspace: "Workspace", found: ToolResult, folder: Path) -> None:
    """Write the files that a call left to a folder, which is made where it is missing.

    Raises:
        UsageError: the folder cannot be written to, or has a file of that name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for artifact in found.artifacts:
            target = folder / Path(artifact.name).name
            with target.open("xb") as file:
                file.write(workspace.artifacts.get(artifact.sha256))
    except FileExistsError as error:
        raise UsageError(f"{error.filename!r} exists; choose another folder, or remove it") from error
    except OSError as error:
        raise UsageError(f"{str(folder)!r} cannot be written to: {error.strerror}") from error


def open_tools(sandbox: str | None = None) -> "Workspace":
    """Return a workspace for its tools; its folder is not made for that."""
    return open_workspace(None, create=True, sandbox=sandbox)


def state(spec: ToolSpec, registry: "Registry") -> Text:
    """Return whether a tool can be called, what to install, or how to trust it."""
    found = registry.get(spec.name)
    missing = found.missing_libraries()
    if not missing and not registry.is_trusted(found):
        return render.text(f"not trusted: novum tools trust {spec.name}", "yellow")
    if not missing:
        return Text("available", "green")
    how = f"pip install 'novum[{spec.extra}]'" if spec.extra else f"install {', '.join(missing)}"
    return render.text(f"missing: {how}", "yellow")


def properties(spec: ToolSpec) -> str:
    """Return what a tool measures, with units."""
    return ", ".join(p.name if p.unit == DIMENSIONLESS else f"{p.name} [{p.unit}]" for p in spec.properties)


def parse_arguments(pairs: Sequence[str], spec: ToolSpec) -> dict[str, Any]:
    """Return ``key=value`` pairs as arguments: text where the tool takes text, else JSON where it is.

    Raises:
        UsageError: a pair that is none, or a key given twice.
    """
    schemas = spec.parameters.get("properties", {})
    given: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"{pair!r} is not of the form key=value, as smiles=CCO")
        if key in given:
            raise UsageError(f"argument {key!r} is given twice")
        given[key] = value if schemas.get(key, {}).get("type") == "string" else parse_value(value)
    return given


def parse_value(value: str) -> Any:
    """Return a value as JSON says it, or the text itself.

    Example:
        >>> parse_value("1.5"), parse_value("true"), parse_value("300 K")
        (1.5, True, '300 K')
    """
    try:
        return json_text.loads(value)
    except json_text.JSONDecodeError:
        return value
