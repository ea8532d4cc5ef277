"""What one campaign learned helps the next one only where it means the same."""

import pytest
import toys
from lives import life

from novum.core.errors import GoalError
from novum.core.goals import Budget, Confirmation, Goal, Objective
from novum.core.knowledge import EvidenceRole, ItemStatus
from novum.core.science import ClaimStatus, Origin
from novum.core.spaces import Candidate, ContinuousParameter, ParameterSpace, PoolSpace

HEIGHT = Objective(property="height", kind="maximise", unit="m", tool="toy.survey")
RISE = Objective(property="height", kind="maximise", unit="m", tool="toy.oven")
YIELD = Objective(property="yield", kind="maximise", unit="%", tool="pool")


def plane(unit="1", name="y"):
    return ParameterSpace(
        parameters=(
            ContinuousParameter(name="x", low=-5, high=4, unit=unit),
            ContinuousParameter(name=name, low=-5, high=5),
        )
    )


def pool(factor, source="data.csv"):
    rows = tuple(
        Candidate(id=str(i), label=f"x={factor * i}", arguments={"x": float(factor * i)}) for i in range(1, 5)
    )
    return PoolSpace(
        source=source, rows=rows, measured={"yield": {str(i): factor * 10.0 + i for i in range(1, 5)}}
    )


def run(root, goal, **options):
    with life(root, tools=(toys.survey, toys.noisy, toys.level, toys.oven)) as one:
        return one.discovery.run(one.discovery.create(goal, planner="random", **options)).record


def goal_of(space, *objectives, seed=1):
    budget = Budget(experiments=4, batch=4)
    return Goal(objectives=objectives, space=space, budget=budget, seed=seed, noise_replicates=0)


def test_the_same_space_is_recalled_and_may_be_asked_not_to(tmp_path):
    first = run(tmp_path / "w", goal_of(plane(), HEIGHT))
    second = run(tmp_path / "w", goal_of(plane(), HEIGHT, seed=2))
    known = {o.candidate.id: o.values["height"] for o in second.recalls[0].observations}
    assert known == {o.candidate.id: o.values["height"] for o in first.observations()}
    assert second.recalls[0].items
    alone = run(tmp_path / "w", goal_of(plane(), HEIGHT, seed=3), recall=False)
    assert alone.recalls[0].observations == ()
    assert alone.recalls[0].items == ()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (goal_of(plane("K"), RISE), goal_of(plane("°C"), RISE, seed=2)),
        (goal_of(pool(1), YIELD), goal_of(pool(3), YIELD)),
        (goal_of(pool(1, "a.csv"), YIELD), goal_of(pool(1, "b.csv"), YIELD)),
    ],
    ids=["another unit", "another table of the same name", "another file"],
)
def test_what_means_something_else_is_not_recalled(tmp_path, one, two):
    run(tmp_path / "w", one)
    record = run(tmp_path / "w", two)
    assert record.recalls[0].observations == ()
    assert record.experiments_used == 4
    assert record.claims


def test_one_name_of_a_unit_is_as_good_as_another(tmp_path):
    run(tmp_path / "w", goal_of(plane("degC"), RISE))
    assert len(run(tmp_path / "w", goal_of(plane("°C"), RISE, seed=2)).recalls[0].observations) == 4


def test_a_parameter_reaches_the_tool_in_the_unit_of_the_tool(tmp_path):
    record = run(tmp_path / "w", goal_of(plane("°C"), RISE))
    entry = next(iter(record.experiments.values()))
    (call,) = entry.experiment.calls
    assert call.arguments["x"] == pytest.approx(entry.experiment.candidate.arguments["x"] + 273.15)
    assert entry.measurements


@pytest.mark.parametrize(("unit", "wish"), [("m", RISE), ("1", RISE), ("K", HEIGHT)])
def test_a_parameter_in_a_unit_that_the_tool_does_not_take_is_refused(tmp_path, unit, wish):
    with pytest.raises(GoalError, match="state the unit that fits"):
        run(tmp_path / "w", goal_of(plane(unit), wish))


def test_a_wish_in_another_unit_gets_the_values_in_it(tmp_path):
    first = run(tmp_path / "w", goal_of(plane(), HEIGHT))
    wish = Objective(property="height", kind="maximise", unit="cm", tool="toy.survey")
    second = run(tmp_path / "w", goal_of(plane(), wish, seed=2))
    before = {o.candidate.id: o.values["height"].value for o in first.observations()}
    for seen in second.recalls[0].observations:
        assert seen.values["height"].unit == "cm"
        assert seen.values["height"].value == pytest.approx(100 * before[seen.candidate.id])


@pytest.mark.parametrize(("wish", "negative"), [(10.0, False), (1000.0, True)])
def test_a_finding_is_believed_as_far_as_what_shows_it_also_where_it_is_that_none_was_good_enough(
    tmp_path, wish, negative
):
    with life(tmp_path / "w", tools=(toys.survey,)) as one:
        good = Objective(property="yield", kind="maximise", unit="%", tool="pool", low=wish)
        goal = goal_of(pool(1), good).model_copy(update={"confirmation": Confirmation(method="none")})
        record = one.discovery.run(one.discovery.create(goal, planner="random")).record
        [claim] = one.knowledge.query(relation="meets_goal")
        assert claim.negative is negative
        assert claim.origin is Origin.MEASURED
        assert {link.role for link in claim.evidence} == {EvidenceRole.SUPPORTS}
        [status] = {c.status for c in record.claims.values()}
        unconfirmed = status is ClaimStatus.UNCONFIRMED  # what no second look was taken at adds nothing
        assert claim.confidence == 0.5 if unconfirmed else claim.confidence > 0.8
        one.knowledge.retract(claim.evidence[0].target, reason="the wrong bottle")
        assert one.knowledge.get(claim.id).status is ItemStatus.STALE
