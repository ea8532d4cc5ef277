"""Segmentation metrics: cases that a hand can compute, what must hold for all, and libraries that agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from novum.tools.imaging.metrics import (
    average_precision,
    average_recall,
    dice,
    hausdorff_95,
    iou,
    mean_best_iou,
    object_ious,
    panoptic_quality,
    surface_dice,
)

EMPTY = np.zeros((10, 10), dtype=np.int32)


def boxes(*corners):
    found = EMPTY.copy()
    for label, (y, x, h, w) in enumerate(corners, 1):
        found[y : y + h, x : x + w] = label
    return found


TWO = boxes((0, 0, 4, 4), (6, 6, 3, 3))
label_images = arrays(np.int32, (6, 7), elements=st.integers(0, 4))


def test_hand_computed_overlaps():
    half = boxes((0, 0, 4, 2))
    assert dice(boxes((0, 0, 4, 4)), half) == pytest.approx(2 * 8 / 24)
    assert iou(boxes((0, 0, 4, 4)), half) == pytest.approx(0.5)


def test_hand_computed_scores_of_objects():
    found = boxes((0, 0, 4, 3), (6, 6, 3, 3), (0, 8, 2, 2))  # IoU 12/16, IoU 1, and one too many
    # above .5 to .7 two are found of three and two: 2/3; above .75 to .95 one: 1/4
    assert average_precision(TWO, found) == pytest.approx((5 * 2 / 3 + 5 * 1 / 4) / 10)
    quality = panoptic_quality(TWO, found)
    assert quality.segmentation == pytest.approx((0.75 + 1) / 2)
    assert quality.recognition == pytest.approx(2 / 2.5)
    assert quality.quality == pytest.approx(1.75 / 2.5)


def test_empty_label_images():
    for metric in (dice, iou, average_precision, lambda a, b: panoptic_quality(a, b).quality):
        assert metric(EMPTY, EMPTY) == 1
        assert metric(TWO, EMPTY) == metric(EMPTY, TWO) == 0
    assert surface_dice(EMPTY, EMPTY, edges=(1, 1), tolerance=1) == 1
    assert surface_dice(EMPTY, TWO, edges=(1, 1), tolerance=99) == 0
    with pytest.raises(ValueError, match="no boundary"):
        hausdorff_95(EMPTY, TWO, edges=(1, 1))


def test_recall_counts_the_best_proposals_and_each_object_once():
    ious = np.array([[0.9, 0.92, 0.0], [0.6, 0.0, 0.72]])
    scores = np.array([0.9, 0.8, 0.1])
    # the first proposal takes object 0; object 1 is found by the third from .5 to .7
    assert average_recall(ious, scores, k=3) == pytest.approx((5 * 1 + 4 * 0.5 + 0) / 10)
    assert average_recall(ious, scores, k=1) == pytest.approx(0.9 * 0.5)
    assert mean_best_iou(ious) == pytest.approx((0.92 + 0.72) / 2)
    assert average_recall(np.empty((2, 0)), np.empty(0)) == 0


def test_distances_are_in_the_unit_of_the_pixels():
    a, b = boxes((2, 2, 5, 5)), boxes((2, 4, 5, 5))
    # the sides are shifted by two columns of 0.5 each; rows do not matter
    assert hausdorff_95(a, b, edges=(3, 0.5)) == pytest.approx(1.0)
    assert surface_dice(a, b, edges=(3, 0.5), tolerance=1.0) == 1
    assert surface_dice(a, b, edges=(3, 0.5), tolerance=0.4) < 1


@given(label_images, label_images)
@settings(max_examples=60, deadline=None)
def test_what_holds_for_all(a, b):
    for metric in (dice, iou, average_precision):
        assert 0 <= metric(a, b) <= 1
        assert metric(a, b) == pytest.approx(metric(b, a))
        assert metric(a, a) == 1
    assert iou(a, b) == pytest.approx(dice(a, b) / (2 - dice(a, b)))
    renamed = np.where(a > 0, 10 - a, 0)
    assert average_precision(renamed, b) == average_precision(a, b)
    np.testing.assert_array_equal(object_ious(a, b), object_ious(b, a).T)
    quality = panoptic_quality(a, b)
    assert quality.quality <= min(quality.segmentation, quality.recognition) + 1e-12


@given(label_images, label_images)
@settings(max_examples=40, deadline=None)
def test_the_ious_are_those_of_each_pair(a, b):
    expected = [[iou(a == i, b == j) for j in np.unique(b[b > 0])] for i in np.unique(a[a > 0])]
    found = object_ious(a, b)
    np.testing.assert_allclose(found, np.array(expected).reshape(found.shape))


@given(label_images, label_images)
@settings(max_examples=30, deadline=None)
def test_the_farthest_distance_is_scikit_images(a, b):
    metrics = pytest.importorskip("skimage.metrics")
    if not a.any() or not b.any():
        return
    from scipy.ndimage import binary_erosion

    edge_a, edge_b = ((m > 0) & ~binary_erosion(m > 0) for m in (a, b))
    assert hausdorff_95(a, b, edges=(1, 1)) <= metrics.hausdorff_distance(edge_a, edge_b) + 1e-9
    whole = metrics.hausdorff_distance(edge_a, edge_b)
    assert surface_dice(a, b, edges=(1, 1), tolerance=whole) == 1


def test_shapes_must_agree():
    for metric in (dice, average_precision, panoptic_quality):
        with pytest.raises(ValueError, match="cannot be compared"):
            metric(EMPTY, EMPTY[:5])
    with pytest.raises(ValueError, match=r"below an IoU of 0\.5"):
        average_precision(TWO, TWO, thresholds=(0.3,))
