import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.knowledge_base.nearest import Nearest


def unit_vectors(n: int, *, seed: int, dimensions: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 10**6))
def test_the_nearest_are_those_of_a_full_sort(size: int, n: int, seed: int) -> None:
    vectors, query = unit_vectors(size, seed=seed), unit_vectors(1, seed=seed + 1)[0]
    names = [f"K{i}" for i in range(size)]
    nearest = Nearest(8)
    for start in range(0, size, 7):
        nearest.put(names[start : start + 7], vectors[start : start + 7])
    pairs = [(name, round(float(v @ query), 5)) for name, v in zip(names, vectors, strict=True)]
    expected = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:n]
    found = nearest.search(query, n)
    assert [s for _, s in found] == pytest.approx([s for _, s in expected], abs=2e-5)
    assert nearest.search(query, n, names=names[::-1]) == found
    everything = dict(nearest.search(query, size))
    assert nearest.search(query, n, names=["K0", "unknown"]) == [("K0", everything["K0"])]


def test_equal_similarities_are_ordered_by_name() -> None:
    nearest = Nearest(2)
    nearest.put(["b", "c", "a"], np.array([[1, 0]] * 3, dtype=np.float32))
    assert [name for name, _ in nearest.search(np.array([1, 0], dtype=np.float32), 2)] == ["a", "b"]


def test_a_name_that_comes_again_is_replaced() -> None:
    nearest = Nearest(2)
    nearest.put(["a", "b"], np.eye(2, dtype=np.float32))
    nearest.put(["a"], np.array([[0, 1]], dtype=np.float32))
    assert len(nearest) == 2
    assert nearest.search(np.array([0, 1], dtype=np.float32), 2) == [("a", 1.0), ("b", 1.0)]


def test_nothing_is_found_in_nothing() -> None:
    assert Nearest(2).search(np.array([0, 1], dtype=np.float32), 3) == []
