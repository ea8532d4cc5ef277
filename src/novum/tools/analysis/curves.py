"""Curves by name: formula, parameters with their units, bounds, and where to start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CurveName = Literal[
    "linear",
    "exponential",
    "saturation",
    "power",
    "logistic",
    "arrhenius",
    "michaelis_menten",
    "hill",
    "langmuir",
    "gaussian",
    "lorentzian",
]

GAS_CONSTANT = 8.31446261815324e-3
"""kJ/mol/K; exact since 2019 (CODATA 2018)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a curve."""

    name: str
    unit: str
    """In terms of ``x`` and ``y``: as ``{y}/({x})``; a unit of its own where it has one."""
    positive: bool = False
    """Whether only values above zero mean something."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of x with parameters."""

    formula: str
    parameters: tuple[Parameter, ...]
    function: "Callable[..., Floats]"
    starts: "Callable[[Floats, Floats], list[tuple[float, ...]]]"
    """Where to start a fit: one guess or several; the fit takes what ends best."""
    x_unit: str | None = None
    """The unit that x must have, where the formula holds a constant of nature."""


def _linear(x: "Floats", intercept: float, slope: float) -> "Floats":
    return intercept + slope * x


def _exponential(x: "Floats", amplitude: float, rate: float, offset: float) -> "Floats":
    import numpy as np

    return np.asarray(offset + amplitude * np.exp(np.clip(rate * x, -700, 700)))


def _saturation(x: "Floats", plateau: float, rate: float) -> "Floats":
    import numpy as np

    return np.asarray(-plateau * np.expm1(np.clip(-rate * x, -700, 700)))


def _power(x: "Floats", factor: float, exponent: float) -> "Floats":
    import numpy as np

    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(factor * np.clip(np.abs(x), 1e-300, None) ** exponent)


def _logistic(x: "Floats", plateau: float, midpoint: float, rate: float) -> "Floats":
    import numpy as np
    from scipy.special import expit

    return np.asarray(plateau * expit(rate * (x - midpoint)))


def _arrhenius(x: "Floats", prefactor: float, activation_energy: float) -> "Floats":
    import numpy as np

    return np.asarray(prefactor * np.exp(np.clip(-activation_energy / (GAS_CONSTANT * x), -700, 700)))


def _michaelis_menten(x: "Floats", v_max: float, k_m: float) -> "Floats":
    return v_max * x / (k_m + x)


def _hill(x: "Floats", top: float, half: float, coefficient: float) -> "Floats":
    import numpy as np

    ratio = np.clip(coefficient * np.log(np.clip(x, 1e-300, None) / half), -700, 700)
    return np.asarray(top / (1 + np.exp(-ratio)))


def _langmuir(x: "Floats", capacity: float, affinity: float) -> "Floats":
    return capacity * affinity * x / (1 + affinity * x)


def _gaussian(x: "Floats", height: float, centre: float, sigma: float, offset: float) -> "Floats":
    import numpy as np

    return np.asarray(offset + height * np.exp(-0.5 * ((x - centre) / sigma) ** 2))


def _lorentzian(x: "Floats", height: float, centre: float, half_width: float, offset: float) -> "Floats":
    return offset + height / (1 + ((x - centre) / half_width) ** 2)


def _line(x: "Floats", y: "Floats") -> tuple[float, float]:
    """Return intercept and slope of the straight line through points."""
    import numpy as np

    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else 0.0
    return float(np.mean(y)) - slope * float(np.mean(x)), slope


def _linear_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    return [_line(x, y)]


def _exponential_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    span = float(x.max() - x.min())
    found: list[tuple[float, ...]] = []
    for turns in (-10, -3, -1, 1, 3, 10):
        rate = turns / span
        offset, amplitude = _line(_exponential(x - x.min(), 1, rate, 0), y)
        found.append((amplitude * float(_exponential(-x[:1] * 0 - x.min(), 1, rate, 0)[0]), rate, offset))
    return found


def _saturation_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    scale = float(abs(x).max())
    found: list[tuple[float, ...]] = []
    for turns in (0.1, 0.5, 2.0, 5.0, 20.0):
        shape = _saturation(x, 1, turns / scale)
        found.append((float((shape * y).sum() / (shape**2).sum()), turns / scale))
    return found


def _power_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    import numpy as np

    kept = (x > 0) & (y > 0)
    if kept.sum() < 2:
        return [(float(np.median(y)), 1.0), (float(np.median(y)), -1.0)]
    intercept, slope = _line(np.log(x[kept]), np.log(y[kept]))
    return [(float(np.exp(np.clip(intercept, -600, 600))), slope)]


def _logistic_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    import numpy as np

    span, top = float(x.max() - x.min()), 1.1 * float(y[np.argmax(abs(y))])
    return [(top, float(m), sign * 4 / span) for m in np.quantile(x, (0.25, 0.5, 0.75)) for sign in (1, -1)]


def _arrhenius_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    import numpy as np

    kept = y > 0
    if kept.sum() < 2:
        return [(float(y.mean()), 0.0)]
    intercept, slope = _line(1 / (GAS_CONSTANT * x[kept]), np.log(y[kept]))
    return [(float(np.exp(np.clip(intercept, -600, 600))), -slope)]


def _half_starts(x: "Floats", y: "Floats") -> list[tuple[float, float]]:
    """Return guesses of a plateau, and of the x at which half of it is reached."""
    import numpy as np

    top = float(y[np.argmax(abs(y))])
    middle = [float(one) for one in np.quantile(x[x > 0], (0.1, 0.3, 0.6, 0.9))] if (x > 0).any() else [1.0]
    return [(1.2 * top, one) for one in middle]


def _hill_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    return [(top, half, n) for top, half in _half_starts(x, y) for n in (1.0, 3.0)]


def _michaelis_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    return [*_half_starts(x, y)]


def _langmuir_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    return [(top, 1 / half) for top, half in _half_starts(x, y)]


def _peak_starts(x: "Floats", y: "Floats") -> list[tuple[float, ...]]:
    import numpy as np

    span, floor = float(x.max() - x.min()), float(np.median(y))
    found: list[tuple[float, ...]] = []
    for at in (int(np.argmax(y)), int(np.argmin(y))):
        found += [(float(y[at]) - floor, float(x[at]), span * part, floor) for part in (0.02, 0.1, 0.3)]
    return found


CURVES: Mapping[str, Curve] = {
    "linear": Curve(
        "intercept + slope·x",
        (Parameter("intercept", "{y}"), Parameter("slope", "({y})/({x})")),
        _linear,
        _linear_starts,
    ),
    "exponential": Curve(
        "offset + amplitude·exp(rate·x)",
        (Parameter("amplitude", "{y}"), Parameter("rate", "1/({x})"), Parameter("offset", "{y}")),
        _exponential,
        _exponential_starts,
    ),
    "saturation": Curve(
        "plateau·(1 - exp(-rate·x))",
        (Parameter("plateau", "{y}"), Parameter("rate", "1/({x})", positive=True)),
        _saturation,
        _saturation_starts,
    ),
    "power": Curve(
        "factor·(x / 1 unit)^exponent",
        (Parameter("factor", "{y}"), Parameter("exponent", "1")),
        _power,
        _power_starts,
    ),
    "logistic": Curve(
        "plateau / (1 + exp(-rate·(x - midpoint)))",
        (Parameter("plateau", "{y}"), Parameter("midpoint", "{x}"), Parameter("rate", "1/({x})")),
        _logistic,
        _logistic_starts,
    ),
    "arrhenius": Curve(
        "prefactor·exp(-activation_energy / (R·x)), x a temperature",
        (Parameter("prefactor", "{y}", positive=True), Parameter("activation_energy", "kJ/mol")),
        _arrhenius,
        _arrhenius_starts,
        x_unit="K",
    ),
    "michaelis_menten": Curve(
        "v_max·x / (k_m + x)",
        (Parameter("v_max", "{y}"), Parameter("k_m", "{x}", positive=True)),
        _michaelis_menten,
        _michaelis_starts,
    ),
    "hill": Curve(
        "top·x^coefficient / (half^coefficient + x^coefficient)",
        (
            Parameter("top", "{y}"),
            Parameter("half", "{x}", positive=True),
            Parameter("coefficient", "1", positive=True),
        ),
        _hill,
        _hill_starts,
    ),
    "langmuir": Curve(
        "capacity·affinity·x / (1 + affinity·x)",
        (Parameter("capacity", "{y}"), Parameter("affinity", "1/({x})", positive=True)),
        _langmuir,
        _langmuir_starts,
    ),
    "gaussian": Curve(
        "offset + height·exp(-(x - centre)² / (2·sigma²))",
        (
            Parameter("height", "{y}"),
            Parameter("centre", "{x}"),
            Parameter("sigma", "{x}", positive=True),
            Parameter("offset", "{y}"),
        ),
        _gaussian,
        _peak_starts,
    ),
    "lorentzian": Curve(
        "offset + height / (1 + ((x - centre) / half_width)²)",
        (
            Parameter("height", "{y}"),
            Parameter("centre", "{x}"),
            Parameter("half_width", "{x}", positive=True),
            Parameter("offset", "{y}"),
        ),
        _lorentzian,
        _peak_starts,
    ),
}
"""Name → curve."""
