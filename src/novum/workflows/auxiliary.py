"""Calls beside the experiments: which tools a planner that asks a model may wish for."""

from collections.abc import Mapping

from novum.agents.scientist.toolbox import Toolbox
from novum.core.calls import ToolSpec
from novum.core.spaces import Space
from novum.tools.files import written_parameters
from novum.tools.registry import Registry
from novum.workflows.assays import Assay, argument_names

MOST_TOOLS = 6
"""Tools that a model is told of; more of them make a model choose worse."""


def auxiliary_tools(assays: Mapping[str, Assay], space: Space, registry: Registry) -> tuple[ToolSpec, ...]:
    """Return the tools that say something about candidates of a space, cheapest first.

    They take what a candidate has, or what another of them gives.
    None of them measures a property of the goal, by whatever method: what the goal is about is measured by
    experiments alone, after a prediction was registered. None asks for the network. Of many, those are
    chosen that speak of what the goal is about, and then the cheapest. Tools that run what a model writes
    come on top.
    """
    given = set(argument_names(space))
    found = sorted(
        (
            tool.spec
            for tool in registry.tools()
            if registry.is_available(tool.spec)
            and not tool.spec.hosts
            and not any(tool.spec.find_property(name) for name in assays)
            and tool.spec.parameters.get("required", ())
        ),
        key=lambda spec: (spec.nominal_cost_s, spec.name),
    )
    box = Toolbox(spec for spec in found if not written_parameters(spec))
    measuring = [spec for spec in box.specs if box.is_within_reach(spec, given=given)]
    if len(measuring) > MOST_TOOLS:
        relevant = Toolbox(measuring).select(_topic(assays), MOST_TOOLS, given=given)
        direct = [spec for spec in measuring if set(spec.parameters["required"]) <= given]
        measuring = list({spec.name: spec for spec in (*relevant, *direct)}.values())[:MOST_TOOLS]
    chosen = {spec.name for spec in measuring}
    return tuple(
        spec
        for spec in found
        if spec.name in chosen
        or ((written := written_parameters(spec)) and set(spec.parameters["required"]) <= given | written)
    )


def _topic(assays: Mapping[str, Assay]) -> str:
    """Return what the goal is about, in words."""
    return ". ".join(f"{name}: {assay.measured.description}" for name, assay in assays.items())
