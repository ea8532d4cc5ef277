import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from novum.core.errors import NotFoundError, UsageError
from novum.core.knowledge import ItemStatus, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.knowledge_base import How, KnowledgeBase

Make = Callable[..., KnowledgeItem]


@pytest.fixture
def kb(tmp_path: Path):
    with KnowledgeBase(tmp_path / "knowledge", embedder="hashing") as kb:
        yield kb


def test_what_is_recorded_is_found_by_words_and_by_likeness(kb: KnowledgeBase, item: Make) -> None:
    ring = item("aromatic rings have small gaps", subject="a")
    steel = item("steel corrodes", subject="b", relation="corrosion")
    assert kb.record([ring, steel]) == [ring.id, steel.id]
    (first, second) = kb.search("aromatic gaps")
    assert (first.item.id, first.how) == (ring.id, How.BOTH)
    assert (second.item.id, second.how) == (steel.id, How.VECTOR)
    assert first.similarity > second.similarity
    assert first.score > second.score
    assert [hit.item.id for hit in kb.search("aromatic gaps", n=1)] == [ring.id]
    assert kb.search("  ") == kb.search("steel", 0) == []


def test_a_search_keeps_to_its_filters_and_to_active_items(kb: KnowledgeBase, item: Make) -> None:
    fact = item("the gap of benzene", subject="a")
    insight = item("the gap falls with conjugation", subject="b", level=Level.INSIGHT)
    stale = item("the gap was misread", subject="c", status=ItemStatus.STALE)
    kb.record([fact, insight, stale])
    assert {hit.item.id for hit in kb.search("gap")} == {fact.id, insight.id}
    assert [hit.item.id for hit in kb.search("gap", level=Level.INSIGHT)] == [insight.id]
    assert [hit.item.id for hit in kb.search("gap", status=ItemStatus.STALE)] == [stale.id]
    with pytest.raises(UsageError, match="colour"):
        kb.search("gap", colour="red")


def test_recording_twice_gives_one_item(kb: KnowledgeBase, item: Make) -> None:
    assert kb.record([item(), item()]) == [item().id] * 2
    assert kb.record([item()]) == [item().id]
    assert len(kb.about(item().subject)) == 1


def test_get_raises_and_find_does_not(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item()])
    assert kb.get(item().id) == kb.find(item().id)
    assert kb.get(item().id).text == item().text
    assert kb.find("K-0") is None
    with pytest.raises(NotFoundError):
        kb.get("K-0")


def test_measurements_have_values_and_their_method_and_conditions(kb: KnowledgeBase, item: Make) -> None:
    xtb = item("xtb")
    dft = item("dft", provenance=Provenance(source="t", method="PBE"))
    wet = item("in water", conditions={"solvent": "water"})
    other = item("logp", relation="logp", value=Quantity(value=1.0, unit="1"))
    failed = item("failed", value=None, negative=True)
    gone = item("gone", subject="x", status=ItemStatus.RETRACTED)
    kb.record([xtb, dft, wet, other, failed, gone])

    def found(**filters: Any) -> list[str]:
        return [found.id for found in kb.measurements("gap", **filters)]

    assert set(found()) == {xtb.id, dft.id, wet.id}
    assert found(methods=["PBE"]) == [dft.id]
    assert found(conditions={"solvent": "water"}) == [wet.id]
    assert found(conditions={}, methods=["GFN2-xTB"]) == [xtb.id]
    assert found(subjects=["nothing"]) == []


def test_stats_count_without_building_the_index(kb: KnowledgeBase, item: Make) -> None:
    kb.record(
        [
            item(subject="a"),
            item(subject="b", negative=True, level="insight"),
            item(subject="c", status="stale"),
        ]
    )
    stats = kb.stats()
    assert (stats.n_items, stats.n_active, stats.n_negative, stats.n_indexed) == (3, 2, 1, 0)
    assert stats.levels == {"factual": 2, "insight": 1}
    assert stats.statuses == {"active": 2, "stale": 1}
    assert stats.embedder.startswith("hashing")
    assert kb.rebuild() == kb.stats().n_indexed == 3


def test_a_deleted_index_gives_the_same_answers(tmp_path: Path, item: Make) -> None:
    import shutil

    def answers(kb: KnowledgeBase) -> list[list[tuple[str, float, float, How]]]:
        return [
            [(hit.item.id, hit.similarity, hit.score, hit.how) for hit in kb.search(text, 15)]
            for text in ("number 7", "ring systems", "c1ccccc1")
        ]

    with KnowledgeBase(tmp_path, embedder="hashing") as kb:
        kb.record([item(f"ring system number {i}", subject=f"s{i}") for i in range(200)])
        before = answers(kb)
    shutil.rmtree(tmp_path / "index")
    with KnowledgeBase(tmp_path, embedder="hashing") as kb:
        assert answers(kb) == before


def test_recording_and_reading_load_no_index_and_no_model(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from novum.knowledge_base import KnowledgeBase\n"
        "with KnowledgeBase(sys.argv[1]) as kb:\n"
        "    kb.record([]); kb.about('x'); kb.measurements('gap'); kb.stats()\n"
        "heavy = {'chromadb', 'torch', 'sentence_transformers', 'transformers'}\n"
        "print(heavy & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("location", ["http://localhost:8000", "https://chroma.example"])
def test_a_network_address_is_refused_with_the_reason(location: str) -> None:
    with pytest.raises(UsageError, match="GHSA-f4j7-r4q5-qw2c"):
        KnowledgeBase(location, embedder="hashing")
