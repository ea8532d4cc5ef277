"""Assays: how each property of a goal is measured, and by what it can be confirmed."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from novum.core.calls import PropertySpec, ToolCall, ToolSpec
from novum.core.errors import GoalError
from novum.core.goals import MANUAL, POOL, Goal, Objective
from novum.core.quantity import DIMENSIONLESS, Quantity, canonical_unit, convert, is_compatible
from novum.core.spaces import Candidate, CrystalSpace, ParameterSpace, PoolSpace, Space
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
    _check_units(tool, space)
    _check_options(tool, objective.options)
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
    return ("structure",) if isinstance(space, CrystalSpace) else ("smiles",)


def tool_call(
    tool: ToolSpec,
    candidate: Candidate,
    options: Mapping[str, Any],
    *,
    space: Space,
    seed: int = 0,
    replicate: int = 0,
) -> ToolCall:
    """Return the call that measures `candidate`: its arguments in the tool's units, then the options."""
    arguments = dict(candidate.arguments)
    if isinstance(space, PoolSpace) and space.smiles:
        arguments["smiles"] = arguments[space.smiles]
    known = tool.parameters.get("properties", {})
    units = parameter_units(space)
    chosen = {
        name: convert(value, units[name], known[name]["x-unit"])
        if name in units and "x-unit" in known[name]
        else value
        for name, value in arguments.items()
        if name in known
    }
    return ToolCall(tool=tool.name, arguments={**chosen, **options}, seed=seed, replicate=replicate)


def parameter_units(space: Space) -> dict[str, str]:
    """Return the units of a space's parameters, by name; those without a unit are left out."""
    if not isinstance(space, ParameterSpace):
        return {}
    units = {p.name: canonical_unit(p.unit) for p in space.parameters if p.kind != "choice"}
    return {name: unit for name, unit in units.items() if unit != DIMENSIONLESS}


def _check_units(tool: ToolSpec, space: Space) -> None:
    """Hold the units of a space's parameters against those of a tool's arguments.

    Raises:
        GoalError: they do not fit, or only one side states a unit.
    """
    units = parameter_units(space)
    numeric = argument_names(space) if isinstance(space, ParameterSpace) else ()
    for name, schema in tool.parameters.get("properties", {}).items():
        wanted, given = schema.get("x-unit"), units.get(name)
        if name not in numeric or (wanted is None and given is None):
            continue
        if wanted is None or given is None or not is_compatible(given, wanted):
            raise GoalError(
                f"parameter {name!r} is in {given or 'no unit'}, but {tool.name} takes it in "
                f"{wanted or 'no unit'}; state the unit that fits"
            )


def find_confirming_tool(assay: Assay, goal: Goal, registry: Registry) -> ToolSpec | None:
    """Return the independent tool that confirms a property, or None if none can here.

    A tool that cannot be asked under the same conditions (a solvent, say) checks something else; it is
    taken only where the goal names it and gives it options of its own.

    Raises:
        GoalError: the goal names a tool that cannot take the objective's options.
        MissingExtraError: the goal names a tool whose optional library is not installed.
    """
    confirmation, options = goal.confirmation, assay.objective.options
    if assay.tool is None or confirmation.method == "none":
        return None
    offered = registry.independent(assay.objective.property, assay.method)
    if confirmation.method == "auto":
        fitting = [spec for spec in offered if not _unknown_options(spec, options)]
        return next((spec for spec in fitting if registry.is_available(spec)), None)
    named = registry.get(confirmation.method).spec
    if named not in offered:
        return None
    _require_available(named, registry)
    _check_options(named, confirmation.options)
    unknown = _unknown_options(named, options)
    if unknown and not confirmation.options:
        raise GoalError(
            f"{named.name} cannot confirm {assay.objective.property!r} with {', '.join(unknown)}; "
            "give it options of its own under 'confirmation: options', or choose another method"
        )
    return named


def confirming_options(tool: ToolSpec, assay: Assay, goal: Goal) -> dict[str, Any]:
    """Return what the confirming tool is asked for: the objective's options that it knows, then its own."""
    known = tool.parameters.get("properties", {})
    same = {name: value for name, value in assay.objective.options.items() if name in known}
    return {**same, **goal.confirmation.options}


def _check_options(tool: ToolSpec, options: Mapping[str, Any]) -> None:
    """Hold the names of options against those that a tool knows.

    Raises:
        GoalError: it does not know one; names the nearest.
    """
    known = list(tool.parameters.get("properties", {}))
    for name in _unknown_options(tool, options):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; it takes {', '.join(known)}"
        raise GoalError(f"{tool.name} has no option {name!r}{hint}")


def _unknown_options(tool: ToolSpec, options: Mapping[str, Any]) -> list[str]:
    known = tool.parameters.get("properties", {})
    return [name for name in options if name not in known]


def _require_available(tool: ToolSpec, registry: Registry) -> None:
    registry.require(tool.name)


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
