import pytest
from oracles import context_of, observe

from novum.agents.optimizer.generators.choose import open_generator
from novum.agents.optimizer.prior import prior, useful_scale
from novum.agents.optimizer.study import open_study
from novum.core.calls import PropertySpec
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.quantity import Quantity
from novum.core.science import Observation
from novum.core.spaces import Candidate, PoolSpace

ROWS = tuple(Candidate(id=f"r{i}", label=f"r{i}", arguments={"x": i}) for i in range(8))
GAP = Objective(property="gap", kind=ObjectiveKind.MAXIMISE, unit="eV")
GOAL = Goal(
    objectives=(GAP, Objective(property="mass", kind=ObjectiveKind.AT_MOST, high=2.0)),
    space=PoolSpace(rows=ROWS),
)


def test_the_prior_comes_from_what_can_occur_in_the_objectives_unit() -> None:
    spec = PropertySpec(name="gap", unit="hartree", description="", low=0.0, high=1.0)
    mean, spread = prior(GAP, spec)
    assert mean == pytest.approx(27.2114 / 2, rel=1e-4)
    assert spread == pytest.approx(27.2114 / 4, rel=1e-4)


def test_without_bounds_the_prior_follows_the_wish_or_is_wide() -> None:
    assert prior(GAP, None) == (0.0, 1.0)
    window = Objective(property="a", kind=ObjectiveKind.INTERVAL, low=10.0, high=20.0)
    assert prior(window, None) == (15.0, 5.0)


def test_the_scale_is_the_observed_spread_once_there_is_one() -> None:
    assert useful_scale(GAP, None, [1.0, 2.0]) == 1.0
    assert useful_scale(GAP, None, [1.0, 2.0, 3.0, 4.0]) == pytest.approx(1.118, abs=1e-3)
    assert useful_scale(GAP, None, [5.0] * 9) == 1.0


def test_rows_are_in_the_objectives_units_and_sorted_by_merit() -> None:
    known = [
        Observation(
            candidate=ROWS[0], values={"gap": Quantity(value=1, unit="hartree"), "mass": Quantity(value=9)}
        ),
        observe(GOAL, ROWS[1], {"gap": 3.0, "mass": 1.0}),
        observe(GOAL, ROWS[2], {"gap": 4.0, "mass": 1.0}),
        observe(GOAL, ROWS[3], {}, failed="no convergence"),
    ]
    study = open_study(context_of(GOAL, known), open_generator(GOAL))
    assert study.values[0, 0] == pytest.approx(27.2114, rel=1e-4)
    assert study.complete == [2, 1, 0]
    assert study.failed.tolist() == [0, 0, 0, 1]
    assert study.closed == {"r0", "r1", "r2", "r3"}


def test_a_partly_known_candidate_of_an_earlier_campaign_stays_open() -> None:
    known = [
        observe(GOAL, ROWS[0], {"gap": 1.0}, recalled=True),
        observe(GOAL, ROWS[1], {"gap": 1.0, "mass": 1.0}, recalled=True),
        observe(GOAL, ROWS[2], {}, recalled=True, failed="broke"),
        observe(GOAL, ROWS[3], {"gap": 1.0}),
    ]
    assert open_study(context_of(GOAL, known), open_generator(GOAL)).closed == {"r1", "r2", "r3"}


def test_a_later_observation_replaces_an_earlier_one_but_a_failure_no_value() -> None:
    known = [
        observe(GOAL, ROWS[0], {"gap": 1.0, "mass": 1.0}, recalled=True),
        observe(GOAL, ROWS[0], {"gap": 2.0, "mass": 1.0}),
        observe(GOAL, ROWS[0], {}, failed="later"),
    ]
    study = open_study(context_of(GOAL, known), open_generator(GOAL))
    assert study.values.tolist() == [[2.0, 1.0]]
    assert not study.failed.any()
