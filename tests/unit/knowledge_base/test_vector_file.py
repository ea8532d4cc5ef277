from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novum.knowledge_base.vector_file import Compared, DamagedError, VectorFile


def unit_vectors(n: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_what_is_appended_is_compared_exactly(tmp_path: Path) -> None:
    vectors = unit_vectors(50)
    file = VectorFile(tmp_path / "v", 8)
    file.append(vectors[:20])
    file.append(vectors[20:])
    again = VectorFile(tmp_path / "v", 8)
    again.open(50)
    found = again.compare(vectors[7])
    assert found.similarities == pytest.approx(vectors @ vectors[7], abs=1e-5)
    assert found.best(1) == [(7, 1.0)]
    some = np.array([3, 40])
    assert {row for row, _ in again.compare(vectors[7], some).best(9)} == {3, 40}
    assert (again.rows(10, 12) == vectors[10:12]).all()


@given(st.lists(st.sampled_from([0.0, 0.1, 0.100001, 0.5, 1.0]), max_size=30), st.integers(0, 40))
def test_the_best_come_first_and_equal_ones_in_order_of_rows(similarities: list[float], n: int) -> None:
    found = Compared(np.arange(len(similarities)), np.array(similarities, dtype=np.float32)).best(n)
    rounded = [round(similarity, 5) for similarity in similarities]
    assert found == sorted(enumerate(rounded), key=lambda pair: (-pair[1], pair[0]))[:n]


def test_rows_that_a_killed_writer_left_are_cut_off_and_written_over(tmp_path: Path) -> None:
    vectors = unit_vectors(6)
    file = VectorFile(tmp_path / "v", 8)
    file.append(vectors[:3])
    with (tmp_path / "v").open("ab") as stream:
        stream.write(b"x" * 40)  # one row and a begun one
    other = VectorFile(tmp_path / "v", 8)
    other.open(3)
    assert other.cut() == 2
    assert other.cut() == 0
    other.append(vectors[3:])
    assert (other.rows(0, 6) == vectors).all()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def garble(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)  # not a number, every one


@pytest.mark.parametrize("damage", [shorten, zero, garble, Path.unlink])
def test_a_damaged_file_is_noticed_when_it_is_opened(tmp_path: Path, damage) -> None:
    VectorFile(tmp_path / "v", 8).append(unit_vectors(9))
    damage(tmp_path / "v")
    with pytest.raises(DamagedError):
        VectorFile(tmp_path / "v", 8).open(9)
