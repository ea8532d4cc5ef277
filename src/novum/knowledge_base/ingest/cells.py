"""What a cell of a table says: a number with its uncertainty, a text, or nothing."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from novum.core.errors import UnitError
from novum.knowledge_base.ingest.units import parse_unit

Cell = str | float | int | bool | None
"""What a reader of tables gives: text as it stands, or a number."""

MISSING = frozenset(
    ["", "-", "--", "–", "—", ".", "?", "na", "n/a", "n.a.", "#n/a", "nan",
     "null", "none", "nd", "n.d.", "missing"]
)  # fmt: skip
"""What means that a cell has no value, in lower case."""

_DIGITS = r"\d+(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(
    rf"(?P<value>[+\-−–]?(?:{_DIGITS})(?:\((?P<last>\d+)\))?(?:[eE][+\-−]?\d+)?)"
    rf"(?:\s*(?:±|\+/-|\+-)\s*(?P<std>(?:{_DIGITS})(?:[eE][+\-−]?\d+)?))?"
    r"(?:\s*(?P<unit>[A-Za-zµμΩÅ°%].*))?"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number as a cell gives it."""

    value: float
    std: float | None = None
    unit: str | None = None
    """The unit in the cell, in its canonical spelling."""


def is_missing(cell: Cell) -> bool:
    """Say whether a cell has no value."""
    if isinstance(cell, str):
        return cell.strip().casefold() in MISSING
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def parse_number(cell: Cell, *, decimal: Literal[".", ","] = ".", name: str = "") -> Number | None:
    """Return the number in a cell, or None if it holds none that is finite and unambiguous.

    Understands ``4.31``, ``4.31 ± 0.12``, ``4.31(12)``, ``4.31 eV``. Not ``<0.5``, which is no value, nor
    ``1,234``, which means two things.

    Example:
        >>> parse_number("4.31(12) eV")
        Number(value=4.31, std=0.12, unit='eV')
        >>> parse_number("1,234") is None
        True
    """
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, int | float):
        return Number(float(cell)) if math.isfinite(cell) else None
    text = cell.strip()
    if decimal == ",":
        text = text.replace(".", "x").replace(",", ".")
    try:
        value = float(text)  # most cells
    except ValueError:
        return _written_number(text, name)
    return Number(value) if math.isfinite(value) and "_" not in text else None


def _written_number(text: str, name: str) -> Number | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    value = _plain(re.sub(r"\(\d+\)", "", found["value"]))
    std = _plain(found["std"]) if found["std"] else None
    if found["last"]:
        if std is not None:
            return None
        mantissa = found["value"][: found["value"].index("(")]
        exponent = re.search(r"[eE](.*)$", found["value"])
        n_decimals = len(mantissa.partition(".")[2])
        std = int(found["last"]) * 10.0 ** (int(_ascii(exponent[1])) if exponent else 0) / 10.0**n_decimals
    unit = None
    if found["unit"]:
        try:
            unit = parse_unit(found["unit"], name)
        except UnitError:
            return None
    if not math.isfinite(value) or (std is not None and not math.isfinite(std)):
        return None
    return Number(value, std, unit)


def _plain(text: str) -> float:
    return float(_ascii(text))


def _ascii(text: str) -> str:
    return text.replace("−", "-").replace("–", "-")
