import shutil
from pathlib import Path

import numpy as np
import pytest

from novum.knowledge_base.graph import Graph, GraphDamagedError

N = 1200
"""Chroma writes its graph to files after each 1,000."""


@pytest.fixture
def vectors() -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(N, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path: Path, vectors: np.ndarray) -> Path:
    graph = Graph(tmp_path / "graph")
    graph.add(vectors)
    graph.close()
    return tmp_path / "graph"


def test_a_graph_finds_neighbours_by_row(folder: Path, vectors: np.ndarray) -> None:
    graph = Graph(folder)
    assert len(graph) == N
    found = 0
    for row in range(0, N, 60):
        exact = set(np.argsort(-(vectors @ vectors[row]))[:10].tolist())
        found += len(exact & set(graph.search(vectors[row], 40).tolist()))
    assert found >= 0.99 * 200
    assert len(graph.search(vectors[0], 0)) == 0
    graph.close()


def test_rows_that_were_added_twice_are_there_once(folder: Path, vectors: np.ndarray) -> None:
    graph = Graph(folder)
    graph._n = 1000  # as for a process that another has overtaken
    graph.add(vectors[1000:])
    graph.close()
    again = Graph(folder)
    assert len(again) == N
    again.close()


def lose_graph(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def damage_database(folder: Path) -> None:
    (folder / "chroma.sqlite3").write_bytes(b"garbage" * 1000)


@pytest.mark.parametrize("damage", [lose_graph, damage_database])
def test_a_damaged_graph_is_an_error(folder: Path, vectors: np.ndarray, damage) -> None:
    damage(folder)
    with pytest.raises(GraphDamagedError):
        Graph(folder).search(vectors[0], 40)
