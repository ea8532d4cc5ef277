"""Data without noise, more of it than the function has to say: nothing may blow up."""

import numpy as np

from novum.agents.base import PlanningContext
from novum.agents.choose import open_planner
from novum.core.calls import PropertySpec
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.quantity import Quantity
from novum.core.science import Observation
from novum.core.spaces import ContinuousParameter, ParameterSpace


def test_a_batch_on_an_exactly_known_function_stays_finite_and_finds_the_top():
    goal = Goal(
        objectives=(Objective(property="height", kind=ObjectiveKind.MAXIMISE, unit="m"),),
        space=ParameterSpace(
            parameters=(
                ContinuousParameter(name="x", low=-5, high=5),
                ContinuousParameter(name="y", low=-5, high=5),
            )
        ),
    )
    planner = open_planner("optimizer")
    seen: list[Observation] = []
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for iteration in range(9):
            plan = planner.plan(
                PlanningContext(
                    goal=goal,
                    iteration=iteration,
                    n=8,
                    observations=tuple(seen),
                    properties={"height": PropertySpec(name="height", unit="m", description="height")},
                    costs={"height": 0.001},
                    noise={},
                    first_id=len(seen) + 1,
                    cites={},
                )
            )
            assert len(plan.hypotheses) == 8
            for hypothesis in plan.hypotheses:
                assert np.isfinite(hypothesis.gain)
                at = hypothesis.candidate.arguments
                height = 10 - (at["x"] - 1) ** 2 - (at["y"] - 2) ** 2
                seen.append(
                    Observation(
                        candidate=hypothesis.candidate, values={"height": Quantity(value=height, unit="m")}
                    )
                )
    assert max(o.values["height"].value for o in seen) > 9.999
