"""``novum kb why``, ``impact``, ``history`` and ``diff``: what rests on what, and what has changed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from novum.cli import render
from novum.cli.kb import comparing, pages, tree
from novum.cli.kb.group import app
from novum.cli.kb.opening import get_item, open_knowledge
from novum.cli.kb.options import AsOfOption, CountOption, ItemArgument, OffsetOption, parse_moment
from novum.cli.options import JsonOption, WorkspaceOption, examples
from novum.cli.terminal import err, show, write_json
from novum.core.knowledge import LEDGER, KnowledgeItem

if TYPE_CHECKING:
    from novum.knowledge_base.links import Dependant


@app.command("why", epilog=examples("novum kb why K-0123456789abcdef", "novum kb why K-01234 --json"))
def why(
    item: ItemArgument,
    as_of: AsOfOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show why an item is believed: the tree of its evidence, down to raw measurements.

    Where an experiment of a campaign is reached, the prediction that was registered before it, the tool's
    version, the call's key and the verdict are read from the ledger.
    """
    moment = None if as_of is None else parse_moment(as_of)
    with open_knowledge(workspace) as knowledge:
        found = knowledge.why(get_item(knowledge, item).id, as_of=moment)
    if json:
        write_json(tree.to_json(found))
    else:
        show(tree.draw(found))


@app.command(
    "impact",
    epilog=examples("novum kb impact K-0123456789abcdef", "novum kb impact ledger:maximise-qed-1/E007"),
)
def impact(
    item: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An item's id, or a ledger's record as ledger:CAMPAIGN/E007.",
            show_default=False,
        ),
    ],
    as_of: AsOfOption = None,
    n: CountOption = 50,
    offset: OffsetOption = 0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List what rests on an item, directly or through others: what its retraction would make stale."""
    moment = None if as_of is None else parse_moment(as_of)
    with open_knowledge(workspace) as knowledge:
        target = item if item.startswith(LEDGER) else get_item(knowledge, item).id
        found = knowledge.impact(target, as_of=moment)
        shown = found[offset : offset + n]
        items = knowledge.items.get_many([dependant.id for dependant in shown])
    if json:
        write_json([dependant_json(dependant, items[dependant.id]) for dependant in shown])
        return
    if not found:
        err().print(render.line(f"nothing rests on {target}"))
        return
    show(dependants(shown, items))
    rest(len(shown), len(found), offset)


@app.command("history", epilog=examples("novum kb history K-0123456789abcdef"))
def history(
    item: ItemArgument,
    n: CountOption = 50,
    offset: OffsetOption = 0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List the versions of an item, the oldest first, with what changed from one to the next."""
    with open_knowledge(workspace) as knowledge:
        found = knowledge.history(get_item(knowledge, item).id)
    before = [None, *(version for _, version in found)]
    said = [
        [] if old is None else pages.changes(old, new) for old, (_, new) in zip(before, found, strict=False)
    ]
    window = slice(offset, offset + n)
    if json:
        write_json(
            [
                {
                    "recorded_at": at.isoformat(),
                    "changes": change,
                    "item": version.model_dump(mode="json"),
                }
                for (at, version), change in zip(found[window], said[window], strict=True)
            ]
        )
        return
    rows = [
        (
            version.version,
            pages.when(at),
            pages.status(version),
            f"{version.confidence:.2f}",
            "; ".join(change) or ("recorded" if version.version == 1 else "nothing that is shown"),
            version.status_reason,
        )
        for (at, version), change in zip(found[window], said[window], strict=True)
    ]
    columns = ("version>", "recorded", "status", "confidence>", "what changed", "because")
    show(render.table(columns, rows))
    rest(len(rows), len(found), offset)


@app.command(
    "diff",
    epilog=examples(
        "novum kb diff 2026-11-01 now",
        "novum kb diff maximise-qed-1 maximise-qed-2",
        "novum kb diff monday.zip friday.zip",
    ),
)
def diff(
    one: Annotated[
        str, typer.Argument(metavar="A", help="A time, a campaign or a crate.", show_default=False)
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="Another of the same kind.", show_default=False)],
    n: CountOption = 50,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Say what differs between two times, two campaigns, or two exports.

    A date means its end. For campaigns, findings about the same thing that conflict are listed. Two crates
    are compared without a workspace.
    """
    found = comparing.compare(one, other, workspace)
    if json:
        write_json(found.to_json())
        return
    show(render.line(found.title))
    if not any(section.rows for section in found.sections):
        err().print(render.line("no difference"))
    for section in found.sections:
        if section.rows:
            show(_section(section, n))


def _section(section: "comparing.Section", n: int) -> RenderableType:
    rows: list[tuple[object, ...]] = [
        (
            row.item.id,
            row.item.level.value,
            pages.status(row.item),
            render.label(row.item.subject_label or row.item.subject),
            row.item.relation,
            render.text(pages.value(row.item), limit=40),
            row.said,
        )
        for row in section.rows[:n]
    ]
    more = len(section.rows) - n
    if more > 0:
        rows.append((render.text(f"… and {more} more", "dim"), *[""] * 6))
    columns = ("item", "level", "status", "subject", "relation", "value", "what")
    return render.table(columns, rows, title=f"{section.title} ({len(section.rows)})")


def dependants(found: "list[Dependant]", items: dict[str, KnowledgeItem]) -> RenderableType:
    """Return what rests on something as a table."""
    rows = []
    for d in found:
        item = items[d.id]
        rows.append(
            (
                d.depth,
                d.id,
                pages.status(item),
                item.level.value,
                f"{tree.SAID[d.role]} {d.via}",
                pages.saying(item),
            )
        )
    return render.table(("step>", "item", "status", "level", "because it is", "text"), rows)


def dependant_json(found: "Dependant", item: KnowledgeItem) -> dict[str, Any]:
    """Return what rests on something as JSON data."""
    return {
        "id": found.id,
        "depth": found.depth,
        "via": found.via,
        "role": found.role.value,
        "status": item.status.value,
        "text": item.text,
    }


def rest(n: int, total: int, offset: int) -> None:
    """Say that there is more than was shown."""
    if offset + n < total:
        err().print(render.line(f"{n} of {total}; --offset {offset + n} goes on"))
