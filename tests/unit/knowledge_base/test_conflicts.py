"""What contradicts what, and how it is decided."""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novum.core.errors import NotFoundError, UsageError
from novum.core.knowledge import (
    Access,
    Evidence,
    EvidenceRole,
    Interval,
    ItemStatus,
    KnowledgeItem,
    Provenance,
)
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.agreement import difference
from novum.knowledge_base.conflicts import Rule

Make = Callable[..., KnowledgeItem]

THEN = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        yield kb


def by(method: str, **more: object) -> Provenance:
    return Provenance(source=method, method=method, **more)


def ev(value: float, std: float | None = 0.1, unit: str = "eV") -> Quantity:
    return Quantity(value=value, unit=unit, std=std)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"value": ev(4)}, {"value": ev(5)}, 1 / math.hypot(0.1, 0.1)),
        ({"value": ev(4)}, {"value": ev(4000, 100, "meV")}, 0.0),
        ({"value": ev(4)}, {"value": ev(4, unit="nm")}, None),
        ({"value": ev(4)}, {"value": None}, None),
        ({"value": None}, {"value": None}, 0.0),
        ({"value": None}, {"value": None, "negative": True}, math.inf),
        ({"value": ev(4, 0.0)}, {"value": ev(4.1, 0.0)}, math.inf),
        # Replicates of one method say what its spread is.
        ({"value": ev(4, None)}, {"value": ev(8, None)}, 0.0),
        ({"value": ev(4, None)}, {"value": ev(8, None), "provenance": by("DFT")}, 4 / math.hypot(0.2, 0.4)),
        (
            {"value": ev(4, None), "interval": Interval(low=3.0, high=5.0, level=0.6826894921)},
            {"value": ev(5, 0.0)},
            1.0,
        ),
        ({"value": ev(4), "valid_to": THEN}, {"value": ev(5), "valid_from": THEN}, None),
        (
            {"value": ev(4), "valid_to": THEN},
            {"value": ev(5), "valid_from": THEN - timedelta(days=1)},
            1 / math.hypot(0.1, 0.1),
        ),
    ],
)
def test_how_far_two_items_are_apart(
    item: Make, one: dict[str, object], other: dict[str, object], expected: float | None
) -> None:
    a, b = item(id="K-a", **one), item(id="K-b", **other)
    found = difference(a, b)
    assert found == (None if expected is None else pytest.approx(expected))
    assert difference(b, a) == found


@pytest.mark.parametrize(
    "other",
    [
        {"conditions": {"solvent": "water"}},
        {"subject": "another"},
        {"relation": "another"},
        {"object": "another"},
        {"value": ev(4.3)},
        {"status": ItemStatus.RETRACTED},
        {"valid_from": THEN},
    ],
    ids=str,
)
def test_what_is_about_something_else_or_agrees_is_no_conflict(
    kb: KnowledgeBase, item: Make, other: dict[str, object]
) -> None:
    kb.record([item(id="K-a", value=ev(4), valid_to=THEN if "valid_from" in other else None)])
    kb.record([item(**({"id": "K-b", "value": ev(9)} | other))])
    assert kb.conflicts(every=True) == []


def test_an_old_outlier_contradicts_however_many_came_after_it(
    kb: KnowledgeBase, item: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novum.knowledge_base.topics.COMPARED", 3)

    def of(n: int, value: float, std: float = 0.1, **more: object) -> KnowledgeItem:
        return item(f"no. {n}", id=f"K-{n}", value=ev(value, std), provenance=by(f"m{n}"), **more)

    # Farther away than the outlier, and too uncertain to contradict anything.
    vague = [of(n, 40.0, 90.0) for n in range(10, 15)]
    kb.record([of(0, 9.0), *vague, *(of(n, 8.0, 2.0) for n in range(20, 30))])
    assert kb.conflicts() == []
    kb.record([of(1, 4.0)])
    [conflict] = kb.conflicts()
    assert {member.id for member in conflict.items} == {"K-0", "K-1"}
    kb.record([of(2, 9.0, subject="b", valid_to=THEN), of(3, 4.0, subject="b", valid_from=THEN)])
    assert kb.conflicts(item="K-2") == []


def test_a_statement_and_its_denial_are_a_conflict(kb: KnowledgeBase, item: Make) -> None:
    kb.record(
        [item("it works", id="K-yes", value=None), item("it fails", id="K-no", value=None, negative=True)]
    )
    [conflict] = kb.conflicts()
    assert {found.id for found in conflict.items} == {"K-yes", "K-no"}
    assert (conflict.statistic, conflict.open) == (None, True)


def test_a_conflict_goes_away_with_what_was_wrong_and_comes_back_with_more(
    kb: KnowledgeBase, item: Make
) -> None:
    kb.record([item(id="K-a", value=ev(4)), item(id="K-b", value=ev(5)), item(id="K-c", value=ev(4.1))])
    [conflict] = kb.conflicts()
    kb.retract("K-b", reason="misread")
    assert kb.conflicts() == []
    [closed] = kb.conflicts(every=True)
    assert (closed.id, closed.open, closed.resolution) == (conflict.id, False, None)
    kb.record([item(id="K-d", value=ev(6))])
    [again] = kb.conflicts()
    assert again.id == conflict.id
    assert {found.id for found in again.items} == {"K-a", "K-b", "K-c", "K-d"}


def test_all_that_disagree_with_the_winner_are_superseded(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(id="K-a", value=ev(4)), item(id="K-b", value=ev(4.1)), item(id="K-c", value=ev(9))])
    [conflict] = kb.conflicts()
    kb.resolve(conflict.id, Rule.PERSON, winner="K-c", by="Ada", reason="hers")
    assert [found.id for found in kb.query()] == ["K-c"]


def test_a_person_decides_with_name_and_reason_and_may_let_all_stand(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(id="K-a", value=ev(4)), item(id="K-b", value=ev(5))])
    [conflict] = kb.conflicts()
    with pytest.raises(UsageError, match="person"):
        kb.resolve(conflict.id, Rule.PERSON, winner="K-a", reason="hers")
    with pytest.raises(UsageError, match="person"):
        kb.resolve(conflict.id, Rule.PERSON, winner="K-a", by="Ada")
    with pytest.raises(NotFoundError, match="K-z"):
        kb.resolve(conflict.id, Rule.PERSON, winner="K-z", by="Ada", reason="hers")
    with pytest.raises(NotFoundError, match="X-0"):
        kb.resolve("X-0", Rule.WEIGHT)
    decided = kb.resolve(conflict.id, Rule.PERSON, by="Ada", reason="two polymorphs")
    assert decided.resolution is not None
    assert (decided.resolution.winner, decided.resolution.by) == (None, "Ada")
    assert {found.status for found in decided.items} == {ItemStatus.ACTIVE}
    # Decided between these two; a third opens it again.
    kb.record([item(id="K-c", value=ev(6))])
    assert [open_.id for open_ in kb.conflicts()] == [conflict.id]


def test_rules_rank_by_weight_by_date_and_by_quality(kb: KnowledgeBase, item: Make) -> None:
    def pair(subject: str) -> str:
        old, new = by("A", created=THEN), by("B", created=THEN + timedelta(days=1), licence="CC0", tool="t")
        kb.record(
            [
                item(id=f"K-{subject}-old", subject=subject, value=ev(4), provenance=old, origin="measured"),
                item(id=f"K-{subject}-new", subject=subject, value=ev(5), provenance=new),
            ]
        )
        [conflict] = kb.conflicts()
        return conflict.id

    for rule, wins in ((Rule.WEIGHT, "old"), (Rule.RECENCY, "new"), (Rule.QUALITY, "new")):
        decided = kb.resolve(pair(rule.value), rule)
        assert decided.resolution is not None
        assert decided.resolution.winner == f"K-{rule.value}-{wins}"
        winner = kb.get(decided.resolution.winner)
        assert [link.role for link in winner.evidence] == [EvidenceRole.SUPERSEDES]
    with pytest.raises(UsageError, match="only a person"):
        kb.resolve(pair("last"), Rule.WEIGHT, winner="K-last-old")


def test_a_rule_that_finds_two_equal_decides_nothing(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(id="K-a", value=ev(4)), item(id="K-b", value=ev(5))])
    [conflict] = kb.conflicts()
    with pytest.raises(UsageError, match="does not decide"):
        kb.resolve(conflict.id, Rule.WEIGHT)
    assert [open_.id for open_ in kb.conflicts()] == [conflict.id]


def test_a_persons_decision_teaches_how_far_a_method_is_to_be_trusted(kb: KnowledgeBase, item: Make) -> None:
    for n in range(6):
        kb.record(
            [
                item(id=f"K-a{n}", subject=str(n), value=ev(4), provenance=by("A")),
                item(id=f"K-b{n}", subject=str(n), value=ev(5), provenance=by("B")),
            ]
        )
        [conflict] = kb.conflicts()
        kb.resolve(conflict.id, Rule.PERSON, winner=f"K-a{n}", by="Ada", reason="checked by hand")
    held = {c.source: (c.held, c.n) for c in kb.calibration()}
    assert held == {"A": (6, 6), "B": (0, 6)}
    kb.record([item(id="K-a", subject="new", provenance=by("A"))])
    kb.record([item(id="K-b", subject="newer", provenance=by("B"))])
    assert kb.get("K-a").confidence == pytest.approx((4 * 0.8 + 6) / 10)
    assert kb.get("K-b").confidence == 0.5  # at 3.2 of 10, what it says is no evidence at all
    # As it was appraised when the first decision took its rival away.
    assert kb.get("K-a0").confidence == pytest.approx((4 * 0.8 + 1) / 5)
    assert "K-a0" in kb.reappraise()
    assert kb.get("K-a0").confidence == pytest.approx((4 * 0.8 + 6) / 10)


def test_campaigns_are_compared_by_what_they_found(kb: KnowledgeBase, item: Make) -> None:
    def found(campaign: str, id: str, value: float, subject: str) -> KnowledgeItem:
        made = Provenance(source=campaign, campaign=campaign, method=campaign)
        return item(id=id, subject=subject, value=ev(value), provenance=made)

    kb.record([found("c1", "K-same", 4, "a"), found("c1", "K-1", 4, "b"), found("c1", "K-x", 4, "c")])
    kb.record([found("c2", "K-same", 4, "a"), found("c2", "K-2", 5, "b"), found("c2", "K-y", 4, "d")])
    compared = kb.compare("c1", "c2")
    assert [i.id for i in compared.both] == ["K-same"]
    assert {i.id for i in compared.only_one} == {"K-1", "K-x"}
    assert {i.id for i in compared.only_other} == {"K-2", "K-y"}
    [apart] = compared.disagreements
    assert (apart.one.id, apart.other.id) == ("K-1", "K-2")
    assert apart.statistic == pytest.approx(1 / math.hypot(0.1, 0.1))


def test_changes_between_two_times_show_what_was_taken_back(tmp_path: Path, item: Make) -> None:
    now = [THEN]
    with KnowledgeBase(tmp_path / "kb", embedder="hashing", clock=lambda: now[0]) as kb:
        kb.record([item(id="K-1"), item(id="K-2", subject="b")])
        now[0] += timedelta(days=1)
        kb.retract("K-1", reason="wrong")
        now[0] += timedelta(days=1)
        kb.reinstate("K-1", reason="right")
        first = kb.changes(THEN, THEN + timedelta(days=1))
        assert [c.after.status_reason for c in first.withdrawn] == ["wrong"]
        assert first.added == first.reinstated == ()
        second = kb.changes(THEN + timedelta(days=1), now[0])
        assert [c.after.id for c in second.reinstated] == ["K-1"]
        whole = kb.changes(THEN - timedelta(days=1), now[0])
        assert {i.id for i in whole.added} == {"K-1", "K-2"}
        assert whole.changed == ()


def test_a_person_may_close_an_item_and_date_it_and_must_say_why(kb: KnowledgeBase, item: Make) -> None:
    use = item(id="K-use", subject="b", evidence=(Evidence(target="K-1", role=EvidenceRole.DERIVED_FROM),))
    kb.record([item(id="K-1"), use])
    closed = kb.amend("K-1", reason="patients", access=Access.SENSITIVE, valid_to=THEN)
    assert (closed.access, closed.valid_to, closed.status_reason) == (Access.SENSITIVE, THEN, "patients")
    assert kb.get("K-use").access is Access.SENSITIVE
    assert kb.amend("K-1", reason="consent", access=Access.PUBLIC).access is Access.PUBLIC
    assert kb.get("K-use").access is Access.SENSITIVE
    assert [version.access for _, version in kb.history("K-1")] == ["public", "sensitive", "public"]
    with pytest.raises(UsageError, match="say why"):
        kb.amend("K-1", reason="", access=Access.PUBLIC)
    with pytest.raises(NotFoundError):
        kb.amend("K-0", reason="none")
    with pytest.raises(ValueError, match="before it begins"):
        kb.amend("K-1", reason="dates", valid_from=THEN + timedelta(days=1))


def test_links_need_an_item_and_get_a_new_weight(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(id="K-1"), item(id="K-2", subject="b")])
    with pytest.raises(NotFoundError, match="K-0"):
        kb.link("K-0", EvidenceRole.DERIVED_FROM, "K-1")
    kb.link("K-1", EvidenceRole.DERIVED_FROM, "K-2")
    kb.link("K-1", EvidenceRole.DERIVED_FROM, "K-2", weight=0.5)
    assert kb.get("K-1").evidence == (Evidence(target="K-2", role=EvidenceRole.DERIVED_FROM, weight=0.5),)
    kb.link("K-1", EvidenceRole.SUPERSEDES, "K-2")
    assert kb.get("K-2").status is ItemStatus.SUPERSEDED
    assert kb.get("K-1").status is ItemStatus.STALE
    for call in (kb.retract, kb.reinstate):
        with pytest.raises(UsageError, match="say why"):
            call("K-1", reason=" ")
        with pytest.raises(NotFoundError):
            call("K-0", reason="none")
    with pytest.raises(NotFoundError):
        kb.why("K-0")


@pytest.mark.parametrize(
    ("again", "expected"),
    [(0.84, ItemStatus.ACTIVE), (0.10, ItemStatus.SUPERSEDED)],
)
def test_a_stale_value_is_tested_by_the_same_tool_though_neither_states_a_spread(
    kb: KnowledgeBase, item: Make, again: float, expected: ItemStatus
) -> None:
    tool = by("RDKit", tool="qed", tool_version="1")
    doubted = item(id="K-a", value=ev(0.83, None), provenance=tool)
    reference = item(id="K-reference", subject="the reference")
    kb.record([reference, doubted])
    kb.link("K-a", EvidenceRole.ANALYSED_WITH, "K-reference")
    kb.retract("K-reference", reason="contaminated")
    assert kb.get("K-a").status is ItemStatus.STALE
    kb.record([item(id="K-b", value=ev(again, None), provenance=tool)], measured_again=True)
    assert kb.get("K-a").status is expected
    assert kb.get("K-b").status is ItemStatus.ACTIVE
    supersedes = Evidence(target="K-a", role=EvidenceRole.SUPERSEDES)
    assert (supersedes in kb.get("K-b").evidence) == (expected is ItemStatus.SUPERSEDED)
    assert kb.conflicts() == []
