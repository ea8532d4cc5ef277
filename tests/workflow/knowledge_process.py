"""A process that works on a knowledge base until it is killed, from outside or at an instant of its own.

    python knowledge_process.py ROOT WORK [INSTANT]

It prints a line for each thing that is done durably.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from novum.core.knowledge import EvidenceRole, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base import index as indexing
from novum.knowledge_base.exchange import import_crate
from novum.knowledge_base.exchange import merge as merging
from novum.knowledge_base.writer import Writer

BATCH = 40
N_BATCHES = 10
SHARED = "K-shared"


def make(number: int, *, by: str = "a") -> KnowledgeItem:
    return KnowledgeItem(
        id=f"K-{by}{number}",
        level=Level.FACTUAL,
        domain="chemistry",
        subject=f"molecule {by}{number}",
        relation="gap",
        value=Quantity(value=4.0 + number / 1000, unit="eV", std=0.1),
        text=f"The gap of molecule {by}{number} is {4 + number / 1000:.3f} eV",
        provenance=Provenance(source="test", method="GFN2-xTB"),
    )


def ingest(kb: KnowledgeBase) -> None:
    """Record and index in turns, from where an earlier process was stopped."""
    done = kb.items.count()
    while done < BATCH * N_BATCHES:
        kb.record([make(number) for number in range(done, done + BATCH)])
        done += BATCH
        print("recorded", done, flush=True)
        kb.index.sync()
        print("indexed", done, flush=True)


def rebuild(kb: KnowledgeBase) -> None:
    for _ in range(50):
        print("rebuilt", kb.rebuild(), flush=True)


def take_in(kb: KnowledgeBase) -> None:
    print("imported", import_crate(kb, kb.root.parent / "crate").n_versions, flush=True)


def retract(kb: KnowledgeBase) -> None:
    taken = kb.retract("K-file", reason="withdrawn", progress=lambda done, _: print("fell", done, flush=True))
    print("retracted", len(taken.stale), flush=True)


def write(kb: KnowledgeBase, by: str) -> None:
    """Add items, and evidence to one that others add to as well."""
    for number in range(60):
        kb.record([make(number, by=by)])
        kb.link(f"ledger:{by}/{number}", EvidenceRole.SUPPORTS, SHARED)
        if number % 10 == 0:
            kb.search(f"molecule {by}{number}", 3)
    print("written", by, flush=True)


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def after(n: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that dies after its n-th call."""
    calls = 0

    def counted(*args: Any, **keywords: Any) -> Any:
        nonlocal calls
        result = function(*args, **keywords)
        calls += 1
        if calls == n:
            die()
        return result

    return counted


INSTANTS: dict[str, Callable[[], None]] = {
    "items are written and not committed": lambda: setattr(Writer, "_write", after(4, Writer._write)),
    "some have fallen and others have not": lambda: setattr(Writer, "rewrite", after(2, Writer.rewrite)),
    "vectors are written and the index does not know": lambda: setattr(indexing._Parts, "_writing", die),
    "a new index is begun and not named": lambda: setattr(indexing, "asdict", die),
    "an index is named and empty": lambda: setattr(indexing.Index, "_catch_up", die),
    "an index is half full": lambda: setattr(indexing._Parts, "add", after(2, indexing._Parts.add)),
    "origins are known and no item is": lambda: setattr(merging, "recording", die),
    "some items are taken in and not committed": lambda: setattr(merging, "_join", after(9, merging._join)),
}


def main() -> None:
    root, work, *instant = sys.argv[1:]
    indexing.BATCH = 64
    with KnowledgeBase(Path(root), embedder="hashing") as kb:
        for name in instant:
            INSTANTS[name]()
        match work:
            case "ingest":
                ingest(kb)
            case "rebuild":
                rebuild(kb)
            case "import":
                take_in(kb)
            case "retract":
                retract(kb)
            case by:
                write(kb, by)
    print("finished", flush=True)


if __name__ == "__main__":
    main()
