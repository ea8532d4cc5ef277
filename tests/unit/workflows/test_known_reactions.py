"""The table of reactions that grows in the knowledge base."""

import pytest
from knowledge_items import make_item

from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.tools.chemistry.conditions import KnownReaction, predict_conditions
from novum.workflows.known_reactions import known_reactions

REACTION = "Brc1ccccc1.OB(O)c1ccccc1>>c1ccc(-c2ccccc2)cc1"


def run(name: str, base: str, value: float, unit: str = "percent", reaction: str | None = REACTION):
    return make_item(
        f"run {name} gave {value} {unit}",
        domain="chemistry",
        subject=name,
        relation="yield",
        value=Quantity(value=value, unit=unit),
        arguments={"base": base} | ({"reaction": reaction} if reaction else {}),
    )


def test_runs_become_rows_and_what_is_retracted_leaves_them(tmp_path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as base:
        items = [run("r1", "K2CO3", 40), run("r2", "K3PO4", 0.9, "1"), run("r3", "KOH", 50, reaction=None)]
        base.record(items)
        rows = known_reactions(base, ["base"])
        assert [(r.conditions, r.yield_percent) for r in rows] == [
            ({"base": "K2CO3"}, pytest.approx(40)),
            ({"base": "K3PO4"}, pytest.approx(90)),
        ]
        table = [KnownReaction(**row.as_argument()) for row in rows]
        asked = "Brc1ccc(C)cc1.OB(O)c1ccccc1>>Cc1ccc(-c2ccccc2)cc1"
        found = predict_conditions(asked, known=table).details["conditions"][0]
        assert found["conditions"] == {"base": "K3PO4"}
        assert found["sources"] == [rows[1].item]
        assert known_reactions(base, ["solvent"]) == ()
        base.retract(rows[1].item, reason="a wrong standard")
        assert [r.conditions for r in known_reactions(base, ["base"])] == [{"base": "K2CO3"}]
