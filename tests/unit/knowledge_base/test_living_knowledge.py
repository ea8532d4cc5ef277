"""What a living knowledge base has to do, one test for each requirement (S2 to S14)."""

import math
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novum.agents.base import PlanningContext
from novum.agents.choose import open_planner
from novum.core.access import Destination, release
from novum.core.calls import CallStatus, PropertySpec, ToolCall, ToolResult, ToolSpec
from novum.core.errors import EvidenceError, UnitError, UsageError
from novum.core.forecasts import Forecast
from novum.core.goals import Budget, Goal, Objective
from novum.core.knowledge import (
    Access,
    DataClass,
    Evidence,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
    Level,
    Provenance,
)
from novum.core.quality import score
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.record import ExperimentRecord
from novum.core.science import Experiment, Origin
from novum.core.spaces import Candidate, PoolSpace
from novum.core.tracing import Trace
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.conflicts import Rule
from novum.knowledge_base.contamination import By, Example
from novum.knowledge_base.links import Found
from novum.workflows.assays import Assay
from novum.workflows.learning import items_of, recalled_observations

Make = Callable[..., KnowledgeItem]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = NEW_YEAR

    def __call__(self) -> datetime:
        return self.now

    def wait(self, days: float) -> datetime:
        self.now += timedelta(days=days)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kb(tmp_path: Path, clock: Clock) -> Iterator[KnowledgeBase]:
    trace = {"ledger:c1/E001": Trace(target="ledger:c1/E001", campaign="c1")}
    with KnowledgeBase(tmp_path / "kb", embedder="hashing", clock=clock, trace=trace.get) as kb:
        yield kb


def on(target: str, role: EvidenceRole = EvidenceRole.DERIVED_FROM, weight: float = 1.0) -> Evidence:
    return Evidence(target=target, role=role, weight=weight)


def test_s2_every_item_has_a_level_by_which_it_is_found(kb: KnowledgeBase, item: Make) -> None:
    for level in Level:
        kb.record(
            [item(f"about gaps, {level.value}", id=f"K-{level.value}", level=level, subject=level.value)]
        )
    for level in Level:
        assert [found.id for found in kb.query(level=level)] == [f"K-{level.value}"]
        assert [hit.item.level for hit in kb.search("gaps", level=level)] == [level]
    with pytest.raises(ValueError, match="level"):
        item(level="opinion")


def test_s3_from_an_insight_to_raw_data_and_to_the_code_that_analysed_it(
    kb: KnowledgeBase, item: Make
) -> None:
    code = item("fit.py", id="K-code", level="methodological", subject="fit.py", value=None)
    raw = item(
        "a spectrum",
        id="K-raw",
        origin="measured",
        evidence=(on("ledger:c1/E001", EvidenceRole.MEASURED_BY),),
    )
    fact = item(
        "a gap", id="K-fact", subject="b", evidence=(on("K-raw"), on("K-code", EvidenceRole.ANALYSED_WITH))
    )
    law = item("a law", id="K-law", level="theoretical", subject="c", value=None)
    insight = item(
        "gaps shrink",
        id="K-insight",
        level="insight",
        subject="d",
        value=None,
        evidence=(on("K-fact", EvidenceRole.SUPPORTS), on("K-law", EvidenceRole.EXPLAINED_BY)),
    )
    kb.record([code, raw, fact, law, insight])
    nodes = {node.target: node for node in kb.why("K-insight").walk()}
    assert set(nodes) == {"K-insight", "K-fact", "K-law", "K-raw", "K-code", "ledger:c1/E001"}
    assert nodes["K-code"].role is EvidenceRole.ANALYSED_WITH
    assert nodes["ledger:c1/E001"].found is Found.RECORD
    assert nodes["ledger:c1/E001"].trace == Trace(target="ledger:c1/E001", campaign="c1")
    assert [d.id for d in kb.impact("ledger:c1/E001")] == ["K-raw", "K-fact", "K-insight"]
    assert kb.impact("K-law") == []
    linked = kb.link("K-law", EvidenceRole.SUPPORTS, "K-raw")
    assert (linked.id, linked.version) == ("K-raw", 2)
    assert "K-raw" in {d.id for d in kb.impact("K-law")}


def test_s4_a_quantity_without_a_unit_is_refused_and_context_is_kept(kb: KnowledgeBase, item: Make) -> None:
    with pytest.raises(UnitError, match="no unit"):
        item(value=Quantity(value=4.0))
    made = Provenance(
        source="notebook 3",
        instrument="diffractometer 2",
        tool="fit",
        tool_version="1.2",
        method="XRD",
        created=NEW_YEAR,
    )
    kb.record(
        [item(id="K-1", conditions={"T_K": 293, "site": "Uppsala"}, provenance=made, valid_from=NEW_YEAR)]
    )
    found = kb.get("K-1")
    assert (found.provenance, found.conditions["site"]) == (made, "Uppsala")
    assert found.valid_from == NEW_YEAR


def test_s5_uncertainty_has_a_kind_and_propagates_and_belief_moves_with_evidence(
    kb: KnowledgeBase, item: Make
) -> None:
    def of(id: str, value: float, std: float, **more: object) -> KnowledgeItem:
        kind = UncertaintyKind.MEASUREMENT
        return item(id=id, relation=id, value=Quantity(value=value, unit="eV", std=std, kind=kind), **more)

    kb.record([of("K-homo", -6.0, 0.3), of("K-lumo", -1.0, 0.4)])
    gap = kb.derive(lambda a, b: b - a, ["K-homo", "K-lumo"], relation="gap", method="difference", unit="meV")
    assert gap.value is not None
    assert (gap.value.value, gap.value.unit) == (pytest.approx(5000.0), "meV")
    assert gap.value.std == pytest.approx(500.0)
    assert gap.value.kind is UncertaintyKind.MEASUREMENT
    # What has an ancestor in common is correlated: gap + homo is lumo again, no less certain than it.
    again = kb.derive(lambda g, h: g + h, [gap.id, "K-homo"], relation="lumo again", method="sum", unit="eV")
    assert again.value is not None
    assert again.value.std == pytest.approx(0.4)
    before = gap.confidence
    kb.record([item("a photoemission spectrum", id="K-photo", subject="other", origin="measured")])
    kb.link("K-photo", EvidenceRole.SUPPORTS, gap.id)
    supported = kb.get(gap.id).confidence
    kb.link("K-photo", EvidenceRole.REFUTES, gap.id, weight=3.0)
    refuted = kb.get(gap.id).confidence
    assert refuted < before < supported
    kb.record([item(id="K-sure", confidence=0.99)])
    assert kb.get("K-sure").confidence != 0.99  # nobody writes a confidence


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        (
            "UPDATE bodies SET payload = replace(payload, 'eV', 'meV') WHERE seq = 1",
            "is not what was recorded",
        ),
        ("UPDATE items SET domain = 'astrology' WHERE seq = 1", "column 'domain'"),
        ("UPDATE links SET target = 'K-9'", "links are not"),
        ("DELETE FROM bodies WHERE seq = 2", "content is missing"),
        ("DELETE FROM items WHERE seq = 4; DELETE FROM bodies WHERE seq = 4", "not what was recorded last"),
        ("UPDATE items SET until = NULL WHERE seq = 1", "ends at the wrong place"),
        ("UPDATE forecasts SET held = 1", "forecast"),
        ("DELETE FROM disagreements", "disagreements: 0 rows"),
        ("UPDATE resolutions SET winner = 'K-2'", "resolution of conflict"),
        ("UPDATE bodies SET prev_hash = hash WHERE seq = 2", "does not follow"),
    ],
)
def test_s6_tampering_with_one_record_is_found(
    kb: KnowledgeBase, item: Make, tampering: str, said: str
) -> None:
    kb.record([item("one", id="K-1", evidence=(on("K-0"),)), item("two", id="K-2", subject="b")])
    kb.record([item("one again", id="K-1")])
    kb.learn([Forecast(source="a method", key="c1/E001", held=False)])
    kb.record([item("not one", id="K-3", value=Quantity(value=9.0, unit="eV", std=0.1), subject="b")])
    kb.resolve(kb.conflicts()[0].id, Rule.PERSON, by="Ada", reason="two phases")
    found = kb.verify()
    assert (found.ok, found.faults, found.n_versions) == (True, (), 4)
    kb.close()
    with sqlite3.connect(kb.root / "items.sqlite3") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DROP INDEX heads")
        connection.executescript(tampering)
        # What the storage engine itself could notice is mended, so that only the content is wrong.
        connection.execute("CREATE INDEX heads ON items (id) WHERE until IS NULL")
    connection.close()
    with KnowledgeBase(kb.root, embedder="hashing") as again:
        found = again.verify()
    assert not found.ok
    assert said in "; ".join(found.faults)


def test_s7_what_was_simulated_is_never_measured(kb: KnowledgeBase, item: Make) -> None:
    simulated = item(
        id="K-sim",
        value=Quantity(value=4.0, unit="eV", std=0.1),
        provenance=Provenance(source="c1", tool="xtb", tool_version="6", method="GFN2-xTB"),
    )
    measured = item(id="K-exp", subject="b", origin="measured")
    synthetic = item(id="K-syn", subject="c", origin="synthetic")
    kb.record([simulated, measured, synthetic])
    assert simulated.generated_by == "xtb@6"
    assert [found.id for found in kb.query(origin=Origin.MEASURED)] == ["K-exp"]
    assert {hit.item.id for hit in kb.search("a fact", origin=Origin.MEASURED)} == {"K-exp"}
    mixed = kb.derive(lambda a, b: a - b, ["K-sim", "K-exp"], relation="d", method="difference", subject="b")
    assert mixed.origin is Origin.SIMULATED
    made_up = kb.derive(
        lambda a, b: a - b, ["K-syn", "K-exp"], relation="e", method="difference", subject="b"
    )
    assert made_up.origin is Origin.SYNTHETIC
    for evidence in (on("K-sim"), on("ledger:c1/E1", EvidenceRole.SIMULATED_BY)):
        with pytest.raises(EvidenceError, match="is called measured"):
            kb.record([item(id="K-lie", subject="d", origin="measured", evidence=(evidence,))])
    assert kb.find("K-lie") is None


def test_s8_an_update_is_a_new_version_and_the_past_answers_as_it_did(
    kb: KnowledgeBase, item: Make, clock: Clock
) -> None:
    kb.record([item("the gap is direct", id="K-1")])
    then = clock.now
    clock.wait(30)
    kb.record([item("the gap is indirect", id="K-1"), item("another", id="K-2", subject="b")])
    assert [found.text for found in kb.query()] == ["the gap is indirect", "another"]
    assert [found.text for found in kb.query(as_of=then)] == ["the gap is direct"]
    assert [hit.item.text for hit in kb.search("gap", as_of=then)] == ["the gap is direct"]
    assert kb.why("K-1", as_of=then).item == kb.get("K-1", version=1)
    assert [(time, version.version) for time, version in kb.history("K-1")] == [(then, 1), (clock.now, 2)]
    changes = kb.changes(then, clock.now)
    assert [added.id for added in changes.added] == ["K-2"]
    assert [(c.before.version, c.after.version) for c in changes.changed] == [(1, 2)]
    # What was true is another axis than what was known.
    kb.record(
        [item("for a while", id="K-3", subject="c", valid_from=then, valid_to=then + timedelta(days=1))]
    )
    assert "K-3" in {found.id for found in kb.query(valid_at=then)}
    assert "K-3" not in {found.id for found in kb.query(valid_at=clock.now)}
    assert "K-3" not in {found.id for found in kb.query(valid_at=then, as_of=then)}


def test_s9_a_contradiction_is_listed_both_are_kept_and_the_decision_has_a_reason(
    kb: KnowledgeBase, item: Make
) -> None:
    def gap(id: str, ev: float, origin: str, **more: object) -> KnowledgeItem:
        value = Quantity(value=ev, unit="eV", std=0.1)
        # Two calculations share their errors, and together weigh less than one measurement.
        made = Provenance(source=id, method=origin)
        return item(f"gap {ev}", id=id, value=value, origin=origin, provenance=made, **more)

    kb.record(
        [gap("K-old", 4.0, "simulated"), gap("K-new", 5.0, "measured"), gap("K-near", 4.2, "simulated")]
    )
    kb.record([gap("K-wet", 9.0, "measured", conditions={"solvent": "water"})])
    kb.record([item(id="K-use", subject="b", evidence=(on("K-old"),))])
    [conflict] = kb.conflicts()
    assert {member.id for member in conflict.items} == {"K-old", "K-new", "K-near"}
    assert (conflict.open, conflict.statistic) == (True, pytest.approx(1 / math.hypot(0.1, 0.1)))
    assert {found.status for found in kb.query(subjects=[conflict.subject])} == {ItemStatus.ACTIVE}
    decided = kb.resolve(conflict.id, Rule.WEIGHT)
    assert decided.resolution is not None
    assert (decided.open, decided.resolution.winner) == (False, "K-new")
    assert "weight: 0.586 against 0.414" in decided.resolution.reason
    assert kb.conflicts() == []
    assert [c.id for c in kb.conflicts(every=True, item="K-old")] == [conflict.id]
    loser = kb.get("K-old")
    assert loser.status is ItemStatus.SUPERSEDED
    assert conflict.id in loser.status_reason
    assert kb.get("K-use").status is ItemStatus.STALE
    with pytest.raises(UsageError, match="not open"):
        kb.resolve(conflict.id, Rule.WEIGHT)


def test_s10_what_is_retracted_overdue_or_superseded_falls_with_all_that_rests_on_it(
    kb: KnowledgeBase, item: Make, clock: Clock
) -> None:
    paper = item("a paper", id="K-paper", data_class="text", value=None)
    fact = item("a fact", id="K-fact", subject="b", evidence=(on("K-paper"),))
    insight = item("an insight", id="K-insight", subject="c", evidence=(on("K-fact", EvidenceRole.SUPPORTS),))
    apart = item("apart", id="K-apart", subject="d")
    kb.record([paper, fact, insight, apart])
    taken = kb.retract("K-paper", reason="the authors withdrew it")
    assert [(d.id, d.depth, d.via) for d in taken.stale] == [
        ("K-fact", 1, "K-paper"),
        ("K-insight", 2, "K-fact"),
    ]
    assert [found.id for found in kb.query()] == ["K-apart"]
    assert {hit.item.id for hit in kb.search("a fact, an insight, a paper")} == {"K-apart"}
    assert kb.get("K-insight").status is ItemStatus.STALE
    assert "K-fact" in kb.get("K-insight").status_reason
    assert kb.get("K-fact").confidence < 0.6
    late = item("later", id="K-late", subject="e", evidence=(on("K-fact"),))
    kb.record([late])
    assert kb.get("K-late").status is ItemStatus.STALE
    assert {again.id for again in kb.reinstate("K-paper", reason="it was another paper")} == {
        *("K-paper", "K-fact", "K-insight", "K-late")
    }
    assert kb.get("K-fact").confidence > 0.6
    kb.record([item("due", id="K-due", subject="f", review_by=clock.now + timedelta(days=9))])
    assert kb.expire() == []
    clock.wait(10)
    assert [withdrawal.item.id for withdrawal in kb.expire()] == ["K-due"]
    assert kb.get("K-due").status is ItemStatus.STALE
    kb.reinstate("K-due", reason="looked at it")
    assert kb.expire() == []
    assert kb.get("K-due").review_by == clock.now + timedelta(days=9)
    # As far as links go, and back, though what falls is reached by two ways, and some rest on each other.
    deep = [
        item(str(n), id=f"K-d{n}", subject=f"d{n}", evidence=tuple(on(f"K-d{m}") for m in below))
        for n, below in enumerate([(), (0, 3), (0,), (2, 1), (3,), (5, 4), (4,)])
    ]
    kb.record(deep)
    kb.retract("K-d0", reason="no")
    assert {kb.get(one.id).status.value for one in deep[1:]} == {"stale"}
    kb.reinstate("K-d0", reason="yes")
    assert {kb.get(one.id).status.value for one in deep} == {"active"}
    kb.record(
        [item("better", id="K-better", subject="g", evidence=(on("K-paper", EvidenceRole.SUPERSEDES),))]
    )
    assert kb.get("K-paper").status is ItemStatus.SUPERSEDED
    assert kb.get("K-insight").status is ItemStatus.STALE


def test_s11_quality_is_measured_stored_and_counts_in_ranking(kb: KnowledgeBase, item: Make) -> None:
    whole = {
        "conditions": {"solvent": "water"},
        "value": Quantity(value=4.0, unit="eV", std=0.1, kind=UncertaintyKind.MEASUREMENT),
        "evidence": (on("ledger:c1/E001", EvidenceRole.MEASURED_BY),),
        "origin": "measured",
        "provenance": Provenance(
            source="a notebook",
            tool="fit",
            tool_version="1",
            method="XRD",
            content_hash="0" * 64,
            licence="CC-BY-4.0",
            created=NEW_YEAR,
        ),
    }
    half = whole | {
        "conditions": {},
        "subject_label": "",
        "value": Quantity(value=4.0, unit="eV"),
        "provenance": Provenance(source="a notebook", method="XRD"),
        "evidence": (),
    }
    kb.record(
        [item("gap", id="K-whole", subject="a", **whole), item("gap", id="K-half", subject="b", **half)]
    )
    one, two = kb.get("K-whole").quality, kb.get("K-half").quality
    for dimension in ("accuracy", "completeness", "timeliness", "traceability"):
        assert (getattr(one, dimension) or 0) > (getattr(two, dimension) or 0), dimension
    assert score(one) > score(two)
    assert [hit.item.id for hit in kb.search("gap")] == ["K-whole", "K-half"]
    means = kb.quality()
    assert means["completeness"] == pytest.approx((one.completeness + two.completeness) / 2)  # type: ignore[operator]


def test_s12_a_failure_is_kept_and_the_planner_does_not_repeat_it(kb: KnowledgeBase) -> None:
    rows = tuple(Candidate(id=x, label=f"x={x}", arguments={"x": float(x)}) for x in "123")
    space = PoolSpace(rows=rows, features=("x",))
    call = ToolCall(tool="oven", arguments={"x": 1.0})
    result = ToolResult(
        call=call, key="0" * 64, status=CallStatus.ERROR, message="it burned", tool_version="1"
    )
    experiment = Experiment(id="E001", hypothesis="H001", candidate=rows[0], calls=(call,))
    entry = ExperimentRecord(experiment, 0, finished=True, failed="it burned", results=(result,))
    height = PropertySpec(name="height", unit="m", description="how far it rises", low=0, high=9)
    tool = ToolSpec(
        name="oven",
        version="1",
        description="bakes",
        entry="a:b",
        parameters={},
        properties=(height,),
        method="oven",
    )
    objective = Objective(property="height", kind="maximise", unit="m")
    assays = {"height": Assay(objective, "tool", tool, height)}
    kb.record(items_of([entry], assays, campaign="c1", space=space))
    [failure] = kb.query(negative=True)
    assert (failure.relation, failure.subject) == ("fails", "1")
    assert failure.status is ItemStatus.ACTIVE

    def planned() -> set[str]:
        context = PlanningContext(
            goal=Goal(objectives=(objective,), space=space, budget=Budget(experiments=3, batch=3)),
            iteration=0,
            n=3,
            observations=recalled_observations(kb.query(), assays),
            properties={"height": height},
            costs={"height": 1.0},
            noise={},
            first_id=1,
            cites={},
        )
        return {h.candidate.id for h in open_planner("optimizer").plan(context).hypotheses}

    assert planned() == {"2", "3"}
    kb.retract(failure.id, reason="the plug was out")
    assert planned() == {"1", "2", "3"}


def test_s13_shares_of_sources_and_overlap_with_an_evaluation_are_reported(
    kb: KnowledgeBase, item: Make
) -> None:
    passage = "the band gap of rutile titanium dioxide is three point zero electron volts at room temperature"
    kb.record(
        [
            item(passage, id="K-1", subject="TiO2", provenance=Provenance(source="p1", language="en")),
            item("kort", id="K-2", subject="b", provenance=Provenance(source="p1", language="sv")),
            item("nothing came", id="K-3", subject="c", negative=True, level="insight"),
            item("ethanol", id="K-4"),
        ]
    )
    found = kb.bias()
    assert found.n_items == 4
    assert [(s.value, s.n) for s in found.shares["source"]] == [("p1", 2), ("test", 2)]
    assert {s.value: s.share for s in found.shares["language"]} == {"en": 0.25, "sv": 0.25, "": 0.5}
    assert {s.value: s.n for s in found.shares["sign"]} == {"positive": 3, "negative": 1}
    assert found.effective["source"] == 2
    assert "50% of the items do not state their language" in found.remarks
    assert not any("no item is negative" in remark for remark in found.remarks)
    known = kb.contamination(
        [
            Example(id="same", text=passage.upper()),
            Example(id="most", text=passage + " says the paper"),
            Example(id="molecule", smiles="OCC"),
            Example(
                id="fresh", text="what is the melting point of gallium in kelvin according to this table"
            ),
        ]
    )
    assert {(o.example, o.item, o.by) for o in known.overlaps} == {
        ("same", "K-1", By.HASH),
        ("most", "K-1", By.WORDS),
        # Its subject is the InChIKey of ethanol; so is that of the item without a name of its own.
        ("molecule", "K-4", By.MOLECULE),
    }
    assert known.share == 0.75


CHAIN = [("K-c0", "K-note"), *((f"K-c{n}", f"K-c{n - 1}") for n in range(1, 5))]
"""Items that rest on each other, and the first on a note."""


def test_s14_a_sensitive_item_does_not_leave_and_neither_does_what_comes_from_it(
    kb: KnowledgeBase, item: Make
) -> None:
    kb.record(
        [
            item("open", id="K-open", subject="a"),
            item(
                "a patient", id="K-secret", subject="b", access="sensitive", data_class=DataClass.MULTI_OMICS
            ),
            item("a mean over patients", id="K-mean", subject="c", evidence=(on("K-secret"),)),
        ]
    )
    assert kb.get("K-mean").access is Access.SENSITIVE
    items = kb.query()
    assert [went.id for went in release(items, to=Destination.REMOTE_MODEL).items] == ["K-open"]
    assert release(items, to=Destination.EXPORT).withheld == ("K-secret", "K-mean")
    assert len(release(items, to=Destination.EXPORT, allow=[Access.SENSITIVE]).items) == 3
    with pytest.raises(UsageError, match="never go to a remote model"):
        release(items, to=Destination.REMOTE_MODEL, allow=[Access.SENSITIVE])
    # Also what has been taken back can be read, and is closed with what it rests on.
    kb.record([item("a note", id="K-note", subject="d")])
    kb.record([item(id=id, subject=id, evidence=(on(below),)) for id, below in CHAIN])
    kb.retract("K-c2", reason="wrong")
    kb.amend("K-note", access=Access.SENSITIVE, reason="it names a patient")
    assert {kb.get(id).access for id, _ in CHAIN} == {Access.SENSITIVE}
    assert [kb.get(id).status.value for id, _ in CHAIN] == ["active", "active", "retracted", "stale", "stale"]
    everything = kb.query(status=None)
    assert [went.id for went in release(everything, to=Destination.REMOTE_MODEL).items] == ["K-open"]
    # Finding it again as open does not open it.
    kb.record([item("a patient", id="K-secret", subject="b", provenance=Provenance(source="again"))])
    assert kb.get("K-secret").access is Access.SENSITIVE
