"""Arrays as bytes that anybody can read and nothing can run in: npy without pickle."""

import io
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError
from novum.knowledge_base.ingest.bounds import Bounds
from novum.knowledge_base.ingest.draft import Task

if TYPE_CHECKING:
    import numpy

NPY = "application/x-npy"
NPZ = "application/x-npz"

_KINDS = "biufcSU"
"""The kinds of numpy's data types that hold plain numbers and text."""


def store_array(
    task: Task, array: "numpy.ndarray[Any, Any]", *, axes: tuple[str, ...], unit: str, name: str = "array"
) -> dict[str, Any]:
    """Keep an array, and return what an item says of it: hash, shape, dtype, axes and unit.

    Raises:
        IngestError: it is too large, or holds objects.
        StoreError: it could not be stored.
    """
    import numpy as np

    check_array(array.shape, array.dtype, task.bounds)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    stored = task.store(stream.getvalue(), f"{name}.npy", NPY)
    return {
        **stored,
        "shape": [int(n) for n in array.shape],
        "dtype": array.dtype.str,
        "axes": list(axes),
        "unit": unit,
    }


def store_arrays(
    task: Task, arrays: "dict[str, numpy.ndarray[Any, Any]]", *, name: str = "arrays"
) -> dict[str, Any]:
    """Keep several plain arrays as one npz without pickle; return its hash, size and media type.

    Raises:
        IngestError: they are too large.
        StoreError: they could not be stored.
    """
    import numpy as np

    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return task.store(stream.getvalue(), f"{name}.npz", NPZ)


def check_array(shape: tuple[int, ...], dtype: "numpy.dtype[Any]", bounds: Bounds) -> int:
    """Return how many bytes an array takes.

    Raises:
        IngestError: too many, or it holds objects, which only pickle can store.
    """
    if dtype.kind not in _KINDS:
        raise IngestError(f"an array of type {dtype} holds no plain numbers or texts")
    n = dtype.itemsize
    for length in shape:
        n *= int(length)
    if n > bounds.max_held_bytes:
        raise IngestError(
            f"an array of shape {shape} has {n} bytes; at most {bounds.max_held_bytes} are held"
        )
    return n
