"""Estimators by name: those of scikit-learn, set up so that tables of experiments suit them."""

import warnings
from typing import TYPE_CHECKING, Any, Literal

from novum.core.errors import ToolFailedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RegressorName = Literal["mean", "linear", "ridge", "gaussian_process", "random_forest"]
ClassifierName = Literal["majority", "logistic", "nearest_neighbours", "random_forest"]

MOST_ROWS_OF_PROCESS = 600
"""Rows that a Gaussian process takes: its time grows with their cube."""
TREES = 200


def make_regressor(name: RegressorName, n_features: int, seed: int) -> Any:
    """Return an estimator that has seen nothing.

    Args:
        name: which.
        n_features: columns that it will be given.
        seed: of what is random in it.
    """
    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
    from sklearn.linear_model import LinearRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    match name:
        case "mean":
            return DummyRegressor()
        case "linear":
            return make_pipeline(StandardScaler(), LinearRegression())
        case "ridge":
            return make_pipeline(StandardScaler(), RidgeCV(alphas=[10.0**k for k in range(-4, 5)]))
        case "random_forest":
            return RandomForestRegressor(TREES, min_samples_leaf=2, random_state=seed, n_jobs=1)
        case "gaussian_process":
            kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(
                [1.0] * n_features, (5e-2, 1e2), nu=2.5
            ) + WhiteKernel(0.1, (1e-8, 1e1))
            process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)
            return make_pipeline(StandardScaler(), process)


def make_classifier(name: ClassifierName, seed: int) -> Any:
    """Return an estimator that has seen nothing.

    Args:
        name: which.
        seed: of what is random in it.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    match name:
        case "majority":
            return DummyClassifier(strategy="prior")
        case "logistic":
            return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        case "nearest_neighbours":
            return make_pipeline(StandardScaler(), KNeighborsClassifier(5))
        case "random_forest":
            return RandomForestClassifier(TREES, min_samples_leaf=2, random_state=seed, n_jobs=1)


def fitted(estimator: Any, features: "Floats", target: Any) -> Any:
    """Return an estimator that has learnt, quiet where a hyperparameter came to its bound.

    Raises:
        ToolFailedError: it cannot learn from that.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return estimator.fit(features, target)
        except ValueError as error:
            raise ToolFailedError(f"the model cannot be fitted: {error}") from error


def check_rows(name: str, n_rows: int) -> None:
    """Refuse more rows than a model is made for.

    Raises:
        ToolFailedError: there are.
    """
    if name == "gaussian_process" and n_rows > MOST_ROWS_OF_PROCESS:
        raise ToolFailedError(
            f"a Gaussian process takes {MOST_ROWS_OF_PROCESS} rows at most, and there are {n_rows}; "
            "'random_forest' takes more"
        )
