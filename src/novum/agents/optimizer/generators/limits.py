"""What the objectives say about a space before anything is measured."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor

from novum.agents.base import PlanningContext
from novum.core.errors import GoalError
from novum.core.goals import Objective
from novum.core.spaces import MoleculeSpace

HEAVY_ATOMS = "heavy_atoms"
"""A property that the structure gives exactly, so that its bounds bound the space."""


def without_given(context: PlanningContext) -> PlanningContext:
    """Return the context without the wishes that every candidate of the space fulfils by construction.

    A bound on the heavy atoms of molecules limits the space; to predict it would be no prediction.
    """
    goal = context.goal
    if not isinstance(goal.space, MoleculeSpace):
        return context
    open_wishes = tuple(o for o in goal.objectives if o.is_optimised or o.property != HEAVY_ATOMS)
    if not open_wishes or len(open_wishes) == len(goal.objectives):
        return context
    space = tightened(goal.space, goal.objectives)
    return replace(context, goal=goal.model_copy(update={"objectives": open_wishes, "space": space}))


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
