"""``novum ask`` and ``novum tell``: measurements by people."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from novum.cli import render
from novum.cli.approval import is_interactive, open_approver
from novum.cli.options import (
    CampaignArgument,
    JsonOption,
    WorkspaceOption,
    examples,
    get_record,
    open_workspace,
    require_campaign,
)
from novum.cli.pursuit import Pursuit, go_on, person
from novum.cli.stopping import stopping_in_order
from novum.cli.terminal import err, show, to_json, write_json, write_text
from novum.cli.watch import open_watch
from novum.core.errors import UsageError
from novum.core.events import Told

if TYPE_CHECKING:
    from novum.workflows.worklist import Task

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    "ask",
    short_help="Print what a person is asked to measure.",
    epilog=examples("novum ask yield-1 -o worklist.csv", "novum ask yield-1 --json"),
)
def ask(
    campaign: CampaignArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file; it must not exist."),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Print what a person is asked to measure, as a table (CSV) to fill in.

    Give the filled table back with 'novum tell'.
    """
    from novum.workflows.worklist import open_tasks, tasks_to_csv

    with open_workspace(workspace) as opened:
        tasks = open_tasks(get_record(opened, campaign))
    if not tasks:
        err().print(render.line(f"{campaign} waits for nobody's results"))
    document = to_json([task_json(t) for t in tasks], indent=2) + "\n" if json else tasks_to_csv(tasks)
    if output is None:
        write_text(document)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(document)
    except FileExistsError as error:
        raise UsageError(f"{str(output)!r} exists; choose another name, or remove it") from error
    except OSError as error:
        raise UsageError(f"{str(output)!r} cannot be written: {error.strerror}") from error
    err().print(render.line(f"{len(tasks)} measurements are asked for in {output}"))


def task_json(task: "Task") -> dict[str, Any]:
    """Return a measurement that is asked for, with empty places for the answer."""
    asked = {**dataclasses.asdict(task), "arguments": dict(task.arguments)}
    predicted = task.predicted.model_dump(mode="json") if task.predicted else None
    return {**asked, "predicted": predicted, "value": None, "std": None, "failed": ""}


@app.command(
    "tell",
    short_help="Give a campaign the results that it waits for.",
    epilog=examples(
        "novum tell yield-1 worklist.csv --by ada",
        "novum tell yield-1 worklist.csv --dry-run",
        "echo 'experiment,value,std\nE004,81.5 %,0.8' | novum tell yield-1 -",
    ),
)
def tell(
    campaign: CampaignArgument,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The filled worklist, CSV or JSON; '-' reads standard input."),
    ],
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who measured.  [default: your user name]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with the campaign afterwards.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, and record nothing.")] = False,
    workspace: WorkspaceOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print every event as one line of JSON.")] = False,
) -> None:
    """Give a campaign the results that it waits for, and go on with it.

    A row has a value with its unit ("81.5 %", or a column 'unit'), its standard deviation in the column
    'std' where known, or the reason why it failed in the column 'failed'. Rows left empty stay open. A
    file with one wrong row changes nothing.
    """
    from novum.workflows.worklist import parse_answers

    text = read_answers(file)
    watch = open_watch(json=json, quiet=False)
    with stopping_in_order(watch) as listener, open_workspace(workspace, listener=listener) as opened:
        require_campaign(opened, campaign)
        with opened.ledger.lock(campaign):
            record = opened.record(campaign)
            told = parse_answers(text, record, by=by or person())
            if not dry_run:
                opened.ledger.append_many(campaign, told)
        if not json:
            show(told_table(told, recorded=not dry_run))
        elif dry_run:
            write_json([event.model_dump(mode="json") for event in told])
        if dry_run or not resume:
            return
        assert record.started is not None
        approver = open_approver(None, None, interactive=is_interactive() and not json)
        pursuit = Pursuit(opened, watch, approver, given=workspace, json=json)
        go_on(pursuit, record.started.parent or campaign)


def read_answers(file: str) -> str:
    """Return the text of a file, or of standard input for ``-``.

    Raises:
        UsageError: it cannot be read, or is not UTF-8.
    """
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        # A spreadsheet may put a byte-order mark in front.
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{file!r} line {line}: not UTF-8 text (byte {error.start})") from error


def told_table(told: Sequence[Told], *, recorded: bool) -> Any:
    """Return what was told, one row a measurement."""
    rows: list[tuple[object, ...]] = []
    for event in told:
        if event.failed:
            rows.append((event.experiment, "", render.text(f"failed: {event.failed}", "red"), event.by))
        rows += [(event.experiment, m.property, m.quantity, event.by) for m in event.measurements]
    title = "Recorded" if recorded else "Would be recorded"
    return render.table(("experiment", "property", "result", "by"), rows, title=title)
