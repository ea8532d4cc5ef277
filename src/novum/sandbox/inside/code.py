"""Running a piece of Python source in a sandbox."""

from collections.abc import Mapping
from typing import Any

from novum.sandbox.base import SandboxRequest

ANSWER = "answer"
"""The variable whose value the code gives back, where it sets it."""


def code_request(source: str, arguments: Mapping[str, Any] | None = None, **request: Any) -> SandboxRequest:
    """Return the request that runs `source`, with `arguments` as its variables.

    What the code assigns to the variable ``answer`` comes back as the value, which must be JSON data.

    Args:
        source: Python statements.
        arguments: JSON data by name.
        **request: the other fields of the request.
    """
    given = {"source": source, "arguments": dict(arguments or {})}
    return SandboxRequest(entry=f"{__name__}:execute", arguments=given, **request)


def execute(source: str, arguments: dict[str, Any] | None = None) -> Any:
    """Run `source` and return what it assigned to ``answer``, or None.

    For the inside of a sandbox only: nothing here holds it back.

    Example:
        >>> execute("answer = 2 * x", {"x": 21})
        42
    """
    names: dict[str, Any] = {"__name__": "__main__", **(arguments or {})}
    exec(compile(source, "<code>", "exec"), names)  # noqa: S102  (that is what it is for)
    return names.get(ANSWER)
