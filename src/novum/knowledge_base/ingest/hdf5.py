"""HDF5 files, without what leads out of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError
from novum.knowledge_base.ingest.arrays import check_array
from novum.knowledge_base.ingest.bounds import Bounds
from novum.knowledge_base.ingest.draft import Task
from novum.knowledge_base.ingest.parsing import need, parsing

if TYPE_CHECKING:
    import h5py

MAX_OBJECTS = 10_000
"""Groups and data sets of one file."""

MAX_ATTRIBUTE_BYTES = 64 * 1024


@contextmanager
def open_hdf5(task: Task) -> Iterator["h5py.File"]:
    """Open an HDF5 file for reading.

    Raises:
        IngestError: it is damaged.
        MissingExtraError: h5py is not installed.
    """
    need("h5py", feature="reading HDF5", extra="ingest-series")
    import h5py

    with task.source.open() as stream:
        with parsing("HDF5"):
            file = h5py.File(stream, "r")
        with file:
            yield file


def plain_datasets(task: Task, file: "h5py.Group") -> Iterator[tuple[str, "h5py.Dataset"]]:
    """Yield path and data set of every array of numbers or texts that lies in the file itself.

    Soft and external links are not followed; virtual and external data sets are left out, with a note.

    Raises:
        IngestError: there are too many objects.
    """
    import h5py

    found: list[tuple[str, h5py.Dataset]] = []
    n_objects = 0

    def visit(path: str, thing: "h5py.Group | h5py.Dataset") -> bool | None:
        nonlocal n_objects
        n_objects += 1
        if n_objects > MAX_OBJECTS:
            return True
        if isinstance(thing, h5py.Dataset):
            if thing.external or thing.is_virtual:
                task.note("left out: its data lie in another file", place=f"data set {path!r}")
            elif thing.shape is not None and thing.dtype.kind in "biufc" and thing.dtype.names is None:
                found.append((path, thing))
        return None

    with parsing("HDF5"):
        file.visititems(visit)
    if n_objects > MAX_OBJECTS:
        raise IngestError(f"it holds more than {MAX_OBJECTS} groups and data sets")
    yield from found


def dataset_bytes(dataset: "h5py.Dataset", bounds: Bounds) -> int:
    """Return how many bytes a data set takes once it is read.

    Raises:
        IngestError: too many, or one of its chunks unfolds to too many.
    """
    if dataset.chunks:
        check_array(dataset.chunks, dataset.dtype, bounds)
    return check_array(dataset.shape, dataset.dtype, bounds)


def attribute(thing: "h5py.Group | h5py.Dataset", key: str) -> Any:
    """Return a small attribute as a number or text; None where there is none, or it is something else."""
    with parsing("HDF5"):
        if key not in thing.attrs:
            return None
        about = thing.attrs.get_id(key)
        n_bytes = about.dtype.itemsize
        for length in about.shape or ():
            n_bytes *= length
        if n_bytes > MAX_ATTRIBUTE_BYTES:
            return None
        value = thing.attrs[key]
    if hasattr(value, "size") and hasattr(value, "item"):
        value = value.item() if value.size == 1 else None
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value if isinstance(value, str | int | float) else None
