"""A campaign with a person in it: it waits, is told, and goes on."""

import csv
import io

import pytest
from lives import life

from novum.agents.choose import open_planner
from novum.core.errors import UsageError
from novum.core.goals import Budget, Goal, Objective
from novum.core.science import ClaimStatus, Origin, Outcome
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.workflows.replay import check_verdicts, replay
from novum.workflows.worklist import open_tasks, parse_answers, tasks_to_csv

SPACE = ParameterSpace(
    parameters=(
        ContinuousParameter(name="x", low=-5, high=4),
        ContinuousParameter(name="y", low=-5, high=5),
    )
)
YIELD = Objective(property="yield", kind="maximise", unit="%", tool="manual")
HEIGHT = Objective(property="height", kind="at_least", low=-60, unit="m", tool="toy.survey")


def goal_of(*objectives, **fields):
    fields.setdefault("budget", Budget(experiments=6, batch=3))
    return Goal(objectives=objectives, space=SPACE, seed=1, **fields)


def fill(record, *, n=None, unit="1"):
    """Return the worklist as a person would fill it in: yield is 0.5 - 0.01 x², written in `unit`."""
    rows = list(csv.DictReader(io.StringIO(tasks_to_csv(open_tasks(record)))))
    for row in rows[:n]:
        row["value"], row["unit"] = str(0.5 - 0.01 * float(row["x"]) ** 2), unit
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def tell(one, campaign, text):
    from novum.core.record import CampaignRecord

    record = CampaignRecord.from_events(one.ledger.events(campaign))
    one.ledger.append_many(campaign, parse_answers(text, record, by="Ada"))


@pytest.mark.parametrize("objectives", [(YIELD,), (YIELD, HEIGHT)], ids=["a person alone", "with a tool"])
def test_it_waits_is_told_in_parts_and_ends(tmp_path, objectives):
    root = tmp_path / "w"
    with life(root) as one:
        campaign = one.discovery.create(goal_of(*objectives), planner="random")
        outcome = one.discovery.run(campaign)
        assert (outcome.state, outcome.request["kind"]) == ("waiting", "ask")
        assert outcome.request["experiments"] == ["E001", "E002", "E003"]
        assert outcome.record.waiting
        assert [c.state for c in one.ledger.campaigns()] == ["waiting"]
    rounds = 0
    while outcome.state == "waiting":
        rounds += 1
        with life(root) as one:  # another process, another day
            before = len(outcome.record.worklist)
            tell(one, campaign, fill(outcome.record, n=2))
            outcome = one.discovery.run(campaign)
            if before == 3:
                assert outcome.state == "waiting"
                assert len(outcome.record.worklist) == 1, "what was not answered is still asked for"
                assert not outcome.record.judgements.get(rounds // 2)
    assert outcome.state == "finished"
    record = outcome.record
    assert rounds == 4
    told = {
        m.quantity.unit for e in record.experiments.values() for m in e.measurements if m.tool == "manual"
    }
    assert told == {"%"}
    assert all(v.outcome is not Outcome.INCONCLUSIVE for v in record.verdicts)
    measured = [m for e in record.experiments.values() for m in e.measurements if m.property == "yield"]
    assert {m.origin for m in measured} == {Origin.MEASURED}
    assert len(measured) == 6
    # Nobody has measured the winner again.
    (claim,) = record.claims.values()
    assert claim.status is ClaimStatus.UNCONFIRMED
    assert "yield was not measured again" in claim.reason
    with life(root) as one:
        assert replay(list(one.ledger.events(campaign)), one.registry, open_planner) == []
        assert check_verdicts(record) == []


def test_resuming_without_an_answer_goes_on_waiting(tmp_path):
    with life(tmp_path / "w") as one:
        campaign = one.discovery.create(goal_of(YIELD), planner="random")
        first = one.discovery.run(campaign)
        for _ in range(3):
            again = one.discovery.run(campaign)
            assert again.state == "waiting"
            assert again.request == first.request
            assert again.record.judgements == {}


def test_a_failed_run_is_learned_from_and_not_asked_again(tmp_path):
    with life(tmp_path / "w") as one:
        campaign = one.discovery.create(
            goal_of(YIELD, budget=Budget(experiments=3, batch=3)), planner="random"
        )
        record = one.discovery.run(campaign).record
        text = fill(record, n=2) + "E003,,,yield,,,,the flask broke\n".replace("E003,,,", "E003,0,0,")
        tell(one, campaign, text)
        outcome = one.discovery.run(campaign)
        assert outcome.state == "finished"
        entry = outcome.record.experiments["E003"]
        assert (entry.failed, entry.measurements) == ("the flask broke", ())
        (verdict,) = [v for v in outcome.record.verdicts if v.experiment == "E003"]
        assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "the flask broke")
        negative = [i for i in one.knowledge.items.query() if i.negative]
        assert any("the flask broke" in i.text for i in negative)


def test_a_bad_row_takes_nothing(tmp_path):
    with life(tmp_path / "w") as one:
        campaign = one.discovery.create(goal_of(YIELD), planner="random")
        record = one.discovery.run(campaign).record
        text = fill(record) + "E001,0,0,yield,5,,K,\n"
        with pytest.raises(UsageError, match="line 5"):
            tell(one, campaign, text)
        assert len(one.discovery.run(campaign).record.worklist) == 3


def test_what_the_tool_refuses_is_not_asked_of_a_person(tmp_path):
    wide = SPACE.model_copy(
        update={"parameters": (ContinuousParameter(name="x", low=4.6, high=5), SPACE.parameters[1])}
    )
    goal = Goal(objectives=(YIELD, HEIGHT), space=wide, budget=Budget(experiments=3, batch=3), seed=1)
    with life(tmp_path / "w") as one:  # there is a lake beyond x = 4.5
        campaign = one.discovery.create(goal, planner="random")
        outcome = one.discovery.run(campaign)
        assert outcome.state == "finished"
        assert all("lake" in e.failed for e in outcome.record.experiments.values())
        assert outcome.record.claims == {}
