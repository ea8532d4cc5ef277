import os
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.core.errors import EvidenceError, NotFoundError, StoreError, UsageError
from novum.core.events import (
    Asked,
    CampaignFinished,
    CampaignStarted,
    Decided,
    Event,
    ExperimentFinished,
    ExperimentStarted,
    Gated,
    Interrupted,
    Resumed,
    Told,
)
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.memory.ledger import GENESIS, CampaignState, Ledger


def started(campaign: str, *, planner: str = "optimizer", parent: str | None = None) -> CampaignStarted:
    objectives = (
        Objective(property="gap", kind=ObjectiveKind.MAXIMISE, unit="eV"),
        Objective(property="logp", kind=ObjectiveKind.AT_MOST, high=3.0),
    )
    goal = Goal(title="wide gaps", objectives=objectives)
    return CampaignStarted(campaign=campaign, goal=goal, planner=planner, tools={}, parent=parent)


def decided(iteration: int, *, reason: str = "more to gain", spent_s: float = 1.0) -> Decided:
    return Decided(
        iteration=iteration, action="continue", reason=reason, experiments_used=iteration, spent_s=spent_s
    )


def finished(experiment: str) -> ExperimentFinished:
    return ExperimentFinished(iteration=0, experiment=experiment, results=(), measurements=())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path):
    with Ledger(path) as ledger:
        yield ledger


def tamper(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")]
    for name in names:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_events_come_back_in_order_after_reopening(path: Path) -> None:
    written: list[Event] = [started("a"), decided(0), decided(1), finished("e1")]
    with Ledger(path) as ledger:
        assert [ledger.append("a", event) for event in written] == [True] * 4
    with Ledger(path) as ledger:
        assert list(ledger.events("a")) == written
        assert ledger.find("a", "decide/1") == decided(1)
        assert ledger.find("a", "decide/2") is None
        assert [record.ordinal for record in ledger.records("a")] == [1, 2, 3, 4]


def test_a_campaign_longer_than_a_page_is_read_whole(ledger: Ledger) -> None:
    ledger.append_many("a", [decided(i) for i in range(700)])
    assert [event.iteration for event in ledger.events("a")] == list(range(700))
    assert ledger.verify("a").n_records == 700


def test_an_unknown_campaign_has_no_events_and_cannot_be_verified(ledger: Ledger) -> None:
    assert list(ledger.events("nowhere")) == []
    assert not ledger.exists("nowhere")
    with pytest.raises(NotFoundError, match="nowhere"):
        ledger.verify("nowhere")
    with pytest.raises(NotFoundError, match="nowhere"):
        ledger.decision_digest("nowhere")


def test_a_repeated_decision_is_written_once(ledger: Ledger) -> None:
    assert ledger.append("a", decided(0, spent_s=1.0))
    assert not ledger.append("a", decided(0, spent_s=9.0))
    assert ledger.find("a", "decide/0") == decided(0, spent_s=1.0)
    assert ledger.verify("a").n_records == 1


def test_another_decision_under_the_same_key_is_an_evidence_error(ledger: Ledger) -> None:
    ledger.append("a", decided(0))
    with pytest.raises(EvidenceError, match="decide/0"):
        ledger.append("a", decided(0, reason="nothing more to gain"))
    assert list(ledger.events("a")) == [decided(0)]


def test_a_repeated_event_without_a_decision_may_differ(ledger: Ledger) -> None:
    assert ledger.append("a", Interrupted(ordinal=0, reason="signal"))
    assert not ledger.append("a", Interrupted(ordinal=0, reason="person"))


def test_many_events_are_written_all_or_none(ledger: Ledger) -> None:
    ledger.append("a", decided(1))
    with pytest.raises(EvidenceError):
        ledger.append_many("a", [decided(0), decided(1, reason="other"), decided(2)])
    assert list(ledger.events("a")) == [decided(1)]
    assert ledger.append_many("a", [decided(0), decided(1), decided(2), decided(2)]) == [
        True,
        False,
        True,
        False,
    ]
    assert ledger.verify("a").ok


def test_a_number_that_is_not_finite_is_refused_and_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        ledger.append("a", decided(0, spent_s=float("nan")))
    assert not ledger.exists("a")


def test_rows_can_be_neither_updated_nor_deleted(ledger: Ledger, path: Path) -> None:
    ledger.append("a", decided(0))
    connection = sqlite3.connect(path)
    for statement in (
        "UPDATE events SET time = '2000-01-01'",
        "DELETE FROM events",
        "UPDATE heads SET hash = ''",
        "DELETE FROM heads",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_the_chain_starts_at_genesis_and_its_head_names_the_history(ledger: Ledger) -> None:
    ledger.append("a", decided(0))
    first = ledger.verify("a")
    ledger.append("a", decided(1))
    second = ledger.verify("a")
    assert first.ok
    assert second.ok
    assert GENESIS != first.head != second.head
    assert [record.hash for record in ledger.records("a")] == [first.head, second.head]


@pytest.mark.parametrize(
    ("statement", "bad", "reason"),
    [
        ("UPDATE events SET payload = replace(payload, 'more', 'less') WHERE ordinal = 2", 2, "content"),
        ("UPDATE events SET time = '2000-01-01T00:00:00+00:00' WHERE ordinal = 3", 3, "content"),
        ("UPDATE events SET key = 'decide/9' WHERE ordinal = 1", 1, "content"),
        ("UPDATE events SET hash = prev_hash WHERE ordinal = 4", 4, "content"),
        ("DELETE FROM events WHERE ordinal = 1", 1, "missing"),
        ("DELETE FROM events WHERE ordinal = 3", 3, "missing"),
        ("DELETE FROM events WHERE ordinal >= 4", 4, "4 to 5 are missing"),
        ("DELETE FROM events", 1, "1 to 5 are missing"),
        ("DELETE FROM heads", 5, "count"),
        ("UPDATE heads SET n = 4", 5, "last record"),
    ],
)
def test_tampering_is_found(path: Path, statement: str, bad: int, reason: str) -> None:
    with Ledger(path) as ledger:
        ledger.append_many("a", [decided(i) for i in range(5)])
    tamper(path, statement)
    with Ledger(path) as ledger:
        found = ledger.verify("a")
    assert not found.ok
    assert found.bad == bad
    assert reason in found.reason


def test_reordered_rows_are_found(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.append_many("a", [decided(i) for i in range(4)])
    tamper(
        path,
        "UPDATE events SET ordinal = 99 WHERE ordinal = 2",
        "UPDATE events SET ordinal = 2 WHERE ordinal = 3",
        "UPDATE events SET ordinal = 3 WHERE ordinal = 99",
    )
    with Ledger(path) as ledger:
        assert ledger.verify("a").bad == 2


def test_a_rewritten_row_with_a_fresh_hash_breaks_the_chain_behind_it(path: Path, tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with Ledger(path, clock=lambda: moment) as ledger:
        ledger.append_many("a", [decided(i) for i in range(3)])
    with Ledger(tmp_path / "forged.sqlite3", clock=lambda: moment) as forger:
        forger.append_many("a", [decided(0), decided(1, reason="forged")])
        forged = list(forger.records("a"))[1]
    tamper(
        path,
        f"UPDATE events SET hash = '{forged.hash}', payload = replace(payload, 'more to gain', 'forged') "
        "WHERE ordinal = 2",
    )
    with Ledger(path) as ledger:
        found = ledger.verify("a")
    assert (found.bad, found.reason) == (3, "it does not follow the record before it")


def test_campaigns_with_the_same_decisions_have_the_same_digest(ledger: Ledger) -> None:
    ledger.append_many("a", [started("a"), decided(0, spent_s=1.0), finished("e"), decided(1)])
    ledger.append_many(
        "b", [started("b"), Interrupted(ordinal=0, reason="x"), decided(0, spent_s=2.0), decided(1)]
    )
    ledger.append_many("c", [started("c"), decided(1), decided(0)])
    assert ledger.decision_digest("a") == ledger.decision_digest("b")
    assert ledger.decision_digest("a") != ledger.decision_digest("c")


def test_the_listener_hears_each_new_event_once_and_after_it_was_written(path: Path) -> None:
    heard: list[tuple[str, str, bool]] = []

    def listen(campaign: str, event: Event) -> None:
        heard.append((campaign, event.key(), ledger.find(campaign, event.key()) is not None))

    with Ledger(path, listener=listen) as ledger:
        ledger.append("a", decided(0))
        ledger.append_many("a", [decided(0), decided(1)])
        with pytest.raises(EvidenceError):
            ledger.append_many("a", [decided(2), decided(0, reason="other")])
    assert heard == [("a", "decide/0", True), ("a", "decide/1", True)]


def test_summaries_tell_where_each_campaign_stands(path: Path) -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    ticks = (moment + timedelta(seconds=i) for i in range(100))
    with Ledger(path, clock=lambda: next(ticks)) as ledger:
        ledger.append("done", started("done", parent="other"))
        ledger.append_many("done", [finished("e1"), finished("e2")])
        ledger.append("done", CampaignFinished(reason="met", claims=(), spent_s=1.0))
        ledger.append_many("stopped", [started("stopped"), Interrupted(ordinal=0, reason="signal")])
        ledger.append_many("waits", [started("waits"), Asked(iteration=0, experiments=("e1", "e2"))])
        ledger.append("waits", Told(experiment="e1"))
        ledger.append_many("told", [started("told"), Asked(iteration=0, experiments=("e1",))])
        ledger.append("told", Told(experiment="e1"))
        ledger.append("gone", started("gone"))
        ledger.append("gone", ExperimentStarted(iteration=0, experiment="e1", attempt=0))
        resumed = [started("runs"), Interrupted(ordinal=0, reason="x"), Resumed(ordinal=0)]
        ledger.append_many("runs", resumed)
        with ledger.lock("runs"), ledger.lock("told"):
            summaries = {summary.id: summary for summary in ledger.campaigns()}
    assert {id: summary.state for id, summary in summaries.items()} == {
        "done": CampaignState.FINISHED,
        "stopped": CampaignState.INTERRUPTED,
        "waits": CampaignState.WAITING,
        "told": CampaignState.RUNNING,
        "gone": CampaignState.INTERRUPTED,
        "runs": CampaignState.RUNNING,
    }
    done = summaries["done"]
    assert (done.title, done.goal) == ("wide gaps", "maximise gap; logp <= 3")
    assert (done.planner, done.parent, done.n_experiments) == ("optimizer", "other", 2)
    assert (done.started, done.last) == (moment, moment + timedelta(seconds=3))
    assert summaries["gone"].n_experiments == 0
    assert summaries["told"].n_experiments == 1


def test_a_locked_campaign_is_refused_to_a_second_writer(ledger: Ledger) -> None:
    with ledger.lock("a"):
        refusal = rf"'a' is being run by process {os.getpid()}"
        with pytest.raises(UsageError, match=refusal), ledger.lock("a"):
            pass
        with ledger.lock("b/../c"):
            pass
    with ledger.lock("a"):
        pass


def test_threads_append_to_one_chain(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda i: ledger.append("a", finished(f"e{i % 100}")), range(200)))
    assert sum(new) == 100
    found = ledger.verify("a")
    assert (found.ok, found.n_records) == (True, 100)


def test_a_record_of_an_unknown_kind_is_a_store_error(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.append("a", decided(0))
    tamper(path, 'UPDATE events SET payload = \'{"type":"dreamt"}\'')
    with Ledger(path) as ledger, pytest.raises(StoreError, match="decide/0"):
        list(ledger.events("a"))


events = st.one_of(
    st.builds(decided, st.integers(0, 6), reason=st.text(max_size=20), spent_s=st.floats(0, 1e6)),
    st.builds(
        lambda iteration, allowed, refused: Gated(iteration=iteration, allowed=allowed, refused=refused),
        st.integers(0, 3),
        st.lists(st.text(max_size=5), max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2),
    ),
    st.builds(lambda name: finished(name), st.text(max_size=6)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(events, max_size=12))
def test_any_sequence_of_appends_leaves_a_whole_chain_without_duplicates(sequence: list[Event]) -> None:
    kept: dict[str, Event] = {}
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite3") as ledger:
        for event in sequence:
            known = kept.setdefault(event.key(), event)
            if known.decision() != event.decision():
                with pytest.raises(EvidenceError):
                    ledger.append("a", event)
            else:
                assert ledger.append("a", event) == (known is event)
        assert list(ledger.events("a")) == list(kept.values())
        if kept:
            found = ledger.verify("a")
            assert (found.ok, found.n_records) == (True, len(kept))
