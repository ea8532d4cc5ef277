"""Tables in files: written by tools, read on our side as what a stranger wrote.

A table travels as Parquet or CSV, with the units of its columns in a JSON file beside it
(``NAME.json``). What pandas and Arrow have stored in a Parquet file about themselves is not used.

Parquet is decoded in a process of its own, because Arrow's C++ can end its process over a damaged file.
"""

import csv
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from novum.core.errors import ToolFailedError, UnitError, UsageError
from novum.sandbox.files.labels import check_unit, find_pickle, read_labels, write_labels
from novum.sandbox.files.names import shown
from novum.sandbox.files.parquet_decoder import check_size, decode_apart
from novum.sandbox.files.parquet_pages import MAGIC
from novum.sandbox.files.streams import open_regular
from novum.sandbox.text import clean_text

if TYPE_CHECKING:
    import pandas

_NAME_BYTES: Final = 120


@dataclass(frozen=True, slots=True)
class TableCaps:
    """How large a table may be."""

    file_bytes: int = 64 << 20
    """Of the file."""
    table_bytes: int = 256 << 20
    """Of what it unpacks to."""
    rows: int = 1_000_000
    columns: int = 1000
    cells: int = 10_000_000
    """Rows times columns."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTable:
    """A table with the units of its columns.

    Attributes:
        frame: numbers, truth values, texts and times, with a plain index.
        units: column → unit, in canonical spelling, of those columns for which the file says one.
    """

    frame: "pandas.DataFrame"
    units: Mapping[str, str]


def save_table(path: Path, frame: "pandas.DataFrame", *, units: Mapping[str, str]) -> None:
    """Write a table as Parquet or CSV, and the units of its columns into ``NAME.json`` beside it.

    Args:
        path: ends in ``.parquet`` or ``.csv``.
        frame: the table; its index is not written.
        units: column → unit, for columns of numbers; ``"1"`` for pure numbers.

    Raises:
        UsageError: the name ends otherwise, the names of the columns are not unique plain texts, or a
            unit is of a column that is not there.
        UnitError: a unit is unknown.
    """
    names = [str(name) for name in frame.columns]
    if path.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{str(path)!r} ends neither in '.parquet' nor in '.csv'")
    try:
        _check_names(names)
    except ValueError as error:
        raise UsageError(f"the table cannot be written: {error}") from error
    if unknown := units.keys() - set(names):
        raise UsageError(f"units are given for columns that are not there: {sorted(unknown)}")
    try:
        spelled = {name: check_unit(unit) for name, unit in units.items()}
    except ValueError as error:
        raise UnitError(str(error)) from error
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        pyarrow.parquet.write_table(table, path)
    write_labels(path, {"columns": names, "rows": len(frame), "units": spelled})


def load_table(path: Path, *, caps: TableCaps | None = None) -> LabelledTable:
    """Read a Parquet or CSV file that untrusted code wrote, and the units beside it if there are any.

    Which of them it is, is read from its bytes. CSV is UTF-8 with commas and one line of names.

    Args:
        path: the file, as it came out of a sandbox.
        caps: how large it may be; `TableCaps()` where it is not given.

    Raises:
        NotFoundError: there is no such file.
        ToolFailedError: it is neither or is damaged, is over a cap, has columns that are not plain
            (nested, of an extension type, bytes), is a pickle, or is not what its labels say.
    """
    caps = caps or TableCaps()
    with open_regular(path, limit=caps.file_bytes) as file:
        try:
            head = file.read(len(MAGIC))
            if head == MAGIC:
                frame = _parquet(file, caps)
            else:
                frame = _csv(head + file.read(caps.file_bytes), caps)
            return LabelledTable(frame, _units(frame, read_labels(path)))
        except ValueError as error:
            raise ToolFailedError(f"cannot read {shown(path.name)!r}: {error}") from error


def _parquet(file: IO[bytes], caps: TableCaps) -> "pandas.DataFrame":
    import pyarrow
    import pyarrow.ipc

    with tempfile.TemporaryFile() as decoded:
        decode_apart(
            file, decoded, rows=caps.rows, columns=caps.columns, cells=caps.cells, size=caps.table_bytes
        )
        decoded.seek(0)
        try:
            table = pyarrow.ipc.open_file(decoded).read_all()
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"it is damaged: {clean_text(str(error), limit=200)}") from error
    _check_names(table.column_names)
    return table.to_pandas(ignore_metadata=True, date_as_object=False)


def _csv(raw: bytes, caps: TableCaps) -> "pandas.DataFrame":
    import pandas

    if why := find_pickle(raw[:512]):
        raise ValueError(why)
    if b"\0" in raw:
        raise ValueError("it is neither a Parquet nor a CSV file")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        first = raw[: raw.find(b"\n") + 1 or len(raw)].decode("utf-8")
        raw.decode("utf-8")
        names = next(csv.reader([first], strict=True), [])
    except UnicodeDecodeError as error:
        raise ValueError("it is neither a Parquet file nor text in UTF-8") from error
    except csv.Error as error:
        raise ValueError(f"its names cannot be read: {error}") from error
    if not names:
        raise ValueError("it has no columns")
    check_size(0, len(names), rows=caps.rows, columns=caps.columns, cells=caps.cells)
    _check_names(names)
    # before it is parsed: each cell ends with one of these
    if raw.count(b",") + raw.count(b"\n") + raw.count(b"\r") > caps.cells + len(names):
        raise ValueError(f"it has more than {caps.cells} cells")
    try:
        frame = pandas.read_csv(
            io.BytesIO(raw), names=names, header=0, nrows=caps.rows + 1, low_memory=False, encoding="utf-8"
        )
    except (pandas.errors.ParserError, OverflowError) as error:
        raise ValueError(f"it is damaged: {clean_text(str(error), limit=200)}") from error
    # pandas makes an index of what a row has beyond the names
    if not isinstance(frame.index, pandas.RangeIndex):
        raise ValueError("a row has more cells than there are names")
    check_size(len(frame), len(names), rows=caps.rows, columns=caps.columns, cells=caps.cells)
    return frame


def _check_names(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not name.strip() or not name.isprintable() or clean_text(name) != name:
            raise ValueError(f"a column's name {shown(name)!r} is empty or cannot be shown")
        if len(name.encode("utf-8")) > _NAME_BYTES:
            raise ValueError(f"a column's name is longer than {_NAME_BYTES} bytes")
        if name in seen:
            raise ValueError(f"two columns are called {shown(name)!r}")
        seen.add(name)


def _units(frame: "pandas.DataFrame", labels: dict[str, Any] | None) -> dict[str, str]:
    if labels is None:
        return {}
    match labels:
        case {"columns": list(columns), "rows": int(rows), "units": dict(units)}:
            pass
        case _:
            raise ValueError("its labels are not those of a table")
    if columns != list(frame.columns) or rows != len(frame):
        raise ValueError("it has other columns or rows than its labels say")
    if not all(name in columns and isinstance(unit, str) for name, unit in units.items()):
        raise ValueError("its labels name units of columns that are not there")
    return {name: check_unit(unit) for name, unit in units.items()}
