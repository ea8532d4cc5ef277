"""Files and programs as arguments: artifacts that a tool finds in its sandbox, and code that it runs."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from novum.core.calls import ToolSpec

MARK = "x-files"
"""What a parameter's schema carries whose values are hashes of files."""

PYTHON = "text/x-python"
"""What the schema of a parameter has as its ``contentMediaType`` that holds a program."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9]{1,8}){1,2}$")]
"""A plain name with an ending; no folder."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Files = Annotated[dict[FileName, Sha256], Field(max_length=32, json_schema_extra={MARK: True})]
"""Name inside the sandbox → SHA-256 of an artifact. The files lie in the folder ``in`` of the call."""


def files_parameter(spec: ToolSpec) -> str | None:
    """Return the name of the parameter that takes files; None where there is none."""
    schemas: Mapping[str, Any] = spec.parameters.get("properties", {})
    return next((name for name, schema in schemas.items() if schema.get(MARK)), None)


def files_of(spec: ToolSpec, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that a call with these arguments names: name inside → SHA-256."""
    parameter = files_parameter(spec)
    given = arguments.get(parameter) if parameter is not None else None
    return dict(given) if isinstance(given, Mapping) else {}


def written_parameters(spec: ToolSpec) -> frozenset[str]:
    """Return the parameters that hold a program: whoever calls the tool writes it."""
    schemas: Mapping[str, Any] = spec.parameters.get("properties", {})
    return frozenset(name for name, schema in schemas.items() if schema.get("contentMediaType") == PYTHON)
