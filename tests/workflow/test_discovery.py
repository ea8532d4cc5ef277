"""The loop from end to end, over toy tools."""

import pytest
from toys import fair, lucky

from novum.agents.choose import open_planner
from novum.core.errors import GoalError
from novum.core.goals import Budget, Confirmation, Objective, ObjectiveKind
from novum.core.record import CampaignRecord
from novum.core.science import ClaimStatus, Purpose
from novum.workflows.replay import check_registrations, check_verdicts, replay


def run(workshop, goal, **options):
    options.setdefault("planner", "random")
    campaign = workshop.discovery.create(goal, **options)
    return workshop.discovery.run(campaign)


def test_a_campaign_ends_with_a_confirmed_claim_and_its_evidence(workshop, goal):
    outcome = run(workshop, goal)
    record = outcome.record
    assert outcome.state == "finished"
    assert record.experiments_used == goal.budget.experiments
    assert [c.status for c in record.claims.values()] == [ClaimStatus.CONFIRMED]
    claim = record.claims["C001"]
    assert set(claim.evidence) <= set(record.experiments)
    height = next(v for v in claim.values if v.property == "height" and v.independent)
    assert height.method == "levelling"
    assert abs(height.shrinkage - 0.05) < 1e-9


def test_the_record_is_what_the_ledger_holds(workshop, goal):
    record = run(workshop, goal).record
    again = CampaignRecord.from_events(workshop.ledger.events(record.started.campaign))
    assert again == record


def test_the_same_goal_and_seed_decide_the_same(open_workshop, goal):
    one, two = open_workshop("one"), open_workshop("two")
    digests = [w.ledger.decision_digest(run(w, goal).campaign) for w in (one, two)]
    assert digests[0] == digests[1]


def test_a_finished_campaign_replays_without_a_difference(workshop, goal):
    outcome = run(workshop, goal)
    events = list(workshop.ledger.events(outcome.campaign))
    assert replay(events, workshop.registry, open_planner) == []
    assert check_registrations(outcome.record) == []
    assert check_verdicts(outcome.record) == []
    assert workshop.ledger.verify(outcome.campaign).ok


def test_a_second_campaign_starts_from_what_the_first_learned(workshop, goal):
    first = run(workshop, goal)
    second = run(workshop, goal.model_copy(update={"seed": 4}), planner="optimizer")
    recall = second.record.recalls[0]
    assert len(recall.items) > 0
    known = {e.experiment.candidate.id for e in first.record.experiments.values()}
    assert {o.candidate.id for o in recall.observations} <= known
    cached = [r for e in second.record.experiments.values() for r in e.results if r.cached]
    assert cached


def test_replicates_measure_the_noise_floor(workshop, goal):
    record = run(workshop, goal).record
    replicates = [e for e in record.experiments.values() if e.experiment.purpose is Purpose.REPLICATE]
    assert replicates
    assert 0.01 < record.noise["slope"].value < 1
    assert "height" not in record.noise


def test_sealed_results_never_reach_the_planner(workshop, goal):
    record = run(workshop, goal).record
    sealed = [e for e in record.experiments.values() if e.experiment.sealed]
    assert sealed
    assert all(o.source not in {e.experiment.id for e in sealed} for o in record.observations())


def test_a_new_leader_is_measured_again_before_more_is_built_on_it(workshop, goal):
    goal = goal.model_copy(update={"budget": Budget(experiments=24, batch=4)})
    record = run(workshop, goal, planner="optimizer").record
    explored = {
        e.experiment.candidate.id: e
        for e in record.experiments.values()
        if e.experiment.purpose is Purpose.EXPLORE
    }
    again = [e for e in record.experiments.values() if e.experiment.purpose is Purpose.REPLICATE]
    led = [e for e in again if explored[e.experiment.candidate.id].iteration < e.iteration]
    assert led
    for entry in led:
        assert record.decisions[entry.iteration - 1].best == entry.experiment.candidate.id
        assert all(call.seed > 0 for call in entry.experiment.calls)
    assert len({e.experiment.candidate.id for e in again}) == len(again)
    assert record.experiments_used == goal.budget.experiments


def test_no_replicates_are_run_where_none_are_wanted(workshop, goal):
    record = run(workshop, goal.model_copy(update={"noise_replicates": 0})).record
    assert all(e.experiment.purpose is not Purpose.REPLICATE for e in record.experiments.values())
    assert record.noise == {}


def test_an_option_that_a_tool_does_not_have_is_refused_before_anything_runs(workshop, goal):
    first, second = goal.objectives
    wrong = first.model_copy(update={"options": {"heigth": 3}})
    with pytest.raises(GoalError, match="has no option 'heigth'"):
        workshop.discovery.create(goal.model_copy(update={"objectives": (wrong, second)}), planner="random")
    assert workshop.ledger.campaigns() == []


@pytest.mark.parametrize(
    ("tool", "status"), [("toy.lucky", ClaimStatus.NOT_CONFIRMED), ("toy.fair", ClaimStatus.CONFIRMED)]
)
def test_a_wish_without_a_bound_is_confirmed_only_if_it_does_not_fall_by_more_than_noise(
    workshop, goal, tool, status
):
    workshop.registry.register(lucky)
    workshop.registry.register(fair)
    wish = Objective(property="slope", kind=ObjectiveKind.MAXIMISE, tool=tool)
    unbounded = goal.model_copy(
        update={"objectives": (wish,), "confirmation": Confirmation(method="auto", replicates=3)}
    )
    # The other tools of that property are independent methods, and have no bound to hold against.
    record = run(workshop, unbounded).record
    (claim,) = record.claims.values()
    assert claim.status is status
    assert all(v.holds is None for v in claim.values if v.independent)
