"""The program inside the sandbox: JSON in, JSON out."""

import importlib
from typing import Any

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Tool

ENTRY = f"{__name__}:call"
"""What a sandbox is asked to run."""


def call(entry: str, arguments: dict[str, Any], seed: int) -> dict[str, Any]:
    """Call the tool at `entry` and return its answer as JSON data.

    Returns:
        ``{"properties": {name: {"value", "unit", "std"?} or None}, "details", "warnings", "method"}``.
        A property that the tool left out on purpose is None.

    Raises:
        ToolArgumentError: the arguments do not fit.
        ToolFailedError: the calculation failed, or `entry` names no tool.
    """
    return answer_of(load_tool(entry), arguments, seed=seed)


def answer_of(found: Tool[..., Properties], arguments: dict[str, Any], *, seed: int) -> dict[str, Any]:
    """Call a tool and return its answer as JSON data.

    Raises:
        ToolArgumentError: the arguments do not fit.
        ToolFailedError: the calculation failed.
    """
    answer = found.invoke(arguments, seed=seed)
    return {
        "properties": {spec.name: _quantity(answer, spec.name, spec.unit) for spec in found.spec.properties},
        "details": answer.details,
        "warnings": list(answer.warnings),
        "method": answer.ran or found.spec.method,
    }


def load_tool(entry: str) -> Tool[..., Properties]:
    """Return the tool at ``package.module:name``, importing its module.

    Raises:
        ToolFailedError: there is no tool.
    """
    module, _, name = entry.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, Tool):
        raise ToolFailedError(f"{entry!r} is not a tool; it must be a function under @tool")
    return found


def _quantity(answer: Properties, name: str, unit: str) -> dict[str, Any] | None:
    value = getattr(answer, name)
    if value is None:
        return None
    spread = {"std": answer.std[name]} if name in answer.std else {}
    return {"value": float(value), "unit": unit, **spread}
