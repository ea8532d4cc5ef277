"""analysis.fit_curve: a named curve through measured points, with units and uncertainties."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError, UnitError
from novum.core.quantity import DIMENSIONLESS, canonical_unit, convert
from novum.tools.analysis.curves import CURVES, Curve, CurveName, Parameter
from novum.tools.analysis.least_squares import Fit, limits_of
from novum.tools.analysis.tables import ColumnName, Columns, Table, read_table, told
from novum.tools.base import Properties, tool
from novum.tools.examples import Example
from novum.tools.files import Files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

AT_BOUND = 1e-6
"""Distance to a bound, relative to the value's scale, that counts as lying on it."""

_PUROMYCIN = {
    "c [ppm]": [0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10],
    "rate": [76.0, 47.0, 97.0, 107.0, 123.0, 139.0, 159.0, 152.0, 191.0, 201.0, 207.0, 200.0],
}
_MISRA1A = {
    "p": [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0],
    "v": [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78],
}

EXAMPLES = (
    Example(
        arguments={"curve": "michaelis_menten", "x": "c", "y": "rate", "columns": _PUROMYCIN},
        # 0.00828095 / 0.06412123, and 1 - 1195.449 / 30858.92
        expected={"largest_relative_error": 0.129145, "r_squared": 0.961261, "rows": 12},
        atol=2e-5,
        source="Bates and Watts 1988 (puromycin, treated), by R's nls: RSS 1195.449",
    ),
    Example(
        arguments={"curve": "saturation", "x": "p", "y": "v", "columns": _MISRA1A},
        # 7.2668688436E-06 / 5.5015643181E-04
        expected={"largest_relative_error": 0.01320872},
        rtol=1e-5,
        source="NIST StRD, nonlinear regression, Misra1a: certified values",
    ),
)


class FittedCurve(Properties):
    """How well a curve fits; its parameters with units and uncertainties are among the details."""

    rows: Annotated[int, Field(description="points that were fitted", ge=1)]
    r_squared: Annotated[
        float | None, Field(description="share of the variance of y that the curve explains", le=1)
    ] = None
    largest_relative_error: Annotated[
        float,
        Field(description="standard deviation over size, of the parameter that is known worst", ge=0),
    ]
    runs_p_value: Annotated[
        float | None,
        Field(
            description="probability of so few changes of sign among residuals of the right curve",
            ge=0,
            le=1,
        ),
    ] = None
    chi_square_p_value: Annotated[
        float | None,
        Field(description="probability of so bad a fit, where y comes with its uncertainty", ge=0, le=1),
    ] = None


@tool(
    name="analysis.fit_curve",
    version="1",
    method="nonlinear least squares",
    nominal_cost_s=0.5,
    timeout_s=60,
    memory_mb=1024,
    profile="curves",
    preload=("numpy", "scipy.optimize", "scipy.stats", "pint"),
    libraries=("numpy", "scipy"),
    examples=EXAMPLES,
)
def fit_curve(
    curve: CurveName,
    x: ColumnName,
    y: ColumnName,
    *,
    y_std: str = "",
    fixed: Annotated[dict[str, float], Field(max_length=8)] = {},  # noqa: B006 - read only
    bounds: Annotated[dict[str, tuple[float, float]], Field(max_length=8)] = {},  # noqa: B006 - read only
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
) -> FittedCurve:
    """Fit a named curve to measured points, and tell its parameters with their units and uncertainties.

    Standard deviations and covariance are those of the linearised curve; intervals are from Student's t.
    They hold where errors are independent, normal and lie in y alone; without 'y_std' also equal, and their
    size is taken from the residuals, which supposes that the curve is the right one: look at runs_p_value.
    Parameters at a bound have no valid interval, which a warning tells. Curves: linear, exponential,
    saturation (first-order approach), power, logistic, arrhenius (x a temperature), michaelis_menten, hill,
    langmuir, gaussian and lorentzian.

    Args:
        curve: its name.
        x: the column of abscissas, with its unit in brackets where it has one.
        y: the column of ordinates.
        y_std: a column with the standard deviation of each y, in the unit of y.
        fixed: parameters that are known: name to value, in the parameter's unit.
        bounds: parameter to lowest and highest value, in the parameter's unit.
        level: intervals cover with a probability of one minus this.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.

    References:
        Bates and Watts, Nonlinear Regression Analysis (1988), doi:10.1002/9780470316757. Branch, Coleman,
        Li, doi:10.1137/S1064827595289108 (the algorithm, SciPy's). Wald, Wolfowitz,
        doi:10.1214/aoms/1177731909 (runs).
    """
    import numpy as np
    from scipy import stats

    shape, given = CURVES[curve], read_table(columns, files, table)
    rows = given.complete([x, y, *([y_std] if y_std else [])])
    xs, x_unit = _abscissas(rows.numbers[:, 0], given, x, shape)
    ys, y_unit = rows.numbers[:, 1], given.unit(y)
    errors = rows.numbers[:, 2] if y_std else None
    if errors is not None and (errors <= 0).any():
        raise ToolFailedError(f"column {y_std!r} must hold standard deviations above zero")
    _check_abscissas(xs, curve)
    free = _free_parameters(shape, fixed, bounds)
    _check_points(xs, ys, len(free))
    fit = Fit.best(shape, xs, ys, errors, free=free, fixed=fixed, bounds=bounds)
    freedom = len(xs) - len(free)
    spread = float(((ys - ys.mean()) ** 2).sum())
    squares = float((fit.residuals**2).sum())
    scale = 1.0 if errors is not None else fit.cost / freedom
    covariance = fit.covariance * scale
    stds = np.sqrt(np.diag(covariance))
    quantile = float(
        stats.norm.ppf(1 - level / 2) if errors is not None else stats.t.ppf(1 - level / 2, freedom)
    )
    warnings = [*rows.warnings, *_at_bounds(free, fit, bounds)]
    units = {p.name: _unit_of(p, x_unit, y_unit) for p in shape.parameters}
    details: dict[str, Any] = {
        "formula": shape.formula,
        "parameters": {
            p.name: told(
                float(value),
                units[p.name],
                std=float(std),
                low=float(value - quantile * std),
                high=float(value + quantile * std),
            )
            for p, value, std in zip(free, fit.values, stds, strict=True)
        },
        "fixed": {name: told(value, units[name]) for name, value in fixed.items()},
        "covariance": {"order": [p.name for p in free], "values": covariance.tolist()},
        "level": 1 - level,
        "residual_standard_deviation": told(math.sqrt(squares / freedom), y_unit),
        "residual_sum_of_squares": squares,
        "degrees_of_freedom": freedom,
        "residuals": fit.residuals[:1000].tolist(),
    }
    details["derived"] = _width(curve, details["parameters"])
    if spread and freedom and len(free) > 1:
        explained = (spread - squares) / (len(free) - 1)
        p_flat = (
            float(stats.f.sf(max(explained, 0.0) / (squares / freedom), len(free) - 1, freedom))
            if squares
            else 0.0
        )
        if p_flat > level:
            warnings.append(f"the curve explains no more than a constant would (p = {p_flat:.2g})")
    if freedom < 3:
        warnings.append(f"{freedom} degrees of freedom: the uncertainties are hardly known themselves")
    runs = _runs_p_value(fit.residuals[np.argsort(xs, kind="stable")])
    if runs is not None and runs < level:
        warnings.append(
            f"the residuals keep their sign too long (p = {runs:.2g}): the curve is not the right one"
        )
    relative = [abs(std / value) if value else math.inf for value, std in zip(fit.values, stds, strict=True)]
    warnings += [
        f"{p.name} is not determined: its standard deviation exceeds its size"
        for p, size in zip(free, relative, strict=True)
        if size > 1 and p.positive
    ]
    return FittedCurve(
        rows=len(xs),
        r_squared=1 - squares / spread if spread else None,
        largest_relative_error=min(float(max(relative)), 1e12),
        runs_p_value=runs,
        chi_square_p_value=float(stats.chi2.sf(fit.cost, freedom)) if errors is not None else None,
        details=details,
        warnings=tuple(warnings),
    )


def _free_parameters(
    shape: Curve, fixed: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]
) -> list[Parameter]:
    known = {p.name: p for p in shape.parameters}
    for name in (*fixed, *bounds):
        if name not in known:
            raise ToolFailedError(f"the curve has no parameter {name!r}; it has {', '.join(known)}")
    for name, value in fixed.items():
        if known[name].positive and value <= 0:
            raise ToolFailedError(f"{name} must be above zero, not {value:g}")
    for name, (low, high) in bounds.items():
        if not low < high or (known[name].positive and high <= 0):
            raise ToolFailedError(f"no value of {name} lies between {low:g} and {high:g}")
    free = [p for p in shape.parameters if p.name not in fixed]
    if not free:
        raise ToolFailedError("every parameter is fixed; there is nothing to fit")
    return free


def _abscissas(values: "Floats", given: Table, x: str, shape: Curve) -> tuple["Floats", str]:
    """Return x and its unit; in the unit that the curve needs, where it needs one."""
    import numpy as np

    unit = given.unit(x)
    if shape.x_unit is None:
        return values, unit
    if unit == DIMENSIONLESS:
        raise ToolFailedError(f"x must say its unit, as '{x} [{shape.x_unit}]'")
    try:
        return np.array([convert(float(one), unit, shape.x_unit) for one in values]), shape.x_unit
    except UnitError as error:
        raise ToolFailedError(f"x cannot be read in {shape.x_unit}: {error}") from error


def _check_abscissas(xs: "Floats", curve: CurveName) -> None:
    if curve in ("power", "arrhenius") and xs.min() <= 0:
        raise ToolFailedError(f"x must be above zero for {curve!r}; the least is {xs.min():g}")
    if curve in ("hill", "langmuir", "michaelis_menten") and xs.min() < 0:
        raise ToolFailedError(f"x must not be negative for {curve!r}; the least is {xs.min():g}")


def _check_points(xs: "Floats", ys: "Floats", n_free: int) -> None:
    distinct = len(set(xs.tolist()))
    if len(xs) <= n_free or distinct < n_free or distinct < 2:
        raise ToolFailedError(
            f"{len(xs)} points at {distinct} different x cannot determine {n_free} parameters "
            "and their uncertainty"
        )
    if (ys == ys[0]).all():
        raise ToolFailedError(f"all y are {ys[0]:g}; a curve through a constant says nothing")


def _at_bounds(free: list[Parameter], fit: Fit, bounds: Mapping[str, tuple[float, float]]) -> list[str]:
    found = []
    for parameter, value in zip(free, fit.values, strict=True):
        low, high = limits_of(parameter, bounds)
        size = max(abs(value), *(abs(end) for end in (low, high) if math.isfinite(end)), 1e-300)
        if min(value - low, high - value) <= AT_BOUND * size:
            found.append(f"{parameter.name} lies at its bound ({value:.4g}): its interval means nothing")
    return found


def _unit_of(parameter: Parameter, x_unit: str, y_unit: str) -> str:
    return canonical_unit(parameter.unit.format(x=x_unit, y=y_unit))


def _width(curve: CurveName, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the full width at half maximum of a peak."""
    name, factor = {
        "gaussian": ("sigma", 2 * math.sqrt(2 * math.log(2))),
        "lorentzian": ("half_width", 2.0),
    }.get(curve, ("", 0.0))
    if name not in parameters:
        return {}
    one = parameters[name]
    return {"full_width_at_half_maximum": told(one["value"] * factor, one["unit"], std=one["std"] * factor)}


def _runs_p_value(residuals: "Floats") -> float | None:
    """Return the probability of at most so many runs of signs; None where there are too few to tell.

    By the exact distribution of the number of runs of two kinds of things in random order.
    """
    signs = [one > 0 for one in residuals if one]
    ups, downs = sum(signs), len(signs) - sum(signs)
    if min(ups, downs) < 2:
        return None
    runs = 1 + sum(one != other for one, other in pairwise(signs))
    ways = 0
    for count in range(2, runs + 1):
        half, odd = divmod(count, 2)
        if odd:
            ways += math.comb(ups - 1, half) * math.comb(downs - 1, half - 1)
            ways += math.comb(ups - 1, half - 1) * math.comb(downs - 1, half)
        else:
            ways += 2 * math.comb(ups - 1, half - 1) * math.comb(downs - 1, half - 1)
    total = math.comb(ups + downs, ups)
    return min(1.0, ways * 10**18 // total / 10**18)
