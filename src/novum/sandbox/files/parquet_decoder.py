"""The program that reads a stranger's Parquet file, apart from the process that wants it.

A damaged footer is enough to make Arrow's C++ end its process. This one has limits, no secret in its
environment, and nothing to lose. ``python -I -m novum.sandbox.files.parquet_decoder`` takes the file at
standard input and the caps as JSON in its argument, and writes an Arrow file to standard output, or the
reason to standard error with exit code `REFUSED`.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, Final

from novum.sandbox.files.names import shown
from novum.sandbox.files.parquet_pages import check_footer, check_pages, check_schema
from novum.sandbox.text import clean_text

if TYPE_CHECKING:
    import pyarrow

REFUSED: Final = 3
"""Exit code for a file that is not read, with the reason at standard error."""

_OWN_BYTES: Final = 1 << 30  # of the interpreter and of Arrow themselves, and of copies on the way
_CPU_S: Final = 60
_WALL_S: Final = 120


def decode_apart(file: IO[bytes], into: IO[bytes], *, rows: int, columns: int, cells: int, size: int) -> None:
    """Read the Parquet file in `file` in a process of its own, and write an Arrow file to `into`.

    Raises:
        ValueError: it is not read, with the reason; or its decoder crashed or took too long.
    """
    caps = json.dumps({"rows": rows, "columns": columns, "cells": cells, "size": size})
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # the buffer in front of it has read on
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", __name__, caps],
            stdin=file,
            stdout=into,
            stderr=subprocess.PIPE,
            timeout=_WALL_S,
            env={"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"its decoder took longer than {_WALL_S} s") from error
    if done.returncode == REFUSED:
        raise ValueError(clean_text(done.stderr.decode("utf-8", "replace"), limit=300))
    if done.returncode < 0:
        raise ValueError(f"it is damaged: its decoder ended with {signal.Signals(-done.returncode).name}")
    if done.returncode:
        raise ValueError(f"it is damaged: its decoder ended with code {done.returncode}")


def decode(raw: bytes, *, rows: int, columns: int, cells: int, size: int) -> "pyarrow.Table":
    """Return the plain columns of a Parquet file.

    Args:
        raw: the file.
        rows: how many it may have at most.
        columns: how many it may have at most.
        cells: how many there may be at most, rows times columns.
        size: how many bytes it may unpack to.

    Raises:
        ValueError: it is damaged, over a cap, or has columns that are not plain.
    """
    import pyarrow
    import pyarrow.parquet

    footer = check_footer(raw)
    try:
        metadata = pyarrow.parquet.read_metadata(pyarrow.BufferReader(raw))
        check_size(metadata.num_rows, metadata.num_columns, rows=rows, columns=columns, cells=cells)
        check_schema(metadata)
        check_pages(raw, metadata, footer=footer, limit=size)
        schema = [metadata.schema.column(i) for i in range(metadata.num_columns)]
        if len({column.name for column in schema}) != len(schema):
            raise ValueError("two of its columns have the same name")
        file = pyarrow.parquet.ParquetFile(
            pyarrow.BufferReader(raw),
            # as dictionaries, so that a text that occurs a million times is stored once until it is counted
            read_dictionary=[column.name for column in schema if column.physical_type == "BYTE_ARRAY"],
            pre_buffer=False,
            arrow_extensions_enabled=False,
        )
        return _plain(file.read(use_threads=False).replace_schema_metadata(None), size)
    except (pyarrow.ArrowException, OSError, OverflowError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def check_size(n_rows: int, n_columns: int, *, rows: int, columns: int, cells: int) -> None:
    """Hold the size of a table against its caps.

    Raises:
        ValueError: it is larger.
    """
    if n_rows > rows:
        raise ValueError(f"it has more than {rows} rows")
    if n_columns > columns:
        raise ValueError(f"it has more than {columns} columns")
    if n_rows * n_columns > cells:
        raise ValueError(f"it has more than {cells} cells")


def _plain(table: "pyarrow.Table", limit: int) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import compute, types

    columns: list[Any] = []
    left = limit
    for field in table.schema:
        column, kind = table.column(field.name), field.type
        if types.is_dictionary(kind):
            value = kind.value_type
            if not (types.is_string(value) or types.is_large_string(value)):
                raise ValueError(f"its column {shown(field.name)!r} is of type {value}, which is not read")
            for chunk in column.chunks:
                lengths = compute.binary_length(chunk.dictionary).take(chunk.indices)
                left -= compute.sum(lengths.cast(pyarrow.int64())).as_py() or 0
            if left < 0:
                raise ValueError(f"it unpacks to more than {limit} bytes")
            column = column.cast(pyarrow.large_string())
        elif types.is_timestamp(kind):
            # the name of a zone is a file to look for
            if kind.tz not in (None, "UTC"):
                raise ValueError(f"its column {shown(field.name)!r} is in a time zone other than UTC")
        elif not (
            types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_date(kind)
        ):
            raise ValueError(f"its column {shown(field.name)!r} is of type {kind}, which is not read")
        columns.append(column)
    plain = pyarrow.table(columns, names=table.column_names)
    plain.validate(full=True)
    if plain.nbytes > limit:
        raise ValueError(f"it unpacks to more than {limit} bytes")
    return plain


def _main() -> None:
    caps = json.loads(sys.argv[1])
    memory = _OWN_BYTES + 3 * caps["size"]
    for what, limit in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 2 * caps["size"] + (1 << 20)),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (limit, limit))
    try:
        table = decode(sys.stdin.buffer.read(), **caps)
    except (ValueError, MemoryError) as error:
        why = "there is not enough memory for it" if isinstance(error, MemoryError) else str(error)
        sys.stderr.write(clean_text(why, limit=300))
        sys.stderr.flush()
        os._exit(REFUSED)
    import pyarrow.ipc

    with pyarrow.ipc.new_file(sys.stdout.buffer, table.schema) as writer:
        writer.write_table(table)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
