"""Calls beside the experiments: which tools a planner that asks a model may wish for."""

from collections.abc import Mapping

from novum.core.calls import ToolSpec
from novum.core.spaces import Space
from novum.tools.registry import Registry
from novum.workflows.assays import Assay, argument_names

MOST_TOOLS = 6
"""Tools that a model is told of; more of them make a model choose worse."""


def auxiliary_tools(assays: Mapping[str, Assay], space: Space, registry: Registry) -> tuple[ToolSpec, ...]:
    """Return the tools that say something about candidates of a space, cheapest first.

    None of them measures a property of the goal, by whatever method: what the goal is about is measured by
    experiments alone, after a prediction was registered. None asks for the network.
    """
    given = set(argument_names(space))
    found = [
        tool.spec
        for tool in registry.tools()
        if registry.is_available(tool.spec)
        and not tool.spec.hosts
        and not any(tool.spec.find_property(name) for name in assays)
        and (required := set(tool.spec.parameters.get("required", ())))
        and required <= given
    ]
    return tuple(sorted(found, key=lambda spec: (spec.nominal_cost_s, spec.name))[:MOST_TOOLS])
