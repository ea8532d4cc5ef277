"""A tool that misbehaves on demand, to run in the real sandbox."""

import os
import sys
import time
from typing import Annotated, Literal

from pydantic import Field

from novum.tools.base import Properties, Unit, tool

MANNERS = (
    "kind",
    "crash",
    "exit",
    "hang",
    "nan",
    "empty",
    "wrong_unit",
    "flood",
    "novel",
    "raises",
    "oom",
)


class Speed(Properties):
    speed: Annotated[float | None, Unit("m/s"), Field(description="how fast it goes", ge=-10, le=10)] = None


class Weight(Properties):
    speed: Annotated[float, Unit("kg"), Field(description="a speed, in kilograms")]


@tool(name="rude.speed", version="1", method="manners", profile="rude", timeout_s=2.0, memory_mb=256)
def speed(manner: Literal[MANNERS], x: float) -> Speed:
    """Measure a speed, or do something rude.

    Args:
        manner: what to do.
        x: a number.
    """
    match manner:
        case "crash":
            os.abort()
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(3600)
        case "nan":
            return Speed.model_construct(speed=float("nan"))
        case "empty":
            return Speed()
        case "wrong_unit":
            return Weight(speed=1.0)
        case "flood":
            block = "x" * 1_000_000 + "\n"
            for _ in range(1000):
                sys.stdout.write(block)
            return Speed(speed=1.0)
        case "novel":
            return Speed(speed=1.0, details={"text": "x" * 1_000_000_000})
        case "raises":
            raise RuntimeError("out of \x1b[31mpatience")
        case "oom":
            return Speed(speed=float(len(bytearray(4_000_000_000))))
    return Speed(speed=x)
