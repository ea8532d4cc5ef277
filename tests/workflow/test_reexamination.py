"""What has become stale is not built on: the next campaign measures it again."""

import pytest
import toys
from lives import life
from test_learning_between_campaigns import HEIGHT, goal_of, plane

from novum.agents.choose import open_planner
from novum.core.access import Destination
from novum.core.knowledge import Access, EvidenceRole, ItemStatus, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord
from novum.core.science import Candidate, Outcome
from novum.core.spaces import (
    ChoiceParameter,
    ContinuousParameter,
    IntegerParameter,
    LinearConstraint,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
)
from novum.workflows.assays import choose_assays
from novum.workflows.learning import CampaignKnowledge
from novum.workflows.reexamination import SOURCE, is_within
from novum.workflows.replay import replay
from novum.workflows.reporting import build_report, numbers_without_source, unknown_citations, write_reports
from novum.workflows.tracing import Tracer

CALIBRATION = KnowledgeItem(
    id="K-calibration",
    level=Level.METHODOLOGICAL,
    domain="process",
    subject="the level",
    relation="procedure",
    text="The level was set to zero in May.",
    provenance=Provenance(source="a logbook"),
)


def run(world, goal, **options):
    return world.discovery.run(world.discovery.create(goal, planner="random", **options)).record


def heights(world, **filters):
    return world.knowledge.query(relation="height", **filters)


@pytest.fixture
def world(tmp_path):
    with life(tmp_path / "w", tools=(toys.survey, toys.level)) as world:
        yield world


def make_doubtful(world):
    """Run a campaign, and take back what its measurements were analysed with."""
    first = run(world, goal_of(plane(), HEIGHT))
    world.knowledge.record([CALIBRATION])
    used = [item for item in heights(world) if item.provenance.tool == "toy.survey"]
    for item in used:
        world.knowledge.link(item.id, EvidenceRole.ANALYSED_WITH, CALIBRATION.id)
    taken = world.knowledge.retract(CALIBRATION.id, reason="the level had a crack")
    assert {item.id for item in used} <= {stale.id for stale in taken.stale}
    return first, used


def test_what_is_stale_is_measured_again_and_reinstated_where_it_holds(world):
    first, used = make_doubtful(world)
    second = run(world, goal_of(plane(), HEIGHT, seed=2))
    recall = second.recalls[0]
    assert recall.observations == ()
    assert {o.candidate.id for o in recall.doubted} == {o.candidate.id for o in first.observations()}
    again = [h for h in second.hypotheses.values() if h.source == SOURCE]
    assert len(again) == 2  # half of the budget
    for hypothesis in again:
        entry = next(e for e in second.experiments.values() if e.experiment.hypothesis == hypothesis.id)
        assert entry.experiment.fresh
        assert not any(result.cached for result in entry.results)
        [verdict] = [v for v in second.verdicts if v.hypothesis == hypothesis.id]
        assert verdict.outcome is Outcome.SUPPORTED
    tested = {h.candidate.id for h in again}
    for item in map(world.knowledge.get, (item.id for item in used)):
        if item.subject in tested:
            assert item.status is ItemStatus.ACTIVE
            assert "measured again" in item.status_reason
            assert CALIBRATION.id not in {link.target for link in item.evidence}
        else:
            assert item.status is ItemStatus.STALE
    assert replay(world.ledger.events(second.started.campaign), world.registry, open_planner) == []


def test_a_finding_falls_with_what_carries_it_and_a_third_campaign_has_nothing_left_to_examine(world):
    make_doubtful(world)
    [claim] = world.knowledge.query(relation="meets_goal", status=None)
    assert claim.status is ItemStatus.STALE
    for seed in (2, 3):
        run(world, goal_of(plane(), HEIGHT, seed=seed))
    fourth = run(world, goal_of(plane(), HEIGHT, seed=4))
    assert fourth.recalls[0].doubted == ()


def test_what_does_not_hold_is_superseded_by_what_was_measured(world):
    goal = goal_of(plane(), HEIGHT)
    run(world, goal)
    right = next(item for item in heights(world) if item.provenance.tool == "toy.survey")
    wrong = right.model_copy(
        update={
            "id": "K-wrong",
            "value": Quantity(value=99.0, unit="m", std=0.1),
            "provenance": Provenance(source="hearsay", method="hearsay"),
            "status": ItemStatus.STALE,
            "evidence": (),
        }
    )
    world.knowledge.record([wrong])
    second = run(world, goal_of(plane(), HEIGHT, seed=2))
    [seen] = second.recalls[0].doubted
    assert seen.candidate.id == right.subject
    verdict = next(v for v in second.verdicts if second.hypotheses[v.hypothesis].source == SOURCE)
    assert verdict.outcome is Outcome.REFUTED
    now = world.knowledge.get("K-wrong")
    assert now.status is ItemStatus.SUPERSEDED
    assert right.id in now.status_reason
    assert (now.id, EvidenceRole.SUPERSEDES) in {
        (link.target, link.role) for link in world.knowledge.get(right.id).evidence
    }
    assert now.id not in {i for o in second.observations() for i in o.source.split(",")}


def test_what_was_retracted_decides_nothing_when_it_is_measured_again(world):
    run(world, goal_of(plane(), HEIGHT))
    right = next(item for item in heights(world) if item.provenance.tool == "toy.survey")
    world.knowledge.retract(right.id, reason="the wrong hill")
    stale = right.model_copy(
        update={
            "id": "K-stale",
            "status": ItemStatus.STALE,
            "provenance": Provenance(source="hearsay"),
            "value": Quantity(value=99.0, unit="m", std=0.1),
        }
    )
    world.knowledge.record([stale])
    run(world, goal_of(plane(), HEIGHT, seed=2))
    assert world.knowledge.get(right.id).status is ItemStatus.RETRACTED
    assert world.knowledge.get("K-stale").status is ItemStatus.STALE


def test_campaigns_do_not_see_what_may_not_go_to_their_planner(world):
    goal = goal_of(plane(), HEIGHT)
    run(world, goal)
    [secret, *_] = heights(world)
    world.knowledge.items.revise(secret.model_copy(update={"access": Access.SENSITIVE}))
    assays = choose_assays(goal, world.registry)
    here = CampaignKnowledge(world.knowledge, goal, to=Destination.LOCAL)
    away = CampaignKnowledge(world.knowledge, goal, to=Destination.REMOTE_MODEL)
    assert secret.id in {item.id for item in here.recall(assays)}
    assert away.recall(assays)
    assert secret.id not in {item.id for item in away.recall(assays)}
    assert secret.id in {item.id for item in here.relevant("height", 100)}
    assert secret.id not in {item.id for item in away.relevant("height", 100)}


@pytest.mark.parametrize("status", [ItemStatus.ACTIVE, ItemStatus.STALE])
def test_what_a_campaign_finds_out_about_a_closed_subject_is_closed(world, status):
    first = run(world, goal_of(plane(), HEIGHT))
    [open_, *_] = heights(world)
    again = open_.model_copy(update={"id": "K-again", "access": Access.PUBLIC})
    closed = CALIBRATION.model_copy(
        update={"subject": open_.subject, "access": Access.SENSITIVE, "status": status}
    )
    elsewhere = again.model_copy(update={"id": "K-elsewhere", "subject": "another place"})
    world.knowledge.record([closed])
    here = CampaignKnowledge(world.knowledge, first.goal, to=Destination.LOCAL)
    here.record([again, elsewhere])
    assert world.knowledge.get(again.id).access is Access.SENSITIVE
    assert world.knowledge.get(elsewhere.id).access is Access.PUBLIC


def test_where_the_planner_is_has_to_be_said(world):
    with pytest.raises(TypeError, match="'to'"):
        CampaignKnowledge(world.knowledge, goal_of(plane(), HEIGHT))


def test_why_leads_to_the_prediction_before_a_measurement(world):
    record = run(world, goal_of(plane(), HEIGHT))
    world.knowledge._trace = Tracer(world.ledger)
    [claim] = world.knowledge.query(relation="meets_goal")
    traces = [node.trace for node in world.knowledge.why(claim.id).walk() if node.trace]
    assert traces
    for trace in traces:
        name = trace.target.rpartition("/")[2]
        assert trace.experiment == record.experiments[name].experiment
        assert trace.hypothesis == record.hypotheses[trace.experiment.hypothesis]
        assert trace.registration == trace.hypothesis.registration()
        assert trace.registered_at < trace.finished_at
        assert trace.measurements == record.experiments[name].measurements
        assert {result.tool_version for result in trace.results} == {"1"}
        assert all(v.experiment == name for v in trace.verdicts)
    assert any(trace.verdicts for trace in traces)
    assert Tracer(world.ledger)("ledger:nowhere/E001") is None


def test_methods_and_planners_get_a_record_of_how_their_predictions_held(world):
    record = run(world, goal_of(plane(), HEIGHT))
    found = {c.source: c for c in world.knowledge.calibration()}
    decided = [v for v in record.verdicts if v.outcome in (Outcome.SUPPORTED, Outcome.REFUTED)]
    assert found["random"].n == len(decided)
    assert found["random"].held == sum(v.outcome is Outcome.SUPPORTED for v in decided)
    checked = [v for c in record.claims.values() for v in c.values if v.independent]
    assert found["survey"].n == found["survey"].held == len(checked) > 0


def test_where_a_candidate_of_another_campaign_lies():
    def at(**arguments):
        return Candidate(id="a", label="a", arguments=arguments)

    space = ParameterSpace(
        parameters=(
            ContinuousParameter(name="x", low=0, high=1),
            IntegerParameter(name="n", low=1, high=5),
            ChoiceParameter(name="c", options=("red", "blue")),
        ),
        constraints=(LinearConstraint(coefficients={"x": 1, "n": 1}, bound=4),),
    )
    assert is_within(space, at(x=0.5, n=3, c="red"))
    for outside in (
        {"x": 2, "n": 3, "c": "red"},
        {"x": 1, "n": 5, "c": "red"},
        {"x": 0, "n": 1, "c": "green"},
        {},
    ):
        assert not is_within(space, at(**outside))
    assert is_within(PoolSpace(rows=(at(x=1),)), at(x=1))
    assert not is_within(PoolSpace(rows=(Candidate(id="b", label="b", arguments={}),)), at(x=1))
    assert is_within(MoleculeSpace(max_heavy_atoms=6), at(smiles="c1ccccc1"))
    assert not is_within(MoleculeSpace(max_heavy_atoms=5), at(smiles="c1ccccc1"))
    assert not is_within(MoleculeSpace(), at(smiles="no molecule"))


def test_a_campaign_that_examined_again_is_reported_like_any_other(world, tmp_path):
    make_doubtful(world)
    second = run(world, goal_of(plane(), HEIGHT, seed=2))
    record = CampaignRecord.from_events(world.ledger.events(second.started.campaign))
    assert record.recalls == second.recalls
    report = build_report(record)
    assert numbers_without_source(report, record) == []
    assert unknown_citations(report, record) == []
    paths = write_reports(record, folder=tmp_path / "reports")
    examined = [h for h in record.hypotheses.values() if h.source == SOURCE]
    assert examined
    assert all(h.id in paths.markdown.read_text() for h in examined)
