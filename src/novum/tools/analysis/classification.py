"""analysis.classify: a model of a class, what it is worth on rows it has not seen, and its predictions."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.analysis.estimators import ClassifierName, fitted, make_classifier
from novum.tools.analysis.tables import ColumnName, Columns, read_table
from novum.tools.analysis.validation import (
    FOLDS,
    HeldOut,
    Split,
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
    Whole = NDArray[np.int64]

DRAWS = 20_000
MOST_CLASSES = 20
LEAST_PROBABILITY = 1e-6
"""What a class counts with at least in the log loss, so that one surprise does not cost everything."""

_APART = [-3.2, -3.0, -2.8, -2.6, -2.4, -2.2, -2.0, -1.8, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2]

EXAMPLES = (
    Example(
        arguments={
            "target": "phase",
            "features": ["x"],
            "model": "nearest_neighbours",
            "columns": {"x": _APART, "phase": ["liquid"] * 8 + ["solid"] * 8},
        },
        expected={"balanced_accuracy": 1.0, "area_under_curve": 1.0, "majority": 0.5},
        atol=1e-12,
        source="by hand: two classes far apart",
    ),
)


class Classification(Properties):
    """What a model of a class is worth; intervals, importances and predictions are among the details."""

    rows: Annotated[int, Field(description="rows that were used", ge=1)]
    balanced_accuracy: Annotated[
        float,
        Field(description="mean over the classes of the share that is told rightly, unseen", ge=0, le=1),
    ]
    accuracy: Annotated[float, Field(description="share of unseen rows that is told rightly", ge=0, le=1)]
    majority: Annotated[float, Field(description="share of the most frequent class", ge=0, le=1)]
    log_loss: Annotated[
        float, Field(description="mean surprise of the right class on unseen rows, in nats", ge=0)
    ]
    brier_score: Annotated[
        float, Field(description="mean squared error of the probabilities over the classes", ge=0, le=2)
    ]
    area_under_curve: Annotated[
        float | None,
        Field(description="under the receiver operating curve; absent for more than two classes", ge=0, le=1),
    ] = None
    skill_p_value: Annotated[
        float,
        Field(
            description="probability of such a gain of the Brier score over the shares where there is none",
            ge=0,
            le=1,
        ),
    ]
    coverage: Annotated[
        float | None,
        Field(
            description="share of unseen rows whose class is in sets made for the asked probability",
            ge=0,
            le=1,
        ),
    ] = None


@tool(
    name="analysis.classify",
    version="1",
    method="cross-validated classification",
    nominal_cost_s=5.0,
    timeout_s=300,
    memory_mb=2048,
    profile="learning",
    preload=("numpy", "scipy.stats", "sklearn.ensemble", "sklearn.linear_model", "sklearn.inspection"),
    libraries=("numpy", "scipy", "scikit-learn"),
    examples=EXAMPLES,
)
def classify(
    target: ColumnName,
    features: Annotated[list[ColumnName], Field(min_length=1, max_length=32)],
    *,
    model: ClassifierName = "random_forest",
    predict: Columns = {},  # noqa: B006 - read only
    group: str = "",
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.1,
    repeats: Annotated[int, Field(ge=1, le=20)] = 2,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
    seed: int = 0,
) -> Classification:
    """Fit a model of a class, tell what it is worth on rows that it has not seen, and predict new ones.

    Scores come from repeated five-fold cross-validation, stratified by class, in which rows with equal
    features, and rows of one group, stay together. A new row gets the probability of each class and a set
    of classes; sets hold the right class with a probability of 1 - 2·level at least for rows that come as
    those of the table came, and about 1 - level usually; 'coverage' is what was measured. A set without a
    class says that the row is like none of the table. Each class must be there in five different rows at
    least.

    Args:
        target: the column of classes.
        features: columns to tell them by.
        model: 'majority' is what others are held against.
        predict: new rows to predict: the features by name.
        group: a column of what belongs together, as a batch or a molecule.
        level: intervals and sets are made to miss with this probability.
        repeats: of the cross-validation.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.
        seed: of the folds, the shuffling and the models.

    References:
        doi:10.1109/ICPR.2010.764 (interval of the balanced accuracy). doi:10.1214/20-AOS1965 (CV+).
        arXiv:2006.02544 (sets of classes by it). doi:10.1023/A:1024068626366 (corrected t-test).
        scikit-learn.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score

    rows = read_table(columns, files, table).complete(features, [target, *([group] if group else [])])
    x, warnings = prepared(rows, features)
    names, y = np.unique(np.array(rows.texts[0], dtype=str), return_inverse=True)
    groups = groups_of(x, rows.texts[1] if group else None)
    check_classes(rows.texts[0], groups)
    splits = split_rows(groups, repeats=repeats, seed=seed, classes=y)
    check_splits(splits, y, len(names))
    n = len(names)
    held = hold_out(lambda: make_classifier(model, seed), x, y, splits, n_classes=n)
    base = hold_out(lambda: make_classifier("majority", seed), x, y, splits, n_classes=n)
    loss, base_loss = brier(held.predictions, y), brier(base.predictions, y)
    right = held.predictions.argmax(axis=2) == y

    shares = [float(right[:, y == one].mean()) for one in range(n)]
    low, high, std = _balanced_interval(shares, [len(set(groups[y == one])) for one in range(n)], level, seed)
    gain = corrected(base_loss - loss, splits)
    details: dict[str, Any] = {
        "model": model,
        "classes": dict(Counter(rows.texts[0])),
        "balanced_accuracy": {"low": low, "high": high, "level": 1 - level},
        "told_as": {
            str(names[i]): {
                str(names[j]): float((held.predictions[:, y == i].argmax(axis=2) == j).mean())
                for j in range(n)
            }
            for i in range(n)
        },
        "importance": {
            "what": "fall of the balanced accuracy on unseen rows where the column is shuffled",
            "by": importances(held, x, y, features, "balanced_accuracy", seed),
        },
    }
    if predict:
        details["predictions"] = _predict(
            fitted(make_classifier(model, seed), x, y),
            held,
            x,
            y,
            names.tolist(),
            features,
            predict,
            level,
            warnings,
        )
    if gain.p_value > level or gain.mean <= 0:
        warnings.append(
            "no better than the shares of the classes on unseen rows, as far as can be told "
            f"(p = {gain.p_value:.2g})"
        )
    if len(y) < 30:
        warnings.append(f"{len(y)} rows: scores and intervals are rough")
    return Classification(
        rows=len(y),
        balanced_accuracy=sum(shares) / n,
        accuracy=float(right.mean()),
        majority=max(Counter(rows.texts[0]).values()) / len(y),
        log_loss=_log_loss(held.predictions, y),
        brier_score=float(loss.mean()),
        area_under_curve=float(np.mean([roc_auc_score(y, one[:, 1]) for one in held.predictions]))
        if n == 2
        else None,
        skill_p_value=gain.p_value,
        coverage=_measured_coverage(held, y, level),
        std={"balanced_accuracy": std},
        details=details,
        warnings=tuple(warnings),
    )


def _balanced_interval(
    shares: Sequence[float], sizes: Sequence[int], level: float, seed: int
) -> tuple[float, float, float]:
    """Return lowest, highest and standard deviation of the mean of shares, never zero where all are right.

    The posterior under Jeffreys' prior for each class, from as many trials as it has different rows.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    drawn = np.mean(
        [rng.beta(p * n + 0.5, (1 - p) * n + 0.5, DRAWS) for p, n in zip(shares, sizes, strict=True)], axis=0
    )
    low, high = np.quantile(drawn, [level / 2, 1 - level / 2])
    return float(low), float(high), float(drawn.std())


def brier(predictions: "Floats", y: "Whole") -> "Floats":
    """Return the squared error of the probabilities, summed over the classes: ``(n_repeats, n_rows)``.

    References:
        Brier, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    import numpy as np

    return np.asarray(((predictions - np.eye(predictions.shape[2])[y]) ** 2).sum(axis=2), dtype=float)


def _log_loss(predictions: "Floats", y: "Whole") -> float:
    """Return the mean of minus the logarithm of the probability of the right class."""
    import numpy as np

    right = predictions[:, np.arange(len(y)), y]
    return float(-np.log(right.clip(LEAST_PROBABILITY, 1)).mean()) + 0.0


def check_classes(labels: Sequence[str], groups: "Whole") -> None:
    """Refuse a table that is too small, or none, for telling classes apart.

    Args:
        labels: the class of each row.
        groups: a number for each row, equal for those that belong together.

    Raises:
        ToolFailedError: there is one class, too many of them, or one in too few different rows.
    """
    members: dict[str, set[int]] = {}
    for label, group in zip(labels, groups.tolist(), strict=True):
        members.setdefault(label, set()).add(group)
    if len(members) < 2:
        raise ToolFailedError(f"every row is {labels[0]!r}; there is nothing to tell apart")
    if len(members) > MOST_CLASSES:
        raise ToolFailedError(
            f"{len(members)} classes are more than {MOST_CLASSES}; is the column one of classes?"
        )
    few = [f"{label!r} ({len(found)})" for label, found in members.items() if len(found) < FOLDS]
    if few:
        raise ToolFailedError(
            f"too few different rows to learn and to test: {', '.join(few)}; {FOLDS} are needed"
        )


def check_splits(splits: Sequence[Split], y: "Whole", n: int) -> None:
    """Refuse splits in which a class is not there to be learnt.

    Raises:
        ToolFailedError: there is one, because groups hold whole classes together.
    """
    if any(len(set(y[s.train].tolist())) < n for s in splits):
        raise ToolFailedError(
            "groups hold whole classes together, so that some class cannot be learnt and tested"
        )


def _predict(
    whole: Any,
    held: HeldOut,
    x: "Floats",
    y: "Whole",
    names: list[str],
    features: list[str],
    predict: Columns,
    level: float,
    warnings: list[str],
) -> list[dict[str, Any]]:
    """Return the probabilities of new rows, and the classes that held-out rows do not speak against."""
    import numpy as np

    asked = read_table(predict, {}, "").complete(features)
    warnings += asked.warnings
    new = asked.numbers
    outside = ((new < x.min(axis=0)) | (new > x.max(axis=0))).any(axis=1)
    if outside.any():
        warnings.append(
            f"{int(outside.sum())} new rows lie outside the range of the table: nothing is known there"
        )
    stranger = np.zeros((len(new), len(names)))  # rows whose own class was told with less than this one is
    for split, model in held.first():
        own = held.predictions[0, split.test, y[split.test]]
        stranger += (own[:, None, None] <= model.predict_proba(new)[None]).sum(axis=0)
    keep = stranger + 1 > level * (len(y) + 1)
    return [
        {
            "class": names[int(p.argmax())],
            "probability": {name: float(one) for name, one in zip(names, p, strict=True)},
            "set": [name for name, kept in zip(names, k, strict=True) if kept],
            "outside_of_the_table": bool(o),
        }
        for p, k, o in zip(whole.predict_proba(new), keep, outside, strict=True)
    ]


def _measured_coverage(held: HeldOut, y: "Whole", level: float) -> float | None:
    """Return the share of rows within sets made from the other folds; None where those are too few."""
    import numpy as np

    score = 1 - held.predictions[0, np.arange(len(y)), y]
    inside = 0
    for split, _ in held.first():
        others = np.sort(score[split.train])
        rank = math.ceil((1 - level) * (len(others) + 1))
        if rank > len(others):
            return None
        inside += int((score[split.test] <= others[rank - 1]).sum())
    return inside / len(y)
