import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from novum.core.errors import UsageError
from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base import index as module
from novum.knowledge_base.embedders import HashingEmbedder
from novum.knowledge_base.index import Index
from novum.knowledge_base.items import Items

Make = Callable[..., KnowledgeItem]

TOPICS = ("gaps of aromatic rings", "corrosion of steel", "solubility in water", "the price of lithium")


@pytest.fixture
def items(tmp_path: Path) -> Iterator[Items]:
    with Items(tmp_path / "items.sqlite3") as items:
        yield items


@pytest.fixture
def index(tmp_path: Path, items: Items) -> Iterator[Index]:
    with open_index(tmp_path, items) as index:
        yield index


def open_index(root: Path, items: Items, dimensions: int = 64) -> Index:
    return Index(root / "index", HashingEmbedder(dimensions), items)


def fill(items: Items, item: Make, n: int, *, first: int = 0) -> None:
    items.put_many([item(f"{TOPICS[i % 4]}, part {i}", id=f"K-{i}") for i in range(first, first + n)])


def nearest(index: Index, text: str, n: int = 5) -> list[tuple[int, float]]:
    """Return positions of the versions whose texts are nearest, and similarities."""
    (vector,) = index.embedder.embed([text])

    def ask(reader: module.Reader) -> list[tuple[int, float]]:
        near = reader.compare(vector, n).best(n)
        places = {row: position for position, row in reader.positions_of([row for row, _ in near])}
        return [(places[row], similarity) for row, similarity in near]

    return index.ask(ask)


def test_asking_adds_what_is_missing(index: Index, items: Items, item: Make) -> None:
    fill(items, item, 8)
    assert index.count == 0
    assert nearest(index, "corrosion of steel, part 1", 1)[0][0] == 2
    assert index.count == 8
    items.put(item("perovskites absorb light", id="K-new"))
    assert nearest(index, "light in perovskites", 1)[0][0] == 9
    assert index.sync() == 0


def test_versions_with_the_same_words_share_a_row(index: Index, items: Items, item: Make) -> None:
    first = item("steel corrodes", id="K-1")
    items.put(first)
    items.put(first.model_copy(update={"flags": ("seen",)}))
    items.put(first.model_copy(update={"text": "steel rusts"}))
    assert index.sync() == 3
    assert index.ask(lambda reader: reader.n_rows) == 2
    assert index.ask(lambda reader: reader.positions_of([0])) == [(1, 0), (2, 0)]
    assert index.ask(lambda reader: reader.rows_of([3, 1, 2]).tolist()) == [0, 1]
    assert index.count == 1


def test_a_rebuilt_index_gives_the_same_answers(tmp_path: Path, items: Items, item: Make) -> None:
    queries = [*TOPICS, "part 77", "steel rings in water"]
    with open_index(tmp_path, items) as index:
        for first in range(0, 1200, 300):
            fill(items, item, 300, first=first)
            index.sync()
        answers = [nearest(index, query, 20) for query in queries]
    shutil.rmtree(tmp_path / "index")
    with open_index(tmp_path, items) as index:
        assert index.rebuild() == 1200
        assert [nearest(index, query, 20) for query in queries] == answers
    with open_index(tmp_path, items) as index:
        assert [nearest(index, query, 20) for query in queries] == answers


def damage_database(folder: Path) -> None:
    (folder / "index.sqlite3").write_bytes(b"garbage" * 1000)


def damage_pages(folder: Path) -> None:
    data = bytearray((folder / "index.sqlite3").read_bytes())
    data[3 * 4096 : 9 * 4096] = b"\xff" * 6 * 4096
    (folder / "index.sqlite3").write_bytes(data)


def lose_database(folder: Path) -> None:
    (folder / "index.sqlite3").unlink()


def empty_database(folder: Path) -> None:
    with sqlite3.connect(folder / "index.sqlite3") as connection:
        connection.execute("DELETE FROM meta")
    connection.close()


def lose_vectors(folder: Path) -> None:
    (folder / "vectors.f32").unlink()


def shorten_vectors(folder: Path) -> None:
    path = folder / "vectors.f32"
    path.write_bytes(path.read_bytes()[:-4])


def damage_vectors(folder: Path) -> None:
    path = folder / "vectors.f32"
    path.write_bytes(path.read_bytes()[:-64] + bytes(64))


def lose_everything(folder: Path) -> None:
    shutil.rmtree(folder)


def damage_state(folder: Path) -> None:
    (folder.parent / "state.json").write_text('{"generation": 3')


@pytest.mark.parametrize(
    "damage",
    [
        damage_database,
        damage_pages,
        lose_database,
        empty_database,
        lose_vectors,
        shorten_vectors,
        damage_vectors,
        lose_everything,
        damage_state,
    ],
)
def test_a_damaged_index_is_rebuilt_with_a_message(
    tmp_path: Path, items: Items, item: Make, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(items, item, 300)
    with open_index(tmp_path, items) as index:
        answer = nearest(index, "steel", 10)
    (folder,) = [path for path in (tmp_path / "index").iterdir() if path.is_dir()]
    damage(folder)
    with open_index(tmp_path, items) as index:
        assert nearest(index, "steel", 10) == answer
    assert "is rebuilt" in caplog.text
    assert len([path for path in (tmp_path / "index").iterdir() if path.is_dir()]) == 1


def test_an_index_of_other_items_is_rebuilt(
    tmp_path: Path, items: Items, item: Make, caplog: pytest.LogCaptureFixture
) -> None:
    fill(items, item, 5)
    with open_index(tmp_path, items) as index:
        index.sync()
    with Items(tmp_path / "others.sqlite3") as others:
        fill(others, item, 5, first=3)
        with open_index(tmp_path, others) as index:
            assert index.sync() == 5
    assert "it is of other items" in caplog.text


def test_the_name_and_hash_of_the_embedder_lie_with_the_index_and_another_rebuilds_it(
    tmp_path: Path, items: Items, item: Make, caplog: pytest.LogCaptureFixture
) -> None:
    fill(items, item, 5)
    with open_index(tmp_path, items) as index:
        index.sync()
    state = json.loads((tmp_path / "index" / "state.json").read_text())
    assert (state["embedder"], state["fingerprint"]) == ("hashing", "hashing-v1-64")
    with open_index(tmp_path, items, 32) as index:
        assert len(nearest(index, "steel", 9)) == 5
    assert "hashing-v1-64, not hashing-v1-32" in caplog.text
    assert "hashing-v1-32" in (tmp_path / "index" / "state.json").read_text()


def test_what_another_process_adds_is_found(tmp_path: Path, index: Index, items: Items, item: Make) -> None:
    fill(items, item, 4)
    index.sync()
    items.put(item("perovskites absorb light", id="K-new"))
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from novum.knowledge_base.embedders import HashingEmbedder\n"
        "from novum.knowledge_base.index import Index\n"
        "from novum.knowledge_base.items import Items\n"
        "root = Path(sys.argv[1])\n"
        "with Items(root / 'items.sqlite3') as items:\n"
        "    with Index(root / 'index', HashingEmbedder(64), items) as index:\n"
        "        print(index.sync())\n"
        "        if len(sys.argv) > 2: index.rebuild()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "1\n"
    assert nearest(index, "light in perovskites", 1)[0][0] == 5
    # Also when the other process built everything anew under the eyes of this one.
    subprocess.run([*command, "rebuild"], capture_output=True, check=True, timeout=60)
    items.put(item("zeolites sieve molecules", id="K-newer"))
    assert nearest(index, "zeolites", 1)[0][0] == 6
    assert index.count == 6


def test_a_large_index_asks_the_graph_and_the_rows_behind_it(
    index: Index, items: Items, item: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill(items, item, 300)
    exact = {query: nearest(index, query, 3) for query in TOPICS}
    monkeypatch.setattr(module, "GRAPH_FROM", 100)
    monkeypatch.setattr(module, "GRAPH_LAG", 20)
    monkeypatch.setattr(module, "ASKED", 20)
    assert {query: nearest(index, query, 3) for query in TOPICS} == exact
    assert "a graph is built" in caplog.text
    items.put(item("perovskites absorb light", id="K-new"))  # not in the graph yet
    assert nearest(index, "light in perovskites", 1)[0][0] == 301
    fill(items, item, 50, first=300)
    assert nearest(index, f"{TOPICS[0]}, part 348", 1)[0][0] == 350


def test_a_damaged_graph_is_built_anew_and_the_vectors_stay(
    tmp_path: Path,
    items: Items,
    item: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "GRAPH_FROM", 100)
    monkeypatch.setattr(module, "GRAPH_LAG", 20)
    monkeypatch.setattr(module, "ASKED", 20)
    fill(items, item, 300)
    with open_index(tmp_path, items) as index:
        answer = nearest(index, TOPICS[1], 3)
    (folder,) = [path for path in (tmp_path / "index").iterdir() if path.is_dir()]
    (graph,) = folder.glob("graph-*")
    (graph / "chroma.sqlite3").write_bytes(b"garbage" * 1000)
    with open_index(tmp_path, items) as index:
        assert nearest(index, TOPICS[1], 3) == answer
    assert "its graph is built anew" in caplog.text
    assert folder.is_dir()


@pytest.mark.parametrize("location", ["http://localhost:8000", "https://chroma.example/db", Path("http://x")])
def test_a_network_address_is_refused_with_the_reason(items: Items, location: str | Path) -> None:
    with pytest.raises(UsageError, match="GHSA-f4j7-r4q5-qw2c"):
        Index(location, HashingEmbedder(), items)


def test_words_are_found_whatever_their_ending_and_rare_ones_first(
    index: Index, items: Items, item: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    items.put_many([item(f"the ring has a gap, says {i}", id=f"K-{i}") for i in range(30)])
    items.put_many([item("the rings of zeolites", id="K-z"), item("zeolite", id="K-y")])

    def worded(text: str) -> set[int]:
        return {row for row, _ in index.ask(lambda reader: reader.worded(text, 99))}

    assert worded("zeolites") == {30, 31}
    assert worded("ring") == set(range(31))
    assert worded('"NOT zeolite* OR') == {30, 31}
    assert worded("?!") == worded("absent") == set()
    monkeypatch.setattr(module, "COMMON", 5)
    assert worded("rings zeolite") == {30, 31}  # the rare word decides
    assert worded("ring says") == set(range(30))  # both are frequent: both must match
    assert worded("ring says 7") == {7}


def test_an_index_that_another_process_began_meanwhile_is_not_begun_again(
    tmp_path: Path, items: Items, item: Make
) -> None:
    fill(items, item, 5)
    with open_index(tmp_path, items) as one, open_index(tmp_path, items) as other:
        assert not one._is_there()  # it looked, and there was none
        other.sync()
        state = (tmp_path / "index" / "state.json").read_text()
        assert one._rebuild() == 0
        assert (tmp_path / "index" / "state.json").read_text() == state
        assert one.count == other.count == 5
        assert one.rebuild() == 5  # asked for: it is begun again
        assert (tmp_path / "index" / "state.json").read_text() != state
        assert other.count == 5
