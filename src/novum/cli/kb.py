"""``novum kb``: the knowledge base."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from novum.cli import pages, render
from novum.cli.options import JsonOption, WorkspaceOption, examples, nearest, open_workspace
from novum.cli.terminal import err, show, write_json
from novum.core.errors import NotFoundError
from novum.core.knowledge import ItemStatus, KnowledgeItem, Level

if TYPE_CHECKING:
    from novum.knowledge_base.base import KnowledgeBase
    from novum.knowledge_base.items import Filters
    from novum.runtime import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Search and read the knowledge base.",
    short_help="Search and read the knowledge base.",
    epilog="Example: novum kb search 'fluorine raises the gap'",
)

LevelOption = Annotated[Level | None, typer.Option("--level", help="Of this level of knowledge only.")]
RelationOption = Annotated[
    str | None,
    typer.Option("--relation", metavar="NAME", help="About this relation only, as 'qed' or 'fails'."),
]
DomainOption = Annotated[
    str | None, typer.Option("--domain", metavar="NAME", help="Of this domain only, as 'chemistry'.")
]
FromOption = Annotated[
    str | None, typer.Option("--campaign", metavar="CAMPAIGN", help="Recorded by this campaign only.")
]
NegativeOption = Annotated[
    bool | None,
    typer.Option("--negative/--positive", help="Failures and null results only, or none of them."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Stale, superseded and retracted items too.")]
CountOption = Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many items to show at most.")]


@app.callback()
def kb() -> None:
    """Search and read the knowledge base: what campaigns and documents taught."""


@app.command(
    "search",
    epilog=examples(
        "novum kb search 'soluble molecules with a large gap'", "novum kb search caffeine --relation qed -n 3"
    ),
)
def search(
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, in words.")],
    n: CountOption = 10,
    level: LevelOption = None,
    relation: RelationOption = None,
    domain: DomainOption = None,
    campaign: FromOption = None,
    negative: NegativeOption = None,
    every: AllOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Find the items that fit a text best, by meaning and by words."""
    filters = choose(level, relation, domain, campaign, negative=negative, every=every)
    with open_knowledge(workspace) as opened:
        hits = opened.knowledge.search(words, n, **filters)
    if json:
        write_json(
            [
                {
                    "similarity": h.similarity,
                    "score": h.score,
                    "how": h.how.value,
                    "item": h.item.model_dump(mode="json"),
                }
                for h in hits
            ]
        )
        return
    show_items([(h.item, h.similarity) for h in hits])


@app.command("list", epilog=examples("novum kb list --level insight", "novum kb list --negative -n 50"))
def list_items(
    n: CountOption = 20,
    level: LevelOption = None,
    relation: RelationOption = None,
    domain: DomainOption = None,
    campaign: FromOption = None,
    negative: NegativeOption = None,
    every: AllOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List items, the latest first."""
    filters = choose(level, relation, domain, campaign, negative=negative, every=every)
    with open_knowledge(workspace) as opened:
        items = opened.knowledge.items
        total = items.count(**filters)
        found = items.query(limit=n, offset=max(0, total - n), **filters)[::-1]
    if json:
        write_json([item.model_dump(mode="json") for item in found])
        return
    show_items([(item, None) for item in found])
    if total > len(found):
        err().print(render.line(f"{len(found)} of {total} items; -n {total} shows all"))


@app.command(
    "show", epilog=examples("novum kb show K-0123456789abcdef", "novum kb show K-0123456789abcdef --json")
)
def show_item(
    item: Annotated[str, typer.Argument(metavar="ID", help="An item's id; its beginning is enough.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show one item, with why it is believed."""
    with open_knowledge(workspace) as opened:
        found = get_item(opened.knowledge, item)
        history = opened.knowledge.items.history(found.id)
    if json:
        write_json(
            {
                **found.model_dump(mode="json"),
                "history": [
                    {"version": past.version, "status": past.status.value, "recorded_at": time.isoformat()}
                    for time, past in history
                ],
            }
        )
        return
    rows = [(past.version, time.isoformat(" ", "seconds"), past.status.value) for time, past in history]
    show(
        pages.knowledge_item(found), render.table(("version>", "recorded", "status"), rows, title="Versions")
    )


@app.command("stats", epilog=examples("novum kb stats"))
def stats(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Say how much is known, of what kind, and what indexes it."""
    with open_knowledge(workspace) as opened:
        found = opened.knowledge.stats()
    if json:
        write_json({name: getattr(found, name) for name in found.__slots__})
        return
    show(
        render.fields(
            [
                ("items", f"{found.n_items}, {found.n_active} active, {found.n_versions} versions"),
                ("negative", f"{found.n_negative} failures and null results"),
                ("levels", counted(found.levels)),
                ("domains", counted(found.domains)),
                ("statuses", counted(found.statuses)),
                ("indexed", f"{found.n_indexed} of {found.n_items}"),
                ("embedder", found.embedder),
            ]
        )
    )


@app.command("rebuild", epilog=examples("novum kb rebuild"))
def rebuild(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Build the vector index anew from the items, which stay as they are."""
    with open_knowledge(workspace) as opened:
        n = opened.knowledge.rebuild()
    if json:
        write_json({"indexed": n})
    else:
        show(render.line(f"the index holds {n} items"))


def open_knowledge(folder: Path | None) -> "Workspace":
    """Return the workspace, if it has a knowledge base.

    Raises:
        NotFoundError: it has none.
    """
    opened = open_workspace(folder, create=True)
    if not (opened.settings.workspace / "knowledge").is_dir():
        raise NotFoundError(
            f"there is no knowledge base in {str(opened.settings.workspace)!r}; campaigns fill it, "
            "--workspace names another folder"
        )
    return opened


def choose(
    level: Level | None,
    relation: str | None,
    domain: str | None,
    campaign: str | None,
    *,
    negative: bool | None,
    every: bool,
) -> "Filters":
    """Return what was chosen on the command line as filters."""
    chosen: Filters = {
        "level": level,
        "relation": relation,
        "domain": domain,
        "campaign": campaign,
        "negative": negative,
        "status": None if every else ItemStatus.ACTIVE,
    }
    return chosen


def get_item(knowledge: "KnowledgeBase", name: str) -> KnowledgeItem:
    """Return the item with this id, or the only one whose id begins like it.

    Raises:
        NotFoundError: none, or several.
    """
    exact = knowledge.find(name)
    if exact is not None:
        return exact
    ids = knowledge.items.ids(status=None)
    like = [id_ for id_ in ids if id_.lower().startswith(name.lower())]
    if len(like) == 1:
        return knowledge.get(like[0])
    if like:
        raise NotFoundError(f"{name!r} begins {len(like)} items: {', '.join(like[:5])}…")
    hint = nearest(name, ids, listing="'novum kb search TEXT' finds items")
    raise NotFoundError(f"there is no item {name!r}{hint}")


def show_items(found: list[tuple[KnowledgeItem, float | None]]) -> None:
    """Print items as a table, or say that there are none."""
    if found:
        show(pages.knowledge_table(found))
    else:
        err().print(render.line("nothing is known about that; leave out a filter, or use other words"))


def counted(groups: dict[str, Any]) -> str:
    """Return groups with their sizes in a line."""
    return ", ".join(f"{name} {size}" for name, size in groups.items())
