"""What every planner promises, over every kind of space."""

import json
from collections.abc import Callable

import pytest

from novum.agents.base import Plan, PlanningContext
from novum.agents.choose import PLANNERS, open_planner
from novum.core.calls import PropertySpec
from novum.core.digest import canonical_json, digest
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.quantity import Quantity
from novum.core.science import Hypothesis, Observation
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    ContinuousParameter,
    IntegerParameter,
    LinearConstraint,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
)

OBJECTIVES = (
    Objective(property="gap", kind=ObjectiveKind.MAXIMISE, unit="eV", low=0.9),
    Objective(property="share", kind=ObjectiveKind.INTERVAL, low=0.2, high=0.8),
)
SPECS = {
    "gap": PropertySpec(name="gap", unit="eV", description="a gap", low=0.0, high=2.0),
    "share": PropertySpec(name="share", description="a share", low=0.0, high=1.0),
}
SPACES = {
    "molecules": MoleculeSpace(max_heavy_atoms=20),
    "given molecules": MoleculeSpace(start=("CCCCO", "c1ccccc1C", "CCN(CC)CC"), max_heavy_atoms=14),
    "pool": PoolSpace(
        rows=tuple(
            Candidate(
                id=f"r{i}",
                label=f"r{i}",
                arguments={"t": float(i % 7), "kind": "abc"[i % 3], "smiles": "C" * (1 + i % 11) + "O"},
            )
            for i in range(60)
        ),
        smiles="smiles",
    ),
    "parameters": ParameterSpace(
        parameters=(
            ContinuousParameter(name="x", low=0, high=1),
            ContinuousParameter(name="rate", low=1e-3, high=1, log=True),
            IntegerParameter(name="n", low=1, high=9),
            ChoiceParameter(name="kind", options=("a", "b", "c")),
        ),
        constraints=(LinearConstraint(coefficients={"x": 1.0, "n": 0.1}, bound=1.2),),
    ),
    "listed parameters": ParameterSpace(
        parameters=(IntegerParameter(name="n", low=1, high=9), ChoiceParameter(name="k", options=("a", "b")))
    ),
}


def answer(candidate: Candidate) -> Observation:
    """Answer with numbers that only the candidate's id fixes; every ninth experiment fails."""
    number = int(digest(candidate.id)[:8], 16)
    if number % 9 == 0:
        return Observation(candidate=candidate, failed="did not converge")
    values = {
        "gap": Quantity(value=number % 1000 / 1000, unit="eV"),
        "share": Quantity(value=number % 77 / 77),
    }
    return Observation(candidate=candidate, values=values)


def ask(
    space: str, known: tuple[Observation, ...] = (), iteration: int = 0, seed: int = 5
) -> PlanningContext:
    return PlanningContext(
        goal=Goal(objectives=OBJECTIVES, space=SPACES[space], seed=seed),
        iteration=iteration,
        n=4,
        observations=known,
        properties=SPECS,
        costs={"gap": 2.0, "share": 0.5},
        noise={"gap": Quantity(value=0.02, unit="eV")},
        first_id=len(known) + 1,
        cites={},
    )


def campaign(planner: str, space: str, iterations: int = 4) -> list[Plan]:
    known: tuple[Observation, ...] = ()
    plans = []
    for iteration in range(iterations):
        plans.append(open_planner(planner).plan(ask(space, known, iteration)))
        known += tuple(answer(h.candidate) for h in plans[-1].hypotheses)
    return plans


@pytest.fixture(params=PLANNERS, scope="module")
def planner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SPACES, scope="module")
def space(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def plans(planner: str, space: str) -> list[Plan]:
    return campaign(planner, space)


def every(plans: list[Plan]) -> list[Hypothesis]:
    return [h for plan in plans for h in plan.hypotheses]


def test_batches_are_full_while_the_space_lasts(plans: list[Plan], space: str) -> None:
    wanted = [4, 4, 4, 4]
    assert [len(p.hypotheses) for p in plans] == wanted


def test_nothing_is_proposed_twice(plans: list[Plan]) -> None:
    ids = [h.candidate.id for h in every(plans)]
    assert len(set(ids)) == len(ids)


def test_ids_count_on(plans: list[Plan]) -> None:
    assert [h.id for h in every(plans)] == [f"H{i:03d}" for i in range(1, 17)]


def test_every_objective_is_predicted_with_a_spread_and_a_rule(plans: list[Plan]) -> None:
    for hypothesis in every(plans):
        assert [p.property for p in hypothesis.predictions] == ["gap", "share"]
        for prediction in hypothesis.predictions:
            spec = SPECS[prediction.property]
            assert prediction.expected.unit == prediction.rule.unit == spec.unit
            assert prediction.expected.kind == "epistemic"
            assert prediction.expected.std
            assert prediction.rule.level == 0.95
            assert spec.low is not None
            assert spec.high is not None
            assert prediction.rule.low is not None
            assert prediction.rule.high is not None
            assert spec.low <= prediction.rule.low < prediction.rule.high <= spec.high
            assert prediction.rule.low <= prediction.expected.value <= prediction.rule.high


def test_hypotheses_explain_themselves(plans: list[Plan], planner: str) -> None:
    for iteration, plan in enumerate(plans):
        for hypothesis in plan.hypotheses:
            assert hypothesis.candidate.label in hypothesis.statement
            assert "gap" in hypothesis.statement
            assert hypothesis.rationale
            assert hypothesis.source == planner
            assert hypothesis.iteration == iteration
            assert hypothesis.p_goal is not None
            assert hypothesis.gain >= 0


def test_equal_contexts_give_equal_plans(plans: list[Plan], planner: str, space: str) -> None:
    assert campaign(planner, space, 3) == plans[:3]


def test_plans_survive_json(plans: list[Plan]) -> None:
    for plan in plans:
        assert json.loads(canonical_json(plan.notes)) == plan.notes
        for hypothesis in plan.hypotheses:
            text = canonical_json(hypothesis.model_dump(mode="json"))
            again = Hypothesis.model_validate_json(text)
            assert again == hypothesis
            assert again.registration() == hypothesis.registration()


def test_the_context_is_left_alone(planner: str, space: str) -> None:
    context = ask(space)
    before = context.goal.model_dump_json(), dict(context.costs), dict(context.cites)
    open_planner(planner).plan(context)
    assert (context.goal.model_dump_json(), context.costs, context.cites) == before


def test_paired_seeds_share_the_first_batch(space: str) -> None:
    first = [open_planner(name).plan(ask(space)) for name in PLANNERS]
    assert len({tuple(h.candidate.id for h in plan.hypotheses) for plan in first}) == 1


def test_another_seed_starts_elsewhere(planner: str) -> None:
    one, other = (open_planner(planner).plan(ask("molecules", seed=seed)) for seed in (1, 2))
    assert one.hypotheses[0].candidate != other.hypotheses[0].candidate


@pytest.mark.parametrize("space", ["pool", "listed parameters"])
def test_an_exhausted_space_gives_an_empty_plan(planner: str, space: str) -> None:
    known: tuple[Observation, ...] = ()
    for iteration in range(20):
        plan = open_planner(planner).plan(ask(space, known, iteration))
        if not plan.hypotheses:
            break
        known += tuple(answer(h.candidate) for h in plan.hypotheses)
    assert len({o.candidate.id for o in known}) == len(known) == {"pool": 60, "listed parameters": 18}[space]


def test_a_campaign_of_failures_goes_on(planner: str, space: str) -> None:
    known: tuple[Observation, ...] = ()
    for iteration in range(3):
        plan = open_planner(planner).plan(ask(space, known, iteration))
        assert len(plan.hypotheses) == 4
        known += tuple(Observation(candidate=h.candidate, failed="broken") for h in plan.hypotheses)
    assert len({o.candidate.id for o in known}) == 12


@pytest.mark.parametrize("n", [1, 7])
def test_the_batch_size_is_respected(planner: str, n: int, space: str) -> None:
    import dataclasses

    plan: Callable[[PlanningContext], Plan] = open_planner(planner).plan
    assert len(plan(dataclasses.replace(ask(space), n=n)).hypotheses) == n
