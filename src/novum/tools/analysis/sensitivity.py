"""analysis.sensitivity: which inputs a number depends on, and through which others."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.analysis.estimators import check_rows, fitted, make_regressor
from novum.tools.analysis.tables import ColumnName, Columns, read_table
from novum.tools.analysis.validation import HeldOut, groups_of, hold_out, importances, prepared, split_rows
from novum.tools.base import Properties, tool
from novum.tools.examples import Example
from novum.tools.files import Files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_Q_SQUARED = 0.3
"""Below it the indices would be those of a surrogate that has little to do with the data."""
GOOD_Q_SQUARED = 0.8
BEYOND = 0.05
"""How far a range may go beyond the table, as a share of what the table spans, before it is a guess."""

Ranges = Annotated[dict[ColumnName, tuple[float, float]], Field(max_length=16)]

_SIDE = [0.0, 0.25, 0.5, 0.75, 1.0]
_GRID = [(a, b) for a in _SIDE for b in _SIDE]

EXAMPLES = (
    Example(
        arguments={
            "target": "y",
            "features": ["a", "b"],
            "columns": {
                "a": [a for a, _ in _GRID],
                "b": [b for _, b in _GRID],
                "y": [a + 2 * b for a, b in _GRID],
            },
        },
        expected={"largest_total": 0.8, "interactions": 0.0, "surrogate_q_squared": 1.0},
        atol=0.02,
        source="by hand: the variance of a + 2b is 1/12 + 4/12 for independent uniform a and b",
    ),
)


class Sensitivity(Properties):
    """What a number depends on; the indices of each input with intervals are among the details."""

    rows: Annotated[int, Field(description="rows that were used", ge=1)]
    surrogate_q_squared: Annotated[
        float, Field(description="what the surrogate explains of unseen rows; the indices are its own", le=1)
    ]
    largest_total: Annotated[
        float, Field(description="total Sobol index of the input that matters most", ge=-1, le=2)
    ]
    interactions: Annotated[
        float, Field(description="share of the variance that no input causes alone", ge=-1, le=2)
    ]


@tool(
    name="analysis.sensitivity",
    version="1",
    method="Sobol indices of a surrogate",
    nominal_cost_s=10.0,
    timeout_s=300,
    memory_mb=2048,
    profile="learning",
    preload=("numpy", "scipy.stats", "sklearn.ensemble", "sklearn.gaussian_process", "sklearn.inspection"),
    libraries=("numpy", "scipy", "scikit-learn"),
    examples=EXAMPLES,
)
def sensitivity(
    target: ColumnName,
    features: Annotated[list[ColumnName], Field(min_length=2, max_length=16)],
    *,
    model: Literal["gaussian_process", "random_forest"] = "gaussian_process",
    ranges: Ranges = {},  # noqa: B006 - read only
    group: str = "",
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.1,
    samples: Annotated[int, Field(ge=64, le=8192)] = 1024,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
    seed: int = 0,
) -> Sensitivity:
    """Tell which inputs a number depends on, by Sobol indices of a surrogate and by permutation.

    A surrogate is fitted to the table, and its variance over independent uniform inputs is divided: the
    first-order index is the share that an input causes alone, the total index the share that it has a part
    in. Intervals hold the sampling, by bootstrap, and what leaving out a fifth of the rows changes, by the
    jackknife. The indices are those of the surrogate: where it explains less than 0.3 of unseen rows, they
    are refused. Inputs that go together in the table are taken as independent, which a warning tells. No
    index says that an input causes anything.

    Args:
        target: the column of the number.
        features: the inputs.
        model: the surrogate.
        ranges: input to lowest and highest value; those of the table otherwise.
        group: a column of what belongs together, as a batch or a molecule.
        level: intervals miss with this probability.
        samples: of each input; the next power of two is taken.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.
        seed: of the folds, the sampling and the surrogate.

    References:
        Saltelli et al., doi:10.1016/j.cpc.2009.09.018 (scipy.stats.sobol_indices). Sobol,
        doi:10.1016/S0378-4754(00)00270-6. Breiman, doi:10.1023/A:1010933404324 (permutation).
    """
    given = read_table(columns, files, table)
    rows = given.complete([target, *features], [group] if group else [])
    x, warnings = prepared(rows, features)
    y = rows.numbers[:, 0]
    if (y == y[0]).all():
        raise ToolFailedError(f"the target {target!r} is constant ({y[0]:g}); it depends on nothing here")
    check_rows(model, len(y))
    limits = _limits(x, features, ranges, warnings)
    splits = split_rows(groups_of(x, rows.texts[0] if group else None), repeats=1, seed=seed)
    held = hold_out(lambda: make_regressor(model, x.shape[1], seed), x, y, splits)
    q_squared = 1 - float(((held.predictions[0] - y) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    if q_squared < LEAST_Q_SQUARED:
        raise ToolFailedError(
            f"the surrogate explains {q_squared:.2f} of the variance of unseen rows; below {LEAST_Q_SQUARED} "
            "its indices say nothing of the data. More rows, other inputs or another model are needed"
        )
    if q_squared < GOOD_Q_SQUARED:
        warnings.append(
            f"the surrogate explains {q_squared:.2f} of unseen rows only; the indices are its own"
        )
    whole = fitted(make_regressor(model, x.shape[1], seed), x, y)
    first, total, first_std, total_std = _indices(whole, held, limits, samples, seed)
    importance = importances(held, x, y, features, "neg_mean_squared_error", seed)
    details: dict[str, Any] = {
        "indices": {
            name: {
                "first": _index(first[i], first_std[i], level),
                "total": _index(total[i], total_std[i], level),
                "range": list(limits[i]),
                "permutation": {key: one / float(y.var()) for key, one in importance[name].items()},
            }
            for i, name in sorted(enumerate(features), key=lambda one: -total[one[0]])
        },
        "level": 1 - level,
        "model": model,
    }
    return Sensitivity(
        rows=len(y),
        surrogate_q_squared=q_squared,
        largest_total=float(total.max()),
        interactions=1 - float(first.sum()),
        std={
            "largest_total": float(total_std[total.argmax()]),
            "interactions": math.sqrt(float((first_std**2).sum())),
        },
        details=details,
        warnings=tuple(warnings),
    )


def _limits(
    x: "Floats", features: list[str], ranges: dict[str, tuple[float, float]], warnings: list[str]
) -> list[tuple[float, float]]:
    unknown = sorted(set(ranges) - set(features))
    if unknown:
        raise ToolFailedError(f"a range is given for {unknown[0]!r}, which is no input")
    found = []
    for name, column in zip(features, x.T, strict=True):
        least, most = float(column.min()), float(column.max())
        low, high = ranges.get(name, (least, most))
        if not low < high:
            raise ToolFailedError(f"the range of {name!r} must go upwards, not from {low:g} to {high:g}")
        slack = BEYOND * (most - least)
        if low < least - slack or high > most + slack:
            warnings.append(
                f"the range of {name!r} goes beyond the table, {least:g} to {most:g}: a guess there"
            )
        found.append((low, high))
    return found


def _indices(
    whole: Any, held: HeldOut, limits: list[tuple[float, float]], samples: int, seed: int
) -> tuple["Floats", "Floats", "Floats", "Floats"]:
    """Return first-order and total indices of each input, and their standard deviations."""
    import numpy as np
    from scipy.stats import sobol_indices, uniform

    n = 2 ** math.ceil(math.log2(samples))
    dists = [uniform(low, high - low) for low, high in limits]

    def of(model: Any) -> Any:
        def function(inputs: "Floats") -> "Floats":
            return np.asarray(model.predict(inputs.T), dtype=float)

        return sobol_indices(func=function, n=n, dists=dists, rng=np.random.default_rng(seed))

    with np.errstate(divide="ignore", invalid="ignore"):
        found = of(whole)
        others = [of(model) for _, model in held.first()]
    if not (np.isfinite(found.first_order).all() and np.isfinite(found.total_order).all()):
        raise ToolFailedError(
            "the surrogate is constant within the ranges; nothing depends on anything there"
        )
    spread = found.bootstrap(confidence_level=0.6827, n_resamples=200)
    k = len(others)
    stds = []
    for index, interval in (("first_order", spread.first_order), ("total_order", spread.total_order)):
        sampling = (interval.confidence_interval.high - interval.confidence_interval.low) / 2
        values = np.array([getattr(one, index) for one in others])
        jackknife = (k - 1) / k * ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        stds.append(np.sqrt(np.nan_to_num(sampling) ** 2 + np.nan_to_num(jackknife)))
    return found.first_order, found.total_order, stds[0], stds[1]


def _index(value: float, std: float, level: float) -> dict[str, float]:
    from scipy import stats

    half = float(stats.norm.ppf(1 - level / 2)) * float(std)
    return {"value": float(value), "std": float(std), "low": float(value) - half, "high": float(value) + half}
