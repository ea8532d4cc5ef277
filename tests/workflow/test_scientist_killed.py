"""A campaign that a model plans, killed with -9 at any instant, asks nothing again that was answered."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from novum.core.events import Exchanged
from novum.memory.ledger import Ledger

HERE = Path(__file__).parent
KILLS = 8


def start(root: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(HERE / "scientist_process.py"), str(root)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE,
    )


def finish(root: Path) -> None:
    process = start(root)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.split()[-1] == "finished"


def questions(root: Path) -> Counter:
    file = root / "questions.log"
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


def answered(root: Path) -> Counter:
    if not (root / "ledger.sqlite3").exists():
        return Counter()
    with Ledger(root / "ledger.sqlite3") as ledger:
        exchanges = [e.exchange for e in ledger.events("killed") if isinstance(e, Exchanged)]
    return Counter(f"{x.step} {x.request_digest}" for x in exchanges)


@pytest.mark.slow
def test_kills_make_no_step_ask_again_what_was_answered(tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    finish(whole)
    instants = random.Random(2026)
    kills = 0
    while kills < KILLS:
        known, asked = answered(torn), questions(torn)
        process = start(torn)
        assert process.stdout.readline() == "running\n"
        time.sleep(instants.uniform(0.0, 0.4))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        process.stdout.close()
        kills += 1
        again = questions(torn) - asked
        assert not again & known, "a step asked again what the ledger had the answer to"
    finish(torn)
    assert kills >= KILLS // 2, "the campaign was too quick to be killed"
    with Ledger(whole / "ledger.sqlite3") as a, Ledger(torn / "ledger.sqlite3") as b:
        assert b.verify("killed").ok
        assert a.decision_digest("killed") == b.decision_digest("killed")
    assert set(questions(whole)) == set(questions(torn))
    assert set(questions(whole).values()) == {1}
    # Only the question in flight at a kill, whose answer nobody has, is asked once more.
    assert sum((questions(torn) - questions(whole)).values()) <= kills
    assert answered(torn) == answered(whole) == questions(whole)
