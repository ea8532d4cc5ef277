"""How well a segmentation agrees with the truth: by pixels, by objects, by boundaries.

Label images have 0 where there is no object. Where both have none they agree wholly; where one has none
they agree in nothing.

References:
    Kirillov et al. 2019, doi:10.1109/CVPR.2019.00963 (panoptic quality); Caicedo et al. 2019,
    doi:10.1038/s41592-019-0612-7 (Data Science Bowl 2018); Hosang et al. 2016, doi:10.1109/TPAMI.2015.2465908
    (average recall); Nikolov et al. 2021, doi:10.2196/26151 (surface Dice); Maier-Hein et al. 2024,
    doi:10.1038/s41592-023-02151-z (what to use when).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLDS: Final = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""0.5 to 0.95: the IoUs of the Data Science Bowl 2018 and of COCO."""


@dataclass(frozen=True, slots=True)
class PanopticQuality:
    """Quality, and the two that it is the product of."""

    quality: float
    segmentation: float
    """Mean IoU of the objects that were found."""
    recognition: float
    """Their F1 score."""


def dice(truth: "NDArray[Any]", found: "NDArray[Any]") -> float:
    """Return the overlap of two masks, 2 |A ∩ B| / (|A| + |B|).

    Raises:
        ValueError: they differ in shape.
    """
    a, b = _masks(truth, found)
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def iou(truth: "NDArray[Any]", found: "NDArray[Any]") -> float:
    """Return the overlap of two masks, |A ∩ B| / |A ∪ B|.

    Raises:
        ValueError: they differ in shape.
    """
    a, b = _masks(truth, found)
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def object_ious(truth: "NDArray[Any]", found: "NDArray[Any]") -> "NDArray[np.float64]":
    """Return the IoU of each object of the truth with each that was found, shape (n_truth, n_found).

    Objects are in the order of their labels, which need not be consecutive.

    Raises:
        ValueError: the label images differ in shape.
    """
    if truth.shape != found.shape:
        raise ValueError(f"label images of shapes {truth.shape} and {found.shape} cannot be compared")
    true_labels, a = np.unique(truth, return_inverse=True)
    found_labels, b = np.unique(found, return_inverse=True)
    n, m = len(true_labels), len(found_labels)
    both = np.bincount(a.ravel() * m + b.ravel(), minlength=n * m).reshape(n, m)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return np.asarray((both / np.maximum(union, 1))[true_labels != 0][:, found_labels != 0])


def average_precision(
    truth: "NDArray[Any]", found: "NDArray[Any]", *, thresholds: Sequence[float] = THRESHOLDS
) -> float:
    """Return the score of the Data Science Bowl 2018: the mean over IoUs of TP / (TP + FP + FN).

    An object is found if its IoU with one of the truth is above the threshold. From 0.5 on that is one at
    most, so that no matching is needed.

    Raises:
        ValueError: the label images differ in shape, or a threshold lies below 0.5.
    """
    if min(thresholds) < 0.5:
        raise ValueError(f"below an IoU of 0.5 objects may match twice, got {list(thresholds)}")
    ious = object_ious(truth, found)
    n, m = ious.shape
    if not n + m:
        return 1.0
    hits = [int((ious > threshold).sum()) for threshold in thresholds]
    return float(np.mean([hit / (n + m - hit) for hit in hits]))


def panoptic_quality(truth: "NDArray[Any]", found: "NDArray[Any]") -> PanopticQuality:
    """Return the panoptic quality of one class of objects.

    Raises:
        ValueError: the label images differ in shape.
    """
    ious = object_ious(truth, found)
    n, m = ious.shape
    if not n + m:
        return PanopticQuality(1.0, 1.0, 1.0)
    matched = ious[ious > 0.5]
    segmentation = float(matched.mean()) if len(matched) else 0.0
    recognition = len(matched) / ((n + m) / 2)
    return PanopticQuality(segmentation * recognition, segmentation, recognition)


def average_recall(
    ious: "NDArray[np.float64]",
    scores: "NDArray[np.floating[Any]]",
    *,
    k: int = 100,
    thresholds: Sequence[float] = THRESHOLDS,
) -> float:
    """Return AR@k: which part of the true objects the k best proposals find, over IoUs.

    Proposals may overlap. In the order of their scores each takes the object that it overlaps most of those
    not taken, as COCO matches.

    Args:
        ious: of true objects and proposals, shape (n_truth, n_proposals).
        scores: of the proposals, shape (n_proposals,).
        k: proposals that count.
        thresholds: least IoUs.

    Raises:
        ValueError: there are not as many scores as proposals.
    """
    if ious.shape[1] != len(scores):
        raise ValueError(f"{len(scores)} scores for {ious.shape[1]} proposals")
    n = len(ious)
    if not n:
        return 1.0
    best = ious[:, np.argsort(-scores, kind="stable")[:k]]
    recalls = []
    for threshold in thresholds:
        left = np.ones(n, dtype=bool)
        for column in best.T[(best >= threshold).any(axis=0)]:
            offered = np.where(left, column, -1)
            if offered.max() >= threshold:
                left[offered.argmax()] = False
        recalls.append(1 - left.mean())
    return float(np.mean(recalls))


def mean_best_iou(ious: "NDArray[np.float64]") -> float:
    """Return the mean over true objects of the IoU with the proposal that fits best; 1 without objects."""
    if not len(ious):
        return 1.0
    return float(ious.max(axis=1, initial=0).mean())


def hausdorff_95(truth: "NDArray[Any]", found: "NDArray[Any]", *, edges: Sequence[float]) -> float:
    """Return the larger of the two directed 95th percentiles of distances between boundaries.

    Args:
        truth: a mask.
        found: another.
        edges: of a pixel along each axis, in the unit of the answer.

    Raises:
        ValueError: they differ in shape, or one is empty, so that there is no distance.
    """
    there, back = _distances(truth, found, edges)
    if not len(there) or not len(back):
        raise ValueError("an empty mask has no boundary, and no distance from one")
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def surface_dice(
    truth: "NDArray[Any]", found: "NDArray[Any]", *, edges: Sequence[float], tolerance: float
) -> float:
    """Return which part of both boundaries lies within a tolerance of the other; each pixel counts as one.

    Args:
        truth: a mask.
        found: another.
        edges: of a pixel along each axis.
        tolerance: in the same unit.

    Raises:
        ValueError: they differ in shape.
    """
    there, back = _distances(truth, found, edges)
    total = len(there) + len(back)
    if not len(there) or not len(back):
        return float(not total)
    return (int((there <= tolerance).sum()) + int((back <= tolerance).sum())) / total


def _masks(truth: "NDArray[Any]", found: "NDArray[Any]") -> tuple["NDArray[np.bool_]", "NDArray[np.bool_]"]:
    if truth.shape != found.shape:
        raise ValueError(f"masks of shapes {truth.shape} and {found.shape} cannot be compared")
    return truth > 0, found > 0


def _distances(
    truth: "NDArray[Any]", found: "NDArray[Any]", edges: Sequence[float]
) -> tuple["NDArray[np.float64]", "NDArray[np.float64]"]:
    """Return the distance of each boundary pixel from the other boundary; empty where a mask is."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    a, b = (mask & ~binary_erosion(mask) for mask in _masks(truth, found))
    nothing = np.empty(0)
    there = distance_transform_edt(~b, sampling=edges)[a] if b.any() else np.full(int(a.sum()), np.inf)
    back = distance_transform_edt(~a, sampling=edges)[b] if a.any() else np.full(int(b.sum()), np.inf)
    return (there if a.any() else nothing), (back if b.any() else nothing)
