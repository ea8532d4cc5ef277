"""analysis.spectrum: the peaks of a measured spectrum, above its baseline and its noise."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.core.quantity import canonical_unit
from novum.tools.analysis.tables import ColumnName, Columns, read_table, told
from novum.tools.base import Properties, tool
from novum.tools.examples import Example
from novum.tools.files import Files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_POINTS = 16
MOST_PEAKS = 500
FOOT = 0.95
"""How far down its prominence a peak is integrated."""
UNEVEN = 1.5
"""Ratio of the widest to the narrowest step above which an axis counts as uneven."""
EXACT = 1e-9
"""Noise below this share of the whole range is rounding, and no noise."""
ROUNDS = 100

_TRIANGLES = [0.0, 0, 0, 0, 1, 2, 3, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0]

EXAMPLES = (
    Example(
        arguments={
            "x": "shift [1/cm]",
            "y": "counts",
            "baseline": "none",
            "columns": {"shift [1/cm]": [100.0 + 2 * n for n in range(24)], "counts": _TRIANGLES},
        },
        expected={"peaks": 2, "rows": 24},
        source="by hand: two triangles on a flat ground",
    ),
)


class Spectrum(Properties):
    """What stands out of a spectrum; the peaks with units are among the details."""

    rows: Annotated[int, Field(description="points that were used", ge=1)]
    peaks: Annotated[int, Field(description="peaks above the asked signal to noise", ge=0)]
    signal_to_noise: Annotated[
        float | None,
        Field(description="prominence of the strongest peak over the noise; absent without either", ge=0),
    ] = None


@tool(
    name="analysis.spectrum",
    version="1",
    method="peaks by prominence",
    nominal_cost_s=0.5,
    timeout_s=60,
    memory_mb=1024,
    profile="signals",
    preload=("numpy", "scipy.signal", "scipy.linalg", "pint"),
    libraries=("numpy", "scipy"),
    examples=EXAMPLES,
)
def spectrum(
    x: ColumnName,
    y: ColumnName,
    *,
    baseline: Literal["arpls", "linear", "none"] = "arpls",
    baseline_width: Annotated[float, Field(ge=0.02, le=10)] = 0.25,
    peaks: Literal["up", "down"] = "up",
    least_signal_to_noise: Annotated[float, Field(ge=1, le=1e6)] = 7.0,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
) -> Spectrum:
    """Find the peaks of a spectrum: position, height, width and area, with units, above baseline and noise.

    The noise is taken from second differences, and supposes that neighbouring points err independently and
    that peaks are several points wide. A peak counts where its prominence exceeds the asked multiple of the
    noise; of ten thousand points of pure noise, seven lets about one through, and five lets fifty. Positions
    come from the parabola through the highest three points; their uncertainty holds the noise alone, not the
    calibration of the axis. Widths are at half prominence, so that peaks that overlap come out too narrow:
    fit those by analysis.fit_curve. Areas end where a peak has fallen to a twentieth, so that the tails of a
    Lorentzian are missed.

    Args:
        x: the column of the axis, with its unit in brackets.
        y: the column of intensities.
        baseline: asymmetrically reweighted least squares, a line through both ends, or none.
        baseline_width: features of the baseline that are wider than this share of the axis are taken off.
        peaks: whether they point up, or down as in transmission.
        least_signal_to_noise: prominence over noise that a peak must have.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.

    References:
        Baek et al., doi:10.1039/C4AN01061B (arPLS). scipy.signal.find_peaks, peak_widths.
    """
    import numpy as np
    from scipy import signal

    given = read_table(columns, files, table)
    rows = given.complete([x, y])
    xs, ys, warnings = _axis(rows.numbers, x)
    warnings = [*rows.warnings, *warnings]
    ground = _baseline(ys if peaks == "up" else -ys, baseline, baseline_width)
    above = (ys if peaks == "up" else -ys) - ground
    noise = _noise(ys)
    height = float(np.ptp(above))
    if noise <= EXACT * height:
        noise = 0.0
        warnings.append("no noise is seen, so that every peak above a thousandth of the range counts")
    found, shape = signal.find_peaks(above, prominence=max(least_signal_to_noise * noise, 1e-3 * height))
    if len(found) > MOST_PEAKS:
        raise ToolFailedError(f"{len(found)} peaks are more than {MOST_PEAKS}; ask for more signal to noise")
    units = given.unit(x), given.unit(y)
    listed = [
        _measure(xs, above, int(top), float(prominence), noise, units)
        for top, prominence in zip(found, shape["prominences"], strict=True)
    ]
    if not listed:
        warnings.append("no peak stands out of the noise")
    narrow = [one for one in listed if one["points_at_half"] < 3]
    if narrow:
        warnings.append(
            f"{len(narrow)} peaks are less than three points wide: their width is that of the axis"
        )
    strongest = max((float(one) for one in shape["prominences"]), default=None)
    return Spectrum(
        rows=len(xs),
        peaks=len(listed),
        signal_to_noise=strongest / noise if strongest is not None and noise else None,
        details={
            "peaks": listed,
            "noise": told(noise, units[1]),
            "baseline": {
                "method": baseline,
                "values": (ground if peaks == "up" else -ground).tolist()[:5000],
            },
        },
        warnings=tuple(warnings),
    )


def _axis(numbers: "Floats", name: str) -> tuple["Floats", "Floats", list[str]]:
    """Return axis and intensities in rising order of the axis, with warnings."""
    import numpy as np

    if len(numbers) < LEAST_POINTS:
        raise ToolFailedError(f"{len(numbers)} points are too few for a spectrum; {LEAST_POINTS} are needed")
    order = np.argsort(numbers[:, 0], kind="stable")
    xs, ys = numbers[order, 0], numbers[order, 1]
    steps = np.diff(xs)
    if (steps == 0).any():
        raise ToolFailedError(f"{int((steps == 0).sum())} values of {name!r} come twice; average them first")
    if (ys == ys[0]).all():
        raise ToolFailedError(f"all intensities are {ys[0]:g}; there is no spectrum")
    if steps.max() > UNEVEN * steps.min():
        return xs, ys, ["the axis is uneven; baseline and noise go by points and not by distance"]
    return xs, ys, []


def _baseline(ys: "Floats", method: str, width: float) -> "Floats":
    import numpy as np

    if method == "none":
        return np.zeros(len(ys))
    if method == "linear":
        edge = max(1, len(ys) // 50)
        return np.linspace(ys[:edge].mean(), ys[-edge:].mean(), len(ys))
    return arpls(ys, width * len(ys))


def arpls(ys: "Floats", points: float) -> "Floats":
    """Return a smooth baseline that lies in the noise between peaks that point up.

    Args:
        ys: intensities in the order of the axis.
        points: number of points below which a feature is no longer the baseline's.

    References:
        Baek, Park, Ahn, Choo, doi:10.1039/C4AN01061B.
    """
    import numpy as np
    from scipy.linalg import solveh_banded
    from scipy.special import expit

    n, stiffness = len(ys), (points / (2 * math.pi)) ** 4
    bands = np.zeros((3, n))  # of the squared second differences
    for offset, weights in enumerate(((1.0, -2.0, 1.0),) * 3):
        for i in range(3 - offset):
            bands[offset, i : n - 2 + i] += weights[i] * weights[i + offset]
    scale = float(np.ptp(ys)) or 1.0
    values, weights_now = (ys - ys.min()) / scale, np.ones(n)
    ground = values
    for _ in range(ROUNDS):
        system = stiffness * bands
        system[0] += weights_now
        ground = solveh_banded(system, weights_now * values, lower=True)
        off = values - ground
        below = off[off < 0]
        if len(below) < 2 or not below.std():
            break
        mean, spread = float(below.mean()), float(below.std())
        new = expit(-2 * (off - (2 * spread - mean)) / spread)
        change = float(np.linalg.norm(new - weights_now) / np.linalg.norm(weights_now))
        weights_now = np.maximum(new, 1e-9)
        if change < 1e-3:
            break
    return np.asarray(ground * scale + ys.min(), dtype=float)


def _noise(ys: "Floats") -> float:
    """Return the standard deviation of the noise, from what a straight line leaves of three points."""
    import numpy as np

    off = np.diff(ys, 2)
    return float(np.median(abs(off - np.median(off))) / (0.6744897501960817 * math.sqrt(6)))


@dataclass(frozen=True, slots=True)
class _Top:
    """The top of the parabola through three points."""

    position: float
    height: float
    error: float
    """Standard deviation of the position by the noise."""


def _top(xs: "Floats", ys: "Floats", at: int, noise: float) -> _Top:
    import numpy as np

    near = slice(at - 1, at + 2)
    centre = float(xs[at])
    u = xs[near] - centre
    # y = c + b·u + a·u²: coefficients are linear in the three heights
    rule = np.linalg.inv(np.vander(u, 3))
    a, b, c = rule @ ys[near]
    if a >= 0:
        return _Top(centre, float(ys[at]), float(np.ptp(u)) / math.sqrt(12))
    gradient = -rule[1] / (2 * a) + rule[0] * b / (2 * a**2)
    error = min(noise * float(np.linalg.norm(gradient)), float(np.ptp(u)) / math.sqrt(12))
    return _Top(centre - b / (2 * a), float(c - b**2 / (4 * a)), error)


def _measure(
    xs: "Floats", ys: "Floats", at: int, prominence: float, noise: float, units: tuple[str, str]
) -> dict[str, Any]:
    """Return what is known of one peak."""
    import numpy as np
    from scipy import signal

    top, points = _top(xs, ys, at, noise), np.arange(len(xs))

    def ends(depth: float) -> tuple[float, float]:
        _, _, left, right = signal.peak_widths(ys, [at], rel_height=depth)
        low, high = np.interp([left[0], right[0]], points, xs)
        return float(low), float(high)

    half, foot = ends(0.5), ends(FOOT)
    inside = xs[(xs > foot[0]) & (xs < foot[1])]
    grid = np.concatenate([[foot[0]], inside, [foot[1]]])
    area = float(np.trapezoid(np.interp(grid, xs, ys), grid))
    return {
        "position": told(top.position, units[0], std=top.error or None),
        "height": told(top.height, units[1], std=noise or None),
        "prominence": told(prominence, units[1]),
        "full_width_at_half_prominence": told(half[1] - half[0], units[0]),
        "area": told(area, canonical_unit(f"({units[1]})*({units[0]})")),
        "signal_to_noise": prominence / noise if noise else None,
        "points_at_half": int(((xs >= half[0]) & (xs <= half[1])).sum()),
    }
