from collections.abc import Iterator

import pytest
from oracles import branin

from novum.agents.optimizer.threads import one_thread
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.spaces import Candidate, ContinuousParameter, MoleculeSpace, ParameterSpace, PoolSpace


@pytest.fixture(autouse=True, scope="session")
def quiet_arithmetic() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="session")
def molecule_goal() -> Goal:
    return Goal(
        objectives=(
            Objective(property="qed", kind=ObjectiveKind.MAXIMISE),
            Objective(property="logp", kind=ObjectiveKind.INTERVAL, low=0.5, high=2.0),
        ),
        space=MoleculeSpace(),
        seed=3,
    )


@pytest.fixture(scope="session")
def branin_goal() -> Goal:
    return Goal(
        objectives=(Objective(property="loss", kind=ObjectiveKind.MINIMISE),),
        space=ParameterSpace(
            parameters=(
                ContinuousParameter(name="x", low=-5, high=10),
                ContinuousParameter(name="y", low=0, high=15),
            )
        ),
    )


@pytest.fixture(scope="session")
def pool_goal() -> Goal:
    """A 15 x 15 grid over Branin with a category that shifts it."""
    rows, values = [], {}
    for i in range(15):
        for j in range(15):
            for kind, shift in (("a", 0.0), ("b", 40.0)):
                name = f"{i}-{j}-{kind}"
                arguments = {"x": -5 + 15 * i / 14, "y": 15 * j / 14, "kind": kind}
                row = Candidate(id=name, label=name, arguments=arguments)
                rows.append(row)
                values[name] = branin(row)["loss"] + shift
    return Goal(
        objectives=(Objective(property="loss", kind=ObjectiveKind.MINIMISE),),
        space=PoolSpace(rows=tuple(rows), measured={"loss": values}),
    )
