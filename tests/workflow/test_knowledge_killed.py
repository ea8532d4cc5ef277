"""A process that works on the knowledge base is killed at any instant: nothing committed is lost."""

import logging
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import knowledge_process as child
import pytest

from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.exchange import export_crate, find_origins, import_crate
from novum.knowledge_base.writer import CHUNK

HERE = Path(__file__).parent
N = child.BATCH * child.N_BATCHES


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "knowledge_process.py"), str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
    )


def run(root: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(root, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def acknowledged(out: str) -> int:
    """Return how many items a process said that it had recorded."""
    return max((int(line.split()[1]) for line in out.splitlines() if line.startswith("recorded")), default=0)


def fill(root: Path, n: int = N) -> None:
    with KnowledgeBase(root, embedder="hashing") as kb:
        kb.record([child.make(number) for number in range(n)])
        kb.index.sync()


def check(root: Path, n: int) -> None:
    """All items are there and unharmed, and every one is found."""
    with KnowledgeBase(root, embedder="hashing") as kb:
        assert kb.verify().ok
        assert kb.items.count() >= n
        assert kb.items.count() % child.BATCH == 0  # all of a batch or none
        n = kb.items.count()
        for number in (0, n // 2, n - 1):
            if number >= 0:
                (hit,) = kb.search(f"molecule a{number}", 1)
                assert hit.item.id == f"K-a{number}"
        assert kb.index.count == n
        before = [[(h.item.id, h.score) for h in kb.search(text, 9)] for text in ("gap 4.01", "molecule a7")]
        kb.rebuild()
        after = [[(h.item.id, h.score) for h in kb.search(text, 9)] for text in ("gap 4.01", "molecule a7")]
        assert before == after


def test_killed_while_items_are_written(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path / "kb", "ingest", "items are written and not committed")
    assert code == -signal.SIGKILL
    assert acknowledged(out) == 3 * child.BATCH
    check(tmp_path / "kb", 3 * child.BATCH)


@pytest.mark.parametrize(
    ("work", "instant", "message"),
    [
        ("ingest", "vectors are written and the index does not know", ""),
        ("rebuild", "vectors are written and the index does not know", ""),
        ("rebuild", "a new index is begun and not named", "what an interrupted rebuild left is cleared"),
        ("rebuild", "an index is named and empty", "a build that was interrupted after 0 of 400 versions"),
        ("rebuild", "an index is half full", "a build that was interrupted after 128 of 400 versions"),
    ],
)
def test_killed_while_the_index_is_written_and_the_next_one_mends_it(
    tmp_path: Path, work: str, instant: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    root = tmp_path / "kb"
    if work == "rebuild":
        fill(root)
    code, out, _ = run(root, work, instant)
    assert code == -signal.SIGKILL
    with KnowledgeBase(root, embedder="hashing") as kb:
        assert kb.search("molecule a7", 1)[0].item.id == "K-a7"
    assert message in caplog.text
    folders = [path for path in (root / "index").iterdir() if path.is_dir()]
    assert len(folders) == 1
    check(root, max(acknowledged(out), N if work == "rebuild" else 0))


def test_vectors_of_a_killed_writer_are_put_away_with_a_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "kb"
    fill(root, child.BATCH)
    code, *_ = run(root, "ingest", "vectors are written and the index does not know")
    assert code == -signal.SIGKILL
    check(root, child.BATCH)
    assert "was repaired: a writer that was interrupted had left" in caplog.text


@pytest.mark.parametrize(
    "instant", ["origins are known and no item is", "some items are taken in and not committed"]
)
def test_killed_while_a_crate_is_taken_in_and_taken_in_again(tmp_path: Path, instant: str) -> None:
    fill(tmp_path / "there", child.BATCH)
    with KnowledgeBase(tmp_path / "there", embedder="hashing") as there:
        export_crate(there.items, tmp_path / "crate")
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        kb.record([child.make(0), child.make(0, by="own")])
    code, out, _ = run(tmp_path / "kb", "import", instant)
    assert (code, out) == (-signal.SIGKILL, "")
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        assert set(kb.items.ids()) == {"K-a0", "K-own0"}  # what was there, and nothing half
        assert kb.verify().ok
        assert len(import_crate(kb, tmp_path / "crate").new) == child.BATCH - 1
        assert import_crate(kb, tmp_path / "crate").n_versions == 0
        assert len(kb.items.ids()) == child.BATCH + 1
        assert len(find_origins(kb, "K-a7")) == 1
        assert find_origins(kb, "K-own0") == []


def test_killed_during_a_retraction_all_that_rests_on_it_stands_and_others_wait_for_one_that_is_not(
    tmp_path: Path,
) -> None:
    n = 2 * CHUNK + 1
    file = child.make(0, by="f").model_copy(update={"id": "K-file"})
    link = Evidence(target="K-file", role=EvidenceRole.DERIVED_FROM)
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        kb.record([file, *(child.make(i).model_copy(update={"evidence": (link,)}) for i in range(n))])
        versions = kb.items.n_versions
    code, out, _ = run(tmp_path / "kb", "retract", "some have fallen and others have not")
    assert (code, out.split()[:2]) == (-signal.SIGKILL, ["fell", str(CHUNK)])
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        assert (kb.items.count(), kb.items.n_versions) == (n + 1, versions)
        assert kb.verify().ok
    process = start(tmp_path / "kb", "retract")
    assert process.stdout is not None
    assert process.stdout.readline() == f"fell {CHUNK}\n"
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        kb.record([child.make(0, by="meanwhile")])  # waits
        assert (kb.items.count(), kb.items.count(status=ItemStatus.STALE)) == (1, n)
        assert kb.items.n_versions == versions + n + 2  # one for each that fell
        assert kb.verify().ok
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("work", ["ingest", "rebuild"])
def test_ten_kills_at_any_instant_lose_nothing(tmp_path: Path, work: str) -> None:
    root = tmp_path / "kb"
    if work == "rebuild":
        fill(root)
    instants = random.Random(2026)
    done, kills = N if work == "rebuild" else 0, 0
    for _ in range(10):
        process = start(root, work)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(instants.uniform(0.0, 0.15))
        if process.poll() is None:
            process.kill()
            kills += 1
        rest, err = process.communicate(timeout=60)
        done = max(done, acknowledged("".join(lines) + rest))
        assert "Traceback" not in err
    assert kills >= 3, "the process was too quick to be killed"
    check(root, done)


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    root = tmp_path / "kb"
    with KnowledgeBase(root, embedder="hashing") as kb:
        kb.record([child.make(0, by="x").model_copy(update={"id": child.SHARED})])
    processes = [start(root, by) for by in ("one", "two")]
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert out.split()[-1] == "finished"
        assert "locked" not in err
    with KnowledgeBase(root, embedder="hashing") as kb:
        links = {link.target for link in kb.get(child.SHARED).evidence}
        assert links == {f"ledger:{by}/{i}" for by in ("one", "two") for i in range(60)}
        assert kb.items.count() == 121
        assert kb.verify().ok
        versions = [version.version for _, version in kb.history(child.SHARED)]
        assert versions == list(range(1, len(versions) + 1))
        assert kb.search("molecule two59", 1)[0].item.id == "K-two59"
        assert kb.index.count == 121
