"""A tool that does nothing, so that what remains is novum's own work."""

from typing import Annotated

from pydantic import Field

from novum.tools.base import Properties, Unit, tool


class Nothing(Properties):
    height: Annotated[float, Unit("m"), Field(description="a number that depends on x and y alone")]


@tool(name="bench.noop", version="1", method="arithmetic", profile="bench", nominal_cost_s=0.001)
def noop(x: float, y: float) -> Nothing:
    """Return a number at once.

    Args:
        x: first coordinate.
        y: second coordinate.
    """
    return Nothing(height=10 - (x - 1) ** 2 - (y - 2) ** 2)
