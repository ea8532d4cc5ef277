"""How far an item is believed follows from independent evidence, counted once, and nothing else."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_items import make_item

from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.appraisal import MOVED
from novum.knowledge_base.ingest import About, ingest

Make = Callable[..., KnowledgeItem]
FEW = settings(max_examples=25, deadline=None)
METHODS = ("A", "B", "C")


@contextmanager
def opened() -> Iterator[KnowledgeBase]:
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase(folder, embedder="hashing") as kb:
        yield kb


@pytest.fixture
def kb() -> Iterator[KnowledgeBase]:
    with opened() as kb:
        yield kb


def on(target: str, role: EvidenceRole = EvidenceRole.DERIVED_FROM, weight: float = 1.0) -> Evidence:
    return Evidence(target=target, role=role, weight=weight)


def ev(value: float, std: float | None = 0.1) -> Quantity:
    return Quantity(value=value, unit="eV", std=std)


def reading(n: int, method: str, value: float = 4.0, **more: object) -> KnowledgeItem:
    """Return what one source of its own says about the one gap of this module."""
    made = Provenance(source=f"file {n}", method=method, content_hash=f"{n:064x}")
    return make_item(f"reading {n}", id=f"K-r{n}", value=ev(value), provenance=made, **more)


def calculated(campaign: str, call: str, value: float = 4.0) -> KnowledgeItem:
    made = Provenance(source=campaign, campaign=campaign, method="GFN2-xTB", tool="xtb", call_key=call)
    evidence = (on(f"ledger:{campaign}/E001", EvidenceRole.SIMULATED_BY),)
    return make_item("a calculation", id=f"K-{value}", value=ev(value), provenance=made, evidence=evidence)


# One fact from several sources


def csv(path: Path, gap: str) -> Path:
    path.write_text(f"smiles,gap [eV]\nCCO,{gap}\n")
    return path


def add(kb: KnowledgeBase, path: Path, method: str = "UPS") -> None:
    items = list(ingest(path, About(domain="chemistry", method=method, origin=Origin.MEASURED)))
    assert items
    kb.record(items)


def test_two_files_that_state_one_fact_raise_the_belief_in_it_and_taking_one_back_lowers_it_again(
    kb: KnowledgeBase, tmp_path: Path
) -> None:
    add(kb, csv(tmp_path / "one.csv", "7.10"))
    [alone] = kb.query(relation="gap")
    # The same bytes under another name are the same source.
    add(kb, csv(tmp_path / "copy.csv", "7.10"))
    assert kb.query(relation="gap") == [alone]
    add(kb, csv(tmp_path / "two.csv", "7.1"))
    first, second = sorted(kb.query(relation="gap"), key=lambda item: item.id != alone.id)
    assert first.confidence == pytest.approx(second.confidence)
    assert first.confidence > alone.confidence
    assert first.provenance.source == "one.csv"
    [source] = [link.target for link in second.evidence]
    kb.retract(source, reason="the sample was wet")
    assert kb.get(second.id).status is ItemStatus.STALE
    left = kb.get(first.id)
    assert (left.status, left.confidence) == (ItemStatus.ACTIVE, pytest.approx(alone.confidence))


def test_a_file_read_again_as_another_methods_is_still_one_source(kb: KnowledgeBase, tmp_path: Path) -> None:
    path = csv(tmp_path / "one.csv", "7.10")
    add(kb, path)
    [alone] = kb.query(relation="gap")
    add(kb, path, method="photoemission")
    assert {item.confidence for item in kb.query(relation="gap")} == {alone.confidence}


def test_sources_that_disagree_refute_each_other(kb: KnowledgeBase) -> None:
    kb.record([reading(1, "A"), reading(2, "B", 9.0)])
    assert kb.get("K-r1").confidence == kb.get("K-r2").confidence == pytest.approx(0.5)


def test_two_that_name_the_same_object_agree_and_two_texts_do_not(kb: KnowledgeBase) -> None:
    def said(n: int, **more: object) -> KnowledgeItem:
        return reading(n, f"method {n}", **more).model_copy(update={"value": None, **more})

    kb.record([said(1, object="rutile"), said(2, object="rutile"), said(3), said(4)])
    found = {id: kb.get(id).confidence for id in ("K-r1", "K-r2", "K-r3", "K-r4")}
    assert found["K-r1"] == found["K-r2"] == pytest.approx(16 / 17)
    assert found["K-r3"] == found["K-r4"] == pytest.approx(0.8)


def test_a_support_is_not_counted_again_as_agreement(kb: KnowledgeBase) -> None:
    kb.record([reading(1, "A"), reading(2, "B")])
    both = kb.get("K-r1").confidence
    kb.link("K-r2", EvidenceRole.SUPPORTS, "K-r1")
    # It counts as far as it is believed itself now, but once; and K-r1 cannot carry what carries it.
    assert kb.get("K-r1").confidence == pytest.approx(both, abs=MOVED)
    assert kb.get("K-r2").confidence == pytest.approx(0.8)


@FEW
@given(st.lists(st.tuples(st.sampled_from(METHODS), st.floats(3.9, 4.1)), min_size=1, max_size=6))
def test_evidence_that_agrees_never_lowers_a_confidence(found: list[tuple[str, float]]) -> None:
    with opened() as kb:
        before = 0.0
        for n, (method, value) in enumerate(found):
            kb.record([reading(n, method, value)])
            now = kb.get("K-r0").confidence
            assert now >= before - MOVED
            before = now
        # All of it tells all of it.
        assert len({round(kb.get(f"K-r{n}").confidence, 1) for n in range(len(found))}) == 1


@FEW
@given(st.lists(st.sampled_from(METHODS), min_size=1, max_size=4), st.data())
def test_one_source_heard_twice_changes_nothing(methods: list[str], data: st.DataObject) -> None:
    with opened() as kb:
        items = [reading(n, method) for n, method in enumerate(methods)]
        kb.record(items)
        before = {item.id: kb.get(item.id).confidence for item in items}
        again = data.draw(st.integers(0, len(items) - 1))
        kb.record([items[again]])
        echo = items[again].model_copy(update={"id": "K-echo"})
        kb.record([echo])
        assert {item.id: kb.get(item.id).confidence for item in items} == before


def test_the_order_of_recording_does_not_matter() -> None:
    items = [
        reading(1, "A"),
        reading(2, "B"),
        make_item("made of one", id="K-made", subject="m", evidence=(on("K-r1"),)),
        make_item(
            "an insight",
            id="K-in",
            subject="i",
            level=Level.INSIGHT,
            value=None,
            evidence=(on("K-made", EvidenceRole.SUPPORTS), on("K-r2", EvidenceRole.SUPPORTS)),
        ),
    ]
    found = set()
    for order in permutations(items):
        with opened() as kb:
            for item in order:
                kb.record([item])
            found.add(tuple(round(kb.get(item.id).confidence, 2) for item in items))
    assert len(found) == 1


# Conjunctions


def test_what_needs_all_of_several_is_less_believed_than_each(kb: KnowledgeBase) -> None:
    parts = [make_item(f"part {n}", id=f"K-{n}", subject=f"s{n}") for n in range(4)]
    kb.record([*parts, make_item("whole", id="K-w", subject="w", evidence=tuple(on(p.id) for p in parts))])
    assert kb.get("K-w").confidence == pytest.approx(0.5 + 0.3 * 0.8**4)
    kb.record(
        [make_item("part 0", id="K-other", subject="s0", provenance=Provenance(source="b", method="B"))]
    )
    assert kb.get("K-w").confidence > 0.5 + 0.3 * 0.8**4  # an independent confirmation of one part


@FEW
@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), min_size=1, max_size=4))
def test_a_conjunction_is_never_above_its_least_member(judged: list[tuple[float, bool]]) -> None:
    with opened() as kb:
        witness = make_item("a witness", id="K-witness", subject="x", provenance=Provenance(source="w"))
        parts = [
            make_item(
                f"part {n}",
                id=f"K-{n}",
                subject=f"s{n}",
                evidence=(
                    on("ledger:c1/E1", EvidenceRole.SIMULATED_BY),
                    on(witness.id, EvidenceRole.SUPPORTS if good else EvidenceRole.REFUTES, weight),
                ),
            )
            for n, (weight, good) in enumerate(judged)
        ]
        whole = make_item("whole", id="K-w", subject="w", evidence=tuple(on(p.id) for p in parts))
        kb.record([witness, *parts, whole])
        assert kb.get("K-w").confidence <= min(kb.get(p.id).confidence for p in parts) + MOVED


# The same calculation again


def test_the_same_call_found_again_adds_no_weight_and_another_one_does(kb: KnowledgeBase) -> None:
    kb.record([calculated("c1", "call 1")])
    alone = kb.get("K-4.0").confidence
    kb.record([calculated("c2", "call 1")])
    kb.record([calculated("c3", "call 1")])
    again = kb.get("K-4.0")
    assert len(again.evidence) == 3  # each stays as a trace
    assert again.confidence == pytest.approx(alone)
    kb.record([calculated("c4", "call 2")])
    assert kb.get("K-4.0").confidence > alone


def test_what_is_measured_again_is_measured_again(kb: KnowledgeBase) -> None:
    def measured(campaign: str) -> KnowledgeItem:
        found = calculated(campaign, "the form was filled in alike")
        evidence = (on(f"ledger:{campaign}/E001", EvidenceRole.MEASURED_BY),)
        return found.model_copy(update={"origin": Origin.MEASURED, "evidence": evidence})

    kb.record([measured("c1")])
    alone = kb.get("K-4.0").confidence
    kb.record([measured("c2")])
    assert kb.get("K-4.0").confidence > alone


def test_analysing_an_item_with_another_one_adds_nothing_to_it(kb: KnowledgeBase) -> None:
    kb.record([calculated("c1", "call 1"), make_item("a scale", id="K-scale", subject="scale")])
    alone = kb.get("K-4.0").confidence
    kb.link("K-4.0", EvidenceRole.ANALYSED_WITH, "K-scale")
    assert kb.get("K-4.0").confidence < alone


# Circles and common ancestors


def test_two_items_that_support_each_other_are_lifted_by_neither(kb: KnowledgeBase) -> None:
    kb.record([make_item("a", id="K-a", subject="a"), make_item("b", id="K-b", subject="b")])
    kb.link("K-a", EvidenceRole.SUPPORTS, "K-b")
    assert kb.get("K-b").confidence > 0.8
    kb.link("K-b", EvidenceRole.SUPPORTS, "K-a")
    assert [kb.get(id).confidence for id in ("K-a", "K-b")] == pytest.approx([0.8, 0.8])


def test_what_is_made_of_itself_says_nothing(kb: KnowledgeBase) -> None:
    kb.record([make_item("a", id="K-a", subject="a", evidence=(on("K-b"),))])
    kb.record([make_item("b", id="K-b", subject="b", evidence=(on("K-a"),))])
    assert [kb.get(id).confidence for id in ("K-a", "K-b")] == [0.5, 0.5]


def test_two_pieces_that_rest_on_one_thing_are_not_independent(kb: KnowledgeBase) -> None:
    def witness(name: str, root: str) -> KnowledgeItem:
        made = Provenance(source=name, method=name)
        return make_item(name, id=f"K-{name}", subject=name, provenance=made, evidence=(on(root),))

    roots = [make_item(root, id=root, subject=root) for root in ("K-one", "K-other")]
    pieces = [witness("p", "K-one"), witness("q", "K-one"), witness("r", "K-other")]
    shared, apart = (
        make_item(
            name,
            id=f"K-{name}",
            subject=name,
            level=Level.INSIGHT,
            value=None,
            evidence=tuple(on(f"K-{piece}", EvidenceRole.SUPPORTS) for piece in said),
        )
        for name, said in (("shared", "pq"), ("apart", "pr"))
    )
    kb.record([*roots, *pieces, shared, apart])
    single = kb.get("K-p").confidence
    assert single < kb.get("K-shared").confidence < kb.get("K-apart").confidence


roles = st.sampled_from(
    sorted({EvidenceRole.SUPPORTS, EvidenceRole.DERIVED_FROM, EvidenceRole.ANALYSED_WITH})
)
webs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), roles), max_size=8, unique=True)


@FEW
@given(webs, st.data())
def test_a_link_that_closes_a_circle_raises_nothing_in_it(
    links: list[tuple[int, int, EvidenceRole]], data: st.DataObject
) -> None:
    with opened() as kb:
        forward = [(max(a, b), min(a, b), role) for a, b, role in links if a != b]
        evidence: dict[int, dict[Evidence, None]] = {n: {} for n in range(6)}
        for source, target, role in forward:
            evidence[source][on(f"K-{target}", role)] = None
        kb.record(
            [make_item(f"{n}", id=f"K-{n}", subject=f"{n}", evidence=tuple(evidence[n])) for n in range(6)]
        )
        source = data.draw(st.integers(0, 4))
        behind = {n for n in range(source + 1, 6) if f"K-{n}" in {d.id for d in kb.impact(f"K-{source}")}}
        if not behind:
            return
        target = data.draw(st.sampled_from(sorted(behind)))
        before = {n: kb.get(f"K-{n}").confidence for n in range(6)}
        role = data.draw(roles)
        if role is EvidenceRole.SUPPORTS:
            kb.link(f"K-{target}", role, f"K-{source}")
        else:
            kb.link(f"K-{source}", role, f"K-{target}")
        for n in range(6):
            assert kb.get(f"K-{n}").confidence <= before[n] + 2 * MOVED, n


def test_many_that_agree_are_weighed_as_far_as_they_add_anything(kb: KnowledgeBase) -> None:
    kb.record([reading(n, METHODS[n % 3]) for n in range(60)])
    few = kb.get("K-r0").confidence
    assert few > 0.98
    kb.record([reading(n, METHODS[n % 3]) for n in range(60, 120)])
    assert kb.get("K-r0").confidence == pytest.approx(few, abs=MOVED)


# Noise


def test_a_noisy_value_is_superseded_only_by_what_its_replicates_do_not_explain(kb: KnowledgeBase) -> None:
    def found(subject: str, value: float, id: str, **more: object) -> KnowledgeItem:
        made = Provenance(source="c1", campaign="c1", method="noisy", tool="t", call_key=id)
        return make_item(id, id=id, subject=subject, value=ev(value, None), provenance=made, **more)

    def measured_again(value: float, id: str) -> KnowledgeItem:
        kb.record([found("s", 4.0, f"K-old-{id}", status=ItemStatus.STALE, conditions={"n": id})])
        kb.record([found("s", value, f"K-new-{id}", conditions={"n": id})], measured_again=True)
        return kb.get(f"K-old-{id}")

    assert measured_again(5.5, "1").status is ItemStatus.SUPERSEDED  # nothing is known of the noise
    kb.record([found("calm", value, f"K-{value}") for value in (3.0, 4.0, 5.0)])  # a spread of 1 eV
    assert measured_again(5.5, "2").status is ItemStatus.ACTIVE
    assert measured_again(9.0, "3").status is ItemStatus.SUPERSEDED
