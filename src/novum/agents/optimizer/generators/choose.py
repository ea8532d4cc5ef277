"""The generator of a goal's space."""

from novum.agents.optimizer.generators.base import Generator
from novum.core.goals import Goal
from novum.core.spaces import MoleculeSpace, ParameterSpace, PoolSpace


def open_generator(goal: Goal) -> Generator:
    """Return the generator of the goal's space, tightened by what its objectives say of the space.

    Raises:
        GoalError: the space is empty as written.
    """
    match goal.space:
        case MoleculeSpace():
            from novum.agents.optimizer.generators.limits import tightened
            from novum.agents.optimizer.generators.molecules import MoleculeGenerator

            return MoleculeGenerator(tightened(goal.space, goal.objectives))
        case PoolSpace():
            from novum.agents.optimizer.generators.pool import PoolGenerator

            return PoolGenerator(goal.space)
        case ParameterSpace():
            from novum.agents.optimizer.generators.parameters import ParameterGenerator

            return ParameterGenerator(goal.space)
