"""Rows of a table as findings: who it is about, how much of what, under which conditions."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from novum.core.errors import IngestError, UnitError
from novum.core.knowledge import DataClass, Interval
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.science import Origin
from novum.core.text import clean_text
from novum.knowledge_base.ingest.cells import Cell, is_missing, parse_number
from novum.knowledge_base.ingest.columns import Plan, ValueColumn, make_plan
from novum.knowledge_base.ingest.draft import Draft, Named, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.subjects import Subjects

PEEK_ROWS = 1_000
"""Rows that are looked at to tell numbers from text."""

MAX_CONDITION_CHARS = 200
"""A longer text in a cell is cut where it becomes a condition."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, with one cell for each header of its table."""

    number: int
    """Counted from 1."""
    cells: Sequence[Cell]
    about: Named | None = None
    """What it is about, where no column says so."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a stream of rows."""

    headers: tuple[str, ...]
    rows: Iterator[Row]
    units: dict[str, str] = field(default_factory=dict)
    """Units that the file states elsewhere than in the headers."""
    row_name: str = "row"
    """What a number counts: row, line or record."""

    @classmethod
    def checked(
        cls,
        headers: Sequence[str],
        rows: Iterator[Row],
        *,
        max_columns: int,
        units: dict[str, str] | None = None,
        row_name: str = "row",
    ) -> Self:
        """Return a table whose headers are clean and distinct.

        Raises:
            IngestError: two columns have one name, there are too many, or none.
        """
        if len(headers) > max_columns:
            raise IngestError(f"it has {len(headers)} columns; at most {max_columns} are read")
        names = tuple(clean_text(str(header), limit=200).strip() for header in headers)
        if not any(names):
            raise IngestError("it has no headers")
        seen: set[str] = set()
        for name in filter(None, names):
            if name in seen:
                raise IngestError(f"two columns are called {name!r}; rename one")
            seen.add(name)
        return cls(names, rows, units or {}, row_name)

    def peek(self, n: int = PEEK_ROWS) -> tuple[list[Row], Self]:
        """Return the first rows, and the table with them still in it.

        Raises:
            IngestError: there is no row.
        """
        first = list(itertools.islice(self.rows, n))
        if not first:
            raise IngestError("it has no rows")
        return first, type(self)(self.headers, itertools.chain(first, self.rows), self.units, self.row_name)


def findings(task: Task, table: Table, *, data_class: DataClass = DataClass.STRUCTURED) -> Iterator[Draft]:
    """Yield a draft for each value in a table; cells without one are skipped, and counted in the notes.

    Raises:
        IngestError: no column holds values whose unit is known, or a column that was named is not there.
    """
    first, table = table.peek()
    plan = make_plan(task, table.headers, table.units, [row.cells for row in first])
    subjects = Subjects(task)
    for row in table.rows:
        named = row.about
        if named is None and plan.subject_at is not None and not is_missing(row.cells[plan.subject_at]):
            named = subjects.named(table.headers[plan.subject_at], str(row.cells[plan.subject_at]))
            if named is None:
                continue
        if named is None:
            place = f"{table.row_name} {row.number}"
            named = Named(f"{task.subject}#{place.replace(' ', '-')}", f"{task.source.name}, {place}")
        conditions, raw = _conditions(task, plan, table, row)
        flags = flags_of(f"{named.raw}\n{raw}") if raw or named.raw else ()
        given = ", ".join(f"{name} = {_said(value)}" for name, value in conditions.items())
        for column in plan.values:
            found = _value(task, column, row)
            if found is None:
                continue
            text = f"{named.label}: {column.header.name} = {found[0]}"
            yield Draft(
                data_class=DataClass.SYMBOLIC if named.symbolic else data_class,
                subject=named.id,
                label=named.label,
                relation=column.header.name,
                arguments=named.arguments,
                conditions=conditions,
                locator={table.row_name: row.number, "column": column.header.column},
                flags=flags,
                value=found[0],
                interval=found[1],
                text=f"{text} at {given}." if given else f"{text}.",
            )


def _conditions(task: Task, plan: Plan, table: Table, row: Row) -> tuple[dict[str, Any], str]:
    """Return the conditions of a row, and its raw texts."""
    conditions: dict[str, Any] = {}
    raw = []
    for i, header in plan.numbers:
        cell = row.cells[i]
        if is_missing(cell):
            continue
        number = parse_number(cell, decimal=task.about.columns.decimal, name=header.name)
        if number is None:
            conditions[header.name] = _short(str(cell))
            raw.append(str(cell))
            continue
        unit = number.unit or header.unit
        name = header.name if unit in (None, "1") else f"{header.name} [{unit}]"
        conditions[name] = number.value
    for i, name in plan.texts:
        cell = row.cells[i]
        if is_missing(cell):
            continue
        if isinstance(cell, str):
            raw.append(cell)
            if len(cell) > MAX_CONDITION_CHARS:
                task.note("texts too long for a condition were cut", place=f"column {table.headers[i]!r}")
            conditions[name] = _short(cell)
        else:
            conditions[name] = cell
    return conditions, "\n".join(raw)


def _value(task: Task, column: ValueColumn, row: Row) -> tuple[Quantity, Interval | None] | None:
    """Return the quantity in a cell and the interval beside it; None, with a note, where there is none."""
    cell, header = row.cells[column.at], column.header
    place = f"column {header.column!r}"
    if is_missing(cell):
        task.note("cells without a value were left out", place=place)
        return None
    decimal = task.about.columns.decimal
    number = parse_number(cell, decimal=decimal, name=header.name)
    if number is None:
        task.note("cells that hold no plain, finite number were left out", place=place)
        return None
    unit = number.unit or header.unit
    if unit is None:
        task.note("cells without a unit were left out", place=place)
        return None
    std = number.std
    if std is None and column.std_at is not None:
        spread = parse_number(row.cells[column.std_at], decimal=decimal)
        if spread is not None and spread.value >= 0:
            std = spread.value * column.std_factor
        elif spread is not None:
            task.note("negative standard deviations were left out", place=place)
    kind = None
    if std is not None:
        measured = task.about.origin is Origin.MEASURED
        kind = UncertaintyKind.MEASUREMENT if measured else UncertaintyKind.MODEL
    quantity = Quantity(value=number.value, unit=unit, std=std, kind=kind)
    if header.unit is not None and unit != header.unit:
        try:
            quantity = quantity.to(header.unit)
        except UnitError:
            task.note(f"cells with another unit than {header.unit!r} were left out", place=place)
            return None
    return quantity, _interval(task, column, row, place)


def _interval(task: Task, column: ValueColumn, row: Row, place: str) -> Interval | None:
    if column.bounds_at is None:
        return None
    decimal = task.about.columns.decimal
    low, high = (parse_number(row.cells[i], decimal=decimal) for i in column.bounds_at)
    if low is None or high is None:
        return None
    if low.value > high.value:
        task.note("intervals that end before they begin were left out", place=place)
        return None
    return Interval(low=low.value, high=high.value, level=column.bounds_level)


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    return clean_text(text.strip(), limit=MAX_CONDITION_CHARS)
