"""Planners by name."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

from novum.agents.base import Planner
from novum.core.errors import UsageError

if TYPE_CHECKING:
    from novum.agents.models.base import Model

PLANNERS = ("optimizer", "random")
"""Names of the planners that need nothing but this package."""

MODEL_PLANNERS = ("scientist",)
"""Names of the planners that ask a language model."""

AUTO = "auto"
"""The scientist where a model is set up, else the optimiser."""


def open_planner(name: str, *, model: "Model | None" = None) -> Planner:
    """Return the planner called `name`.

    Args:
        name: one of `PLANNERS`, or of `MODEL_PLANNERS`.
        model: whom the latter asks.

    Raises:
        UsageError: there is none, or it needs a model and has none.

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
        case "scientist" if model is not None:
            from novum.agents.scientist.planner import ScientistPlanner

            return ScientistPlanner(model)
        case "scientist":
            raise UsageError(
                "planner 'scientist' asks a language model, and none is set up; "
                "'novum model add' makes one known, '--model' names one"
            )
    known = (*PLANNERS, *MODEL_PLANNERS)
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, known))}"
    raise UsageError(f"unknown planner {name!r}; {hint}")
