"""``novum kb search``, ``list`` and ``show``: what is known."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from novum.cli import render
from novum.cli.kb import pages
from novum.cli.kb.group import app
from novum.cli.kb.opening import get_item, open_knowledge
from novum.cli.kb.options import (
    AccessOption,
    AsOfOption,
    Chosen,
    ClassOption,
    CountOption,
    DomainOption,
    FromOption,
    IdsOption,
    ItemArgument,
    LevelOption,
    NegativeOption,
    OffsetOption,
    OriginOption,
    PropertyOption,
    RelationOption,
    SourceOption,
    Status,
    StatusOption,
    SubjectOption,
    ValidAtOption,
    parse_moment,
)
from novum.cli.kb.structures import Question, ask
from novum.cli.options import JsonOption, WorkspaceOption, examples
from novum.cli.terminal import err, show, write_json
from novum.core.errors import UsageError
from novum.core.knowledge import KnowledgeItem

if TYPE_CHECKING:
    from novum.knowledge_base.base import KnowledgeBase
    from novum.knowledge_base.items import Filters


@app.command(
    "search",
    epilog=examples(
        "novum kb search 'soluble molecules with a large gap'",
        "novum kb search caffeine --relation qed -n 3",
        "novum kb search 'donor' --property 'gap > 4 eV' --as-of 2026-11-01",
        "novum kb search --similar CCO --similarity 0.4",
    ),
)
def search(
    words: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to look for, in words.", show_default=False)
    ] = None,
    similar: Annotated[
        str | None, typer.Option("--similar", metavar="SMILES", help="About molecules like this one.")
    ] = None,
    containing: Annotated[
        str | None, typer.Option("--containing", metavar="SMARTS", help="About molecules with this group.")
    ] = None,
    composition: Annotated[
        str | None,
        typer.Option("--composition", metavar="FORMULA", help="About materials of this composition."),
    ] = None,
    crystal: Annotated[
        Path | None,
        typer.Option("--crystal", metavar="FILE", help="About crystals with this structure: CIF or POSCAR."),
    ] = None,
    similarity: Annotated[
        float | None,
        typer.Option(
            "--similarity", min=0, max=1, metavar="S", help="Least likeness of a structure, from 0 to 1."
        ),
    ] = None,
    n: CountOption = 10,
    offset: OffsetOption = 0,
    level: LevelOption = None,
    data_class: ClassOption = None,
    domain: DomainOption = None,
    relation: RelationOption = None,
    bounds: PropertyOption = None,
    subject: SubjectOption = None,
    campaign: FromOption = None,
    source: SourceOption = None,
    origin: OriginOption = None,
    access: AccessOption = None,
    negative: NegativeOption = None,
    status: StatusOption = Status.ACTIVE,
    as_of: AsOfOption = None,
    valid_at: ValidAtOption = None,
    ids: IdsOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Find the items that fit a text best, by meaning and by words, or that are about a structure.

    With a text and a structure, the items about such structures are ranked by the text.
    """
    filters = Chosen(
        level=level,
        data_class=data_class,
        relation=relation,
        domain=domain,
        subject=subject,
        campaign=campaign,
        source=source,
        origin=origin,
        access=access,
        negative=negative,
        bounds=tuple(bounds or ()),
        status=status,
        as_of=as_of,
        valid_at=valid_at,
    ).filters()
    question = Question(similar, containing, composition, crystal, similarity)
    if not question and not (words or "").strip():
        raise UsageError("say what to look for: a text, or --similar, --containing, --composition, --crystal")
    if similarity is not None and not question:
        raise UsageError("--similarity is of a structure: add --similar, --containing or --composition")
    with open_knowledge(workspace) as knowledge:
        found: list[dict[str, Any]] = []
        pairs: list[tuple[KnowledgeItem, float | None]] = []
        if question and not (words or "").strip():
            for alike in ask(knowledge, question, offset + n, filters)[offset:]:
                pairs.append((alike.item, alike.similarity))
                found.append({"similarity": alike.similarity, "score": alike.similarity, "how": "structure"})
        else:
            if question:
                filters["subjects"] = _narrow(knowledge, question, filters)
            for hit in knowledge.search(words or "", offset + n, **filters)[offset:]:
                pairs.append((hit.item, hit.similarity))
                found.append({"similarity": hit.similarity, "score": hit.score, "how": hit.how.value})
        hint = "" if pairs else _units_hint(knowledge, filters)
    if json:
        write_json(
            [
                {**said, "overdue": pages.is_overdue(item), "item": item.model_dump(mode="json")}
                for said, (item, _) in zip(found, pairs, strict=True)
            ]
        )
        return
    if ids:
        write_ids(item for item, _ in pairs)
        return
    show_items(pairs, hint)


@app.command(
    "list",
    epilog=examples(
        "novum kb list --level insight",
        "novum kb list --negative -n 50",
        "novum kb why $(novum kb list --level insight --ids -n 1)",
    ),
)
def list_items(
    n: CountOption = 20,
    offset: OffsetOption = 0,
    level: LevelOption = None,
    data_class: ClassOption = None,
    domain: DomainOption = None,
    relation: RelationOption = None,
    bounds: PropertyOption = None,
    subject: SubjectOption = None,
    campaign: FromOption = None,
    source: SourceOption = None,
    origin: OriginOption = None,
    access: AccessOption = None,
    negative: NegativeOption = None,
    status: StatusOption = Status.ACTIVE,
    as_of: AsOfOption = None,
    valid_at: ValidAtOption = None,
    ids: IdsOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List items, the latest first."""
    filters = Chosen(
        level=level,
        data_class=data_class,
        relation=relation,
        domain=domain,
        subject=subject,
        campaign=campaign,
        source=source,
        origin=origin,
        access=access,
        negative=negative,
        bounds=tuple(bounds or ()),
        status=status,
        as_of=as_of,
        valid_at=valid_at,
    ).filters()
    with open_knowledge(workspace) as knowledge:
        total = knowledge.items.count(**filters)
        end = max(0, total - offset)
        start = max(0, end - n)
        found = knowledge.query(limit=end - start, offset=start, **filters)[::-1] if end else []
        hint = "" if total else _units_hint(knowledge, filters)
    if json:
        write_json([item.model_dump(mode="json") for item in found])
        return
    if ids:
        write_ids(found)
        return
    show_items([(item, None) for item in found], hint)
    if total > len(found):
        more = f"; --offset {offset + len(found)} goes on" if start else ""
        err().print(render.line(f"{len(found)} of {total} items{more}"))


@app.command(
    "show",
    epilog=examples("novum kb show K-0123456789abcdef", "novum kb show K-01234 --as-of 2026-11-01 --json"),
)
def show_item(
    item: ItemArgument,
    as_of: AsOfOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show one item in full: what it says, how far it is believed, where it comes from, its versions."""
    from novum.knowledge_base.exchange import find_origins

    with open_knowledge(workspace) as knowledge:
        found = get_item(knowledge, item)
        history = knowledge.history(found.id)
        if as_of is not None:
            moment = parse_moment(as_of)
            history = [(at, version) for at, version in history if at <= moment]
            if not history:
                raise UsageError(f"nothing was known of {found.id} at {as_of}")
            found = history[-1][1]
        origins = find_origins(knowledge, found.id, found.version)
        conflicts = knowledge.conflicts(item=found.id, every=True)
    if json:
        write_json(
            {
                **found.model_dump(mode="json"),
                "history": [
                    {
                        "version": past.version,
                        "status": past.status.value,
                        "confidence": past.confidence,
                        "recorded_at": time.isoformat(),
                    }
                    for time, past in history
                ],
                "origins": [
                    {"crate": o.crate, "name": o.name, "imported_at": o.imported_at.isoformat()}
                    for o in origins
                ],
                "conflicts": [conflict.id for conflict in conflicts],
            }
        )
        return
    show(pages.item(found, history, origins=origins, conflicts=conflicts))


def show_items(found: list[tuple[KnowledgeItem, float | None]], hint: str = "") -> None:
    """Print items as a table, or say that there are none."""
    if found:
        show(pages.table(found))
    else:
        err().print(
            render.line(f"nothing is known about that; {hint or 'leave out a filter, or use other words'}")
        )


def write_ids(items: Iterable[KnowledgeItem]) -> None:
    """Print ids, one a line."""
    for item in items:
        show(render.text(item.id))


def _narrow(knowledge: "KnowledgeBase", question: Question, filters: "Filters") -> list[str]:
    """Return the subjects that a question about structures finds."""
    return sorted({alike.item.subject for alike in ask(knowledge, question, Question.MOST, filters)})


def _units_hint(knowledge: "KnowledgeBase", filters: "Filters") -> str:
    """Return what may be wrong with a bound that nothing meets."""
    relation = filters.get("relation")
    bound = filters.get("at_least") or filters.get("at_most")
    if relation is None or bound is None:
        return ""
    known = knowledge.query(limit=1, relation=relation, has_value=True, status=None)
    if not known or known[0].value is None:
        return f"no item has a value of {relation!r}"
    from novum.core.quantity import is_compatible

    if not is_compatible(bound.unit, known[0].value.unit):
        return f"{relation} is known in {known[0].value.unit}, and the bound is in {bound.unit}"
    return ""
