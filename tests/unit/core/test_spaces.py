"""Search spaces refuse what cannot be searched."""

import math

import pytest
from pydantic import ValidationError

from novum.core.spaces import (
    ChoiceParameter,
    ContinuousParameter,
    IntegerParameter,
    LinearConstraint,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
)

X = ContinuousParameter(name="x", low=0, high=1)
C = ChoiceParameter(name="c", options=("a", "b"))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: ContinuousParameter(name="x", low=1, high=1), "impossible interval"),
        (lambda: ContinuousParameter(name="x", low=2, high=1), "impossible interval"),
        (lambda: ContinuousParameter(name="x", low=0, high=1, log=True), "above zero"),
        (lambda: ContinuousParameter(name="x", low=math.nan, high=1), "finite"),
        (lambda: ContinuousParameter(name="x", low=0, high=math.inf), "finite"),
        (lambda: IntegerParameter(name="n", low=3, high=3), "impossible interval"),
        (lambda: IntegerParameter(name="n", low=0.5, high=3), "integer"),
        (lambda: ChoiceParameter(name="c", options=("a",)), "at least 2"),
        (lambda: ChoiceParameter(name="c", options=("a", "a")), "repeat"),
        (lambda: ParameterSpace(parameters=()), "at least 1"),
        (lambda: ParameterSpace(parameters=(X, X)), "one name"),
        (
            lambda: ParameterSpace(
                parameters=(X, C), constraints=(LinearConstraint(coefficients={"c": 1.0}, bound=1),)
            ),
            "no numeric parameter",
        ),
        (
            lambda: ParameterSpace(
                parameters=(X,), constraints=(LinearConstraint(coefficients={"y": 1.0}, bound=1),)
            ),
            "no numeric parameter",
        ),
        (lambda: LinearConstraint(coefficients={}, bound=1), "at least 1"),
        (lambda: LinearConstraint(coefficients={"x": math.nan}, bound=1), "finite"),
        (lambda: LinearConstraint(coefficients={"x": 1.0}, bound=math.inf), "finite"),
        (lambda: MoleculeSpace(min_heavy_atoms=9, max_heavy_atoms=8), "min_heavy_atoms is above"),
        (lambda: MoleculeSpace(min_charge=1, max_charge=0), "min_charge is above"),
        (lambda: PoolSpace(rows=()), "at least 1"),
    ],
)
def test_a_space_of_nothing_is_refused(make, complaint):
    with pytest.raises(ValidationError, match=complaint):
        make()
