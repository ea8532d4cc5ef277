"""What holds for any history of versions, any links between items, and anything that is taken back."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from knowledge_items import make_item

from novum.core.knowledge import CARRYING, Access, Evidence, EvidenceRole, ItemStatus, KnowledgeItem
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.agreement import SIGMAS, difference
from novum.knowledge_base.conflicts import Rule
from novum.knowledge_base.exchange import export_crate, import_crate
from novum.knowledge_base.items import Items
from novum.knowledge_base.links import Found

START = datetime(2026, 1, 1, tzinfo=UTC)
FEW = settings(max_examples=40, deadline=None)


@contextmanager
def opened(clock: Callable[[], datetime] = lambda: START) -> Iterator[KnowledgeBase]:
    with (
        tempfile.TemporaryDirectory() as folder,
        KnowledgeBase(folder, embedder="hashing", clock=clock) as kb,
    ):
        yield kb


def named(number: int, *evidence: Evidence, **more: object) -> KnowledgeItem:
    return make_item(f"item {number}", id=f"K-{number}", subject=f"s{number}", evidence=evidence, **more)


links = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from(EvidenceRole)), max_size=20, unique=True
)
"""From, to, role: any graph over eight items, circles and links to oneself included."""

resting = links.map(lambda found: [link for link in found if link[2] is not EvidenceRole.SUPERSEDES])
"""The same without what supersession does by itself, which is another property."""


def graph_of(found: list[tuple[int, int, EvidenceRole]], kb: KnowledgeBase) -> list[KnowledgeItem]:
    """Record eight items with these links, and return them."""
    evidence: dict[int, list[Evidence]] = {number: [] for number in range(8)}
    for source, target, role in found:
        evidence[source].append(Evidence(target=f"K-{target}", role=role))
    items = [named(number, *evidence[number]) for number in range(8)]
    kb.items.put_many(items)
    return items


def closure(found: list[tuple[int, int, EvidenceRole]], start: int) -> set[str]:
    """Return what rests on `start`, by the definition."""
    reached = {start}
    while True:
        more = {s for s, t, role in found if t in reached and role in CARRYING} - reached
        if not more:
            return {f"K-{number}" for number in reached - {start}}
        reached |= more


actions = st.lists(
    st.tuples(
        st.sampled_from(["put", "revise", "wait"]),
        st.integers(0, 2),
        st.sampled_from("abc"),
        st.sampled_from(ItemStatus),
    ),
    max_size=25,
)


@FEW
@given(actions)
def test_no_version_ever_changes_and_every_moment_is_read_as_it_was(
    history: list[tuple[str, int, str, ItemStatus]],
) -> None:
    now = [START]
    with tempfile.TemporaryDirectory() as folder, Items(Path(folder) / "i", clock=lambda: now[0]) as items:
        written: dict[str, list[KnowledgeItem]] = {}
        moments: dict[datetime, dict[str, KnowledgeItem]] = {}
        for action, number, text, status in history:
            item = make_item(text, id=f"K-{number}", subject=f"s{number}", status=status)
            if action == "wait":
                now[0] += timedelta(days=1)
                continue
            latest, new = items.put(item) if action == "put" else items.revise(item)
            versions = written.setdefault(latest.id, [])
            assert new == (latest.version == len(versions) + 1)
            if new:
                versions.append(latest)
            assert versions[-1] == latest
            # A second time, nothing happens.
            assert (items.put(item) if action == "put" else items.revise(item)) == (latest, False)
            moments[now[0]] = {id: known[-1] for id, known in written.items()}
        for id, versions in written.items():
            assert [version for _, version in items.history(id)] == versions
            assert items.get(id) == versions[-1]
        for moment, then in moments.items():
            found = items.query(as_of=moment, status=None)
            assert {item.id: item for item in found} == then
            for status in ItemStatus:
                wanted = {id for id, item in then.items() if item.status is status}
                assert set(items.ids(as_of=moment, status=status)) == wanted
        assert items.query(as_of=START - timedelta(seconds=1), status=None) == []


@FEW
@given(links)
def test_why_and_impact_walk_any_graph_and_come_to_an_end(
    found: list[tuple[int, int, EvidenceRole]],
) -> None:
    with opened() as kb:
        items = graph_of(found, kb)
        for item in items:
            nodes = list(kb.why(item.id).walk())
            expanded = [node.target for node in nodes if node.found is Found.ITEM and not node.repeated]
            assert len(expanded) == len(set(expanded))
            reached = {int(item.id[2:])}
            while more := {t for s, t, _ in found if s in reached} - reached:
                reached |= more
            assert set(expanded) == {f"K-{number}" for number in reached}
            impact = kb.impact(item.id)
            assert {d.id for d in impact} == closure(found, int(item.id[2:]))
            assert len({d.id for d in impact}) == len(impact)
            assert [d.depth for d in impact] == sorted(d.depth for d in impact)


@FEW
@given(resting, st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True))
def test_a_retraction_reaches_all_that_rests_on_it_and_nothing_else(
    found: list[tuple[int, int, EvidenceRole]], withdrawn: list[int]
) -> None:
    with opened() as kb:
        items = graph_of(found, kb)
        fallen: set[str] = set()
        for number in withdrawn:
            taken = kb.retract(f"K-{number}", reason="wrong")
            fallen |= closure(found, number)
            assert {d.id for d in taken.stale} <= fallen
        retracted = {f"K-{number}" for number in withdrawn}
        for item in items:
            now = kb.get(item.id).status
            if item.id in retracted:
                assert now is ItemStatus.RETRACTED
            else:
                assert now is (ItemStatus.STALE if item.id in fallen else ItemStatus.ACTIVE), item.id
        again = kb.items.n_versions
        for number in withdrawn:
            kb.retract(f"K-{number}", reason="wrong")
        assert kb.items.n_versions == again
        assert kb.verify().ok


@FEW
@given(resting, st.integers(0, 7))
@example(
    [
        (1, 0, EvidenceRole.SUPPORTS),
        (2, 1, EvidenceRole.SUPPORTS),
        (3, 2, EvidenceRole.SUPPORTS),
        (3, 0, EvidenceRole.SUPPORTS),
    ],
    0,
)
@example([(1, 0, EvidenceRole.SUPPORTS), (1, 2, EvidenceRole.SUPPORTS), (2, 1, EvidenceRole.SUPPORTS)], 0)
def test_reinstating_takes_a_retraction_back_whatever_rests_on_what(
    found: list[tuple[int, int, EvidenceRole]], number: int
) -> None:
    with opened() as kb:
        items = graph_of(found, kb)
        kb.retract(f"K-{number}", reason="wrong")
        kb.reinstate(f"K-{number}", reason="right after all")
        assert {kb.get(item.id).status for item in items} == {ItemStatus.ACTIVE}


@FEW
@given(st.permutations(range(5)), st.data())
def test_evidence_adds_up_whatever_the_order_in_which_it_comes(order: list[int], data: st.DataObject) -> None:
    found = [
        named(
            0,
            Evidence(target=f"ledger:c{n}/E1", role=EvidenceRole.SUPPORTS, weight=data.draw(st.floats(0, 1))),
        )
        for n in range(5)
    ]
    with opened() as kb:
        for n in order:
            kb.record([found[n]])
        latest = kb.get("K-0")
        assert set(latest.evidence) == {link for item in found for link in item.evidence}
        kb.record(found)
        assert kb.get("K-0") == latest


@FEW
@given(st.lists(st.floats(1, 10), min_size=2, max_size=6, unique=True), st.floats(0.01, 2))
def test_values_are_in_conflict_exactly_where_they_are_too_far_apart(values: list[float], std: float) -> None:
    with opened() as kb:
        for n, value in enumerate(values):
            quantity = Quantity(value=value, unit="eV", std=std)
            kb.record([named(n, value=quantity).model_copy(update={"subject": "one thing"})])
        spread = max(values) - min(values)
        apart = spread > 3 * std * 2**0.5
        if abs(spread - 3 * std * 2**0.5) > 1e-6:
            assert bool(kb.conflicts()) == apart
        for conflict in kb.conflicts():
            kb.resolve(conflict.id, Rule.PERSON, winner=conflict.items[0].id, by="Ada", reason="hers")
            active = [item for item in conflict.items if kb.get(item.id).status is ItemStatus.ACTIVE]
            winner = conflict.items[0]
            assert winner.id in {item.id for item in active}
            assert all((difference(a, b) or 0) <= SIGMAS for a, b in combinations(active, 2))
            for lost in (item for item in conflict.items if item not in active):
                assert any((difference(one, lost) or 0) > SIGMAS for one in active)
        assert kb.conflicts() == []
        assert kb.items.count(status=None) == len(values)


@st.composite
def webs(draw: st.DrawFn) -> tuple[list[tuple[int, int, EvidenceRole]], list[int]]:
    """Chains and trees of up to 60 items that rest on the first of the list, and links across that may close
    circles; the numbers, and so the ids, are in any order."""
    n = draw(st.integers(2, 60))
    numbers = draw(st.permutations(range(n)))
    far = draw(st.sampled_from([1, 3, n]))  # 1 for a chain
    found = [
        (numbers[i], numbers[draw(st.integers(max(0, i - far), i - 1))], EvidenceRole.DERIVED_FROM)
        for i in range(1, n)
    ]
    across = st.tuples(st.sampled_from(numbers), st.sampled_from(numbers), st.sampled_from(sorted(CARRYING)))
    found += draw(st.lists(across, max_size=4))
    return found, numbers


def web_items(found: list[tuple[int, int, EvidenceRole]], numbers: list[int]) -> dict[int, KnowledgeItem]:
    """Return the items of a web by number, in the order of their numbers."""
    evidence: dict[int, dict[Evidence, None]] = {number: {} for number in sorted(numbers)}
    for source, target, role in found:
        evidence[source][Evidence(target=f"K-{target}", role=role)] = None
    return {number: named(number, *links) for number, links in evidence.items()}


@settings(max_examples=60, deadline=None)
@given(webs(), st.sampled_from(["link", "record", "together", "import", "import all"]), st.booleans())
def test_what_is_closed_or_has_fallen_is_felt_as_far_as_links_go(
    web: tuple[list[tuple[int, int, EvidenceRole]], list[int]], way: str, closed: bool
) -> None:
    found, numbers = web
    root = numbers[0]
    items = web_items(found, numbers)
    bad = named(99, access=Access.SENSITIVE if closed else Access.PUBLIC)
    link = Evidence(target=bad.id, role=EvidenceRole.DERIVED_FROM)
    touched = items[root].model_copy(update={"evidence": (*items[root].evidence, link)})
    with opened() as kb, opened() as other:
        kb.record([bad])
        if not closed:
            kb.retract(bad.id, reason="wrong")
        if way in ("link", "record", "import"):
            kb.items.put_many(items.values())
        if way == "link":
            kb.link(touched.id, link.role, link.target)
        elif way == "record":
            kb.record([touched])
        elif way == "together":
            kb.record((items | {root: touched}).values())
        else:
            other.items.put_many([touched] if way == "import" else (items | {root: touched}).values())
            with tempfile.TemporaryDirectory() as folder:
                export_crate(other.items, Path(folder) / "crate.zip")
                import_crate(kb, Path(folder) / "crate.zip")
        expected = closure(found, root) | {touched.id}
        now = [kb.get(item.id) for item in items.values()]
        felt = {item.id for item in now if item.access is Access.SENSITIVE or item.status is ItemStatus.STALE}
        assert felt == expected
        assert {item.access for item in now if item.id in felt} == {bad.access}
        assert kb.verify().ok


@settings(max_examples=20, deadline=None)
@given(webs())
def test_what_a_person_closes_is_closed_as_far_as_links_go_and_no_further(
    web: tuple[list[tuple[int, int, EvidenceRole]], list[int]],
) -> None:
    found, numbers = web
    items = web_items(found, numbers)
    with opened() as kb:
        kb.items.put_many(items.values())
        kb.amend(f"K-{numbers[0]}", reason="personal data", access=Access.SENSITIVE)
        closed = {item.id for item in items.values() if kb.get(item.id).access is Access.SENSITIVE}
        assert closed == closure(found, numbers[0]) | {f"K-{numbers[0]}"}
