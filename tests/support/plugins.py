"""Plugins for the tests, as files."""

from pathlib import Path

LENGTH = '''
from typing import Annotated
from pydantic import Field
from novum.tools.base import Properties, Unit, tool


class Length(Properties):
    length: Annotated[float, Unit("m"), Field(description="the length, doubled", ge=0)]


@tool(name="{name}", version="1", method="arithmetic"{more})
def double(length: Annotated[float, Unit("m"), Field(ge=0, le=1000)], times: int = 2) -> Length:
    """Double a length, or take it several times.

    Args:
        length: what to double.
        times: how often to take it.
    """
{body}
    return Length(length=length * times)
'''


def write_plugin(
    path: Path, *, name: str = "lab.double", more: str = "", body: str = "", top: str = ""
) -> Path:
    """Write a plugin that doubles lengths, with other code at its top or in its function."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    path.write_text(top + LENGTH.format(name=name, more=more and f", {more}", body=lines))
    return path
