"""UniAP gives what its definition says, without the matrices that the definition speaks of."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from novum.tools.imaging.uniap import THRESHOLDS, agglomerate, grid_edges


def by_definition(features, shape, *, thresholds=THRESHOLDS, w_f=0.6, w_s=0.4, sigma=0.07):
    """The paper's formulas as they stand: dense memberships and affinities, every pair in full."""
    f = features.astype(np.float64)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    affinity = f @ f.T
    member = np.eye(len(f))
    v = f
    adjacent = np.zeros((len(f), len(f)), dtype=bool)
    a, b = grid_edges(*shape).T
    adjacent[a, b] = adjacent[b, a] = True
    found = []
    for threshold in thresholds:
        merge = _assignment(_similarities(member, affinity, v, w_f, w_s), adjacent, threshold)
        member = merge @ member
        adjacent = (merge @ adjacent @ merge.T) > 0
        np.fill_diagonal(adjacent, False)
        rows = member @ affinity / member.sum(axis=1, keepdims=True)
        weight = np.exp((rows - rows.max(axis=1, keepdims=True)) / sigma)
        v = weight @ f
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        every = ~np.eye(len(member), dtype=bool)
        classes = _assignment(_similarities(member, affinity, v, w_f, w_s), every, threshold)
        found.append((member.argmax(axis=0).reshape(shape), classes.argmax(axis=0)))
    return found


def _similarities(member, affinity, v, w_f, w_s):
    rows = member @ affinity / member.sum(axis=1, keepdims=True)
    votes = 1 - np.abs(rows[:, None] - rows[None]).mean(axis=2)
    return w_f * (v @ v.T) + w_s * votes


def _assignment(similarity, adjacent, threshold):
    graph = coo_array(adjacent & (similarity >= threshold))
    n, labels = connected_components(graph, directed=False)
    return (labels[None] == np.arange(n)[:, None]).astype(float)


def partition(labels):
    """Labels up to their numbers."""
    flat = np.asarray(labels).ravel()
    _, inverse = np.unique(flat, return_inverse=True)
    first: dict[int, int] = {}
    return [first.setdefault(int(label), len(first)) for label in inverse]


def scene(seed, shape=(12, 14), d=16, noise=0.35):
    """Features of an image with a few blocks of like tokens."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(4, d))
    field = np.zeros(shape, dtype=int)
    for kind in (1, 2, 3, 1):
        y, x = rng.integers(0, shape[0] - 4), rng.integers(0, shape[1] - 4)
        field[y : y + 4, x : x + 4] = kind
    features = kinds[field.ravel()] + noise * rng.normal(size=(field.size, d))
    return features.astype(np.float32), field


@pytest.mark.parametrize("seed", range(6))
def test_regions_and_classes_are_those_of_the_definition(seed):
    features, field = scene(seed, noise=0.2 + 0.15 * (seed % 4))

    levels = agglomerate(features, field.shape)

    expected = by_definition(features, field.shape)
    assert [partition(level.labels) for level in levels] == [partition(labels) for labels, _ in expected]
    assert [partition(level.classes) for level in levels] == [partition(classes) for _, classes in expected]
    assert 1 < len(levels[-1].features) < field.size


@settings(max_examples=25, deadline=None)
@given(
    h=st.integers(1, 6),
    w=st.integers(1, 6),
    d=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    smooth=st.booleans(),
)
def test_any_grid_of_any_features_is_cut_as_defined(h, w, d, seed, smooth):
    features = np.random.default_rng(seed).normal(size=(h * w, d)).astype(np.float32)
    if smooth:
        features = np.cumsum(features, axis=0)

    levels = agglomerate(features, (h, w))

    expected = by_definition(features, (h, w))
    assert [partition(level.labels) for level in levels] == [partition(labels) for labels, _ in expected]


def test_two_blocks_alike_but_apart_are_two_regions_of_one_class():
    field = np.zeros((10, 16), dtype=int)
    field[2:8, 2:6] = field[2:8, 10:14] = 1
    kinds = np.array([[1.0, 0, 0], [0, 1, 0]], dtype=np.float32)

    level = agglomerate(kinds[field.ravel()], field.shape)[0]

    assert partition(level.labels) != partition(field)
    assert len(level.features) == 3
    left, right, ground = level.labels[4, 3], level.labels[4, 11], level.labels[0, 0]
    assert level.classes[left] == level.classes[right] != level.classes[ground]


def test_each_region_lies_whole_in_its_parent():
    features, field = scene(3, noise=0.5)

    levels = agglomerate(features, field.shape)

    for fine, coarse in pairwise(levels):
        assert np.array_equal(fine.parents[fine.labels], coarse.labels)
    assert not len(levels[-1].parents)


def test_turning_the_features_changes_nothing():
    features, field = scene(1)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))

    here = agglomerate(features, field.shape)
    there = agglomerate((features @ turn).astype(np.float32), field.shape)

    assert [partition(level.labels) for level in here] == [partition(level.labels) for level in there]


def test_classes_are_left_out_where_there_are_too_many_regions():
    features, field = scene(0, noise=3.0)

    levels = agglomerate(features, field.shape, max_semantic=20)

    assert all(len(level.classes) in (0, len(level.features)) for level in levels)
    assert not len(levels[0].classes)


@pytest.mark.parametrize(
    ("features", "thresholds", "message"),
    [
        (np.ones((5, 2), dtype=np.float32), THRESHOLDS, "do not fit"),
        (np.full((6, 2), np.nan, dtype=np.float32), THRESHOLDS, "finite"),
        (np.ones((6, 2), dtype=np.float32), (0.5, 0.6), "decrease"),
    ],
)
def test_what_cannot_be_cut_is_refused(features, thresholds, message):
    with pytest.raises(ValueError, match=message):
        agglomerate(features, (2, 3), thresholds=thresholds)
