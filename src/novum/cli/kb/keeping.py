"""``novum kb verify``, ``rebuild``, ``appraise`` and ``gc``: keeping the knowledge base sound and small."""

from novum.cli import render
from novum.cli.kb.group import app
from novum.cli.kb.opening import open_knowledge
from novum.cli.options import JsonOption, WorkspaceOption, examples, open_workspace
from novum.cli.terminal import show, write_json
from novum.cli.verify import noted_heads
from novum.core.errors import EvidenceError


@app.command("verify", epilog=examples("novum kb verify", "novum kb verify --json"))
def verify(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Check that every version, forecast and decision is what was recorded; the exit code is 5 if not.

    Where campaigns of this workspace noted how far the knowledge base went, it has to go as far still.
    """
    with open_workspace(workspace, create=True) as opened, open_knowledge(workspace) as knowledge:
        noted = noted_heads(opened, [campaign.id for campaign in opened.ledger.campaigns()])
        found = knowledge.verify(noted)
    if json:
        write_json(
            {"ok": found.ok, "n_versions": found.n_versions, "head": found.head, "faults": list(found.faults)}
        )
    else:
        rows = [("versions", str(found.n_versions)), ("head", f"sha256 {found.head}")]
        show(render.fields([*rows, *(("wrong", render.text(fault, "red")) for fault in found.faults)]))
    if not found.ok:
        raise EvidenceError(f"the knowledge base does not hold: {found.faults[0]}")


@app.command("rebuild", epilog=examples("novum kb rebuild"))
def rebuild(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Build the search index anew from the items, which stay as they are."""
    with open_knowledge(workspace) as knowledge:
        n = knowledge.rebuild()
    if json:
        write_json({"indexed": n})
    else:
        show(render.line(f"the index holds {n} items"))


@app.command("appraise", epilog=examples("novum kb appraise", "novum kb appraise --json"))
def appraise(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Compute confidence and quality of everything anew, by what has been learned of methods since."""
    with open_knowledge(workspace) as knowledge:
        before = {item.id: item.confidence for item in knowledge.query()}
        moved = knowledge.items.get_many(knowledge.reappraise())
    found = sorted(moved.values(), key=lambda item: item.id)
    if json:
        write_json(
            {
                "moved": [
                    {"id": item.id, "before": before.get(item.id), "confidence": item.confidence}
                    for item in found
                ]
            }
        )
        return
    for item in found:
        was = before.get(item.id)
        change = f"{item.confidence:.2f}" if was is None else f"{was:.2f} → {item.confidence:.2f}"
        show(render.line(f"{item.id}  {change}  ", render.text(item.text)))
    show(render.line(f"{len(found)} items are believed otherwise than before"))


@app.command("gc", epilog=examples("novum kb gc"))
def gc(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Give back the space that nothing needs. No version of any item goes away."""
    with open_knowledge(workspace) as knowledge:
        freed = knowledge.gc()
    if json:
        write_json({"freed_bytes": freed})
    else:
        show(render.line(f"{freed / 1e6:.1f} MB given back"))
