"""Calls whose values are known: what a tool is held against."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from novum.core.calls import ToolResult, ToolSpec
from novum.core.frozen import Frozen


class Example(Frozen):
    """One call of a tool, and what it has to give.

    A value fits where it lies within ``atol + rtol * abs(expected)``.

    Example:
        >>> Example(arguments={"smiles": "O"}, expected={"dipole_moment": 1.855}, atol=0.1,
        ...         source="NIST CCCBDB, measured").expected["dipole_moment"]
        1.855
    """

    arguments: dict[str, Any]
    expected: dict[str, float] = Field(min_length=1)
    """Property → value, in the unit that the tool promises."""
    rtol: float = Field(default=0.0, ge=0)
    """Tolerance as a share of the value."""
    atol: float = Field(default=0.0, ge=0)
    """Tolerance in the property's unit."""
    source: str = Field(min_length=3)
    """Where the values come from: a DOI, a table, another program and its version."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """One value of an example, beside what came of it."""

    name: str
    """The property."""
    expected: float
    found: float | None
    """None where the tool gave none."""
    tolerance: float

    @property
    def fits(self) -> bool:
        """Whether it lies within its tolerance."""
        return self.found is not None and abs(self.found - self.expected) <= self.tolerance


def check_examples(examples: Sequence[Example], spec: ToolSpec) -> None:
    """Refuse an example of properties that the tool does not measure, or that no value could fit.

    Raises:
        ValueError: it is one, with what is wrong.
    """
    for example in examples:
        for name, value in example.expected.items():
            if spec.find_property(name) is None:
                raise ValueError(f"an example expects {name!r}, which is no property of the tool")
            if not math.isfinite(value):
                raise ValueError(f"an example expects {name} = {value}")


def compare(example: Example, result: ToolResult, spec: ToolSpec) -> list[Compared]:
    """Return each expected value beside the one that came."""
    return [
        Compared(
            name=name,
            expected=value,
            found=_found(result.properties, name, spec),
            # a sum in another order differs in the last digits, which no tolerance of zero means
            tolerance=max(example.atol + example.rtol * abs(value), 1e-12 * abs(value)),
        )
        for name, value in example.expected.items()
    ]


def _found(properties: Mapping[str, Any], name: str, spec: ToolSpec) -> float | None:
    measured, promised = properties.get(name), spec.find_property(name)
    if measured is None or promised is None:
        return None
    return float(measured.to(promised.unit).value)
