"""``novum kb conflicts``, ``resolve``, ``retract`` and ``reinstate``: what a person decides."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from novum.cli import render
from novum.cli.kb import pages
from novum.cli.kb.evidence import dependant_json, dependants
from novum.cli.kb.group import app
from novum.cli.kb.opening import get_conflict, get_item, open_knowledge
from novum.cli.kb.options import CountOption, ItemArgument, OffsetOption, ReasonOption, Rule, YesOption
from novum.cli.kb.progress import shown_if_slow
from novum.cli.options import JsonOption, WorkspaceOption, examples
from novum.cli.pursuit import person
from novum.cli.terminal import err, show, write_json
from novum.core.errors import UsageError
from novum.core.knowledge import ItemStatus

if TYPE_CHECKING:
    from novum.knowledge_base.base import KnowledgeBase
    from novum.knowledge_base.conflicts import Conflict
    from novum.knowledge_base.links import Dependant

SHOWN = 50
"""Dependants that are listed when something is retracted; the others are counted."""


@app.command("conflicts", epilog=examples("novum kb conflicts", "novum kb conflicts --item K-01234 --all"))
def conflicts(
    item: Annotated[
        str | None, typer.Option("--item", metavar="ID", help="Only those that this item is in.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are decided, or gone, too.")] = False,
    n: CountOption = 20,
    offset: OffsetOption = 0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List conflicts: items about one thing, under the same conditions, that cannot all be true."""
    with open_knowledge(workspace) as knowledge:
        about = None if item is None else get_item(knowledge, item).id
        found = knowledge.conflicts(item=about, every=every, limit=n + 1, offset=offset)
    shown = found[:n]
    if json:
        write_json([conflict_json(conflict) for conflict in shown])
        return
    if not found:
        err().print(
            render.line("no conflict" if every else "no open conflict; --all shows decided ones, too")
        )
        return
    for conflict in shown:
        show_conflict(conflict)
    if len(found) > n:
        err().print(render.line(f"there are more; --offset {offset + n} goes on"))


@app.command(
    "resolve",
    epilog=examples(
        "novum kb resolve X-0123456789abcdef --rule weight",
        "novum kb resolve X-01234 --rule person --winner K-01234 --reason 'the scale was off'",
    ),
)
def resolve(
    conflict: Annotated[
        str,
        typer.Argument(
            metavar="CONFLICT", help="Its id, as 'novum kb conflicts' lists it.", show_default=False
        ),
    ],
    rule: Annotated[
        Rule,
        typer.Option(
            "--rule",
            help="weight: the item of the highest confidence. recency: that of the latest source. quality: "
            "the best as data. person: the one that --winner names.",
            show_default=False,
        ),
    ],
    winner: Annotated[
        str | None,
        typer.Option(
            "--winner", metavar="ID", help="For a person: the item that stands; without it, all do."
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; needed for a person's decision.")
    ] = "",
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who decided.  [default: your user name]")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Decide a conflict by a rule, and record how. The winner supersedes the others, which stay readable."""
    from novum.knowledge_base.conflicts import Rule as By

    with open_knowledge(workspace) as knowledge:
        found = get_conflict(knowledge, conflict)
        chosen = None if winner is None else get_item(knowledge, winner).id
        decided = knowledge.resolve(found.id, By(rule.value), winner=chosen, reason=reason, by=by or person())
        lost = [i.id for i in decided.items if i.status is ItemStatus.SUPERSEDED]
        stale = _stale(knowledge, lost)
        items = knowledge.items.get_many([d.id for d in stale])
    if json:
        write_json(
            {
                **conflict_json(decided),
                "stale": [dependant_json(d, items[d.id]) for d in stale],
            }
        )
        return
    show_conflict(decided)
    if stale:
        show(render.line(f"stale, to be examined again: {len(stale)}"), dependants(stale, items))


@app.command(
    "retract",
    epilog=examples("novum kb retract K-0123456789abcdef --reason 'the sample was contaminated' --yes"),
)
def retract(
    item: ItemArgument,
    reason: ReasonOption,
    yes: YesOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Take an item back, and make stale what rests on it.

    What is stale is left out of searches and of what campaigns build on, until the next campaign has
    examined it again. Nothing is deleted.
    """
    if not reason.strip():
        raise UsageError("say why with --reason: it stays with the item")
    with open_knowledge(workspace) as knowledge:
        found = get_item(knowledge, item)
        if found.status is ItemStatus.RETRACTED:
            raise UsageError(f"{found.id} is retracted already: {found.status_reason}")
        if not yes:
            _confirm(knowledge, found.id, f"{found.id}: {found.text}")
        with shown_if_slow("what rests on it", json=json) as progress:
            taken = knowledge.retract(found.id, reason=reason, progress=progress)
        shown = taken.stale if json else taken.stale[:SHOWN]
        items = knowledge.items.get_many([d.id for d in shown])
    if json:
        write_json(
            {
                "item": taken.item.model_dump(mode="json"),
                "stale": [dependant_json(d, items[d.id]) for d in taken.stale],
            }
        )
        return
    show(render.line(f"{taken.item.id} is ", pages.status(taken.item), f": {taken.item.status_reason}"))
    if not taken.stale:
        show(render.line("nothing rested on it"))
        return
    show(dependants(list(shown), items))
    if len(shown) < len(taken.stale):
        said = f"… and {len(taken.stale) - len(shown)} more: 'novum kb impact {taken.item.id}' lists them"
        show(render.line(said))
    show(
        render.line(
            f"{len(taken.stale)} stale; what can be measured again, the next campaign that looks there does"
        )
    )


@app.command(
    "reinstate", epilog=examples("novum kb reinstate K-0123456789abcdef --reason 'it was another sample'")
)
def reinstate(
    item: ItemArgument,
    reason: ReasonOption,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make an item active again, and what was stale for want of it alone."""
    with open_knowledge(workspace) as knowledge:
        again = knowledge.reinstate(get_item(knowledge, item).id, reason=reason)
    if json:
        write_json([found.model_dump(mode="json") for found in again])
        return
    if again:
        show(pages.table([(found, None) for found in again]))
    else:
        err().print(render.line("nothing changed: it is active"))


@app.command("expire", epilog=examples("novum kb expire --dry-run", "novum kb expire"))
def expire(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become stale, and change nothing.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make stale what is past its review date, and what rests on it.

    Campaigns do so before they recall anything. Until then such items are found, and shown as overdue.
    """
    with open_knowledge(workspace) as knowledge:
        if dry_run:
            found = knowledge.query(review_by=knowledge.items.now)
            resting = {d.id: d for item in found for d in knowledge.impact(item.id)}
            items = knowledge.items.get_many(list(resting))
            own = {item.id for item in found}
            stale = [
                d
                for id, d in resting.items()
                if id not in own and items[id].status in (ItemStatus.ACTIVE, ItemStatus.STALE)
            ]
        else:
            taken = knowledge.expire()
            found = [withdrawal.item for withdrawal in taken]
            own = {item.id for item in found}
            stale = list({d.id: d for w in taken for d in w.stale if d.id not in own}.values())
            items = knowledge.items.get_many([d.id for d in stale])
    if json:
        write_json(
            {
                "changed": not dry_run,
                "expired": [item.model_dump(mode="json") for item in found],
                "stale": [dependant_json(d, items[d.id]) for d in stale],
            }
        )
        return
    if not found:
        show(render.line("nothing is past its review date"))
        return
    show(pages.table([(item, None) for item in found]))
    if stale:
        show(dependants(stale, items))
    verb = "would be stale" if dry_run else "stale"
    show(render.line(f"{len(found)} past their review date, {len(stale)} more that rest on them: {verb}"))


def show_conflict(conflict: "Conflict") -> None:
    """Print a conflict with its items and its resolution."""
    apart = (
        "" if conflict.statistic is None else f", up to {conflict.statistic:.1f} standard deviations apart"
    )
    state = render.text("open", "yellow") if conflict.open else render.text("closed", "green")
    show(
        render.line(
            render.text(conflict.id, "bold"),
            "  ",
            state,
            f"  {conflict.items[0].subject_label or conflict.subject}: {conflict.relation}{apart}, "
            f"since {pages.when(conflict.since)}",
        )
    )
    rows = [
        (
            item.id,
            pages.status(item),
            pages.value(item),
            f"{item.confidence:.2f}",
            item.provenance.method,
            item.provenance.source,
            pages.saying(item, limit=80),
        )
        for item in conflict.items
    ]
    show(render.table(("item", "status", "value", "confidence>", "method", "from", "text"), rows))
    if conflict.resolution is not None:
        r = conflict.resolution
        by = f" by {r.by}" if r.by else ""
        show(render.line(f"decided {pages.when(r.at)}{by}, rule {r.rule.value}: {r.reason}"))


def conflict_json(conflict: "Conflict") -> dict[str, Any]:
    """Return a conflict as JSON data."""
    r = conflict.resolution
    return {
        "id": conflict.id,
        "open": conflict.open,
        "subject": conflict.subject,
        "relation": conflict.relation,
        "statistic": conflict.statistic,
        "since": conflict.since.isoformat(),
        "items": [item.model_dump(mode="json") for item in conflict.items],
        "resolution": r
        and {
            "rule": r.rule.value,
            "winner": r.winner,
            "members": list(r.members),
            "reason": r.reason,
            "by": r.by,
            "at": r.at.isoformat(),
        },
    }


def _stale(knowledge: "KnowledgeBase", ids: list[str]) -> "list[Dependant]":
    """Return what is stale and rests on any of `ids`, each once."""
    found = {d.id: d for id in ids for d in knowledge.impact(id)}
    items = knowledge.items.get_many(list(found))
    return [d for id, d in found.items() if items[id].status is ItemStatus.STALE]


def _confirm(knowledge: "KnowledgeBase", id: str, said: str) -> None:
    """Ask whether a retraction is meant, with what it would make stale.

    Raises:
        UsageError: nobody can be asked.
        typer.Abort: it is not meant.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"nobody can be asked here whether {id} is to be retracted; say so with --yes")
    found = knowledge.impact(id)
    items = knowledge.items.get_many([d.id for d in found])
    active = [d for d in found if items[d.id].status is ItemStatus.ACTIVE]
    console = err()
    console.print(render.line(said))
    if active:
        console.print(dependants(active[:20], items))
    console.print(render.line(f"{len(active)} items would become stale"))
    typer.confirm("Retract it?", abort=True, err=True)
