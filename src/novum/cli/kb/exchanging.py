"""``novum kb export`` and ``import``: knowledge out and in, as crates that strangers can verify."""

from pathlib import Path
from typing import Annotated

import typer

from novum.cli import render
from novum.cli.kb.group import app
from novum.cli.kb.opening import get_item, open_knowledge
from novum.cli.kb.options import (
    Chosen,
    ClassOption,
    DomainOption,
    FromOption,
    LevelOption,
    RelationOption,
    SourceOption,
    Status,
)
from novum.cli.options import JsonOption, WorkspaceOption, command, examples
from novum.cli.terminal import err, show, write_json
from novum.core.errors import UsageError
from novum.core.knowledge import Access


@app.command(
    "export",
    epilog=examples(
        "novum kb export gaps.zip --relation gap --licence CC-BY-4.0",
        "novum kb export for-the-partner/ --include-restricted",
    ),
)
def export(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="CRATE", help="A folder, or a file that ends in .zip; new.", show_default=False
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="TITLE", help="Its title.")] = "Knowledge",
    licence: Annotated[
        str,
        typer.Option(
            "--licence", metavar="SPDX", help="Under which others may use it; items may state theirs."
        ),
    ] = "",
    include_restricted: Annotated[
        bool, typer.Option("--include-restricted", help="Let restricted items go out.")
    ] = False,
    include_sensitive: Annotated[
        bool, typer.Option("--include-sensitive", help="Let sensitive items go out.")
    ] = False,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Only this item. May be repeated.")
    ] = None,
    level: LevelOption = None,
    data_class: ClassOption = None,
    relation: RelationOption = None,
    domain: DomainOption = None,
    campaign: FromOption = None,
    source: SourceOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Write items with all their versions as an RO-Crate 1.2: JSON lines, PROV as JSON-LD, and Parquet.

    Public items go out. Others need a flag each. What stays leaves a gap in the chain that says how many
    versions are missing, and nothing of them. 'novum verify CRATE' checks it anywhere.
    """
    from novum.knowledge_base.exchange import export_crate

    tiers = {Access.RESTRICTED: include_restricted, Access.SENSITIVE: include_sensitive}
    allow = [tier for tier, wanted in tiers.items() if wanted]
    chosen = Chosen(
        level=level,
        data_class=data_class,
        relation=relation,
        domain=domain,
        campaign=campaign,
        source=source,
        status=Status.ANY,
    )
    with open_knowledge(workspace) as knowledge:
        wanted: list[str] | None = None
        if ids:
            if chosen != Chosen(status=Status.ANY):
                raise UsageError("choose items by --id or by filters, not by both")
            wanted = [get_item(knowledge, id).id for id in ids]
        elif chosen != Chosen(status=Status.ANY):
            wanted = knowledge.items.ids(**chosen.filters())
        if wanted is not None and not wanted:
            raise UsageError("no item fits; leave out a filter")
        done = export_crate(knowledge.items, path, name=name, licence=licence, allow=allow, ids=wanted)
        closed = set(done.withheld) if wanted is None else set(done.withheld) & set(wanted)
    if json:
        write_json(
            {
                "path": str(done.path),
                "n_items": done.n_items,
                "n_versions": done.n_versions,
                "withheld": sorted(closed),
                "digest": done.digest,
            }
        )
        return
    show(
        render.fields(
            [
                ("crate", str(done.path)),
                ("items", f"{done.n_items}, {done.n_versions} versions"),
                ("digest", f"sha256 {done.digest}"),
                ("check it", command("verify", str(done.path), "--digest", done.digest, workspace=None)),
            ]
        )
    )
    if closed:
        flags = "--include-restricted and --include-sensitive let them out"
        err().print(render.line(f"{len(closed)} items are not public, and stayed; {flags}"))


@app.command(
    "import",
    epilog=examples("novum kb import gaps.zip", "novum kb import gaps.zip --digest 9f86d081884c7d65…"),
)
def import_(
    path: Annotated[
        Path, typer.Argument(metavar="CRATE", help="A folder, or a .zip file.", show_default=False)
    ],
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="SHA256", help="What its digest has to be.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Take over what a crate holds and is not known here, once it verifies. Importing twice adds nothing."""
    from novum.knowledge_base.exchange import import_crate

    with open_knowledge(workspace, create=True) as knowledge:
        done = import_crate(knowledge, path, digest=digest)
        touched = {*done.new, *done.changed}
        found = knowledge.conflicts() if touched else []
        n_conflicts = sum(any(item.id in touched for item in conflict.items) for conflict in found)
    if json:
        write_json(
            {
                "crate": done.crate,
                "n_items": done.n_items,
                "n_versions": done.n_versions,
                "new": list(done.new),
                "changed": list(done.changed),
                "conflicts": n_conflicts,
            }
        )
        return
    show(
        render.fields(
            [
                ("crate", f"sha256 {done.crate}"),
                ("items", f"{done.n_items} in it, {len(done.new)} new, {len(done.changed)} changed"),
                ("versions", f"{done.n_versions} that were not known"),
                (
                    "conflicts",
                    f"{n_conflicts} with what came; 'novum kb conflicts' lists them" if n_conflicts else None,
                ),
            ]
        )
    )
