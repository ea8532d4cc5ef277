"""With approval, nothing runs that a person has not allowed; what was refused stays visible."""

from lives import life

from novum.agents.choose import open_planner
from novum.core.goals import Budget
from novum.core.record import CampaignRecord
from novum.workflows.replay import replay


def small(goal):
    return goal.model_copy(update={"budget": Budget(experiments=4, batch=2), "noise_replicates": 0})


def run_approving(root, goal, choose):
    """Run a campaign to its end, each request answered in a new process by `choose(ids)`."""
    requests = []
    with life(root) as one:
        campaign = one.discovery.create(goal, planner="random", approve=True)
        outcome = one.discovery.run(campaign)
    while outcome.state == "approval":
        requests.append(outcome.request)
        with life(root) as one:
            answer = {"allowed": choose(list(outcome.request["experiments"])), "by": "Ada"}
            outcome = one.discovery.run(campaign, answer=answer)
    return campaign, outcome, requests


def test_a_person_sees_the_ids_and_nothing_runs_before_the_answer(tmp_path, goal):
    with life(tmp_path / "w") as one:
        campaign = one.discovery.create(small(goal), planner="random", approve=True)
        for _ in range(2):  # asked again by every run without an answer
            outcome = one.discovery.run(campaign)
            assert outcome.state == "approval"
            assert outcome.request["kind"] == "approve"
            assert list(outcome.request["experiments"]) == ["E001", "E002"]
            assert outcome.record.gates == {}
        assert one.sandbox.requests == []


def test_a_subset_runs_and_the_rest_is_refused_by_name(tmp_path, goal):
    root = tmp_path / "w"
    campaign, outcome, requests = run_approving(root, small(goal), lambda ids: ids[:1])
    record = outcome.record
    assert outcome.state == "finished"
    assert len(requests) == 4
    refused = {name: e.refused for name, e in record.experiments.items() if e.allowed is False}
    assert len(refused) == 3  # in the last round the budget leaves one
    assert set(refused.values()) == {"refused by Ada"}
    for name in refused:
        assert not record.experiments[name].finished
        assert record.experiments[name].attempts == 0
    assert record.experiments_used == 4
    with life(root) as one:
        events = list(one.ledger.events(campaign))
        assert CampaignRecord.from_events(events) == record
        assert replay(events, one.registry, open_planner) == []


def test_allowing_everything_decides_as_without_approval(tmp_path, goal):
    with life(tmp_path / "free") as one:
        free = one.discovery.run(one.discovery.create(small(goal), planner="random")).record
    _, outcome, _ = run_approving(tmp_path / "asked", small(goal), lambda ids: ids)
    assert outcome.record.plans == free.plans
    assert outcome.record.judgements == free.judgements
    assert outcome.record.claims == free.claims
    assert {g.by for g in outcome.record.gates.values()} == {"Ada"}


def test_an_answer_cannot_allow_what_was_not_asked(tmp_path, goal):
    with life(tmp_path / "w") as one:
        campaign = one.discovery.create(small(goal), planner="random", approve=True)
        one.discovery.run(campaign)
        outcome = one.discovery.run(campaign, answer={"allowed": ["E001", "E777"], "by": "Ada"})
        assert outcome.record.gates[0].allowed == ("E001",)
        assert "E777" not in outcome.record.experiments


def test_an_old_answer_does_not_answer_the_next_request(tmp_path, goal):
    with life(tmp_path / "w") as one:
        campaign = one.discovery.create(small(goal), planner="random", approve=True)
        one.discovery.run(campaign)
        outcome = one.discovery.run(campaign, answer={"allowed": ["E001", "E002"], "by": "Ada"})
        assert outcome.state == "approval"
        assert list(outcome.request["experiments"]) == ["E003", "E004"]
        assert list(outcome.record.gates) == [0]
