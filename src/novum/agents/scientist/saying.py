"""What a text says: whether words, numbers and units occur in it."""

import re
from dataclasses import dataclass

from novum.core.errors import UnitError
from novum.core.quantity import DIMENSIONLESS, canonical_unit, convert, is_compatible

_NUMBER = re.compile(
    r"(?<![\w.])(?P<number>[-+−]?\d+(?:[.,]\d+)*(?:[eE][-+−]?\d+)?)"
    r"(?:\s*(?P<unit>[A-Za-zµμΩÅ°%][A-Za-z0-9µμΩÅ°%/*^²³⁻]*))?"
)
_SPELT = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty
"""
_WORDS = {word: float(value) for value, word in enumerate(_SPELT.split())}
_WORDS |= {"thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "eighty": 80.0, "hundred": 100.0}
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class _Told:
    value: float
    digit: float
    unit: str | None
    """As it is spelt canonically; None where nothing that follows is a unit."""


class Said:
    """A text that can be asked what it says.

    Args:
        text: the text.

    Example:
        >>> said = Said("A melting point above 80 °C, of at most twenty atoms")
        >>> said.lacks_amount(353.15, "K"), said.lacks_amount(20, "1"), said.lacks_amount(0.5, "1")
        ('', '', '0.5')
    """

    def __init__(self, text: str) -> None:
        self._flat = _flat(text)
        self._numbers = [_told(match) for match in _NUMBER.finditer(text)]
        words = _WORD.findall(text.lower())
        self._numbers += [_Told(_WORDS[word], 1.0, None) for word in words if word in _WORDS]

    def has_words(self, words: str) -> bool:
        """Say whether words occur in the text as they stand, whatever the case and the blanks."""
        wanted = _flat(words)
        return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", self._flat) is not None

    def lacks_amount(self, value: float, unit: str) -> str:
        """Return what of an amount the text does not say: nothing, the unit, or number and unit."""
        if unit == DIMENSIONLESS:
            said = any(abs(n.value - value) <= 1e-9 * max(1, abs(value)) for n in self._numbers)
            return "" if said else f"{value:g}"
        if any(_equals(number, value, unit) for number in self._numbers):
            return ""
        if any(n.unit is None and n.value == value for n in self._numbers):
            return f"the unit {unit}"
        return f"{value:g} {unit}"


def _told(match: re.Match[str]) -> _Told:
    plain = match["number"].replace("−", "-").replace(",", "")
    digits, _, exponent = plain.lower().partition("e")
    digit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    unit: str | None = None
    if match["unit"]:
        try:
            unit = canonical_unit(match["unit"])
        except UnitError:  # a word, and no unit
            unit = None
    return _Told(float(plain) if plain.count(".") <= 1 else float("nan"), digit, unit)


def _equals(number: _Told, value: float, unit: str) -> bool:
    """Say whether an amount is one of the text, to the digits with which the text writes it."""
    if number.unit is None:
        return False
    try:
        if not is_compatible(number.unit, unit):
            return False
        at = [convert(number.value + shift, number.unit, unit) for shift in (0.0, 0.005 * number.digit)]
    except UnitError:
        return False
    return abs(at[0] - value) <= max(abs(at[1] - at[0]), 1e-9 * abs(value))


def _flat(text: str) -> str:
    return " ".join(text.lower().split())
