"""UniAP: universal agglomerative pooling. Features of one image's patches become regions at several levels.

Each patch begins as a region of its own. At a threshold, neighbouring regions merge that are alike by their
features and by how alike the whole image finds them; a lower threshold merges what the one before it left.
The algorithm has no learned parameter. What is merged is what the definition says; only pairs on whose
merging something depends are computed in full, and never an affinity matrix.

References:
    Li et al., "S2-UniSeg: Fast Universal Agglomerative Pooling for Scalable Segment Anything without
    Supervision", arXiv:2508.06995, AAAI 2026.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

THRESHOLDS = (0.8, 0.7, 0.6, 0.5, 0.4)
"""Least similarity at which regions merge, level by level; the paper's."""

FEATURE_WEIGHT, VOTE_WEIGHT = 0.6, 0.4
"""How much the two similarities count; the paper's."""

TEMPERATURE = 0.07
"""Of the softmax over affinities in pooling; the paper's."""

_BLOCK = 1 << 22
"""Numbers in a temporary matrix: 16 MB."""

_ROUND = 512
"""Pairs that are computed in full before it is asked again which of them still matter."""


@dataclass(frozen=True, slots=True)
class Level:
    """The regions at one threshold."""

    threshold: float
    labels: NDArray[np.int32]
    """Region of each token, shape (h, w); regions are numbered from 0 in the order of their first token."""
    features: Floats
    """Pooled and of unit length, shape (n_regions, d)."""
    parents: NDArray[np.int32]
    """Region of the next level that holds each region, shape (n_regions,); empty at the last level."""
    classes: NDArray[np.int32]
    """Semantic class of each region, shape (n_regions,): regions that are alike wherever they lie.
    Empty where it was not asked for, or where there are more than `max_semantic` regions."""


def agglomerate(
    features: Floats,
    shape: tuple[int, int],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    feature_weight: float = FEATURE_WEIGHT,
    vote_weight: float = VOTE_WEIGHT,
    temperature: float = TEMPERATURE,
    semantic: bool = True,
    max_semantic: int = 400,
) -> list[Level]:
    """Return the regions of an image at decreasing thresholds, the finest first.

    Args:
        features: of the tokens, row by row, shape (h * w, d); they are brought to unit length.
        shape: (h, w), the grid of tokens.
        thresholds: least similarities, decreasing.
        feature_weight: weight of the cosine of the regions' features.
        vote_weight: weight of the agreement of all tokens on the two regions.
        temperature: of the softmax that weighs all tokens by their affinity to a region.
        semantic: whether to join regions into classes as well.
        max_semantic: most regions of a level among which classes are sought, as every pair has to be asked.

    Raises:
        ValueError: the features do not fit the grid, are not finite, or the thresholds do not decrease.
    """
    h, w = shape
    if features.ndim != 2 or features.shape[0] != h * w or not h * w:
        raise ValueError(f"features of shape {features.shape} do not fit a grid of {h} x {w} tokens")
    if not np.isfinite(features).all():
        raise ValueError("features must be finite")
    if any(a <= b for a, b in pairwise(thresholds)):
        raise ValueError(f"thresholds must decrease, got {list(thresholds)}")
    tokens = _unit(np.ascontiguousarray(features, dtype=np.float32))
    similarity = _Similarity(tokens, feature_weight=feature_weight, vote_weight=vote_weight)
    edges = grid_edges(h, w)
    labels = np.arange(h * w)
    pooled, means = tokens, tokens
    levels: list[Level] = []
    for threshold in thresholds:
        merged = similarity.components(edges, pooled, means, threshold)
        if levels:
            levels[-1] = _with_parents(levels[-1], merged)
        labels = merged[labels]
        edges = _between(edges, merged)
        means = _region_means(tokens, labels)
        pooled = _pool(tokens, means, temperature=temperature)
        classes = np.empty(0, dtype=np.int32)
        if semantic and len(means) <= max_semantic:
            pairs = np.stack(np.triu_indices(len(means), k=1), axis=1)
            classes = similarity.components(pairs, pooled, means, threshold).astype(np.int32)
        levels.append(
            Level(
                threshold=threshold,
                labels=labels.reshape(shape).astype(np.int32),
                features=pooled,
                parents=np.empty(0, dtype=np.int32),
                classes=classes,
            )
        )
    return levels


def grid_edges(h: int, w: int) -> Indices:
    """Return the pairs of horizontal and vertical neighbours in a grid, shape (n_edges, 2)."""
    index = np.arange(h * w).reshape(h, w)
    across = np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], axis=1)
    down = np.stack([index[:-1].ravel(), index[1:].ravel()], axis=1)
    return np.concatenate([across, down])


class _Similarity:
    """Which regions of one image merge.

    Of regions i and j with features V and mean token features m, the similarity is

        w_f V_i · V_j + w_s (1 - mean over tokens t of |F_t · (m_i - m_j)|),

    as a region's mean affinity to token t is F_t · m_i. The mean of absolute values is what costs: n tokens
    for each pair. It lies between two bounds that cost nothing like it, since for x_t = F_t · δ

        |mean x| and mean x² / max |x|  <=  mean |x|  <=  (mean x²)^½ = (δᵀ G δ)^½,  G = FᵀF / n,

    and |x_t| <= |δ|. Only pairs that the bounds leave open, and that would connect what is not connected
    already, are computed in full.
    """

    def __init__(self, tokens: Floats, *, feature_weight: float, vote_weight: float) -> None:
        self._tokens = tokens
        self._mean = tokens.mean(axis=0)
        self._gram = tokens.T @ tokens / len(tokens)
        self._feature_weight, self._vote_weight = feature_weight, vote_weight

    def components(self, pairs: Indices, pooled: Floats, means: Floats, threshold: float) -> Indices:
        """Return the component of each region under the pairs that are similar enough.

        Components are numbered in the order of their first region.
        """
        n = len(means)
        cosine = np.empty(len(pairs), dtype=np.float32)
        lower, upper = cosine.copy(), cosine.copy()
        for part in _parts(len(pairs), pooled.shape[1]):
            a, b = pairs[part, 0], pairs[part, 1]
            cosine[part] = np.einsum("ed,ed->e", pooled[a], pooled[b])
            lower[part], upper[part] = self._bounds(means[a] - means[b])
        own = self._feature_weight * cosine + self._vote_weight - threshold
        slack = 1e-5  # more than single precision loses in a bound
        label = _components(n, pairs[own - self._vote_weight * upper >= slack])
        open_ = (own - self._vote_weight * lower >= -slack) & (own - self._vote_weight * upper < slack)
        # Likeliest first: what they connect makes others needless.
        order = np.flatnonzero(open_)
        order = order[np.argsort(-(own[order] - self._vote_weight * upper[order]), kind="stable")]
        while len(order):
            order = order[label[pairs[order, 0]] != label[pairs[order, 1]]]
            now, order = order[:_ROUND], order[_ROUND:]
            if not len(now):
                break
            a, b = pairs[now, 0], pairs[now, 1]
            held = own[now] - self._vote_weight * self._disagreement(means[a] - means[b]) >= 0
            if held.any():
                joined = _components(n, np.stack([label[a[held]], label[b[held]]], axis=1))
                label = joined[label]
        return _in_order(label)

    def _bounds(self, difference: Floats) -> tuple[Floats, Floats]:
        square = np.einsum("ed,ed->e", difference @ self._gram, difference).clip(min=0)
        length = np.sqrt(np.einsum("ed,ed->e", difference, difference))
        least = np.abs(difference @ self._mean)
        np.maximum(least, square / np.maximum(length, 1e-12), out=least)
        return least, np.sqrt(square)

    def _disagreement(self, difference: Floats) -> Floats:
        """Return the mean over tokens of the absolute difference of affinities, shape (n_pairs,)."""
        found = np.empty(len(difference), dtype=np.float32)
        for part in _parts(len(difference), len(self._tokens)):
            found[part] = np.abs(difference[part] @ self._tokens.T).mean(axis=1)
        return found


def _pool(tokens: Floats, means: Floats, *, temperature: float) -> Floats:
    """Return the features of regions: all tokens, weighed by their affinity to the region."""
    pooled = np.empty_like(means)
    for part in _parts(len(means), len(tokens)):
        weight = means[part] @ tokens.T
        weight -= weight.max(axis=1, keepdims=True)
        weight /= temperature
        np.exp(weight, out=weight)
        pooled[part] = weight @ tokens
    return _unit(pooled)


def _region_means(tokens: Floats, labels: Indices) -> Floats:
    from scipy.sparse import coo_array

    n = int(labels.max()) + 1
    ones = np.ones(len(labels), dtype=np.float32)
    member = coo_array((ones, (labels, np.arange(len(labels)))), shape=(n, len(labels))).tocsr()
    means: Floats = member @ tokens
    means /= np.bincount(labels, minlength=n)[:, None]
    return means


def _between(edges: Indices, merged: Indices) -> Indices:
    """Return the pairs of merged regions that touch, each once."""
    a, b = merged[edges[:, 0]], merged[edges[:, 1]]
    n = int(merged.max()) + 1
    keys = np.unique((np.minimum(a, b) * n + np.maximum(a, b))[a != b])
    return np.stack([keys // n, keys % n], axis=1)


def _components(n: int, pairs: Indices) -> Indices:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels: Indices = connected_components(graph, directed=False)[1].astype(np.intp)
    return labels


def _in_order(labels: Indices) -> Indices:
    """Return the same partition, numbered by first occurrence."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _with_parents(level: Level, merged: Indices) -> Level:
    return Level(level.threshold, level.labels, level.features, merged.astype(np.int32), level.classes)


def _unit(rows: Floats) -> Floats:
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return np.asarray(rows / np.maximum(length, 1e-12)[:, None], dtype=np.float32)


def _parts(n: int, width: int) -> Iterator[slice]:
    """Yield slices of rows such that a matrix of them stays within `_BLOCK` numbers."""
    step = max(1, _BLOCK // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))
