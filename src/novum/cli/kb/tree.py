"""The tree of evidence of an item, for people and for programs."""

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from novum.cli import render
from novum.cli.kb.pages import saying, status, value, when
from novum.core.knowledge import EvidenceRole, ItemStatus, KnowledgeItem
from novum.core.tracing import Trace

if TYPE_CHECKING:
    from novum.knowledge_base.links import Node

SAID = {
    EvidenceRole.MEASURED_BY: "measured by",
    EvidenceRole.DERIVED_FROM: "derived from",
    EvidenceRole.EXPLAINED_BY: "explained by",
    EvidenceRole.SIMULATED_BY: "simulated by",
    EvidenceRole.SUPPORTS: "supported by",
    EvidenceRole.REFUTES: "refuted by",
    EvidenceRole.SUPERSEDES: "supersedes",
    EvidenceRole.ANALYSED_WITH: "analysed with",
}
"""How a link is read from the item that has it."""


def draw(top: "Node") -> RenderableType:
    """Return the tree of evidence below an item."""
    tree = Tree(_label(top, None), guide_style="dim")
    _grow(tree, top)
    return tree


def to_json(node: "Node") -> dict[str, Any]:
    """Return the tree of evidence as JSON data."""
    item, trace = node.item, node.trace
    return {
        "target": node.target,
        "role": node.role and node.role.value,
        "weight": node.weight,
        "found": node.found.value,
        "repeated": node.repeated,
        "item": item and item.model_dump(mode="json"),
        "record": trace and trace.model_dump(mode="json"),
        "below": [to_json(below) for below in node.below],
    }


def _grow(tree: Tree, node: "Node") -> None:
    for below in node.below:
        _grow(tree.add(_label(below, node.item)), below)


def _label(node: "Node", above: KnowledgeItem | None) -> RenderableType:
    role = Text() if node.role is None else render.text(f"{SAID[node.role]} ", "bold")
    if node.weight != 1.0:
        role = render.line(role, f"(weight {node.weight:g}) ")
    if node.item is not None:
        return _item(node, node.item, role)
    if node.trace is not None:
        return _record(node.trace, role, above)
    return render.line(role, render.text(node.target), render.text("  not here", "yellow"))


def _item(node: "Node", item: KnowledgeItem, role: Text) -> RenderableType:
    head: list[Text | str] = [
        role,
        render.text(item.id, "cyan"),
        f"  {item.level.value}, {item.origin.value}, ",
    ]
    head.append(f"confidence {item.confidence:.2f}")
    if item.status is not ItemStatus.ACTIVE:
        head += [", ", status(item), f": {item.status_reason}" if item.status_reason else ""]
    if node.repeated:
        return render.line(*head, render.text("  (see above)", "dim"))
    says = f"{item.subject_label or item.subject}: {item.relation}"
    short = value(item) if item.value is not None else ""
    lines = [render.line(*head), saying(item) if not short else render.line(f"{says} = {short}")]
    if not node.below:
        lines.append(_origin(item))
    return Group(*lines)


def _origin(item: KnowledgeItem) -> Text:
    """Return where an item comes from that rests on nothing else."""
    p = item.provenance
    place = ", ".join(f"{name} {entry}" for name, entry in p.locator.items() if not isinstance(entry, dict))
    content = f"sha256 {p.content_hash[:16]}…" if p.content_hash else ""
    return render.line(", ".join(part for part in (f"from {p.source}", place, p.licence, content) if part))


def _record(trace: Trace, role: Text, above: KnowledgeItem | None) -> RenderableType:
    relation = above.relation if above is not None else None
    name = trace.target.rpartition("/")[2]
    head = render.line(role, render.text(f"experiment {name}", "cyan"), f" of campaign {trace.campaign}")
    return Group(head, render.fields(_facts(trace, relation)))


def _facts(trace: Trace, relation: str | None) -> list[tuple[str, object]]:
    """Return what an experiment's records say of one relation; of all where it measured no such thing."""
    if relation not in {m.property for m in trace.measurements}:
        relation = None
    hypothesis, found = trace.hypothesis, list[tuple[str, object]]()
    if hypothesis is not None:
        predictions = [p for p in hypothesis.predictions if relation in (None, p.property)]
        said = "; ".join(
            f"{p.property} {p.expected}, allowed {render.rule(p.rule)} ({p.rule.level:.0%})"
            for p in predictions
        )
        found.append(("predicted", f"{said or 'nothing of it'}, by {hypothesis.source} in {hypothesis.id}"))
    if trace.registration:
        time = f" at {when(trace.registered_at)}" if trace.registered_at else ""
        found.append(("registered", f"before it ran{time}, sha256 {trace.registration[:16]}…"))
    for result in trace.results:
        versions = f"{result.call.tool}@{result.tool_version} ({result.method})"
        ran = "answered from the cache" if result.cached else f"in {result.sandbox}"
        found.append(("ran", f"{versions}, seed {result.call.seed}, {ran}; {result.status.value}"))
        found.append(("call key", result.key))
    for m in trace.measurements:
        if relation in (None, m.property):
            at = f", {when(trace.finished_at)}" if trace.finished_at else ""
            found.append((m.origin.value, f"{m.property} {m.quantity} by {m.method}{at}"))
    if trace.failed:
        found.append(("failed", trace.failed))
    for verdict in trace.verdicts:
        if relation in (None, verdict.property):
            found.append(
                (
                    "verdict",
                    render.line(render.outcome(verdict.outcome), f": {verdict.property}, {verdict.reason}"),
                )
            )
    if trace.hash:
        found.append(("ledger", f"sha256 {trace.hash[:16]}…"))
    return found
