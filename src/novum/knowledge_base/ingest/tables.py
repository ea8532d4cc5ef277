"""Tables: CSV, JSON, JSON lines, Parquet; and graphs in JSON."""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from novum.core.errors import IngestError
from novum.core.knowledge import DataClass
from novum.core.text import clean_text
from novum.knowledge_base.ingest.cells import Cell
from novum.knowledge_base.ingest.draft import Draft, Shape, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.lines import bounded_lines
from novum.knowledge_base.ingest.omics import is_matrix, read_matrix
from novum.knowledge_base.ingest.parsing import parsing
from novum.knowledge_base.ingest.rows import Row, Table, findings
from novum.knowledge_base.ingest.series import is_series, read_series


class _Records(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __next__(self) -> list[str]: ...


MAX_JSON_BYTES = 16 * 2**20
"""Size of a JSON file, which is read whole and unfolds about twentyfold; JSON lines have no such limit."""

BATCH_ROWS = 10_000


def read_csv(task: Task) -> Iterator[Draft]:
    """Yield what a table with one line of headers holds; line by line, so that its length does not matter.

    The delimiter is the one of ``,``, ``;``, tab and ``|`` that the headers have most of. Lines before them
    that begin with ``#`` are skipped, and rows with too few or too many cells left out and counted.

    Raises:
        IngestError: it is no text, it ends inside quotes, it has no headers or rows, or nothing in it has a
            unit.
    """
    with task.source.lines(task.about.encoding) as stream:
        lines = bounded_lines(stream)
        header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
        records = csv.reader(itertools.chain([header], lines), delimiter=_delimiter(header), strict=True)
        with parsing("CSV", csv.Error):
            names = next(records, [])
        rows = _csv_rows(task, len(names), records)
        yield from _dispatch(task, Table.checked(names, rows, max_columns=task.bounds.max_columns))


def read_json(task: Task) -> Iterator[Draft]:
    """Yield what a JSON table or graph holds.

    A table is a list of objects, or an object of equally long lists; either may stand under ``data``,
    ``rows`` or ``records`` beside ``units``. A cell may be ``{"value": 1, "unit": "eV", "std": 0.1}``. A
    graph has ``nodes`` and ``edges`` or ``links``, each with ``source``, ``target`` and a ``relation``.

    Raises:
        IngestError: it is no JSON, too large, neither table nor graph, or nothing in it has a unit.
    """
    if task.source.size > MAX_JSON_BYTES:
        raise IngestError(f"it has {task.source.size} bytes; above {MAX_JSON_BYTES}, use JSON lines")
    text = task.source.text(task.bounds, task.about.encoding)
    with parsing("JSON"):
        content = json.loads(text, parse_constant=lambda _: None)
    if isinstance(content, dict) and isinstance(content.get("nodes"), list):
        edges = content.get("edges", content.get("links"))
        if isinstance(edges, list):
            yield from _edges(task, edges)
            return
    units: dict[str, str] = {}
    if isinstance(content, dict):
        inside = next((content[key] for key in ("data", "rows", "records") if key in content), None)
        if isinstance(inside, list | dict):
            if isinstance(content.get("units"), dict):
                units = {str(k): str(v) for k, v in content["units"].items()}
            content = inside
    if isinstance(content, dict) and content and all(isinstance(v, list) for v in content.values()):
        if len({len(v) for v in content.values()}) > 1:
            raise IngestError("its columns have different lengths")
        content = [dict(zip(content, cells, strict=True)) for cells in zip(*content.values(), strict=True)]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise IngestError("it is no table: expected a list of objects, or an object of lists")
    yield from _dispatch(task, _json_table(task, enumerate(content, 1), units, "row"))


def read_json_lines(task: Task) -> Iterator[Draft]:
    """Yield what a table with one JSON object a line holds; which columns there are, the first thousand say.

    Raises:
        IngestError: a line is no JSON object, or nothing in it has a unit.
    """

    def objects() -> Iterator[tuple[int, dict[str, Any]]]:
        with task.source.lines(task.about.encoding) as stream:
            for number, line in enumerate(bounded_lines(stream), 1):
                if not line.strip():
                    continue
                with parsing(f"JSON, line {number}"):
                    row = json.loads(line, parse_constant=lambda _: None)
                if not isinstance(row, dict):
                    raise IngestError(f"line {number} is no JSON object")
                yield number, row

    yield from _dispatch(task, _json_table(task, objects(), {}, "line"))


def read_parquet(task: Task) -> Iterator[Draft]:
    """Yield what a Parquet table holds, batch by batch; a field's metadata may hold its ``unit``.

    Raises:
        IngestError: it is damaged, a row group is too large, or nothing in it has a unit.
    """
    import pyarrow.lib
    import pyarrow.parquet as parquet

    with task.source.open() as stream:
        with parsing("Parquet", pyarrow.lib.ArrowException):
            file = parquet.ParquetFile(
                stream,
                # A long text that all rows share would else be copied for each of them.
                read_dictionary=_texts(stream),
                thrift_string_size_limit=2**26,
                thrift_container_size_limit=2**20,
                pre_buffer=False,
            )
            about = file.metadata
            for i in range(about.num_row_groups):
                group = about.row_group(i)
                size = sum(group.column(j).total_uncompressed_size for j in range(group.num_columns))
                if max(size, group.total_byte_size) > task.bounds.max_held_bytes:
                    raise IngestError(
                        f"row group {i + 1} has {size} bytes; at most {task.bounds.max_held_bytes} are held"
                    )
            flat = [f for f in file.schema_arrow if not _is_nested(f.type)]
            units = {
                f.name: f.metadata[b"unit"].decode() for f in flat if f.metadata and b"unit" in f.metadata
            }
        for field in file.schema_arrow:
            if _is_nested(field.type):
                task.note("a nested column was left out", place=f"column {field.name!r}")
        names = [f.name for f in flat]

        def rows() -> Iterator[Row]:
            number = 0
            batches = file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False)
            while True:
                with parsing("Parquet", pyarrow.lib.ArrowException):
                    batch = next(batches, None)
                    columns = [] if batch is None else [_cells(column) for column in batch.columns]
                if batch is None:
                    return
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield Row(number, [_cell(cell) for cell in cells])

        table = Table.checked(names, rows(), max_columns=task.bounds.max_columns, units=units)
        yield from _dispatch(task, table)


def _dispatch(task: Task, table: Table) -> Iterator[Draft]:
    """Read a table as what it is: a series, an omics matrix, or rows about subjects."""
    shape = task.about.shape
    if shape is None:
        first, table = table.peek()
        if is_series(task, table, first):
            shape = Shape.SERIES
        elif is_matrix(task, table, first):
            shape = Shape.OMICS
    if shape is Shape.SERIES:
        yield from read_series(task, table)
    elif shape is Shape.OMICS:
        yield from read_matrix(task, table)
    else:
        yield from findings(task, table)


def _delimiter(header: str) -> str:
    outside = "".join(header.split('"')[::2])
    counts = Counter({mark: outside.count(mark) for mark in (",", "\t", ";", "|")})
    best, n = counts.most_common(1)[0]
    return best if n else ","


def _csv_rows(task: Task, n_columns: int, records: "_Records") -> Iterator[Row]:
    number = 0
    while True:
        try:
            cells = next(records, None)
        except csv.Error as error:
            raise IngestError(f"it cannot be read as CSV: line {records.line_num}: {error}") from error
        if cells is None:
            return
        if not cells:
            continue
        number += 1
        if len(cells) != n_columns:
            task.note(f"rows that have not {n_columns} cells, as the headers have, were left out")
            continue
        if max(map(len, cells)) > task.bounds.max_cell_chars:
            raise IngestError(f"a cell of row {number} has more than {task.bounds.max_cell_chars} characters")
        yield Row(number, cells)


def _json_table(
    task: Task, objects: Iterator[tuple[int, dict[str, Any]]], units: Mapping[str, str], row_name: str
) -> Table:
    first = list(itertools.islice(objects, 1_000))
    names = list(dict.fromkeys(str(name) for _, row in first for name in row))
    said = dict(units)
    for _, row in first:
        for name, cell in row.items():
            if isinstance(cell, dict) and isinstance(cell.get("unit"), str):
                said.setdefault(str(name), cell["unit"])

    def rows() -> Iterator[Row]:
        for number, row in itertools.chain(first, objects):
            yield Row(number, [_cell(row.get(name)) for name in names])

    return Table.checked(names, rows(), max_columns=task.bounds.max_columns, units=said, row_name=row_name)


def _cell(value: Any) -> Cell:
    """Return a value of JSON or Arrow as a cell."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict) and "value" in value:
        text = str(value["value"])
        if value.get("std") is not None:
            text += f" ± {value['std']}"
        return f"{text} {value['unit']}" if value.get("unit") not in (None, "", "1") else text
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _texts(stream: Any) -> list[str]:
    """Return the names of the columns of text of a Parquet file."""
    import pyarrow.parquet as parquet
    import pyarrow.types as types

    schema = parquet.read_schema(stream)
    stream.seek(0)
    return [f.name for f in schema if types.is_string(f.type) or types.is_large_string(f.type)]


def _cells(column: Any) -> list[Any]:
    """Return the values of a column; equal texts of a dictionary are one object."""
    import pyarrow.types as types

    if types.is_dictionary(column.type):
        words = column.dictionary.to_pylist()
        return [None if i is None else words[i] for i in column.indices.to_pylist()]
    return list(column.to_pylist())


def _is_nested(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_nested(kind))


def _edges(task: Task, edges: Sequence[Any]) -> Iterator[Draft]:
    """Yield a draft for each edge of a graph."""
    n_bad = 0
    for number, edge in enumerate(edges, 1):
        ends = [edge.get("source"), edge.get("target")] if isinstance(edge, dict) else [None, None]
        if any(not isinstance(end, str | int) or end == "" for end in ends):
            n_bad += 1
            continue
        word = next(
            (edge[k] for k in ("relation", "type", "label", "key") if isinstance(edge.get(k), str)), ""
        )
        raw = [str(ends[0]), word or "related_to", str(ends[1])]
        source, relation, target = (clean_text(text, limit=500) for text in raw)
        yield Draft(
            data_class=DataClass.STRUCTURED,
            subject=source,
            label=source,
            relation=relation,
            object=target,
            text=f"{source} – {relation} – {target}.",
            locator={"edge": number},
            flags=flags_of(" ".join(raw)),
        )
    if n_bad:
        task.note(f"{n_bad} edges without source or target were left out")
    if n_bad == len(edges):
        raise IngestError("it is a graph without an edge that has source and target")
