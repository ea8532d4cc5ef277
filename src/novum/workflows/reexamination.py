"""Measuring again what is in doubt: a stale value becomes a prediction, and the campaign tests it."""

from collections.abc import Mapping, Sequence

from novum.core.judgement import interval_prediction
from novum.core.quantity import Quantity
from novum.core.science import Hypothesis, Observation, Prediction
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    CrystalSpace,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
    Space,
)
from novum.knowledge_base.agreement import ASSUMED_SPREAD
from novum.workflows.assays import Assay

SOURCE = "knowledge base"
"""Who proposes to measure again."""


def reexaminations(
    doubted: Sequence[Observation],
    assays: Mapping[str, Assay],
    space: Space,
    *,
    most: int,
    iteration: int,
    first_id: int,
) -> tuple[Hypothesis, ...]:
    """Return a hypothesis for each candidate in doubt: that it still measures what it did.

    Candidates outside `space` are left to a campaign that looks there.

    Args:
        doubted: stale values by candidate, in the goal's units.
        assays: how each property is measured.
        space: where this campaign looks.
        most: how many at most.
        iteration: the present one.
        first_id: number of the first hypothesis.
    """
    wanted = [seen for seen in doubted if seen.values and is_within(space, seen.candidate)][:most]
    return tuple(
        Hypothesis(
            id=f"H{first_id + number:03d}",
            iteration=iteration,
            statement=f"{seen.candidate.label}: what was measured before still holds",
            rationale="It is in doubt: something that it rests on was taken back or is out of date, or "
            "another version of the tool measured it.",
            source=SOURCE,
            candidate=seen.candidate,
            predictions=tuple(_prediction(name, value, assays[name]) for name, value in seen.values.items()),
            cites=tuple(seen.source.split(",")),
        )
        for number, seen in enumerate(wanted)
    )


def is_within(space: Space, candidate: Candidate) -> bool:
    """Say whether a candidate of another campaign lies in `space`."""
    if isinstance(space, PoolSpace):
        return any(row.id == candidate.id for row in space.rows)
    if isinstance(space, MoleculeSpace):
        return _is_allowed_molecule(space, candidate)
    if isinstance(space, CrystalSpace):
        from novum.agents.optimizer.generators.crystals import CrystalGenerator

        return CrystalGenerator(space).locate(candidate) is not None
    return _is_allowed_setting(space, candidate)


def _is_allowed_molecule(space: MoleculeSpace, candidate: Candidate) -> bool:
    from rdkit import Chem, rdBase

    from novum.agents.optimizer.generators.filters import Filters

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(str(candidate.arguments.get("smiles", "")))
    return molecule is not None and Filters(space).is_within(molecule)


def _is_allowed_setting(space: ParameterSpace, candidate: Candidate) -> bool:
    given = candidate.arguments
    for parameter in space.parameters:
        value = given.get(parameter.name)
        if isinstance(parameter, ChoiceParameter):
            if value not in parameter.options:
                return False
        elif not isinstance(value, int | float) or not parameter.low <= value <= parameter.high:
            return False
    return all(
        sum(factor * given[name] for name, factor in constraint.coefficients.items()) <= constraint.bound
        for constraint in space.constraints
    )


def _prediction(name: str, value: Quantity, assay: Assay) -> Prediction:
    spec, error = assay.measured, None
    if spec.error is not None:
        error = Quantity(value=0.0, unit=spec.unit, std=spec.error).to(value.unit).std
    std = value.std or error or ASSUMED_SPREAD * abs(value.value) or 1e-9
    return interval_prediction(name, value.model_copy(update={"std": std}))
