"""What the objectives say about a space before anything is measured."""

from collections.abc import Sequence
from math import ceil, floor

from novum.core.errors import GoalError
from novum.core.goals import Objective
from novum.core.spaces import MoleculeSpace

HEAVY_ATOMS = "heavy_atoms"
"""A property that the structure gives exactly, so that its bounds bound the space."""


def tightened(space: MoleculeSpace, objectives: Sequence[Objective]) -> MoleculeSpace:
    """Return the space within the bounds that constraints and targets put on the heavy atoms.

    Raises:
        GoalError: the objective and the space exclude each other.

    Example:
        >>> from novum.core.goals import ObjectiveKind
        >>> few = Objective(property="heavy_atoms", kind=ObjectiveKind.AT_MOST, high=12)
        >>> tightened(MoleculeSpace(), [few]).max_heavy_atoms
        12
    """
    least, most = space.min_heavy_atoms, space.max_heavy_atoms
    for objective in objectives:
        if objective.property == HEAVY_ATOMS:
            if objective.low is not None:
                least = max(least, ceil(objective.low))
            if objective.high is not None:
                most = min(most, floor(objective.high))
    if least > most:
        raise GoalError(
            f"no molecule can have at least {least} and at most {most} heavy atoms; "
            "change the objective or the limits of the space"
        )
    return space.model_copy(update={"min_heavy_atoms": least, "max_heavy_atoms": most})
