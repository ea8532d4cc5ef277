"""``novum init``: a commented goal file to start from."""

from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from novum.cli import render
from novum.cli.options import examples
from novum.cli.terminal import show
from novum.core.errors import UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


class Kind(StrEnum):
    """What kind of search the file describes."""

    MOLECULES = "molecules"
    POOL = "pool"
    PARAMETERS = "parameters"
    MANUAL = "manual"


COMPANIONS = {Kind.POOL: "candidates.csv"}
"""Files that a goal file reads, written beside it."""


@app.command(
    "init",
    short_help="Write a commented goal file to start from.",
    epilog=examples("novum init", "novum init reaction.yaml --kind parameters"),
)
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("goal.yaml"),
    kind: Annotated[
        Kind,
        typer.Option(
            "--kind",
            help="molecules: new molecules, computed. pool: a table of candidates. parameters: settings of a "
            "process, measured by people. manual: molecules, measured by people.",
        ),
    ] = Kind.MOLECULES,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Write a commented goal file to start from, and what it reads beside it."""
    templates = files("novum.cli") / "templates"
    wanted = {file: f"{kind.value}.yaml"}
    if kind in COMPANIONS:
        wanted[file.parent / COMPANIONS[kind]] = COMPANIONS[kind]
    there = [str(path) for path in wanted if path.exists()]
    if there and not force:
        raise UsageError(f"{', '.join(there)} exists; --force writes over it")
    try:
        for path, template in wanted.items():
            path.write_text((templates / template).read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{str(error.filename)!r} cannot be written: {error.strerror}") from error
    show(
        render.fields([("wrote", ", ".join(map(str, wanted))), ("next", f"edit it, then: novum run {file}")])
    )
