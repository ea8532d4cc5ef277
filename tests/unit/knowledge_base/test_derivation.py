"""What is computed from items carries their uncertainty, their origin and their links."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from novum.core.errors import NotFoundError, UnitError, UsageError
from novum.core.knowledge import EvidenceRole, ItemStatus, KnowledgeItem
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase

Make = Callable[..., KnowledgeItem]


@pytest.fixture
def kb(tmp_path: Path, item: Make) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        for name, value, unit, std in (
            ("a", 6.0, "eV", 0.3),
            ("b", 2.0, "eV", 0.4),
            ("t", 20.0, "°C", 1.0),
            ("l", 3.0, "nm", None),
        ):
            quantity = Quantity(value=value, unit=unit, std=std)
            kb.record([item(id=f"K-{name}", relation=name, value=quantity, conditions={"p": 1, name: 1})])
        kb.record([item("no value", id="K-none", relation="n", value=None)])
        yield kb


def test_a_derived_item_says_what_it_comes_from(kb: KnowledgeBase) -> None:
    found = kb.derive(lambda a, b: a * b, ["K-a", "K-b"], relation="product", method="product")
    assert found.value is not None
    assert found.value.std == pytest.approx(((0.3 * 2) ** 2 + (0.4 * 6) ** 2) ** 0.5)
    assert found.contributions == {"K-a": pytest.approx(0.6), "K-b": pytest.approx(2.4)}
    assert [(e.target, e.role) for e in found.evidence] == [
        ("K-a", EvidenceRole.DERIVED_FROM),
        ("K-b", EvidenceRole.DERIVED_FROM),
    ]
    assert (found.subject_label, found.conditions) == ("CCO", {"p": 1})
    assert found.text.startswith("CCO: product = 12.0 ± 2.5")
    assert found.confidence < kb.get("K-a").confidence
    kb.retract("K-a", reason="wrong")
    assert kb.get(found.id).status is ItemStatus.STALE


def test_what_parents_share_is_counted_once(kb: KnowledgeBase) -> None:
    total = kb.derive(lambda a, b: a + b, ["K-a", "K-b"], relation="sum", method="sum")
    apart = kb.derive(lambda a, b: a - b, ["K-a", "K-b"], relation="difference", method="difference")
    twice = kb.derive(lambda s, d: s + d, [total.id, apart.id], relation="twice", method="sum", unit="meV")
    assert twice.value is not None
    assert (twice.value.value, twice.value.std) == (pytest.approx(12000), pytest.approx(600))
    assert twice.contributions == {"K-a": pytest.approx(600)}
    nothing = kb.derive(lambda a, b: a - b, ["K-a", "K-a"], relation="nothing", method="difference")
    assert nothing.value == Quantity(value=0.0, unit="eV", std=0.0)


def test_what_cannot_be_derived_is_refused(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(id="K-other", subject="b", relation="a")])
    for ids, error in (
        ([], UsageError),
        (["K-none"], UsageError),
        (["K-a", "K-other"], UsageError),
        (["K-0"], NotFoundError),
    ):
        with pytest.raises(error):
            kb.derive(lambda *values: sum(values), ids, relation="r", method="m")
    with pytest.raises(UnitError):
        kb.derive(lambda a, x: a + x, ["K-a", "K-l"], relation="r", method="m")
    with pytest.raises(UnitError):
        kb.derive(lambda a: a, ["K-a"], relation="r", method="m", unit="nm")
