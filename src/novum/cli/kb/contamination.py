"""``novum kb contamination``: what of an evaluation set is known already."""

from pathlib import Path
from typing import Annotated

import typer

from novum.cli import render
from novum.cli.kb.group import app
from novum.cli.kb.opening import open_knowledge
from novum.cli.kb.options import CountOption
from novum.cli.options import JsonOption, WorkspaceOption, examples
from novum.cli.terminal import err, show, write_json
from novum.core.errors import UsageError


@app.command(
    "contamination",
    epilog=examples(
        "novum kb contamination test.smi",
        "novum kb contamination questions.jsonl --column text=question",
        "novum kb contamination *.csv --json",
    ),
)
def contamination(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Evaluation sets: CSV, TSV or JSON lines with text, smiles or inchikey; SMILES; or a text "
            "with an example on each line.",
            show_default=False,
        ),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME=COLUMN",
            help="What the files call text, smiles, inchikey or id. May be repeated.",
        ),
    ] = None,
    n: CountOption = 20,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Compare evaluation sets with all items: by hash of the text, by molecule, and by runs of eight words.

    What is known already shows nothing when a planner or a model finds it. Items of every status count.
    """
    from novum.knowledge_base.contamination import read_examples

    named = dict(_pair(text) for text in columns or ())
    sets = {str(path): read_examples(path, columns=named) for path in files}
    with open_knowledge(workspace) as knowledge:
        found = {name: knowledge.contamination(examples) for name, examples in sets.items()}
    if json:
        write_json(
            [
                {
                    "file": name,
                    "n_examples": c.n_examples,
                    "n_known": c.n_known,
                    "share": c.share,
                    "overlaps": [
                        {"example": o.example, "item": o.item, "by": o.by.value, "share": o.share}
                        for o in c.overlaps
                    ],
                }
                for name, c in found.items()
            ]
        )
        return
    for name, c in found.items():
        if c.overlaps:
            rows = [(o.example, o.item, o.by.value, f"{o.share:.0%}") for o in c.overlaps[:n]]
            show(render.table(("example", "item", "same", "share>"), rows))
        if len(c.overlaps) > n:
            err().print(render.line(f"… and {len(c.overlaps) - n} more overlaps; -n or --json shows them"))
        show(render.line(f"{name}: {c.n_known} of {c.n_examples} examples are known ({c.share:.1%})"))


def _pair(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if not sign or not column or name not in ("text", "smiles", "inchikey", "id"):
        raise UsageError(f"{text!r} names no column; write text=COLUMN, smiles=…, inchikey=… or id=…")
    return name, column
