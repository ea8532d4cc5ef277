"""A campaign that is killed at any instant goes on: nothing lost, nothing run twice, the same end."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from novum.core.events import ExperimentFinished
from novum.core.record import CampaignRecord
from novum.memory.ledger import Ledger

HERE = Path(__file__).parent
KILLS = 10
WORKERS = 2


def start(root: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(HERE / "campaign_process.py"), str(root)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE,
    )


def finish(root: Path) -> None:
    process = start(root)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.split()[-1] == "finished"


@pytest.mark.slow
def test_ten_kills_lose_nothing_repeat_nothing_and_change_nothing(tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    finish(whole)
    instants = random.Random(2026)
    kills = 0
    while kills < KILLS:
        process = start(torn)
        line = process.stdout.readline()
        assert line == "running\n"
        time.sleep(instants.uniform(0.0, 0.25))
        if process.poll() is not None:  # it ended before the kill; the rest of the kills find it done
            break
        process.kill()
        process.wait()
        process.stdout.close()
        kills += 1
    finish(torn)
    assert kills >= KILLS // 2, "the campaign was too quick to be killed"

    with Ledger(whole / "ledger.sqlite3") as a, Ledger(torn / "ledger.sqlite3") as b:
        assert b.verify("killed").ok
        assert a.decision_digest("killed") == b.decision_digest("killed")
        events = list(b.events("killed"))
        assert (
            CampaignRecord.from_events(a.events("killed")).claims == CampaignRecord.from_events(events).claims
        )
        finished = Counter(e.experiment for e in events if isinstance(e, ExperimentFinished))
        assert set(finished.values()) == {1}

    runs = [Counter((r / "executions.log").read_text().splitlines()) for r in (whole, torn)]
    assert set(runs[0]) == set(runs[1]), "a result was lost, or an experiment was invented"
    repeated = sum((runs[1] - runs[0]).values())
    # Only what was in flight at a kill, with its result not yet written, may have run again.
    assert repeated <= kills * WORKERS * 2
    print(f"{kills} kills, {repeated} calls in flight repeated of {sum(runs[0].values())}")
