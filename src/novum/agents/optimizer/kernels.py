"""Covariance functions, split into what data fix (blocks) and what is fitted (theta)."""

from typing import Protocol

import numpy as np

from novum.agents.optimizer.features import Array, Features, square_distances, tanimoto


class Kernel(Protocol):
    """A covariance function of unit variance."""

    def blocks(self, a: Features, b: Features) -> Array:
        """Return the matrices ``(n_blocks, len(a), len(b))`` that no fitted number enters."""
        ...

    def combine(self, blocks: Array, theta: Array) -> Array:
        """Return the covariance that `theta` makes of the blocks."""
        ...

    def grid(self, n_blocks: int) -> list[Array]:
        """Return the values of theta to try; the first is the prior's centre."""
        ...

    def similarity(self, a: Features, b: Features) -> Array:
        """Return likeness from 0 to 1 ``(len(a), len(b))``, independent of anything fitted."""
        ...


class MoleculeKernel:
    """Tanimoto on count fingerprints, mixed with a smooth function of whole-molecule descriptors.

    theta, chosen from the grid, is (weight of the fingerprints, length scale over the descriptors).
    """

    def blocks(self, a: Features, b: Features) -> Array:
        """Return the similarity and the squared descriptor distance per descriptor."""
        square = (
            np.sum(a.numeric**2, axis=1)[:, None]
            + np.sum(b.numeric**2, axis=1)[None, :]
            - 2.0 * np.einsum("id,jd->ij", a.numeric, b.numeric)
        )
        return np.stack([tanimoto(a, b), np.maximum(square, 0.0) / max(1, a.numeric.shape[1])])

    def combine(self, blocks: Array, theta: Array) -> Array:
        """Return the weighted sum of the two covariances."""
        weight, length = float(theta[0]), float(theta[1])
        mixture: Array = weight * blocks[0]
        if weight < 1.0:
            mixture = mixture + (1.0 - weight) * matern(blocks[1] / length**2)
        return mixture

    def grid(self, n_blocks: int) -> list[Array]:  # noqa: ARG002
        """Return mixtures from fingerprints alone to descriptors with some fingerprint."""
        pairs = [(0.6, 1.0), (1.0, 1.0), (0.6, 2.0), (0.3, 1.0), (0.3, 2.0), (0.1, 2.0), (0.1, 4.0)]
        return [np.array(pair) for pair in pairs]

    def similarity(self, a: Features, b: Features) -> Array:
        """Return the Tanimoto similarity."""
        return tanimoto(a, b)


class ArdKernel:
    """Matérn 5/2 with one length scale per feature; theta, fitted, holds their natural logarithms."""

    def blocks(self, a: Features, b: Features) -> Array:
        """Return squared distances per feature."""
        return square_distances(a, b)

    def combine(self, blocks: Array, theta: Array) -> Array:
        """Return the Matérn covariance of the scaled distance."""
        return matern(np.einsum("g,gij->ij", np.exp(-2.0 * theta), blocks))

    def grid(self, n_blocks: int) -> list[Array]:
        """Return isotropic length scales that grow with the root of the dimension."""
        root = 0.5 * np.log(max(1, n_blocks))
        return [np.full(n_blocks, np.log(length) + root) for length in (0.6, 0.2, 1.5)]

    def gradient(self, blocks: Array, theta: Array, weights: Array) -> Array:
        """Return sum(weights * d combine / d theta_j) for every log length scale."""
        inverse = np.exp(-2.0 * theta)
        r = np.sqrt(5.0 * np.einsum("g,gij->ij", inverse, blocks))
        slope = weights * (-(5.0 / 6.0) * (1.0 + r) * np.exp(-r))
        derivative: Array = np.einsum("gij,ij->g", blocks, slope) * (-2.0 * inverse)
        return derivative

    def similarity(self, a: Features, b: Features) -> Array:
        """Return 1 - the mean distance over the features (Gower's similarity)."""
        blocks = square_distances(a, b)
        if not len(blocks):
            return np.zeros((len(a), len(b)))
        likeness: Array = 1.0 - np.minimum(1.0, np.sqrt(blocks)).mean(axis=0)
        return likeness


def matern(square: Array) -> Array:
    """Return the Matérn 5/2 covariance of squared distances in length scales."""
    r = np.sqrt(5.0 * square)
    covariance: Array = (1.0 + r + r * r / 3.0) * np.exp(-r)
    return covariance
