"""Text from elsewhere only shows; numbers carry unit and uncertainty."""

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console, RenderableType

from novum.cli import pages, render
from novum.cli.kb import pages as kb_pages
from novum.cli.kb import tree
from novum.cli.kb.evidence import dependants
from novum.cli.terminal import to_json
from novum.core.calls import CallStatus, ToolCall, ToolResult
from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.core.science import FalsificationKind, FalsificationRule
from novum.core.tracing import Trace
from novum.knowledge_base.links import Dependant, Found, Node

NASTY = "\x1b[31mred\x1b[0m [bold]b[/bold] \x07\u202e\r\x9b2J \x00"


def shown(renderable: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=True, color_system=None).print(renderable)
    return out.getvalue()


def acts(text: str) -> list[str]:
    return [c for c in text if c in "\x1b\x07\u202e\r\x9b\x00"]


def test_control_characters_and_markup_only_show() -> None:
    text = shown(render.text(NASTY))
    assert acts(text) == []
    assert "[bold]b[/bold]" in text
    assert "\\x1b[31mred" in text


def test_pages_of_foreign_text_only_show() -> None:
    call = ToolCall(tool=NASTY, arguments={NASTY: NASTY})
    result = ToolResult(
        call=call,
        key="k",
        status=CallStatus.ERROR,
        message=NASTY,
        details={NASTY: NASTY},
        warnings=(NASTY,),
        method=NASTY,
    )
    item = KnowledgeItem(
        id="K-1",
        level=Level.FACTUAL,
        domain=NASTY,
        subject=NASTY,
        relation=NASTY,
        object=NASTY,
        text=NASTY,
        conditions={NASTY: NASTY},
        evidence=(Evidence(target=NASTY, role=EvidenceRole.SUPPORTS),),
        status_reason=NASTY,
        status=ItemStatus.STALE,
        provenance=Provenance(source=NASTY, locator={NASTY: NASTY}, method=NASTY),
    )
    trace = Trace(target=f"ledger:{NASTY}/E001", campaign=NASTY, results=(result,), failed=NASTY)
    nothing = Node(NASTY, EvidenceRole.SUPPORTS, 0.5, Found.MISSING)
    record = Node(NASTY, EvidenceRole.MEASURED_BY, 1.0, Found.RECORD, trace=trace)
    below = Node("K-1", EvidenceRole.DERIVED_FROM, 1.0, Found.ITEM, item=item)
    top = Node("K-1", None, 1.0, Found.ITEM, item=item, below=(nothing, record, below))
    for page in (
        pages.result(result),
        kb_pages.item(item, [(datetime.now(UTC), item)]),
        kb_pages.table([(item, 0.5)]),
        tree.draw(top),
        dependants([Dependant("K-1", 1, NASTY, EvidenceRole.SUPPORTS)], {"K-1": item}),
    ):
        text = shown(page)
        assert acts(text) == []
        assert "[bold]b[/bold]" in text


def test_json_is_plain_ascii() -> None:
    text = to_json({"label": NASTY + "\x7f"})
    assert text.isascii()
    assert acts(text) == []
    assert "\x7f" not in text
    assert json.loads(text)["label"] == NASTY + "\x7f"


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        to_json(float("nan"))


def test_values_have_unit_and_uncertainty() -> None:
    gap = Quantity(value=4.31, unit="eV", std=0.12)
    assert render.values({"gap": gap, "qed": Quantity(value=0.5)}) == "gap 4.31 ± 0.12 eV, qed 0.5"


def test_rule_of_a_pure_number_keeps_both_bounds() -> None:
    assert render.rule(FalsificationRule(low=0.1759, high=1.0, unit="1")) == "0.1759 to 1"
    at_least = FalsificationRule(kind=FalsificationKind.AT_LEAST, low=4.0, unit="eV")
    assert render.rule(at_least) == "at least 4 eV"


def test_long_label_is_cut() -> None:
    assert len(render.label("C" * 500).plain) <= render.LABEL_LIMIT
