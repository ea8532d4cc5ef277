"""analysis.compare_models: which of some models predicts best, where that can be told."""

from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.analysis.classification import brier, check_classes, check_splits
from novum.tools.analysis.estimators import check_rows, make_classifier, make_regressor
from novum.tools.analysis.tables import ColumnName, Columns, Table, read_table
from novum.tools.analysis.validation import (
    Corrected,
    Split,
    corrected,
    groups_of,
    hold_out,
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

ModelName = Literal[
    "mean",
    "linear",
    "ridge",
    "gaussian_process",
    "majority",
    "logistic",
    "nearest_neighbours",
    "random_forest",
]
REGRESSORS = ("mean", "linear", "ridge", "gaussian_process", "random_forest")
CLASSIFIERS = ("majority", "logistic", "nearest_neighbours", "random_forest")

_LINE = [float(n) for n in range(20)]

EXAMPLES = (
    Example(
        arguments={
            "target": "y",
            "features": ["x"],
            "models": ["mean", "linear"],
            "columns": {"x": _LINE, "y": [3 * n + (0.1 if n % 2 else -0.1) for n in _LINE]},
        },
        expected={"decided": 1, "gain": 1.0},
        atol=0.01,
        source="by hand: a straight line against its mean",
    ),
)


class Comparison(Properties):
    """Whether one model predicts better than the others; every pair is among the details."""

    rows: Annotated[int, Field(description="rows that were used", ge=1)]
    decided: Annotated[
        int,
        Field(description="1 where the best is told from every other model, 0 where it is not", ge=0, le=1),
    ]
    gain: Annotated[
        float,
        Field(
            description="loss that the best has less than the next best, over the loss without a model",
            ge=-1e6,
            le=1e6,
        ),
    ]
    p_value: Annotated[
        float,
        Field(description="of the best against the next best, corrected for the number of pairs", ge=0, le=1),
    ]
    probability_better: Annotated[
        float,
        Field(description="posterior probability that the best is better than the next best", ge=0, le=1),
    ]


@tool(
    name="analysis.compare_models",
    version="1",
    method="corrected resampled t-test",
    nominal_cost_s=20.0,
    timeout_s=600,
    memory_mb=2048,
    profile="learning",
    preload=("numpy", "scipy.stats", "sklearn.ensemble", "sklearn.gaussian_process", "sklearn.inspection"),
    libraries=("numpy", "scipy", "scikit-learn"),
    examples=EXAMPLES,
)
def compare_models(
    target: ColumnName,
    features: Annotated[list[ColumnName], Field(min_length=1, max_length=32)],
    models: Annotated[list[ModelName], Field(min_length=2, max_length=6)],
    *,
    task: Literal["regression", "classification"] = "regression",
    group: str = "",
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05,
    alike: Annotated[float, Field(ge=0, lt=1)] = 0.01,
    repeats: Annotated[int, Field(ge=1, le=20)] = 4,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
    seed: int = 0,
) -> Comparison:
    """Compare models on the same held-out rows, and tell whether one predicts better or nothing can be told.

    Losses are squared errors, of classes those of their probabilities, over repeated five-fold
    cross-validation in which rows with equal features, and rows of one group, stay together. Each pair is
    compared by the corrected resampled t-test, which allows for training sets that overlap, with p-values
    after Holm, and by its Bayesian counterpart, which also tells where two models are practically alike. It
    holds for models fitted to tables of this size. Fewer than ten different rows are refused. To choose a
    model and to claim its score on the same rows is to claim too much.

    Args:
        target: the column to model.
        features: columns to model it by.
        models: those to compare; 'mean' and 'majority' use no column.
        task: whether the target is a number or a class.
        group: a column of what belongs together, as a batch or a molecule.
        level: largest probability of telling any two models apart that are alike.
        alike: difference of loss that does not matter, as a share of the loss without a model.
        repeats: of the cross-validation.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.
        seed: of the folds and the models.

    References:
        doi:10.1023/A:1024068626366 (corrected t-test). Benavoli et al., J. Mach. Learn. Res. 18(77), 2017
        (Bayesian).
    """
    if len(set(models)) != len(models):
        raise ToolFailedError("a model is named twice")
    known = REGRESSORS if task == "regression" else CLASSIFIERS
    wrong = [name for name in models if name not in known]
    if wrong:
        raise ToolFailedError(f"{wrong[0]!r} is no model for {task}; there are {', '.join(known)}")
    given = read_table(columns, files, table)
    run = _regressors if task == "regression" else _classifiers
    losses, base, splits, warnings = run(
        given, target, features, models, group=group, repeats=repeats, seed=seed
    )
    mean = {name: float(loss.mean()) for name, loss in losses.items()}
    ranked = sorted(models, key=lambda name: mean[name])
    best, second, whole = ranked[0], ranked[1], float(base.mean())
    # positive where the first, which ranks higher, is better
    pairs = {(a, b): corrected((losses[b] - losses[a]) / whole, splits) for a, b in combinations(ranked, 2)}
    p_values = holm({pair: found.p_value for pair, found in pairs.items()})
    verdicts = {pair: _verdict(pair, found, p_values[pair], level, alike) for pair, found in pairs.items()}
    decided = all(p_values[best, other] <= level for other in ranked[1:])
    details: dict[str, Any] = {
        "loss": "squared error" if task == "regression" else "squared error of the probabilities",
        "ranking": [
            {"model": name, "mean_loss": mean[name], "relative": mean[name] / whole} for name in ranked
        ],
        "pairs": [
            {
                "better": a,
                "worse": b,
                "gain": found.mean,
                "error": found.error,
                "p_value": p_values[a, b],
                "probability_better": found.probability_above(0.0),
                "probability_alike": found.probability_above(-alike) - found.probability_above(alike),
                "verdict": verdicts[a, b],
            }
            for (a, b), found in pairs.items()
        ],
        "verdict": f"{best} predicts best"
        if decided
        else f"cannot decide which is best; {best} has the lowest loss",
    }
    if min(mean.values()) >= whole * (1 - alike):
        warnings.append("no model predicts better than none")
    return Comparison(
        rows=base.shape[1],
        decided=int(decided),
        gain=pairs[best, second].mean,
        p_value=p_values[best, second],
        probability_better=pairs[best, second].probability_above(0.0),
        std={"gain": pairs[best, second].error},
        details=details,
        warnings=tuple(warnings),
    )


_Losses = tuple[dict[str, "Floats"], "Floats", tuple[Split, ...], list[str]]


def _regressors(
    given: Table, target: str, features: list[str], models: list[Any], *, group: str, repeats: int, seed: int
) -> _Losses:
    """Return the losses of each model, those without a model, the splits, and warnings."""
    rows = given.complete([target, *features], [group] if group else [])
    x, warnings = prepared(rows, features)
    y = rows.numbers[:, 0]
    if (y == y[0]).all():
        raise ToolFailedError(f"the target {target!r} is constant ({y[0]:g}); there is nothing to model")
    for name in models:
        check_rows(name, len(y))
    splits = split_rows(groups_of(x, rows.texts[0] if group else None), repeats=repeats, seed=seed)

    def loss(name: Any) -> "Floats":
        held = hold_out(lambda: make_regressor(name, x.shape[1], seed), x, y, splits)
        return (held.predictions - y) ** 2

    return {name: loss(name) for name in models}, loss("mean"), splits, warnings


def _classifiers(
    given: Table, target: str, features: list[str], models: list[Any], *, group: str, repeats: int, seed: int
) -> _Losses:
    """Return the losses of each model, those without a model, the splits, and warnings."""
    import numpy as np

    rows = given.complete(features, [target, *([group] if group else [])])
    x, warnings = prepared(rows, features)
    names, y = np.unique(np.array(rows.texts[0], dtype=str), return_inverse=True)
    groups = groups_of(x, rows.texts[1] if group else None)
    check_classes(rows.texts[0], groups)
    splits = split_rows(groups, repeats=repeats, seed=seed, classes=y)
    check_splits(splits, y, len(names))

    def loss(name: Any) -> "Floats":
        held = hold_out(lambda: make_classifier(name, seed), x, y, splits, n_classes=len(names))
        return brier(held.predictions, y)

    return {name: loss(name) for name in models}, loss("majority"), splits, warnings


def holm(p_values: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Return p-values that allow for their number.

    References:
        Holm, Scand. J. Stat. 6, 65 (1979).

    Example:
        >>> holm({("a", "b"): 0.01, ("a", "c"): 0.04, ("b", "c"): 0.03})
        {('a', 'b'): 0.03, ('b', 'c'): 0.06, ('a', 'c'): 0.06}
    """
    found, largest = {}, 0.0
    for rank, (pair, p) in enumerate(sorted(p_values.items(), key=lambda one: one[1])):
        largest = max(largest, min(1.0, p * (len(p_values) - rank)))
        found[pair] = largest
    return found


def _verdict(pair: tuple[str, str], found: Corrected, p_value: float, level: float, alike: float) -> str:
    if p_value <= level:
        return f"{pair[0]} is better"
    if found.probability_above(-alike) - found.probability_above(alike) >= 1 - level:
        return "practically alike"
    return "cannot decide"
