"""``novum kb clock``: a clock that was wrong."""

from typing import Annotated

import typer

from novum.cli import render
from novum.cli.kb.group import app
from novum.cli.kb.opening import open_knowledge
from novum.cli.kb.options import ReasonOption
from novum.cli.options import JsonOption, WorkspaceOption, examples
from novum.cli.terminal import show, write_json


@app.command("clock", epilog=examples("novum kb clock --by Ada --reason 'the microscope was in 2036'"))
def clock(
    reason: ReasonOption,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so.", show_default=False)],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Say that a clock was ahead when the last record was written, and go on from the present.

    Nothing is recorded well before the time of the last record: one of both clocks is wrong. If it is this
    machine's, set it right. If it was the other, this lets recording go on. No record is changed; those with
    the wrong time count as known from now on.
    """
    with open_knowledge(workspace) as knowledge:
        knowledge.set_clock(reason=reason, by=by)
        now = knowledge.items.now
    if json:
        write_json({"since": now.isoformat(), "reason": reason, "by": by})
    else:
        show(render.line(f"recording goes on from {now:%Y-%m-%d %H:%M} UTC"))
