"""Prose that a model writes: what each sentence cites, and what code finds wrong with it."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from novum.core.deliberation import Turn
from novum.core.frozen import Frozen

# A unit may stand right behind its number, as in 9.9eV; an ordinal, as 2nd or 3D, is a word.
_NUMBER = re.compile(
    r"(?<![\w.])([-+−]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][-+−]?\d+)?)(?![\d.,]*\d)(?!(?:st|nd|rd|th|D)\b)"
    r"(\s*(?:%|per ?cent\b))?"
)
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
    PREDICTED = "predicted, not measured"
    """It states a number that stands in them as somebody's prediction alone. That is no fault of a sentence
    about predictions."""


class Sentence(Frozen):
    """One sentence, the records that it names, and what is wrong with it."""

    text: str
    cites: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def faults(self) -> tuple[Mark, ...]:
        """What has to be put right: to speak of a prediction is none."""
        return tuple(mark for mark in self.marks if mark is not Mark.PREDICTED)


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
    text: str,
    cites: Iterable[str] = (),
    *,
    records: Mapping[str, str],
    predicted: Mapping[str, str] | None = None,
    names: Iterable[str] = (),
) -> Sentence:
    """Return a sentence with what is wrong with it.

    A number must be one of those in the records that the sentence names, to as many digits as it is written
    with. One that stands there as a prediction only is marked as that. Digits inside names (candidates,
    records) are not numbers, unless the name is itself a number.

    Args:
        text: the sentence; ids in square brackets are citations too.
        cites: ids that it names besides.
        records: id → what the record says was found, in words. No reason of a model belongs in it.
        predicted: id → what the record says was expected, in words.
        names: labels of candidates, whose digits are not numbers.

    Example:
        >>> check_sentence("The gap is 4.3 eV.", ["E001"], records={"E001": "gap 4.312 eV"}).marks
        ()
        >>> check_sentence("The gap is 4.5 eV.", ["E001"], records={"E001": "gap 4.312 eV"}).marks
        (<Mark.NUMBER_NOT_IN_RECORD: 'number not in the cited records'>,)
        >>> check_sentence("The gap is 4.3 eV.", records={}).marks
        (<Mark.UNCITED_NUMBER: 'uncited number'>,)
        >>> check_sentence("It is 5 eV.", ["H001"], records={"H001": ""}, predicted={"H001": "5 eV"}).marks
        (<Mark.PREDICTED: 'predicted, not measured'>,)
    """
    cited = tuple(dict.fromkeys([*cites, *cited_in(text)]))
    known = tuple(name for name in cited if name in records)
    marks: list[Mark] = []
    if len(known) < len(cited):
        marks.append(Mark.UNKNOWN_RECORD)
    every = (*names, *records, *cited)
    said = numbers_in(text, names=every)
    if said and not cited:
        marks.append(Mark.UNCITED_NUMBER)
    elif said:
        lacking = _lacking(said, [records[name] for name in known], every)
        if lacking:
            expected = [(predicted or {}).get(name, "") for name in known]
            absent = _lacking(lacking, expected, every)
            marks += [Mark.NUMBER_NOT_IN_RECORD] if absent else []
            marks += [Mark.PREDICTED] if len(absent) < len(lacking) else []
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

    A name counts as a whole word only, and one that is itself a number, as the row 7 of a table, is a number.

    Example:
        >>> numbers_in("CC1CC1 has 4.30 eV in E001", names=["CC1CC1", "E001"])
        [Number(value=4.3, digit=0.01, percent=False)]
    """
    text = _CITED.sub(" ", text)
    if (words := _words_of(tuple(names))) is not None:
        text = words.sub(" ", text)
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


def _lacking(said: Iterable[Number], texts: Iterable[str], names: tuple[str, ...]) -> list[Number]:
    """Return those of the numbers that stand in none of the texts."""
    held = [number.value for text in texts for number in numbers_in(text, names=names)]
    return [number for number in said if not any(number.stands_for(value) for value in held)]


@lru_cache(maxsize=16)
def _words_of(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return what finds any of the names as a whole word, the longest first; None where there is none.

    A decimal goes on behind its point: the name `A 1` is not in ``A 1.5``.
    """
    usable = sorted({name for name in names if name.strip() and not _is_number(name)}, key=len, reverse=True)
    if not usable:
        return None
    return re.compile(rf"(?<!\w)(?<!\d[.,])(?:{'|'.join(map(re.escape, usable))})(?!\w|[.,]\d)")


def _is_number(name: str) -> bool:
    """Say whether a name is a number, with a unit behind it or none."""
    found = _NUMBER.match(name.strip())
    return found is not None and not any(c.isdigit() for c in name.strip()[found.end() :])
