"""``novum kb stats``, ``quality`` and ``bias``: the knowledge base as a whole."""

from typing import Any

from novum.cli import render
from novum.cli.kb.group import app
from novum.cli.kb.opening import open_knowledge
from novum.cli.options import JsonOption, WorkspaceOption, examples
from novum.cli.terminal import show, write_json

COUNTED = 1000
"""Conflicts that are counted at most: each is looked at."""


@app.command("stats", epilog=examples("novum kb stats"))
def stats(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Say how much is known, of what kind, and what indexes it."""
    with open_knowledge(workspace) as knowledge:
        found = knowledge.stats()
        n_conflicts = len(knowledge.conflicts(limit=COUNTED))
    if json:
        write_json({**{name: getattr(found, name) for name in found.__slots__}, "n_conflicts": n_conflicts})
        return
    show(
        render.fields(
            [
                ("items", f"{found.n_items}, {found.n_active} active, {found.n_versions} versions"),
                ("negative", f"{found.n_negative} failures and null results"),
                ("conflicts", f"{n_conflicts}{' or more' if n_conflicts == COUNTED else ''} open"),
                ("levels", counted(found.levels)),
                ("domains", counted(found.domains)),
                ("statuses", counted(found.statuses)),
                ("indexed", f"{found.n_indexed} of {found.n_items}"),
                ("embedder", found.embedder),
            ]
        )
    )


@app.command("quality", epilog=examples("novum kb quality", "novum kb quality --json"))
def quality(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Say how good the active items are as data, and how well each source has kept its word.

    Every dimension goes from 0 to 1. A source is calibrated where its stated probabilities and intervals
    hold as often as they say: a small Brier score and ECE, and a coverage near the level.
    """
    with open_knowledge(workspace) as knowledge:
        dimensions, sources = knowledge.quality(), knowledge.calibration()
    if json:
        write_json(
            {
                "quality": dimensions,
                "sources": [{name: getattr(c, name) for name in c.__slots__} for c in sources],
            }
        )
        return
    show(
        render.fields(
            (name, "not measured for any item" if mean is None else f"{mean:.2f}")
            for name, mean in dimensions.items()
        )
    )
    rows = [
        (
            c.source,
            c.n,
            f"{c.held / c.n:.0%}",
            _number(c.brier),
            _number(c.ece),
            "" if c.coverage is None else f"{c.coverage:.0%} of {c.level:.0%}",
            _number(c.rms_z),
        )
        for c in sources
    ]
    columns = ("source", "forecasts>", "held>", "Brier>", "ECE>", "coverage>", "rms z>")
    if rows:
        show(render.table(columns, rows, title="What sources said, and whether it held"))


@app.command("bias", epilog=examples("novum kb bias", "novum kb bias --json"))
def bias(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Say whose knowledge it is: shares of sources, languages, domains and levels, and what is missing."""
    with open_knowledge(workspace) as knowledge:
        found = knowledge.bias()
    if json:
        write_json(
            {
                "n_items": found.n_items,
                "shares": {
                    name: [{"value": s.value, "n": s.n, "share": s.share} for s in shares]
                    for name, shares in found.shares.items()
                },
                "effective": found.effective,
                "remarks": list(found.remarks),
            }
        )
        return
    rows = [
        (
            dimension,
            f"{found.effective[dimension]:.1f}",
            ", ".join(f"{share.value or 'not stated'} {share.share:.0%}" for share in shares[:5])
            + (f", {len(shares) - 5} more" if len(shares) > 5 else ""),
        )
        for dimension, shares in found.shares.items()
    ]
    show(render.table(("by", "effective number>", "shares"), rows))
    for remark in found.remarks:
        show(render.line(render.text("! ", "yellow"), remark))


def counted(groups: dict[str, Any]) -> str:
    """Return groups with their sizes in a line."""
    return ", ".join(f"{name} {size}" for name, size in groups.items())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
