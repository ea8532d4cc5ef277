"""``novum sandbox``: what isolation is enforced here, as measured, and the suite that tries to break it."""

import dataclasses
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from novum.cli import render
from novum.cli.options import JsonOption, SandboxOption, examples
from novum.cli.terminal import err, show, write_json
from novum.core.errors import SandboxUnavailableError
from novum.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from novum.sandbox.select import Examined, SandboxOptions
    from novum.sandbox.trials import Verdict

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Say what isolation is enforced here, and try to break it.",
    short_help="Say what isolation is enforced here, and try to break it.",
    epilog="Example: novum sandbox doctor",
)


class State(StrEnum):
    """Whether a backend can be used here."""

    WORKS = "works"
    DEGRADED = "works, degraded"
    REFUSED = "refused"


@app.callback()
def sandbox() -> None:
    """Say what isolation is enforced here, and try to break it."""


@app.command(
    "doctor", epilog=examples("novum sandbox doctor", "novum sandbox doctor --sandbox docker --json")
)
def doctor(sandbox: SandboxOption = None, json: JsonOption = False) -> None:
    """Probe each backend and say what it was seen to enforce here.

    Every row is measured from inside the sandbox, in the sandbox that would be used; nothing is read from
    a version or a flag. The exit code is 0 if the backend that is set, or 'auto', can be used, else 4.
    """
    from novum.sandbox.select import STRENGTH, examine_sandboxes

    settings = load_settings(sandbox=sandbox)
    names = STRENGTH if settings.sandbox == "auto" else (settings.sandbox,)
    found = []
    for examined in examine_sandboxes(names, sandbox_options(settings)):
        found.append(examined)
        if not json:
            show(*describe(examined))
    chosen = next((e.name for e in found if not e.problem and is_allowed(e, settings)), None)
    if json:
        write_json({"chosen": chosen, "backends": [to_document(e) for e in found]})
    else:
        show(Text(), conclusion(chosen, settings))
    if chosen is None:
        raise typer.Exit(SandboxUnavailableError.exit_code)


@app.command(
    "test",
    epilog=examples(
        "novum sandbox test", "novum sandbox test --full", "novum sandbox test --full --sandbox docker"
    ),
)
def run_suite(
    full: Annotated[
        bool, typer.Option("--full", help="The whole hostile suite too; a minute or two for each backend.")
    ] = False,
    sandbox: SandboxOption = None,
    json: JsonOption = False,
) -> None:
    """Try to break the sandbox, case by case, and say what held.

    Without --sandbox the backend that would be used is tried. Each kind of probe is first shown to find
    what is there when no sandbox is in the way. The exit code is 0 if everything held, else 1.
    """
    from novum.sandbox.select import open_sandbox
    from novum.sandbox.trials import HOSTILE, INTERFACE, run_controls, run_trials
    from novum.sandbox.trials.bench import Bench

    settings = load_settings(sandbox=sandbox)
    options = sandbox_options(settings)
    chosen = open_sandbox(settings.sandbox, options)
    name = chosen.name
    chosen.close()
    trials = (*INTERFACE, *HOSTILE) if full else INTERFACE
    controls = list(run_controls())
    verdicts = []
    if not json:
        err().print(render.line(f"{name}: {len(trials)} trials as user {os.geteuid()}"))
    bench = Bench(name, options)
    try:
        for verdict in run_trials(bench, trials):
            verdicts.append(verdict)
            if not json:
                show(to_line(verdict))
    finally:
        bench.close()
    blind = [probe for probe, sees in controls if not sees]
    broken = [verdict for verdict in verdicts if verdict.kept is False]
    if json:
        write_json(
            {
                "backend": name,
                "user": os.geteuid(),
                "controls": dict(controls),
                "trials": [to_case(verdict) for verdict in verdicts],
                "ok": not blind and not broken,
            }
        )
    else:
        show(Text(), summary(name, verdicts, blind=blind, n_controls=len(controls)))
    if blind or broken:
        raise typer.Exit(1)


@app.command(
    "image",
    epilog=examples("novum sandbox image", "novum sandbox image --name my/novum-sandbox:1 --without torch"),
)
def make_image(
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME:TAG", help="The image's name.  [default: novum's own]"),
    ] = None,
    readable: Annotated[
        list[str] | None,
        typer.Option("--readable", metavar="DIR", help="A plugin's folder to take along; may be repeated."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="PACKAGE", help="A package to leave out; may be repeated."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Build the image that a Docker engine on another machine needs, out of this machine's files.

    An engine on this machine needs none: containers see the interpreter and its libraries read-only. No
    registry is asked. The image has the size of the environment that novum runs in.
    """
    from novum.sandbox.docker.image import FULL, build_image

    made = build_image(
        load_settings().docker_host, name=name or FULL, readable=readable or (), without=without or ()
    )
    if json:
        write_json({"image": made})
    else:
        show(render.line("made ", render.text(made, "bold")))


def sandbox_options(settings: Settings) -> "SandboxOptions":
    """Return what is set about the backends."""
    from novum.runtime import Workspace

    return Workspace(settings).sandbox_options


def is_allowed(examined: "Examined", settings: Settings) -> bool:
    """Say whether the settings let a backend be used that works."""
    from novum.sandbox.select import DEGRADED

    degraded = examined.name in DEGRADED
    return not degraded or settings.allow_degraded_sandbox or settings.sandbox == examined.name


def state(examined: "Examined") -> Text:
    """Return whether a backend works, in its colour."""
    if examined.problem or examined.attestation is None:
        return Text(State.REFUSED.value, "bold red")
    if examined.attestation.degraded:
        return Text(State.DEGRADED.value, "bold yellow")
    return Text(State.WORKS.value, "bold green")


def describe(examined: "Examined") -> list[Any]:
    """Return what was found of a backend: each promise with what the probe saw, and what enforces it."""
    shown: list[Any] = [Text(), render.line(Text(examined.name, "bold"), ": ", state(examined))]
    attestation = examined.attestation
    if attestation is None:
        return [*shown, render.text(examined.problem)]
    marks = {True: Text("kept", "green"), False: Text("broken", "bold red")}
    rows = [
        (name.replace("_", " "), marks[kept], attestation.seen.get(name, ""))
        for name, kept in attestation.checks.items()
    ]
    shown.append(render.table(("promise", "", "seen by the probe"), rows))
    shown.append(render.table(("enforced", "by"), sorted(attestation.mechanisms.items())))
    if attestation.degraded:
        shown.append(render.table(("not promised", "because"), sorted(attestation.degraded.items())))
    versions = ", ".join(f"{name} {version}" for name, version in attestation.versions.items())
    shown.append(render.fields([("made of", versions), ("kept warm", f"{examined.idle_memory_mb:.0f} MB")]))
    shown += [render.line(Text("warning: ", "yellow"), warning) for warning in attestation.warnings]
    return shown


def conclusion(chosen: str | None, settings: Settings) -> Text:
    """Return which backend will be used."""
    if chosen is None:
        return render.line(Text("No isolation can be had here, so no tool runs.", "bold red"))
    said = render.line(Text(f"Tools run in the {chosen} sandbox", "bold green"))
    if chosen == "landlock":
        said = render.line(said, ", which is degraded: see 'not promised'")
    return render.line(said, f" (sandbox = {settings.sandbox!r}).")


def to_document(examined: "Examined") -> dict[str, Any]:
    """Return what was found of a backend as JSON data."""
    attested = dataclasses.asdict(examined.attestation) if examined.attestation else None
    return {
        "name": examined.name,
        "state": state(examined).plain,
        "problem": examined.problem,
        "idle_memory_mb": examined.idle_memory_mb,
        "attestation": attested,
    }


def to_line(verdict: "Verdict") -> Text:
    """Return one trial as a line."""
    marks = {
        True: Text("held  ", "green"),
        False: Text("BROKEN", "bold red"),
        None: Text("not promised", "yellow"),
    }
    row = f"{verdict.trial.row:>3}" if verdict.trial.row else "  –"
    said = render.line(marks[verdict.kept], f" {row}  {verdict.trial.promise}")
    return render.line(said, Text(f"  {verdict.seen}", "dim")) if verdict.seen else said


def to_case(verdict: "Verdict") -> dict[str, Any]:
    """Return one trial as JSON data."""
    return {
        "name": verdict.trial.name,
        "row": verdict.trial.row,
        "promise": verdict.trial.promise,
        "kept": verdict.kept,
        "seen": verdict.seen,
        "seconds": verdict.seconds,
    }


def summary(name: str, verdicts: "list[Verdict]", *, blind: list[str], n_controls: int) -> Text:
    """Return the last line of a test."""
    counts = {kept: sum(v.kept is kept for v in verdicts) for kept in (True, False, None)}
    said = f"{name}: {counts[True]} held, {counts[False]} broken, {counts[None]} not promised; "
    said += f"{n_controls - len(blind)} of {n_controls} controls see what is there"
    if blind:
        said += f" (blind: {', '.join(blind)})"
    return Text(said, "bold green" if not blind and not counts[False] else "bold red")
