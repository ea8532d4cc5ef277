"""Prose that a model writes: what each sentence cites, and what code finds wrong with it."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from novum.core.deliberation import Turn
from novum.core.frozen import Frozen

_NUMBER = re.compile(r"(?<![\w.])([-+−]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?)(?![\w])(\s*(?:%|per ?cent\b))?")
_CITED = re.compile(r"\[([^\[\]]{1,200})\]")
_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z\[(])")


class Mark(StrEnum):
    """What is wrong with a sentence."""

    UNCITED_NUMBER = "uncited number"
    """It states a number and names no record."""
    UNKNOWN_RECORD = "unknown record"
    """It names a record that is not there, or that the model was not shown."""
    NUMBER_NOT_IN_RECORD = "number not in the cited records"
    """It states a number that none of the records that it names holds."""


class Sentence(Frozen):
    """One sentence, the records that it names, and what is wrong with it."""

    text: str
    cites: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()


class Analysis(Frozen):
    """What a model says about a finished search. Words only: no number of it is a measurement."""

    turn: Turn
    note: str = ""
    """Why there is none; empty where there is."""
    sentences: tuple[Sentence, ...] = ()
    prompts: dict[str, str] = {}
    """Prompt → SHA-256 of its template."""


def split_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text.

    Example:
        >>> split_sentences("It rose to 3.2 eV [E001]. The next fell.")
        ('It rose to 3.2 eV [E001].', 'The next fell.')
    """
    return tuple(s for part in _ENDS.split(" ".join(text.split())) if (s := part.strip()))


def cited_in(text: str) -> tuple[str, ...]:
    """Return the ids in square brackets.

    Example:
        >>> cited_in("It rose [E001, E002] and fell [E001].")
        ('E001', 'E002')
    """
    found = [name.strip() for group in _CITED.findall(text) for name in group.split(",")]
    return tuple(dict.fromkeys(name for name in found if name))


def check_sentence(
    text: str, cites: Iterable[str] = (), *, records: Mapping[str, str], names: Iterable[str] = ()
) -> Sentence:
    """Return a sentence with what is wrong with it.

    A number must be one of those in the records that the sentence names, to as many digits as it is written
    with. Digits inside names (candidates, records) are not numbers.

    Args:
        text: the sentence; ids in square brackets are citations too.
        cites: ids that it names besides.
        records: id → what the record says, in words.
        names: labels of candidates, whose digits are not numbers.

    Example:
        >>> check_sentence("The gap is 4.3 eV.", ["E001"], records={"E001": "gap 4.312 eV"}).marks
        ()
        >>> check_sentence("The gap is 4.5 eV.", ["E001"], records={"E001": "gap 4.312 eV"}).marks
        (<Mark.NUMBER_NOT_IN_RECORD: 'number not in the cited records'>,)
        >>> check_sentence("The gap is 4.3 eV.", records={}).marks
        (<Mark.UNCITED_NUMBER: 'uncited number'>,)
    """
    cited = tuple(dict.fromkeys([*cites, *cited_in(text)]))
    known = tuple(name for name in cited if name in records)
    marks: list[Mark] = []
    if len(known) < len(cited):
        marks.append(Mark.UNKNOWN_RECORD)
    said = numbers_in(text, names=[*names, *records])
    if said and not cited:
        marks.append(Mark.UNCITED_NUMBER)
    elif said:
        held = [n.value for name in known for n in numbers_in(records[name], names=[*names, *records])]
        if not all(any(number.stands_for(v) for v in held) for number in said):
            marks.append(Mark.NUMBER_NOT_IN_RECORD)
    return Sentence(text=text, cites=cited, marks=tuple(marks))


class Number(NamedTuple):
    """A number as a text writes it."""

    value: float
    digit: float
    """The value of its last digit."""
    percent: bool = False

    def stands_for(self, value: float) -> bool:
        """Say whether `value`, rounded to the last digit, is this number; a share may be in per cent."""
        values = (value, 100 * value) if self.percent else (value,)
        return any(abs(v - self.value) <= 0.5000001 * self.digit for v in values)


def numbers_in(text: str, *, names: Iterable[str] = ()) -> list[Number]:
    """Return the numbers of a text, but for those in citations and in `names`.

    Example:
        >>> numbers_in("CC1CC1 has 4.30 eV in E001", names=["CC1CC1", "E001"])
        [Number(value=4.3, digit=0.01, percent=False)]
    """
    text = _CITED.sub(" ", text)
    for name in sorted({n for n in names if n}, key=len, reverse=True):
        text = text.replace(name, " ")
    found = []
    for match, percent in _NUMBER.findall(text):
        plain = match.replace("−", "-").replace(",", "")
        digits, _, exponent = plain.lower().partition("e")
        decimals = len(digits.partition(".")[2])
        try:
            number = Number(float(plain), 10.0 ** (int(exponent or 0) - decimals), bool(percent))
        except (ValueError, OverflowError):  # 1.2.3 is a version or a date, and 1e999 no number of a record
            continue
        found.append(number)
    return found
