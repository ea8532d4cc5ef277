"""A campaign is what its events add up to."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.core.calls import ToolCall
from novum.core.events import (
    Asked,
    CampaignFinished,
    CampaignStarted,
    ConfirmationPlanned,
    Decided,
    Designed,
    ExperimentFinished,
    ExperimentStarted,
    Gated,
    Hypothesised,
    Interrupted,
    Judged,
    Recalled,
    Resumed,
    Told,
)
from novum.core.goals import Goal, Objective
from novum.core.judgement import interval_prediction
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord, mean
from novum.core.science import (
    Experiment,
    Hypothesis,
    Measurement,
    Observation,
    Outcome,
    Purpose,
    Verdict,
)
from novum.core.spaces import Candidate

GOAL = Goal(objectives=(Objective(property="gap", kind="maximise", unit="eV", low=4),))
STARTED = CampaignStarted(campaign="c", goal=GOAL, planner="random", tools={"gap": "toy@1"})
SCALES = {"gap": 1.0}


def candidate(name):
    return Candidate(id=name, label=name, arguments={"x": name})


def hypothesis(name, of):
    expected = Quantity(value=4, unit="eV", std=1)
    return Hypothesis(
        id=name,
        iteration=0,
        statement="",
        source="t",
        candidate=candidate(of),
        predictions=(interval_prediction("gap", expected),),
    )


def experiment(name, of, purpose=Purpose.EXPLORE, manual=()):
    calls = () if manual else (ToolCall(tool="toy", arguments={"x": of}),)
    return Experiment(
        id=name, hypothesis="H001", candidate=candidate(of), purpose=purpose, calls=calls, manual=manual
    )


def finished(name, of, *values, failed="", sealed=False):
    measurements = tuple(
        Measurement(
            experiment=name,
            candidate=of,
            property="gap",
            quantity=v if isinstance(v, Quantity) else Quantity(value=v, unit="eV"),
            tool="toy",
            method="toy",
            call_key="k",
            sealed=sealed,
        )
        for v in values
    )
    return ExperimentFinished(
        iteration=0, experiment=name, results=(), measurements=measurements, failed=failed
    )


def fold(*events):
    return CampaignRecord.from_events([STARTED, *events])


def designed(*experiments):
    return (
        Hypothesised(iteration=0, hypotheses=(hypothesis("H001", "a"),), registrations={}),
        Designed(iteration=0, experiments=experiments),
        Gated(iteration=0, allowed=tuple(e.id for e in experiments)),
    )


def test_nothing_adds_up_to_nothing():
    record = CampaignRecord.from_events([])
    assert record.started is None
    assert record.observations() == ()
    assert (record.experiments_used, record.spent_s, record.verdicts, record.worklist) == (0, 0.0, [], [])


def test_the_fold_keeps_every_event_in_its_place():
    one = experiment("E001", "a")
    judged = Judged(iteration=0, verdicts=(), noise={"gap": Quantity(value=0.1, unit="eV")})
    decided = Decided(iteration=0, action="confirm", reason="r", experiments_used=1, spent_s=3.0)
    end = CampaignFinished(reason="r", claims=(), spent_s=4.0)
    record = fold(
        Recalled(iteration=0, query="q", items=()),
        *designed(one),
        ExperimentStarted(iteration=0, experiment="E001", attempt=1),
        Interrupted(ordinal=1, reason="r"),
        Resumed(ordinal=1),
        ExperimentStarted(iteration=0, experiment="E001", attempt=2),
        finished("E001", "a", 4.5),
        judged,
        decided,
        end,
    )
    assert record.experiments["E001"].attempts == 2
    assert record.experiments["E001"].finished
    assert record.hypotheses["H001"].candidate.id == "a"
    assert (record.interruptions, record.resumptions) == (1, 1)
    assert record.noise["gap"].value == 0.1
    assert record.spent_s == 3.0
    assert record.finished == end
    assert record.goal == GOAL


def test_what_the_gate_refused_does_not_count_and_keeps_its_reason():
    experiments = [experiment("E001", "a"), experiment("E002", "b")]
    record = fold(
        Designed(iteration=0, experiments=tuple(experiments)),
        Gated(iteration=0, allowed=("E001",), refused={"E002": "the budget is used"}),
    )
    assert record.experiments_used == 1
    assert record.experiments["E002"].allowed is False
    assert record.experiments["E002"].refused == "the budget is used"


def test_the_budget_counts_replicates_but_not_the_confirmation():
    record = fold(
        *designed(experiment("E001", "a"), experiment("E002", "a", Purpose.REPLICATE)),
        ConfirmationPlanned(
            iteration=1,
            hypotheses=(hypothesis("H001c", "a"),),
            registrations={},
            experiments=(experiment("E003", "a", Purpose.CONFIRM),),
            reason="r",
        ),
    )
    assert record.experiments_used == 2
    assert record.experiments["E003"].allowed


def test_sealed_results_are_no_observation():
    record = fold(
        *designed(experiment("E001", "a"), experiment("E002", "b", Purpose.CONFIRM)),
        finished("E001", "a", 4.0),
        finished("E002", "b", 99.0, sealed=True),
    )
    assert [o.candidate.id for o in record.observations()] == ["a"]


@given(order=st.permutations(range(4)))
@settings(max_examples=24, deadline=None)
def test_observations_stand_in_the_order_of_the_design_not_of_completion(order):
    names = ["a", "b", "c", "d"]
    plan = designed(*[experiment(f"E00{i + 1}", n) for i, n in enumerate(names)])
    record = fold(*plan, *[finished(f"E00{i + 1}", names[i], float(i)) for i in order])
    assert [o.candidate.id for o in record.observations()] == names
    assert [o.values["gap"].value for o in record.observations()] == [0.0, 1.0, 2.0, 3.0]


def test_replicates_are_averaged_into_the_candidate():
    plan = designed(
        experiment("E001", "a"), experiment("E002", "b"), experiment("E003", "a", Purpose.REPLICATE)
    )
    ends = [finished("E001", "a", 4.0), finished("E002", "b", 1.0), finished("E003", "a", 6.0)]
    for order in permutations(ends):
        a, b = fold(*plan, *order).observations()
        assert (a.values["gap"].value, a.source) == (5.0, "E001")
        assert b.values["gap"].value == 1.0


def test_the_mean_of_repetitions_is_less_uncertain_and_in_one_unit():
    found = mean([Quantity(value=1, unit="eV", std=0.2), *[Quantity(value=3000, unit="meV", std=200)] * 3])
    assert (found.value, found.unit, found.std) == (2.5, "eV", pytest.approx(0.1))
    alone = Quantity(value=1, unit="eV", std=0.2)
    assert mean([alone]) is alone


def test_a_failed_exploration_marks_the_candidate_and_keeps_what_was_measured():
    (seen,) = fold(
        *designed(experiment("E001", "a")), finished("E001", "a", 4.0, failed="boom")
    ).observations()
    assert seen.failed == "boom"
    assert seen.values["gap"].value == 4.0


def test_a_failed_replicate_does_not_mark_the_candidate():
    plan = designed(experiment("E001", "a"), experiment("E002", "a", Purpose.REPLICATE))
    (seen,) = fold(*plan, finished("E001", "a", 4.0), finished("E002", "a", failed="boom")).observations()
    assert seen.failed == ""


def test_an_own_observation_replaces_a_recalled_one():
    known = [
        Observation(
            candidate=candidate(n),
            values={"gap": Quantity(value=1, unit="eV")},
            recalled=True,
            source=f"K-{n}",
        )
        for n in ("a", "z")
    ]
    record = fold(
        Recalled(iteration=0, query="q", items=(), observations=tuple(known)),
        *designed(experiment("E001", "a")),
        finished("E001", "a", 4.0),
    )
    assert [(o.candidate.id, o.recalled) for o in record.observations()] == [("z", True), ("a", False)]


def test_merits_leave_out_failures_and_keep_the_order_of_equals():
    plan = designed(*[experiment(f"E00{i}", n) for i, n in enumerate("abcd", 1)])
    ends = [
        finished("E001", "a", 5.0),
        finished("E002", "b", 6.0),
        finished("E003", "c", 5.0),
        finished("E004", "d", failed="boom"),
    ]
    record = fold(*plan, *ends)
    assert [seen.candidate.id for _, seen in record.merits(SCALES)] == ["b", "a", "c"]


def told(name, **fields):
    return Told(experiment=name, **fields)


def test_the_worklist_holds_what_a_person_still_owes():
    plan = designed(*[experiment(f"E00{i}", n, manual=("gap",)) for i, n in enumerate("abc", 1)])
    asked = Asked(iteration=0, experiments=("E001", "E002", "E003"))
    record = fold(*plan, finished("E003", "c", failed="the tool failed first"), asked)
    assert [e.id for e in record.worklist] == ["E001", "E002"]
    assert record.waiting
    record.apply(told("E001", failed="broke"))
    assert [e.id for e in record.worklist] == ["E002"]
    assert record.waiting
    record.apply(told("E002", failed="broke"))
    assert record.worklist == []
    assert not record.waiting


def test_what_the_gate_refused_is_not_asked_for():
    record = fold(
        Designed(iteration=0, experiments=(experiment("E001", "a", manual=("gap",)),)),
        Gated(iteration=0, allowed=(), refused={"E001": "no"}),
    )
    assert record.worklist == []


def test_verdicts_of_the_confirmation_stand_apart():
    def verdict(name):
        return Verdict(
            hypothesis="H001",
            experiment=name,
            property="gap",
            outcome=Outcome.SUPPORTED,
            expected=Quantity(value=4, unit="eV", std=1),
            reason="r",
        )

    record = fold(
        *designed(experiment("E001", "a")),
        Judged(iteration=0, verdicts=(verdict("E001"),)),
        Judged(iteration=1, verdicts=(verdict("E002"),)),
    )
    assert [v.experiment for v in record.verdicts] == ["E001"]
    assert [v.experiment for v in record.sealed_verdicts] == ["E002"]
