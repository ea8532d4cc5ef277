"""What each column of a table is for: subject, results and how sure they are, conditions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from novum.core.errors import IngestError, UnitError
from novum.core.quantity import convert, is_compatible
from novum.knowledge_base.ingest.cells import Cell, is_missing, parse_number
from novum.knowledge_base.ingest.draft import Task
from novum.knowledge_base.ingest.subjects import SUBJECT_NAMES
from novum.knowledge_base.ingest.units import Header, Role, parse_header

_CONDITIONS = re.compile(
    r"t|temp|temperature|p|press|pressure|time|duration|reaction[ _]time|reaction[ _]temperature|ph|"
    r"concentration|conc|wavelength|frequency|humidity|rh|dose|loading|catalyst[ _]loading|scan[ _]rate|"
    r"strain[ _]rate|flow[ _]rate|field|bias|replicate|repeat|run|batch|day|cycle|fold|seed",
    re.IGNORECASE,
)
"""Names of numbers that are usually set, not found."""

_REMARKS = re.compile(r"(?:notes?|comments?|remarks?|description|abstract|reference|doi|url)", re.IGNORECASE)
_NUMBERING = re.compile(r"(?:|index|row|#|no\.?|nr\.?|unnamed: ?0)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """A column of results, with the columns that say how sure they are."""

    at: int
    header: Header
    std_at: int | None = None
    std_factor: float = 1.0
    """What turns the standard deviation into the unit of the values."""
    bounds_at: tuple[int, int] | None = None
    bounds_level: float = 0.95


@dataclass(frozen=True, slots=True)
class Plan:
    """What each column is for; places count from 0."""

    subject_at: int | None
    values: tuple[ValueColumn, ...]
    numbers: tuple[tuple[int, Header], ...]
    """Conditions that are numbers."""
    texts: tuple[tuple[int, str], ...]
    """Conditions that are texts."""


def make_plan(
    task: Task, headers: Sequence[str], units: dict[str, str], first: Sequence[Sequence[Cell]]
) -> Plan:
    """Return what the columns are for, by what the user says, their headers and their first cells.

    Args:
        task: the file, and what its user says of its columns.
        headers: the headers, as they are written.
        units: units that the file states elsewhere than in the headers.
        first: the first rows.

    Raises:
        IngestError: no column holds values whose unit is known, or a column that was named is not there.
    """
    asked = task.about.columns
    for column in asked.units:
        if column != "*" and column not in headers:
            task.note(f"there is no column {column!r}, of which a unit was said")
    for name in (asked.subject, *(asked.conditions or ())):
        if name and name not in headers:
            raise IngestError(f"there is no column {name!r}; it has {', '.join(map(repr, headers))}")
    subject_at = headers.index(asked.subject) if asked.subject else find_subject(headers)
    values: list[tuple[int, Header]] = []
    spreads: list[tuple[int, Header]] = []
    numbers: list[tuple[int, Header]] = []
    texts: list[tuple[int, str]] = []
    for i, name in enumerate(headers):
        if i == subject_at or _NUMBERING.fullmatch(name):
            continue
        header = header_of(task, name, units)
        wanted = asked.conditions is not None and name in asked.conditions
        usual = asked.conditions is None and bool(_CONDITIONS.fullmatch(header.name))
        if not is_numeric(task, header, (row[i] for row in first)):
            if wanted or (asked.conditions is None and not _REMARKS.fullmatch(header.name)):
                texts.append((i, header.name))
            else:
                task.note("text that is no condition was left out", place=f"column {name!r}")
        elif wanted or (usual and header.role is Role.VALUE):
            numbers.append((i, header))
        elif header.role is not Role.VALUE:
            spreads.append((i, header))
        else:
            values.append((i, header))
    names = {name.casefold() for _, h in values for name in (h.name, h.column)}
    values += [(i, h) for i, h in spreads if h.of.casefold() not in names]  # as "error_rate"
    known = [
        _with_spread(task, i, header, spreads)
        for i, header in values
        if _has_unit(task, header, (row[i] for row in first))
    ]
    if not known:
        without = ", ".join(repr(header.column) for _, header in values)
        raise IngestError(
            f"no column holds results with a unit{f'; without one: {without}' if without else ''}. Write "
            f"headers as 'yield [%]', or say the units; '1' for a pure number"
        )
    return Plan(subject_at, tuple(known), tuple(numbers), tuple(texts))


def header_of(task: Task, name: str, units: dict[str, str]) -> Header:
    """Return a header with its unit: the user's, its own, the file's, or the user's for all, in that order.

    Raises:
        IngestError: a unit that the user or the file gives is unknown.
    """
    asked = task.about.columns.units
    try:
        header = parse_header(name, unit=asked.get(name))
        if header.unit is None and name in units:
            header = parse_header(name, unit=units[name])
        if header.unit is None and "*" in asked:
            header = parse_header(name, unit=asked["*"])
    except UnitError as error:
        raise IngestError(f"column {name!r}: {error}") from error
    return header


def find_subject(headers: Sequence[str]) -> int | None:
    """Return which column has the best of the usual names of a subject, or None."""
    at: dict[str, int] = {}
    for i, header in enumerate(headers):
        at.setdefault(" ".join(re.split(r"[\s_]+", header.casefold())), i)
    return next((at[name] for name in SUBJECT_NAMES if name in at), None)


def is_numeric(task: Task, header: Header, cells: Iterator[Cell]) -> bool:
    """Say whether a column holds numbers: by its unit, else by most of its first cells."""
    if header.unit is not None:
        return True
    present = [cell for cell in cells if not is_missing(cell)]
    decimal = task.about.columns.decimal
    n = sum(parse_number(cell, decimal=decimal, name=header.name) is not None for cell in present)
    return n > len(present) / 2


def _has_unit(task: Task, header: Header, cells: Iterator[Cell]) -> bool:
    if header.unit is not None:
        return True
    decimal = task.about.columns.decimal
    numbers = (parse_number(cell, decimal=decimal, name=header.name) for cell in cells)
    if any(number is not None and number.unit is not None for number in numbers):
        return True
    why = header.problem or "numbers without a unit were left out; write it into the header, as 'yield [%]'"
    task.note(why, place=f"column {header.column!r}")
    return False


def _with_spread(task: Task, at: int, header: Header, spreads: Sequence[tuple[int, Header]]) -> ValueColumn:
    names = (header.name.casefold(), header.column.casefold())
    own: dict[Role, tuple[int, Header]] = {}
    for i, spread in spreads:
        if spread.of.casefold() in names:
            own.setdefault(spread.role, (i, spread))
    std_at, factor = None, 1.0
    if (std := own.get(Role.STD)) is not None:
        std_at, unit = std[0], std[1].unit
        if unit is not None and header.unit is not None and unit != header.unit:
            if is_compatible(unit, header.unit):
                # The scale alone: a difference of 1 °C is one of 1 K.
                factor = abs(convert(1.0, unit, header.unit) - convert(0.0, unit, header.unit))
            else:
                place = f"column {std[1].column!r}"
                task.note(f"left out: its unit {unit!r} is none of {header.column!r}", place=place)
                std_at = None
    low, high = own.get(Role.LOW), own.get(Role.HIGH)
    if low and high and low[1].level and low[1].level == high[1].level:
        return ValueColumn(at, header, std_at, factor, (low[0], high[0]), low[1].level)
    return ValueColumn(at, header, std_at, factor)
