"""Goals as people give them to ``novum run``: in prose, a model makes a file of them, and a person agrees."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from novum.cli import render
from novum.cli.approval import is_interactive
from novum.cli.terminal import err, out
from novum.core.errors import GoalError, NotFoundError, UsageError

if TYPE_CHECKING:
    from novum.agents.models.base import Model
    from novum.core.goals import Goal
    from novum.runtime import Workspace


@dataclass(frozen=True, slots=True)
class Reading:
    """How a goal in prose is dealt with."""

    model: str | None
    """Who reads it; None for the default model."""
    yes: bool
    """Nobody is asked."""
    save: Path | None
    """Where the goal file is kept."""
    json: bool
    """Standard output is for events alone."""


def read_goal(
    workspace: "Workspace", source: str, how: Reading, *, seed: int | None, **budget: int | None
) -> "Goal":
    """Return the goal that a file, a sentence or prose states; what a model wrote is shown and agreed to.

    Raises:
        GoalError: it states none, or no model is set up to read prose.
        UsageError: nobody agreed.
        ModelUnavailableError: the model does not answer.
        typer.Exit: the goal was saved, or refused, and nothing runs.
    """
    from novum.workflows.prose_goals import is_prose, parse_goal_file

    if not is_prose(source):
        if how.save is not None:
            raise UsageError("--save is for a goal in prose, of which a model makes a file")
        return workspace.load_goal(source, seed=seed, **budget)
    if how.save is not None and how.save.exists():
        raise UsageError(f"{str(how.save)!r} exists; choose another name, or remove it")
    model = find_model(workspace, how.model)
    if model is None:
        try:
            return workspace.load_goal(source, seed=seed, **budget)
        except GoalError as error:
            raise GoalError(
                f"{error}. A language model could make a goal of prose; 'novum model add' makes one known"
            ) from error
    text = write(workspace, source, model)
    goal = parse_goal_file(text, workspace.registry, seed=seed, **budget)
    console = err() if how.json else out()
    console.print(render.text(text.rstrip("\n")))
    if how.save is not None:
        keep(text, how.save)
    if not how.yes:
        ask(how)
    return goal


def find_model(workspace: "Workspace", name: str | None) -> "Model | None":
    """Return the model of that name, or the default; None where no name is given and there is none.

    Raises:
        NotFoundError: there is no model of that name.
        SettingsError: its key is not set.
    """
    try:
        return workspace.open_model(name)
    except NotFoundError:
        if name is not None:
            raise
        return None


def write(workspace: "Workspace", source: str, model: "Model") -> str:
    """Return the goal file that a model makes of prose; the exchange is kept beside the ledger."""
    from novum.workflows.conversations import GOALS
    from novum.workflows.prose_goals import write_goal_file

    recorded, step = workspace.conversations.open(GOALS, model)
    if not err().is_terminal:
        return write_goal_file(source, workspace.registry, recorded, folder=Path.cwd(), step=step())
    with err().status(f"asking {model.name} for a goal"):
        return write_goal_file(source, workspace.registry, recorded, folder=Path.cwd(), step=step())


def keep(text: str, file: Path) -> None:
    """Write a goal file that is not there yet.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be written: {error.strerror}") from error


def ask(how: Reading) -> None:
    """Ask a person whether the goal that was shown may run; return if it may.

    Raises:
        UsageError: nobody can be asked, and it was not saved.
        typer.Exit: it may not, or not yet.
    """
    if is_interactive() and not how.json:
        try:
            answer = out().input("Run this? [y = yes, n = no] ").strip().lower()
        except EOFError:
            answer = ""
        if answer in ("y", "yes"):
            return
        saved = f"; it is in {how.save}" if how.save is not None else ""
        err().print(render.line(f"nothing was run{saved}"))
        raise typer.Exit
    if how.save is None:
        raise UsageError(
            "a goal that a model wrote runs when somebody has agreed to it: read it, then add --yes, or "
            "write it to a file with --save and run that"
        )
    err().print(render.line(f"nothing was run; read it, then: novum run {how.save}"))
    raise typer.Exit
