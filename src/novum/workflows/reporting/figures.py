"""How numbers, units and foreign text are written in a report."""

import json
import math
from collections.abc import Mapping
from typing import Any

from novum.core.errors import UnitError
from novum.core.goals import Objective, ObjectiveKind
from novum.core.quantity import DIMENSIONLESS, Quantity, canonical_unit
from novum.core.science import FalsificationKind, FalsificationRule
from novum.sandbox.text import clean_text

MAX_TEXT = 600
"""Characters of one foreign text; a tool's message can be long, a report is read by people."""

MAX_DECIMALS = 6
"""Decimals up to which an uncertainty is written beside its value in plain notation."""


def plain(text: object, *, limit: int = MAX_TEXT) -> str:
    r"""Return foreign text on one line, with every character that acts instead of showing escaped.

    Example:
        >>> plain("two\nlines\u202e")
        'two lines\\u202e'
    """
    return " ".join(clean_text(str(text), limit=limit).split())


def number(value: float) -> str:
    """Return a number with four significant digits, whole numbers in full.

    Example:
        >>> number(0.83124), number(20.0), number(12345.6), number(1.5e-9)
        ('0.8312', '20', '12346', '1.500e-09')
    """
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -4 <= magnitude < 9:
        return f"{value:.3e}"
    text = f"{value:.{max(0, 3 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(value: float) -> str:
    """Return a number with its sign, as a change is written."""
    return f"+{number(value)}" if value > 0 else number(value)


def unit_text(unit: str) -> str:
    """Return a unit as people write it; empty for a pure number.

    Example:
        >>> unit_text("cm**3/mol"), unit_text("degC"), unit_text("1")
        ('cm³/mol', '°C', '')
    """
    try:
        unit = canonical_unit(unit)
    except UnitError:
        return plain(unit)  # a parameter's unit is what a person wrote, known or not
    if unit == DIMENSIONLESS:
        return ""
    return unit.replace("**2", "²").replace("**3", "³").replace("*", "·")


def with_unit(text: str, unit: str) -> str:
    """Return a number's text with its unit behind it."""
    return f"{text} {unit_text(unit)}".rstrip()


def quantity(q: Quantity) -> str:
    """Return a quantity with its standard deviation, where it has one, and its unit.

    Example:
        >>> quantity(Quantity(value=4.312, unit="eV", std=0.12))
        '4.31 ± 0.12 eV'
    """
    if not q.std:
        return with_unit(number(q.value), q.unit)
    decimals = max(0, 1 - math.floor(math.log10(q.std)))
    if decimals > MAX_DECIMALS:
        return with_unit(f"{number(q.value)} ± {q.std:.1e}", q.unit)
    return with_unit(f"{q.value:.{decimals}f} ± {q.std:.{decimals}f}", q.unit)


def wish(objective: Objective) -> str:
    """Return what is wanted of a property, without its name.

    Example:
        >>> wish(Objective(property="gap", kind=ObjectiveKind.AT_LEAST, low=4.0, unit="eV"))
        '≥ 4 eV'
    """
    low = "" if objective.low is None else number(objective.low)
    high = "" if objective.high is None else number(objective.high)
    match objective.kind:
        case ObjectiveKind.MAXIMISE:
            return with_unit(f"maximise, to ≥ {low}", objective.unit) if low else "maximise"
        case ObjectiveKind.MINIMISE:
            return with_unit(f"minimise, to ≤ {high}", objective.unit) if high else "minimise"
        case ObjectiveKind.TARGET:
            assert objective.target is not None
            assert objective.high is not None
            width = number(objective.high - objective.target)
            return with_unit(f"= {number(objective.target)} ± {width}", objective.unit)
        case ObjectiveKind.INTERVAL:
            return with_unit(f"{low} to {high}", objective.unit)
        case ObjectiveKind.AT_LEAST:
            return with_unit(f"≥ {low}", objective.unit)
        case ObjectiveKind.AT_MOST:
            return with_unit(f"≤ {high}", objective.unit)


def rule(r: FalsificationRule) -> str:
    """Return which outcomes refute a prediction."""
    low = "" if r.low is None else number(r.low)
    high = "" if r.high is None else number(r.high)
    match r.kind:
        case FalsificationKind.INTERVAL:
            return with_unit(f"refuted outside {low} to {high}", r.unit)
        case FalsificationKind.AT_LEAST:
            return with_unit(f"refuted below {low}", r.unit)
        case FalsificationKind.AT_MOST:
            return with_unit(f"refuted above {high}", r.unit)


def setting(value: object) -> str:
    """Return one argument's value: numbers short, text as it is, the rest as JSON."""
    if isinstance(value, bool | None):
        return json.dumps(value)
    if isinstance(value, int):
        return plain(value)
    if isinstance(value, float):
        return number(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return plain(value)
    return plain(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))


def settings(arguments: Mapping[str, Any]) -> str:
    """Return arguments as ``name = value`` pairs."""
    return ", ".join(f"{plain(name)} = {setting(value)}" for name, value in arguments.items())


def duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> duration(0.0124), duration(75), duration(7300)
        ('0.012 s', '75 s', '2.03 h')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.2f} h"


def count(n: int, noun: str, plural: str = "") -> str:
    """Return a number of things in words.

    Example:
        >>> count(1, "experiment"), count(2, "property", "properties")
        ('1 experiment', '2 properties')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"
