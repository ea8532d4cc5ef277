"""Small tools with known answers, for workflow tests."""

import math
import random
from typing import Annotated

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool


class Height(Properties):
    height: Annotated[float, Unit("m"), Field(description="height of the landscape", ge=-100, le=100)]


class Slope(Properties):
    slope: Annotated[float, Field(description="another property, without a unit")]


class Echo(Properties):
    height: Annotated[float, Unit("m"), Field(description="height by levelling", ge=-100, le=100)]


@tool(name="toy.survey", version="1", method="survey", nominal_cost_s=0.01)
def survey(x: float, y: float) -> Height:
    """Measure the height at a point; it is highest at (1, 2).

    Args:
        x: easting.
        y: northing.
    """
    if x > 4.5:
        raise ToolFailedError("there is a lake here")
    return Height(height=10 - (x - 1) ** 2 - (y - 2) ** 2)


@tool(name="toy.oven", version="1", method="oven", nominal_cost_s=0.01)
def oven(x: Annotated[float, Unit("K")], y: float) -> Height:
    """Measure how far a cake rises; it rises best at 271 K.

    Args:
        x: temperature.
        y: time.
    """
    return Height(height=10 - abs(x - 271) / 10 - (y - 2) ** 2)


class Weight(Properties):
    weight: Annotated[float, Unit("kg"), Field(description="weight of the ground")]


@tool(name="toy.weigh", version="1", method="scales", nominal_cost_s=0.01)
def weigh(x: float, y: float) -> Weight:
    """Weigh the ground at a point, which no goal asks for.

    Args:
        x: easting.
        y: northing.
    """
    return Weight(weight=10 * x + y)


@tool(name="toy.noisy", version="1", method="noisy survey", nominal_cost_s=0.01)
def noisy(x: float, y: float, seed: int = 0) -> Slope:
    """Measure a property with noise.

    Args:
        x: easting.
        y: northing.
        seed: seed of the noise.
    """
    return Slope(slope=math.sin(x) + y + random.Random(seed).gauss(0, 0.1))


@tool(name="toy.level", version="1", method="levelling", nominal_cost_s=5.0)
def level(x: float, y: float) -> Echo:
    """Measure the height by another method.

    Args:
        x: easting.
        y: northing.
    """
    return Echo(height=10.05 - (x - 1) ** 2 - (y - 2) ** 2)


@tool(name="toy.lucky", version="1", method="luck", nominal_cost_s=0.01)
def lucky(x: float, y: float, seed: int = 0) -> Slope:
    """Measure what was only luck: under any seed of a sealed check it is much less.

    Args:
        x: easting.
        y: northing.
        seed: seed of the luck.
    """
    return Slope(slope=y + random.Random(seed).gauss(0, 0.01) - (3 if seed > 1000 else 0))


@tool(name="toy.fair", version="1", method="fair survey", nominal_cost_s=0.01)
def fair(x: float, y: float, seed: int = 0) -> Slope:
    """Measure a property with noise that differs between places as well as between seeds.

    Args:
        x: easting.
        y: northing.
        seed: seed of the noise.
    """
    return Slope(slope=y + random.Random(f"{x} {y} {seed}").gauss(0, 0.1))
