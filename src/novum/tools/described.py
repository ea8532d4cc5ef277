"""A tool that is known by its description only: its code is never loaded into our process."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from novum.core.calls import ToolSpec
from novum.core.digest import canonical_json
from novum.core.errors import ToolArgumentError, UsageError
from novum.core.frozen import Frozen
from novum.core.quantity import canonical_unit
from novum.core.text import clean_text
from novum.sandbox.base import Profile
from novum.tools.arguments import explain, to_unit
from novum.tools.base import TOOL_NAME, installed_version
from novum.tools.examples import Example
from novum.tools.schema_references import TooManyReferencesError, bounded_validator, references_fault

LONGEST_NAME: Final = 64
MOST_PROPERTIES: Final = 128
MOST_SCHEMA_BYTES: Final = 100_000
DEEPEST_SCHEMA: Final = 16
LONGEST_CALL_S: Final = 86_400.0
"""A day: no tool of a stranger may ask for more."""

_TEXTS: Final = 4000
_DROPPED: Final = frozenset(
    {
        "pattern",
        "patternProperties",
        "propertyNames",
        "format",
        "unevaluatedItems",
        "unevaluatedProperties",
        "$id",
        "$schema",
    }
)
"""Keywords that a stranger's schema could keep us busy with; the tool itself still holds to them."""


class DescriptionError(UsageError):
    """A description that cannot be a tool's."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What the sandbox is asked to run for one call."""

    entry: str
    arguments: dict[str, Any]
    profile: Profile
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Input files: name inside → content."""
    hosts: tuple[str, ...] = ()


class Needs(Frozen):
    """What a tool asks for beyond computing: what a person grants, or not."""

    libraries: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    gpu: bool = False
    timeout_s: float
    memory_mb: int


class DescribedTool:
    """A plugin's tool, or one of an MCP server: it runs in the sandbox, and nowhere else.

    Args:
        spec: what it says of itself, checked by `checked_spec`.
        origin: where it comes from, for people.
        kind: ``file``, ``package`` or ``mcp``.
        code: SHA-256 of what runs, without its libraries: what a person trusts.
        launch: makes a sandbox's request of arguments and seed.
        libraries: distributions that it computes with.
        examples: calls whose values are known.
        cacheable: whether equal calls may be answered from the cache.
    """

    def __init__(
        self,
        spec: ToolSpec,
        *,
        origin: str,
        kind: Literal["file", "package", "mcp"],
        code: str,
        launch: Callable[[Mapping[str, Any], int], Launch],
        libraries: tuple[str, ...] = (),
        examples: tuple[Example, ...] = (),
        cacheable: bool = True,
    ) -> None:
        self.spec = spec
        self.origin = origin
        self.kind = kind
        self.code = code
        self.launch = launch
        self.libraries = libraries
        self.examples = examples
        self.cacheable = cacheable

    def __repr__(self) -> str:
        return f"DescribedTool({self.spec.name!r}, from {self.origin!r})"

    @property
    def needs(self) -> Needs:
        """What a person is asked to grant."""
        spec = self.spec
        return Needs(
            libraries=self.libraries,
            hosts=spec.hosts,
            files=spec.files,
            gpu=spec.gpu,
            timeout_s=spec.timeout_s,
            memory_mb=spec.memory_mb,
        )

    def missing_libraries(self) -> tuple[str, ...]:
        """Return the libraries that it computes with and that are not installed."""
        return tuple(name for name in self.libraries if installed_version(name) is None)

    def normalise(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return `arguments` in the tool's own units, with every default of the schema filled in.

        What the schema leaves open is checked by the tool itself, inside its sandbox.

        Raises:
            ToolArgumentError: a name, type, unit or value that does not fit, with what would.
        """
        known: dict[str, Any] = self.spec.parameters.get("properties", {})
        given = {name: schema["default"] for name, schema in known.items() if "default" in schema}
        for name, value in arguments.items():
            unit = known.get(name, {}).get("x-unit")
            given[name] = to_unit(value, unit, tool=self.spec.name, argument=name) if unit else value
        given = {name: _as_number(value, known.get(name, {})) for name, value in given.items()}
        try:
            canonical_json(given)
        except (ValueError, TypeError, RecursionError) as error:
            raise ToolArgumentError(
                f"{self.spec.name}: arguments must be JSON data without NaN or infinity: {error}"
            ) from error
        problems = _problems(given, self.spec.parameters)
        if problems:
            raise ToolArgumentError(f"{self.spec.name}: {'; '.join(problems)}")
        return given


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that a schema names, as one, as several, or as alternatives.

    Example:
        >>> sorted(types_of({"type": ["integer", "null"]}))
        ['integer', 'null']
    """
    options = schema.get("anyOf")
    found: set[str] = set()
    for one in (schema, *(options if isinstance(options, list) else ())):
        named = one.get("type") if isinstance(one, dict) else None
        found |= {kind for kind in (named if isinstance(named, list) else [named]) if isinstance(kind, str)}
    return frozenset(found)


def _as_number(value: Any, schema: Any) -> Any:
    """Return 5 as 5.0 where any number may stand, so that equal requests are equal."""
    if not isinstance(schema, dict):  # True and False are schemas too, and say nothing of numbers
        return value
    if isinstance(value, list):
        return [_as_number(item, schema.get("items")) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    options = types_of(schema)
    if "integer" in options:
        return int(value) if math.isfinite(value) and value == int(value) else value
    return float(value) if "number" in options and abs(value) < 2**53 else value


def _problems(given: Mapping[str, Any], schema: dict[str, Any]) -> list[str]:
    from referencing.exceptions import Unresolvable

    known = list(schema.get("properties", {}))
    validator = bounded_validator(schema)
    found = []
    try:
        for error in validator.iter_errors(given):
            place = ".".join(map(str, error.absolute_path))
            if error.validator == "required" and not error.absolute_path:
                missing = [name for name in error.validator_value if name not in given]
                found += [explain("missing", name, given=None, known=known) for name in missing]
            elif error.validator == "additionalProperties" and not error.absolute_path:
                extra = [name for name in given if name not in known]
                found += [explain("unknown", name, given=given[name], known=known) for name in extra]
            else:
                said = f"{error.validator} is {error.validator_value!r}"
                found.append(explain(clean_text(said, limit=200), place, given=error.instance, known=known))
    except (RecursionError, ArithmeticError, Unresolvable, TooManyReferencesError) as error:
        raise ToolArgumentError(f"the tool's schema leads nowhere: {type(error).__name__}") from error
    return list(dict.fromkeys(found))


def checked_schema(schema: Any, *, what: str) -> dict[str, Any]:
    """Return a stranger's JSON schema of an object, with what could keep us busy left out.

    Raises:
        DescriptionError: it is no schema of an object, too large, too deep, or refers to elsewhere.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise DescriptionError(f"{what} is not the JSON schema of an object")
    try:
        size = len(json.dumps(schema))
    except (RecursionError, TypeError, ValueError) as error:
        raise DescriptionError(f"{what} is no JSON, or nested too deep") from error
    if size > MOST_SCHEMA_BYTES:
        raise DescriptionError(f"{what} is larger than {MOST_SCHEMA_BYTES} bytes")
    kept: dict[str, Any] = _kept(schema, what=what, depth=0)
    kept.setdefault("type", "object")
    kept.setdefault("properties", {})
    try:
        Draft202012Validator.check_schema(kept)
    except SchemaError as error:
        raise DescriptionError(f"{what} is no JSON schema: {clean_text(error.message, limit=300)}") from error
    except (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise DescriptionError(f"{what} is no JSON schema: {type(error).__name__}") from error
    if any(not isinstance(one, dict) for one in kept["properties"].values()):
        raise DescriptionError(f"{what}: each argument needs a schema of its own")
    fault = references_fault(kept)
    if fault:
        raise DescriptionError(clean_text(f"{what} {fault}", limit=300))
    return kept


def _kept(part: Any, *, what: str, depth: int) -> Any:
    if depth > DEEPEST_SCHEMA:
        raise DescriptionError(f"{what} is nested deeper than {DEEPEST_SCHEMA} levels")
    if isinstance(part, str):
        return clean_text(part, limit=_TEXTS)
    if isinstance(part, list):
        return [_kept(item, what=what, depth=depth + 1) for item in part]
    if isinstance(part, int) and not isinstance(part, bool) and abs(part) > sys.float_info.max:
        raise DescriptionError(f"{what} holds a number that is larger than any that a tool can take")
    if not isinstance(part, dict):
        return part
    if not all(isinstance(key, str) and key.isprintable() for key in part):
        raise DescriptionError(f"{what} holds a name with characters that cannot be shown")
    for key in ("$ref", "$dynamicRef"):
        target = part.get(key)
        if isinstance(target, str) and not target.startswith("#"):
            raise DescriptionError(f"{what} refers to {clean_text(target, limit=100)!r}, outside of itself")
    # below "properties" the keys are names of arguments, which may be called like a keyword
    for key in ("properties", "$defs"):
        named = part.get(key)
        if isinstance(named, dict) and not all(isinstance(n, str) and n.isprintable() for n in named):
            raise DescriptionError(f"{what} holds a name with characters that cannot be shown")
    return {
        key: {name: _kept(one, what=what, depth=depth + 2) for name, one in value.items()}
        if key in ("properties", "$defs") and isinstance(value, dict)
        else _kept(value, what=what, depth=depth + 1)
        for key, value in part.items()
        if key not in _DROPPED
    }


def checked_spec(spec: ToolSpec) -> ToolSpec:
    """Return a stranger's description of a tool with its texts made harmless.

    Raises:
        DescriptionError: a name, schema, unit or host that cannot be a tool's.
        UnitError: a unit that is not known.
    """
    from novum.sandbox.network.grants import check_grants

    if not 0 < len(spec.name) <= LONGEST_NAME:
        raise DescriptionError(f"the name {spec.name[:100]!r} has more than {LONGEST_NAME} characters")
    if not TOOL_NAME.fullmatch(spec.name):  # it is shown, typed, and looked up as it is
        raise DescriptionError(f"the name {spec.name!a} is not dotted lower case, as 'chemistry.xtb'")
    if not spec.timeout_s <= LONGEST_CALL_S:
        raise DescriptionError(f"{spec.name} asks for calls of more than a day")
    if len(spec.properties) > MOST_PROPERTIES:
        raise DescriptionError(f"{spec.name} promises more than {MOST_PROPERTIES} properties")
    for promised in spec.properties:
        canonical_unit(promised.unit)
        if not promised.name.isidentifier():
            raise DescriptionError(f"{spec.name}: {promised.name[:100]!r} cannot be the name of a property")
    check_grants(spec.hosts)
    for path in spec.files:
        if not path.startswith("/"):
            raise DescriptionError(f"{spec.name} asks to read {path[:200]!r}, which is no absolute path")
    parameters = checked_schema(spec.parameters, what=f"the schema of {spec.name}'s arguments")
    for argument in parameters["properties"].values():
        if "x-unit" in argument:
            if not isinstance(argument["x-unit"], str):
                raise DescriptionError(f"{spec.name}: the unit {argument['x-unit']!r:.100} is no text")
            canonical_unit(argument["x-unit"])
    return spec.model_copy(
        update={
            "description": clean_text(spec.description, limit=_TEXTS),
            "method": clean_text(spec.method, limit=100),
            "version": clean_text(spec.version, limit=50),
            "source": clean_text(spec.source, limit=_TEXTS),
            "entry": clean_text(spec.entry, limit=200),
            "files": tuple(clean_text(path, limit=500) for path in spec.files),
            "parameters": parameters,
            "properties": tuple(
                p.model_copy(update={"description": clean_text(p.description, limit=500)})
                for p in spec.properties
            ),
        }
    )
