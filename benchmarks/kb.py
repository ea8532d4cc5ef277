"""The knowledge base at 10³, 10⁴ and 10⁵ items, beside peers in the same run.

    python benchmarks/kb.py [--quick] [--sizes 1000 10000] [--folder DIR] [--json result.json]

Prints a table, then the same as JSON. `--quick` leaves out 10⁵. Peers get the same vectors: plain Chroma
with its own settings, and SQLite that reads every vector for every question. Times are of the wall clock;
those of the processor stand in the JSON, since they depend less on what else the machine does.
"""

import argparse
import json
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from novum.core.knowledge import Evidence, EvidenceRole, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.embedders import HashingEmbedder, is_minilm_installed

SIZES = (1_000, 10_000, 100_000)
N_QUERIES = 60
RARE = "geology"
"""The domain of two items in a hundred."""

TARGETS = {
    "ingest, items/s": (">=", 1500),
    "one durable add, ms": ("<=", 10),
    "search, ms": ("<=", 15),
    "search, 2 % filter, ms": ("<=", 15),
    "search, range filter, ms": ("<=", 15),
    "recall@10": (">=", 0.99),
    "why, ms": ("<=", 20),
    "as-of / current query": ("<=", 2),
    "as-of / current search": ("<=", 2),
    "cold search, s": ("<=", 1.5),
    "cold search, MiniLM, s": ("<=", 1.5),
}

RELATIONS = (("gap", "eV", 4), ("dipole", "debye", 2), ("logp", "1", 2), ("melting_point", "K", 400))


@dataclass
class Figures:
    """What was measured at one size."""

    values: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, steps: Sequence[Callable[[], object]]) -> list[Any]:
        """Run each step once; note median and 95th percentile in milliseconds."""
        wall, cpu, results = [], [], []
        for step in steps:
            w, c = time.perf_counter(), time.process_time()
            results.append(step())
            wall.append(1e3 * (time.perf_counter() - w))
            cpu.append(1e3 * (time.process_time() - c))
        self.values[f"{name}, ms"] = statistics.median(wall)
        self.values[f"{name}, p95 ms"] = sorted(wall)[int(0.95 * (len(wall) - 1))]
        self.cpu[f"{name}, ms"] = statistics.median(cpu)
        return results

    def rate(self, name: str, n: int, step: Callable[[], object]) -> None:
        """Note how many of `n` a step does in a second."""
        w, c = time.perf_counter(), time.process_time()
        step()
        self.values[f"{name}, items/s"] = n / (time.perf_counter() - w)
        self.cpu[f"{name}, items/s"] = n / (time.process_time() - c)


class World:
    """Sentences as a chemist might record them, with words as unevenly common as in real text."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        syllables = [a + b for a in "bcdfglmnprstv" for b in ("a", "e", "i", "o", "an", "er", "ol", "in")]
        self._words = [
            "".join(self._random.choices(syllables, k=self._random.randint(2, 4))) for _ in range(20_000)
        ]
        self._weights = list(accumulate(1 / (rank + 5) for rank in range(len(self._words))))

    def words(self, n: int) -> list[str]:
        return self._random.choices(self._words, cum_weights=self._weights, k=n)

    def fact(self, number: int) -> KnowledgeItem:
        relation, unit, typical = self._random.choice(RELATIONS)
        value = self._random.gauss(typical, typical / 4)
        name = "-".join(self.words(2))
        return KnowledgeItem(
            id=f"K-{number:016x}",
            level=Level.FACTUAL,
            domain=RARE if number % 50 == 7 else self._random.choice(("chemistry", "materials")),
            subject=f"S-{number}",
            subject_label=name,
            relation=relation,
            value=Quantity(value=value, unit=unit, std=typical / 100),
            conditions={"solvent": self._random.choice(("water", "toluene", "none"))},
            text=f"The {relation} of {name} ({number}) is {value:.3f} {unit}; {' '.join(self.words(8))}",
            evidence=(Evidence(target=f"ledger:c{number % 20}/E{number}", role=EvidenceRole.MEASURED_BY),),
            provenance=Provenance(source="benchmark", campaign=f"c{number % 20}", method=f"M{number % 9}"),
        )

    def insight(self, number: int, rests_on: Sequence[str]) -> KnowledgeItem:
        return KnowledgeItem(
            id=f"K-i{number:015x}",
            level=Level.INSIGHT,
            domain="chemistry",
            subject=f"I-{number}",
            relation="says",
            text=f"An insight about {' '.join(self.words(9))}",
            evidence=tuple(Evidence(target=id, role=EvidenceRole.DERIVED_FROM) for id in rests_on),
            provenance=Provenance(source="benchmark", campaign="c0", method="M1"),
        )

    def query(self, text: str) -> str:
        words = [word for word in text.replace(";", "").split() if word.isalpha()]
        return " ".join(self._random.sample(words, 3) + self.words(1))


def novum(folder: Path, n: int, figures: Figures) -> tuple[list[str], np.ndarray, list[str]]:
    """Measure the knowledge base; return texts, their vectors and the queries."""
    world = World()
    facts = [world.fact(number) for number in range(n)]
    texts = [fact.text for fact in facts]
    queries = [world.query(texts[i]) for i in np.linspace(0, n - 1, N_QUERIES).astype(int)]
    with KnowledgeBase(folder / "knowledge", embedder="hashing") as kb:
        middle = None

        def record() -> None:
            nonlocal middle
            for start in range(0, n, 1000):
                kb.record(facts[start : start + 1000])
                if start <= n // 2:
                    middle = kb.items.now

        figures.rate("record", n, record)
        figures.rate("index", n, kb.index.sync)
        both = figures.values["record, items/s"], figures.values["index, items/s"]
        figures.values["ingest, items/s"] = 1 / sum(1 / rate for rate in both)
        kb.search(queries[0])
        searches: list[tuple[str, dict[str, Any]]] = [
            ("search", {}),
            ("search, 2 % filter", {"domain": RARE}),
            ("search, range filter", {"relation": "gap", "at_least": Quantity(value=5.5, unit="eV")}),
            ("search, half pass", {"domain": "chemistry"}),
            ("search, as of the middle", {"as_of": middle}),
        ]
        for name, filters in searches:
            figures.time(name, [lambda q=q, f=filters: kb.search(q, 10, **f) for q in queries])
        for kind in (figures.values, figures.cpu):
            kind["as-of / current search"] = kind["search, as of the middle, ms"] / kind["search, ms"]
        vectors = HashingEmbedder().embed(texts)
        figures.values["recall@10"] = recall(kb, vectors, queries)
        time_history(kb, figures, middle)
        figures.time("one durable add", [lambda i=i: kb.record([world.fact(n + i)]) for i in range(40)])
        figures.time(
            "one add and one search",
            [lambda i=i: (kb.record([world.fact(n + 100 + i)]), kb.search(queries[i])) for i in range(20)],
        )
        time_why(kb, world, facts, figures)
    return texts, vectors, queries


def recall(kb: KnowledgeBase, vectors: np.ndarray, queries: Sequence[str]) -> float:
    """Return the share of the ten nearest texts that the index finds, against comparing all in float64."""
    found = []
    for query in queries:
        (vector,) = HashingEmbedder().embed([query])
        exact = vectors.astype(np.float64) @ vector.astype(np.float64)
        tenth = np.sort(exact)[-10]
        near = kb.index.ask(lambda reader, v=vector: reader.compare(v, 10).best(10))
        found.append(np.mean([exact[row] >= tenth - 1e-6 for row, _ in near]))
    return float(np.mean(found))


def time_history(kb: KnowledgeBase, figures: Figures, middle: datetime | None) -> None:
    asked = [{"relation": name, "campaign": f"c{i}"} for i in range(10) for name, *_ in RELATIONS]
    figures.time("query", [lambda f=f: kb.items.query(limit=50, **f) for f in asked])
    figures.time("query, as of", [lambda f=f: kb.items.query(limit=50, as_of=middle, **f) for f in asked])
    for kind in (figures.values, figures.cpu):
        kind["as-of / current query"] = kind["query, as of, ms"] / kind["query, ms"]


def time_why(kb: KnowledgeBase, world: World, facts: Sequence[KnowledgeItem], figures: Figures) -> None:
    """Insights that rest on insights that rest on facts: 111 nodes below each."""
    tops = []
    for k in range(10):
        below = []
        for j in range(10):
            ids = [facts[(97 * (k * 100 + j * 10 + i)) % len(facts)].id for i in range(10)]
            below.append(world.insight(k * 100 + j, ids))
        kb.record(below)
        top = world.insight(10_000 + k, [item.id for item in below])
        kb.record([top])
        tops.append(top.id)
    figures.time("why", [lambda id=id: kb.why(id) for id in tops])
    figures.time("impact", [lambda i=i: kb.impact(facts[97 * i % len(facts)].id) for i in range(10)])


def cold(folder: Path, query: str, embedder: str, name: str, figures: Figures) -> None:
    """Note the median seconds of ``novum kb search`` in a new process."""
    program = "from novum.cli.main import main; main()"
    command = [sys.executable, "-c", program, "kb", "search", query, "--workspace", str(folder), "--json"]
    environment = os.environ | {"NOVUM_EMBEDDER": embedder}
    wall, cpu = [], []
    for _ in range(5):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - start)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert json.loads(done.stdout), "nothing was found"
    figures.values[name] = statistics.median(wall)
    figures.cpu[name] = statistics.median(cpu)


def chroma(folder: Path, texts: list[str], vectors: np.ndarray, queries: list[str], figures: Figures) -> None:
    import chromadb
    import chromadb.config

    settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
    client = chromadb.PersistentClient(path=str(folder / "chroma"), settings=settings)
    collection = client.create_collection("items", embedding_function=None)
    metadata = [{"domain": RARE if i % 50 == 7 else "chemistry"} for i in range(len(texts))]
    names = [str(i) for i in range(len(texts))]

    def add() -> None:
        for start in range(0, len(texts), 5000):
            part = slice(start, start + 5000)
            collection.add(
                ids=names[part], embeddings=vectors[part], metadatas=metadata[part], documents=texts[part]
            )

    figures.rate("chroma: ingest", len(texts), add)
    asked = HashingEmbedder().embed(queries)
    collection.query(query_embeddings=[asked[0]], n_results=10)
    answers = figures.time(
        "chroma: search", [lambda v=v: collection.query(query_embeddings=[v], n_results=10) for v in asked]
    )
    figures.time(
        "chroma: search, 2 % filter",
        [
            lambda v=v: collection.query(query_embeddings=[v], n_results=10, where={"domain": RARE})
            for v in asked[:20]
        ],
    )
    found = []
    for vector, answer in zip(asked, answers, strict=True):
        exact = vectors @ vector
        found.append(np.mean(exact[[int(i) for i in answer["ids"][0]]] >= np.sort(exact)[-10] - 1e-6))
    figures.values["chroma: recall@10"] = float(np.mean(found))
    figures.time(
        "chroma: one add",
        [
            lambda i=i: collection.add(ids=[f"new{i}"], embeddings=[vectors[i]], metadatas=[metadata[i]])
            for i in range(20)
        ],
    )
    client.close()


def plain_sqlite(folder: Path, vectors: np.ndarray, queries: list[str], figures: Figures) -> None:
    connection = sqlite3.connect(folder / "plain.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, domain TEXT, vector BLOB)")
    connection.execute("CREATE INDEX by_domain ON items (domain)")

    def rows() -> Iterator[tuple[int, str, bytes]]:
        for i, vector in enumerate(vectors):
            yield i, RARE if i % 50 == 7 else "chemistry", vector.tobytes()

    def add() -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO items VALUES (?, ?, ?)", rows())
        connection.execute("COMMIT")

    def search(vector: np.ndarray, where: str = "") -> list[int]:
        found = connection.execute(f"SELECT id, vector FROM items {where}").fetchall()
        matrix = np.frombuffer(b"".join(row[1] for row in found), dtype=np.float32).reshape(len(found), -1)
        return [found[i][0] for i in np.argsort(-(matrix @ vector))[:10]]

    figures.rate("sqlite: ingest", len(vectors), add)
    asked = HashingEmbedder().embed(queries[:10])
    figures.time("sqlite: search", [lambda v=v: search(v) for v in asked])
    figures.time(
        "sqlite: search, 2 % filter", [lambda v=v: search(v, f"WHERE domain = '{RARE}'") for v in asked]
    )
    connection.close()


def with_minilm(folder: Path, figures: Figures) -> None:
    """Measure a search by meaning; over few items, because embedding them is what takes long."""
    world = World()
    with KnowledgeBase(folder / "knowledge", embedder="minilm") as kb:
        kb.record([world.fact(number) for number in range(500)])
        figures.rate("MiniLM: index", 500, kb.index.sync)
        figures.time(
            "MiniLM: search", [lambda: kb.search(world.query(" ".join(world.words(6)))) for _ in range(30)]
        )
    cold(folder, "the gap in water", "minilm", "cold search, MiniLM, s", figures)


def measure(n: int, root: Path | None) -> Figures:
    figures = Figures()
    with tempfile.TemporaryDirectory(dir=root) as temporary:
        folder = Path(temporary)
        texts, vectors, queries = novum(folder, n, figures)
        cold(folder, queries[3], "hashing", "cold search, s", figures)
        size = sum(path.stat().st_size for path in (folder / "knowledge").rglob("*") if path.is_file())
        figures.values["disk, MB"] = size / 1e6
        if n == min(SIZES) and is_minilm_installed():
            with_minilm(folder / "minilm", figures)
        chroma(folder, texts, vectors, queries, figures)
        plain_sqlite(folder, vectors, queries, figures)
    return figures


def show(results: dict[int, Figures]) -> None:
    """Print wall times by size, how they grow, and the processor's time at the largest size."""
    sizes = list(results)
    last = results[sizes[-1]]
    names = list(dict.fromkeys(name for figures in results.values() for name in figures.values))
    print(f"{'':33}" + "".join(f"{n:>11,}" for n in sizes) + f"{'growth':>9}{'cpu':>10}{'target':>11}")
    for name in names:
        values = [results[n].values.get(name) for n in sizes]
        known = [value for value in values if value is not None]
        growth = f"{known[-1] / known[0]:.2f}x" if len(known) > 1 and known[0] else ""
        cpu = last.cpu.get(name, results[sizes[0]].cpu.get(name))
        sign, target = TARGETS.get(name, ("", 0))
        missed = (known[-1] < target) if sign == ">=" else (known[-1] > target) if sign else False
        aim = f"{sign} {target:g}{' !' if missed else ''}" if sign else ""
        row = "".join(f"{'' if value is None else f'{value:,.3g}':>11}" for value in values)
        print(f"{name:33}{row}{growth:>9}{'' if cpu is None else f'{cpu:,.3g}':>10}{aim:>11}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="10³ and 10⁴ items only")
    parser.add_argument("--sizes", type=int, nargs="+", help="other numbers of items")
    parser.add_argument("--folder", type=Path, help="where the files are made")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    results: dict[int, Figures] = {}
    for n in arguments.sizes or (SIZES[:2] if arguments.quick else SIZES):
        results[n] = measure(n, arguments.folder)
        print(f"{n:,} items: done; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    show(results)
    import chromadb

    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    document = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "versions": versions | {"chromadb": chromadb.__version__, "numpy": np.__version__},
        "wall": {str(n): figures.values for n, figures in results.items()},
        "cpu": {str(n): figures.cpu for n, figures in results.items()},
    }
    text = json.dumps(document, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text)


if __name__ == "__main__":
    main()
