"""A tool that is a formula of six parameters, so that a campaign costs nothing but novum's own work."""

import math
from typing import Annotated

from pydantic import Field

from novum.tools.base import Properties, Unit, tool

WEIGHTS = (1.0, 1.2, 3.0, 3.2)
SCALES = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
CENTRES = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


class Height(Properties):
    height: Annotated[float, Unit("1"), Field(description="Hartmann's function, the other way up", ge=0)]


def hartmann(x: tuple[float, ...]) -> float:
    """Return Hartmann's function of six variables, the other way up: 3.322 at its highest."""
    return sum(
        weight * math.exp(-sum(s * (v - c) ** 2 for s, v, c in zip(scale, x, centre, strict=True)))
        for weight, scale, centre in zip(WEIGHTS, SCALES, CENTRES, strict=True)
    )


@tool(name="bench.hartmann", version="1", method="arithmetic", profile="bench", nominal_cost_s=0.001)
def height(x0: float, x1: float, x2: float, x3: float, x4: float, x5: float) -> Height:
    """Return the height at a point.

    Args:
        x0: first coordinate.
        x1: second coordinate.
        x2: third coordinate.
        x3: fourth coordinate.
        x4: fifth coordinate.
        x5: sixth coordinate.
    """
    return Height(height=hartmann((x0, x1, x2, x3, x4, x5)))
