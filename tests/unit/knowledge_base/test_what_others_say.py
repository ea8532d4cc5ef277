"""What other sources say of the same thing: agreement, contradiction, and what nobody may learn from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from knowledge_items import make_item

from novum.core.knowledge import Access, EvidenceRole, ItemStatus, KnowledgeItem, Provenance
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.conflicts import Rule
from novum.knowledge_base.ingest import About, ingest


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        yield kb


def said(
    source: str, value: float, method: str = "UV", *, unit: str = "eV", std: float | None = 0.05, **more: Any
) -> KnowledgeItem:
    made = Provenance(source=source, method=method, content_hash=more.pop("bytes", ""))
    quantity = Quantity(value=value, unit=unit, std=std)
    id = more.pop("id", f"K-{source}-{method}")
    return make_item(id=id, value=quantity, provenance=made, origin=Origin.MEASURED, **more)


def belief(kb: KnowledgeBase, *ids: str) -> list[float]:
    return [round(kb.get(id).confidence, 3) for id in ids]


def test_two_files_that_contradict_each_other_are_in_conflict_whatever_read_them(
    kb: KnowledgeBase, tmp_path: Path
) -> None:
    for name, gap in (("one", "6.5"), ("two", "19.5")):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"smiles,gap [eV]\nCCO,{gap}\n")
        kb.record(ingest(path, About(domain="chemistry", method="UV", origin=Origin.MEASURED)))
    assert len(kb.conflicts()) == 1
    assert all((item.quality.accuracy or 0) < 0.1 for item in kb.query(relation="gap"))


def test_rows_of_one_file_are_replicates_and_no_conflict(kb: KnowledgeBase) -> None:
    kb.record([said("f", v, std=None, bytes="a" * 64, id=f"K-{v}") for v in (4.0, 9.0)])
    assert kb.conflicts() == []


def test_two_that_exclude_each_other_are_doubted_until_one_has_lost(kb: KnowledgeBase) -> None:
    kb.record([said("A", 1.0, "X"), said("B", 2.0, "Y")])
    assert belief(kb, "K-A-X", "K-B-Y") == [0.5, 0.5]
    [conflict] = kb.conflicts()
    decided = kb.resolve(conflict.id, Rule.PERSON, winner="K-A-X", reason="seen", by="Ada")
    held = next(item for item in decided.items if item.id == "K-A-X")
    assert held.confidence == kb.get("K-A-X").confidence > 0.9


def test_two_that_a_person_lets_stand_do_not_refute_one_another(kb: KnowledgeBase) -> None:
    kb.record([said("A", 1.0, "X"), said("B", 2.0, "Y")])
    [conflict] = kb.conflicts()
    kb.resolve(conflict.id, Rule.PERSON, reason="two phases", by="Ada")
    assert belief(kb, "K-A-X", "K-B-Y") == [0.9, 0.9]


def test_what_is_sensitive_does_not_show_in_what_is_public(kb: KnowledgeBase) -> None:
    kb.record([said("A", 1.0, "X")])
    alone = kb.get("K-A-X")
    kb.record([said("B", 2.0, "Y", access=Access.SENSITIVE), said("C", 1.0, "Z", access=Access.SENSITIVE)])
    assert kb.get("K-A-X") == alone
    # Those who may see all see that it is doubted.
    assert kb.get("K-B-Y").confidence < 0.9


def test_the_reason_of_a_public_item_names_nothing_sensitive(kb: KnowledgeBase) -> None:
    kb.record([said("A", 5.0), said("ref", 1.0, subject="another")])
    kb.link("K-A-UV", EvidenceRole.ANALYSED_WITH, "K-ref-UV")
    kb.retract("K-ref-UV", reason="wet")
    kb.record([said("B", 7.1234, access=Access.SENSITIVE)], measured_again=True)
    old = kb.get("K-A-UV")
    assert (old.status, old.access) == (ItemStatus.SUPERSEDED, Access.PUBLIC)
    assert "K-B" not in old.status_reason
    assert "σ" not in old.status_reason


def test_one_source_by_two_methods_counts_alike_in_one_batch_and_in_two(kb: KnowledgeBase) -> None:
    kb.record([said("lab", 1.0, "UV"), said("lab", 1.01, "NMR")])
    assert belief(kb, "K-lab-UV", "K-lab-NMR") == [0.988, 0.988]


@pytest.mark.parametrize("first", ["K-1", "K-3"])
def test_of_one_origin_that_counts_which_adds_the_most_whatever_it_is_called(
    kb: KnowledgeBase, first: str
) -> None:
    kb.record(
        [said("x", 7.1, "UV", bytes="a" * 64, id=first), said("x", 7.1, "NMR", bytes="a" * 64, id="K-2")]
    )
    kb.record([said("y", 7.1, "UV", bytes="b" * 64, id="K-y")])
    assert belief(kb, "K-y") == [0.988]


def test_nothing_is_relative_to_a_zero_that_is_arbitrary(kb: KnowledgeBase) -> None:
    kb.record([said("A", 20.0, unit="°C", std=None), said("B", 20.3, unit="°C", std=None)])
    assert kb.conflicts() == []
    kb.record([said("C", 50.0, unit="°C", std=None)])
    assert len(kb.conflicts()) == 1


def test_numbers_that_cannot_be_squared_are_compared(kb: KnowledgeBase) -> None:
    kb.record([said("A", 1e308, std=None), said("B", -1e308, std=None), said("C", 1.0, std=None)])
    assert len(kb.conflicts()) == 1
