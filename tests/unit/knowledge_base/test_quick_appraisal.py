"""What is read once, kept up and left out while recording changes nothing of what is believed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_items import make_item

from novum.core.errors import UsageError
from novum.core.forecasts import Forecast
from novum.core.knowledge import Access, Evidence, EvidenceRole, KnowledgeItem, Provenance
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base import KnowledgeBase, ancestry, appraisal, bearing, grounds, topics
from novum.knowledge_base.ancestry import Web
from novum.knowledge_base.appraisal import Appraiser
from novum.knowledge_base.grounds import Grounds
from novum.knowledge_base.recording import Recorder
from novum.knowledge_base.topics import Topics
from novum.knowledge_base.track import TrackRecord

N = 12
START = datetime(2026, 1, 1, tzinfo=UTC)

numbers = st.integers(0, N - 1)
roles = st.sampled_from(EvidenceRole)
links = st.lists(st.tuples(roles, numbers), max_size=2, unique=True)
found = st.tuples(numbers, st.booleans(), links, st.integers(0, 3))
records = st.tuples(st.just("record"), st.lists(found, min_size=1, max_size=8))
others = st.one_of(
    st.tuples(st.just("link"), numbers, roles, numbers),
    st.tuples(st.sampled_from(["retract", "reinstate", "close"]), numbers),
    st.tuples(st.just("learn"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("wait")),
)
histories = st.lists(st.one_of(records, records, others), min_size=1, max_size=8)


def fact(
    number: int, linked: bool, role_and_target: list[tuple[EvidenceRole, int]], more: int
) -> KnowledgeItem:
    """Return one of `N` facts about three things; most of those about one thing agree."""
    evidence = [Evidence(target=f"K-{target}", role=role) for role, target in role_and_target if linked]
    if more:
        evidence.append(Evidence(target=f"ledger:c{more}/E1", role=EvidenceRole.MEASURED_BY))
    made = Provenance(
        source=f"file {number // 5}", method="abc"[number % 3], content_hash=f"{number // 2:064x}"
    )
    return make_item(
        f"fact {number}",
        id=f"K-{number}",
        subject=f"s{number % 3 and number % 2}",
        value=Quantity(value=9.0 if number == N - 1 else 4.0, unit="eV", std=0.1),
        provenance=made,
        origin=Origin.SIMULATED,
        negative=number == 7,
        evidence=tuple(evidence),
        valid_from=START - timedelta(days=9) if number == 5 else None,
        review_by=START + timedelta(days=2 if number == 3 else 999),
    )


def live(kb: KnowledgeBase, clock: list[datetime], what: str, *more: Any) -> None:
    id = f"K-{more[0]}" if more else ""
    if what == "record":
        kb.record([fact(*one) for one in more[0]])
    elif what == "wait":
        clock[0] += timedelta(days=1)
        kb.expire()
    elif what == "learn":
        kb.learn([Forecast(source=more[0], key=str(clock[0]), held=more[1])])
        kb.reappraise()
    elif kb.find(id) is None or (what == "link" and kb.find(f"K-{more[2]}") is None):
        return
    elif what == "link":
        with suppress(UsageError):  # where it would not count
            kb.link(id, more[1], f"K-{more[2]}")
    elif what == "retract":
        kb.retract(id, reason="wrong")
    elif what == "reinstate":
        with suppress(UsageError):  # where what it is derived from has fallen
            kb.reinstate(id, reason="right")
    else:
        kb.amend(id, reason="personal", access=Access.SENSITIVE)


def believed(history: list[tuple[Any, ...]]) -> list[dict[str, tuple[Any, ...]]]:
    """Return what is believed after each step."""
    clock, steps = [START], []
    with (
        tempfile.TemporaryDirectory() as folder,
        KnowledgeBase(folder, embedder="hashing", clock=lambda: clock[0]) as kb,
    ):
        for step in history:
            live(kb, clock, *step)
            clock[0] += timedelta(minutes=1)
            steps.append(
                {
                    item.id: (
                        item.version,
                        item.status,
                        item.access,
                        pytest.approx(item.confidence, abs=1e-9),
                    )
                    for item in kb.query(status=None)
                }
            )
    return steps


@contextmanager
def plainly() -> Iterator[None]:
    """Appraise each item by itself, with nothing read before, and everything that may feel a change."""
    quick = Appraiser.__call__

    def alone(self: Appraiser, item: KnowledgeItem) -> KnowledgeItem:
        writer = self._writer
        writer.web, writer.topics = Web(writer.connection), Topics(writer.connection)
        self._grounds = Grounds(writer.web, TrackRecord(writer.connection))
        return quick(self, item)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Appraiser, "__call__", alone)
        patch.setattr(Appraiser, "prepare", lambda self, items: None)
        patch.setattr(Recorder, "_appraise_waiting", lambda self, order, waiting: self._appraise(order.ids))
        patch.setattr(bearing._Company, "unmoved", lambda self: iter(()))
        yield


@pytest.mark.parametrize("limits", [{}, {"PEERS_OF_A_METHOD": 1}, {"REACH": 4}, {"KEPT": 1}])
@settings(max_examples=25, deadline=None)
@given(histories)
def test_any_history_is_believed_as_if_each_item_were_appraised_by_itself(
    limits: dict[str, int], history: list[tuple[Any, ...]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            for module in (ancestry, appraisal, bearing, grounds, topics):
                patch.setattr(module, name, value, raising=False)
        quick = believed(history)
        with plainly():
            assert believed(history) == quick


def peers(n: int, *, methods: int) -> list[KnowledgeItem]:
    """Return values of one thing that agree; half of a method's come from one file each."""
    return [
        make_item(
            f"peer {number}",
            id=f"K-{number * 37 % 101:03}",
            value=Quantity(value=4.0, unit="eV", std=0.1),
            provenance=Provenance(source=f"file {number}", method=f"M{number % methods}"),
        )
        for number in range(n)
    ]


@pytest.mark.parametrize(("methods", "n"), [(1, 40), (2, 40), (6, 60)])
def test_a_thing_of_which_much_is_known_is_believed_as_if_all_were_appraised_again(
    methods: int, n: int
) -> None:
    history = [("put", item) for item in peers(n, methods=methods)]
    quick, appraised = together(history)
    with plainly():
        plain, all_appraised = together(history)
    assert plain == quick
    assert appraised < all_appraised / 3


def together(history: list[tuple[str, KnowledgeItem]]) -> tuple[dict[str, tuple[Any, ...]], int]:
    """Return what is believed of items that are recorded one after the other, and how many were appraised."""
    n, call = 0, Appraiser.__call__

    def counted(self: Appraiser, item: KnowledgeItem) -> KnowledgeItem:
        nonlocal n
        n += 1
        return call(self, item)

    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as folder,
        KnowledgeBase(folder, embedder="hashing", clock=lambda: START) as kb,
    ):
        patch.setattr(Appraiser, "__call__", counted)
        for _, item in history:
            kb.record([item])
        return {item.id: (item.version, pytest.approx(item.confidence, abs=1e-9)) for item in kb.query()}, n
