"""``novum doctor``: what is installed, what isolates the tools, what is missing and how to get it."""

import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from novum.cli import render
from novum.cli.options import LEDGER, JsonOption, WorkspaceOption, examples, open_workspace
from novum.cli.terminal import show, write_json
from novum.core.errors import InfrastructureError, NovumError, UsageError

if TYPE_CHECKING:
    from novum.core.settings import Settings
    from novum.runtime import Workspace

app = typer.Typer(rich_markup_mode=None, add_completion=False)

DEVELOPERS = frozenset({"dev", "docs"})
"""Extras that a user does not need."""

LEAST_DISK_MB, COMFORTABLE_DISK_MB = 100, 1000

DEFAULT_PROPERTY = "qed"
"""What the goal that ``novum init`` writes maximises; its tool must be there."""


class State(StrEnum):
    """What was found of one thing."""

    OK = "ok"
    MISSING = "missing"
    """An optional part; the default campaign runs without it."""
    BROKEN = "broken"
    """The default campaign cannot run like this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: what was looked at, what was found, what to do."""

    area: str
    name: str
    state: State
    found: str
    remedy: str = ""


@app.command(
    "doctor",
    short_help="Say what is installed, what isolates the tools, what is missing.",
    epilog=examples("novum doctor", "novum doctor --json"),
)
def doctor(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Say what is installed, what isolation is in force, what is missing and how to get it.

    The isolation is measured by probes inside the sandbox, not read from a version. The exit code is 0 if
    the default campaign can run here, else 1.
    """
    with open_workspace(workspace, create=True) as opened:
        found = [*examine(opened)]
    fit = all(f.state is not State.BROKEN for f in found)
    if json:
        write_json({"ok": fit, "findings": [asdict(f) for f in found]})
    else:
        show(*describe(found, fit=fit))
    if not fit:
        raise typer.Exit(1)


def examine(workspace: "Workspace") -> Iterator[Finding]:
    """Return everything that was found, area by area."""
    yield check_python()
    yield from check_packages()
    yield from check_extras()
    yield from check_sandbox(workspace)
    yield from check_tools(workspace)
    yield check_planner(workspace.settings)
    yield check_embedder(workspace.settings)
    yield from check_folder(workspace.settings.workspace)
    yield check_ledger(workspace)


def check_python() -> Finding:
    """Check the interpreter against what the package asks for."""
    wanted = metadata.metadata("novum")["Requires-Python"] or ""
    bounds = re.findall(r"(>=|<)\s*(\d+)\.(\d+)", wanted)
    fits = all(
        (sys.version_info[:2] >= (int(a), int(b)))
        if sign == ">="
        else (sys.version_info[:2] < (int(a), int(b)))
        for sign, a, b in bounds
    )
    found = f"{platform.python_version()} on {platform.system()} {platform.release()}"
    if fits:
        return Finding("python", "python", State.OK, found)
    return Finding("python", "python", State.BROKEN, found, f"install Python {wanted}")


def check_packages() -> Iterator[Finding]:
    """Check that every required package is installed."""
    yield Finding("packages", "novum", State.OK, metadata.version("novum"))
    for name, extra in requirements():
        if extra:
            continue
        version = find_version(name)
        if version:
            yield Finding("packages", name, State.OK, version)
        else:
            yield Finding("packages", name, State.BROKEN, "not installed", f"pip install {name}")


def check_extras() -> Iterator[Finding]:
    """Check which optional parts are installed."""
    for name, extra in requirements():
        if not extra or extra in DEVELOPERS:
            continue
        version = find_version(name)
        if version:
            yield Finding("extras", extra, State.OK, f"{name} {version}")
        else:
            yield Finding(
                "extras", extra, State.MISSING, f"{name} is not installed", f"pip install 'novum[{extra}]'"
            )


def requirements() -> Iterator[tuple[str, str]]:
    """Return the packages that novum asks for, each with its extra where it is optional."""
    for line in metadata.requires("novum") or []:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        if name:
            yield name[0], extra[1] if extra else ""


def find_version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_sandbox(workspace: "Workspace") -> Iterator[Finding]:
    """Run the sandbox's probes and say what each saw."""
    from novum import sandbox

    settings = workspace.settings
    try:
        # probed anew, whatever an earlier process has seen
        opened = sandbox.open_sandbox(settings.sandbox, replace(workspace.sandbox_options, remember_in=None))
        seen = opened.attest()
        opened.close()
    except InfrastructureError as error:
        yield Finding("sandbox", workspace.settings.sandbox, State.BROKEN, "no isolation", str(error))
        return
    yield Finding("sandbox", "backend", State.OK, seen.backend)
    for name, kept in seen.checks.items():
        said = seen.seen.get(name, "")
        state = State.OK if kept else State.BROKEN
        yield Finding("sandbox", name.replace("_", " "), state, said or ("kept" if kept else "not kept"))
    for limit, mechanism in seen.mechanisms.items():
        yield Finding("sandbox", f"{limit} by", State.OK, mechanism)


def check_tools(workspace: "Workspace") -> Iterator[Finding]:
    """Check which tools can be called."""
    registry = workspace.registry
    needed = {spec.name for spec in registry.properties().get(DEFAULT_PROPERTY, [])}
    for found in registry.tools():
        spec, missing = found.spec, found.missing_libraries()
        if not missing and not registry.is_trusted(found):
            remedy = f"read its code, then: novum tools trust {spec.name}"
            yield Finding("tools", spec.name, State.MISSING, f"not trusted, from {spec.entry}", remedy)
            continue
        if not missing:
            yield Finding("tools", spec.name, State.OK, f"version {spec.version}, {spec.method}")
            continue
        remedy = f"pip install 'novum[{spec.extra}]'" if spec.extra else f"pip install {' '.join(missing)}"
        state = State.BROKEN if spec.name in needed else State.MISSING
        yield Finding("tools", spec.name, state, f"needs {', '.join(missing)}", remedy)
    for broken in registry.broken.values():
        yield Finding("tools", broken.name, State.MISSING, broken.error, "update or remove its package")
    if not needed:
        yield Finding("tools", DEFAULT_PROPERTY, State.BROKEN, "no tool measures it", "reinstall novum")


def check_planner(settings: "Settings") -> Finding:
    """Check that the planner in force can be opened."""
    from novum.agents.choose import open_planner

    try:
        planner = open_planner(settings.planner)
    except NovumError as error:
        return Finding(
            "planner", settings.planner, State.BROKEN, str(error), "set NOVUM_PLANNER or --planner"
        )
    return Finding("planner", settings.planner, State.OK, f"{planner.name} is ready")


def check_embedder(settings: "Settings") -> Finding:
    """Check what turns text into vectors."""
    from novum.knowledge_base.embedders import FallbackEmbedder, open_embedder

    try:
        embedder = open_embedder(settings.embedder)
    except UsageError as error:
        return Finding("knowledge", "embedder", State.BROKEN, str(error), "set NOVUM_EMBEDDER=auto")
    if isinstance(embedder, FallbackEmbedder):
        remedy = "pip install 'novum[embed]'"
        return Finding("knowledge", "embedder", State.MISSING, embedder.description, remedy)
    return Finding("knowledge", "embedder", State.OK, embedder.description)


def check_folder(folder: Path) -> Iterator[Finding]:
    """Check that the workspace can be written, and that there is room."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    what = str(folder) if folder.exists() else f"{folder}, to be made in {place}"
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        remedy = "choose another folder with --workspace"
        yield Finding("workspace", "folder", State.BROKEN, f"{what}: {error.strerror}", remedy)
        return
    yield Finding("workspace", "folder", State.OK, f"{what}, writable")
    free = shutil.disk_usage(place).free // 2**20
    said = f"{free} MB free"
    if free < LEAST_DISK_MB:
        yield Finding("workspace", "disk", State.BROKEN, said, f"free {LEAST_DISK_MB} MB at least")
    elif free < COMFORTABLE_DISK_MB:
        yield Finding("workspace", "disk", State.MISSING, said, "long campaigns need more")
    else:
        yield Finding("workspace", "disk", State.OK, said)


def check_ledger(workspace: "Workspace") -> Finding:
    """Check that the ledger can be read and that the chain of its latest campaign holds."""
    if not (workspace.settings.workspace / LEDGER).is_file():
        return Finding("workspace", "ledger", State.OK, "none yet; the first campaign makes it")
    try:
        campaigns = workspace.ledger.campaigns()
        latest = max(campaigns, key=lambda c: c.last, default=None)
        verified = workspace.ledger.verify(latest.id) if latest else None
    except InfrastructureError as error:
        return Finding(
            "workspace", "ledger", State.BROKEN, str(error), "restore it, or use another --workspace"
        )
    if latest and verified and not verified.ok:
        said = f"{latest.id}: record {verified.bad}: {verified.reason}"
        return Finding("workspace", "ledger", State.BROKEN, said, "restore the ledger from a backup")
    return Finding(
        "workspace", "ledger", State.OK, f"{len(campaigns)} campaigns; the latest one's chain holds"
    )


def describe(found: list[Finding], *, fit: bool) -> list[Any]:
    """Return the findings as tables, one for each area, and the conclusion."""
    marks = {
        State.OK: Text("ok", "green"),
        State.MISSING: Text("missing", "yellow"),
        State.BROKEN: Text("broken", "bold red"),
    }
    shown: list[Any] = []
    for area in dict.fromkeys(f.area for f in found):
        rows = [(f.name, marks[f.state], f.found, f.remedy) for f in found if f.area == area]
        shown.append(render.table(("", "", "found", "what to do"), rows, title=area.capitalize()))
    broken = [f"{f.area}: {f.name}" for f in found if f.state is State.BROKEN]
    shown.append(Text())
    if fit:
        shown.append(render.line(Text("The default campaign can run here.", "bold green")))
    else:
        shown.append(
            render.line(Text("The default campaign cannot run here: ", "bold red"), ", ".join(broken))
        )
    return shown
