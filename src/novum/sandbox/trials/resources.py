"""Trials of limits: processes, memory, disk, processor time; and of calls that run beside each other."""

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from novum.core.calls import CallStatus
from novum.sandbox.base import Limits
from novum.sandbox.conformance import find_processes
from novum.sandbox.trials.bench import ATTACKS, Bench, Trials, expect, expect_status, processes_of

TRIALS = Trials()

SLACK_S = 1.5
"""What a call may take beyond its limit on a busy machine."""


@TRIALS.add(row=15)
def fork_bombs_stay_small(bench: Bench) -> None:
    """Forks, recursive forks and threads stop at the limit; nothing is left, and the next call can fork."""
    limits = Limits(wall_s=60, processes=16)
    for probe in ("fork_many", "start_threads"):
        result = bench.ask(probe, count=200, hold_s=15, limits=limits)
        counted = isinstance(result.value, int) and result.value < 16
        expect(
            (result.status is CallStatus.OK and counted) or result.status is CallStatus.TOO_MANY_PROCESSES,
            (probe, result),
        )
    before = set(processes_of(os.getpid()))
    bomb = bench.ask("fork_bomb", limits=Limits(wall_s=1.5, processes=16))
    expect_status(
        bomb, CallStatus.TIMEOUT, CallStatus.TOO_MANY_PROCESSES, CallStatus.ERROR, CallStatus.OUT_OF_MEMORY
    )
    after = bench.ask("fork_many", count=8, limits=limits)
    expect(after.status is CallStatus.OK and after.value == 8, after)
    expect(len(set(processes_of(os.getpid())) - before) < 12, "processes were left")


@TRIALS.add(row=16)
def memory_of_every_kind_is_held(bench: Bench) -> None:
    """Private, shared, forked, file-backed and huge memory ends as oom, not far above the limit."""
    limits = Limits(wall_s=60, memory_mb=160, scratch_mb=64)
    bombs: tuple[dict[str, Any], ...] = (
        {"megabytes": 800, "how": "private", "hold_s": 30},
        {"megabytes": 800, "how": "shared", "hold_s": 30},
        {"megabytes": 1 << 20, "how": "at-once"},
        {"megabytes": 80, "how": "private", "processes": 6, "hold_s": 30},
    )
    for bomb in bombs:
        result = bench.ask("allocate", limits=limits, **bomb)
        expect_status(result, CallStatus.OUT_OF_MEMORY)
        # a control group holds exactly; the watchdog alone is late on a machine that is busy
        expect(result.peak_memory_mb < 3 * limits.memory_mb, (bomb, result.peak_memory_mb))
    hidden = bench.ask("allocate", megabytes=800, how="memfd", hold_s=5, limits=limits)
    expect_status(hidden, CallStatus.ERROR, CallStatus.OUT_OF_MEMORY)
    calm = bench.ask("allocate", megabytes=100, how="private", limits=limits)
    expect(calm.status is CallStatus.OK and calm.peak_memory_mb >= 100, calm)


@TRIALS.add(row=17)
def the_disk_is_not_filled(bench: Bench) -> None:
    """Data, many files, a sparse file and a deep tree stop at the scratch's size; the disk keeps its room."""
    limits = Limits(wall_s=60, scratch_mb=16)
    before = shutil.disk_usage(tempfile.gettempdir()).free
    filled = bench.ask("fill_disk", megabytes=2000, where=".", hold_s=20, limits=limits)
    _expect_stopped(
        filled.status, isinstance(filled.value, dict) and filled.value["written_mb"] <= 16, filled
    )
    if bench.promises("number_of_files_limited"):
        files = bench.ask("fill_inodes", count=200_000, where=".", hold_s=20, limits=limits)
        _expect_stopped(files.status, isinstance(files.value, int) and files.value < 200_000, files)
    code = "f = open('sparse', 'wb'); f.truncate(1 << 33)"
    sparse = bench.ask("run_program", arguments=["python3", "-c", code], limits=limits)
    expect(sparse.status is not CallStatus.OK or sparse.value["code"] != 0, sparse)
    deep = bench.ask(f"{ATTACKS}:fill_deeply", depth=5000, limits=limits)
    expect_status(deep, CallStatus.OK, CallStatus.OUTPUT_LIMIT)
    expect(bench.ask("echo", value=1).value == 1, "the next call failed")
    lost = (before - shutil.disk_usage(tempfile.gettempdir()).free) / 2**20
    expect(lost < 100, f"{lost:.0f} MB of the host's disk are gone")


@TRIALS.add(row=18)
def time_is_up_when_it_is_up(bench: Bench) -> None:
    """A call that sleeps, spins deaf to every signal, or stops itself ends soon after its limit."""
    for entry, arguments in (
        ("pause", {"seconds": 60}),
        ("spin", {"deaf": True}),
        (f"{ATTACKS}:end_by", {"how": "stop"}),
    ):
        result = bench.ask(entry, limits=Limits(wall_s=0.5), **arguments)
        expect_status(result, CallStatus.TIMEOUT)
        expect(0.5 <= result.wall_s < 0.5 + SLACK_S, result.wall_s)
    burnt = bench.ask("spin", limits=Limits(wall_s=30, cpu_s=0.5))
    expect_status(burnt, CallStatus.TIMEOUT)
    expect(burnt.cpu_s < 0.5 + SLACK_S, burnt.cpu_s)


@TRIALS.add(row=19)
def detached_processes_end_with_the_call(bench: Bench) -> None:
    """A daemon that ignores signals and holds the outputs open is gone when the call returns, at once."""
    started = time.monotonic()
    result = bench.ask("daemonise")
    expect_status(result, CallStatus.OK)
    expect(time.monotonic() - started < 20, "it waited for the daemon")
    mark = f"novum-left-{os.getpid()}-{time.monotonic_ns()}"
    daemon = f"setsid sh -c 'trap \"\" TERM INT HUP; sleep 120; : {mark}'"
    said = bench.ask("subprocess:getoutput", cmd=f"{daemon} >/dev/null 2>&1 & echo started")
    expect(said.status is CallStatus.OK and said.value == "started", said)
    expect(find_processes(mark) == [], find_processes(mark))


@TRIALS.add(row=27)
def hostile_neighbours_do_not_meet(bench: Bench) -> None:
    """Two hostile calls at once neither see nor end each other, and a modest one beside them is unharmed."""
    greedy = Limits(wall_s=3, processes=12, memory_mb=256, scratch_mb=16)
    modest = Limits(wall_s=60, processes=12)
    with ThreadPoolExecutor(3) as pool:
        starving = pool.submit(bench.ask, f"{ATTACKS}:starve", limits=greedy, seconds=1.5)
        killing = pool.submit(bench.ask, f"{ATTACKS}:end_by", how="all")
        results = [bench.ask("fork_many", count=6, limits=modest) for _ in range(4)]
        starving.result()
        killing.result()
    expect(all(r.status is CallStatus.OK and r.value == 6 for r in results), results)


def _expect_stopped(status: CallStatus, kept: bool, seen: object) -> None:
    expect((status is CallStatus.OK and kept) or status is CallStatus.OUTPUT_LIMIT, seen)
