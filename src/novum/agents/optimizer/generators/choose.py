"""The generator of a goal's space."""

from functools import lru_cache

from novum.agents.optimizer.generators.base import Generator
from novum.core.goals import Goal
from novum.core.spaces import CrystalSpace, MoleculeSpace, ParameterSpace, PoolSpace


@lru_cache(maxsize=4)
def molecule_generator(space: MoleculeSpace) -> Generator:
    """Return the generator of a space, kept: it remembers which molecules it has examined."""
    from novum.agents.optimizer.generators.molecules import MoleculeGenerator

    return MoleculeGenerator(space)


def open_generator(goal: Goal) -> Generator:
    """Return the generator of the goal's space, tightened by what its objectives say of the space.

    Raises:
        GoalError: the space is empty as written.
    """
    match goal.space:
        case MoleculeSpace():
            from novum.agents.optimizer.generators.limits import tightened

            return molecule_generator(tightened(goal.space, goal.objectives))
        case CrystalSpace():
            from novum.agents.optimizer.generators.crystals import CrystalGenerator

            return CrystalGenerator(goal.space)
        case PoolSpace():
            from novum.agents.optimizer.generators.pool import PoolGenerator

            return PoolGenerator(goal.space)
        case ParameterSpace():
            from novum.agents.optimizer.generators.parameters import ParameterGenerator

            return ParameterGenerator(goal.space)
