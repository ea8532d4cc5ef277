"""What an experiment is expected to add to the best merit, from what the surrogate believes."""

from collections.abc import Sequence

import numpy as np

from novum.agents.optimizer.features import Array
from novum.agents.optimizer.study import Study
from novum.agents.optimizer.surrogate import Belief
from novum.core.goals import Objective, ObjectiveKind

WEIGHTINGS = 4
"""How many trade-offs between several optimised properties are pursued side by side."""
SLOPE = 1e-3
"""Share of plain desirability in a probability, so that there is a way up where it vanishes."""
CLOSENESS = 1e-6
"""Share of plain closeness to the mark in a sampled improvement, for the same reason."""


class Acquisition:
    """The logarithm of the expected gain in merit, with what was observed as the mark to beat.

    - One property to maximise or minimise: expected improvement, in units of its scale, times the
      probability that the constraints hold.
    - A target, or several optimised properties: the same with the score of `core.judgement.merit`, by
      quasi-random sampling; several weightings keep the batch spread along the Pareto front.
    - No feasible candidate yet: the probability that the constraints hold times the desirability of the
      expected values.
    - Only constraints: the probability that all hold.

    Args:
        study: what is known.
        rng: draws the weightings; the quasi-random normal samples are scrambled by it.
        samples: how many samples, a power of two.

    References:
        Jones, Schonlau, Welch, J. Glob. Optim. 13, 455 (1998); Gardner et al., ICML 2014, for the
        constraints; Ament et al., NeurIPS 2023, for its logarithm; Knowles, IEEE Trans. Evol. Comput.
        10, 50 (2006), for weightings.
    """

    def __init__(self, study: Study, rng: np.random.Generator, *, samples: int = 128) -> None:
        self._goal = study.goal
        self._scales = study.scales
        self._columns = {name: j for j, name in enumerate(study.properties)}
        self._optimised = study.goal.optimised
        several = len(self._optimised) > 1
        weights = np.array([o.weight for o in self._optimised])
        rows = [weights] + [weights * rng.exponential(size=len(weights)) for _ in range(WEIGHTINGS - 1)]
        self._weights = np.array(rows if several else rows[:1])
        single = self._optimised[0] if len(self._optimised) == 1 else None
        self._analytic = None if single is None or single.kind is ObjectiveKind.TARGET else single
        self._normal = _normal_samples(rng, samples, len(self._optimised)) if self._optimised else None
        self.best = self.marks(study.values[[i for i, m in study.merits.items() if m.feasible]])

    @property
    def n_weightings(self) -> int:
        """How many trade-offs there are; 1 unless several properties are optimised."""
        return len(self._weights)

    def marks(self, values: Array) -> Array:
        """Return the best score of feasible rows under each weighting; -inf without any row."""
        if not len(values):
            return np.full(len(self._weights), -np.inf)
        best: Array = self._scores(values).max(axis=0)
        return best

    def keeps(self, values: Array) -> Array:
        """Return whether each row ``(n, n_properties)`` keeps every constraint."""
        inside = np.ones(len(values), dtype=bool)
        for o in self._goal.constraints:
            inside &= violations(o, values[:, self._columns[o.property]], scale=1.0) == 0
        return inside.astype(float)

    def log_gain(self, belief: Belief, best: Array, weighting: int | None = None) -> Array:
        """Return the logarithm of the expected gain ``(n,)``.

        Args:
            belief: predictions.
            best: the marks to beat, as `marks` gives them.
            weighting: which trade-off; None takes the mean gain over all.
        """
        total = self._log_probability(belief)
        if not self._optimised:
            return total
        if np.isneginf(best).any():
            hopes = [
                log_desirability(o, belief.mean[:, self._columns[o.property]], scale=self._scales[o.property])
                for o in self._optimised
            ]
            return np.asarray(total + np.mean(hopes, axis=0))
        if self._analytic is not None:
            j, scale = self._columns[self._analytic.property], self._scales[self._analytic.property]
            mean = self._scores(belief.mean)[:, 0]
            return total + log_expected_improvement(mean, belief.std[:, j] / scale, float(best[0]))
        assert self._normal is not None
        columns = [self._columns[o.property] for o in self._optimised]
        n, s = len(belief.mean), len(self._normal)
        values = np.repeat(belief.mean[None], s, axis=0)
        values[:, :, columns] += belief.std[None][:, :, columns] * self._normal[:, None, :]
        above = self._scores(values.reshape(s * n, -1)).reshape(s, n, -1) - best
        gains = (np.maximum(above, 0.0) + CLOSENESS * np.exp(np.minimum(above, 0.0))).mean(axis=0)
        gain = gains.mean(axis=1) if weighting is None else gains[:, weighting]
        return np.asarray(total + np.log(np.maximum(gain, 1e-300)))

    def _scores(self, values: Array) -> Array:
        return scores(self._optimised, self._columns, self._scales, values, self._weights)

    def _log_probability(self, belief: Belief) -> Array:
        total = np.zeros(len(belief.mean))
        for o in self._goal.constraints:
            j = self._columns[o.property]
            mean, std, scale = belief.mean[:, j], belief.std[:, j], self._scales[o.property]
            slope = np.exp(-np.minimum(violations(o, mean, scale=scale), 600.0))
            total += np.log((1 - SLOPE) * probabilities_within(o, mean, std) + SLOPE * slope + 1e-300)
        return total


def scores(
    optimised: Sequence[Objective],
    columns: dict[str, int],
    scales: dict[str, float],
    values: Array,
    weights: Array,
) -> Array:
    """Return the scores of rows ``(n, n_properties)`` under weightings ``(k, n_optimised)``: ``(n, k)``.

    With the objectives' own weights it is the score of `core.judgement.merit`.
    """
    if not optimised:
        return np.zeros((len(values), len(weights)))
    if len(optimised) == 1:
        only = optimised[0]
        x = values[:, columns[only.property]]
        match only.kind:
            case ObjectiveKind.MAXIMISE:
                score = x
            case ObjectiveKind.MINIMISE:
                score = -x
            case _:
                assert only.target is not None
                score = -np.abs(x - only.target)
        return np.repeat((score / scales[only.property])[:, None], len(weights), axis=1)
    logs = np.stack(
        [log_desirability(o, values[:, columns[o.property]], scale=scales[o.property]) for o in optimised],
        axis=1,
    )
    weighted: Array = logs @ (weights / weights.sum(axis=1, keepdims=True)).T
    return weighted


def log_desirability(objective: Objective, values: Array, *, scale: float) -> Array:
    """Return the natural logarithm of `core.judgement.desirability`, element by element."""
    match objective.kind:
        case ObjectiveKind.MAXIMISE:
            return np.asarray(-np.logaddexp(0.0, -(values - (objective.low or 0.0)) / scale))
        case ObjectiveKind.MINIMISE:
            return np.asarray(-np.logaddexp(0.0, -((objective.high or 0.0) - values) / scale))
        case ObjectiveKind.TARGET:
            assert objective.target is not None
            return np.asarray(-np.abs(values - objective.target) / scale)
        case _:
            return -violations(objective, values, scale=scale)


def violations(objective: Objective, values: Array, *, scale: float) -> Array:
    """Return `core.judgement.violation`, element by element."""
    outside = np.zeros_like(values)
    if objective.low is not None:
        outside = outside + np.maximum(0.0, objective.low - values)
    if objective.high is not None:
        outside = outside + np.maximum(0.0, values - objective.high)
    return outside / scale


def probabilities_within(objective: Objective, mean: Array, std: Array) -> Array:
    """Return `core.judgement.probability_within`, element by element; `std` > 0."""
    from scipy.special import ndtr

    upper = np.ones_like(mean) if objective.high is None else ndtr((objective.high - mean) / std)
    lower = np.zeros_like(mean) if objective.low is None else ndtr((objective.low - mean) / std)
    return np.maximum(upper - lower, 0.0)


def log_expected_improvement(mean: Array, std: Array, best: float) -> Array:
    """Return ln E[max(0, x - best)] for normal x, accurate far below `best` too; `std` > 0."""
    from scipy.special import erfcx, ndtr

    z = (mean - best) / std
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    near = np.log(np.maximum(density + z * ndtr(z), 1e-300))
    far = np.minimum(z, -1.0)
    # 1 + z Phi(z)/phi(z), written with the scaled complementary error function.
    ratio = 1.0 - np.sqrt(np.pi / 2) * -far * erfcx(-far / np.sqrt(2))
    # Beyond some 1e3 standard deviations the difference drowns in rounding; its limit is 1 / z**2.
    ratio = np.where(far < -1e3, 1.0 / far**2, np.maximum(ratio, 1e-300))
    tail = -0.5 * far * far - 0.5 * np.log(2 * np.pi) + np.log(ratio)
    logarithm: Array = np.where(z > -1.0, near, tail) + np.log(std)
    return logarithm


def _normal_samples(rng: np.random.Generator, n: int, d: int) -> Array:
    from scipy.special import ndtri
    from scipy.stats import qmc

    points = qmc.Sobol(d, rng=rng).random_base2(n.bit_length() - 1)
    samples: Array = ndtri(np.clip(points, 1e-6, 1 - 1e-6))
    return samples
