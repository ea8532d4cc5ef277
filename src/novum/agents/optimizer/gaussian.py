"""An exact Gaussian process for one property: fitted by evidence, calibrated by leaving out."""

from dataclasses import dataclass

import numpy as np

from novum.agents.optimizer.features import Array
from novum.agents.optimizer.kernels import ArdKernel, Kernel

NUGGETS = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Ratios of unexplained to explained variance that are tried."""
PRIOR_WEIGHT = 1.0
"""How many observations the prior spread counts for."""
LOOKS = 3
"""Stretches of the past that are predicted from what came before them."""
WORST = 6.0
"""Greatest standardised residual that counts in full."""
CALIBRATION_WEIGHT = 6.0
"""How many perfectly calibrated residuals are mixed in before the spread is inflated."""
LENGTH_SPREAD = 1.0
"""Standard deviation of the prior over log length scales."""
FIT_ROWS = 240
"""Rows that choose the hyperparameters; all rows enter the prediction."""


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """A fitted process: mean + variance * (combined kernel + nugget on the diagonal)."""

    theta: Array
    nugget: float
    mean: float
    variance: float
    noise: float
    """Noise floor of the measurement, a standard deviation."""
    inflation: float
    """Factor on standard deviations: small-sample and leave-one-out calibration."""
    loo_rms_z: float
    inverse: Array
    alpha: Array

    def predict(self, cross: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation for covariances `cross` ``(n_new, n_rows)``.

        The spread is of the quantity itself: what the nugget holds beyond the noise floor is ignorance
        and stays in, the noise floor does not.
        """
        mean = self.mean + np.einsum("ij,j->i", cross, self.alpha)
        explained = np.einsum("ij,ij->i", cross @ self.inverse, cross)
        latent = np.maximum(1.0 - explained, 0.0) + self.nugget
        variance = np.maximum(self.variance * latent - self.noise**2, 1e-6 * self.variance)
        return mean, self.inflation * np.sqrt(variance)

    def covariance(self, cross: Array, among: Array) -> Array:
        """Return the joint posterior covariance of new points, nugget excluded."""
        joint: Array = among - cross @ self.inverse @ cross.T
        return joint * (self.variance * self.inflation**2)


def fit(kernel: Kernel, blocks: Array, y: Array, *, spread: float, noise: float) -> GaussianProcess:
    """Fit one property.

    Args:
        kernel: covariance function.
        blocks: its blocks among the observed rows ``(n_blocks, n, n)``, in the order of observation.
        y: observed values ``(n,)``, n >= 1.
        spread: standard deviation expected before any data, > 0.
        noise: noise floor of the measurement, a standard deviation.
    """
    n = len(y)
    if n >= 3:
        # A prior taken from wide declared bounds must not drown what the data show of the spread.
        spread = min(spread, 2.0 * max(float(np.std(y)), 1e-6 * spread))
    rows = np.arange(n) if n <= FIT_ROWS else _informative_rows(y)
    sub = blocks[:, rows][:, :, rows]
    theta, nugget = _choose(kernel, sub, y[rows], spread=spread, noise=noise)
    covariance = kernel.combine(blocks, theta) + nugget * np.eye(n)
    lower = np.linalg.cholesky(covariance)
    root = np.linalg.inv(lower)
    inverse = root.T @ root
    mean = float((inverse @ y).sum() / inverse.sum())
    residual = y - mean
    alpha = inverse @ residual
    fitted = len(theta) if isinstance(kernel, ArdKernel) else 0
    freedom = PRIOR_WEIGHT + n - 1
    variance = float((PRIOR_WEIGHT * spread**2 + residual @ alpha) / freedom)
    variance = max(variance, noise**2 / (1.0 + nugget), 1e-12 * max(1.0, mean**2))
    loo = alpha / np.sqrt(np.diag(inverse)) / np.sqrt(variance)
    rms = float(np.sqrt(np.mean(loo**2)))
    # Length scales that few values had to choose are themselves uncertain.
    unsure = _student(freedom - 0.5 * fitted) * np.sqrt(1.0 + fitted / n)
    inflation = max(1.0, _shrunk(loo)) * float(unsure)
    return GaussianProcess(theta, nugget, mean, variance, noise, inflation, rms, inverse, alpha)


def look_ahead(kernel: Kernel, blocks: Array, y: Array, *, spread: float, noise: float) -> float:
    """Return how much too narrow past predictions of what came next would have been, at least 1.

    The process is fitted to the first values only, and asked for the values that followed; they were
    chosen because they promised much, which is where a surrogate is most often wrong.
    """
    n = len(y)
    step = max(2, n // 6)
    zs = []
    for begin in range(n - LOOKS * step, n, step):
        if begin < 4:
            continue
        past, next_ = slice(0, begin), slice(begin, begin + step)
        process = fit(kernel, blocks[:, past, past], y[past], spread=spread, noise=noise)
        mean, std = process.predict(kernel.combine(blocks[:, next_, past], process.theta))
        zs.append((y[next_] - mean) / np.hypot(std, noise))
    return max(1.0, _shrunk(np.concatenate(zs))) if zs else 1.0


def _shrunk(z: Array) -> float:
    # Winsorised, so that one surprise does not make every later prediction empty.
    z = np.clip(z, -WORST, WORST)
    return float(np.sqrt((np.sum(z**2) + CALIBRATION_WEIGHT) / (len(z) + CALIBRATION_WEIGHT)))


def _student(freedom: float) -> float:
    """Return how much wider Student's central 95 % is than the normal one."""
    from scipy.special import stdtrit

    return float(stdtrit(max(freedom, 2.0), 0.975) / 1.959963984540054)


def _informative_rows(y: Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the newest rows and an even selection over the sorted values of the others."""
    newest = np.arange(len(y) - FIT_ROWS // 2, len(y))
    older = np.argsort(y[: newest[0]], kind="stable")
    even = older[np.linspace(0, len(older) - 1, FIT_ROWS - len(newest)).astype(int)]
    rows: np.ndarray[tuple[int], np.dtype[np.int64]] = np.union1d(even, newest)
    return rows


def _choose(kernel: Kernel, blocks: Array, y: Array, *, spread: float, noise: float) -> tuple[Array, float]:
    """Return theta and nugget of the greatest evidence."""
    base = spread if len(y) < 3 else float(np.std(y))
    least = float(np.clip((noise / base) ** 2 if base > 0 else 0.0, 1e-6, 1.0))
    nuggets = np.array(NUGGETS) + least
    best: tuple[float, Array, float] | None = None
    for theta in kernel.grid(len(blocks)):
        score, nugget = _evidence(kernel.combine(blocks, theta), y, nuggets, spread)
        if best is None or score > best[0] + 1e-9:
            best = (score, theta, nugget)
    assert best is not None
    _, theta, nugget = best
    if isinstance(kernel, ArdKernel) and len(theta) and len(y) >= 4:
        return _ascend(kernel, blocks, y, theta, nugget, least=least, spread=spread)
    return theta, nugget


def _evidence(unit: Array, y: Array, nuggets: Array, spread: float) -> tuple[float, float]:
    """Return the best log evidence over the nuggets, and its nugget.

    Mean and variance are integrated out (flat, and scaled inverse chi-square around `spread`), so that
    one eigendecomposition serves every nugget.
    """
    n = len(y)
    values, vectors = np.linalg.eigh(unit)
    d = np.maximum(values, 0.0)[None, :] + nuggets[:, None]
    ones, target = vectors.sum(axis=0), vectors.T @ y
    weight = (ones**2 / d).sum(axis=1)
    mean = (ones * target / d).sum(axis=1) / weight
    squares = ((target[None, :] - mean[:, None] * ones[None, :]) ** 2 / d).sum(axis=1)
    total = PRIOR_WEIGHT * spread**2 + squares
    log = -0.5 * np.log(d).sum(axis=1) - 0.5 * (PRIOR_WEIGHT + n - 1) * np.log(total)
    log = log - 0.5 * np.log(weight) - 0.5 * ((np.log(nuggets) - np.log(1e-3)) / 3.0) ** 2
    best = int(np.argmax(log))
    return float(log[best]), float(nuggets[best])


def _ascend(
    kernel: ArdKernel, blocks: Array, y: Array, theta: Array, nugget: float, *, least: float, spread: float
) -> tuple[Array, float]:
    """Return theta and nugget after a climb in log evidence with priors on the length scales."""
    from scipy.optimize import minimize

    n = len(y)
    centre = kernel.grid(len(blocks))[0]
    degrees = PRIOR_WEIGHT + n - 1

    def loss(x: Array) -> tuple[float, Array]:
        lengths, ratio = x[:-1], np.exp(x[-1])
        covariance = kernel.combine(blocks, lengths) + (ratio + 1e-8) * np.eye(n)
        root = np.linalg.inv(np.linalg.cholesky(covariance))
        inverse = root.T @ root
        mean = (inverse @ y).sum() / inverse.sum()
        alpha = inverse @ (y - mean)
        total = PRIOR_WEIGHT * spread**2 + (y - mean) @ alpha
        off = (lengths - centre) / LENGTH_SPREAD
        drift = (x[-1] - np.log(1e-3)) / 3.0
        value = (
            -np.log(np.diag(root)).sum() + 0.5 * degrees * np.log(total) + 0.5 * (off @ off) + 0.5 * drift**2
        )
        weights = 0.5 * inverse - 0.5 * (degrees / total) * np.outer(alpha, alpha)
        slope = kernel.gradient(blocks, lengths, weights) + off / LENGTH_SPREAD
        return float(value), np.append(slope, ratio * np.trace(weights) + drift / 3.0)

    bounds = [(c - 4.0, c + 4.0) for c in centre] + [(np.log(least), np.log(4.0))]
    start = np.append(theta, np.log(max(nugget, least)))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    # Rounded, so that the last digits of a library's sums do not reach the plan.
    x = np.round(found.x, 3)
    return x[:-1], float(np.exp(x[-1]))
