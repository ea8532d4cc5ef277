"""analysis.time_series: patches, tones, onsets and changes of level of an evenly sampled series."""

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError, UnitError
from novum.core.quantity import DIMENSIONLESS, convert
from novum.tools.analysis.changes import change_points, events, sta_lta, strongest_tone
from novum.tools.analysis.patches import patches_of, stride_for, tokens_for
from novum.tools.analysis.tables import ColumnName, Columns, Table, read_table, told
from novum.tools.base import Properties, Unit, tool
from novum.tools.examples import Example
from novum.tools.files import Files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_SAMPLES = 32
MOST_LISTED = 200
UNEVEN = 0.01
"""Share of a step by which the times of samples may be off before a series is not evenly sampled."""

_NILE = [
    *(
        1120,
        1160,
        963,
        1210,
        1160,
        1160,
        813,
        1230,
        1370,
        1140,
        995,
        935,
        1110,
        994,
        1020,
        960,
        1180,
        799,
        958,
        1140,
    ),
    *(
        1100,
        1210,
        1150,
        1250,
        1260,
        1220,
        1030,
        1100,
        774,
        840,
        874,
        694,
        940,
        833,
        701,
        916,
        692,
        1020,
        1050,
        969,
    ),
    *(831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759),
    *(781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890),
    *(744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740),
]

EXAMPLES = (
    Example(
        arguments={
            "value": "flow",
            "time": "t [year]",
            "columns": {"t [year]": [float(year) for year in range(1871, 1971)], "flow": _NILE},
        },
        expected={"change_points": 1, "samples": 100},
        source="Nile at Aswan 1871-1970: one change, after 1898 (Cobb 1978, doi:10.1093/biomet/65.2.243)",
    ),
)


class TimeSeries(Properties):
    """What a series holds; events, changes and patches are among the details."""

    samples: Annotated[int, Field(description="samples that were used", ge=1)]
    sampling_rate: Annotated[float, Unit("Hz"), Field(description="samples per second", ge=0)]
    dominant_frequency: Annotated[
        float | None,
        Unit("Hz"),
        Field(description="of the strongest tone, without trend; absent where there is none", ge=0),
    ] = None
    tone_p_value: Annotated[
        float | None,
        Field(description="of white noise having so strong a tone at any frequency", ge=0, le=1),
    ] = None
    events: Annotated[int, Field(description="onsets, by the ratio of short to long means of squares", ge=0)]
    change_points: Annotated[int, Field(description="changes of level", ge=0)]
    patches: Annotated[int, Field(description="overlapping patches that the series is cut into", ge=1)]
    tokens: Annotated[int, Field(description="about how many tokens a model with such patches reads", ge=1)]


@tool(
    name="analysis.time_series",
    version="1",
    method="CUSUM, STA/LTA, periodogram",
    nominal_cost_s=0.5,
    timeout_s=60,
    memory_mb=1024,
    profile="signals",
    preload=("numpy", "scipy.signal", "scipy.stats", "scipy.optimize", "pint"),
    libraries=("numpy", "scipy"),
    examples=EXAMPLES,
)
def time_series(
    value: ColumnName,
    *,
    time: str = "",
    sampling_rate: Annotated[float, Unit("Hz"), Field(ge=0, le=1e12)] = 0.0,
    short_window: Annotated[float, Unit("s"), Field(ge=0, le=1e12)] = 0.0,
    long_window: Annotated[float, Unit("s"), Field(ge=0, le=1e12)] = 0.0,
    on: Annotated[float, Field(gt=1, le=1e6)] = 4.0,
    off: Annotated[float, Field(gt=0, le=1e6)] = 1.5,
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
) -> TimeSeries:
    """Describe an evenly sampled series: patches, its strongest tone, onsets, and changes of level.

    Patches are cut as Intern-S1-Pro cuts them, by the sampling rate: stride floor(160 / (1 + exp(-rate/100
    Hz))^6), length twice that, zeros at the end. An onset is where the mean square of a short window
    exceeds that of a long one by the factor 'on', and lasts until it falls below 'off'; it has no error
    probability. A change of level is found by CUSUM with a variance that allows for dependent samples; a
    series without one is cut with a probability of about 'level'. A slow drift is told as changes of level.
    The tone's p-value holds for white noise only: red noise has strong slow tones. Missing samples are
    refused, and so is uneven sampling.

    Args:
        value: the column of samples, in order of time.
        time: the column of times, with its unit in brackets; or give the rate.
        sampling_rate: samples per second, where there is no column of times.
        short_window: of the onsets; a hundredth of the series, and five samples at least, by default.
        long_window: of the onsets; ten short ones by default.
        on: ratio from which an onset counts.
        off: ratio below which it is over.
        level: probability of seeing a change of level where there is none.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.

    References:
        Allen, doi:10.1785/BSSA0680051521 (STA/LTA). Csörgő, Horváth, Limit Theorems in Change-Point
        Analysis (1997). Newey, West, doi:10.2307/1913610. Fisher, doi:10.1098/rspa.1929.0151 (tones).
        Intern-S1-Pro (patches).
    """
    import numpy as np

    given = read_table(columns, files, table)
    rows = given.complete([value, *([time] if time else [])])
    if rows.warnings:
        raise ToolFailedError(
            f"{rows.warnings[0]}: a series with gaps is not evenly sampled; fill or cut it first"
        )
    values, unit = rows.numbers[:, 0], given.unit(value)
    start, rate = _clock(rows.numbers[:, 1], given, time) if time else (0.0, sampling_rate)
    _check(values, rate, off, on)
    n = len(values)
    short, long = _windows(n, rate, short_window, long_window)
    centred = values - np.median(values)
    onsets = events(sta_lta(centred, short, long), on, off)
    changes, tone = change_points(values, level), strongest_tone(values)
    stride = stride_for(rate)
    patches = patches_of(values, stride)
    warnings = []
    if tone is not None and tone.p_value > level:
        warnings.append(f"the strongest tone may be noise (p = {tone.p_value:.2g})")

    def moment(sample: int) -> dict[str, Any]:
        return told(start + sample / rate, "s")

    return TimeSeries(
        samples=n,
        sampling_rate=rate,
        dominant_frequency=tone.frequency * rate if tone else None,
        tone_p_value=tone.p_value if tone else None,
        events=len(onsets),
        change_points=len(changes),
        patches=len(patches),
        tokens=tokens_for(len(patches)),
        std={"dominant_frequency": tone.error * rate} if tone else {},
        details={
            "patching": {"stride": stride, "length": 2 * stride},
            "patch_features": [
                {
                    "start": i * stride,
                    "mean": float(p.mean()),
                    "std": float(p.std()),
                    "peak_to_peak": float(np.ptp(p)),
                }
                for i, p in enumerate(patches[:MOST_LISTED])
            ],
            "tone": {"amplitude": told(tone.amplitude, unit)} if tone else {},
            "windows": {"short": told(short / rate, "s"), "long": told(long / rate, "s")},
            "events": [
                {"type": "onset", "t": moment(e.start), "end": moment(e.end), "score": e.score}
                for e in onsets[:MOST_LISTED]
            ],
            "change_points": [
                {
                    "type": "level",
                    "t": moment(c.at),
                    "sample": c.at,
                    "change": told(c.size, unit, std=c.error),
                    "p_value": c.p_value,
                }
                for c in changes
            ],
        },
        warnings=tuple(warnings),
    )


def _clock(times: "Floats", given: Table, name: str) -> tuple[float, float]:
    """Return the first time in seconds and the rate in hertz."""
    import numpy as np

    unit = given.unit(name)
    if unit == DIMENSIONLESS:
        raise ToolFailedError(f"the times must say their unit, as '{name} [s]'")
    try:
        second = convert(1.0, unit, "s")
    except UnitError as error:
        raise ToolFailedError(f"the times cannot be read in seconds: {error}") from error
    if len(times) < 2:
        return float(times[0]) * second, 0.0
    step = float(times[-1] - times[0]) / (len(times) - 1)
    off = abs(times - times[0] - step * np.arange(len(times))).max()
    if step <= 0 or off > UNEVEN * step:
        raise ToolFailedError(
            f"the times of {name!r} are not even and rising; bring them to even steps first"
        )
    return float(times[0]) * second, 1 / (step * second)


def _check(values: "Floats", rate: float, off: float, on: float) -> None:
    if len(values) < LEAST_SAMPLES:
        raise ToolFailedError(f"{len(values)} samples are too few; {LEAST_SAMPLES} are needed")
    if not (rate > 0 and math.isfinite(rate)):
        raise ToolFailedError("give a column of times, or the sampling rate")
    if (values == values[0]).all():
        raise ToolFailedError(f"all samples are {values[0]:g}; nothing happens")
    if off >= on:
        raise ToolFailedError(f"'off' ({off:g}) must lie below 'on' ({on:g})")


def _windows(n: int, rate: float, short_s: float, long_s: float) -> tuple[int, int]:
    """Return the windows in samples."""
    short = round(short_s * rate) if short_s else max(5, n // 100)
    long = round(long_s * rate) if long_s else 10 * short
    if not long_s:
        long = min(long, max(2 * short, n // 2))
    if not 1 <= short < long <= n:
        raise ToolFailedError(
            f"the windows are {short} and {long} of {n} samples; "
            "the short one must be shorter, and the long one must fit"
        )
    return short, long
