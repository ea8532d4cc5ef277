"""Arguments to try a tool with, made from its schema: usual ones, those at the edge, and wrong ones."""

from collections.abc import Iterator, Mapping
from typing import Any

from novum.core.calls import ToolSpec

MEANINGLESS = ("\x00", "no such thing 12345", "é" * 5, "x" * 2000)
"""Texts that mean nothing to any tool."""

NONSENSE = ("", *MEANINGLESS)


class NoSampleError(Exception):
    """No value of an argument can be guessed."""


def sample(spec: ToolSpec) -> dict[str, Any]:
    """Return arguments that a tool should be able to compute with.

    Raises:
        NoSampleError: a required argument's schema neither has examples nor says what would fit.
    """
    schema = spec.parameters
    return {
        name: usual(name, schema["properties"][name], schema.get("$defs", {}))
        for name in schema.get("required", ())
    }


def usual(name: str, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Any:
    """Return a value that fits a schema.

    Raises:
        NoSampleError: none can be guessed.

    Example:
        >>> usual("t", {"type": "number", "minimum": 273, "maximum": 373}, {})
        323.0
    """
    schema = _resolved(schema, defs)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    match schema.get("type"):
        case "number":
            return _middle(schema)
        case "integer":
            return round(_middle(schema))
        case "boolean":
            return False
        case "array":
            if not schema.get("minItems"):
                return []
            return [usual(name, schema.get("items") or {}, defs)] * schema["minItems"]
        case "object" if not schema.get("required"):
            return {}
        case "object":
            return {key: usual(key, schema["properties"][key], defs) for key in schema["required"]}
    raise NoSampleError(
        f"nothing says what {name!r} may be: give the tool an Example, or its parameter Field(examples=[...])"
    )


def edges(spec: ToolSpec, base: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield arguments that the schema allows and that are hard: ends of ranges, zero, nonsense."""
    for name, schema in spec.parameters.get("properties", {}).items():
        schema = _resolved(schema, spec.parameters.get("$defs", {}))
        for value in _hard(schema):
            shown = repr(value) if len(repr(value)) < 40 else f"{repr(value)[:36]}…"
            yield f"{name}={shown}", {**base, name: value}


def wrong(spec: ToolSpec, base: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield arguments that no tool may take: unknown, missing, of another type or out of range."""
    yield "an unknown argument", {**base, "no_such_argument": 1}
    for name, schema in spec.parameters.get("properties", {}).items():
        schema = _resolved(schema, spec.parameters.get("$defs", {}))
        if name in spec.parameters.get("required", ()):
            yield f"without {name}", {key: value for key, value in base.items() if key != name}
        if schema.get("type") in ("number", "integer"):
            yield f"{name} as a text", {**base, name: "seven"}
            if "minimum" in schema:
                yield f"{name} below its range", {**base, name: schema["minimum"] - 1}
            if "maximum" in schema:
                yield f"{name} above its range", {**base, name: schema["maximum"] + 1}
        elif schema.get("type") == "string":
            yield f"{name} as a number", {**base, name: 7}


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its reference followed, and the first of its alternatives taken."""
    for _ in range(8):
        if "$ref" in schema:
            schema = {**defs.get(schema["$ref"].rpartition("/")[2], {}), **_without(schema, "$ref")}
        elif "anyOf" in schema and "default" not in schema:
            schema = {**schema["anyOf"][0], **_without(schema, "anyOf")}
        else:
            break
    return schema


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def _ends(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return low, high


def _middle(schema: Mapping[str, Any]) -> float:
    low, high = _ends(schema)
    if low is not None and high is not None:
        return float((low + high) / 2)
    if low is not None:
        return float(low + max(1.0, abs(low)))
    return float(high - max(1.0, abs(high))) if high is not None else 1.0


def _hard(schema: Mapping[str, Any]) -> list[Any]:
    if "enum" in schema or "const" in schema:
        return list(schema.get("enum", ()))[-1:]
    kind = schema.get("type")
    if kind in ("number", "integer"):
        low, high = _ends(schema)
        whole = kind == "integer"
        least: list[float] = [-1e12, 0.0] if low is None else [low]
        most: list[float] = [1e12] if high is None else [high]
        step = 1 if whole else 1e-9
        if "exclusiveMinimum" in schema:
            least = [least[0] + max(step, step * abs(least[0]))]
        if "exclusiveMaximum" in schema:
            most = [most[0] - max(step, step * abs(most[0]))]
        return [int(value) if whole else float(value) for value in (*least, *most)]
    if kind == "string":
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 10_000)
        return [text for text in NONSENSE if shortest <= len(text) <= longest]
    return [[]] if kind == "array" and not schema.get("minItems") else []
