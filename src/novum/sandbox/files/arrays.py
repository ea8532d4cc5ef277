"""Arrays in files: written by tools, read on our side as what a stranger wrote.

An array travels as ``.npy`` with its unit and its axes in a JSON file beside it (``NAME.json``), or
several as ``.npz`` with both in the member ``labels.json``. Reading never unpickles, and nothing is
allocated before the file is known to be as large as its header says.

References:
    NumPy enhancement proposal 1 for the format; the layout is checked here and not by ``numpy.load``,
    which allocates what a header claims.
"""

import ast
import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from novum.core.errors import ToolFailedError, UnitError, UsageError
from novum.sandbox.files.labels import (
    LABELS_BYTES,
    check_unit,
    find_pickle,
    parse_labels,
    read_labels,
    write_labels,
)
from novum.sandbox.files.names import safe_part, shown
from novum.sandbox.files.streams import DAMAGED, TooMuchError, find_zip_problem, open_regular, open_zip

if TYPE_CHECKING:
    import numpy
    from numpy.typing import ArrayLike, NDArray

ARRAY_BYTES: Final = 256 << 20
"""Of an array, or of all arrays of a file together, if the caller says nothing else."""

_MAGIC: Final = b"\x93NUMPY"
_HEADER_BYTES: Final = 4096
_KINDS: Final = "biufcSUMm"  # no objects, and no records, whose fields could be anything again
_MEMBERS: Final = 256
_LABELS: Final = "labels.json"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledArray:
    """An array with the unit of its values and the names of its axes.

    Attributes:
        values: the numbers.
        unit: in the spelling of `novum.core.quantity.canonical_unit`; None where the file does not say.
        axes: one name for each axis, such as ``("n_atoms", "xyz")``; None where the file does not say.
    """

    values: "NDArray[Any]"
    unit: str | None = None
    axes: tuple[str, ...] | None = None


def save_array(path: Path, array: "ArrayLike", *, unit: str, axes: Sequence[str]) -> None:
    """Write an array as ``.npy``, and its unit and axes into ``NAME.json`` beside it.

    Args:
        path: ends in ``.npy``.
        array: numbers, truth values, texts or times; no objects.
        unit: of the values; ``"1"`` for pure numbers.
        axes: one name for each axis.

    Raises:
        UsageError: the name ends otherwise, the array holds objects, or an axis has no name.
        UnitError: the unit is unknown.
    """
    import numpy

    if path.suffix != ".npy":
        raise UsageError(f"{str(path)!r} does not end in '.npy'")
    values = numpy.asarray(array)
    labels = _labels(values, unit=unit, axes=axes)
    numpy.save(path, values, allow_pickle=False)
    write_labels(path, labels)


def save_arrays(path: Path, arrays: Mapping[str, LabelledArray]) -> None:
    """Write several arrays as one ``.npz``, each with its unit and axes.

    Raises:
        UsageError: the name does not end in ``.npz``, an array's name is not one as in Python, an array
            holds objects, or has no unit or not as many axes as it should.
        UnitError: a unit is unknown.
    """
    import numpy

    if path.suffix != ".npz":
        raise UsageError(f"{str(path)!r} does not end in '.npz'")
    labels = {}
    for name, array in arrays.items():
        if not _NAME.fullmatch(name):
            raise UsageError(f"an array cannot be called {name!r}; write names as in Python")
        if array.unit is None or array.axes is None:
            raise UsageError(f"the array {name!r} needs a unit and axes")
        labels[name] = _labels(numpy.asarray(array.values), unit=array.unit, axes=array.axes)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                numpy.lib.format.write_array(member, numpy.asarray(array.values), allow_pickle=False)
        archive.writestr(_LABELS, json.dumps(labels))


def load_array(path: Path, *, limit_bytes: int = ARRAY_BYTES) -> LabelledArray:
    """Read a ``.npy`` file that untrusted code wrote, and the labels beside it where there are any.

    Args:
        path: the file, as it came out of a sandbox.
        limit_bytes: how large the file may be.

    Raises:
        NotFoundError: there is no such file.
        ToolFailedError: it is no such file or a damaged one, is too large, holds objects (pickles are
            never read), or is not what its labels say.
    """
    with open_regular(path, limit=limit_bytes) as file:
        try:
            values = _read(file, limit_bytes)
        except DAMAGED as error:
            raise _failed(path, error) from error
    labels = read_labels(path)
    if labels is None:
        return LabelledArray(values)
    try:
        return _labelled(values, labels)
    except ValueError as error:
        raise _failed(path, error) from error


def load_arrays(path: Path, *, limit_bytes: int = ARRAY_BYTES) -> dict[str, LabelledArray]:
    """Read a ``.npz`` file that untrusted code wrote.

    Args:
        path: the file, as it came out of a sandbox.
        limit_bytes: how large the file may be, and all arrays in it together.

    Raises:
        NotFoundError: there is no such file.
        ToolFailedError: as for `load_array`; also for a member that is no array, or a second of a name.
    """
    with open_regular(path, limit=limit_bytes) as file:
        head = file.read(512)
        file.seek(0)
        try:
            if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                raise ValueError(find_pickle(head) or "it is not a .npz file")
            with open_zip(file, entries=_MEMBERS) as archive:
                return _read_members(archive, limit_bytes)
        except (*DAMAGED, TooMuchError) as error:
            raise _failed(path, error) from error


def _read_members(archive: zipfile.ZipFile, limit: int) -> dict[str, LabelledArray]:
    arrays: dict[str, NDArray[Any]] = {}
    labels: dict[str, Any] = {}
    seen: set[str] = set()
    left = limit
    for info in archive.infolist():
        name = info.orig_filename
        if name.endswith(("data.pkl", ".pkl")):
            raise ValueError("it holds pickles, as torch writes them; pickles are never read")
        problem = find_zip_problem(info)
        if problem or name in seen:
            raise ValueError(f"its member {shown(name)!r}: {problem or 'it is there twice'}")
        seen.add(name)
        largest = min(left, LABELS_BYTES) if name == _LABELS else left
        if info.file_size > largest:
            raise ValueError(f"its members have more than {limit} bytes")
        with archive.open(info) as member:
            if name == _LABELS:
                labels = parse_labels(member.read(LABELS_BYTES + 1))
                continue
            if not name.endswith(".npy") or safe_part(name) != name:
                raise ValueError(f"its member {shown(name)!r} is not an array")
            values = _read(member, left, size=info.file_size)
        left -= values.nbytes
        arrays[name.removesuffix(".npy")] = values
    if labels and labels.keys() != arrays.keys():
        raise ValueError("its labels name other arrays than it holds")
    if not labels:
        return {name: LabelledArray(values) for name, values in arrays.items()}
    return {name: _labelled(values, labels[name]) for name, values in arrays.items()}


def _read(file: IO[bytes], limit: int, *, size: int | None = None) -> "NDArray[Any]":
    """Read one array; `size` is what the file is said to have where it cannot be sought in."""
    import numpy

    start = _exactly(file, 8, "header")
    if not start.startswith(_MAGIC):
        raise ValueError(find_pickle(start + file.read(512)) or "it is not a .npy file")
    if start[6:8] not in (b"\x01\x00", b"\x02\x00"):
        raise ValueError("its version is not 1.0 or 2.0")
    width = 2 if start[6] == 1 else 4
    (length,) = struct.unpack("<H" if width == 2 else "<I", _exactly(file, width, "header"))
    if length > _HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes, more than {_HEADER_BYTES}")
    dtype, shape, by_columns = _parse_header(_exactly(file, length, "header"))
    data = math.prod(shape) * dtype.itemsize
    if data > limit:
        raise ValueError(f"it declares {data} bytes, more than {limit}")
    if size is None:
        here = file.tell()
        size = file.seek(0, io.SEEK_END)
        file.seek(here)
    if size != 8 + width + length + data:
        raise ValueError(f"it declares {data} bytes, but has {size - 8 - width - length}")
    raw = bytearray()
    while len(raw) < data:
        piece = file.read(min(1 << 20, data - len(raw)))
        if not piece:
            raise ValueError("it ends before its end")
        raw += piece
    if file.read(1):
        raise ValueError("it has more bytes than it declares")
    values = numpy.frombuffer(raw, dtype=dtype)
    _check_values(values)
    values = values.reshape(shape, order="F" if by_columns else "C")
    return values if dtype.isnative else values.astype(dtype.newbyteorder("="))


def _parse_header(raw: bytes) -> "tuple[numpy.dtype[Any], tuple[int, ...], bool]":
    import numpy

    # what no header needs and what the parser would answer with warnings or deep recursion
    if b"\\" in raw or sum(raw.count(c) for c in (b"(", b"[", b"{", b"-", b"+")) > 8:
        raise ValueError("its header is not that of an array")
    try:
        header = ast.literal_eval(raw.decode("latin-1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise ValueError("its header cannot be read") from error
    match header:
        case {"descr": str(descr), "fortran_order": bool(by_columns), "shape": tuple(shape)} if (
            len(header) == 3
        ):
            pass
        case {"descr": list() | tuple()}:
            raise ValueError("it holds records; only plain arrays are read")
        case _:
            raise ValueError("its header is not that of an array")
    if not re.fullmatch(r"[<>|=]?[A-Za-z][0-9]{0,9}(\[[0-9]{0,6}[A-Za-z]{1,2}\])?", descr):
        raise ValueError(f"its type {shown(descr)!r} is not one of an array")
    try:
        dtype = numpy.dtype(descr)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"its type {shown(descr)!r} is unknown") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects; they would have to be unpickled, which is never done")
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise ValueError(f"its type {shown(descr)!r} is not one that is read")
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise ValueError("its shape is not one of an array")
    return dtype, shape, by_columns


def _check_values(values: "NDArray[Any]") -> None:
    import numpy

    if not values.size:
        return
    # bytes that numpy never makes of truth values and texts, and on which it misbehaves or raises late
    if values.dtype.kind == "b" and int(values.view(numpy.uint8).max()) > 1:
        raise ValueError("it holds truth values that are neither true nor false")
    if values.dtype.kind == "U":
        points = values.view(numpy.dtype(numpy.uint32).newbyteorder(values.dtype.byteorder))
        if int(points.max()) > 0x10FFFF or bool(((points >= 0xD800) & (points <= 0xDFFF)).any()):
            raise ValueError("it holds texts that are not text")


def _labels(values: "NDArray[Any]", *, unit: str, axes: Sequence[str]) -> dict[str, Any]:
    if values.dtype.kind not in _KINDS or not values.dtype.itemsize:
        raise UsageError(f"an array of type {values.dtype} cannot be written; use numbers, texts or times")
    if isinstance(axes, str) or len(axes) != values.ndim or not all(_is_axis(axis) for axis in axes):
        raise UsageError(f"the axes {axes!r} do not name each of the array's {values.ndim} axes")
    try:
        spelling = check_unit(unit)
    except ValueError as error:
        raise UnitError(str(error)) from error
    return {
        "dtype": values.dtype.newbyteorder("=").str.lstrip("<>|="),
        "shape": list(values.shape),
        "axes": list(axes),
        "unit": spelling,
    }


def _labelled(values: "NDArray[Any]", labels: Any) -> LabelledArray:
    match labels:
        case {"dtype": str(dtype), "shape": list(shape), "axes": list(axes), "unit": str(unit)}:
            pass
        case _:
            raise ValueError("its labels are not those of an array")
    if dtype != values.dtype.str.lstrip("<>|=") or shape != list(values.shape):
        raise ValueError("it has another type or shape than its labels say")
    if len(axes) != values.ndim or not all(_is_axis(axis) for axis in axes):
        raise ValueError("its labels do not name each axis")
    return LabelledArray(values, check_unit(unit), tuple(axes))


def _is_axis(axis: object) -> bool:
    return isinstance(axis, str) and _NAME.fullmatch(axis) is not None


def _exactly(file: IO[bytes], size: int, what: str) -> bytes:
    raw = file.read(size)
    if len(raw) != size:
        raise ValueError(f"it ends in its {what}")
    return raw


def _failed(path: Path, error: Exception) -> ToolFailedError:
    return ToolFailedError(f"cannot read {shown(path.name)!r}: {error}")
