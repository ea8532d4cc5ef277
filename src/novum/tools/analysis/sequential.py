"""analysis.sequential_test: a test of a mean that may be looked at after every value."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.analysis.eprocesses import (
    Alternative,
    Interval,
    bounded_interval,
    log_capital,
    log_normal_process,
    log_t_process,
    normal_interval,
    t_interval,
)
from novum.tools.analysis.tables import ColumnName, Columns, read_table, told
from novum.tools.base import Properties, Usual, tool
from novum.tools.examples import Example
from novum.tools.files import Files

if TYPE_CHECKING:
    from novum.tools.analysis.eprocesses import Floats

LARGEST_LOG_E = 690.0
"""Beyond it an e-value is no longer a number that a computer holds; it says enough."""

_STUDENT = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]

EXAMPLES = (
    Example(
        arguments={"value": "gain [h]", "columns": {"gain [h]": _STUDENT}},
        # t = 1.325710, n = 10: (1/11)^0.5 * ((1 + t²/9) / (1 + t²/99))^5
        expected={"e_value": 0.673656, "rows": 10, "effect_size": 0.4192265},
        atol=2e-6,
        source="Bayes factor of doi:10.1198/000313005X55233 by hand, on Student's sleep data (1908, drug 1)",
    ),
    Example(
        arguments={
            "value": "x",
            "null": 0,
            "method": "sub_gaussian",
            "sigma": 1,
            "columns": {"x": [1.0, 1.0, 1.0, 1.0]},
        },
        # (1/5)^0.5 * exp(4² / (2 * 5))
        expected={"e_value": 2.2150634, "p_value": 0.4514543},
        atol=1e-6,
        source="by hand: normal mixture, doi:10.1214/20-AOS1991",
    ),
)


class Sequential(Properties):
    """What a sequential test found; the mean and its confidence sequence are among the details."""

    rows: Annotated[int, Field(description="values that were taken", ge=1)]
    e_value: Annotated[
        float,
        Field(description="evidence against the null hypothesis after the last value; 1 says nothing", ge=0),
    ]
    largest_e_value: Annotated[float, Field(description="the largest after any value", ge=0)]
    p_value: Annotated[
        float, Field(description="1 / the largest e-value; valid whenever one stops", ge=0, le=1)
    ]
    decided_after: Annotated[
        int | None,
        Field(
            description="values after which the null hypothesis was refused; absent where it was not", ge=1
        ),
    ] = None
    effect_size: Annotated[
        float | None,
        Usual(-3, 3),
        Field(description="(mean - null) in standard deviations; absent where there is no spread"),
    ] = None


@tool(
    name="analysis.sequential_test",
    version="1",
    method="e-process",
    nominal_cost_s=0.5,
    timeout_s=120,
    memory_mb=1024,
    profile="statistics",
    preload=("numpy", "scipy.special", "scipy.optimize"),
    libraries=("numpy", "scipy"),
    examples=EXAMPLES,
)
def sequential_test(
    value: ColumnName,
    *,
    null: float = 0.0,
    method: Literal["normal", "bounded", "sub_gaussian"] = "normal",
    alternative: Alternative = "two-sided",
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05,
    low: float = 0.0,
    high: float = 1.0,
    sigma: Annotated[float, Field(ge=0)] = 0.0,
    effect: Annotated[float, Field(ge=1e-3, le=1e3)] = 1.0,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
) -> Sequential:
    """Test whether a mean is what a null hypothesis says, by a test that may be looked at after every value.

    Rows count in the order in which they were measured. Looking early, stopping and going on later keep the
    false-positive rate below the level; the confidence sequence covers the mean at all times at once. The
    price is an interval about half again as wide as that of a t-test at a planned number of values.
    'normal' assumes independent normal values of any variance; 'bounded' only that values lie between 'low'
    and 'high' and that each has the same mean whatever came before; 'sub_gaussian' that 'sigma' is known.
    Not refusing is no evidence for the null.

    Args:
        value: the column of values.
        null: the mean under the null hypothesis, in the column's unit.
        method: what is assumed of the values.
        alternative: which means speak against the null hypothesis; one-sided only where the method is not
            'normal'.
        level: largest probability of refusing a null hypothesis that is true, however often one looks.
        low: least value that can occur, for 'bounded'.
        high: greatest value that can occur, for 'bounded'.
        sigma: known standard deviation, for 'sub_gaussian'.
        effect: size of effect that is looked for, in standard deviations, chosen before the data are seen.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.

    References:
        doi:10.1214/23-STS894 (e-processes). doi:10.1214/24-AOS2394 (normal). doi:10.1093/jrsssb/qkad009
        (bounded). doi:10.1214/20-AOS1991 (sub-Gaussian).
    """
    import numpy as np

    given = read_table(columns, files, table)
    rows = given.complete([value])
    values, unit = rows.numbers[:, 0], given.unit(value)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    match method:
        case "normal":
            log_e, interval = _normal(values, null, level, effect, alternative)
        case "bounded":
            log_e, interval = _bounded(values, null, level, (low, high), alternative)
        case "sub_gaussian":
            if sigma <= 0:
                raise ToolFailedError("'sub_gaussian' needs the known standard deviation 'sigma'")
            log_e = log_normal_process(values, null, sigma, effect, alternative)
            interval = normal_interval(values, level, sigma, effect, alternative)
    if not np.isfinite(log_e).all():
        raise ToolFailedError("the values are too large to compute with; choose another unit")
    found = evidence(log_e, level)
    details: dict[str, Any] = {
        "mean": told(float(values.mean()), unit, std=spread / math.sqrt(len(values)) if spread else None),
        "confidence_sequence": interval_told(interval, unit, level),
        "decision": decision(found["decided_after"], level),
        "log_e_values": [float(e) for e in log_e[-1000:]],
    }
    return Sequential(
        rows=len(values),
        effect_size=(float(values.mean()) - null) / spread if spread else None,
        details=details,
        warnings=rows.warnings,
        **found,
    )


def _normal(
    values: "Floats", null: float, level: float, effect: float, alternative: Alternative
) -> tuple["Floats", Interval]:
    if alternative != "two-sided":
        raise ToolFailedError(
            "'normal' tests two-sided only; the direction is that of the mean. "
            "One-sided tests are 'bounded' and 'sub_gaussian'"
        )
    if len(values) < 2:
        raise ToolFailedError("a normal mean of unknown variance needs two values at least")
    if (values == values[0]).all():
        raise ToolFailedError(f"all {len(values)} values are equal; there is no spread to test a mean by")
    return log_t_process(values, null, effect), t_interval(values, level, effect)


def _bounded(
    values: "Floats", null: float, level: float, bounds: Interval, alternative: Alternative
) -> tuple["Floats", Interval]:
    low, high = bounds
    if not low < null < high:
        raise ToolFailedError(f"the null hypothesis {null:g} must lie between {low:g} and {high:g}")
    if values.min() < low or values.max() > high:
        raise ToolFailedError(
            f"values from {values.min():g} to {values.max():g} do not all lie between {low:g} and {high:g}"
        )
    width = high - low
    scaled = (values - low) / width
    log_e = log_capital(scaled, (null - low) / width, level, alternative)
    least, most = bounded_interval(scaled, level, alternative)
    return log_e, (low + least * width, low + most * width)


def evidence(log_e: "Floats", level: float) -> dict[str, Any]:
    """Return the properties that an e-process gives: last and largest e-value, p-value, when it decided."""
    largest = float(log_e.max())
    over = (log_e >= -math.log(level)).nonzero()[0]
    return {
        "e_value": math.exp(min(float(log_e[-1]), LARGEST_LOG_E)),
        "largest_e_value": math.exp(min(largest, LARGEST_LOG_E)),
        "p_value": min(1.0, math.exp(-largest)),
        "decided_after": int(over[0]) + 1 if len(over) else None,
    }


def interval_told(interval: Interval, unit: str, level: float) -> dict[str, Any]:
    """Return a confidence sequence as details hold it; a side without a bound is left out."""
    low, high = (bound if math.isfinite(bound) else None for bound in interval)
    found: dict[str, Any] = {"low": low, "high": high, "unit": unit, "level": 1 - level}
    return {key: one for key, one in found.items() if one is not None}


def decision(after: int | None, level: float) -> str:
    """Return what a test decided, in words."""
    if after is None:
        return f"not refused at level {level:g}; it cannot decide yet"
    return f"the null hypothesis is refused at level {level:g} after {after} values"
