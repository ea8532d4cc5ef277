"""Names → tools: the ones that come with novum and those of every installed plugin."""

import difflib
import importlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from novum.core.calls import ToolSpec
from novum.core.errors import NotFoundError, UsageError
from novum.tools.base import Tool

GROUP = "novum.tools"
"""The entry-point group in which a package offers its tools, as ``name = "package.module:function"``."""

BUILT_IN: Mapping[str, str] = {
    "chemistry.descriptors": "novum.tools.chemistry.descriptors:descriptors",
    "chemistry.dft": "novum.tools.chemistry.dft:dft",
    "chemistry.xtb": "novum.tools.chemistry.xtb:xtb",
}
"""The tools that are there even where the installed metadata is older than the code."""


@dataclass(frozen=True, slots=True)
class BrokenTool:
    """A plugin's tool that could not be loaded, and why."""

    name: str
    error: str


class Registry:
    """The tools that can be called, by name and by what they measure.

    Example:
        >>> registry = Registry.load()
        >>> [spec.name for spec in registry.for_property("qed")]
        ['chemistry.descriptors']
    """

    def __init__(self, tools: Iterable[Tool[..., Any]] = ()) -> None:
        self.broken: dict[str, BrokenTool] = {}
        self._tools: dict[str, Tool[..., Any]] = {}
        for found in tools:
            self.register(found)

    @classmethod
    def load(cls) -> Self:
        """Return a registry of all installed tools. A plugin that fails to load stops nothing else.

        Raises:
            UsageError: two packages offer different tools under one name.
        """
        paths = dict(BUILT_IN)
        for point in importlib.metadata.entry_points(group=GROUP):
            if paths.setdefault(point.name, point.value) != point.value:
                raise UsageError(
                    f"two tools are called {point.name!r}: {paths[point.name]} and {point.value}; "
                    f"uninstall or rename one"
                )
        registry = cls()
        for name, path in sorted(paths.items()):
            registry._load(name, path)
        return registry

    def register(self, found: Tool[..., Any]) -> None:
        """Add a tool.

        Raises:
            UsageError: another tool has its name.
        """
        name = found.spec.name
        if name in self._tools:
            raise UsageError(
                f"two tools are called {name!r}: {self._tools[name].spec.entry} and {found.spec.entry}"
            )
        self._tools[name] = found

    def get(self, name: str) -> Tool[..., Any]:
        """Return the tool called `name`.

        Raises:
            NotFoundError: there is none, with the nearest names; or it could not be loaded, with why.
        """
        if name in self._tools:
            return self._tools[name]
        if name in self.broken:
            raise NotFoundError(f"tool {name!r} could not be loaded: {self.broken[name].error}")
        raise NotFoundError(f"no tool is called {name!r}; {_nearest(name, self._tools)}")

    def tools(self) -> list[Tool[..., Any]]:
        """Return all tools by name, those whose library is missing included."""
        return [self._tools[name] for name in sorted(self._tools)]

    def is_available(self, spec: ToolSpec) -> bool:
        """Say whether the libraries that the tool computes with are installed."""
        return not self.get(spec.name).missing_libraries()

    def properties(self) -> dict[str, list[ToolSpec]]:
        """Return the tools that measure each property, cheapest first."""
        found: dict[str, list[ToolSpec]] = {}
        for spec in sorted((t.spec for t in self.tools()), key=lambda s: (s.nominal_cost_s, s.name)):
            for measured in spec.properties:
                found.setdefault(measured.name, []).append(spec)
        return found

    def for_property(self, name: str) -> list[ToolSpec]:
        """Return the tools that measure a property, cheapest first, unavailable ones included.

        Raises:
            NotFoundError: no tool measures it, with the nearest property names.
        """
        known = self.properties()
        if name not in known:
            raise NotFoundError(f"no tool measures {name!r}; {_nearest(name, known)}")
        return known[name]

    def independent(self, name: str, method: str) -> list[ToolSpec]:
        """Return the tools that measure a property by another method than `method`, cheapest first.

        Raises:
            NotFoundError: no tool at all measures it.
        """
        return [spec for spec in self.for_property(name) if spec.method != method]

    def _load(self, name: str, path: str) -> None:
        module, _, attribute = path.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # noqa: BLE001 - a stranger's module may fail in any way at import
            self.broken[name] = BrokenTool(name, f"{type(error).__name__}: {error}")
            return
        if not isinstance(found, Tool):
            self.broken[name] = BrokenTool(name, f"{path} is not a function under @tool")
        elif found.spec.name != name:
            self.broken[name] = BrokenTool(name, f"{path} calls itself {found.spec.name!r}")
        else:
            self.register(found)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(map(repr, near)) + "?"
    return f"known are {', '.join(names) or 'none'}"
