"""What stands and what does not, by whatever route and in whatever order it became known."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from novum.core.errors import UsageError
from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus, KnowledgeItem, Provenance
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.conflicts import Rule
from novum.knowledge_base.exchange import export_crate, import_crate

Make = Callable[..., KnowledgeItem]

ACTIVE, STALE, SUPERSEDED, RETRACTED = ItemStatus


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        yield kb


def eV(value: float) -> Quantity:
    return Quantity(value=value, unit="eV", std=0.05)


def by(name: str) -> Provenance:
    return Provenance(source=name, method=name)


def replaces(id: str) -> Evidence:
    return Evidence(target=id, role=EvidenceRole.SUPERSEDES)


def bring(kb: KnowledgeBase, item: KnowledgeItem, way: str, folder: Path) -> None:
    """Let an item become known by one of the ways in which it may."""
    bare = item.model_copy(update={"evidence": ()})
    if way == "record":
        kb.record([item])
    elif way == "link":
        kb.record([bare])
        for link in item.evidence:
            kb.link(item.id, link.role, link.target)
    else:
        with KnowledgeBase(folder / f"of-{item.id}", embedder="hashing") as other:
            other.record([item])
            export_crate(other.items, folder / f"{item.id}.zip")
        import_crate(kb, folder / f"{item.id}.zip")


@pytest.mark.parametrize("way", ["record", "link", "import"])
@pytest.mark.parametrize(
    "order", [("K-old", "K-new", "K-use"), ("K-new", "K-old", "K-use"), ("K-use", "K-new", "K-old")]
)
def test_what_is_superseded_is_so_in_whatever_order_and_by_whatever_way_both_come(
    kb: KnowledgeBase, item: Make, tmp_path: Path, way: str, order: tuple[str, ...]
) -> None:
    items = {
        "K-old": item("old", id="K-old", subject="a"),
        "K-new": item("new", id="K-new", subject="b", evidence=(replaces("K-old"),)),
        "K-use": item(
            "use",
            id="K-use",
            subject="c",
            evidence=(Evidence(target="K-old", role=EvidenceRole.DERIVED_FROM),),
        ),
    }
    for id in order:
        bring(kb, items[id], way, tmp_path)
    assert [kb.get(id).status for id in items] == [SUPERSEDED, ACTIVE, STALE]
    assert kb.get("K-old").status_reason == "K-new supersedes it"
    assert kb.verify().ok


def test_what_a_retracted_item_superseded_stands_again_unless_another_supersedes_it(
    kb: KnowledgeBase, item: Make
) -> None:
    old = item("old", id="K-old", subject="a")
    use = item("use", id="K-use", evidence=(Evidence(target="K-old", role=EvidenceRole.DERIVED_FROM),))
    kb.record([item(x, id=x, subject=x, evidence=(replaces("K-old"),)) for x in ("K-1", "K-2")])
    kb.retract("K-1", reason="made up")
    kb.record([old, use])
    assert kb.get("K-old").status is SUPERSEDED
    kb.retract("K-2", reason="made up as well")
    assert (kb.get("K-old").status, kb.get("K-use").status) == (ACTIVE, ACTIVE)
    assert "which superseded it, was retracted" in kb.get("K-old").status_reason


def test_what_stands_again_is_stale_where_its_evidence_has_fallen_meanwhile(
    kb: KnowledgeBase, item: Make
) -> None:
    link = Evidence(target="K-raw", role=EvidenceRole.DERIVED_FROM)
    kb.record([item("raw", id="K-raw", subject="r"), item("old", id="K-old", subject="a", evidence=(link,))])
    kb.record([item("new", id="K-new", subject="b", evidence=(replaces("K-old"),))])
    kb.retract("K-raw", reason="lost")
    kb.retract("K-new", reason="made up")
    assert kb.get("K-old").status is STALE


def test_what_a_person_reinstates_is_not_superseded_once_more_by_the_same_word(
    kb: KnowledgeBase, item: Make
) -> None:
    new = item("new", id="K-new", subject="b", evidence=(replaces("K-old"),))
    kb.record([new, item("old", id="K-old", subject="a")])
    kb.reinstate("K-old", reason="another phase")
    kb.record([new, item("old", id="K-old", subject="a")])
    assert kb.get("K-old").status is ACTIVE
    assert kb.get("K-new").evidence == ()


@pytest.fixture
def decided(kb: KnowledgeBase, item: Make) -> Callable[..., KnowledgeItem]:
    """Two measurements of which one has lost; return what makes others of the same thing."""

    def gap(ev: float, method: str, **more: object) -> KnowledgeItem:
        value = Quantity(value=ev, unit="eV", std=0.1)
        made = Provenance(source=method, method=method)
        fields = {"id": f"K-{method}", "origin": "measured"} | more
        return item(f"gap {ev} by {method}", value=value, provenance=made, **fields)

    kb.record([gap(4.0, "won"), gap(5.0, "lost")])
    use = Evidence(target="K-lost", role=EvidenceRole.DERIVED_FROM)
    kb.record([item("use", id="K-use", subject="b", evidence=(use,))])
    [conflict] = kb.conflicts()
    kb.resolve(conflict.id, Rule.PERSON, winner="K-won", by="Ada", reason="the better instrument")
    assert kb.conflicts() == []
    return gap


def open_between(kb: KnowledgeBase) -> set[str]:
    return {item.id for conflict in kb.conflicts() for item in conflict.items if item.status is ACTIVE}


def seen_in(record: str) -> Evidence:
    return Evidence(target=f"ledger:c2/{record}", role=EvidenceRole.MEASURED_BY)


def test_a_new_measurement_that_agrees_with_a_loser_opens_the_conflict_again(
    kb: KnowledgeBase, decided: Make
) -> None:
    kb.record([decided(5.05, "third")])
    assert open_between(kb) == {"K-won", "K-lost", "K-third"}
    assert "K-third agrees with it" in kb.get("K-lost").status_reason
    assert kb.get("K-use").status is ACTIVE
    [conflict] = kb.conflicts()
    kb.resolve(conflict.id, Rule.PERSON, winner="K-third", by="Ada", reason="two against one")
    assert kb.conflicts() == []
    assert kb.get("K-won").status is SUPERSEDED


def test_a_loser_that_is_measured_again_opens_the_conflict_again(kb: KnowledgeBase, decided: Make) -> None:
    kb.record([decided(5.0, "lost", evidence=(seen_in("E007"),))])
    assert open_between(kb) == {"K-won", "K-lost"}
    assert "ledger:c2/E007 speaks for it" in kb.get("K-lost").status_reason
    [conflict] = kb.conflicts()
    assert conflict.resolution is not None  # what was decided can still be read
    again = kb.resolve(conflict.id, Rule.PERSON, winner="K-won", by="Ada", reason="still the better one")
    assert not again.open
    kb.record([decided(5.0, "lost", evidence=(seen_in("E007"),))])  # nothing new
    assert kb.conflicts() == []


def test_what_supports_a_loser_opens_the_conflict_again(kb: KnowledgeBase, decided: Make, item: Make) -> None:
    kb.record(
        [item("a theory", id="K-theory", subject="t", provenance=Provenance(source="x", method="theory"))]
    )
    kb.link("K-theory", EvidenceRole.SUPPORTS, "K-lost")
    assert open_between(kb) == {"K-won", "K-lost"}


def test_the_same_calculation_once_again_opens_nothing_and_is_not_lost_either(
    kb: KnowledgeBase, decided: Make
) -> None:
    kb.record([decided(7.0, "model", origin="simulated")])
    [conflict] = kb.conflicts()
    kb.resolve(conflict.id, Rule.PERSON, winner="K-won", by="Ada", reason="a bad basis set")
    again = Evidence(target="ledger:c3/E001", role=EvidenceRole.SIMULATED_BY)
    kb.record([decided(7.0, "model", origin="simulated", evidence=(again,))])
    model = kb.get("K-model")
    assert (kb.conflicts(), model.status) == ([], SUPERSEDED)
    assert model.status_reason.endswith("a bad basis set; found again since: ledger:c3/E001")
    assert again in model.evidence


def test_a_calculation_that_was_retracted_says_so_when_it_is_repeated(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(id="K-1", origin="simulated")])
    kb.retract("K-1", reason="wrong charge")
    for n in (1, 2):
        kb.record([item(id="K-1", origin="simulated", evidence=(seen_in(f"E{n}"),))])
    assert kb.get("K-1").status is RETRACTED
    assert kb.get("K-1").status_reason == "wrong charge; found again since: ledger:c2/E2"


def test_a_measurement_that_was_retracted_stands_again_by_what_measured_it_since(
    kb: KnowledgeBase, item: Make
) -> None:
    kb.record([item(id="K-1", origin="measured", evidence=(seen_in("E1"),))])
    kb.retract("K-1", reason="contaminated")
    kb.record([item(id="K-1", origin="measured", evidence=(seen_in("E1"),))])
    assert kb.get("K-1").status is RETRACTED
    kb.record([item(id="K-1", origin="measured", evidence=(seen_in("E2"),))])
    again = kb.get("K-1")
    assert again.status is ItemStatus.ACTIVE
    assert [link.target for link in again.evidence] == ["ledger:c2/E2"]
    assert "measured again" in again.status_reason


def test_opposite_decisions_of_two_sides_open_the_conflict_again_on_both(
    kb: KnowledgeBase, item: Make, tmp_path: Path
) -> None:
    with KnowledgeBase(tmp_path / "other", embedder="hashing") as other:
        bases = [kb, other]
        for base, winner in zip(bases, ("K-a", "K-b"), strict=True):
            base.record(
                [
                    item("a", id="K-a", value=eV(1.0), provenance=by("A")),
                    item("b", id="K-b", value=eV(2.0), provenance=by("B")),
                ]
            )
            [conflict] = base.conflicts()
            base.resolve(conflict.id, Rule.PERSON, winner=winner, by="Ada", reason="better")
        for n, base in enumerate(bases):
            export_crate(base.items, tmp_path / f"crate{n}.zip")
        for n, base in enumerate(bases):
            import_crate(base, tmp_path / f"crate{1 - n}.zip")
        for base in bases:
            assert open_between(base) == {"K-a", "K-b"}


def test_what_agrees_with_the_winner_of_a_conflict_stands_with_it(kb: KnowledgeBase, item: Make) -> None:
    kb.record(
        [
            item(name, id=f"K-{name}", value=eV(value), provenance=by(name))
            for name, value in (("a", 1.0), ("c", 1.01), ("b", 2.0))
        ]
    )
    [conflict] = kb.conflicts()
    kb.resolve(conflict.id, Rule.PERSON, winner="K-c", by="Ada", reason="better")
    assert {i.id: i.status for i in kb.query(status=None)} == {
        "K-a": ItemStatus.ACTIVE,
        "K-c": ItemStatus.ACTIVE,
        "K-b": ItemStatus.SUPERSEDED,
    }
    assert {found.source: found.held for found in kb.calibration()} == {"a": 1, "b": 0, "c": 1}


@pytest.mark.parametrize("first", [0, 1])
def test_whoever_imports_a_loser_that_another_source_speaks_for_stands_again(
    kb: KnowledgeBase, item: Make, tmp_path: Path, first: int
) -> None:
    pair = [
        item("a", id="K-a", value=eV(1.0), provenance=by("A")),
        item("b", id="K-b", value=eV(2.0), provenance=by("B")),
    ]
    with KnowledgeBase(tmp_path / "other", embedder="hashing") as other:
        kb.record(pair)
        [conflict] = kb.conflicts()
        kb.resolve(conflict.id, Rule.PERSON, winner="K-a", by="Ada", reason="better")
        other.record([*pair, item("n", id="K-n", value=eV(2.01), provenance=by("N"))])
        bases = [kb, other]
        for n in (first, 1 - first, first):
            export_crate(bases[1 - n].items, tmp_path / f"crate{n}.zip")
            import_crate(bases[n], tmp_path / f"crate{n}.zip")
            (tmp_path / f"crate{n}.zip").unlink()
        for base in bases:
            assert {i.id: i.status for i in base.query(status=None)} == dict.fromkeys(
                ("K-a", "K-b", "K-n"), ItemStatus.ACTIVE
            )
            assert open_between(base) == {"K-a", "K-b", "K-n"}


def test_a_word_that_would_not_count_is_refused(kb: KnowledgeBase, item: Make) -> None:
    kb.record([item(name, id=f"K-{name}", subject=name) for name in "ab"])
    kb.link("K-a", EvidenceRole.SUPERSEDES, "K-b")
    with pytest.raises(UsageError, match="already"):
        kb.link("K-b", EvidenceRole.SUPERSEDES, "K-a")
    with pytest.raises(UsageError, match="itself"):
        kb.link("K-a", EvidenceRole.DERIVED_FROM, "K-a")


def test_a_derived_value_does_not_stand_again_without_what_it_is_derived_from(
    kb: KnowledgeBase, item: Make
) -> None:
    kb.record([item("raw", id="K-raw", subject="r")])
    link = Evidence(target="K-raw", role=EvidenceRole.DERIVED_FROM)
    kb.record([item("sum", id="K-sum", subject="s", evidence=(link,))])
    kb.retract("K-raw", reason="wrong")
    with pytest.raises(UsageError, match="K-raw, which is retracted"):
        kb.reinstate("K-sum", reason="I like it")
    kb.reinstate("K-raw", reason="right after all")
    assert kb.get("K-sum").status is ItemStatus.ACTIVE
    assert kb.get("K-sum").evidence == (link,)


def test_the_winner_falls_and_those_that_lost_to_it_are_in_conflict_again(
    kb: KnowledgeBase, decided: Make
) -> None:
    kb.record([decided(9.0, "other")])
    [conflict] = kb.conflicts()
    kb.resolve(conflict.id, Rule.PERSON, winner="K-won", by="Ada", reason="best")
    kb.retract("K-won", reason="invented")
    assert open_between(kb) == {"K-lost", "K-other"}


@pytest.mark.parametrize("here", [0, 1])
def test_evidence_for_a_loser_that_comes_with_a_crate_opens_the_conflict_on_either_side(
    kb: KnowledgeBase, decided: Make, tmp_path: Path, here: int
) -> None:
    with KnowledgeBase(tmp_path / "other", embedder="hashing") as other:
        other.record([decided(5.0, "lost", evidence=(seen_in("E007"),))])
        bases = [kb, other]
        export_crate(bases[1 - here].items, tmp_path / "crate.zip")
        import_crate(bases[here], tmp_path / "crate.zip")
        assert open_between(bases[here]) == {"K-won", "K-lost"}
        assert bases[here].verify().ok
