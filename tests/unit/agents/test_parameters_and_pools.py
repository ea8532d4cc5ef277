import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.agents.optimizer.generators.parameters import ParameterGenerator
from novum.agents.optimizer.generators.pool import PoolGenerator
from novum.core.errors import GoalError
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    ContinuousParameter,
    IntegerParameter,
    LinearConstraint,
    ParameterSpace,
    PoolSpace,
)

MIXED = ParameterSpace(
    parameters=(
        ContinuousParameter(name="a", low=0, high=1),
        ContinuousParameter(name="b", low=0, high=1),
        ContinuousParameter(name="rate", low=1e-4, high=10, log=True),
        IntegerParameter(name="cycles", low=1, high=30),
        ChoiceParameter(name="solvent", options=("water", "ethanol", "hexane")),
    ),
    constraints=(LinearConstraint(coefficients={"a": 1, "b": 1, "cycles": 0.01}, bound=0.6),),
)


def is_allowed(arguments: dict[str, object]) -> bool:
    a, b, rate, cycles = (arguments[k] for k in ("a", "b", "rate", "cycles"))
    assert isinstance(a, float)
    assert isinstance(b, float)
    assert isinstance(rate, float)
    assert isinstance(cycles, int)
    return (
        0 <= a <= 1
        and 0 <= b <= 1
        and 1e-4 <= rate <= 10
        and 1 <= cycles <= 30
        and arguments["solvent"] in ("water", "ethanol", "hexane")
        and a + b + 0.01 * cycles <= 0.6
    )


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_settings_keep_ranges_kinds_and_constraints(seed: int) -> None:
    generator, rng = ParameterGenerator(MIXED), random.Random(seed)
    start = list(islice(generator.start(rng, set()), 40))
    assert len(start) == 40
    children = generator.offspring(start, rng, 60, {p.key for p in start})
    assert len(children) == 60
    assert len({p.key for p in start + children}) == 100
    for proposal in start + children:
        candidate = generator.candidate(proposal)
        assert candidate is not None
        assert is_allowed(candidate.arguments)
        assert generator.locate(candidate) == proposal or generator.locate(candidate).key == proposal.key
    features = generator.encode(start)
    assert features.numeric.shape == (40, 4)
    assert 0 <= features.numeric.min() <= features.numeric.max() <= 1


def test_a_small_discrete_space_is_listed_completely() -> None:
    space = ParameterSpace(
        parameters=(IntegerParameter(name="n", low=0, high=4), ChoiceParameter(name="c", options=("x", "y"))),
        constraints=(LinearConstraint(coefficients={"n": 1}, bound=2),),
    )
    generator = ParameterGenerator(space)
    assert generator.finite
    assert len(list(generator.start(random.Random(0), set()))) == 6


def test_impossible_constraints_are_an_error() -> None:
    space = ParameterSpace(
        parameters=(ContinuousParameter(name="a", low=1, high=2),),
        constraints=(LinearConstraint(coefficients={"a": 1}, bound=0.5),),
    )
    with pytest.raises(GoalError, match="no setting"):
        ParameterGenerator(space)


def test_a_setting_is_named_by_its_digest_and_labelled_with_units() -> None:
    space = ParameterSpace(
        parameters=(
            ContinuousParameter(name="temperature", low=0, high=100, unit="kelvin"),
            ChoiceParameter(name="gas", options=("argon", "air")),
        )
    )
    generator = ParameterGenerator(space)
    candidate = Candidate(id="?", label="?", arguments={"temperature": 25.0, "gas": "air"})
    proposal = generator.locate(candidate)
    assert proposal is not None
    named = generator.candidate(proposal)
    assert named is not None
    assert named.label == "temperature=25 kelvin, gas=air"
    assert len(named.id) == 24
    for wrong in (
        {"temperature": 25.0},
        {"temperature": 500.0, "gas": "air"},
        {"temperature": 1.0, "gas": "x"},
    ):
        assert generator.locate(Candidate(id="?", label="?", arguments=wrong)) is None


def test_a_pool_describes_rows_without_the_measured_columns() -> None:
    rows = tuple(
        Candidate(
            id=f"r{i}",
            label=f"r{i}",
            arguments={
                "t": i,
                "base": "ab"[i % 2],
                "name": f"n{i}",
                "same": 1,
                "smiles": "C" * (i + 4),
                "y": i,
            },
        )
        for i in range(6)
    )
    space = PoolSpace(rows=rows, smiles="smiles", measured={"y": {"r0": 1.0}})
    generator = PoolGenerator(space)
    features = generator.encode(list(generator.start(random.Random(0), {"r3"})))
    assert len(features) == 5
    assert features.numeric.shape[1] == 1
    assert features.codes.shape[1] == 1
    assert features.bits is not None
    assert generator.locate(Candidate(id="zz", label="", arguments={})) is None
