"""Tables as arguments: columns by name, in the call itself or in a CSV file of it."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError, UnitError
from novum.core.quantity import DIMENSIONLESS, canonical_unit
from novum.sandbox.base import IN_DIRECTORY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_ROWS = 20_000
MOST_COLUMNS = 64
LARGEST = 1e100
"""Values up to this, and down to one over it, are computed with."""

Cell = float | str | None
"""A number, a text, or nothing where it is missing."""

ColumnName = Annotated[str, Field(min_length=1, max_length=120)]
"""A column's name, with its unit in brackets where it has one, as ``gap [eV]``."""

Column = Annotated[list[Cell], Field(max_length=MOST_ROWS)]

Columns = Annotated[dict[ColumnName, Column], Field(max_length=MOST_COLUMNS)]
"""Name → values, one for each row."""

_UNIT = re.compile(r"^(?P<plain>.*?)\s*\[(?P<unit>[^\[\]]*)\]\s*$")
_ARBITRARY = frozenset({"a.u.", "a. u.", "arb.", "arb. u.", "arb. units", "arb.u.", "counts", "cts"})
"""What instruments write where an intensity has no unit; "a.u." would be read as something else."""
_ABSENT = frozenset({"", "na", "n/a", "nan", "none", "null"})


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table in which nothing is missing that was asked for."""

    numbers: "NDArray[np.float64]"
    """Shape ``(n_rows, n_numbers)``."""
    texts: tuple[tuple[str, ...], ...]
    """One tuple for each column of texts that was asked for."""
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length.

    Example:
        >>> table = Table({"t [K]": [300.0, 310.0], "label": ["a", "b"]})
        >>> table.name("t"), table.unit("t"), len(table)
        ('t [K]', 'K', 2)
    """

    columns: Mapping[str, Sequence[Cell]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def name(self, asked: str) -> str:
        """Return a column's whole name; its unit may be left out where that names one column only.

        Raises:
            ToolFailedError: there is none of that name, or more than one.
        """
        if asked in self.columns:
            return asked
        found = [name for name in self.columns if plain_name(name) == asked]
        if len(found) == 1:
            return found[0]
        known = ", ".join(map(repr, self.columns))
        raise ToolFailedError(
            f"{'several columns are' if found else 'no column is'} {asked!r}; known: {known}"
        )

    def unit(self, asked: str) -> str:
        """Return the unit in a column's name; ``"1"`` where there is none.

        Raises:
            ToolFailedError: there is no such column, or its unit is unknown.
        """
        name = self.name(asked)
        match = _UNIT.match(name)
        if match is None or match["unit"].strip().lower() in _ARBITRARY:
            return DIMENSIONLESS
        try:
            return canonical_unit(match["unit"])
        except UnitError as error:
            raise ToolFailedError(f"column {name!r}: {error}") from error

    def complete(self, numbers: Sequence[str], texts: Sequence[str] = ()) -> Rows:
        """Return the rows that have all of some columns, in order.

        Args:
            numbers: columns that hold finite numbers.
            texts: columns that are read as texts, as labels and groups are.

        Raises:
            ToolFailedError: a column is missing or named twice, holds something else, or no row is complete.
        """
        import numpy as np

        names = [self.name(asked) for asked in numbers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ToolFailedError(f"column {twice[0]!r} is named twice")
        values = np.array([[_number(c, name) for c in self.columns[name]] for name in names], dtype=float)
        values = values.reshape(len(names), len(self)).T
        _check_sizes(values, names)
        labels = [[_text(cell) for cell in self.columns[self.name(asked)]] for asked in texts]
        keep = ~np.isnan(values).any(axis=1)
        for column in labels:
            keep &= np.array([text is not None for text in column], dtype=bool)
        if not keep.any():
            raise ToolFailedError("no row has a value in every column that is needed")
        dropped = len(self) - int(keep.sum())
        said = f"{dropped} of {len(self)} rows lack a value in a column that is needed, and were left out"
        return Rows(
            numbers=values[keep],
            texts=tuple(
                tuple(text for text, kept in zip(column, keep, strict=True) if kept and text is not None)
                for column in labels
            ),
            warnings=(said,) if dropped else (),
        )


def read_table(columns: Mapping[str, Sequence[Cell]], files: Mapping[str, str], name: str) -> Table:
    """Return the table of a call.

    Args:
        columns: the table itself; or nothing, where it is in a file.
        files: the files of the call, by name.
        name: which of them; the only one where this is empty.

    Raises:
        ToolFailedError: there is no table or more than one, or it is none.
    """
    if columns and files:
        raise ToolFailedError("give the table by 'columns' or by 'files', not by both")
    if columns and name:
        raise ToolFailedError(
            f"'table' names a file, and there is no file {name!r}: the table is in 'columns'"
        )
    if columns:
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            told = ", ".join(f"{key!r}: {len(values)}" for key, values in columns.items())
            raise ToolFailedError(f"the columns differ in length: {told}")
        return _filled(Table(dict(columns)))
    if not files:
        raise ToolFailedError("there is no table: give its 'columns', or a CSV file")
    if not name:
        tables = [file for file in files if file.endswith(".csv")]
        if len(tables) != 1:
            raise ToolFailedError(f"which table? the files are {', '.join(sorted(files))}")
        name = tables[0]
    if name not in files:
        raise ToolFailedError(f"no file is {name!r}; the files are {', '.join(sorted(files))}")
    return _filled(_read_csv(Path(IN_DIRECTORY, name)))


def _filled(table: Table) -> Table:
    if not len(table):
        raise ToolFailedError("the table has no rows")
    return table


def _read_csv(path: Path) -> Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head, *rows = csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ToolFailedError(f"{path.name} cannot be read as a CSV table: {error}") from error
    rows = [row for row in rows if row]
    if len(rows) > MOST_ROWS:
        raise ToolFailedError(f"{path.name} has {len(rows)} rows; at most {MOST_ROWS} are taken")
    if len(set(head)) != len(head) or any(len(row) != len(head) for row in rows):
        raise ToolFailedError(
            f"{path.name} is no table: its rows differ in length, or two columns share a name"
        )
    return Table({name: [row[number] for row in rows] for number, name in enumerate(head)})


def plain_name(name: str) -> str:
    """Return a column's name without its unit.

    Example:
        >>> plain_name("gap [eV]"), plain_name("gap")
        ('gap', 'gap')
    """
    match = _UNIT.match(name)
    return match["plain"] if match else name


def told(value: float, unit: str, **more: float | None) -> dict[str, Any]:
    """Return a number with its unit, and what else is known of it, as details hold it."""
    known = {key: float(number) for key, number in more.items() if number is not None}
    return {"value": float(value), "unit": unit, **known}


def _number(cell: Cell, name: str) -> float:
    """Return a cell as a number; NaN where it is missing."""
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in _ABSENT):
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        raise ToolFailedError(f"column {name!r} holds {str(cell)[:40]!r}, which is no number") from None
    if not math.isfinite(value):
        raise ToolFailedError(f"column {name!r} holds {value}, which is not finite")
    return value


def _check_sizes(values: "NDArray[np.float64]", names: Sequence[str]) -> None:
    """Refuse columns whose squares a computer does not hold."""
    import numpy as np

    for name, column in zip(names, values.T, strict=True):
        largest = float(np.nanmax(abs(column), initial=0.0))
        if largest > LARGEST or 0 < largest < 1 / LARGEST:
            raise ToolFailedError(
                f"the values of {name!r} are too {'large' if largest > 1 else 'small'} to compute with "
                f"({largest:.2g} at most); choose another unit"
            )


def _text(cell: Cell) -> str | None:
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in _ABSENT):
        return None
    return cell.strip() if isinstance(cell, str) else repr(int(cell) if cell == int(cell) else cell)
