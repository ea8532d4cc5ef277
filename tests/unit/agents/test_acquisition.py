import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from oracles import context_of, observe

from novum.agents.optimizer.acquisition import (
    Acquisition,
    log_desirability,
    log_expected_improvement,
    probabilities_within,
    scores,
    violations,
)
from novum.agents.optimizer.generators.choose import open_generator
from novum.agents.optimizer.study import Study, open_study
from novum.agents.optimizer.surrogate import Belief
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.judgement import desirability, merit, probability_within, violation
from novum.core.quantity import Quantity
from novum.core.spaces import Candidate, PoolSpace

K = ObjectiveKind
OBJECTIVES = [
    Objective(property="a", kind=K.MAXIMISE),
    Objective(property="a", kind=K.MAXIMISE, low=1.5, weight=2.0),
    Objective(property="a", kind=K.MINIMISE, high=0.3),
    Objective(property="a", kind=K.TARGET, target=1.0, low=0.8, high=1.2),
    Objective(property="a", kind=K.INTERVAL, low=-1.0, high=1.0),
    Objective(property="a", kind=K.AT_LEAST, low=0.5),
    Objective(property="a", kind=K.AT_MOST, high=0.5),
]


def study_of(objectives: tuple[Objective, ...], values: list[dict[str, float]]) -> Study:
    rows = tuple(Candidate(id=f"r{i}", label=f"r{i}", arguments={"x": i}) for i in range(12))
    goal = Goal(objectives=objectives, space=PoolSpace(rows=rows))
    known = [observe(goal, row, v) for row, v in zip(rows, values, strict=False)]
    return open_study(context_of(goal, known), open_generator(goal))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@given(value=st.floats(-50, 50), scale=st.floats(0.05, 20))
def test_vectors_agree_with_core(objective: Objective, value: float, scale: float) -> None:
    x = np.array([value])
    log = float(log_desirability(objective, x, scale=scale)[0])
    assert math.exp(log) == pytest.approx(desirability(objective, value, scale=scale), rel=1e-9, abs=1e-300)
    assert float(violations(objective, x, scale=scale)[0]) == pytest.approx(
        violation(objective, value, scale=scale)
    )
    within = probability_within(objective, Quantity(value=value, std=scale))
    assert float(probabilities_within(objective, x, np.array([scale]))[0]) == pytest.approx(within, abs=1e-9)


@pytest.mark.parametrize("n_wishes", [1, 2, 3])
@pytest.mark.parametrize("first", OBJECTIVES[:4], ids=str)
def test_the_score_is_cores_merit(first: Objective, n_wishes: int) -> None:
    others = (
        Objective(property="b", kind=K.MINIMISE, high=3.0, weight=0.5),
        Objective(property="c", kind=K.TARGET, target=0.0, low=-1.0, high=1.0),
    )
    constraint = Objective(property="d", kind=K.AT_LEAST, low=0.0)
    goal = Goal(objectives=(first, *others[: n_wishes - 1], constraint))
    names = [o.property for o in goal.objectives]
    rng, scales = np.random.default_rng(0), {"a": 1.5, "b": 0.5, "c": 2.0, "d": 1.0}
    values = rng.normal(size=(20, len(names)))
    weights = np.array([[o.weight for o in goal.optimised]])
    found = scores(goal.optimised, {p: j for j, p in enumerate(names)}, scales, values, weights)
    rows = [dict(zip(names, row, strict=True)) for row in values.tolist()]
    assert_allclose(found[:, 0], [merit(goal, row, scales=scales).score for row in rows], rtol=1e-9)


def test_expected_improvement_is_the_integral() -> None:
    rng = np.random.default_rng(1)
    draws = rng.normal(size=2_000_000)
    for mean, std, best in ((0.0, 1.0, 0.5), (1.0, 0.3, 0.8), (-1.0, 2.0, 1.0)):
        brute = np.log(np.maximum(mean + std * draws - best, 0).mean())
        assert float(log_expected_improvement(np.array([mean]), np.array([std]), best)[0]) == pytest.approx(
            brute, abs=0.01
        )


def test_expected_improvement_stays_ordered_and_finite_far_below_the_best() -> None:
    means = -np.logspace(0, 6, 200)
    logs = log_expected_improvement(means, np.ones(200), 0.0)
    assert np.isfinite(logs).all()
    assert (np.diff(logs) < 0).all()


def test_constrained_gain_against_brute_force() -> None:
    study = study_of(
        (Objective(property="a", kind=K.MAXIMISE), Objective(property="b", kind=K.AT_MOST, high=1.0)),
        [{"a": 1.0, "b": 0.0}, {"a": 9.0, "b": 5.0}],
    )
    acquisition = Acquisition(study, np.random.default_rng(0))
    scale = study.scales["a"]
    assert acquisition.best.tolist() == [1.0 / scale]
    mean, std = np.array([[1.5, 0.9], [0.5, 0.2], [2.0, 2.0]]), np.array([[0.5, 0.4], [1.0, 0.5], [0.4, 0.6]])
    draws = mean + std * np.random.default_rng(2).normal(size=(400_000, 3, 2))
    brute = (np.maximum(draws[:, :, 0] - 1.0, 0) / scale * (draws[:, :, 1] <= 1.0)).mean(axis=0)
    gain = np.exp(acquisition.log_gain(Belief(mean, std), acquisition.best))
    assert_allclose(gain, brute, rtol=0.02)


def test_gain_of_two_wishes_against_brute_force() -> None:
    objectives = (Objective(property="a", kind=K.MAXIMISE), Objective(property="b", kind=K.MINIMISE))
    study = study_of(objectives, [{"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 1.0}])
    acquisition = Acquisition(study, np.random.default_rng(0), samples=2048)
    mean, std = np.array([[0.5, 0.2], [2.0, 0.0]]), np.array([[0.6, 0.4], [0.5, 1.0]])
    draws = mean + std * np.random.default_rng(3).normal(size=(20_000, 2, 2))
    best = max(m.score for m in study.merits.values())
    brute = [
        np.mean(
            [
                max(0.0, merit(study.goal, {"a": a, "b": b}, scales=study.scales).score - best)
                for a, b in draws[:, i].tolist()
            ]
        )
        for i in range(2)
    ]
    gain = np.exp(acquisition.log_gain(Belief(mean, std), acquisition.best, 0))
    assert_allclose(gain, brute, rtol=0.05)


def test_without_a_feasible_candidate_it_heads_for_the_constraint() -> None:
    objectives = (
        Objective(property="a", kind=K.MAXIMISE),
        Objective(property="b", kind=K.AT_LEAST, low=100.0),
    )
    study = study_of(objectives, [{"a": 1.0, "b": 0.0}, {"a": 2.0, "b": 1.0}])
    acquisition = Acquisition(study, np.random.default_rng(0))
    assert np.isneginf(acquisition.best).all()
    mean = np.array([[1.0, 5.0], [1.0, 20.0], [1.0, 60.0]])
    gains = acquisition.log_gain(Belief(mean, np.full((3, 2), 0.1)), acquisition.best)
    assert np.isfinite(gains).all()
    assert (np.diff(gains) > 0).all()


def test_with_constraints_only_the_gain_is_the_probability_that_all_hold() -> None:
    study = study_of((Objective(property="a", kind=K.INTERVAL, low=0.0, high=1.0),), [{"a": 0.5}])
    acquisition = Acquisition(study, np.random.default_rng(0))
    belief = Belief(np.array([[0.5], [3.0]]), np.array([[0.25], [1.0]]))
    assert_allclose(np.exp(acquisition.log_gain(belief, acquisition.best)), [0.9545, 0.0214], rtol=0.05)
