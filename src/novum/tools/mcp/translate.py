"""What an MCP server says of a tool → ToolSpec: short names, units where stated, texts marked."""

import re
from collections.abc import Mapping
from typing import Any, Final

from novum.core.calls import PropertySpec, ToolSpec
from novum.core.digest import digest
from novum.core.errors import UnitError
from novum.core.quantity import DIMENSIONLESS, canonical_unit
from novum.core.text import clean_text
from novum.tools.described import (
    LONGEST_NAME,
    MOST_PROPERTIES,
    DescriptionError,
    checked_schema,
    checked_spec,
    types_of,
)

PREFIX: Final = "mcp"

_BRACKETS: Final = re.compile(r"[\[(](?:in |unit: ?)?([^\[\]()]{1,40})[\])]\s*\.?\s*$")
"""A unit at the end of a description, as ``band gap [eV]`` or ``length (in nm)``."""


def to_spec(
    tool: Mapping[str, Any],
    *,
    server: str,
    version: str,
    code: str,
    hosts: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    timeout_s: float,
    memory_mb: int,
) -> ToolSpec:
    """Return a server's tool as a ToolSpec.

    Its properties are the numbers at the top of its output schema. A unit counts where it is stated: under
    ``x-unit``, ``unit`` or ``units`` of the schema, or in brackets at the end of a description. Other
    numbers are pure ones, and say so.

    Raises:
        DescriptionError: its schema cannot be a tool's.
    """
    name = tool_name(server, str(tool["name"]))
    said = clean_text(str(tool.get("description") or ""), limit=2000).strip()
    return checked_spec(
        ToolSpec(
            name=name,
            version=version or "unknown",
            description=f"As the MCP server {server!r} describes it: {said or 'nothing'}",
            entry=f"mcp:{server}:{clean_text(str(tool['name']), limit=100)}",
            parameters=with_units(checked_schema(tool.get("input_schema"), what=f"the schema of {name}")),
            properties=properties_of(tool.get("output_schema")),
            method=clean_text(f"MCP server {server}", limit=100),
            deterministic=False,
            nominal_cost_s=2.0,
            timeout_s=timeout_s,
            memory_mb=memory_mb,
            profile=PREFIX,
            code_hash=code,
            hosts=hosts,
            files=files,
        )
    )


def tool_name(server: str, tool: str) -> str:
    """Return the name of a server's tool here: lower case, with dots, 64 characters at most.

    Example:
        >>> tool_name("time", "get-currentTime")
        'mcp.time.get_current_time'
        >>> len(tool_name("time", "x" * 100))
        64
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", tool).lower()
    plain = re.sub(r"[^a-z0-9_]+", "_", words).strip("_") or "tool"
    name = f"{PREFIX}.{server}.{plain if plain[0].isalpha() else f't_{plain}'}"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}_{digest(tool)[:8]}"


def properties_of(schema: Any) -> tuple[PropertySpec, ...]:
    """Return the numbers at the top of an output schema; none where there is no such schema."""
    fields = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(fields, dict):
        return ()
    found = []
    for name, field in fields.items():
        if not (isinstance(field, dict) and name.isidentifier() and _is_number(field)):
            continue
        unit = stated_unit(field)
        description = clean_text(str(field.get("description") or field.get("title") or name), limit=300)
        found.append(
            PropertySpec(
                name=name,
                unit=unit or DIMENSIONLESS,
                description=description if unit else f"{description} (no unit is stated)",
                low=_bound(field, "minimum"),
                high=_bound(field, "maximum"),
            )
        )
    return tuple(found[:MOST_PROPERTIES])


def with_units(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of arguments with ``x-unit`` where a number's unit is stated in another way."""
    fields = {}
    for name, field in schema["properties"].items():
        unit = stated_unit(field) if _is_number(field) else None
        fields[name] = (
            {**field, "x-unit": unit} if unit else {k: v for k, v in field.items() if k != "x-unit"}
        )
    return {**schema, "properties": fields}


def stated_unit(field: Mapping[str, Any]) -> str | None:
    """Return the unit that a schema states, if novum knows it.

    Example:
        >>> stated_unit({"type": "number", "description": "band gap [eV]"})
        'eV'
        >>> stated_unit({"type": "number", "description": "how many (roughly)"})
    """
    stated = [field.get(key) for key in ("x-unit", "unit", "units")]
    bracketed = _BRACKETS.search(str(field.get("description") or ""))
    for text in (*stated, bracketed and bracketed[1]):
        if not isinstance(text, str) or not text.strip():
            continue
        try:
            unit = canonical_unit(text)
        except UnitError:
            continue
        if unit != DIMENSIONLESS:
            return unit
    return None


def _is_number(field: Mapping[str, Any]) -> bool:
    kinds = types_of(field)
    return bool(kinds & {"number", "integer"}) and kinds <= {"number", "integer", "null"}


def _bound(field: Mapping[str, Any], key: str) -> float | None:
    value = field.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError as error:
        raise DescriptionError(f"a property's {key} is larger than any number that can occur") from error
