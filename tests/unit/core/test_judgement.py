"""Verdicts, noise floors, merit and calibration are arithmetic with known answers."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from strategies import DIMENSIONS, objectives, verdicts

from novum.core.errors import UnitError
from novum.core.goals import Budget, Goal, Objective, ObjectiveKind
from novum.core.judgement import (
    LEVEL,
    Merit,
    calibration,
    desirability,
    interval_prediction,
    is_goal_met,
    judge,
    meets,
    merit,
    noise_floor,
    noise_of,
    pareto_front,
    probability_within,
    two_sided,
    violation,
)
from novum.core.quantity import Quantity
from novum.core.science import FalsificationKind, FalsificationRule, Hypothesis, Outcome, Prediction
from novum.core.spaces import Candidate

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
numbers = st.floats(-1e3, 1e3)
spreads = st.floats(0.01, 100)
Z = two_sided(LEVEL)


def hypothesis_of(*predictions):
    return Hypothesis(
        id="H001",
        iteration=0,
        statement="",
        source="test",
        candidate=Candidate(id="a", label="a", arguments={}),
        predictions=predictions,
    )


def verdict_on(prediction, observed, **options):
    return judge(hypothesis_of(prediction), prediction, observed, experiment="E001", **options)


def ev(value, std=None):
    return Quantity(value=value, unit="eV", std=std)


PREDICTED = interval_prediction("gap", ev(4.0, 0.5))
EDGE = Z * 0.5


@pytest.mark.parametrize(
    ("value", "noise", "std", "outcome"),
    [
        (4.0, 0.0, None, Outcome.SUPPORTED),
        (4.0 + EDGE - 1e-9, 0.0, None, Outcome.SUPPORTED),
        (4.0 - EDGE + 1e-9, 0.0, None, Outcome.SUPPORTED),
        (4.0 + EDGE + 1e-9, 0.0, None, Outcome.REFUTED),
        (4.0 - EDGE - 1e-9, 0.0, None, Outcome.REFUTED),
        (4.0 + EDGE + 0.1, 0.1, None, Outcome.SUPPORTED),
        (4.0 + EDGE + 0.1, 0.0, 0.1, Outcome.SUPPORTED),
        (4.0 + EDGE + Z * 0.1 + 1e-9, 0.1, None, Outcome.REFUTED),
        (4.0, 0.5, None, Outcome.SUPPORTED),
        (4.0, 0.51, None, Outcome.INCONCLUSIVE),
        (4.0, 0.4, 0.4, Outcome.INCONCLUSIVE),
        (40.0, 0.6, None, Outcome.REFUTED),
    ],
)
def test_an_interval_is_widened_by_the_noise_and_judges_nothing_below_it(value, noise, std, outcome):
    verdict = verdict_on(PREDICTED, ev(value, std), noise=noise)
    assert verdict.outcome is outcome
    assert verdict.threshold == pytest.approx(1.959964, rel=1e-6)
    spread = math.sqrt(0.5**2 + noise**2 + (std or 0) ** 2)
    assert verdict.statistic == pytest.approx((value - 4.0) / spread)
    assert verdict.reason


@pytest.mark.parametrize(
    ("kind", "bounds", "value", "noise", "outcome"),
    [
        (FalsificationKind.AT_LEAST, {"low": 4.0}, 4.0, 0.0, Outcome.SUPPORTED),
        (FalsificationKind.AT_LEAST, {"low": 4.0}, 3.99, 0.0, Outcome.REFUTED),
        (FalsificationKind.AT_LEAST, {"low": 4.0}, 3.99, 0.1, Outcome.SUPPORTED),
        (FalsificationKind.AT_LEAST, {"low": 4.0}, 1e6, 0.0, Outcome.SUPPORTED),
        (FalsificationKind.AT_MOST, {"high": 4.0}, 4.0, 0.0, Outcome.SUPPORTED),
        (FalsificationKind.AT_MOST, {"high": 4.0}, 4.01, 0.0, Outcome.REFUTED),
        (FalsificationKind.AT_MOST, {"high": 4.0}, 4.01, 0.1, Outcome.SUPPORTED),
        (FalsificationKind.AT_MOST, {"high": 4.0}, -1e6, 0.0, Outcome.SUPPORTED),
    ],
)
def test_a_bound_refutes_on_its_own_side_only(kind, bounds, value, noise, outcome):
    rule = FalsificationRule(kind=kind, unit="eV", **bounds)
    prediction = Prediction(property="gap", expected=ev(5.0, 0.01), rule=rule)
    assert verdict_on(prediction, ev(value), noise=noise).outcome is outcome


def test_nothing_measured_is_inconclusive_with_its_reason():
    verdict = verdict_on(PREDICTED, None, reason="the flask broke")
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "the flask broke")
    assert verdict.observed is None
    assert verdict.statistic is None
    assert verdict_on(PREDICTED, None).reason == "nothing was measured"


def test_another_dimension_is_never_judged():
    with pytest.raises(UnitError):
        verdict_on(PREDICTED, Quantity(value=4.0, unit="K"))


@few
@given(mean=numbers, own=spreads, seen=numbers, noise=spreads, more=st.floats(1, 10))
def test_more_noise_never_refutes_what_less_noise_supported(mean, own, seen, noise, more):
    prediction = interval_prediction("gap", ev(mean, own))
    less = verdict_on(prediction, ev(seen), noise=noise).outcome
    after = verdict_on(prediction, ev(seen), noise=noise * more).outcome
    if less is not Outcome.REFUTED:
        assert after is not Outcome.REFUTED
    if less is Outcome.INCONCLUSIVE:
        assert after is Outcome.INCONCLUSIVE


@few
@given(
    row=st.sampled_from(DIMENSIONS),
    mean=numbers,
    own=spreads,
    seen=numbers,
    noise=st.floats(0, 10),
    data=st.data(),
)
def test_a_verdict_does_not_depend_on_the_unit_of_the_observation(row, mean, own, seen, noise, data):
    prediction = interval_prediction("gap", Quantity(value=mean, unit=row[0], std=own))
    slack = Z * noise
    assume(min(abs(seen - prediction.rule.low + slack), abs(seen - prediction.rule.high - slack)) > 1e-6)
    observed = Quantity(value=seen, unit=row[0])
    one = verdict_on(prediction, observed, noise=noise)
    two = verdict_on(prediction, observed.to(data.draw(st.sampled_from(row))), noise=noise)
    assert two.outcome is one.outcome
    assert two.statistic == pytest.approx(one.statistic, rel=1e-6, abs=1e-6)


def test_the_bounds_of_a_rule_are_read_in_their_own_unit():
    rule = FalsificationRule(low=3900, high=4100, unit="meV")
    prediction = Prediction(property="gap", expected=ev(4.0, 0.1), rule=rule)
    assert verdict_on(prediction, ev(4.05)).outcome is Outcome.SUPPORTED
    assert verdict_on(prediction, ev(4.2)).outcome is Outcome.REFUTED


def test_a_temperature_is_judged_the_same_in_kelvin_and_celsius():
    prediction = interval_prediction("melting_point", Quantity(value=350, unit="K", std=5))
    observed = Quantity(value=80, unit="degC", std=1)
    verdict = verdict_on(prediction, observed)
    assert verdict.outcome is Outcome.SUPPORTED
    assert verdict.observed.value == pytest.approx(353.15)
    assert verdict.statistic == pytest.approx(3.15 / math.hypot(5, 1))
    assert noise_of(prediction, {"melting_point": Quantity(value=2.0, unit="degC")}) == pytest.approx(2.0)
    assert noise_of(prediction, {}) == 0.0


def test_an_interval_is_clipped_to_what_can_occur():
    clipped = interval_prediction("qed", Quantity(value=0.9, std=0.5), low=0.0, high=1.0).rule
    assert (clipped.low, clipped.high) == (0.0, 1.0)
    with pytest.raises(ValueError, match="standard deviation"):
        interval_prediction("qed", Quantity(value=0.9))


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "interval", "low": 1.0},
        {"kind": "interval", "high": 1.0},
        {"kind": "at_least", "high": 1.0},
        {"kind": "at_most", "low": 1.0},
        {"kind": "interval", "low": 2.0, "high": 1.0},
        {"kind": "at_least", "low": math.nan},
        {"kind": "at_least", "low": 1.0, "level": 1.0},
        {"kind": "at_least", "low": 1.0, "level": 0.0},
    ],
)
def test_a_rule_that_allows_nothing_or_says_nothing_is_refused(fields):
    with pytest.raises(ValidationError):
        FalsificationRule(unit="eV", **fields)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (FalsificationRule(low=12, high=15, unit="eV"), "refuted outside 12 to 15 eV"),
        (FalsificationRule(low=0.1, high=1, unit="1"), "refuted outside 0.1 to 1"),
        (FalsificationRule(kind="at_least", low=1, unit="1"), "refuted below 1"),
        (FalsificationRule(kind="at_most", high=10, unit="1/s"), "refuted above 10 1/s"),
    ],
)
def test_a_rule_reads_as_it_judges(rule, text):
    assert str(rule) == text


groups = st.lists(st.lists(numbers, min_size=0, max_size=5), max_size=5)


@few
@given(groups=groups)
def test_the_noise_floor_is_the_pooled_standard_deviation(groups):
    used = [g for g in groups if len(g) > 1]
    found = noise_floor(groups)
    if not used:
        assert found is None
        return
    freedom = [len(g) - 1 for g in used]
    pooled = np.average([np.var(g, ddof=1) for g in used], weights=freedom)
    assert found == pytest.approx(math.sqrt(pooled), rel=1e-9, abs=1e-9)


@few
@given(groups=groups, shift=numbers)
def test_the_noise_floor_does_not_depend_on_where_a_group_lies(groups, shift):
    found, moved = noise_floor(groups), noise_floor([[x + shift for x in g] for g in groups])
    assert moved == (None if found is None else pytest.approx(found, rel=1e-6, abs=1e-6))


def objective(kind, name="a", **fields):
    return Objective(property=name, kind=kind, **fields)


MAX = objective(ObjectiveKind.MAXIMISE)
MIN = objective(ObjectiveKind.MINIMISE, "b")
BOUND = objective(ObjectiveKind.AT_LEAST, "c", low=1.0)
ONES = {"a": 1.0, "b": 1.0, "c": 1.0}


@few
@given(a=numbers, b=numbers, inside=st.floats(1, 1e3), outside=st.floats(-1e3, 0.999))
def test_a_feasible_candidate_beats_an_infeasible_one_whatever_they_score(a, b, inside, outside):
    goal = Goal(objectives=(MAX, BOUND))
    good = merit(goal, {"a": a, "c": inside}, scales=ONES)
    bad = merit(goal, {"a": b, "c": outside}, scales=ONES)
    assert good > bad
    assert good.feasible
    assert not bad.feasible
    assert bad.violation == pytest.approx(1.0 - outside)


@few
@given(kind=st.sampled_from(ObjectiveKind), data=st.data(), x=numbers, y=numbers, scale=spreads)
def test_merit_follows_the_wish(kind, data, x, y, scale):
    wish = data.draw(objectives(name=st.just("a"), kind=kind))
    goal = Goal(objectives=(wish,))
    one, two = (merit(goal, {"a": v}, scales={"a": scale}) for v in (x, y))
    better = {
        ObjectiveKind.MAXIMISE: x > y,
        ObjectiveKind.MINIMISE: x < y,
        ObjectiveKind.TARGET: wish.target is not None and abs(x - wish.target) < abs(y - wish.target),
    }
    if kind in better:
        assert one >= two or not better[kind]
    else:
        assert one.feasible == meets(wish, x)
        if violation(wish, x, scale=scale) < violation(wish, y, scale=scale):
            assert one > two


@few
@given(values=st.tuples(numbers, numbers), better=st.floats(0.1, 100))
def test_merit_of_several_wishes_rises_with_each_of_them(values, better):
    goal = Goal(objectives=(MAX, MIN))
    scales = {"a": 100.0, "b": 100.0}
    a, b = values
    base = merit(goal, {"a": a, "b": b}, scales=scales)
    assert merit(goal, {"a": a + better, "b": b}, scales=scales) >= base
    assert merit(goal, {"a": a, "b": b - better}, scales=scales) >= base


def test_merits_are_totally_ordered():
    best, short, broken = Merit(True, 0.0, 1.0), Merit(True, 0.0, 0.5), Merit(False, 0.1, 99.0)
    worse = Merit(False, 0.2, 99.0)
    assert sorted([broken, best, worse, short], reverse=True) == [best, short, broken, worse]


def test_a_property_that_was_not_measured_has_no_merit():
    with pytest.raises(KeyError):
        merit(Goal(objectives=(MAX, BOUND)), {"a": 1.0}, scales=ONES)


@few
@given(wish=objectives(), value=st.floats(-1e9, 1e9), scale=spreads)
def test_a_desirability_is_a_share(wish, value, scale):
    d = desirability(wish, value, scale=scale)
    assert 0 <= d <= 1
    if not wish.is_optimised:
        assert (d == 1) == (violation(wish, value, scale=scale) < 1e-15)


@few
@given(wish=objectives(kind=ObjectiveKind.MAXIMISE), x=numbers, y=numbers, scale=spreads)
def test_desirability_of_more_is_not_less(wish, x, y, scale):
    low, high = sorted((x, y))
    assert desirability(wish, low, scale=scale) <= desirability(wish, high, scale=scale)


rows = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.integers(0, 4).map(float),
            "b": st.integers(0, 4).map(float),
            "c": st.sampled_from([0.0, 1.0]),
        }
    ),
    max_size=8,
)


@few
@given(rows=rows)
def test_the_pareto_front_is_what_brute_force_finds(rows):
    goal = Goal(objectives=(MAX, MIN, BOUND))
    feasible = [i for i, r in enumerate(rows) if r["c"] >= 1]

    def beats(p, q):
        return p["a"] >= q["a"] and p["b"] <= q["b"] and (p["a"], p["b"]) != (q["a"], q["b"])

    expected = [i for i in feasible if not any(beats(rows[j], rows[i]) for j in feasible)]
    assert pareto_front(goal, rows) == expected


def test_the_pareto_front_leaves_out_what_was_not_measured():
    goal = Goal(objectives=(MAX, MIN))
    assert pareto_front(goal, [{"a": 9.0}, {"a": 1.0, "b": 1.0}]) == [1]
    assert pareto_front(Goal(objectives=(BOUND,)), [{"c": 1.0}, {"c": 0.0}, {"c": 2.0}]) == [0, 2]


def test_the_probability_to_be_within_agrees_with_monte_carlo():
    rng = np.random.default_rng(1)
    for kind, mean, std in product(ObjectiveKind, (-1.0, 0.3, 2.0), (0.2, 1.5)):
        bounds = {"low": 0.0, "high": 1.0, "target": 0.5}
        needed = {
            ObjectiveKind.MAXIMISE: {"low"},
            ObjectiveKind.MINIMISE: {"high"},
            ObjectiveKind.TARGET: {"low", "high", "target"},
            ObjectiveKind.INTERVAL: {"low", "high"},
            ObjectiveKind.AT_LEAST: {"low"},
            ObjectiveKind.AT_MOST: {"high"},
        }[kind]
        wish = objective(kind, **{k: bounds[k] for k in needed})
        draws = rng.normal(mean, std, 40_000)
        share = np.mean([meets(wish, x) for x in draws.tolist()[:4000]])
        found = probability_within(wish, Quantity(value=mean, std=std))
        assert found == pytest.approx(share, abs=0.035)


def test_an_exact_value_is_within_or_not_and_a_plain_wish_is_always_met():
    assert probability_within(BOUND, Quantity(value=1.0)) == 1.0
    assert probability_within(BOUND, Quantity(value=0.9, std=0.0)) == 0.0
    assert probability_within(MAX, Quantity(value=-1e9, std=1.0)) == 1.0
    assert is_goal_met(Goal(objectives=(MAX, BOUND)), {"a": -1.0, "c": 1.0})
    assert not is_goal_met(Goal(objectives=(MAX, BOUND)), {"c": 1.0})


@few
@given(found=st.lists(verdicts, max_size=6))
def test_calibration_counts_what_was_judged(found):
    zs = np.array([v.statistic for v in found if v.statistic is not None])
    result = calibration(found)
    if not len(zs):
        assert result is None
        return
    assert result.n == len(zs)
    assert result.coverage == pytest.approx(np.mean(np.abs(zs) <= Z))
    assert result.rms_z == pytest.approx(math.sqrt(np.mean(zs**2)))


def test_honest_predictions_are_calibrated():
    rng = np.random.default_rng(2)
    prediction = interval_prediction("gap", ev(0.0, 1.0))
    found = [verdict_on(prediction, ev(float(x))) for x in rng.normal(0, 1, 2000)]
    result = calibration(found)
    assert result.coverage == pytest.approx(0.95, abs=0.02)
    assert result.rms_z == pytest.approx(1.0, abs=0.05)
    refuted = sum(v.outcome is Outcome.REFUTED for v in found) / len(found)
    assert refuted == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kind": "target", "low": 1.0, "high": 2.0}, "a target needs"),
        ({"kind": "target", "target": 1.0}, "a target needs"),
        ({"kind": "interval", "low": 1.0}, "two bounds"),
        ({"kind": "at_least"}, "needs a bound"),
        ({"kind": "at_most"}, "needs a bound"),
        ({"kind": "interval", "low": 3.0, "high": 1.0}, "impossible interval: 3 is not below 1"),
        ({"kind": "interval", "low": 1.0, "high": 1.0}, "impossible interval"),
        ({"kind": "at_least", "low": math.inf}, "finite"),
        ({"kind": "maximise", "weight": 0.0}, "greater than 0"),
        ({"kind": "maximise", "surprise": 1}, "Extra inputs"),
        ({"kind": "wish"}, "Input should be"),
    ],
)
def test_an_objective_that_cannot_be_pursued_is_refused(fields, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Objective(property="a", **fields)


def test_an_objective_needs_a_known_unit():
    with pytest.raises(UnitError):
        Objective(property="a", kind="maximise", unit="foo")


def test_a_goal_has_one_wish_for_each_property_and_at_least_one():
    with pytest.raises(ValidationError, match="two objectives; merge them"):
        Goal(objectives=(MAX, MAX))
    with pytest.raises(ValidationError):
        Goal(objectives=())


@pytest.mark.parametrize("field", ["experiments", "batch", "seconds"])
def test_a_budget_of_nothing_is_refused(field):
    with pytest.raises(ValidationError, match="greater than 0"):
        Budget(**{field: 0})


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (MAX, "maximise a"),
        (objective(ObjectiveKind.MAXIMISE, low=0.8), "maximise a to 0.8"),
        (objective(ObjectiveKind.MINIMISE, high=-5, unit="eV"), "minimise a to -5 eV"),
        (objective(ObjectiveKind.TARGET, low=345, high=355, target=350, unit="K"), "a = 350 ± 5 K"),
        (objective(ObjectiveKind.INTERVAL, low=1, high=3), "a between 1 and 3"),
        (BOUND, "c >= 1"),
        (objective(ObjectiveKind.AT_MOST, high=4, unit="eV"), "a <= 4 eV"),
    ],
)
def test_a_wish_reads_as_the_goal_language_writes_it(wish, text):
    from novum.workflows.goal_language import parse_goal

    assert str(wish) == text
    (again,) = parse_goal(text)
    assert (again.property, again.kind) == (wish.property, wish.kind)
    assert (again.low, again.high, again.target) == (wish.low, wish.high, wish.target)
