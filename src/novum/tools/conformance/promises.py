"""What a tool says of itself: descriptions, schema, units, ranges."""

from typing import Any

from novum.core.calls import ToolSpec
from novum.core.errors import UnitError
from novum.core.quantity import DIMENSIONLESS, canonical_unit
from novum.core.text import clean_text
from novum.tools.conformance.report import Report


def check_promises(spec: ToolSpec, report: Report, *, remote: bool) -> None:
    """Check what a tool says of itself; of a server's, less is asked.

    Args:
        spec: of the tool.
        report: takes what is found.
        remote: whether the tool is one of an MCP server.
    """
    _check_description(spec, report)
    _check_schema(spec, report, remote=remote)
    _check_units(spec, report)
    if remote:
        report.skip("ranges", "a server's schema seldom states what can occur")
    else:
        _check_ranges(spec, report)


def _check_description(spec: ToolSpec, report: Report) -> None:
    faults = [] if len(spec.description) >= 20 else ["its description has fewer than 20 characters"]
    faults += [
        f"argument {name!r} is not described"
        for name, schema in _arguments(spec).items()
        if not schema.get("description")
    ]
    faults += [f"it has no {what}" for what in ("version", "method") if not getattr(spec, what).strip()]
    report.add("docstring", faults, kept="the tool and its arguments are described")
    if not spec.source:
        report.note("source", "no reference says where its method comes from")


def _check_schema(spec: ToolSpec, report: Report, *, remote: bool) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    faults = []
    try:
        Draft202012Validator.check_schema(spec.parameters)
    except SchemaError as error:
        faults.append(clean_text(error.message, limit=200))
    if not remote and spec.parameters.get("additionalProperties") is not False:
        faults.append("it takes arguments that it does not name")
    faults += [
        f"argument {name!r} has no type"
        for name, schema in _arguments(spec).items()
        if not {"type", "enum", "const", "anyOf", "allOf", "oneOf", "$ref"} & set(schema)
    ]
    n = len(_arguments(spec))
    report.add("schema", faults, kept=f"{n} {'argument' if n == 1 else 'arguments'}")


def _check_units(spec: ToolSpec, report: Report) -> None:
    units = {f"property {p.name!r}": p.unit for p in spec.properties}
    units |= {f"argument {n!r}": s["x-unit"] for n, s in _arguments(spec).items() if "x-unit" in s}
    faults = []
    for where, unit in units.items():
        try:
            canonical_unit(unit)
        except UnitError as error:
            faults.append(f"{where}: {error}")
    stated = sorted({unit for unit in units.values() if unit != DIMENSIONLESS})
    report.add("units", faults, kept=", ".join(stated) or "pure numbers only")
    bare = [n for n, s in _arguments(spec).items() if s.get("type") == "number" and "x-unit" not in s]
    if bare:
        report.note("units", f"taken as pure numbers: {', '.join(bare)}")


def _check_ranges(spec: ToolSpec, report: Report) -> None:
    faults = [
        f"property {p.name!r} says neither which values can occur (ge, le) nor which are usual"
        for p in spec.properties
        if p.low is None and p.high is None and p.usual is None
    ]
    report.add("ranges", faults, kept="every property says what can occur or is usual")


def _arguments(spec: ToolSpec) -> dict[str, Any]:
    found: dict[str, Any] = spec.parameters.get("properties", {})
    return found
