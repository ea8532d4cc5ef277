"""Regions of patches brought to pixels, and how much each looks like an object.

The score of a region is the product of three numbers:

- coherence: the mean cosine of its patches' features with their mean direction, 0 at least;
- contrast: 1 less the mean cosine of the patches around it with that direction, 0 to 1;
- size: n / (n + 10) for n patches, as features of few patches tell little.

It ranks proposals, and is no probability. What is the whole image has nothing around it and scores 0.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from novum.tools.imaging.features import PatchFeatures
from novum.tools.imaging.metrics import object_ious
from novum.tools.imaging.uniap import Level

if TYPE_CHECKING:
    from numpy.typing import NDArray


_FEW: Final = np.float32(10)
"""Patches at which size halves a score."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One level of a hierarchy in pixels."""

    threshold: float
    labels: "NDArray[np.int32]"
    """Region of each pixel, from 1, shape (height, width)."""
    scores: "NDArray[np.float32]"
    """Of regions 1, 2, …"""
    coherence: "NDArray[np.float32]"
    contrast: "NDArray[np.float32]"
    parents: "NDArray[np.int32]"
    """Region of the next layer, from 1, that holds most of each; empty at the last."""
    classes: "NDArray[np.int32]"
    """Semantic class of each region, from 1; empty where there are too many regions to ask."""


def to_layers(
    levels: list[Level], features: PatchFeatures, grey: "NDArray[np.float32]", *, refine: bool = True
) -> list[Layer]:
    """Return the levels of a hierarchy in pixels, with scores.

    Args:
        levels: of UniAP.
        features: that they were made of.
        grey: the image, shape (height, width).
        refine: whether boundaries between regions are moved to edges of the image within a patch.
    """
    edges = _edges(grey) if refine else None
    layers = []
    for level in levels:
        coherence, contrast = score_regions(level.labels, features.values)
        n = np.bincount(level.labels.ravel()).astype(np.float32)
        coarse = to_pixels(level.labels + 1, features.patch, grey.shape)
        layers.append(
            Layer(
                threshold=level.threshold,
                labels=coarse if edges is None else snap(coarse, edges, patch=features.patch),
                scores=coherence * contrast * (n / (n + _FEW)),
                coherence=coherence,
                contrast=contrast,
                parents=level.parents + 1,
                classes=level.classes + 1,
            )
        )
    return layers


def proposals(
    layers: list[Layer], truth: "NDArray[np.int32]"
) -> tuple["NDArray[np.float64]", "NDArray[np.float32]"]:
    """Return the IoU of true objects with the regions of all layers, and the regions' scores.

    A region that is the same as in the layer before is one proposal.

    Returns:
        Shape (n_objects, n_proposals) and (n_proposals,).
    """
    ious, scores = [], []
    before: Layer | None = None
    for layer in layers:
        new = np.ones(len(layer.scores), dtype=bool)
        if before is not None:
            new = np.bincount(before.parents - 1, minlength=len(new)) > 1
        ious.append(object_ious(truth, layer.labels)[:, new])
        scores.append(layer.scores[new])
        before = layer
    return np.concatenate(ious, axis=1), np.concatenate(scores)


def to_pixels(labels: "NDArray[Any]", patch: int, shape: tuple[int, ...]) -> "NDArray[np.int32]":
    """Return the label of each pixel from that of its patch.

    Where the image was scaled to the grid, patches share it evenly.
    """
    places = []
    for n, length in zip(labels.shape, shape, strict=True):
        pixel = np.arange(length)
        places.append(pixel // patch if -(-length // patch) == n else pixel * n // length)
    return np.asarray(labels[places[0][:, None], places[1][None]], dtype=np.int32)


def snap(labels: "NDArray[np.int32]", edges: "NDArray[np.float32]", *, patch: int) -> "NDArray[np.int32]":
    """Return labels whose boundaries lie on edges of the image, about a patch at most from where they were.

    Watershed over the strength of edges, from what lies deep enough in a region. What has no such pixels, as
    it is thin, grows from the middles of its patches.

    Args:
        labels: of the pixels, from 1.
        edges: their strength.
        patch: in pixels.
    """
    from scipy.ndimage import maximum_filter, minimum_filter
    from skimage.segmentation import watershed

    if patch < 2:
        return labels
    width = 2 * (patch // 2 + 1) + 1
    certain = minimum_filter(labels, width) == maximum_filter(labels, width)
    middles = np.zeros(labels.shape, dtype=bool)
    middles[patch // 2 :: patch, patch // 2 :: patch] = True
    for start in (middles, np.ones_like(middles)):
        has = np.zeros(int(labels.max()) + 1, dtype=bool)
        has[labels[certain]] = True
        certain |= start & ~has[labels]
    return np.asarray(watershed(edges, np.where(certain, labels, 0)), dtype=np.int32)


def score_regions(
    labels: "NDArray[np.int32]", features: "NDArray[np.float32]"
) -> tuple["NDArray[np.float32]", "NDArray[np.float32]"]:
    """Return coherence and contrast of each region.

    Args:
        labels: of the patches, from 0, shape (h, w).
        features: of unit length, shape (h * w, d).
    """
    flat = labels.ravel()
    n = int(flat.max()) + 1
    sums = np.zeros((n, features.shape[1]), dtype=np.float64)
    np.add.at(sums, flat, features)
    directions = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    own = np.einsum("td,td->t", features, directions[flat])
    coherence = np.bincount(flat, weights=own, minlength=n) / np.bincount(flat, minlength=n)
    around = _around(labels)
    outside = np.einsum("pd,pd->p", features[around[:, 1]], directions[around[:, 0]])
    n_around = np.bincount(around[:, 0], minlength=n)
    likeness = np.bincount(around[:, 0], weights=outside, minlength=n) / np.maximum(n_around, 1)
    contrast = np.where(n_around > 0, 1 - likeness, 0)
    return coherence.clip(0, 1).astype(np.float32), contrast.clip(0, 1).astype(np.float32)


def _around(labels: "NDArray[np.int32]") -> "NDArray[np.intp]":
    """Return (region, patch beside it) for all patches that touch a region, each once."""
    h, w = labels.shape
    index = np.arange(h * w).reshape(h, w)
    pairs = []
    every, later, sooner = slice(None), slice(1, None), slice(None, -1)
    for a, b in (((every, later), (every, sooner)), ((later, every), (sooner, every))):
        differ = labels[a] != labels[b]
        pairs += [(labels[a][differ], index[b][differ]), (labels[b][differ], index[a][differ])]
    region = np.concatenate([r for r, _ in pairs]).astype(np.intp)
    patch = np.concatenate([p for _, p in pairs])
    keys = np.unique(region * (h * w) + patch)
    return np.stack([keys // (h * w), keys % (h * w)], axis=1)


def _edges(grey: "NDArray[np.float32]") -> "NDArray[np.float32]":
    from scipy.ndimage import gaussian_filter
    from skimage.filters import sobel

    return np.asarray(sobel(gaussian_filter(grey, 0.5)), dtype=np.float32)
