"""Trials of beginnings and ends: what one call leaves, what a dead supervisor leaves, what piles up."""

import contextlib
import gc
import os
import secrets
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from novum.core.calls import CallStatus
from novum.core.errors import SandboxUnavailableError
from novum.sandbox.attest import attest
from novum.sandbox.base import Limits, SandboxRequest, SandboxResult
from novum.sandbox.trials.bench import ATTACKS, Bench, Trials, expect, expect_status, processes_of

TRIALS = Trials()

MANY_CALLS = 500


@TRIALS.add(row=26)
def nothing_passes_from_call_to_call(bench: Bench) -> None:
    """Files, variables, modules, sockets, processes, System V and POSIX objects end with their call."""
    mark = secrets.token_hex(8)
    left = bench.ask("leave_traces", mark=mark)
    expect(left.status is CallStatus.OK and len(left.value) >= 2, left)
    shared = bench.ask(f"{ATTACKS}:hold_open_shared", name=mark)
    expect_status(shared, CallStatus.OK)
    for _ in range(4):
        found = bench.ask("find_traces", mark=mark)
        expect(found.status is CallStatus.OK and found.value == [], found)
        expect(bench.attack("find_shared") == [], shared.value)


@TRIALS.add(row=28)
def a_killed_supervisor_leaves_nothing(bench: Bench) -> None:
    """After kill -9 of the process that owns the sandbox, its helpers and calls are gone."""
    body = (
        "print('ready', flush=True)\n"
        "sandbox.run(SandboxRequest('novum.sandbox.inside.probes:fork_many', {'count': 5}))\n"
        "sandbox.run(SandboxRequest('novum.sandbox.inside.probes:pause', {'seconds': 60}))\n"
    )
    marks = {"NOVUM_TRIAL": secrets.token_hex(8)}
    with subprocess.Popen(bench.program(body), stdout=subprocess.PIPE, env={**os.environ, **marks}) as owner:
        assert owner.stdout is not None
        expect(owner.stdout.readline() == b"ready\n", "the supervisor did not start")
        time.sleep(1.0)
        family = processes_of(owner.pid)
        owner.kill()
    with bench.fresh() as other:
        expect(other.ask("echo", value=1).value == 1, "a new supervisor cannot work")
        deadline = time.monotonic() + 20
        while _alive(family) and time.monotonic() < deadline:
            time.sleep(0.05)
        expect(_alive(family) == [], _alive(family))


@TRIALS.add(row=28)
def an_interrupt_ends_the_call(bench: Bench) -> None:
    """Ctrl-C in the middle of a call ends it at once, and the sandbox goes on working."""
    body = (
        "import os, signal, threading, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job begins without
        "threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "started = time.monotonic()\n"
        "try:\n"
        "    sandbox.run(SandboxRequest('novum.sandbox.inside.probes:pause', {'seconds': 60}))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', time.monotonic() - started < 15)\n"
        "print(sandbox.run(SandboxRequest('novum.sandbox.inside.probes:echo', {'value': 5})).value)\n"
        "sandbox.close()\n"
    )
    done = subprocess.run(bench.program(body), capture_output=True, text=True, timeout=120, check=False)
    expect(done.stdout.split() == ["interrupted", "True", "5"], done)


@TRIALS.add(row=32)
def a_backend_that_ignores_limits_is_refused(bench: Bench) -> None:
    """Limits that are accepted and not held fail the attestation: flags are not believed."""

    class Careless:
        """The backend, with every limit but the time dropped on the way, as some engines do."""

        name = bench.sandbox.name

        def run_unattested(self, request: SandboxRequest) -> SandboxResult:
            return bench.sandbox.run(replace(request, limits=Limits(wall_s=3)))

        def mechanisms(self) -> dict[str, str]:
            return {}

        def degraded(self) -> dict[str, str]:
            return {}

        def versions(self) -> dict[str, str]:
            return {}

    attestation = attest(Careless())
    expect(not attestation.passed, attestation)
    broken = {"memory_limited_private", "processes_limited", "scratch_limited"}
    expect(broken <= set(attestation.broken), attestation.broken)


@TRIALS.add(row=32)
def a_sandbox_that_fails_its_attestation_runs_nothing(bench: Bench) -> None:
    """Where a promise was not kept, a call raises; there is no quiet way on."""
    with bench.fresh() as other:
        attestation = other.sandbox.attest()
        spoilt = replace(attestation, checks={**attestation.checks, "no_network": False})
        other.sandbox._attestation = spoilt  # type: ignore[attr-defined]
        try:
            result = other.ask("echo", value=1)
        except SandboxUnavailableError as error:
            expect("no_network" in str(error), error)
            return
        raise AssertionError(f"seen: {result}")


@TRIALS.add(row=35)
def nothing_piles_up(bench: Bench) -> None:
    """Many mixed hostile calls leave no process, descriptor, mount, file or control group behind."""
    stopped, oom = {CallStatus.TOO_MANY_PROCESSES}, CallStatus.OUT_OF_MEMORY
    kinds: tuple[tuple[str, dict[str, Any], Limits, set[CallStatus]], ...] = (
        ("end", {"how": "segfault"}, Limits(wall_s=30), {CallStatus.CRASH}),
        ("end", {"how": "exit"}, Limits(wall_s=30), {CallStatus.CRASH}),
        ("echo", {"value": 1}, Limits(wall_s=30), {CallStatus.OK}),
        ("daemonise", {}, Limits(wall_s=30), {CallStatus.OK}),
        ("fork_many", {"count": 30}, Limits(wall_s=30, processes=8), stopped | {CallStatus.OK}),
        ("flood", {"megabytes": 2}, Limits(wall_s=30), {CallStatus.OK}),
        ("spin", {"deaf": True}, Limits(wall_s=0.05), {CallStatus.TIMEOUT}),
        ("allocate", {"megabytes": 1024, "how": "at-once"}, Limits(wall_s=30, memory_mb=64), {oom}),
        ("fill_inodes", {"count": 200, "where": "."}, Limits(wall_s=30), {CallStatus.OK}),
        ("leave_traces", {"mark": "pile"}, Limits(wall_s=30), {CallStatus.OK}),
    )  # fmt: skip
    for probe, arguments, limits, _ in kinds:  # so that each pool that is kept by limits is full
        bench.ask(probe, limits=limits, **arguments)
    before = _settle(bench)
    for number in range(MANY_CALLS if bench.sandbox.name != "docker" else MANY_CALLS // 10):
        probe, arguments, limits, expected = kinds[number % len(kinds)]
        result = bench.ask(probe, limits=limits, **arguments)
        expect(result.status in expected, (number, probe, result))
    after = _settle(bench)
    grown = {kind: (before[kind], count) for kind, count in after.items() if count > before[kind]}
    expect(not grown, f"before and after: {grown}")


def _settle(bench: Bench) -> dict[str, int]:
    """Count what a call could leave, once the pool is as full as it gets."""
    bench.ask("echo")
    gc.collect()
    last: dict[str, int] = {}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        now = _count()
        if now == last:
            break
        last = now
        time.sleep(0.4)
    return last


def _calls_below(group: Path, own: int) -> int:
    """Count the control groups of calls of process `own`; one may go while it is looked for."""
    return sum(
        name.startswith("call-")
        for folder, names, _ in os.walk(group)  # passes over what has gone
        if Path(folder).name.startswith(f"novum-{own}-")
        for name in names
    )


def _count() -> dict[str, int]:
    groups = [
        path for path in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))
        if path.is_dir()
    ]  # fmt: skip
    own = os.getpid()
    ours = (f"novum-*/{own}/*", f"*novum*-{own}-*")
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    places = [Path(tempfile.gettempdir()), Path("/dev/shm")]  # noqa: S108
    return {
        "processes": len(processes_of(os.getpid())),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        # others of the machine mount and write too, other sandboxes among them: only what is ours counts
        "mounts": sum(" /work " in line or f"novum-{own}" in line for line in mounts),
        "files": sum(1 for place in places for form in ours for _ in place.glob(form)),
        "groups": sum(_calls_below(path, own) for path in groups),
    }


def _alive(family: dict[int, str]) -> list[int]:
    alive = []
    for pid, start in family.items():
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            fields = text.rpartition(")")[2].split()
            if fields[0] not in "ZX" and fields[19] == start:
                alive.append(pid)
    return alive
