from statistics import fmean, median

import pytest
from oracles import branin, context_of, molecule_oracle, observe, run

from novum.agents.optimizer.effort import Effort
from novum.agents.optimizer.planner import OptimizerPlanner
from novum.agents.random_planner import RandomPlanner
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.judgement import meets
from novum.core.science import Observation
from novum.core.spaces import MoleculeSpace

BOUNDS = {"qed": (0.0, 1.0), "logp": (-15.0, 25.0)}


def best_feasible(goal: Goal, observations: list[Observation]) -> float:
    """Return the best value of the first objective, signed so that more is better."""
    first = goal.objectives[0]
    sign = 1.0 if first.kind is ObjectiveKind.MAXIMISE else -1.0
    return max(
        sign * o.values[first.property].value
        for o in observations
        if all(meets(c, o.values[c.property].value) for c in goal.constraints)
    )


def test_it_beats_random_on_molecules_and_its_intervals_cover(molecule_goal: Goal) -> None:
    gains, inside = [], []
    effort = Effort(start=60, generations=4, offspring=100)
    for seed in range(3):
        goal = molecule_goal.model_copy(update={"seed": seed})
        guided, plans = run(OptimizerPlanner(effort), goal, molecule_oracle, calls=60, n=12, bounds=BOUNDS)
        control, _ = run(RandomPlanner(), goal, molecule_oracle, calls=60, n=12, bounds=BOUNDS)
        assert [o.candidate for o in guided[:12]] == [o.candidate for o in control[:12]]
        gains.append(best_feasible(goal, guided) - best_feasible(goal, control))
        for hypothesis in (h for plan in plans[1:] for h in plan.hypotheses):
            values = molecule_oracle(hypothesis.candidate)
            for p in hypothesis.predictions:
                assert p.rule.low is not None
                assert p.rule.high is not None
                inside.append(p.rule.low <= values[p.property] <= p.rule.high)
    assert min(gains) > 0
    assert fmean(gains) > 0.05
    assert fmean(inside) > 0.85


def test_it_beats_random_on_parameters(branin_goal: Goal) -> None:
    finals: dict[str, list[float]] = {"optimizer": [], "random": []}
    for planner in (OptimizerPlanner(), RandomPlanner()):
        for seed in range(3):
            goal = branin_goal.model_copy(update={"seed": seed})
            known, _ = run(planner, goal, branin, calls=36, n=3)
            finals[planner.name].append(best_feasible(goal, known))
    assert min(finals["optimizer"]) > -0.7  # the minimum is 0.3979
    assert fmean(finals["optimizer"]) > fmean(finals["random"])


def test_it_beats_random_on_a_pool(pool_goal: Goal) -> None:
    values = pool_goal.space.measured["loss"]  # type: ignore[union-attr]
    top = sorted(values.values())[4]  # of 450
    calls: dict[str, list[int]] = {"optimizer": [], "random": []}
    for planner in (OptimizerPlanner(), RandomPlanner()):
        for seed in range(5):
            goal = pool_goal.model_copy(update={"seed": seed})
            known, _ = run(planner, goal, lambda c: {"loss": values[c.id]}, calls=40, n=4)
            hits = [i + 1 for i, o in enumerate(known) if o.values["loss"].value <= top]
            calls[planner.name].append(hits[0] if hits else 60)
    assert median(calls["optimizer"]) <= 0.7 * median(calls["random"])
    assert max(calls["optimizer"]) <= 40


def test_the_best_recalled_candidates_are_examined_again(molecule_goal: Goal) -> None:
    found, _ = run(RandomPlanner(), molecule_goal, molecule_oracle, calls=12, bounds=BOUNDS)
    recalled = [o.model_copy(update={"recalled": True, "source": f"K{i}"}) for i, o in enumerate(found)]
    cites = {o.candidate.id: (o.source,) for o in recalled}
    goal = molecule_goal.model_copy(update={"seed": 11})
    plan = OptimizerPlanner().plan(context_of(goal, recalled, n=6, bounds=BOUNDS, cites=cites))
    again, new = plan.hypotheses[:2], plan.hypotheses[2:]
    by_id = {o.candidate.id: o for o in recalled}
    for hypothesis in again:
        seen = by_id[hypothesis.candidate.id]
        assert hypothesis.rationale.startswith("Known from earlier campaign")
        assert hypothesis.cites == (seen.source,)
        assert hypothesis.predictions[0].expected.value == seen.values["qed"].value
    assert len(new) == 4
    assert not {h.candidate.id for h in new} & set(by_id)
    assert plan.notes["fitted"]
    later = OptimizerPlanner().plan(context_of(goal, recalled, iteration=1, bounds=BOUNDS))
    assert not {h.candidate.id for h in later.hypotheses} & set(by_id)


def test_failures_are_never_repeated_and_lower_the_gain_nearby(pool_goal: Goal) -> None:
    rows = {row.id: row for row in pool_goal.space.rows}  # type: ignore[union-attr]
    good = [observe(pool_goal, rows[name], {"loss": float(i)}) for i, name in enumerate(("1-1-a", "13-13-a"))]
    broken = [observe(pool_goal, rows[f"{i}-{j}-a"], {}, failed="no") for i in (0, 1, 2) for j in (2, 3)]
    plan = OptimizerPlanner().plan(context_of(pool_goal, good + broken, iteration=1))
    with_risk = {h.candidate.id: h for h in plan.hypotheses}
    assert not set(with_risk) & {o.candidate.id for o in broken}
    without = OptimizerPlanner().plan(context_of(pool_goal, good, iteration=1))
    assert plan.notes["failed"] == 6
    near = {f"{i}-{j}-a" for i in range(4) for j in range(5)}
    assert len(set(with_risk) & near) <= len({h.candidate.id for h in without.hypotheses} & near)


def test_a_costlier_measurement_gives_less_gain_per_cost(branin_goal: Goal) -> None:
    known, _ = run(RandomPlanner(), branin_goal, branin, calls=8, n=8)
    cheap = OptimizerPlanner().plan(context_of(branin_goal, known, iteration=1, costs={"loss": 1.0}))
    dear = OptimizerPlanner().plan(context_of(branin_goal, known, iteration=1, costs={"loss": 10.0}))
    for a, b in zip(cheap.hypotheses, dear.hypotheses, strict=True):
        assert a.candidate == b.candidate
        assert a.gain == pytest.approx(10 * b.gain)


def test_a_tiny_start_set_grows_by_itself() -> None:
    goal = Goal(
        objectives=(Objective(property="logp", kind=ObjectiveKind.MAXIMISE),),
        space=MoleculeSpace(start=("CCCCO",), max_heavy_atoms=12),
    )
    for planner in (OptimizerPlanner(Effort(generations=2, offspring=40)), RandomPlanner()):
        known, plans = run(planner, goal, molecule_oracle, calls=15, n=5)
        assert len(known) == 15
        assert plans[0].hypotheses[0].candidate.label == "CCCCO"


def test_bounds_on_heavy_atoms_hold_for_every_candidate() -> None:
    goal = Goal(
        objectives=(
            Objective(property="qed", kind=ObjectiveKind.MAXIMISE),
            Objective(property="heavy_atoms", kind=ObjectiveKind.AT_MOST, high=10),
        )
    )
    known, _ = run(OptimizerPlanner(Effort(generations=2)), goal, molecule_oracle, calls=18)
    assert max(o.values["heavy_atoms"].value for o in known) <= 10


def test_two_wishes_spread_the_batch() -> None:
    goal = Goal(
        objectives=(
            Objective(property="qed", kind=ObjectiveKind.MAXIMISE),
            Objective(property="logp", kind=ObjectiveKind.MINIMISE),
        )
    )
    known, plans = run(
        OptimizerPlanner(Effort(generations=2)), goal, molecule_oracle, calls=18, bounds=BOUNDS
    )
    assert len(known) == 18
    assert all(h.gain >= 0 for plan in plans for h in plan.hypotheses)
