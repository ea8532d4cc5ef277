"""Planners by name."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from novum.agents.base import Planner
from novum.core.errors import UsageError
from novum.core.extensions import extension_names, open_extension

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
        name: one of `PLANNERS`, of `MODEL_PLANNERS`, or what a package offers as ``novum.planners``.
        model: whom the latter asks.

    Raises:
        UsageError: there is none, or it needs a model and has none.
        ExtensionError: a package offers it, and it cannot be loaded.

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
    offered = open_extension("planner", name)
    if offered is not None:
        return cast(Planner, offered)
    known = (*PLANNERS, *MODEL_PLANNERS, *extension_names("planner"))
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, known))}"
    raise UsageError(f"unknown planner {name!r}; {hint}")
