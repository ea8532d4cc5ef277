"""The surrogate: one Gaussian process per objective property, on one shared set of features."""

from dataclasses import dataclass

import numpy as np

from novum.agents.optimizer.features import Array, Features
from novum.agents.optimizer.gaussian import GaussianProcess, fit, look_ahead
from novum.agents.optimizer.kernels import Kernel

DIGITS = 9
"""Significant digits of a prediction; fewer than the arithmetic gives, so that plans are stable."""
FLOOR = 1e-3
"""Least predicted standard deviation, as a share of a property's spread."""
NEAR = 4.0
"""Power that makes likeness to a failure count only close by."""


@dataclass(frozen=True, slots=True)
class Belief:
    """Predictions for several properties; both arrays are ``(n, n_properties)``."""

    mean: Array
    std: Array


class Surrogate:
    """Predicts every objective property of proposals, in the objectives' units.

    Args:
        kernel: covariance function of the space.
        features: the observed rows, in the order in which they became known.
        values: ``(n, n_properties)``, nan where nothing was measured.
        failed: 1 where an experiment failed.
        priors: (mean, standard deviation) of each property before any data.
        noise: noise floor of each property, a standard deviation.
    """

    def __init__(
        self,
        kernel: Kernel,
        features: Features,
        values: Array,
        *,
        failed: Array,
        priors: list[tuple[float, float]],
        noise: list[float],
    ) -> None:
        self._kernel = kernel
        self._features = features
        self._failed = failed
        self._priors = priors
        self._rows = [np.flatnonzero(~np.isnan(values[:, j])) for j in range(values.shape[1])]
        blocks = kernel.blocks(features, features) if len(features) else np.zeros((0, 0, 0))
        self.processes: list[GaussianProcess | None] = []
        """One per property; None where nothing was measured and the prior speaks."""
        self.caution: list[float] = []
        """One factor per property on what is published, from how past predictions would have fared."""
        for j, rows in enumerate(self._rows):
            own, y = blocks[:, rows][:, :, rows], values[rows, j]
            spread = priors[j][1]
            process = fit(kernel, own, y, spread=spread, noise=noise[j]) if len(rows) else None
            self.processes.append(process)
            self.caution.append(look_ahead(kernel, own, y, spread=spread, noise=noise[j]))

    def predict(self, features: Features) -> Belief:
        """Return what is believed of each proposal."""
        n, m = len(features), len(self._rows)
        mean, std = np.empty((n, m)), np.empty((n, m))
        for j, cross in enumerate(self._crosses(features)):
            process = self.processes[j]
            if process is None or cross is None:
                mean[:, j], std[:, j] = self._priors[j]
            else:
                mean[:, j], std[:, j] = process.predict(cross)
                std[:, j] = np.maximum(std[:, j], FLOOR * np.sqrt(process.variance))
        return Belief(significant(mean), significant(std))

    def publish(self, belief: Belief) -> Belief:
        """Return a belief with the spread that past predictions call for.

        The search goes by the narrower one: a factor on every spread alike would only make it bolder.
        """
        return Belief(belief.mean, significant(belief.std * np.array(self.caution)))

    def covariances(self, features: Features) -> list[Array]:
        """Return the joint posterior covariance ``(n, n)`` of the proposals for each property."""
        own = self._kernel.blocks(features, features)
        joint = []
        for j, cross in enumerate(self._crosses(features)):
            process = self.processes[j]
            if process is None or cross is None:
                joint.append(np.eye(len(features)) * self._priors[j][1] ** 2)
            else:
                joint.append(process.covariance(cross, self._kernel.combine(own, process.theta)))
        return joint

    def failure(self, features: Features) -> Array:
        """Return the probability that an experiment on each proposal fails ``(n,)``.

        A weighted vote of the observed neighbours, towards a small base rate where there are none;
        zero as long as nothing has failed.
        """
        if not self._failed.any():
            return np.zeros(len(features))
        weights = self._kernel.similarity(features, self._features) ** NEAR
        base = float(self._failed.sum()) / (len(self._failed) + 2.0)
        votes = np.einsum("ij,j->i", weights, self._failed)
        return significant((votes + 0.5 * base) / (weights.sum(axis=1) + 0.5))

    def similarity(self, a: Features, b: Features) -> Array:
        """Return likeness from 0 to 1, independent of anything fitted."""
        return self._kernel.similarity(a, b)

    def nearest(self, features: Features) -> tuple[Array, Array]:
        """Return index and likeness of the observed row nearest to each proposal."""
        likeness = self._kernel.similarity(features, self._features)
        return likeness.argmax(axis=1).astype(float), likeness.max(axis=1)

    def _crosses(self, features: Features) -> list[Array | None]:
        if not len(self._features):
            return [None] * len(self._rows)
        blocks = self._kernel.blocks(features, self._features)
        return [
            None if process is None else self._kernel.combine(blocks[:, :, rows], process.theta)
            for process, rows in zip(self.processes, self._rows, strict=True)
        ]


def significant(x: Array) -> Array:
    """Return `x` rounded to a fixed number of significant digits."""
    exponent = np.floor(np.log10(np.maximum(np.abs(x), 1e-300)))
    power = 10.0 ** np.clip(DIGITS - 1 - exponent, -290, 290)
    rounded: Array = np.round(x * power) / power
    return rounded
