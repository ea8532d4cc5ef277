"""Hostile cases beyond the conformance checks: what needs a hand on the host's side too.

Each is a function of a sandbox that raises AssertionError; run as a program, this file runs them
all, and the conformance checks, and prints one JSON line per case.
"""

import contextlib
import gc
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError
from novum.sandbox import Limits, NamespaceSandbox, Profile, SandboxRequest, SandboxResult
from novum.sandbox.conformance import CHECKS

BACKEND = NamespaceSandbox


def ask(sandbox, probe, *, limits=None, profile=None, **arguments) -> SandboxResult:
    entry = probe if ":" in probe else f"novum.sandbox.probes:{probe}"
    return sandbox.run(
        SandboxRequest(
            entry=entry, arguments=arguments, limits=limits or Limits(wall_s=60), profile=profile or Profile()
        )
    )


def processes_of(parent: int) -> set[int]:
    """All living descendants of `parent`, by the host's own table."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] not in "ZX":
                parents[int(stat.parent.name)] = int(fields[1])
    found, layer = set(), {parent}
    while layer:
        layer = {pid for pid, above in parents.items() if above in layer}
        found |= layer
    return found


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def secrets_in_our_memory_stay_ours(sandbox):
    """Row 4: what the agent holds in memory is not in the sandbox's."""
    pieces = [secrets.token_hex(8) for _ in range(3)]
    held = "".join(pieces)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE):
        result = ask(sandbox, "search_memory", pieces=pieces)
    assert result.status is CallStatus.OK, result
    assert result.value == 0, f"{len(held)} characters of a secret found {result.value} times"


def searching_memory_finds_what_is_there():
    """Positive control of row 4: in our own process the same probe finds the same secret."""
    from novum.sandbox.probes import search_memory

    pieces = [secrets.token_hex(8) for _ in range(3)]
    held = "".join(pieces).encode()
    assert search_memory(pieces) >= 1, held


def inherited_descriptors_are_closed(sandbox):
    """Row 5: an inheritable descriptor of ours on a secret does not reach a call."""
    mark = secrets.token_hex(16)
    with tempfile.TemporaryFile() as file:
        file.write(mark.encode())
        file.flush()
        os.set_inheritable(file.fileno(), True)
        with BACKEND() as fresh:
            result = ask(fresh, "read_descriptors", canary=mark)
            assert result.status is CallStatus.OK, result
            assert result.value == []
        program = "import sys; from novum.sandbox.probes import read_descriptors as r; print(r(sys.argv[1]))"
        control = subprocess.run(
            [sys.executable, "-c", program, mark],
            capture_output=True, text=True, close_fds=False, check=True,
        )  # fmt: skip
        assert str(file.fileno()) in control.stdout, "the probe cannot see a descriptor that is there"


def host_unix_sockets_are_out_of_reach(sandbox):
    """Row 9: neither a path nor an abstract socket of the host can be connected."""
    name = secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/listener"
        listener.bind(path)
        listener.listen()
        program = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
        result = ask(sandbox, "run_program", arguments=["python3", "-c", program])
        assert result.status is CallStatus.OK, result
        assert result.value["code"] != 0, name
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            listener.accept()
            raise AssertionError("a call reached a socket of the host")
        subprocess.run([sys.executable, "-c", program], check=True)
        listener.accept()[0].close()


def setuid_programs_give_nothing(sandbox):
    """Row 10: starting a set-user-id program changes nobody."""
    result = ask(sandbox, "run_program", arguments=["/usr/bin/id", "-u"])
    assert result.value["out"].strip() not in ("", "0"), result
    result = ask(sandbox, "run_program", arguments=["/bin/su", "-c", "id"])
    assert "uid=0" not in result.value["out"], result


def dangerous_system_calls_are_refused(sandbox):
    """Row 11: namespaces, mounts, modules, keys, io_uring and the like answer an error."""
    from novum.sandbox import seccomp

    machine = os.uname().machine
    for name, (number, error) in seccomp.refused(machine, seccomp.Policy(sockets="private")).items():
        result = ask(sandbox, "call_kernel", number=number, arguments=[0] * 6)
        assert result.value == error, (name, result)
    for number in (467, 500, 1023):
        assert ask(sandbox, "call_kernel", number=number, arguments=[0] * 6).value == 38, number
    clone, prctl, ioctl, make_socket = (220, 167, 29, 198) if machine == "aarch64" else (56, 157, 16, 41)
    assert ask(sandbox, "call_kernel", number=clone, arguments=[0x10000000 | 17, 0, 0, 0, 0]).value == 1
    assert ask(sandbox, "call_kernel", number=prctl, arguments=[4, 0, 0, 0, 0]).value == 1
    for high in (0, 1 << 32):
        assert ask(sandbox, "call_kernel", number=ioctl, arguments=[0, 0x5412 | high, 0]).value == 1
    for family in (16, 17, 38, 40):
        assert ask(sandbox, "call_kernel", number=make_socket, arguments=[family, 3, 0]).value == 97, family


def a_foreign_abi_is_killed(sandbox):
    """Row 12: 32-bit and x32 system calls end the process."""
    if os.uname().machine != "x86_64":
        return
    result = ask(sandbox, "end", how="forbidden-abi")
    assert (result.status, result.signal) == (CallStatus.CRASH, signal.SIGSYS), result
    result = ask(sandbox, "call_kernel", number=0x40000000 + 39, arguments=[])
    assert (result.status, result.signal) == (CallStatus.CRASH, signal.SIGSYS), result


def kernel_files_are_masked(sandbox):
    """Row 14: the kernel's own files are absent or empty; there is no /sys and no disk device."""
    names = ["/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/kmsg", "/proc/config.gz", "/proc/cmdline"]
    names += [
        "/proc/timer_list",
        "/proc/modules",
        "/sys/class/net",
        "/dev/kvm",
        "/dev/vda",
        "/dev/mem",
        "/dev/tty",
    ]
    program = (
        "import sys\nfor name in sys.argv[1:]:\n"
        " try: data = open(name, 'rb').read(64)\n except OSError: continue\n if data: print(name)"
    )
    result = ask(sandbox, "run_program", arguments=["python3", "-c", program, *names])
    assert result.value["code"] == 0, result
    assert result.value["out"] == "", result


def a_gigabyte_of_output_does_not_grow_us(sandbox):
    """Row 20: endless output is cut, and our own memory stays flat."""
    gc.collect()
    before = resident_mb()
    result = ask(sandbox, "flood", megabytes=1024)
    grown = resident_mb() - before
    assert result.status is CallStatus.OK, result.status
    assert result.truncated, result.status
    assert len(result.stdout) == 64 * 1024
    assert grown < 30, f"grew by {grown:.0f} MB"


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def the_host_disk_is_not_used(sandbox):
    """Row 17: filling the scratch takes nothing from the host's file systems."""
    before = os.statvfs(tempfile.gettempdir())
    ask(sandbox, "fill_disk", megabytes=100, where="/tmp", limits=Limits(wall_s=60, scratch_mb=64))
    after = os.statvfs(tempfile.gettempdir())
    assert abs(before.f_bavail - after.f_bavail) * before.f_frsize < 50 * 2**20


def sparse_files_cannot_pass_the_limit(sandbox):
    """Row 17: a sparse file above the limit cannot be made."""
    program = "f = open('/work/sparse', 'wb'); f.truncate(1 << 30)"
    result = ask(
        sandbox, "run_program", arguments=["python3", "-c", program], limits=Limits(wall_s=60, scratch_mb=16)
    )
    assert result.value["code"] != 0, result


def nothing_grows_over_many_calls(sandbox):
    """Rule (v): descriptors and processes are the same after a mixed lot of hostile calls."""

    def settle():
        ask(sandbox, "echo")
        deadline = time.monotonic() + 5
        seen = -1
        while time.monotonic() < deadline:
            now = len(processes_of(os.getpid()))
            if now == seen:
                break
            seen = now
            time.sleep(0.1)
        return open_descriptors(), seen

    before = settle()
    for how in ("segfault", "exit", "sys-exit"):
        for _ in range(5):
            ask(sandbox, "end", how=how)
    for _ in range(3):
        ask(sandbox, "fork_bomb", limits=Limits(wall_s=0.3, processes=16))
        ask(sandbox, "spin", limits=Limits(wall_s=0.1))
        ask(sandbox, "daemonise")
    after = settle()
    assert abs(after[0] - before[0]) <= 8, (before, after)
    assert abs(after[1] - before[1]) <= 1, (before, after)


def a_dead_zygote_is_reported_once_and_replaced(sandbox):
    """Row 28, inside: the zygote's death is our infrastructure's error, and the next call works."""
    with BACKEND() as fresh:
        for outer in (False, True):
            assert ask(fresh, "echo", value=1).value == 1
            failures = []

            def run_long(failures=failures):
                try:
                    ask(fresh, "pause", seconds=30)
                except SandboxBrokenError as error:
                    failures.append(error)

            thread = threading.Thread(target=run_long)
            thread.start()
            time.sleep(0.5)
            guard = fresh._lines[Profile()].zygote._process.pid
            (zygote,) = Path(f"/proc/{guard}/task/{guard}/children").read_text().split()
            os.kill(guard if outer else int(zygote), signal.SIGKILL)
            thread.join(20)
            assert not thread.is_alive()
            assert len(failures) == 1
            assert ask(fresh, "echo", value=2).value == 2


def an_interrupt_ends_the_call(sandbox):
    """Ctrl-C in the middle of a call ends it, and the sandbox goes on working."""
    ask(sandbox, "echo")
    program = (
        "import os, signal, threading, time\n"
        "from novum.sandbox import NamespaceSandbox, SandboxRequest\n"
        "sandbox = NamespaceSandbox()\n"
        "sandbox.attest()\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "started = time.monotonic()\n"
        "try:\n"
        "    sandbox.run(SandboxRequest('novum.sandbox.probes:pause', {'seconds': 60}))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', time.monotonic() - started < 10)\n"
        "print(sandbox.run(SandboxRequest('novum.sandbox.probes:echo', {'value': 5})).value)\n"
        "sandbox.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["interrupted", "True", "5"], done


def a_killed_supervisor_leaves_no_process(sandbox):
    """Row 28: after kill -9 of the process that owns the sandbox, its zygotes and calls are gone."""
    program = (
        "import threading\n"
        "from novum.sandbox import NamespaceSandbox, SandboxRequest\n"
        "sandbox = NamespaceSandbox()\n"
        "sandbox.attest()\n"
        "print('ready', flush=True)\n"
        "sandbox.run(SandboxRequest('novum.sandbox.probes:fork_many', {'count': 5}))\n"
        "sandbox.run(SandboxRequest('novum.sandbox.probes:pause', {'seconds': 60}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"ready\n"
        time.sleep(0.7)
        family = processes_of(owner.pid)
        assert len(family) >= 3, "there is nothing to leave behind"
        starts = {pid: start_of(pid) for pid in family}
        owner.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(start_of(pid) == start for pid, start in starts.items()):
        time.sleep(0.05)
    assert not [pid for pid, start in starts.items() if start_of(pid) == start]


def start_of(pid: int) -> str | None:
    """The start time of a living process: tells it from a later one with its number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def a_detached_thread_of_ours_may_end(sandbox):
    """A zygote outlives the thread that started it: PDEATHSIG would follow threads."""
    with BACKEND() as fresh:
        thread = threading.Thread(target=lambda: ask(fresh, "echo"))
        thread.start()
        thread.join()
        time.sleep(0.1)
        assert ask(fresh, "echo", value=3).value == 3


def readable_paths_are_seen_and_read_only(sandbox):
    """A profile's readable directory is there, importable, read-only, and its neighbours are not."""
    mark = secrets.token_hex(6)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        shown, hidden = Path(directory, "shown"), Path(directory, "hidden")
        shown.mkdir()
        hidden.write_text("hidden")
        (shown / f"module_{mark}.py").write_text("def answer():\n    return __file__\n")
        profile = Profile(name="with path", readable=(str(shown),))
        result = ask(sandbox, f"module_{mark}:answer", profile=profile)
        assert result.value == str(shown / f"module_{mark}.py"), result
        result = ask(sandbox, "survey", profile=profile, paths=[str(hidden)], canary=mark, port=9)
        assert result.value["opened"] == [], result
        assert len(result.value["scratch"]) == 3, result
        result = ask(sandbox, "run_program", profile=profile, arguments=["touch", str(shown / "new")])
        assert result.value["code"] != 0, result
        assert not (shown / "new").exists(), result


def programs_that_a_call_starts_count_too(sandbox):
    """Row 16: the memory of a started program is held to the call's limit."""
    program = "held = []\nwhile True: held.append(bytearray(1 << 20))"
    result = ask(
        sandbox, "run_program", arguments=["python3", "-c", program], limits=Limits(wall_s=30, memory_mb=96)
    )
    # either the watchdog ends the call, or the program meets its own RLIMIT_DATA first
    assert result.status is CallStatus.OUT_OF_MEMORY or "MemoryError" in result.value["err"], result


def modules_with_threads_are_imported_by_the_call(sandbox):
    """A module that starts a thread at import cannot be preloaded; its calls work all the same."""
    mark = secrets.token_hex(6)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        Path(directory, f"threaded_{mark}.py").write_text(
            "import threading\nthread = threading.Thread(target=threading.Event().wait, daemon=True)\n"
            "thread.start()\ndef alive():\n    return thread.is_alive()\n"
        )
        profile = Profile(name="threaded", modules=(f"threaded_{mark}",), readable=(directory,))
        assert ask(sandbox, f"threaded_{mark}:alive", profile=profile).value is True


def a_backend_that_ignores_limits_is_refused(sandbox):
    """Row 32: accepted limits that are not held fail the attestation, and nothing runs."""

    class Careless(BACKEND):
        def run_unattested(self, request):
            return super().run_unattested(replace(request, limits=Limits(wall_s=3)))

    with Careless() as careless:
        attestation = careless.attest()
        assert not attestation.passed
        assert {"memory_limited_private", "processes_limited", "scratch_limited"} <= {
            name for name, kept in attestation.checks.items() if not kept
        }
        with pytest.raises(SandboxUnavailableError, match="memory_limited_private"):
            ask(careless, "echo")


def libraries_give_the_same_numbers_inside(sandbox):
    """Row 31: rdkit and numpy inside agree with outside."""
    from rdkit.Chem import Descriptors, MolFromSmiles  # type: ignore[attr-defined]

    profile = Profile(name="chemistry", modules=("rdkit.Chem", "rdkit.Chem.Descriptors", "numpy"))
    result = ask(sandbox, "rdkit.Chem:CanonSmiles", profile=profile, smi="OCC")
    assert result.value == "CCO", result
    result = ask(sandbox, "run_program", profile=profile, arguments=[
        sys.executable, "-c",
        "from rdkit.Chem import Descriptors, MolFromSmiles\n"
        "print(repr(Descriptors.MolWt(MolFromSmiles('c1ccccc1O'))))",
    ])  # fmt: skip
    assert result.value["out"].strip() == repr(Descriptors.MolWt(MolFromSmiles("c1ccccc1O"))), result


CASES = (
    secrets_in_our_memory_stay_ours,
    inherited_descriptors_are_closed,
    host_unix_sockets_are_out_of_reach,
    setuid_programs_give_nothing,
    dangerous_system_calls_are_refused,
    a_foreign_abi_is_killed,
    kernel_files_are_masked,
    a_gigabyte_of_output_does_not_grow_us,
    the_host_disk_is_not_used,
    sparse_files_cannot_pass_the_limit,
    nothing_grows_over_many_calls,
    a_dead_zygote_is_reported_once_and_replaced,
    an_interrupt_ends_the_call,
    a_killed_supervisor_leaves_no_process,
    a_detached_thread_of_ours_may_end,
    readable_paths_are_seen_and_read_only,
    programs_that_a_call_starts_count_too,
    modules_with_threads_are_imported_by_the_call,
    a_backend_that_ignores_limits_is_refused,
    libraries_give_the_same_numbers_inside,
)


def main() -> None:
    with BACKEND() as sandbox:
        for case in (*CHECKS, *CASES):
            started = time.monotonic()
            try:
                case(sandbox)
                problem = ""
            except Exception:
                problem = traceback.format_exc()
            line = {
                "case": case.__name__,
                "problem": problem,
                "uid": os.getuid(),
                "s": time.monotonic() - started,
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
