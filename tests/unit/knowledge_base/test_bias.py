"""What stands out in the make-up of what is known."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from novum.core.knowledge import ItemStatus, KnowledgeItem, Provenance
from novum.knowledge_base import KnowledgeBase

Make = Callable[..., KnowledgeItem]


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        yield kb


def test_an_empty_knowledge_base_has_no_bias_and_no_quality(kb: KnowledgeBase) -> None:
    found = kb.bias()
    assert (found.n_items, found.remarks) == (0, ())
    assert found.effective["source"] == 0.0
    assert set(kb.quality().values()) == {None}


def test_what_dominates_and_what_is_missing_is_said(kb: KnowledgeBase, item: Make) -> None:
    for n in range(5):
        source = "one laboratory" if n < 4 else "another"
        kb.record([item(id=f"K-{n}", subject=str(n), provenance=Provenance(source=source, language="en"))])
    found = kb.bias()
    assert found.effective["source"] == pytest.approx(25 / 17)
    said = "; ".join(found.remarks)
    assert "80% of the items have the source 'one laboratory'" in said
    assert "100% of the items have the language 'en'" in said
    assert "no item is negative" in said
    assert "no item was measured" in said
    for n in range(9):
        kb.record([item(id=f"K-no{n}", subject=f"no{n}", negative=True, origin="measured")])
    said = "; ".join(kb.bias().remarks)
    assert "do not state their language" in said
    assert "no item is negative" not in said
    assert "no item was measured" not in said


def test_only_active_items_count(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(id="K-1"), item(id="K-2", subject="b", status=ItemStatus.RETRACTED)])
    assert kb.bias().n_items == 1
    assert kb.stats().n_items == 2


def test_collecting_garbage_keeps_every_version(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item("one", id="K-1")])
    kb.record([item("two", id="K-1")])
    kb.search("one")
    left = kb.root / "index" / "left-over"
    left.mkdir()
    (left / "vectors.f32").write_bytes(b"\0" * 100_000)
    kb.index.close()
    assert kb.gc() >= 100_000
    assert not left.exists()
    assert [version.text for _, version in kb.history("K-1")] == ["one", "two"]
    assert [hit.item.text for hit in kb.search("two")] == ["two"]
    assert kb.verify().ok
