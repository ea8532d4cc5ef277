"""The `novum` command: finds the command's module, runs it, turns errors into messages and exit codes."""

import json
import sys
import traceback
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from novum.core.errors import GoalError, NovumError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, and what ``novum --help`` says of it without loading it."""

    module: str
    section: str
    help: str


COMMANDS: dict[str, Entry] = {
    "run": Entry("run", "Campaigns", "Pursue a goal: hypothesis, experiment, validation, report."),
    "resume": Entry("run", "Campaigns", "Go on with a campaign that was stopped, killed, or waits."),
    "campaigns": Entry("campaigns", "Campaigns", "List the campaigns of a workspace."),
    "show": Entry("campaigns", "Campaigns", "Show a campaign, or one of its records."),
    "report": Entry("campaigns", "Campaigns", "Write a campaign's report, as Markdown and HTML."),
    "chat": Entry("chat", "Campaigns", "Ask a language model about a campaign; its answer is checked."),
    "verify": Entry("verify", "Campaigns", "Check a campaign against its own ledger, or a crate."),
    "ask": Entry("laboratory", "Laboratory", "Print what a person is asked to measure."),
    "tell": Entry("laboratory", "Laboratory", "Give a campaign the results that it waits for."),
    "kb": Entry("kb", "Knowledge and tools", "Search, read, correct and exchange the knowledge base."),
    "tools": Entry("tools", "Knowledge and tools", "List, describe, call, write and check the tools."),
    "mcp": Entry("mcp", "Knowledge and tools", "Offer tools, campaigns and knowledge to MCP clients."),
    "sandbox": Entry("sandbox", "Setting up", "Say what isolation is enforced here, and try to break it."),
    "model": Entry(
        "model", "Setting up", "Serve language models, make them known, and try what they can do."
    ),
    "init": Entry("init", "Setting up", "Write a commented goal file to start from."),
    "doctor": Entry(
        "doctor", "Setting up", "Say what is installed, what isolates the tools, what is missing."
    ),
}
"""Every command, in the order of the help."""


class LazyCommands(MutableMapping[str, Any]):
    """Name → command; a command's module is imported when the command is asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            module = import_module(f"novum.cli.{COMMANDS[name].module}")
            command: Any = typer.main.get_command(module.app)
            # A module with several commands gives a group; one called like the command is meant itself.
            self._loaded[name] = getattr(command, "commands", {}).get(name, command)
            self._loaded[name].name = name
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are not removed")

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(typer.core.TyperGroup):
    """The root: its help and its completion name all commands without loading any."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base's signature
        """Write the commands, section by section."""
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            with formatter.section(section):
                rows = [(name, entry.help) for name, entry in COMMANDS.items() if entry.section == section]
                formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the commands and options that begin like `incomplete`."""
        if incomplete.startswith("-"):
            # The base class would load every command to ask whether it is hidden.
            return super(typer.core.TyperGroup, self).shell_complete(ctx, incomplete)
        item = typer.core.CompletionItem  # type: ignore[attr-defined] # not listed among its exports
        return [
            item(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]


root = typer.Typer(
    name="novum",
    cls=LazyGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: novum run 'maximise qed; logp between 1 and 3' --experiments 24",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"novum {version('novum')}")
        raise typer.Exit


@root.callback()
def novum(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Autonomous scientific discovery: hypothesis, experiment, validation.

    A campaign pursues a goal with tools in a sandbox, and leaves a ledger, a report and a knowledge
    base in its workspace, the folder .novum by default.
    """


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Args:
        argv: the arguments without the program's name; those of the process by default.

    Raises:
        SystemExit: always.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Taken out here, so that it may stand behind the command as well.
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character gets its escape, not an exception.
            stream.reconfigure(errors="backslashreplace")
    try:
        typer.main.get_command(root).main(arguments, prog_name="novum")
    except NovumError as error:
        if debug:
            traceback.print_exc()
        sys.stderr.write(describe_error(error, as_json="--json" in arguments) + "\n")
        raise SystemExit(error.exit_code) from error


def describe_error(error: NovumError, *, as_json: bool) -> str:
    """Return an error as one message for people, or as a JSON object."""
    if as_json:
        said: dict[str, Any] = {
            "type": type(error).__name__,
            "message": str(error),
            "exit_code": error.exit_code,
        }
        if isinstance(error, GoalError):
            said |= {"line": error.line, "key": error.key}
        return json.dumps({"error": said})
    from novum.sandbox.text import clean_text

    return f"error: {clean_text(str(error))}"
