"""Arguments of a tool as people and planners give them: units converted, mistakes said in words."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from novum.core.errors import ToolArgumentError, UnitError
from novum.core.quantity import Quantity


def to_unit(value: Any, unit: str, *, tool: str, argument: str) -> Any:
    """Return a value, or a list of them, as plain numbers in `unit`.

    A value may be a number in that unit, ``{"value": 26.85, "unit": "degC"}``, or ``"300 K"``. What is
    none of these comes back as it is, for the schema to refuse.

    Raises:
        ToolArgumentError: a text that is no number with a unit, or a unit of another dimension.

    Example:
        >>> to_unit("150 cm", "m", tool="demo", argument="length")
        1.5
    """
    if isinstance(value, list | tuple):
        return [to_unit(item, unit, tool=tool, argument=argument) for item in value]
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([^\d\s.].*)", value)
        if not match:
            raise ToolArgumentError(
                f"{tool}: argument {argument!r}: {value!r} is not a number with a unit; "
                f"write a number in {unit}, or a text like '1.5 {unit}'"
            )
        value = {"value": match[1], "unit": match[2]}
    if isinstance(value, Mapping):
        try:
            value = Quantity.model_validate(value)
        except (UnitError, ValidationError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise ToolArgumentError(f"{tool}: argument {argument!r}: {reason}") from error
    if isinstance(value, Quantity):
        try:
            return value.to(unit).value
        except UnitError as error:
            raise ToolArgumentError(f"{tool}: argument {argument!r}: {error}") from error
    return value


def explain(problem: str, place: str, *, given: Any, known: Sequence[str]) -> str:
    """Return what is wrong with an argument, in words.

    Args:
        problem: ``unknown``, ``missing``, or what a validator said.
        place: the argument's name, with the path inside it.
        given: what was given.
        known: the names that there are.

    Example:
        >>> explain("unknown", "smile", given="C", known=["smiles"])
        "unknown argument 'smile'; did you mean 'smiles'?"
    """
    if problem == "unknown":
        near = difflib.get_close_matches(place, known, n=1)
        offer = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known) or 'none'}"
        return f"unknown argument {place!r}; {offer}"
    if problem == "missing":
        return f"argument {place!r} is missing"
    return f"argument {place!r}: {problem}, not {given!r}"
