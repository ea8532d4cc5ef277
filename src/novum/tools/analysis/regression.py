"""analysis.regress: a model of a number, what it is worth on rows it has not seen, and its predictions."""

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.core.quantity import canonical_unit
from novum.tools.analysis.estimators import RegressorName, check_rows, fitted, make_regressor
from novum.tools.analysis.tables import ColumnName, Columns, Table, read_table, told
from novum.tools.analysis.validation import (
    HeldOut,
    bootstrap,
    corrected,
    groups_of,
    hold_out,
    importances,
    prepared,
    split_rows,
)
from novum.tools.base import Properties, tool
from novum.tools.examples import Example
from novum.tools.files import Files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LONGLEY: dict[str, list[float]] = {
    "deflator": [
        83,
        88.5,
        88.2,
        89.5,
        96.2,
        98.1,
        99,
        100,
        101.2,
        104.6,
        108.4,
        110.8,
        112.6,
        114.2,
        115.7,
        116.9,
    ],
    "product": [
        *(234289, 259426, 258054, 284599, 328975, 346999, 365385, 363112),
        *(397469, 419180, 442769, 444546, 482704, 502601, 518173, 554894),
    ],
    "unemployed": [
        *(2356, 2325, 3682, 3351, 2099, 1932, 1870, 3578),
        *(2904, 2822, 2936, 4681, 3813, 3931, 4806, 4007),
    ],
    "armed": [
        *(1590, 1456, 1616, 1650, 3099, 3594, 3547, 3350),
        *(3048, 2857, 2798, 2637, 2552, 2514, 2572, 2827),
    ],
    "population": [
        *(107608, 108632, 109773, 110929, 112075, 113270, 115094, 116219),
        *(117388, 118734, 120445, 121950, 123366, 125368, 127852, 130081),
    ],
    "year": [float(year) for year in range(1947, 1963)],
    "employed": [
        *(60323, 61122, 60171, 61187, 63221, 63639, 64989, 63761),
        *(66019, 67857, 68169, 66513, 68655, 69564, 69331, 70551),
    ],
}

EXAMPLES = (
    Example(
        arguments={
            "target": "employed",
            "features": ["deflator", "product", "unemployed", "armed", "population", "year"],
            "model": "linear",
            "columns": _LONGLEY,
        },
        expected={"r_squared": 0.995479004577296, "rows": 16},
        atol=1e-9,
        source="NIST StRD, linear regression, Longley: certified value",
    ),
)


class Regression(Properties):
    """What a model of a number is worth; its coefficients, importances and predictions are details."""

    rows: Annotated[int, Field(description="rows that were used", ge=1)]
    q_squared: Annotated[
        float,
        Field(
            description="share of the squared error of the mean that the model removes, on unseen rows", le=1
        ),
    ]
    r_squared: Annotated[
        float, Field(description="the same on the rows that it was fitted to, which says little", le=1)
    ]
    skill_p_value: Annotated[
        float,
        Field(description="probability of such a gain over the mean where there is none", ge=0, le=1),
    ]
    coverage: Annotated[
        float | None,
        Field(description="share of unseen rows within intervals made for the asked probability", ge=0, le=1),
    ] = None


@tool(
    name="analysis.regress",
    version="1",
    method="cross-validated regression",
    nominal_cost_s=5.0,
    timeout_s=300,
    memory_mb=2048,
    profile="learning",
    preload=("numpy", "scipy.stats", "sklearn.ensemble", "sklearn.gaussian_process", "sklearn.inspection"),
    libraries=("numpy", "scipy", "scikit-learn"),
    examples=EXAMPLES,
)
def regress(
    target: ColumnName,
    features: Annotated[list[ColumnName], Field(min_length=1, max_length=32)],
    *,
    model: RegressorName = "gaussian_process",
    predict: Columns = {},  # noqa: B006 - read only
    group: str = "",
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.1,
    repeats: Annotated[int, Field(ge=1, le=20)] = 2,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
    seed: int = 0,
) -> Regression:
    """Fit a model of a number, tell what it is worth on rows that it has not seen, and predict new ones.

    Scores come from repeated five-fold cross-validation in which rows with equal features, and rows of one
    group, stay together. The interval of q_squared is a bootstrap over held-out rows; skill_p_value is the
    corrected resampled t-test against the mean. Intervals of predictions are CV+: for rows that come as
    those of the table came, they cover with a probability of 1 - 2·level at least, and about 1 - level
    usually; 'coverage' is what was measured. Nothing holds for rows of another kind: those outside the
    range of the table are warned of. Fewer than ten different rows are refused.

    Args:
        target: the column to model.
        features: columns to model it by.
        model: a linear model also tells coefficients with intervals; 'mean' is what others are held against.
        predict: new rows to predict: the features by name.
        group: a column of what belongs together, as a batch or a molecule.
        level: intervals are made to miss with this probability.
        repeats: of the cross-validation.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.
        seed: of the folds, the shuffling and the models.

    References:
        doi:10.1214/20-AOS1965 (CV+). doi:10.1023/A:1024068626366 (corrected t-test). scikit-learn.
    """
    import numpy as np

    given = read_table(columns, files, table)
    rows = given.complete([target, *features], [group] if group else [])
    x, warnings = prepared(rows, features)
    y, unit = rows.numbers[:, 0], given.unit(target)
    if (y == y[0]).all():
        raise ToolFailedError(f"the target {target!r} is constant ({y[0]:g}); there is nothing to model")
    check_rows(model, len(y))
    groups = groups_of(x, rows.texts[0] if group else None)
    splits = split_rows(groups, repeats=repeats, seed=seed)
    if model == "linear":
        _check_rank(x, features)
    held = hold_out(lambda: make_regressor(model, x.shape[1], seed), x, y, splits)
    base = hold_out(lambda: make_regressor("mean", x.shape[1], seed), x, y, splits)
    loss, base_loss = ((one.predictions - y) ** 2 for one in (held, base))

    def q_squared(chosen: "Floats | Any") -> float:
        whole = float(base_loss[:, chosen].sum())
        return 1 - float(loss[:, chosen].sum()) / whole if whole else math.nan

    everything = np.arange(len(y))
    low, high, std = bootstrap(q_squared, groups, level=level, seed=seed)
    gain = corrected(base_loss - loss, splits)
    whole = fitted(make_regressor(model, x.shape[1], seed), x, y)
    residuals = y - whole.predict(x)
    off = held.predictions - y
    details: dict[str, Any] = {
        "model": model,
        "q_squared": {"low": low, "high": high, "level": 1 - level},
        "root_mean_square_error": told(math.sqrt(float((off**2).mean())), unit),
        "mean_absolute_error": told(float(abs(off).mean()), unit),
        "importance": {
            "what": "rise of the squared error on unseen rows where it is shuffled, over the variance",
            "by": {
                name: {key: value / float(y.var()) for key, value in one.items()}
                for name, one in importances(held, x, y, features, "neg_mean_squared_error", seed).items()
            },
        },
    }
    if model == "linear":
        details["coefficients"] = _coefficients(x, y, given, target, features, level)
    if predict:
        details["predictions"] = _predict(whole, held, x, y, features, predict, unit, level, warnings)
    if gain.p_value > level or gain.mean <= 0:
        warnings.append(f"no better than the mean on unseen rows, so far (p = {gain.p_value:.2g})")
    if len(y) < 30:
        warnings.append(f"{len(y)} rows: scores and intervals are rough")
    return Regression(
        rows=len(y),
        q_squared=q_squared(everything),
        r_squared=1 - float((residuals**2).sum() / ((y - y.mean()) ** 2).sum()),
        skill_p_value=gain.p_value,
        coverage=_measured_coverage(held, y, level),
        std={"q_squared": std},
        details=details,
        warnings=tuple(warnings),
    )


def _check_rank(x: "Floats", features: list[str]) -> None:
    """Refuse columns that follow from each other, of which no coefficient can be told."""
    import numpy as np

    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    _, singular, turned = np.linalg.svd(scaled, full_matrices=False)
    if len(x) <= x.shape[1] + 1:
        raise ToolFailedError(
            f"{len(x)} rows cannot determine {x.shape[1] + 1} coefficients and their uncertainty"
        )
    if singular[-1] < 1e-8 * singular[0]:
        bound = [name for name, part in zip(features, turned[-1], strict=True) if abs(part) > 1e-3]
        raise ToolFailedError(f"{', '.join(bound)} follow from each other; leave one of them out")


def _coefficients(
    x: "Floats", y: "Floats", given: Table, target: str, features: list[str], level: float
) -> dict[str, Any]:
    """Return intercept and slopes of ordinary least squares, with exact intervals for normal errors."""
    import numpy as np
    from scipy import stats

    means, size = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([np.ones(len(y)), (x - means) / size])
    inverse = np.linalg.inv(design.T @ design)
    scaled = inverse @ design.T @ y
    freedom = len(y) - design.shape[1]
    variance = float(((y - design @ scaled) ** 2).sum()) / freedom
    back = np.eye(len(scaled))
    back[1:, 1:] = np.diag(1 / size)
    back[0, 1:] = -means / size
    values, stds = back @ scaled, np.sqrt(np.diag(back @ inverse @ back.T) * variance)
    quantile = float(stats.t.ppf(1 - level / 2, freedom))
    unit = given.unit(target)
    units = [unit, *(canonical_unit(f"({unit})/({given.unit(name)})") for name in features)]
    return {
        name: told(float(v), u, std=float(s), low=float(v - quantile * s), high=float(v + quantile * s))
        for name, u, v, s in zip(["intercept", *features], units, values, stds, strict=True)
    }


def _predict(
    whole: Any,
    held: HeldOut,
    x: "Floats",
    y: "Floats",
    features: list[str],
    predict: Columns,
    unit: str,
    level: float,
    warnings: list[str],
) -> list[dict[str, Any]]:
    """Return predictions of new rows with CV+ intervals; a side that the rows are too few for is left out."""
    import numpy as np

    asked = read_table(predict, {}, "").complete(features)
    warnings += asked.warnings
    new = asked.numbers
    outside = ((new < x.min(axis=0)) | (new > x.max(axis=0))).any(axis=1)
    if outside.any():
        warnings.append(
            f"{int(outside.sum())} new rows lie outside the range of the table: nothing is known there"
        )
    low, high = np.empty((len(y), len(new))), np.empty((len(y), len(new)))
    for split, model in held.first():
        off = abs(y[split.test] - held.predictions[0, split.test])[:, None]
        there = model.predict(new)
        low[split.test], high[split.test] = there - off, there + off
    rank = math.floor(level * (len(y) + 1))
    if rank < 1:
        warnings.append(f"{len(y)} rows are too few for intervals that miss with a probability of {level:g}")
    low, high = np.sort(low, axis=0), np.sort(high, axis=0)
    return [
        told(
            float(value),
            unit,
            low=float(low[rank - 1, i]) if rank else None,
            high=float(high[len(y) - rank, i]) if rank else None,
        )
        | {"outside_of_the_table": bool(outside[i])}
        for i, value in enumerate(whole.predict(new))
    ]


def _measured_coverage(held: HeldOut, y: "Floats", level: float) -> float | None:
    """Return the share of rows within intervals made from the errors of the other folds; None if too few."""
    import numpy as np

    off = abs(y - held.predictions[0])
    inside = 0
    for split, _ in held.first():
        others = np.sort(off[split.train])
        rank = math.ceil((1 - level) * (len(others) + 1))
        if rank > len(others):
            return None
        inside += int((off[split.test] <= others[rank - 1]).sum())
    return inside / len(y)
