"""What the ledger promises of processes that die or that write at once."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from novum.core.errors import UsageError
from novum.memory.ledger import Ledger

WRITER = """
import sys
from novum.core.events import Interrupted
from novum.memory.ledger import Ledger

path, campaign, first, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with Ledger(path) as ledger, ledger.lock(campaign):
    print("ready", flush=True)
    for i in range(first, first + n):
        ledger.append(campaign, Interrupted(ordinal=i, reason="x" * (i % 500)))
        print(i, flush=True)
"""


def start_writer(path: Path, campaign: str, first: int, n: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(path), campaign, str(first), str(n)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_no_acknowledged_record_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    path, generator, first = tmp_path / "ledger.sqlite3", random.Random(7), 0
    for _ in range(6):
        writer = start_writer(path, "a", first, 100_000)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.0, 0.15))
        writer.send_signal(signal.SIGKILL)
        acknowledged = [int(line) for line in writer.communicate()[0].split("\n")[:-1]]
        with Ledger(path) as ledger:
            recorded = [event.ordinal for event in ledger.events("a")]
            assert recorded == list(range(len(recorded)))
            assert len(recorded) >= first + len(acknowledged)
            if recorded:
                assert ledger.verify("a").ok
        first = len(recorded)
    assert first > 0


def test_processes_that_write_different_campaigns_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    writers = [start_writer(path, name, 0, 150) for name in "abc"]
    assert [writer.communicate(timeout=120)[0].count("\n") for writer in writers] == [151] * 3
    assert [writer.returncode for writer in writers] == [0] * 3
    with Ledger(path) as ledger:
        for name in "abc":
            found = ledger.verify(name)
            assert (found.ok, found.n_records) == (True, 150)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    writer = start_writer(path, "a", 0, 100_000)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    with Ledger(path) as ledger:
        with pytest.raises(UsageError, match=f"process {writer.pid}"), ledger.lock("a"):
            pass
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        with ledger.lock("a"):
            pass
