"""Any history of recording, linking, taking back and exchanging leaves knowledge that is sound."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_items import make_item

from novum.core.errors import UsageError
from novum.core.knowledge import (
    CARRYING,
    Access,
    Evidence,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
    Provenance,
)
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.exchange import export_crate, import_crate

N = 5
WITHDRAWN = (ItemStatus.SUPERSEDED, ItemStatus.RETRACTED)

ids = st.integers(0, N - 1)
roles = st.sampled_from(
    [EvidenceRole.DERIVED_FROM, EvidenceRole.SUPPORTS, EvidenceRole.REFUTES, EvidenceRole.SUPERSEDES]
)
found = st.tuples(
    st.just("record"), ids, st.lists(st.tuples(roles, ids), max_size=2, unique=True), st.integers(0, 3)
)
linked = st.tuples(st.just("link"), ids, roles, ids)
others = st.tuples(st.sampled_from(["retract", "reinstate", "close"]), ids)
histories = st.lists(st.one_of(found, found, linked, linked, others), max_size=8)


class Clock:
    def __init__(self, start: int = 0) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=start)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@contextmanager
def opened(start: int = 0) -> Iterator[KnowledgeBase]:
    with (
        tempfile.TemporaryDirectory() as folder,
        KnowledgeBase(Path(folder) / "kb", embedder="hashing", clock=Clock(start)) as kb,
    ):
        yield kb


def fact(number: int, *evidence: Evidence) -> KnowledgeItem:
    """Return one of `N` facts. Two pairs of them are about one thing, and contradict each other."""
    return make_item(
        f"fact {number}",
        id=f"K-{number}",
        subject=f"s{number // 2}",
        value=Quantity(value=1.0 + number, unit="eV", std=0.1),
        provenance=Provenance(source=f"m{number}", method=f"m{number}"),
        evidence=evidence,
    )


def live(kb: KnowledgeBase, history: list[tuple]) -> None:
    for what, number, *more in history:
        id = f"K-{number}"
        if what == "record":
            links = [Evidence(target=f"K-{target}", role=role) for role, target in more[0]]
            if more[1]:
                links.append(Evidence(target=f"ledger:c{more[1]}/E1", role=EvidenceRole.SIMULATED_BY))
            kb.record([fact(number, *links)])
        elif kb.find(id) is None or (what == "link" and kb.find(f"K-{more[1]}") is None):
            continue
        elif what == "link":
            with suppress(UsageError):  # where it would not count
                kb.link(id, more[0], f"K-{more[1]}")
        elif what == "retract":
            kb.retract(id, reason="wrong")
        elif what == "reinstate":
            with suppress(UsageError):  # where what it is derived from has fallen
                kb.reinstate(id, reason="right")
        else:
            kb.amend(id, reason="personal", access=Access.SENSITIVE)


def check(kb: KnowledgeBase) -> None:
    """Hold what every knowledge base has to be, whatever happened to it."""
    assert kb.verify().ok
    heads = {item.id: item for item in kb.query(status=None)}
    assert len(heads) == kb.items.count(status=None)
    replaced = set()
    for item in heads.values():
        assert [version.version for _, version in kb.history(item.id)] == list(range(1, item.version + 1))
        for link in item.evidence:
            target = heads.get(link.target)
            if target is None or target.id == item.id:
                continue
            if link.role in CARRYING:
                if item.status is ItemStatus.ACTIVE:
                    assert target.status is ItemStatus.ACTIVE, (item.id, target.id)
                assert list(Access).index(item.access) >= list(Access).index(target.access)
            if link.role is EvidenceRole.SUPERSEDES and item.status is not ItemStatus.RETRACTED:
                replaced.add(target.id)
    assert all(heads[id].status in WITHDRAWN for id in replaced)


def believed(kb: KnowledgeBase) -> dict[str, tuple]:
    return {
        item.id: (item.status, item.access, frozenset(item.evidence), item.text)
        for item in kb.query(status=None)
    }


@settings(max_examples=25, deadline=None)
@given(histories)
def test_whatever_happens_knowledge_is_sound_and_its_past_stays(history: list[tuple]) -> None:
    with opened() as kb:
        past: dict[datetime, dict[str, KnowledgeItem]] = {}
        for step in history:
            live(kb, [step])
            check(kb)
            past[kb.items.now] = {item.id: item for item in kb.query(status=None)}
        for moment, then in past.items():
            assert {item.id: item for item in kb.query(as_of=moment, status=None)} == then


@settings(max_examples=15, deadline=None)
@given(common=histories, one=histories, other=histories)
def test_whatever_happened_on_two_sides_an_exchange_leaves_both_sound_and_of_one_mind(
    common: list[tuple], one: list[tuple], other: list[tuple]
) -> None:
    everything = [Access.RESTRICTED, Access.SENSITIVE]
    with opened() as here, opened(1) as there, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live(here, common)
        export_crate(here.items, folder / "common", allow=everything)
        import_crate(there, folder / "common")
        live(here, one)
        live(there, other)
        export_crate(here.items, folder / "here", allow=everything)
        export_crate(there.items, folder / "there", allow=everything)
        import_crate(here, folder / "there")
        import_crate(there, folder / "here")
        for kb, crate in ((here, "there"), (there, "here")):
            check(kb)
            again = believed(kb)
            assert import_crate(kb, folder / crate).n_versions == 0
            assert believed(kb) == again
        assert believed(here) == believed(there)
