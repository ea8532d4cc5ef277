"""`@tool`: a typed function and its docstring become a ToolSpec. The function stays a function."""

import hashlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, ParamSpec, TypeVar

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from novum.core.calls import PropertySpec, ToolSpec
from novum.core.digest import canonical_json
from novum.core.errors import ToolArgumentError, ToolFailedError, UsageError
from novum.core.frozen import Frozen
from novum.core.quantity import DIMENSIONLESS
from novum.tools.arguments import explain, to_unit
from novum.tools.examples import Example, check_examples

TOOL_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
"""What a tool may be called: dotted lower case."""

SEED = "seed"
"""The parameter that receives the seed of the call; it is not an argument that a planner chooses."""


class ToolDefinitionError(UsageError):
    """A function that cannot be a tool as it is written."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks the unit of a parameter or a property, as ``Annotated[float, Unit("K")]``."""

    name: str


@dataclass(frozen=True, slots=True)
class MethodError:
    """Marks a property with its method's typical error: one standard deviation, in its unit."""

    std: float


@dataclass(frozen=True, slots=True)
class Usual:
    """Marks a property with the range, in its unit, that holds about 95 % of usual candidates."""

    low: float
    high: float


class Properties(Frozen):
    """What a tool returns: a subclass names the properties, with units, bounds and descriptions.

    A property that may be absent has the type ``float | None``. Bounds given to `Field` are the values
    that can occur at all; a value outside them is a failed calculation.

    Example:
        >>> class Melting(Properties):
        ...     melting_point: Annotated[float, Unit("K"), Field(description="at 1 atm", ge=0)]
        >>> Melting(melting_point=273.15).melting_point
        273.15
    """

    model_config = ConfigDict(allow_inf_nan=False)

    measures: ClassVar[bool] = True
    """False where the tool gives words and files alone, so that nothing of it can be a measurement."""

    details: dict[str, Any] = {}
    """Anything else worth keeping that JSON can hold; never judged."""
    warnings: tuple[str, ...] = ()
    std: dict[str, float] = {}
    """Standard deviation by property, in the property's unit, where the calculation knows it."""
    ran: str = ""
    """The method that ran, where an argument chooses between several."""


P = ParamSpec("P")
R = TypeVar("R", bound=Properties)


class Tool(Generic[P, R]):
    """A function that a planner can call by name. Calling it directly calls the function."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        spec: ToolSpec,
        arguments: type[BaseModel],
        answer: type[R],
        units: Mapping[str, str],
        libraries: tuple[str, ...],
        examples: tuple[Example, ...] = (),
    ) -> None:
        self.function = function
        self.spec = spec
        self.libraries = libraries
        self.examples = examples
        self._arguments = arguments
        self._answer = answer
        self._units = units
        self.__doc__ = function.__doc__
        self.__wrapped__ = function  # lets inspect and doctest see the function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.spec.name!r})"

    def missing_libraries(self) -> tuple[str, ...]:
        """Return the libraries that it computes with and that are not installed."""
        return tuple(name for name in self.libraries if installed_version(name) is None)

    def normalise(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return `arguments` as JSON data in the tool's own units, with every default filled in.

        Equal requests become equal here, however they were spelt. An argument with a unit may be a
        number in that unit, ``{"value": 26.85, "unit": "degC"}``, or ``"300 K"``.

        Raises:
            ToolArgumentError: a name, type, unit or value that does not fit, with what would.
        """
        return self._parse(arguments).model_dump(mode="json")

    def invoke(self, arguments: Mapping[str, Any], *, seed: int) -> R:
        """Check `arguments` and call the function with them.

        Raises:
            ToolArgumentError: the arguments do not fit.
            ToolFailedError: the calculation failed, or what it returned is no possible result.
        """
        parsed = self._parse(arguments)
        given: dict[str, Any] = {name: getattr(parsed, name) for name in type(parsed).model_fields}
        if self.spec.stochastic_in_seed:
            given[SEED] = seed
        try:
            found = self.function(**given)  # type: ignore[call-arg] # names are those of the signature
        except ValidationError as error:
            reasons = "; ".join(f"{_place(e)}: {e['msg']} (got {e['input']!r})" for e in error.errors())
            raise ToolFailedError(f"the calculation gave an impossible result: {reasons}") from error
        # Units are those of the promised type; another type's numbers may be in others.
        if not isinstance(found, self._answer):
            raise ToolFailedError(
                f"the calculation returned {type(found).__name__!r}, and not the promised "
                f"{self._answer.__name__!r}, in whose units its numbers would be read"
            )
        return found

    def _parse(self, arguments: Mapping[str, Any]) -> BaseModel:
        converted = {
            name: to_unit(value, self._units[name], tool=self.spec.name, argument=name)
            if name in self._units
            else value
            for name, value in arguments.items()
        }
        try:
            return self._arguments.model_validate_json(canonical_json(converted), strict=True)
        except (ValueError, TypeError) as error:
            known = list(self._arguments.model_fields)
            raise ToolArgumentError(f"{self.spec.name}: {_explain(error, known)}") from error


def tool(
    *,
    name: str,
    version: str,
    method: str,
    nominal_cost_s: float = 1.0,
    timeout_s: float = 300.0,
    memory_mb: int = 2048,
    profile: str = "base",
    preload: tuple[str, ...] = (),
    libraries: tuple[str, ...] = (),
    extra: str | None = None,
    deterministic: bool = True,
    hosts: tuple[str, ...] = (),
    gpu: bool = False,
    files: tuple[str, ...] = (),
    examples: tuple[Example, ...] = (),
) -> Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a tool of a function at the top of a module.

    The schema comes from the annotations, the descriptions from a Google docstring. A parameter called
    `seed` receives the seed of the call, and says that the answer depends on it. Import heavy libraries
    inside the function, so that listing the tools stays fast.

    Args:
        name: dotted lower-case name, as ``chemistry.descriptors``.
        version: to be raised whenever the numbers change in a way that the code does not show.
        method: the physics or the algorithm; tools with different methods check each other.
        nominal_cost_s: declared seconds of a usual call.
        timeout_s: seconds after which a call is ended.
        memory_mb: what a call may use at most.
        profile: name of the set of libraries that its sandbox preloads.
        preload: modules that its sandbox imports before the first call.
        libraries: distributions that it computes with; their versions are part of the address of a
            result, and without them the tool is unavailable.
        extra: the optional dependency group of novum that brings them.
        deterministic: whether equal arguments and seed give equal numbers.
        hosts: network hosts that it asks for, as ``name``, ``name:port`` or ``*.domain``; once granted,
            `novum.sandbox.network.open_client` reaches them.
        gpu: whether it asks for the machine's accelerators.
        files: files and folders of the machine that it asks to read, as absolute paths.
        examples: calls whose values are known, which ``novum tools test`` tries.

    Raises:
        ToolDefinitionError: an undocumented or untyped parameter, an incomplete answer type, or an example
            of something else.

    Example:
        >>> class Doubled(Properties):
        ...     twice: Annotated[float, Unit("m"), Field(description="the length, doubled")]
        >>> @tool(name="demo.double", version="1", method="arithmetic")
        ... def double(length: Annotated[float, Unit("m")]) -> Doubled:
        ...     '''Double a length.
        ...
        ...     Args:
        ...         length: what to double.
        ...     '''
        ...     return Doubled(twice=2 * length)
        >>> double(1.5).twice
        3.0
        >>> double.normalise({"length": "150 cm"})
        {'length': 1.5}
    """

    def decorate(function: Callable[P, R]) -> Tool[P, R]:
        if not TOOL_NAME.fullmatch(name):
            raise ToolDefinitionError(f"tool name {name!r} must be dotted lower case, as 'chemistry.xtb'")
        doc = _parse_docstring(inspect.getdoc(function) or "", tool_name=name)
        hints = typing.get_type_hints(function, include_extras=True)
        answer = hints.pop("return", None)
        arguments, units, seeded = _argument_model(function, hints, doc, tool_name=name)
        schema = arguments.model_json_schema()
        schema.pop("title", None)
        for field in schema["properties"].values():
            field.pop("title", None)
        versions = [f"{library} {installed_version(library) or 'missing'}" for library in libraries]
        spec = ToolSpec(
            name=name,
            version=version,
            description=doc.description,
            entry=f"{function.__module__}:{function.__name__}",
            parameters=schema,
            properties=_property_specs(answer, tool_name=name),
            method=method,
            deterministic=deterministic,
            stochastic_in_seed=seeded,
            nominal_cost_s=nominal_cost_s,
            timeout_s=timeout_s,
            memory_mb=memory_mb,
            profile=profile,
            preload=preload,
            code_hash=_code_hash(sys.modules[function.__module__], preload, versions),
            source="; ".join([*([doc.references] if doc.references else []), *versions]),
            extra=extra,
            hosts=hosts,
            gpu=gpu,
            files=files,
        )
        try:
            check_examples(examples, spec)
        except ValueError as error:
            raise ToolDefinitionError(f"{name}: {error}") from error
        return Tool(
            function,
            spec=spec,
            arguments=arguments,
            answer=answer,
            units=units,
            libraries=libraries,
            examples=examples,
        )

    return decorate


@dataclass(frozen=True, slots=True)
class _Docstring:
    description: str
    arguments: Mapping[str, str]
    references: str


def _parse_docstring(text: str, *, tool_name: str) -> _Docstring:
    parts = re.split(r"^(\w+):[ \t]*$", text, flags=re.MULTILINE)
    description = re.sub(r"\s*\n\s*\n\s*", "\n\n", parts[0].strip())
    description = re.sub(r"(?<!\n)\n(?!\n)", " ", description)
    if not description:
        raise ToolDefinitionError(f"{tool_name}: the docstring must say what the tool does")
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    listed = textwrap.dedent(sections.get("Args", "").strip("\n"))
    entries = re.split(r"^(\w+)(?: \([^)]*\))?:", listed, flags=re.MULTILINE)
    arguments = {
        name: " ".join(told.split()) for name, told in zip(entries[1::2], entries[2::2], strict=True)
    }
    return _Docstring(description, arguments, " ".join(sections.get("References", "").split()))


def _argument_model(
    function: Callable[..., Any], hints: Mapping[str, Any], doc: _Docstring, *, tool_name: str
) -> tuple[type[BaseModel], dict[str, str], bool]:
    fields: dict[str, Any] = {}
    units: dict[str, str] = {}
    signature = inspect.signature(function)
    unknown = sorted(set(doc.arguments) - set(signature.parameters))
    if unknown:
        raise ToolDefinitionError(f"{tool_name}: the docstring describes unknown parameters: {unknown}")
    for name, parameter in signature.parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ToolDefinitionError(f"{tool_name}: parameter {name!r} must be one that has a name")
        if name not in hints:
            raise ToolDefinitionError(f"{tool_name}: parameter {name!r} has no type")
        if not doc.arguments.get(name):
            raise ToolDefinitionError(f"{tool_name}: describe parameter {name!r} under 'Args:'")
        if name == SEED:
            continue
        unit = _marker(getattr(hints[name], "__metadata__", ()), Unit)
        if unit:
            units[name] = unit.name
        extra: dict[str, Any] = {"json_schema_extra": {"x-unit": unit.name}} if unit else {}
        described = Field(description=doc.arguments[name], **extra)  # None would take out a type's own
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (Annotated[hints[name], described], default)
    config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())
    return create_model("Arguments", __config__=config, **fields), units, SEED in signature.parameters


_NUMBERS = (float, int, float | None, int | None)


def _property_specs(answer: Any, *, tool_name: str) -> tuple[PropertySpec, ...]:
    if not (isinstance(answer, type) and issubclass(answer, Properties)):
        raise ToolDefinitionError(f"{tool_name}: the return type must be a subclass of Properties")
    specs = []
    for name, field in answer.model_fields.items():
        if name in Properties.model_fields:
            continue
        if field.annotation not in _NUMBERS:
            raise ToolDefinitionError(
                f"{tool_name}: property {name!r} must be a number, or a number or None; "
                f"what is not a number goes into 'details'"
            )
        if not field.description:
            raise ToolDefinitionError(f"{tool_name}: property {name!r} has no description")
        unit = _marker(field.metadata, Unit)
        error = _marker(field.metadata, MethodError)
        usual = _marker(field.metadata, Usual)
        low = _marker(field.metadata, annotated_types.Ge)
        high = _marker(field.metadata, annotated_types.Le)
        specs.append(
            PropertySpec(
                name=name,
                unit=unit.name if unit else DIMENSIONLESS,
                description=field.description,
                low=typing.cast(float, low.ge) if low else None,
                high=typing.cast(float, high.le) if high else None,
                error=error.std if error else None,
                usual=(usual.low, usual.high) if usual else None,
            )
        )
    if bool(specs) is not answer.measures:
        said = (
            "names no property" if answer.measures else "names a property, and says that it measures nothing"
        )
        raise ToolDefinitionError(f"{tool_name}: {answer.__name__} {said}")
    return tuple(specs)


def _explain(error: ValueError | TypeError, known: list[str]) -> str:
    if not isinstance(error, ValidationError):
        return f"arguments must be JSON data without NaN or infinity: {error}"
    kinds = {"extra_forbidden": "unknown", "missing": "missing"}
    return "; ".join(
        explain(kinds.get(e["type"], e["msg"]), _place(e), given=e["input"], known=known)
        for e in error.errors()
    )


M = TypeVar("M")


def _marker(metadata: typing.Iterable[Any], kind: type[M]) -> M | None:
    return next((m for m in metadata if isinstance(m, kind)), None)


def _place(error: Mapping[str, Any]) -> str:
    return ".".join(map(str, error["loc"]))


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _code_hash(module: types.ModuleType, preload: tuple[str, ...], versions: list[str]) -> str:
    """Return the digest of what a call runs: the tool's module, the neighbours it uses, its libraries.

    Neighbours are the modules of the same package that the module preloads, those that it imports at
    its top, and theirs.
    """
    found: dict[str, types.ModuleType] = {}
    waiting = [module]
    own = module.__name__.rpartition(".")[0]
    files = {}
    for name in preload:
        neighbour = importlib.util.find_spec(name) if own and name.rpartition(".")[0] == own else None
        if neighbour and neighbour.origin:
            files[name] = neighbour.origin
    while waiting:
        current = waiting.pop()
        if current.__name__ in found:
            continue
        found[current.__name__] = current
        package = current.__name__.rpartition(".")[0]
        for value in vars(current).values():
            name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", "")
            if package and isinstance(name, str) and name.rpartition(".")[0] == package:
                waiting.append(sys.modules[name])
    files.update({name: current.__file__ or "" for name, current in found.items()})
    content = hashlib.sha256()
    for name in sorted(files):
        path = Path(files[name])
        content.update(path.read_bytes() if path.is_file() else name.encode())
    content.update("\n".join(versions).encode())
    return content.hexdigest()
