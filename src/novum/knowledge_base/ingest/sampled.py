"""Time series in array files: npz without pickle, and HDF5 with a sampling rate."""

import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from novum.core.errors import IngestError, UnitError
from novum.core.quantity import convert, is_compatible
from novum.core.text import clean_text
from novum.knowledge_base.ingest.arrays import check_array
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.hdf5 import attribute, dataset_bytes, open_hdf5, plain_datasets
from novum.knowledge_base.ingest.parsing import parsing
from novum.knowledge_base.ingest.series import Channel, channel_drafts
from novum.knowledge_base.ingest.units import parse_header, parse_unit

if TYPE_CHECKING:
    import numpy

MAX_ARRAYS = 1_000
"""Arrays of one npz file."""

_RATES = ("sampling_rate_hz", "sampling_rate", "sample_rate", "sampling_frequency", "fs", "rate_hz")
_TIMES = ("time", "t", "times", "timestamps")


def read_npz(task: Task) -> Iterator[Draft]:
    """Yield a draft for each array of an npz file, along its first axis; nothing is unpickled.

    Time is the array called ``time`` or ``t`` (with its unit in the name, as ``time_ms``), or a number called
    ``sampling_rate_hz``. Units stand in the names, as ``voltage_mv``, or are said.

    Raises:
        IngestError: it is damaged, unfolds too far, holds a pickle, or has no time or no unit.
    """
    import numpy as np

    arrays: dict[str, numpy.ndarray[Any, Any]] = {}
    total = 0
    with task.source.open() as stream, parsing("npz"), zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise IngestError(f"it holds {len(members)} arrays; at most {MAX_ARRAYS} are read")
        for member in members:
            if not member.filename.endswith(".npy") or member.flag_bits & 1:
                raise IngestError(f"{clean_text(member.filename, limit=80)!r} in it is no array")
            with archive.open(member) as inside:
                total += _npy_bytes(inside, task)
            if total > task.bounds.max_held_bytes:
                raise IngestError(f"it unfolds to more than {task.bounds.max_held_bytes} bytes")
            # numpy reads as many bytes as the header says, which was checked, and not one more.
            with archive.open(member) as inside:
                name = clean_text(member.filename[:-4], limit=200)
                arrays[name] = np.lib.format.read_array(inside, allow_pickle=False)
    yield from _series(task, arrays, units={}, rates={})


def read_hdf5(task: Task) -> Iterator[Draft]:
    """Yield a draft for each data set of an HDF5 file, along its first axis.

    A data set, its group or the file has ``sampling_rate`` (or ``sampling_rate_hz``, ``fs``) in hertz among
    its attributes, or a data set ``time`` lies beside it. Its unit is its attribute ``unit`` or ``units``.

    Raises:
        IngestError: it is damaged, a data set is too large, or none has both time and unit.
        MissingExtraError: h5py is not installed.
    """
    groups: dict[str, dict[str, numpy.ndarray[Any, Any]]] = {}
    units: dict[str, dict[str, str]] = {}
    rates: dict[str, dict[str, float]] = {}
    total = 0
    with open_hdf5(task) as file:
        for path, dataset in plain_datasets(task, file):
            group, _, name = path.rpartition("/")
            total += dataset_bytes(dataset, task.bounds)
            if total > task.bounds.max_held_bytes:
                raise IngestError(f"it unfolds to more than {task.bounds.max_held_bytes} bytes")
            for key in ("unit", "units"):
                if isinstance(unit := attribute(dataset, key), str):
                    units.setdefault(group, {})[name] = unit
            for thing in (file, dataset.parent, dataset):
                for key in _RATES:
                    if isinstance(rate := attribute(thing, key), int | float):
                        rates.setdefault(group, {})[name] = float(rate)
            with parsing("HDF5"):
                groups.setdefault(group, {})[name] = dataset[()]
    if not groups:
        raise IngestError("it holds no array of numbers")
    reasons = []
    for group, arrays in groups.items():
        try:
            yield from _series(task, arrays, units.get(group, {}), rates.get(group, {}), group=group)
        except IngestError as error:
            reasons.append(error)
            task.note(f"left out: {error}", place=f"group {group or '/'!r}")
    if len(reasons) == len(groups):
        raise reasons[0]


def _series(
    task: Task,
    arrays: "Mapping[str, numpy.ndarray[Any, Any]]",
    units: Mapping[str, str],
    rates: Mapping[str, float],
    *,
    group: str = "",
) -> Iterator[Draft]:
    """Yield a draft for each array with a unit, of those that share one time."""
    asked = task.about.columns
    time_name, times, file_rate = None, None, asked.sampling_rate_hz
    for name, array in arrays.items():
        header = parse_header(name)
        usual = asked.time is None and header.name.casefold() in _TIMES
        if (name == asked.time or usual) and array.ndim == 1 and array.dtype.kind in "iuf":
            said = units.get(name) or asked.units.get(name)
            time_name, times = name, array * _seconds(name, said, header.unit)
        elif name in _RATES and array.size == 1 and array.dtype.kind in "iuf":
            file_rate = float(array.reshape(-1)[0])
    reasons: list[IngestError] = []
    n_taken = 0
    for name, array in arrays.items():
        if name == time_name or name in _RATES:
            continue
        place = f"array {f'{group}/{name}' if group else name!r}"
        if array.dtype.kind not in "biuf" or array.ndim == 0 or array.size == 0:
            task.note("left out: it holds no numbers over time", place=place)
            continue
        try:
            channel = _channel(task, f"{group}/{name}" if group else name, name, array, units.get(name))
            own_times = times if times is not None and len(times) == len(array) else None
            if times is not None and own_times is None:
                raise IngestError(f"it has {len(array)} points, and the time has {len(times)}")
            for draft in channel_drafts(task, [channel], own_times, rates.get(name, file_rate)):
                n_taken += 1
                yield draft
        except IngestError as error:
            reasons.append(error)
            task.note(f"left out: {error}", place=place)
    if not n_taken:
        raise reasons[0] if reasons else IngestError("it holds no numbers over time")


def _channel(task: Task, path: str, name: str, array: "numpy.ndarray[Any, Any]", unit: str | None) -> Channel:
    asked = task.about.columns.units
    header = parse_header(name)
    try:
        said = asked.get(path, asked.get(name, unit or header.unit or asked.get("*")))
        if said is None:
            raise IngestError("it has no unit; write its name as 'voltage_mv', or say its unit")
        known = parse_unit(said, header.name)
    except UnitError as error:
        raise IngestError(str(error)) from error
    return Channel(clean_text(header.name, limit=200), known, array, {"key": path})


def _seconds(name: str, said: str | None, own: str | None) -> float:
    """Return what turns the times of an array into seconds."""
    try:
        unit = parse_unit(said) if said else own
        if unit is None:
            raise IngestError(f"the times {name!r} have no unit; call them 'time_s', or say it")
        if not is_compatible(unit, "s"):
            raise IngestError(f"the times {name!r} are in {unit!r}, which is no time")
        return convert(1.0, unit, "s")
    except UnitError as error:
        raise IngestError(str(error)) from error


def _npy_bytes(stream: IO[bytes], task: Task) -> int:
    """Return how many bytes the array takes whose npy begins in `stream`; reads its header only.

    Raises:
        IngestError: too many, or it holds pickled objects.
    """
    import numpy as np

    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise IngestError(f"an array in it has the unknown version {version}")
    if dtype.hasobject:
        raise IngestError("it holds a pickle, which can run code when it is opened; save plain arrays")
    return check_array(shape, dtype, task.bounds)
