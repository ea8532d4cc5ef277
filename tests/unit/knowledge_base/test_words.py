"""A text that is searched for is words, whatever else it looks like."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base import How, KnowledgeBase

Make = Callable[..., KnowledgeItem]


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        yield kb


@pytest.mark.parametrize(
    "text",
    ['"', "'", "a AND", "NOT", "text:gap", "gap*", "^gap", "NEAR(gap, 2)", "gap) OR (", "-gap", "_", "\0"],
)
def test_a_search_text_is_never_a_query_language(kb: KnowledgeBase, item: Make, text: str) -> None:
    kb.record([item("the gap")])
    worded = [hit.item.text for hit in kb.search(text) if hit.how is not How.VECTOR]
    assert worded == (["the gap"] if "gap" in text else [])


def test_words_are_found_in_text_label_and_relation(kb: KnowledgeBase, item: Make) -> None:
    a = item("fluorination raises the gap of aromatic rings", subject="a", subject_label="c1ccccc1F")
    b = item("the solvent changes nothing", subject="b", relation="meets_goal")
    kb.record([a, b])
    for text, found in (
        ("aromatic ring", a),
        ("changing solvents", b),
        ("c1ccccc1F", a),
        ("meets_goal", b),
    ):
        worded = [hit.item.id for hit in kb.search(text) if hit.how is not How.VECTOR]
        assert worded == [found.id], text


def test_only_the_latest_words_are_found(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item("zirconia is stable", id="K-1")])
    kb.record([item("zirconia is metastable", id="K-1")])
    assert [hit.item.version for hit in kb.search("zirconia") if hit.how is not How.VECTOR] == [2]
    assert [hit for hit in kb.search("stable") if hit.how is not How.VECTOR] == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=10, max_size=10))
def test_any_text_can_be_searched_for(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase(folder, embedder="hashing") as kb:
        for text in texts:
            assert kb.search(text) == []
