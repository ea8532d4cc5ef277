import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from novum.core.errors import UsageError
from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base import vectors as module
from novum.knowledge_base.embedders import HashingEmbedder
from novum.knowledge_base.items import Items
from novum.knowledge_base.vectors import Vectors

Make = Callable[..., KnowledgeItem]

TOPICS = ("gaps of aromatic rings", "corrosion of steel", "solubility in water", "the price of lithium")


@pytest.fixture
def items(tmp_path: Path):
    with Items(tmp_path / "items.sqlite3") as items:
        yield items


@pytest.fixture
def vectors(tmp_path: Path, items: Items):
    with Vectors(tmp_path / "vectors", HashingEmbedder(64), items) as vectors:
        yield vectors


def fill(items: Items, item: Make, n: int, *, first: int = 0) -> None:
    items.put_many([item(f"{TOPICS[i % 4]}, part {i}", id=f"K-{i}") for i in range(first, first + n)])


def test_a_search_adds_what_is_missing_and_finds_it(vectors: Vectors, items: Items, item: Make) -> None:
    fill(items, item, 8)
    assert vectors.count == 0
    assert vectors.search("steel corrodes", 1)[0][0] in ("K-1", "K-5")
    assert vectors.count == 8
    items.put(item("perovskites absorb light", id="K-new"))
    assert vectors.search("light in perovskites", 1)[0][0] == "K-new"
    assert vectors.sync() == 0


def test_an_item_that_changed_is_found_by_its_new_text(vectors: Vectors, items: Items, item: Make) -> None:
    fill(items, item, 4)
    before = vectors.search("zeolites", 4)
    items.put(item("zeolites sieve molecules", id="K-2"))
    after = vectors.search("zeolites", 4)
    assert after[0][0] == "K-2"
    assert after[0][1] > max(similarity for _, similarity in before)
    assert vectors.count == 4


def test_only_the_given_ids_are_compared(vectors: Vectors, items: Items, item: Make) -> None:
    fill(items, item, 8)
    assert {id for id, _ in vectors.search("steel", 8, ids=["K-0", "K-5", "K-unknown"])} == {"K-0", "K-5"}
    assert vectors.search("steel", 8, ids=[]) == []


def test_blank_text_and_an_empty_knowledge_base_find_nothing(
    vectors: Vectors, items: Items, item: Make
) -> None:
    assert vectors.search("steel") == []
    fill(items, item, 2)
    assert vectors.search(" \n") == vectors.search("steel", 0) == []


def test_a_rebuilt_index_gives_the_same_answers(tmp_path: Path, items: Items, item: Make) -> None:
    queries = [*TOPICS, "part 77", "steel rings in water"]
    with Vectors(tmp_path / "vectors", HashingEmbedder(64), items) as vectors:
        for first in range(0, 1200, 300):
            fill(items, item, 300, first=first)
            vectors.sync()
        answers = [vectors.search(query, 20) for query in queries]
    shutil.rmtree(tmp_path / "vectors")
    with Vectors(tmp_path / "vectors", HashingEmbedder(64), items) as vectors:
        assert vectors.rebuild() == 1200
        assert [vectors.search(query, 20) for query in queries] == answers
    with Vectors(tmp_path / "vectors", HashingEmbedder(64), items) as vectors:
        assert [vectors.search(query, 20) for query in queries] == answers


def damage_database(folder: Path) -> None:
    (folder / "chroma.sqlite3").write_bytes(b"garbage" * 1000)


def damage_pages(folder: Path) -> None:
    data = bytearray((folder / "chroma.sqlite3").read_bytes())
    data[3 * 4096 : 20 * 4096] = b"\xff" * 17 * 4096
    (folder / "chroma.sqlite3").write_bytes(data)


def lose_database(folder: Path) -> None:
    (folder / "chroma.sqlite3").unlink()


def lose_graph(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def damage_graph(folder: Path) -> None:
    for path in folder.glob("*/*"):
        path.write_bytes(b"x" * 100)


def lose_everything(folder: Path) -> None:
    shutil.rmtree(folder)


def damage_state(folder: Path) -> None:
    (folder.parent / "state.json").write_text('{"folder": 3')


@pytest.mark.parametrize(
    "damage",
    [damage_database, damage_pages, lose_database, lose_graph, damage_graph, lose_everything, damage_state],
)
def test_a_damaged_index_is_rebuilt_with_a_message(
    tmp_path: Path, items: Items, item: Make, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(items, item, 1100)  # Chroma writes its graph after 1,000
    with Vectors(tmp_path / "vectors", HashingEmbedder(16), items) as vectors:
        answer = vectors.search("steel", 10)
    (folder,) = [path for path in (tmp_path / "vectors").iterdir() if path.is_dir()]
    damage(folder)
    with Vectors(tmp_path / "vectors", HashingEmbedder(16), items) as vectors:
        assert vectors.search("steel", 10) == answer
    assert "vector index" in caplog.text
    assert len([path for path in (tmp_path / "vectors").iterdir() if path.is_dir()]) == 1


def test_an_index_of_another_knowledge_base_is_rebuilt(
    tmp_path: Path, items: Items, item: Make, caplog: pytest.LogCaptureFixture
) -> None:
    fill(items, item, 5)
    with Vectors(tmp_path / "vectors", HashingEmbedder(64), items) as vectors:
        vectors.sync()
    with Items(tmp_path / "fewer.sqlite3") as fewer:
        fill(fewer, item, 3)
        with Vectors(tmp_path / "vectors", HashingEmbedder(64), fewer) as vectors:
            assert len(vectors.search("steel", 9)) == 3
    assert "it holds 5 items of 3" in caplog.text


def test_another_embedder_rebuilds_the_index(
    tmp_path: Path, items: Items, item: Make, caplog: pytest.LogCaptureFixture
) -> None:
    fill(items, item, 5)
    with Vectors(tmp_path / "vectors", HashingEmbedder(64), items) as vectors:
        vectors.sync()
    with Vectors(tmp_path / "vectors", HashingEmbedder(32), items) as vectors:
        assert len(vectors.search("steel", 9)) == 5
    assert "hashing-v1-64, not hashing-v1-32" in caplog.text


def test_what_another_process_adds_is_found(
    tmp_path: Path, vectors: Vectors, items: Items, item: Make
) -> None:
    fill(items, item, 4)
    vectors.sync()
    items.put(item("perovskites absorb light", id="K-new"))
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from novum.knowledge_base.embedders import HashingEmbedder\n"
        "from novum.knowledge_base.items import Items\n"
        "from novum.knowledge_base.vectors import Vectors\n"
        "root = Path(sys.argv[1])\n"
        "with Items(root / 'items.sqlite3') as items:\n"
        "    with Vectors(root / 'vectors', HashingEmbedder(64), items) as vectors:\n"
        "        print(vectors.sync())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "1\n"
    assert vectors.search("light in perovskites", 1)[0][0] == "K-new"
    assert vectors.count == 5


def test_a_large_index_is_searched_approximately(
    vectors: Vectors, items: Items, item: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(items, item, 60)
    exact = vectors.search("corrosion of steel, part 1", 5)
    monkeypatch.setattr(module, "EXACT_UP_TO", 10)
    assert vectors.search("corrosion of steel, part 1", 5)[0] == exact[0]
    assert [id for id, _ in vectors.search("steel", 2, ids=["K-3", "K-5"])] == ["K-5", "K-3"]
    assert vectors.search("steel", 2, ids=[]) == []


@pytest.mark.parametrize("location", ["http://localhost:8000", "https://chroma.example/db", Path("http://x")])
def test_a_network_address_is_refused_with_the_reason(items: Items, location: str | Path) -> None:
    with pytest.raises(UsageError, match="GHSA-f4j7-r4q5-qw2c"):
        Vectors(location, HashingEmbedder(), items)
