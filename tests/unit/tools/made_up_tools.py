"""Tools for the tests: they measure nothing, and misbehave on request."""

import time
from typing import Annotated, Any, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool


class Brew(Properties):
    strength: Annotated[float, Unit("g/L"), Field(description="extracted mass", ge=0, le=100)]
    yield_: Annotated[float | None, Field(description="share extracted", ge=0, le=1)] = None


@tool(name="lab.brew", version="1", method="percolation", nominal_cost_s=2)
def brew(
    bean: Literal["arabica", "robusta"],
    *,
    temperature: Annotated[float, Unit("K"), Field(ge=273, le=400)] = 365.0,
    times: Annotated[list[float], Unit("s")] = [],  # noqa: B006 - pydantic copies it
    grinds: Annotated[int, Field(ge=1)] = 3,
    seed: int = 0,
) -> Brew:
    """Brew coffee at a
    temperature.

    The second paragraph stays.

    Args:
        bean: the species.
        temperature: of the water,
            while it runs.
        times: of the pours.
        grinds: turns of the mill.
        seed: of the pouring.

    References:
        A cookbook.
    """
    if bean == "robusta":
        raise ToolFailedError("no robusta in this house")
    return Brew(
        strength=grinds * temperature / 365 + 0.01 * seed,
        std={"strength": 0.5},
        details={"bean": bean, "pours": times},
        warnings=("hot",),
        ran="percolation at home",
    )


class Weight(Properties):
    weight: Annotated[float, Unit("kg"), Field(description="of the thing", ge=0)]


@tool(name="lab.weigh", version="2", method="scales", nominal_cost_s=0.1)
def weigh(thing: str, *, claim: Any = None) -> Weight:
    """Weigh a thing.

    Args:
        thing: what to weigh.
        claim: what the scales shall say instead.
    """
    if thing == "sleep":
        time.sleep(60)
    return Weight(weight=float(len(thing)) if claim is None else claim)


class Strength(Properties):
    strength: Annotated[float, Unit("g/L"), Field(description="extracted mass")]


@tool(name="lab.refractometer", version="1", method="refraction", nominal_cost_s=0.5)
def refractometer(bean: str) -> Strength:
    """Measure coffee by its light.

    Args:
        bean: the species.
    """
    return Strength(strength=float(len(bean)))


@tool(name="lab.absent", version="1", method="none", libraries=("no-such-library-anywhere",), extra="unicorn")
def absent(thing: str) -> Weight:
    """Need a library that nobody has.

    Args:
        thing: what to weigh.
    """
    return Weight(weight=float(len(thing)))


not_a_tool = 7
