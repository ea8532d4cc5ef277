"""What every planner promises holds for one that asks a model, over every kind of space, whatever it says."""

import dataclasses
import json

import pytest
from scripts import random_reply
from test_planners import SPACES, answer, ask

from novum.agents.base import Briefing, Plan
from novum.agents.models.scripted import ScriptedModel
from novum.agents.optimizer.planner import OptimizerPlanner
from novum.agents.scientist.planner import ScientistPlanner
from novum.core.digest import canonical_json
from novum.core.errors import ModelUnavailableError
from novum.core.science import Hypothesis, Observation
from novum.core.spaces import CrystalSpace

ALL = {**SPACES, "crystals": CrystalSpace(elements=("Na", "K", "Cl", "Br", "Mg", "O"))}
GONE = ModelUnavailableError("nobody listens", kind="unreachable")


def ask_in(space: str, known: tuple[Observation, ...], iteration: int, briefing: Briefing):
    context = ask("pool", known, iteration)
    goal = context.goal.model_copy(update={"space": ALL[space]})
    return dataclasses.replace(context, goal=goal, briefing=briefing)


def campaign(space: str, model: ScriptedModel, iterations: int = 3) -> list[Plan]:
    known: tuple[Observation, ...] = ()
    plans: list[Plan] = []
    for iteration in range(iterations):
        past = {i: p.deliberation for i, p in enumerate(plans) if p.deliberation}
        hypotheses = tuple(h for p in plans for h in p.hypotheses)
        briefing = Briefing(hypotheses=hypotheses, deliberations=past)
        plans.append(ScientistPlanner(model).plan(ask_in(space, known, iteration, briefing)))
        known += tuple(answer(h.candidate) for h in plans[-1].hypotheses)
    return plans


@pytest.fixture(scope="module", params=ALL)
def space(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def plans(space: str) -> list[Plan]:
    return campaign(space, ScriptedModel(random_reply(1)))


def every(plans: list[Plan]) -> list[Hypothesis]:
    return [h for plan in plans for h in plan.hypotheses]


def test_batches_are_full_and_nothing_is_proposed_twice(plans: list[Plan]) -> None:
    assert [len(p.hypotheses) for p in plans] == [4, 4, 4]
    ids = [h.candidate.id for h in every(plans)]
    assert len(set(ids)) == len(ids)
    assert [h.id for h in every(plans)] == [f"H{i:03d}" for i in range(1, 13)]


def test_a_random_answer_that_fits_the_schema_is_used_in_every_space(plans: list[Plan]) -> None:
    assert "scientist" in {h.source for h in every(plans)}


def test_every_objective_is_predicted_with_a_spread_and_a_rule(plans: list[Plan]) -> None:
    for hypothesis in every(plans):
        assert [p.property for p in hypothesis.predictions] == ["gap", "share"]
        for prediction in hypothesis.predictions:
            assert prediction.expected.std
            assert prediction.expected.unit == prediction.rule.unit
            assert prediction.expected.kind == "epistemic"
            bounds = (prediction.rule.low, prediction.rule.high)
            assert bounds != (None, None)


def test_equal_contexts_and_answers_give_equal_plans(plans: list[Plan], space: str) -> None:
    assert campaign(space, ScriptedModel(random_reply(1)), 2) == plans[:2]


def test_plans_survive_json(plans: list[Plan]) -> None:
    for plan in plans:
        assert plan.deliberation is not None
        text = canonical_json(plan.deliberation.model_dump(mode="json"))
        assert type(plan.deliberation).model_validate(json.loads(text)) == plan.deliberation


def test_without_a_model_the_plan_is_the_optimisers(space: str) -> None:
    (plan,) = campaign(space, ScriptedModel([GONE]), 1)
    alone = OptimizerPlanner().plan(ask_in(space, (), 0, Briefing()))
    assert [h.candidate for h in plan.hypotheses] == [h.candidate for h in alone.hypotheses]
