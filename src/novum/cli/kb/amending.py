"""``novum kb link`` and ``amend``: what a person adds to an item."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from novum.cli import render
from novum.cli.kb import pages
from novum.cli.kb.group import app
from novum.cli.kb.opening import get_item, open_knowledge
from novum.cli.kb.options import ItemArgument, ReasonOption, parse_moment
from novum.cli.options import JsonOption, WorkspaceOption, examples
from novum.cli.terminal import err, show, write_json
from novum.core.access import strictest
from novum.core.errors import UsageError
from novum.core.knowledge import CARRYING, LEDGER, Access, EvidenceRole, KnowledgeItem

if TYPE_CHECKING:
    from novum.knowledge_base.base import Amendments, KnowledgeBase

NO_TIME = "none"


@app.command(
    "link",
    epilog=examples(
        "novum kb link K-01234 supports K-56789",
        "novum kb link K-01234 measured_by ledger:maximise-qed-1/E007",
    ),
)
def link(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An item's id.", show_default=False)],
    role: Annotated[
        EvidenceRole,
        typer.Argument(metavar="ROLE", help=f"One of {', '.join(EvidenceRole)}.", show_default=False),
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="An item's id, or ledger:CAMPAIGN/RECORD.", show_default=False),
    ],
    weight: Annotated[
        float,
        typer.Option("--weight", min=0, metavar="W", help="Its weight; 1 is a full, independent piece."),
    ] = 1.0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Record that SOURCE stands in a role to TARGET. It reads as a sentence: "K-1 supports K-2"."""
    with open_knowledge(workspace) as knowledge:
        to = target if target.startswith(LEDGER) else get_item(knowledge, target).id
        linked = knowledge.link(get_item(knowledge, source).id, role, to, weight=weight)
        history = knowledge.history(linked.id)
    if json:
        write_json(linked.model_dump(mode="json"))
    else:
        show(pages.item(linked, history))


@app.command(
    "amend",
    epilog=examples(
        "novum kb amend K-01234 --access sensitive --reason 'it names a patient'",
        "novum kb amend K-01234 --review-by 2027-06-01 --reason 'the standard is replaced then'",
        "novum kb amend K-01234 --valid-to none --reason 'it still holds'",
    ),
)
def amend(
    item: ItemArgument,
    reason: ReasonOption,
    access: Annotated[Access | None, typer.Option("--access", help="Who may see it.")] = None,
    valid_from: Annotated[
        str | None, typer.Option("--valid-from", metavar="TIME", help="From when on it was true, or none.")
    ] = None,
    valid_to: Annotated[
        str | None, typer.Option("--valid-to", metavar="TIME", help="From when on it was not, or none.")
    ] = None,
    review_by: Annotated[
        str | None,
        typer.Option("--review-by", metavar="TIME", help="When it has to be examined again, or none."),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Change who may see an item, when it was true, or when it is to be reviewed.

    What it says, and how far it is believed, comes from its evidence and cannot be changed. What rests on
    something that is more closed stays as closed, and is told so.
    """
    changes: Amendments = {}
    if access is not None:
        changes["access"] = access
    if valid_from is not None:
        changes["valid_from"] = _moment(valid_from)
    if valid_to is not None:
        changes["valid_to"] = _moment(valid_to)
    if review_by is not None:
        changes["review_by"] = _moment(review_by)
    if not changes:
        raise UsageError("say what changes: --access, --valid-from, --valid-to or --review-by")
    with open_knowledge(workspace) as knowledge:
        found = get_item(knowledge, item)
        start = changes.get("valid_from", found.valid_from)
        end = changes.get("valid_to", found.valid_to)
        if start is not None and end is not None and start > end:
            raise UsageError(f"it cannot end ({pages.when(end)}) before it begins ({pages.when(start)})")
        amended = knowledge.amend(found.id, reason=reason, **changes)
        history = knowledge.history(amended.id)
        closing = [] if access is None else _closing(knowledge, amended, access)
    if json:
        write_json({**amended.model_dump(mode="json"), "closed_by": [item.id for item in closing]})
        return
    show(pages.item(amended, history))
    if closing:
        listed = ", ".join(f"{item.id} ({item.access.value})" for item in closing[:5])
        more = f" and {len(closing) - 5} more" if len(closing) > 5 else ""
        err().print(
            render.line(
                f"{amended.id} stays {amended.access.value}: it rests on {listed}{more}. "
                "Open these first, then it"
            )
        )


def _closing(knowledge: "KnowledgeBase", amended: KnowledgeItem, asked: Access) -> list[KnowledgeItem]:
    """Return the items on which one rests that keep it more closed than was asked for."""
    if amended.access is asked:
        return []
    resting = {link.target for link in amended.evidence if link.role in CARRYING}
    found = knowledge.items.get_many([target for target in resting if not target.startswith(LEDGER)])
    return sorted(
        (item for item in found.values() if strictest(item.access, asked) is not asked),
        key=lambda item: item.id,
    )


def _moment(text: str) -> datetime | None:
    return None if text.strip().lower() == NO_TIME else parse_moment(text)
