"""The toolbox: of many tools the few that a model needs to know of, and the names by which it knows them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from novum.agents.scientist.relevance import Relevance, words_of
from novum.core.calls import PropertySpec, ToolSpec
from novum.core.digest import digest
from novum.core.errors import UnitError
from novum.core.quantity import DIMENSIONLESS, is_compatible

LONGEST_NAME = 64
"""Characters of a tool's name that servers of models take."""
NAME_WEIGHT = 3.0
"""A word in a tool's name, or in that of what it measures, counts so often as one in its description."""
FED = 2
"""Tools that are shown besides a tool for one of its inputs, because they give it."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One tool's answer as another one's input: an edge of the graph of capabilities."""

    source: str
    property: str
    target: str
    parameter: str


class Toolbox:
    """Tools that can be searched in words, and that know which of them feeds which.

    Args:
        specs: the tools; their order decides between equals.

    Example:
        >>> from novum.core.calls import PropertySpec
        >>> def spec(name, gives, takes):
        ...     return ToolSpec(
        ...         name=name, version="1", description=f"Computes the {gives}.", entry="a:b", method="law",
        ...         parameters={"properties": {takes: {"type": "number"}}, "required": [takes]},
        ...         properties=(PropertySpec(name=gives, description=gives),),
        ...     )
        >>> box = Toolbox([spec("lab.size", "diameter", "area"), spec("lab.fall", "speed", "diameter")])
        >>> [s.name for s in box.search("How fast does it fall?", 1)]
        ['lab.fall']
        >>> [s.name for s in box.select("How fast does it fall?", 2, given=["area"])]
        ['lab.fall', 'lab.size']
    """

    def __init__(self, specs: Iterable[ToolSpec]) -> None:
        self._specs = tuple(specs)
        self._relevance = Relevance([tuple(_said_of(spec)) for spec in self._specs])
        self._feeders: dict[str, tuple[Feed, ...]] = {}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """All tools."""
        return self._specs

    def search(self, question: str, n: int) -> tuple[ToolSpec, ...]:
        """Return at most `n` tools that speak of a question, the most relevant first."""
        scores = self._relevance.scores(question)
        ranked = sorted(
            (i for i in range(len(scores)) if scores[i] > 0),
            key=lambda i: (-scores[i], self._specs[i].nominal_cost_s, i),
        )
        return tuple(self._specs[i] for i in ranked[:n])

    def feeds(self, spec: ToolSpec) -> tuple[Feed, ...]:
        """Return which tools give what a tool takes: a number of the same name and dimension."""
        if spec.name not in self._feeders:
            self._feeders[spec.name] = tuple(self._find_feeds(spec))
        return self._feeders[spec.name]

    def select(self, question: str, n: int, *, given: Collection[str]) -> tuple[ToolSpec, ...]:
        """Return at most `n` tools for a question, each before the tools that give its missing inputs.

        A tool that lacks an input which nobody gives is left out.

        Args:
            question: what is wanted, in words.
            n: most tools.
            given: names of the inputs that are there already.
        """
        chosen: dict[str, ToolSpec] = {}
        for spec in self.search(question, len(self._specs)):
            chain = self._chain(spec, set(given), depth=2)
            if chain is None:
                continue
            fresh = [one for one in chain if one.name not in chosen]
            if len(chosen) + len(fresh) > n:
                continue
            chosen.update((one.name, one) for one in fresh)
            if len(chosen) == n:
                break
        return tuple(chosen.values())

    def is_within_reach(self, spec: ToolSpec, *, given: Collection[str]) -> bool:
        """Say whether every input of a tool is given, or is what another tool gives that is within reach."""
        return self._chain(spec, set(given), depth=2) is not None

    def _chain(self, spec: ToolSpec, given: set[str], *, depth: int) -> list[ToolSpec] | None:
        """Return a tool and those that feed it; None where an input can be had from nowhere."""
        chain = [spec]
        for parameter in _required(spec):
            if parameter in given:
                continue
            if not depth:
                return None
            fed = self._fed(spec, parameter, given, depth=depth)
            if not fed:
                return None
            chain += [one for one in fed if one not in chain]
        return chain

    def _fed(self, spec: ToolSpec, parameter: str, given: set[str], *, depth: int) -> list[ToolSpec]:
        by_name = {one.name: one for one in self._specs}
        sources = [by_name[feed.source] for feed in self.feeds(spec) if feed.parameter == parameter]
        sources.sort(key=lambda one: (one.nominal_cost_s, one.name))
        found: list[ToolSpec] = []
        for source in sources[: FED * 4]:
            chain = self._chain(source, given, depth=depth - 1)
            if chain is not None:
                found += [one for one in chain if one not in found]
            if len(found) >= FED:
                break
        return found

    def _find_feeds(self, spec: ToolSpec) -> Iterator[Feed]:
        for parameter, schema in _numbers(spec):
            unit = schema.get("x-unit", DIMENSIONLESS)
            for source in self._specs:
                if source.name == spec.name:
                    continue
                for measured in source.properties:
                    if _fits(measured, parameter, unit):
                        yield Feed(source.name, measured.name, spec.name, parameter)


def tool_names(specs: Iterable[ToolSpec]) -> dict[str, ToolSpec]:
    """Return tools by the names that a model is told: at most 64 letters, digits, ``_`` and ``-``.

    A name that had to be cut, or that two tools would share, ends in eight characters of the digest of the
    tool's own name, so that it is the same whatever else is on offer.

    Example:
        >>> spec = ToolSpec(
        ...     name="lab.settling", version="1", description="", entry="a:b", parameters={},
        ...     properties=(), method="law",
        ... )
        >>> list(tool_names([spec]))
        ['lab_settling']
    """
    listed = list(specs)
    plain = [re.sub(r"[^A-Za-z0-9_-]", "_", spec.name) for spec in listed]
    found: dict[str, ToolSpec] = {}
    for spec, name in zip(listed, plain, strict=True):
        if len(name) > LONGEST_NAME or plain.count(name) > 1:
            name = f"{name[: LONGEST_NAME - 9]}_{digest(spec.name)[:8]}"
        found[name] = spec
    return found


def told_names(names: Mapping[str, ToolSpec]) -> dict[str, str]:
    """Return the way back: tool → the name that a model is told."""
    return {spec.name: name for name, spec in names.items()}


def _said_of(spec: ToolSpec) -> Iterator[tuple[str, float]]:
    yield spec.name, NAME_WEIGHT
    yield spec.description, 1.0
    yield spec.method, 1.0
    for measured in spec.properties:
        yield measured.name, NAME_WEIGHT
        yield measured.description, 1.0
    for name, schema in spec.parameters.get("properties", {}).items():
        yield f"{name} {schema.get('description', '')}", 0.5


def _required(spec: ToolSpec) -> Sequence[str]:
    required: Sequence[str] = spec.parameters.get("required", ())
    return required


def _numbers(spec: ToolSpec) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, schema in spec.parameters.get("properties", {}).items():
        kinds = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
        if kinds & {"number", "integer"}:
            yield name, schema


def _fits(measured: PropertySpec, parameter: str, unit: str) -> bool:
    """Say whether a property can stand for a parameter, as far as names and units tell."""
    one, other = set(words_of(measured.name)), set(words_of(parameter))
    try:
        if not one or not other or not is_compatible(measured.unit, unit):
            return False
        if is_compatible(unit, DIMENSIONLESS):  # the dimension tells nothing here, so that the name has to
            return one == other
    except UnitError:  # a plugin's schema may say anything
        return False
    return one <= other or other <= one
