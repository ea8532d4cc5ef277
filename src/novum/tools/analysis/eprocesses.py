"""E-processes: evidence against a null hypothesis that may be looked at at any time.

Under the null hypothesis an e-process has an expectation of at most one at every stopping time, so that it
ever exceeds ``1/α`` with a probability of at most ``α`` (Ville's inequality). One may look after each value,
stop when one likes, and go on later.

References:
    Ramdas, Grünwald, Vovk, Shafer, doi:10.1214/23-STS894 (a review).
"""

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Alternative = Literal["two-sided", "greater", "less"]

Interval = tuple[float, float]
"""Lowest and highest; infinite where there is no bound."""

GRID = 2000
"""Means that a confidence sequence for bounded values is read off."""

MOST_OF_CAPITAL = 0.5
"""The share of the capital that is bet at most."""


def log_t_process(values: "Floats", null: float, effect: float) -> "Floats":
    """Return log E after each value, for a normal mean with unknown variance, two-sided.

    The Bayes factor of the t statistic with a normal prior on the standardised effect. It depends on the data
    through what neither shift of units nor scale changes, and so is an e-process whatever the variance.

    Args:
        values: in the order in which they came.
        null: the mean under the null hypothesis.
        effect: standard deviation of the prior on (mean - null) / standard deviation.

    References:
        Gönen et al., doi:10.1198/000313005X55233 (the Bayes factor). Pérez-Ortiz et al.,
        doi:10.1214/24-AOS2394 (that it may be stopped at any time).
    """
    import numpy as np

    n, mean, squares = _running(values - null)
    gain = 1 + n * effect**2
    with np.errstate(divide="ignore", invalid="ignore"):
        q = n * mean**2 / squares
        log_e = -0.5 * np.log(gain) + 0.5 * n * (np.log1p(q) - np.log1p(q / gain))
    # equal values have no spread to be measured by; one may always claim less
    return np.where(np.isfinite(log_e) & (n > 1), log_e, 0.0)


def t_interval(values: "Floats", alpha: float, effect: float) -> Interval:
    """Return the confidence sequence that belongs to `log_t_process`, after the last value."""
    n, mean, squares = (float(series[-1]) for series in _running(values))
    gain = 1 + n * effect**2
    k = (gain / alpha**2) ** (1 / n)
    if n < 2 or k >= gain:
        return -math.inf, math.inf
    half = math.sqrt(squares / n * (k - 1) / (1 - k / gain))
    return mean - half, mean + half


def log_normal_process(
    values: "Floats", null: float, sigma: float, effect: float, alternative: Alternative
) -> "Floats":
    """Return log E after each value, for the mean of values that are sub-Gaussian with a known `sigma`.

    The normal mixture; for one-sided alternatives the mixture over one side, which is a supermartingale under
    every mean on the other side.

    References:
        Howard, Ramdas, McAuliffe, Sekhon, doi:10.1214/20-AOS1991 (section 3.2).
    """
    import numpy as np
    from scipy.special import log_ndtr

    n = np.arange(1, len(values) + 1)
    z = np.cumsum((values - null) / sigma)
    wide = n + 1 / effect**2
    log_e = -0.5 * np.log1p(n * effect**2) + z**2 / (2 * wide)
    if alternative != "two-sided":
        side = 1 if alternative == "greater" else -1
        log_e = log_e + math.log(2) + log_ndtr(side * z / np.sqrt(wide))
    return np.asarray(log_e, dtype=float)


def normal_interval(
    values: "Floats", alpha: float, sigma: float, effect: float, alternative: Alternative
) -> Interval:
    """Return the confidence sequence that belongs to `log_normal_process`, after the last value."""
    from scipy.optimize import brentq

    mean, n = float(values.mean()), len(values)
    centred = values - mean

    def excess(distance: float, side: Alternative) -> float:
        null = -distance if side != "less" else distance
        return float(log_normal_process(centred, null, sigma, effect, side)[-1]) + math.log(alpha)

    far = sigma * math.sqrt((n + 1 / effect**2) * (math.log1p(n * effect**2) + 2 * math.log(4 / alpha))) / n
    if alternative == "two-sided":
        half = brentq(excess, 0, 2 * far, args=("two-sided",))
        return mean - half, mean + half
    bound = brentq(excess, 0, 2 * far, args=(alternative,))
    return (mean - bound, math.inf) if alternative == "greater" else (-math.inf, mean + bound)


def log_capital(values: "Floats", null: "float | Floats", alpha: float, alternative: Alternative) -> "Floats":
    """Return log E after each value, for the mean of values between 0 and 1, whatever their distribution.

    The capital of a gambler who bets against the null hypothesis, by what was seen before only; of two
    gamblers with half of it each where the alternative is two-sided.

    Args:
        values: in the order in which they came, each in [0, 1].
        null: the mean under the null hypothesis, in (0, 1), or several.
        alpha: the level that the bets are made for; it changes the power and not the validity.
        alternative: which means speak against the null hypothesis.

    Returns:
        Shape ``(n_values,)``, or ``(n_values, n_nulls)``.

    References:
        Waudby-Smith, Ramdas, doi:10.1093/jrsssb/qkad009 (the hedged capital process, predictable plug-in).
    """
    import numpy as np

    n = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (n + 1)
    spreads = (0.25 + np.cumsum((values - means) ** 2)) / (n + 1)
    before = np.concatenate([[0.25], spreads[:-1]])
    bets = np.sqrt(2 * math.log(2 / alpha) / (before * n * np.log1p(n)))
    nulls = np.atleast_1d(np.asarray(null, dtype=float))
    moves = values[:, None] - nulls
    up = np.log1p(np.minimum(bets[:, None], MOST_OF_CAPITAL / nulls) * moves).cumsum(axis=0)
    down = np.log1p(-np.minimum(bets[:, None], MOST_OF_CAPITAL / (1 - nulls)) * moves).cumsum(axis=0)
    if alternative == "two-sided":
        log_e = np.logaddexp(up, down) - math.log(2)
    else:
        log_e = up if alternative == "greater" else down
    return np.asarray(log_e if np.ndim(null) else log_e[:, 0], dtype=float)


def bounded_interval(values: "Floats", alpha: float, alternative: Alternative) -> Interval:
    """Return the confidence sequence that belongs to `log_capital`, after the last value.

    It is read off a grid, and is wider than exact by up to one step of it at each side.
    """
    import numpy as np

    step = 1 / GRID
    grid = np.arange(1, GRID) * step
    last = np.concatenate(
        [
            log_capital(values, part, alpha, alternative)[-1]
            for part in np.array_split(grid, 1 + len(values) // 500)
        ]
    )
    kept = grid[last < -math.log(alpha)]
    if not len(kept):  # between two points of the grid
        kept = grid[[int(np.argmin(last))]]
    low = max(0.0, float(kept[0]) - step) if alternative != "less" else 0.0
    high = min(1.0, float(kept[-1]) + step) if alternative != "greater" else 1.0
    return low, high


def log_sign_process(signs: "Floats", alternative: Alternative) -> "Floats":
    """Return log E after each sign, for a median of zero, whatever the distribution.

    A uniform mixture over the probability of a positive sign; over its one half where the alternative is
    one-sided. Zeros count as nothing.

    Args:
        signs: -1, 0 or 1, in the order in which they came.
        alternative: which medians speak against the null hypothesis.

    References:
        Ville 1939; Ramdas et al., doi:10.1214/23-STS894 (section 3: mixtures of likelihood ratios).
    """
    import numpy as np
    from scipy.special import betainc, betaln

    side = -1 if alternative == "less" else 1
    ups, downs = np.cumsum(signs * side > 0), np.cumsum(signs * side < 0)
    log_e = (ups + downs) * math.log(2) + betaln(ups + 1, downs + 1)
    if alternative != "two-sided":
        with np.errstate(divide="ignore"):
            log_e = log_e + math.log(2) + np.log(betainc(downs + 1, ups + 1, 0.5))
    return np.asarray(log_e, dtype=float)


def _running(values: "Floats") -> tuple["Floats", "Floats", "Floats"]:
    """Return the number, the mean and the sum of squares around it, after each value."""
    import numpy as np

    n = np.arange(1, len(values) + 1, dtype=float)
    shift = float(values[0])
    moved = values - shift  # keeps the digits of values that lie far from zero
    mean = moved.cumsum() / n
    squares = np.maximum((moved**2).cumsum() - n * mean**2, 0.0)
    squares[squares < 1e-14 * np.maximum((moved**2).cumsum(), 1e-300)] = 0.0
    return n, mean + shift, squares
