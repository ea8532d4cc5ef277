"""Assays: how each property of a goal is measured, and by what it can be confirmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from novum.core.calls import PropertySpec, ToolCall, ToolSpec
from novum.core.errors import GoalError, MissingExtraError
from novum.core.goals import MANUAL, POOL, Goal, Objective
from novum.core.quantity import Quantity
from novum.core.spaces import Candidate, ParameterSpace, PoolSpace, Space
from novum.tools.registry import Registry

MANUAL_COST_S = 3600.0
"""Declared duration of a measurement by a person, for planning alone."""


@dataclass(frozen=True, slots=True)
class Assay:
    """How one property is measured."""

    objective: Objective
    source: Literal["tool", "manual", "pool"]
    tool: ToolSpec | None
    measured: PropertySpec
    """What the source says of the property: unit, bounds, method error."""

    @property
    def method(self) -> str:
        """The physics, the algorithm, the table or the person that measures."""
        return self.tool.method if self.tool else self.source

    @property
    def source_name(self) -> str:
        """The tool's name, or what stands for it, as measurements carry it."""
        return self.tool.name if self.tool else self.source

    @property
    def name(self) -> str:
        """The tool as ``name@version``, or what stands for it."""
        return f"{self.tool.name}@{self.tool.version}" if self.tool else self.source

    @property
    def cost_s(self) -> float:
        """Declared duration of one measurement, in seconds."""
        if self.tool:
            return self.tool.nominal_cost_s
        return MANUAL_COST_S if self.source == MANUAL else 1.0


def choose_assays(goal: Goal, registry: Registry) -> dict[str, Assay]:
    """Return how each property of the goal is measured, by property, in the goal's order.

    Raises:
        GoalError: a tool needs an argument that neither the space nor the options give.
        MissingExtraError: a tool's optional library is not installed.
    """
    return {o.property: _choose(o, goal.space, registry) for o in goal.objectives}


def _choose(objective: Objective, space: Space, registry: Registry) -> Assay:
    name = objective.property
    if objective.tool == MANUAL:
        spec = PropertySpec(name=name, unit=objective.unit, description="measured by a person")
        return Assay(objective, "manual", None, spec)
    if objective.tool == POOL:
        spec = PropertySpec(name=name, unit=objective.unit, description="a column of the pool")
        return Assay(objective, "pool", None, spec)
    if objective.tool:
        tool = registry.get(objective.tool).spec
    else:
        offered = registry.for_property(name)
        usable = [spec for spec in offered if registry.is_available(spec)]
        tool = usable[0] if usable else offered[0]
    _require_available(tool, registry)
    missing = missing_arguments(tool, space, objective.options)
    if missing:
        raise GoalError(
            f"{name}: {tool.name} needs {', '.join(missing)}, which the space does not give; "
            f"add it under 'options'"
        )
    found = tool.find_property(name)
    assert found is not None
    return Assay(objective, "tool", tool, found)


def missing_arguments(tool: ToolSpec, space: Space, options: Mapping[str, Any]) -> list[str]:
    """Return the required arguments of `tool` that neither the space nor the options give."""
    given = set(argument_names(space)) | set(options)
    return [name for name in tool.parameters.get("required", ()) if name not in given]


def argument_names(space: Space) -> tuple[str, ...]:
    """Return the names of the arguments that every candidate of the space has."""
    if isinstance(space, ParameterSpace):
        return tuple(p.name for p in space.parameters)
    if isinstance(space, PoolSpace):
        return tuple(space.rows[0].arguments) + (("smiles",) if space.smiles else ())
    return ("smiles",)


def tool_call(
    tool: ToolSpec,
    candidate: Candidate,
    options: Mapping[str, Any],
    *,
    smiles: str | None = None,
    seed: int = 0,
    replicate: int = 0,
) -> ToolCall:
    """Return the call that measures `candidate`: its arguments by name, then the options.

    `smiles` is the candidate's argument that holds its SMILES where that is not "smiles".
    """
    arguments = dict(candidate.arguments)
    if smiles and smiles != "smiles":
        arguments["smiles"] = arguments[smiles]
    known = tool.parameters.get("properties", {})
    chosen = {name: value for name, value in arguments.items() if name in known}
    return ToolCall(tool=tool.name, arguments={**chosen, **options}, seed=seed, replicate=replicate)


def find_confirming_tool(assay: Assay, goal: Goal, registry: Registry) -> ToolSpec | None:
    """Return the independent tool that confirms a property, or None if none can here.

    Raises:
        MissingExtraError: the goal names a tool whose optional library is not installed.
    """
    if assay.tool is None or goal.confirmation.method == "none":
        return None
    offered = registry.independent(assay.objective.property, assay.method)
    if goal.confirmation.method != "auto":
        named = registry.get(goal.confirmation.method).spec
        if named not in offered:
            return None
        _require_available(named, registry)
        return named
    return next((spec for spec in offered if registry.is_available(spec)), None)


def _require_available(tool: ToolSpec, registry: Registry) -> None:
    if not registry.is_available(tool):
        raise MissingExtraError(feature=f"tool {tool.name!r}", extra=tool.extra or tool.name)


def scale_of(assay: Assay) -> float:
    """Return the width over which a property varies usefully, in the objective's unit.

    The width of the objective's own bounds where it has two; else a quarter of the usual or the possible
    range that its tool declares; else a quarter of its bound's size; else 1.
    """
    objective, spec = assay.objective, assay.measured
    if objective.low is not None and objective.high is not None:
        return objective.high - objective.low
    ends = spec.usual or (spec.low, spec.high)
    if ends[0] is not None and ends[1] is not None:
        low, high = (
            Quantity(value=end, unit=spec.unit).to(objective.unit).value for end in ends if end is not None
        )
        return max(abs(high - low) / 4, 1e-12)
    bound = objective.low if objective.low is not None else objective.high
    if bound:
        return max(abs(bound) / 4, 1e-12)
    return 1.0


def scales_of(assays: Mapping[str, Assay]) -> dict[str, float]:
    """Return the scale of every property, as `core.judgement.merit` needs them."""
    return {name: scale_of(assay) for name, assay in assays.items()}
