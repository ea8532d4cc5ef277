"""Names → tools: the ones that come with novum, and those of plugins."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from novum.core.calls import ToolSpec
from novum.core.errors import MissingExtraError, NotFoundError, UsageError
from novum.tools.base import Tool
from novum.tools.described import DescribedTool
from novum.tools.plugins.trust import NotTrustedError, TrustStore

AnyTool = Tool[..., Any] | DescribedTool
"""A tool that can be called: a function of ours, or one of others that runs in the sandbox only."""

GROUP = "novum.tools"
"""The entry-point group in which a package offers its tools, as ``name = "package.module:function"``."""

BUILT_IN: Mapping[str, str] = {
    "analysis.classify": "novum.tools.analysis.classification:classify",
    "analysis.compare_models": "novum.tools.analysis.comparison:compare_models",
    "analysis.fit_curve": "novum.tools.analysis.fitting:fit_curve",
    "analysis.matched_pairs": "novum.tools.analysis.pairs:matched_pairs",
    "analysis.python": "novum.tools.analysis.python:python",
    "analysis.regress": "novum.tools.analysis.regression:regress",
    "analysis.sensitivity": "novum.tools.analysis.sensitivity:sensitivity",
    "analysis.sequential_test": "novum.tools.analysis.sequential:sequential_test",
    "analysis.spectrum": "novum.tools.analysis.spectra:spectrum",
    "analysis.time_series": "novum.tools.analysis.series:time_series",
    "chemistry.alerts": "novum.tools.chemistry.alerts:alerts",
    "chemistry.descriptors": "novum.tools.chemistry.descriptors:descriptors",
    "chemistry.dft": "novum.tools.chemistry.dft:dft",
    "chemistry.hazards": "novum.tools.chemistry.hazards:hazards",
    "chemistry.identity": "novum.tools.chemistry.identity:identity",
    "chemistry.matched_pairs": "novum.tools.chemistry.matched_pairs:matched_pairs",
    "chemistry.plan_synthesis": "novum.tools.chemistry.plan_synthesis:plan_synthesis",
    "chemistry.predict_conditions": "novum.tools.chemistry.conditions:predict_conditions",
    "chemistry.reaction_energy": "novum.tools.chemistry.thermochemistry:reaction_energy",
    "chemistry.similarity": "novum.tools.chemistry.similarity:similarity",
    "chemistry.thermochemistry": "novum.tools.chemistry.thermochemistry:thermochemistry",
    "chemistry.xtb": "novum.tools.chemistry.xtb:xtb",
    "imaging.measure": "novum.tools.imaging.measuring:measure",
    "imaging.segment_nuclei": "novum.tools.imaging.nuclei:segment_nuclei",
    "imaging.segment_universal": "novum.tools.imaging.universal:segment_universal",
    "materials.describe": "novum.tools.materials.describing:describe",
    "materials.diffusion": "novum.tools.materials.diffusion:diffusion",
    "materials.elasticity": "novum.tools.materials.elasticity:elasticity",
    "materials.equation_of_state": "novum.tools.materials.compression:equation_of_state",
    "materials.hull": "novum.tools.materials.phase_diagrams:hull",
    "materials.match": "novum.tools.materials.describing:match",
    "materials.order": "novum.tools.materials.transforming:order",
    "materials.phonons": "novum.tools.materials.vibrations:phonons",
    "materials.plausibility": "novum.tools.materials.phase_diagrams:plausibility",
    "materials.prototypes": "novum.tools.materials.enumeration:prototypes",
    "materials.relax": "novum.tools.materials.relaxing:relaxing",
    "materials.stability": "novum.tools.materials.stability:stability",
    "materials.stability_r2scan": "novum.tools.materials.stability:stability_r2scan",
    "materials.substitute": "novum.tools.materials.transforming:substitute",
    "materials.supercell": "novum.tools.materials.transforming:supercell",
    "materials.surface": "novum.tools.materials.transforming:surface",
    "materials.xrd": "novum.tools.materials.diffraction:xrd",
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

    def __init__(self, tools: Iterable[AnyTool] = (), *, trust: TrustStore | None = None) -> None:
        self._trust = trust
        self.broken: dict[str, BrokenTool] = {}
        self._tools: dict[str, AnyTool] = {}
        for found in tools:
            self.register(found)

    @classmethod
    def load(
        cls, plugins: Iterable[DescribedTool | BrokenTool] = (), *, trust: TrustStore | None = None
    ) -> Self:
        """Return a registry of novum's own tools and those of `plugins`.

        A plugin that failed is listed with its error and stops nothing else.

        Args:
            plugins: the tools of others.
            trust: what a person has granted to them; without it none of them may be called.

        Raises:
            UsageError: two tools have one name.
        """
        registry = cls(trust=trust)
        for name, path in sorted(BUILT_IN.items()):
            registry._load(name, path)
        for found in plugins:
            if isinstance(found, BrokenTool):
                registry.broken[found.name] = found
            else:
                registry.register(found)
        return registry

    def register(self, found: AnyTool) -> None:
        """Add a tool.

        Raises:
            UsageError: another tool has its name.
        """
        name = found.spec.name
        if name in self._tools:
            raise UsageError(
                f"two tools are called {name!r}: {_place(self._tools[name])} and {_place(found)}; "
                f"remove or rename one"
            )
        self._tools[name] = found

    def get(self, name: str) -> AnyTool:
        """Return the tool called `name`.

        Raises:
            NotFoundError: there is none, with the nearest names; or it could not be loaded, with why.
        """
        if name in self._tools:
            return self._tools[name]
        if name in self.broken:
            raise NotFoundError(f"tool {name!r} could not be loaded: {self.broken[name].error}")
        raise NotFoundError(f"no tool is called {name!r}; {_nearest(name, self._tools)}")

    def tools(self) -> list[AnyTool]:
        """Return all tools by name, those whose library is missing included."""
        return [self._tools[name] for name in sorted(self._tools)]

    def is_available(self, spec: ToolSpec) -> bool:
        """Say whether a tool can be called: its libraries are installed, and it is ours or trusted."""
        found = self.get(spec.name)
        return not found.missing_libraries() and self.is_trusted(found)

    def is_trusted(self, found: AnyTool) -> bool:
        """Say whether a tool is novum's or the caller's own, or one that a person trusted as it is now."""
        return isinstance(found, Tool) or (self._trust is not None and self._trust.find(found) is not None)

    def require(self, name: str) -> AnyTool:
        """Return the tool called `name`, which can be called.

        Raises:
            NotFoundError: there is no such tool.
            MissingExtraError: its library is not installed.
            NotTrustedError: it is a tool of others that nobody has trusted as it is now.
        """
        found = self.get(name)
        missing = found.missing_libraries()
        if missing:
            raise MissingExtraError(
                feature=f"tool {name!r} ({', '.join(missing)})", extra=found.spec.extra or name
            )
        if isinstance(found, DescribedTool):
            if self._trust is None:
                raise NotTrustedError(name, origin=found.origin, changed=False)
            self._trust.check(found)
        return found

    def trusted_code(self, names: Iterable[str]) -> dict[str, str]:
        """Return, of those tools that are others', which code was trusted and when, for the record.

        Raises:
            NotFoundError: there is no such tool.
            NotTrustedError: one is not trusted as it is now.
        """
        found = (self.get(name) for name in sorted(set(names)))
        return {
            f"tool {tool.spec.name}": str(self._trust.check(tool))
            for tool in found
            if isinstance(tool, DescribedTool) and self._trust is not None
        }

    def properties(self) -> dict[str, list[ToolSpec]]:
        """Return the tools that measure each property, cheapest first, those that nobody trusts last."""
        found: dict[str, list[ToolSpec]] = {}
        ranked = sorted(
            self.tools(), key=lambda t: (not self.is_trusted(t), t.spec.nominal_cost_s, t.spec.name)
        )
        for spec in (t.spec for t in ranked):
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


def _place(found: AnyTool) -> str:
    return found.origin if isinstance(found, DescribedTool) else found.spec.entry


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(map(repr, near)) + "?"
    return f"known are {', '.join(names) or 'none'}"
