"""What a model is worth on rows that it has not seen: folds, scores, intervals, importance."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novum.core.errors import ToolFailedError
from novum.tools.analysis.estimators import fitted
from novum.tools.analysis.tables import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

FOLDS = 5
LEAST_GROUPS = 10
"""Rows, or groups of them that belong together, below which nothing is claimed."""
RESAMPLES = 1000
ALIKE = 0.95
"""Correlation of two columns from which on their importances cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Split:
    """One division of the rows."""

    repeat: int
    train: "Whole"
    test: "Whole"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What models predicted of rows that they had not seen."""

    predictions: "Floats"
    """Shape ``(n_repeats, n_rows)``, or ``(n_repeats, n_rows, n_classes)``."""
    models: tuple[Any, ...]
    """One for each split."""
    splits: tuple[Split, ...]

    def first(self) -> list[tuple[Split, Any]]:
        """Return the splits and models of the first repeat, in which each row is tested once."""
        return [(s, m) for s, m in zip(self.splits, self.models, strict=True) if s.repeat == 0]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A difference between two models over the splits of a cross-validation."""

    mean: float
    error: float
    """Standard error, widened for training sets that overlap."""
    freedom: int

    @property
    def p_value(self) -> float:
        """Two-sided."""
        from scipy import stats

        if not self.error:
            return 1.0 if not self.mean else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))

    def probability_above(self, value: float) -> float:
        """Return the posterior probability that the difference exceeds a value, under a flat prior."""
        from scipy import stats

        if not self.error:
            return float(self.mean > value)
        return float(stats.t.sf((value - self.mean) / self.error, self.freedom))


def check_features(features: "Floats", names: Sequence[str]) -> list[str]:
    """Return warnings of columns that are alike.

    Raises:
        ToolFailedError: a column is constant, or too large.
    """
    import numpy as np

    for name, column in zip(names, features.T, strict=True):
        if (column == column[0]).all():
            raise ToolFailedError(f"column {name!r} is constant ({column[0]:g}); leave it out")
    close = np.atleast_2d(np.corrcoef(features, rowvar=False))
    return [
        f"{names[i]!r} and {names[j]!r} go together (correlation {close[i, j]:.2f}): "
        "what either does alone cannot be told"
        for i in range(len(names))
        for j in range(i)
        if abs(close[i, j]) > ALIKE
    ]


def groups_of(features: "Floats", groups: Sequence[str] | None) -> "Whole":
    """Return a number for each row, equal for those that must stay on one side of a split.

    Rows with equal features belong together, replicates as they are, and so do rows of one group.

    Raises:
        ToolFailedError: there are too few groups to claim anything.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, same = np.unique(features, axis=0, return_inverse=True)
    same = same.reshape(-1)
    if groups is not None:
        _, named = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
        size = int(same.max()) + int(named.max()) + 2
        links = coo_array((np.ones(len(same)), (same, named + same.max() + 1)), shape=(size, size))
        same = connected_components(links, directed=False)[1][same]
    n = len(np.unique(same))
    if n < LEAST_GROUPS:
        raise ToolFailedError(
            f"{n} different rows are too few to claim anything of rows that were not seen; "
            f"{LEAST_GROUPS} are needed"
        )
    return np.asarray(same, dtype=np.int64)


def split_rows(
    groups: "Whole", *, repeats: int, seed: int, classes: "Whole | None" = None
) -> tuple[Split, ...]:
    """Return splits in which each row is tested once per repeat, and groups stay together."""
    import numpy as np
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    seeds = np.random.default_rng(seed).integers(2**31, size=repeats).tolist()
    kind = GroupKFold if classes is None else StratifiedGroupKFold
    return tuple(
        Split(repeat, train, test)
        for repeat, one in enumerate(seeds)
        for train, test in kind(FOLDS, shuffle=True, random_state=one).split(groups, classes, groups)
    )


def hold_out(
    make: Callable[[], Any], features: "Floats", target: Any, splits: tuple[Split, ...], *, n_classes: int = 0
) -> HeldOut:
    """Return what models predict of the rows that they were not fitted to."""
    import numpy as np

    repeats = 1 + max(split.repeat for split in splits)
    shape = (repeats, len(features), n_classes) if n_classes else (repeats, len(features))
    predictions, models = np.full(shape, math.nan), []
    for split in splits:
        model = fitted(make(), features[split.train], target[split.train])
        predict = model.predict_proba if n_classes else model.predict
        predictions[split.repeat, split.test] = predict(features[split.test])
        models.append(model)
    return HeldOut(predictions, tuple(models), splits)


def corrected(losses: "Floats", splits: Sequence[Split]) -> Corrected:
    """Return the mean of differences over splits, with the corrected resampled standard error.

    Args:
        losses: shape ``(n_repeats, n_rows)``: the difference for each row, where it was tested.
        splits: the cross-validation that it comes from.

    References:
        Nadeau, Bengio, doi:10.1023/A:1024068626366.
    """
    import numpy as np

    folds = np.array([losses[s.repeat, s.test].mean() for s in splits])
    ratio = float(np.mean([len(s.test) / len(s.train) for s in splits]))
    error = math.sqrt((1 / len(folds) + ratio) * float(folds.var(ddof=1)))
    return Corrected(float(folds.mean()), error, len(folds) - 1)


def bootstrap(
    score: "Callable[[Whole], float]", groups: "Whole", *, level: float, seed: int
) -> tuple[float, float, float]:
    """Return lowest, highest and standard deviation of a score over resampled groups of held-out rows.

    The models stay as they are, so that it holds what the choice of test rows does, and not what another
    training set would do.

    Args:
        score: of rows, given by number; NaN where it is undefined.
        groups: a number for each row.
        level: the interval covers with a probability of one minus this.
        seed: of the resampling.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == one) for one in np.unique(groups)]
    found = np.array(
        [
            score(np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]))
            for _ in range(RESAMPLES)
        ]
    )
    found = found[np.isfinite(found)]
    if len(found) < RESAMPLES / 2:
        raise ToolFailedError("the rows are too few for an interval of the score")
    low, high = np.quantile(found, [level / 2, 1 - level / 2])
    return float(low), float(high), float(found.std(ddof=1))


def importances(
    held_out: HeldOut, features: "Floats", target: Any, names: Sequence[str], scoring: str, seed: int
) -> dict[str, dict[str, float]]:
    """Return for each column by how much held-out scores fall where its values are shuffled, best first.

    Args:
        held_out: the models, which are asked about the rows that they have not seen.
        features: of all rows.
        target: of all rows.
        names: of the columns.
        scoring: scikit-learn's name of the score.
        seed: of the shuffling.

    References:
        Breiman, doi:10.1023/A:1010933404324.
    """
    import numpy as np
    from sklearn.inspection import permutation_importance

    drops = np.array(
        [
            permutation_importance(
                model, features[s.test], target[s.test], scoring=scoring, n_repeats=5, random_state=seed
            ).importances_mean
            for s, model in held_out.first()
        ]
    )
    ranked = sorted(range(len(names)), key=lambda i: -float(drops[:, i].mean()))
    return {
        names[i]: {"mean": float(drops[:, i].mean()), "std_over_folds": float(drops[:, i].std(ddof=1))}
        for i in ranked
    }


def prepared(rows: Rows, names: Sequence[str]) -> tuple["Floats", list[str]]:
    """Return the features of rows whose first number is the target, and warnings."""
    features = rows.numbers[:, -len(names) :]
    return features, [*rows.warnings, *check_features(features, names)]
