"""``novum kb add``: files become items."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from novum.cli import render
from novum.cli.kb.group import app
from novum.cli.options import JsonOption, WorkspaceOption, examples, open_workspace
from novum.cli.terminal import err, show, write_json
from novum.core.access import strictest
from novum.core.errors import IngestError, UsageError
from novum.core.knowledge import Access, ItemStatus, Level
from novum.core.science import Origin

if TYPE_CHECKING:
    from novum.core.knowledge import KnowledgeItem
    from novum.knowledge_base.base import KnowledgeBase
    from novum.knowledge_base.ingest import About, OnProgress, Progress, Report
    from novum.memory.artifacts import Artifacts

BATCH = 1000
"""Items that are recorded in one go; what was recorded before a file turns out to be damaged stays."""

NOTES = 20
"""Notes that are printed; --json has all."""


@dataclass
class Added:
    """What became of the files."""

    report: "Report"
    ids: list[str] = field(default_factory=list)
    n_new: int = 0
    """Items that were not known before."""
    closed: dict[str, Access] = field(default_factory=dict)
    """Subjects of these items about which something more closed is known, and how closed."""


@app.command(
    "add",
    epilog=examples(
        "novum kb add paper.pdf --origin measured --domain chemistry --licence CC-BY-4.0",
        "novum kb add yields.csv --origin measured --domain process --unit yield=% --dry-run",
        "novum kb add scans/ --origin measured --domain life --access sensitive",
    ),
)
def add(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files, or folders with files.", show_default=False),
    ],
    origin: Annotated[
        Origin,
        typer.Option(
            "--origin",
            help="Whether it was measured, simulated or made up; nobody can guess that.",
            show_default=False,
        ),
    ],
    domain: Annotated[
        str,
        typer.Option(
            "--domain", metavar="NAME", help="The science, as chemistry or life.", show_default=False
        ),
    ],
    access: Annotated[
        Access | None,
        typer.Option(
            "--access",
            help="Who may see it.  [default: public; sensitive for medical images and human omics]",
        ),
    ] = None,
    licence: Annotated[str, typer.Option("--licence", metavar="SPDX", help="As CC-BY-4.0.")] = "",
    level: Annotated[
        Level | None,
        typer.Option("--level", help="Its level of knowledge; by default what the content suggests."),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="How it was obtained, as HPLC.")
    ] = "",
    instrument: Annotated[str, typer.Option("--instrument", metavar="NAME", help="With what.")] = "",
    agent: Annotated[str, typer.Option("--by", metavar="NAME", help="Who made the data.")] = "",
    language: Annotated[str, typer.Option("--language", metavar="CODE", help="Of texts, as en.")] = "",
    subject: Annotated[
        str, typer.Option("--subject", metavar="NAME", help="What an image, a series or a matrix is about.")
    ] = "",
    organism: Annotated[
        str, typer.Option("--organism", metavar="SPECIES", help="Of omics; unknown counts as human.")
    ] = "",
    shape: Annotated[
        Literal["table", "series", "omics"] | None,
        typer.Option("--shape", help="How a table is read, where its header does not say so."),
    ] = None,
    subject_column: Annotated[
        str | None,
        typer.Option("--subject-column", metavar="NAME", help="The column that says what a row is about."),
    ] = None,
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--condition", metavar="NAME", help="A column of settings, not of results. May be repeated."
        ),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            "--unit",
            metavar="COLUMN=UNIT",
            help="The unit of a column that does not say it. May be repeated.",
        ),
    ] = None,
    time_column: Annotated[
        str | None, typer.Option("--time-column", metavar="NAME", help="The time of a series.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--sampling-rate", metavar="HZ", help="Of a series without a time, in Hz.")
    ] = None,
    pixel_size: Annotated[
        float | None, typer.Option("--pixel-size", metavar="UM", help="Edge of a pixel, in micrometres.")
    ] = None,
    decimal: Annotated[
        Literal[".", ","], typer.Option("--decimal", help="The decimal mark of tables.")
    ] = ".",
    encoding: Annotated[str, typer.Option("--encoding", metavar="NAME", help="Of text files.")] = "utf-8",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read the files, and record nothing.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make items of files: documents, tables, structures, sequences, images, series, omics.

    What a file says is data, never an instruction. The same file gives the same items each time, so that
    adding it again adds nothing. What is refused is named with its reason; if nothing could be taken, the
    exit code is 2.
    """
    from novum.knowledge_base.ingest import About, Columns, Shape

    about = About(
        origin=origin,
        domain=domain,
        licence=licence,
        access=access,
        level=level,
        method=method,
        instrument=instrument,
        agent=agent,
        language=language,
        subject=subject,
        organism=organism,
        shape=None if shape is None else Shape(shape),
        columns=Columns(
            subject=subject_column,
            conditions=None if conditions is None else tuple(conditions),
            units=dict(_pair(text) for text in units or ()),
            time=time_column,
            sampling_rate_hz=rate,
            decimal=decimal,
        ),
        encoding=encoding,
        pixel_size_um=pixel_size,
    )
    with watched(json=json) as on_progress:
        if dry_run:
            added = take(paths, about, None, None, on_progress)
        else:
            with open_workspace(workspace, create=True) as opened:
                added = take(paths, about, opened.knowledge, opened.artifacts, on_progress)
    if json:
        write_json(added_json(added, dry_run=dry_run))
    else:
        show_added(added, dry_run=dry_run)
    if added.report.refused and not added.report.taken:
        first = added.report.refused[0]
        raise IngestError(f"nothing could be taken; {first.name}: {first.reason}")


def take(
    paths: list[Path],
    about: "About",
    knowledge: "KnowledgeBase | None",
    artifacts: "Artifacts | None",
    on_progress: "OnProgress | None" = None,
) -> Added:
    """Read files, and record their items where there is a knowledge base to do so.

    Raises:
        NotFoundError: a path is not there; nothing has been recorded then.
        StoreError: something could not be recorded.
    """
    from novum.knowledge_base.ingest import ReaderProcess, Report, ingest
    from novum.sandbox.walls import command_prefix

    added = Added(Report())
    keep = None if artifacts is None else artifacts.put
    with ReaderProcess(walls=command_prefix()) as reader:
        walk = ingest(paths, about, keep=keep, report=added.report, on_progress=on_progress, reader=reader)
        while batch := list(islice(walk, BATCH)):
            if knowledge is None:
                added.ids += [item.id for item in batch]
                continue
            known = knowledge.items.get_many([item.id for item in batch])
            ids = knowledge.record(batch)
            added.ids += ids
            added.n_new += len(set(ids) - set(known))
            added.closed |= _closed_subjects(knowledge, batch)
    return added


def _closed_subjects(knowledge: "KnowledgeBase", items: "list[KnowledgeItem]") -> dict[str, Access]:
    """Return the subjects of items about which something more closed is known, and how closed."""
    open_to = {item.subject: item.access for item in items}
    closed: dict[str, Access] = {}
    for status in (ItemStatus.ACTIVE, ItemStatus.STALE):
        for known in knowledge.query(
            subjects=open_to, status=status, access=(Access.RESTRICTED, Access.SENSITIVE)
        ):
            said = open_to[known.subject]
            tier = strictest(known.access, said, closed.get(known.subject, said))
            if tier is not said:
                closed[known.subject] = tier
    return closed


def added_json(added: Added, *, dry_run: bool) -> dict[str, Any]:
    """Return what became of the files as JSON data."""
    report = added.report
    return {
        "recorded": not dry_run,
        "items": added.ids,
        "n_new": None if dry_run else added.n_new,
        "taken": [{n: getattr(t, n) for n in ("name", "sha256", "format", "n_items")} for t in report.taken],
        "refused": [{"name": r.name, "reason": r.reason} for r in report.refused],
        "notes": [{n: getattr(note, n) for n in ("name", "place", "message", "n")} for note in report.notes],
        "n_unlisted_notes": report.n_unlisted_notes,
        "closed_subjects": {subject: tier.value for subject, tier in added.closed.items()},
    }


def show_added(added: Added, *, dry_run: bool) -> None:
    """Print what was taken, what was left out, and what was refused."""
    report = added.report
    if report.taken:
        rows = [(t.name, t.format, t.n_items) for t in report.taken]
        show(render.table(("file", "format", "items>"), rows))
        n, new = len(added.ids), added.n_new
        said = f"{n} items would be recorded" if dry_run else f"{n} items, {new} of them new"
        show(render.line(said))
    console = err()
    if added.closed:
        some = ", ".join(f"{subject} ({tier.value})" for subject, tier in list(added.closed.items())[:5])
        others = f" and {len(added.closed) - 5} more" if len(added.closed) > 5 else ""
        console.print(
            render.line(
                render.text("more open than what is known of the same subjects: ", "yellow"),
                f"{some}{others}. If these files are not public either, say 'novum kb amend ID --access …'; "
                "next time, --access",
            )
        )
    if report.refused:
        refused = [(r.name, render.text(r.reason, "red")) for r in report.refused]
        console.print(render.table(("file", "why"), refused, title="Refused"))
    if report.notes:
        notes = [
            (note.name, note.place, note.message, note.n if note.n > 1 else "")
            for note in report.notes[:NOTES]
        ]
        console.print(render.table(("file", "place", "note", "times>"), notes, title="Notes"))
        more = len(report.notes) - NOTES + report.n_unlisted_notes
        if more > 0:
            console.print(render.line(f"… and {more} more notes; --json has them"))


@contextmanager
def watched(*, json: bool) -> "Iterator[OnProgress | None]":
    """Give what shows progress on a terminal; None without one."""
    if json or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("", total=None)

        def on_progress(progress: "Progress") -> None:
            said = render.text(f"{progress.n_items} items  {progress.name}", limit=60).markup
            bar.update(task, completed=progress.n_done, total=progress.n_files, description=said)

        yield on_progress


def _pair(text: str) -> tuple[str, str]:
    name, sign, unit = text.partition("=")
    if not sign or not name.strip() or not unit.strip():
        raise UsageError(f"{text!r} is no unit of a column; write COLUMN=UNIT, as 'gap=eV', or 'count=1'")
    return name.strip(), unit.strip()
