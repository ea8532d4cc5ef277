"""Time series: what was sampled, when, in which unit."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError
from novum.core.knowledge import DataClass
from novum.core.quantity import DIMENSIONLESS, convert, is_compatible
from novum.knowledge_base.ingest.arrays import store_array
from novum.knowledge_base.ingest.cells import Cell, is_missing, parse_number
from novum.knowledge_base.ingest.columns import find_subject, header_of
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.rows import Row, Table
from novum.knowledge_base.ingest.units import Header, Role

if TYPE_CHECKING:
    import numpy

_TIMES = re.compile(r"time|t|timestamp|date ?time|date|elapsed|elapsed[ _]time", re.IGNORECASE)
_UNIFORM = 1e-3
"""Largest relative spread of the steps of a series that counts as evenly sampled."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity over time."""

    name: str
    unit: str
    values: "numpy.ndarray[Any, Any]"
    """``(n_times,)`` or ``(n_times, n_channels)``."""
    locator: dict[str, Any]


def is_series(task: Task, table: Table, first: Sequence[Row]) -> bool:
    """Say whether a table's rows are points in time: a time that grows, and nothing that names a subject."""
    if task.about.columns.time is not None or task.about.columns.sampling_rate_hz is not None:
        return True
    at = next((i for i, name in enumerate(table.headers) if _is_time(task, table, name)), None)
    others = [i for i in range(len(table.headers)) if i != at]
    if at is None or len(first) < 3 or not others or find_subject(table.headers) is not None:
        return False
    headers = [header_of(task, table.headers[i], table.units) for i in others]
    if any(header.unit is None for header in headers):
        return False
    times = [_time(row.cells[at]) for row in first]
    known = [t for t in times if t is not None]
    return len(known) == len(times) and all(a < b for a, b in itertools.pairwise(known))


def read_series(task: Task, table: Table) -> Iterator[Draft]:
    """Yield a draft for each channel of a table with a time column, or with a rate that the user says.

    Raises:
        IngestError: there is no time, its unit is unknown, no channel has a unit, or it is too long to hold.
    """
    import numpy as np

    asked = task.about.columns
    time_at = _time_column(task, table)
    headers = [header_of(task, name, table.units) for name in table.headers]
    taken = [i for i, h in enumerate(headers) if i != time_at and h.unit is not None and h.role is Role.VALUE]
    for i, header in enumerate(headers):
        if i != time_at and i not in taken:
            why = header.problem or "left out: no unit; write it into the header, as 'U [V]'"
            task.note(why, place=f"column {header.column!r}")
    if not taken:
        raise IngestError("no channel has a unit; write headers as 'U [V]', or say the units")
    most = task.bounds.max_held_bytes // (8 * (len(taken) + 1))
    times: list[float] = []
    values: list[list[float]] = []
    dated = False
    for row in table.rows:
        if len(values) >= most:
            raise IngestError(f"it has more than {most} points, and a series is held whole")
        if time_at is not None:
            time = _time(row.cells[time_at])
            if time is None:
                task.note("points without a time were left out")
                continue
            dated = dated or _date(row.cells[time_at]) is not None
            times.append(time)
        values.append([_number(task, row.cells[i], headers[i]) for i in taken])
    if not values:
        raise IngestError("no point has a time")
    array = np.asarray(values)
    channels = []
    for k, i in enumerate(taken):
        n_missing = int(np.count_nonzero(np.isnan(array[:, k])))
        if n_missing:
            place = f"column {headers[i].column!r}"
            task.note(f"{n_missing} of {len(values)} points have no value", place=place)
        if n_missing < len(values):
            unit = headers[i].unit or ""
            channels.append(Channel(headers[i].name, unit, array[:, k], {"column": headers[i].column}))
    moments, created = None, None
    if time_at is not None:
        moments = np.asarray(times) * _seconds(headers[time_at], dated)
        if dated:
            created = datetime.fromtimestamp(times[0], UTC)
            moments = moments - moments[0]
    yield from channel_drafts(task, channels, moments, asked.sampling_rate_hz, created=created)


def _number(task: Task, cell: Cell, header: Header) -> float:
    """Return the number in a cell in the unit of its header; NaN where there is none."""
    if is_missing(cell):
        return math.nan
    number = parse_number(cell, decimal=task.about.columns.decimal, name=header.name)
    if number is None or number.unit not in (None, header.unit):
        return math.nan
    return number.value


def channel_drafts(
    task: Task,
    channels: Sequence[Channel],
    times: "numpy.ndarray[Any, Any] | None",
    rate_hz: float | None,
    *,
    created: datetime | None = None,
) -> Iterator[Draft]:
    """Yield a draft for each channel; the values, and times that are not even, are kept as arrays.

    Args:
        task: the file.
        channels: what was sampled.
        times: the moments in seconds, ``(n_times,)``.
        rate_hz: the sampling rate, where there are no moments.
        created: the absolute time of the first point.

    Raises:
        IngestError: times do not grow, or there is neither time nor rate.
        StoreError: an array could not be stored.
    """
    import numpy as np

    kept_times = None
    if times is not None:
        steps = np.diff(times)
        if not np.all(np.isfinite(times)) or np.any(steps <= 0):
            raise IngestError("its times do not grow from point to point")
        if len(steps) and np.ptp(steps) <= _UNIFORM * float(np.mean(steps)):
            rate_hz = float(f"{1 / float(np.mean(steps)):.9g}")
        else:
            rate_hz = None
            kept_times = store_array(task, times, axes=("time",), unit="s", name="time")
    elif rate_hz is None:
        raise IngestError("it has neither time nor sampling rate; say one of them")
    elif not (math.isfinite(rate_hz) and rate_hz > 0):
        raise IngestError(f"a sampling rate of {rate_hz:g} Hz is none")
    for channel in channels:
        n = len(channel.values)
        array = store_array(
            task,
            channel.values,
            axes=("time", *(f"channel_{i}" for i in range(1, channel.values.ndim))),
            unit=channel.unit,
            name="series",
        )
        if times is not None:
            span = f"{float(times[-1] - times[0]):.6g} s"
        else:
            span = f"{(n - 1) / (rate_hz or 1.0):.6g} s"
        conditions: dict[str, Any] = {} if rate_hz is None else {"sampling_rate [Hz]": rate_hz}
        even = "unevenly sampled" if rate_hz is None else f"sampled at {rate_hz:.6g} Hz"
        arguments = {"array": array} if kept_times is None else {"array": array, "time": kept_times}
        yield Draft(
            data_class=DataClass.TIME_SERIES,
            subject=task.subject,
            label=task.about.subject or task.source.name,
            relation=channel.name,
            object=f"sha256:{array['sha256']}",
            text=f"Series of {channel.name}: {n} points over {span}, {even}; {_summary(channel)}.",
            conditions=conditions,
            arguments=arguments,
            locator=channel.locator,
            flags=flags_of(channel.name),
            created=created,
        )


def _summary(channel: Channel) -> str:
    import numpy as np

    finite = channel.values[np.isfinite(channel.values)]
    unit = "" if channel.unit == DIMENSIONLESS else f" {channel.unit}"
    if not finite.size:
        return "no finite value"
    low, mean, high = float(np.min(finite)), float(np.mean(finite)), float(np.max(finite))
    return f"mean {mean:.6g}{unit}, from {low:.6g} to {high:.6g}{unit}"


def _time_column(task: Task, table: Table) -> int | None:
    asked = task.about.columns
    if asked.time is not None:
        if asked.time not in table.headers:
            raise IngestError(
                f"there is no column {asked.time!r}; it has {', '.join(map(repr, table.headers))}"
            )
        return table.headers.index(asked.time)
    found = next((i for i, name in enumerate(table.headers) if _is_time(task, table, name)), None)
    if found is None and asked.sampling_rate_hz is None:
        raise IngestError("it has no column 'time [s]'; say which holds the time, or the rate")
    return found


def _is_time(task: Task, table: Table, name: str) -> bool:
    header = header_of(task, name, table.units)
    if not _TIMES.fullmatch(header.name):
        return False
    return header.unit is None or is_compatible(header.unit, "s")


def _seconds(header: Header, times_are_dates: bool) -> float:
    """Return what turns the times of a column into seconds."""
    if times_are_dates:
        return 1.0
    if header.unit is None:
        raise IngestError(f"the time column {header.column!r} has no unit; write it as 'time [s]', or say it")
    if not is_compatible(header.unit, "s"):
        raise IngestError(f"the time column {header.column!r} is in {header.unit!r}, which is no time")
    return convert(1.0, header.unit, "s")


def _date(cell: Cell) -> float | None:
    """Return the seconds since 1970 of a date with time in ISO 8601; without a zone it counts as UTC."""
    if not isinstance(cell, str) or not re.match(r"\s*\d{4}-\d\d", cell):
        return None
    try:
        found = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _time(cell: Cell) -> float | None:
    """Return a time as it stands in a cell, or a date in seconds since 1970."""
    if is_missing(cell):
        return None
    if (date := _date(cell)) is not None:
        return date
    number = parse_number(cell)
    return None if number is None else number.value
