"""What runs inside the sandbox for a plugin: its code is unpacked, imported and called there."""

import importlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from novum.core.errors import ToolFailedError
from novum.tools.base import Tool
from novum.tools.worker import answer_of

ARCHIVE: Final = "plugin.zip"
"""The input file that holds the code."""

MOST_TOOLS: Final = 64


def describe(module: str, attribute: str) -> list[dict[str, Any]]:
    """Return what each tool of a module says of itself: its spec, libraries and examples.

    Raises:
        ToolFailedError: there is no tool, or there are too many.
    """
    found = list(_tools(load(module), attribute))
    if not found:
        raise ToolFailedError(f"{module} holds no function under @tool")
    if len(found) > MOST_TOOLS:
        raise ToolFailedError(f"{module} holds more than {MOST_TOOLS} tools")
    return [
        {
            "attribute": name,
            "spec": tool.spec.model_dump(mode="json"),
            "libraries": list(tool.libraries),
            "examples": [example.model_dump(mode="json") for example in tool.examples],
        }
        for name, tool in found
    ]


def call(module: str, attribute: str, arguments: dict[str, Any], seed: int) -> dict[str, Any]:
    """Call one tool and return its answer, as `novum.tools.worker.call` does.

    Raises:
        ToolArgumentError: the arguments do not fit.
        ToolFailedError: the calculation failed, or there is no such tool.
    """
    (found,) = _tools(load(module), attribute)
    return answer_of(found[1], arguments, seed=seed)


def load(module: str) -> ModuleType:
    """Return the plugin's module, from the input archive where there is one."""
    archive = Path("in", ARCHIVE)
    if archive.exists():
        code = Path("plugin").absolute()
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(code)
        sys.path.insert(0, str(code))
    return importlib.import_module(module)


def _tools(module: ModuleType, attribute: str) -> Iterator[tuple[str, Tool[..., Any]]]:
    if attribute:
        found = getattr(module, attribute, None)
        if not isinstance(found, Tool):
            raise ToolFailedError(f"{module.__name__}:{attribute} is not a function under @tool")
        yield attribute, found
        return
    for name, value in vars(module).items():
        if isinstance(value, Tool) and value.function.__module__ == module.__name__:
            yield name, value
