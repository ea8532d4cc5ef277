"""What happens in a series: where its level changes, where something sets in, which tone it holds."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SHORTEST_SEGMENT = 10
"""Samples of the shortest piece that a level is told of."""
MOST_CHANGES = 100


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level."""

    at: int
    """The first sample of the new level."""
    size: float
    """New level minus old."""
    error: float
    """Standard deviation of it, which allows for samples that depend on their neighbours."""
    p_value: float


def change_points(values: "Floats", level: float) -> list[Change]:
    """Return the changes of level of a series, by CUSUM and binary segmentation, in order.

    Each piece is tested with a share of the level that is its share of the series, so that a series whose
    level does not change is cut with a probability of about `level` at most. Two opposite changes near to
    each other may hide one another.

    References:
        Csörgő, Horváth, Limit Theorems in Change-Point Analysis (1997). Newey, West, doi:10.2307/1913610
        (variance of samples that depend on each other).
    """
    found: list[Change] = []
    waiting = [(0, len(values))]
    while waiting and len(found) < MOST_CHANGES:
        start, end = waiting.pop(0)
        change = _strongest_change(values[start:end])
        if change is None or change.p_value > level * (end - start) / len(values):
            continue
        at = start + change.at
        found.append(Change(at, change.size, change.error, change.p_value))
        waiting += [(start, at), (at, end)]
    return sorted(found, key=lambda one: one.at)


def _strongest_change(values: "Floats") -> Change | None:
    import numpy as np
    from scipy import stats

    n = len(values)
    if n < 2 * SHORTEST_SEGMENT or (values == values[0]).all():
        return None
    sums = np.cumsum(values - values.mean())
    inner = slice(SHORTEST_SEGMENT - 1, n - SHORTEST_SEGMENT)
    at = SHORTEST_SEGMENT + int(np.argmax(abs(sums[inner])))
    before, after = values[:at], values[at:]
    variance = long_run_variance(np.concatenate([before - before.mean(), after - after.mean()]))
    size = float(after.mean() - before.mean())
    if variance <= 1e-24 * float(np.abs(values).max()) ** 2:
        return Change(at, size, 0.0, 0.0)
    statistic = float(abs(sums[at - 1])) / math.sqrt(variance * n)
    error = math.sqrt(variance * (1 / len(before) + 1 / len(after)))
    return Change(at, size, error, float(stats.kstwobign.sf(statistic)))


def long_run_variance(off: "Floats") -> float:
    """Return n times the variance of the mean of n samples that may depend on their neighbours.

    Args:
        off: samples around their level.

    References:
        Newey, West, doi:10.2307/1913610. Andrews, doi:10.2307/2938229 (how far neighbours are looked at).
    """
    n = len(off)
    variance = float(off @ off) / n
    if not variance:
        return 0.0
    rho = min(0.97, max(-0.97, float(off[1:] @ off[:-1]) / n / variance))
    reach = 1.1447 * (4 * rho**2 / (1 - rho**2) ** 2 * n) ** (1 / 3)
    lags = min(int(reach), n - 1)
    total = variance
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(off[lag:] @ off[:-lag]) / n
    return max(total, variance / n) * n / max(n - 2, 1)


def sta_lta(values: "Floats", short: int, long: int) -> "Floats":
    """Return the ratio of the mean square of the last few samples to that of the last many; 0 at first.

    Args:
        values: samples around zero.
        short: samples of the short mean.
        long: samples of the long mean.

    References:
        Allen, doi:10.1785/BSSA0680051521.
    """
    import numpy as np

    energy = np.concatenate([[0.0], np.cumsum(values**2)])
    last = np.arange(long, len(values) + 1)
    few = (energy[last] - energy[last - short]) / short
    many = (energy[last] - energy[last - long]) / long
    ratio = np.zeros(len(values))
    ratio[long - 1 :] = np.divide(
        few, many, out=np.zeros_like(few), where=many > 1e-15 * energy[-1] / len(values)
    )
    return ratio


@dataclass(frozen=True, slots=True)
class Event:
    """A time at which a series is louder than before."""

    start: int
    end: int
    """The first sample at which it is over."""
    score: float
    """The largest ratio within."""


def events(ratio: "Floats", on: float, off: float) -> list[Event]:
    """Return where a ratio rises above `on`, until it falls below `off`."""
    found, start = [], -1
    for i, one in enumerate(ratio.tolist()):
        if start < 0 and one >= on:
            start = i
        elif start >= 0 and one < off:
            found.append(Event(start, i, float(ratio[start:i].max())))
            start = -1
    if start >= 0:
        found.append(Event(start, len(ratio), float(ratio[start:].max())))
    return found


@dataclass(frozen=True, slots=True)
class Tone:
    """The strongest periodic part of a series."""

    frequency: float
    """In units of the sampling rate."""
    error: float
    """Standard deviation of it by noise that is white."""
    amplitude: float
    p_value: float
    """Of white noise having so strong a tone at any frequency: an upper bound."""


def strongest_tone(values: "Floats") -> Tone | None:
    """Return the strongest tone of a series without its linear trend; None where nothing is left of it.

    References:
        Fisher, doi:10.1098/rspa.1929.0151 (the test). Montgomery, O'Donoghue, Delta Scuti Star Newsletter
        13, 28 (1999) (the uncertainty).
    """
    import numpy as np
    from scipy import optimize, signal

    n = len(values)
    off = signal.detrend(values)
    power = np.abs(np.fft.rfft(off)[1 : (n - 1) // 2 + 1]) ** 2  # without zero and the Nyquist frequency
    m, whole = len(power), float(power.sum())
    if m < 3 or whole <= 1e-20 * n * float((values**2).sum()):
        return None
    top = int(np.argmax(power))
    share = float(power[top]) / whole
    p_value = min(1.0, math.exp(min(0.0, math.log(m) + (m - 1) * math.log(max(1 - share, 1e-300)))))
    t = np.arange(n)

    def strength(frequency: float) -> float:
        return -float(abs(np.exp(-2j * math.pi * frequency * t) @ off))

    around = ((top + 0.25) / n, (top + 1.75) / n)
    frequency = float(
        optimize.minimize_scalar(strength, bounds=around, method="bounded", options={"xatol": 1e-6 / n}).x
    )
    wave = np.column_stack(
        [np.cos(2 * math.pi * frequency * t), np.sin(2 * math.pi * frequency * t), np.ones(n)]
    )
    parts, *_ = np.linalg.lstsq(wave, off, rcond=None)
    amplitude = math.hypot(parts[0], parts[1])
    noise = float((off - wave @ parts).std())
    error = math.sqrt(6 / n) * noise / (math.pi * n * amplitude) if amplitude else math.inf
    return Tone(frequency, min(error, 1 / n), amplitude, p_value)
