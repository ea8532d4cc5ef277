from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novum.core.errors import UsageError
from novum.core.knowledge import DataClass, ItemStatus, KnowledgeItem, Level
from novum.core.quantity import Quantity
from novum.knowledge_base import search as module
from novum.knowledge_base.embedders import HashingEmbedder
from novum.knowledge_base.index import Index
from novum.knowledge_base.items import Items
from novum.knowledge_base.search import Hit, How, Search, rank

Make = Callable[..., KnowledgeItem]

WORDS = ("aromatic", "ring", "gap", "steel", "corrodes", "in", "water", "zeolite", "number")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Every look at it is a minute later."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def open_search(root: Path) -> Search:
    items = Items(root / "items.sqlite3", clock=Clock())
    return Search(items, Index(root / "index", HashingEmbedder(64), items))


@pytest.fixture
def search(tmp_path: Path) -> Iterator[Search]:
    search = open_search(tmp_path)
    yield search
    search._index.close()
    search._items.close()


def ids(hits: list[Hit]) -> list[str]:
    return [hit.item.id for hit in hits]


def test_what_is_more_certain_and_better_described_comes_first_among_equals() -> None:
    assert rank(0.5, 0.5, 0.9, 0.5) > rank(0.5, 0.5, 0.2, 0.5)
    assert rank(0.5, 0.5, 0.5, 0.9) > rank(0.5, 0.5, 0.5, 0.1)
    assert rank(0.9, 1.0, 0.0, 0.0) > rank(0.5, 0.5, 1.0, 1.0)  # relevance first
    assert rank(1.0, 1.0, 1.0, 1.0) == pytest.approx(1.0)
    assert rank(-0.5, 0.0, 1.0, 1.0) == 0.0


def test_of_two_items_that_say_the_same_the_more_certain_comes_first(search: Search, item: Make) -> None:
    search._items.put_many([item("the gap of benzene", id=f"K-{i}", subject=f"s{i}") for i in range(3)])
    doubted = search._items.get("K-0").model_copy(update={"confidence": 0.1})
    certain = search._items.get("K-2").model_copy(update={"confidence": 0.95})
    search._items.revise(doubted)
    search._items.revise(certain)
    assert ids(search.find("gap of benzene")) == ["K-2", "K-1", "K-0"]


def test_each_filter_is_kept_to(search: Search, item: Make) -> None:
    search._items.put_many(
        [
            item("a gap", id="K-1", level=Level.INSIGHT, value=Quantity(value=2.0, unit="eV")),
            item("a gap", id="K-2", domain="materials", value=Quantity(value=0.115, unit="hartree")),
            item("a gap", id="K-3", data_class=DataClass.TEXT, relation="says", value=None, negative=True),
            item("a gap", id="K-4", status=ItemStatus.RETRACTED, value=Quantity(value=5.0, unit="eV")),
        ]
    )

    def found(**filters: Any) -> set[str]:
        return set(ids(search.find("gap", **filters)))

    assert found() == {"K-1", "K-2", "K-3"}
    assert found(level=Level.INSIGHT) == {"K-1"}
    assert found(domain="materials") == {"K-2"}
    assert found(data_class=DataClass.TEXT) == found(negative=True) == {"K-3"}
    assert found(status=ItemStatus.RETRACTED) == {"K-4"}
    assert found(status=None) == {"K-1", "K-2", "K-3", "K-4"}
    # 0.115 hartree are 3.13 eV.
    assert found(at_least=Quantity(value=2.5, unit="eV")) == {"K-2"}
    assert found(at_most=Quantity(value=3000, unit="meV")) == {"K-1"}
    assert found(at_least=Quantity(value=1, unit="nm")) == set()
    with pytest.raises(UsageError, match="colour"):
        search.find("gap", colour="red")


def test_a_search_of_a_past_day_gives_the_versions_of_that_day(search: Search, item: Make) -> None:
    first = item("the gap was misread", id="K-1")
    search._items.put(first)
    before = search._items._clock.now
    search._items.put(item("zeolites sieve molecules", id="K-2"))
    search._items.revise(first.model_copy(update={"text": "the gap was read again"}))
    search._items.revise(first.model_copy(update={"text": "gone", "status": ItemStatus.RETRACTED}))
    assert ids(search.find("gap misread")) == ["K-2"]
    (hit,) = search.find("gap misread", as_of=before)
    assert (hit.item.text, hit.item.version, hit.item.status) == (first.text, 1, ItemStatus.ACTIVE)
    (hit, other) = search.find("gap read again", as_of=before + timedelta(minutes=2))
    assert (hit.item.version, other.item.id) == (2, "K-2")
    assert search.find("gap", as_of=START) == []


def test_blank_text_finds_nothing_and_neither_does_an_empty_knowledge_base(search: Search) -> None:
    assert search.find("gap") == search.find(" \n") == search.find("gap", 0) == []


def test_how_says_which_search_found_an_item(
    search: Search, item: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DEPTH", 1)
    search._items.put_many([item(f"aromatic rings {'a' * i}", id=f"K-a{i}") for i in range(9)])
    search._items.put(item("a long text about other things in which one ring is named " * 3, id="K-z"))
    hows = {hit.item.id: hit.how for hit in search.find("ring aromatic", 8)}
    assert How.BOTH in hows.values()
    hows = {hit.item.id: hit.how for hit in search.find("things rings", 8)}
    assert hows["K-z"] in (How.TEXT, How.BOTH)
    assert {hit.how for hit in search.find("aromatical", 2, domain="chemistry")} <= {How.VECTOR, How.BOTH}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_answer_is_that_of_looking_at_every_item(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    item: Make,
    data: st.DataObject,
) -> None:
    """Whichever way the filters take, and however often items were revised."""
    search = open_search(tmp_path_factory.mktemp("kb"))
    some = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
    for i in range(data.draw(st.integers(1, 40))):
        search._items.put(
            item(
                data.draw(some),
                id=f"K-{data.draw(st.integers(0, i))}",
                level=data.draw(st.sampled_from([Level.INSIGHT, Level.FACTUAL])),
                domain=data.draw(st.sampled_from(["chemistry", "materials"])),
                status=data.draw(st.sampled_from([ItemStatus.ACTIVE, ItemStatus.ACTIVE, ItemStatus.STALE])),
            )
        )
    filters: dict[str, Any] = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "level": st.just(Level.INSIGHT),
                "domain": st.just("materials"),
                "status": st.sampled_from([None, ItemStatus.STALE]),
                "as_of": st.integers(0, 60).map(lambda minutes: START + timedelta(minutes=minutes)),
            },
        )
    )
    query, n = data.draw(some), data.draw(st.integers(1, 6))
    monkeypatch.setattr(module, "SELECTIVE", data.draw(st.sampled_from([1, 5, 1000])))
    monkeypatch.setattr(module, "_DEPTH", data.draw(st.sampled_from([1, 8])))
    hits = search.find(query, n, **filters)
    depth = module._DEPTH * max(n, 8)
    embed = search._index.embedder.embed
    known = search._items.query(**filters)
    similar = {i.id: round(float((embed([i.text]) @ embed([query]).T)[0, 0]), 5) for i in known}
    assert set(ids(hits)) <= set(similar)
    for hit in hits:
        assert hit.item in known
        assert hit.similarity == pytest.approx(similar[hit.item.id], abs=1e-5)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    if len(known) <= depth:
        assert len(hits) == min(n, len(known))
    # What is nearest is not missed: none that is left out could have a better score by its vector alone.
    least = hits[-1].score if len(hits) == n else 0.0
    for one in known:
        if one.id not in ids(hits):
            assert rank(similar[one.id] - 2e-5, 0.0, one.confidence, 0.0) <= least + 1e-9
    search._index.close()
    search._items.close()
