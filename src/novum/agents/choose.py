"""Planners by name."""

from difflib import get_close_matches

from novum.agents.base import Planner
from novum.core.errors import UsageError

PLANNERS = ("optimizer", "random")
"""Names of the planners that need nothing but this package."""


def open_planner(name: str) -> Planner:
    """Return the planner called `name`.

    Raises:
        UsageError: there is none.

    Example:
        >>> open_planner("random").name
        'random'
    """
    match name:
        case "optimizer":
            from novum.agents.optimizer.planner import OptimizerPlanner

            return OptimizerPlanner()
        case "random":
            from novum.agents.random_planner import RandomPlanner

            return RandomPlanner()
    near = get_close_matches(name.lower(), PLANNERS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, PLANNERS))}"
    raise UsageError(f"unknown planner {name!r}; {hint}")
