"""Clocks that go back, or were ahead: recording, and reading the past, in spite of them."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novum.core.errors import StoreError, UsageError
from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.exchange import export_crate, import_crate, verify_crate

Make = Callable[..., KnowledgeItem]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEARS = timedelta(days=3650)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kb(tmp_path: Path, clock: Clock) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing", clock=clock) as kb:
        yield kb


def known(kb: KnowledgeBase, moment: datetime) -> set[str]:
    return {item.id for item in kb.query(as_of=moment)}


def test_a_clock_that_goes_back_a_little_does_not_put_the_past_in_disorder(
    kb: KnowledgeBase, item: Make, clock: Clock
) -> None:
    kb.record([item("one", id="K-1")])
    clock.now -= timedelta(minutes=2)
    kb.record([item("two", id="K-1")])
    assert [time for time, _ in kb.history("K-1")] == [NOW, NOW]
    assert [found.text for found in kb.query(as_of=NOW)] == ["two"]


def test_what_is_recorded_long_before_the_last_record_is_refused_and_the_message_says_what_to_do(
    kb: KnowledgeBase, item: Make, clock: Clock
) -> None:
    kb.record([item("one", id="K-1")])
    clock.now -= timedelta(days=5)
    with pytest.raises(StoreError, match=r"2025-12-27 .* 2026-01-01 .*novum kb clock") as refused:
        kb.record([item("two", id="K-2")])
    assert "set it right" in str(refused.value)
    assert [found.id for found in kb.query()] == ["K-1"]
    clock.now = NOW + timedelta(hours=1)  # the clock was set right
    kb.record([item("two", id="K-2")])
    assert (known(kb, NOW), known(kb, clock.now)) == ({"K-1"}, {"K-1", "K-2"})


def test_a_record_out_of_the_future_does_not_hold_up_the_present_once_a_person_has_said_so(
    kb: KnowledgeBase, item: Make, clock: Clock
) -> None:
    kb.record([item(id="K-1", subject="a")])
    clock.now = NOW + YEARS
    kb.record([item(id="K-ahead", subject="b")])
    clock.now = NOW + timedelta(days=1)
    with pytest.raises(StoreError, match="one of both clocks is wrong"):
        kb.record([item(id="K-2", subject="c")])
    kb.set_clock(reason="the laboratory's machine was ten years ahead", by="Ada")
    set_right = clock.now
    clock.now += timedelta(days=1)
    kb.record([item(id="K-2", subject="c")])
    clock.now += timedelta(days=1)
    kb.record([item(id="K-3", subject="d")])
    assert known(kb, NOW) == {"K-1"}
    assert known(kb, set_right) == {"K-1", "K-ahead"}  # it was there by then
    assert known(kb, set_right + timedelta(days=1)) == {"K-1", "K-ahead", "K-2"}
    assert known(kb, clock.now) == known(kb, NOW + 2 * YEARS) == {"K-1", "K-ahead", "K-2", "K-3"}
    assert [time for time, _ in kb.history("K-ahead")] == [NOW + YEARS]
    assert kb.verify().ok


def test_a_clock_is_set_by_somebody_with_a_reason_and_only_where_it_was_wrong(
    kb: KnowledgeBase, item: Make, clock: Clock
) -> None:
    with pytest.raises(UsageError, match="nothing is wrong"):
        kb.set_clock(reason="just so", by="Ada")
    kb.record([item(id="K-1")])
    with pytest.raises(UsageError, match="nothing is wrong"):
        kb.set_clock(reason="just so", by="Ada")
    clock.now -= YEARS
    for reason, by in (("", "Ada"), ("ahead", " ")):
        with pytest.raises(UsageError, match="the person"):
            kb.set_clock(reason=reason, by=by)


def test_time_that_goes_back_without_anybodys_word_is_found_and_so_is_a_word_that_was_taken_out(
    kb: KnowledgeBase, item: Make, clock: Clock
) -> None:
    kb.record([item(id="K-1", subject="a")])
    clock.now -= YEARS
    kb.set_clock(reason="ahead", by="Ada")
    kb.record([item(id="K-2", subject="b")])
    assert kb.verify().ok
    kb.close()
    with sqlite3.connect(kb.root / "items.sqlite3") as connection:
        connection.execute("DROP TRIGGER clock_are_not_deleted")
        connection.execute("DELETE FROM clock")
    connection.close()
    with KnowledgeBase(kb.root, embedder="hashing") as again:
        faults = "; ".join(again.verify().faults)
    assert "clock: 0 rows" in faults
    assert "version 1 of K-2 is of an earlier time" in faults


def test_a_crate_of_a_knowledge_base_whose_clock_was_set_verifies_and_comes_in(
    kb: KnowledgeBase, item: Make, clock: Clock, tmp_path: Path
) -> None:
    kb.record([item(id="K-1", subject="a")])
    clock.now -= YEARS
    kb.set_clock(reason="ahead", by="Ada")
    kb.record([item(id="K-2", subject="b")])
    export_crate(kb.items, tmp_path / "crate.zip")
    assert verify_crate(tmp_path / "crate.zip").n_versions == 2
    with KnowledgeBase(tmp_path / "other", embedder="hashing") as other:
        assert set(import_crate(other, tmp_path / "crate.zip").new) == {"K-1", "K-2"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-30, 30), max_size=8))
def test_whatever_a_clock_does_the_past_is_what_had_been_recorded_by_then(
    tmp_path_factory: pytest.TempPathFactory, item: Make, jumps: list[int]
) -> None:
    clock = Clock()
    folder = tmp_path_factory.mktemp("clocks")
    with KnowledgeBase(folder, embedder="hashing", clock=clock) as kb:
        kb.record([item(id="K-0", subject="0")])
        said = [(NOW, 1)]  # a moment, and how many records were there by then
        for n, days in enumerate(jumps, start=1):
            clock.now += timedelta(days=days, seconds=1)
            try:
                kb.record([item(id=f"K-{n}", subject=str(n))])
            except StoreError:
                kb.set_clock(reason="ahead", by="Ada")
                said.append((clock.now, n))
                kb.record([item(id=f"K-{n}", subject=str(n))])
            said.append((clock.now, n + 1))
        for moment in (NOW + timedelta(days=day, hours=12) for day in range(-90, 90, 7)):
            count = max((n for at, n in said if at <= moment), default=0)
            assert known(kb, moment) == {f"K-{n}" for n in range(count)}
        assert kb.verify().ok
