"""What a backend really enforces: probes that run inside it, judged out here.

A flag is not a limit: engines accept limits that they do not hold. So each promise is tried, with
canaries that only the host knows. Where a probe cannot be judged, the promise counts as broken.
"""

import contextlib
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError
from novum.sandbox.base import Attestation, Limits, SandboxRequest, SandboxResult
from novum.sandbox.text import clean_text

ENVIRONMENT_NAMES = frozenset(
    {
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "LC_CTYPE",
        "TZ",
        "LOGNAME",
        "PWD",
        "NOVUM_PROXY",
        "PYTHONHASHSEED",
        "PYTHONDONTWRITEBYTECODE",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    }
)
"""The only environment variables that code in a sandbox may see."""

Run = Callable[[SandboxRequest], SandboxResult]


class Attestable(Protocol):
    """A backend, as far as its attestation needs it."""

    name: str

    def run_unattested(self, request: SandboxRequest) -> SandboxResult:
        """Run one call without asking first what is enforced."""
        ...

    def mechanisms(self) -> dict[str, str]:
        """Return what enforces each promise and limit."""
        ...

    def degraded(self) -> dict[str, str]:
        """Return what is not promised: promise → reason."""
        ...

    def versions(self) -> dict[str, str]:
        """Return what the backend is made of."""
        ...


@dataclass(frozen=True, slots=True)
class HostCanaries:
    """Things of the host that no sandboxed code may reach, each with an unguessable mark."""

    mark: str
    secret: Path
    """A file that holds the mark."""
    pid: int
    """A process whose environment holds the mark."""
    port: int
    """A listening TCP port on the loopback interface."""
    abstract: str
    """A listening abstract Unix socket."""
    reached: Callable[[], int]
    """How many connections the listeners saw."""


@contextlib.contextmanager
def host_canaries() -> Iterator[HostCanaries]:
    """Put up the canaries and check that they can be seen from out here, where they should be."""
    mark = secrets.token_hex(16)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        secret = Path(directory, "secret")
        secret.write_text(mark, encoding="ascii")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{mark[:12]}")
        abstract.listen()
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", "print(flush=True); import sys; sys.stdin.read()"],
                env={"NOVUM_CANARY": mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        stack.callback(process.kill)
        if process.stdout is None or not process.stdout.readline():
            raise SandboxBrokenError("the canary process did not start")
        if mark.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes():
            raise SandboxBrokenError("the canary's environment cannot be read even from outside")

        def reached() -> int:
            count = 0
            for listener in (tcp, abstract):
                listener.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        listener.accept()[0].close()
                        count += 1
            return count

        yield HostCanaries(
            mark=mark,
            secret=secret,
            pid=process.pid,
            port=tcp.getsockname()[1],
            abstract=mark[:12],
            reached=reached,
        )


class _Findings:
    """Collects verdicts from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.checks: dict[str, bool] = {}
        self.seen: dict[str, str] = {}

    def note(self, name: str, kept: bool, seen: object) -> None:
        with self._lock:
            self.checks[name] = kept
            self.seen[name] = clean_text(str(seen), limit=500)


def attest(backend: Attestable) -> Attestation:
    """Probe a backend from inside, and return what was seen of every promise.

    A promise that the backend calls degraded is not asked for.

    Raises:
        SandboxUnavailableError: it cannot even start here.
        SandboxBrokenError: it, or a canary, failed under the probes.
    """
    findings = _Findings()
    run = backend.run_unattested
    _survey(run, findings)
    probes = (_memory, _wall_clock, _processes, _scratch, _leftovers, _output)
    with ThreadPoolExecutor(len(probes)) as pool:
        for probe in [pool.submit(probe, run, findings) for probe in probes]:
            probe.result()
    degraded = backend.degraded()
    checks = {name: kept for name, kept in sorted(findings.checks.items()) if name not in degraded}
    return Attestation(
        backend=backend.name,
        checks=checks,
        mechanisms=backend.mechanisms(),
        seen=findings.seen,
        degraded=degraded,
        versions=backend.versions(),
    )


def _ask(run: Run, entry: str, arguments: dict[str, Any], limits: Limits | None = None) -> SandboxResult:
    request = SandboxRequest(
        entry=f"novum.sandbox.inside.probes:{entry}", arguments=arguments, limits=limits or Limits(wall_s=20)
    )
    return run(request)


def _survey(run: Run, findings: _Findings) -> None:
    with host_canaries() as host:
        paths = [str(host.secret), "/etc/shadow", f"/proc/{host.pid}/environ", "/root/.ssh"]
        result = _ask(
            run,
            "survey",
            {"paths": paths, "canary": host.mark, "port": host.port, "abstract": host.abstract},
        )
        reached = host.reached()
    if result.status is not CallStatus.OK:
        findings.note("survey", False, f"{result.status}: {result.message} {result.stderr}")
        return
    seen: dict[str, Any] = result.value
    unknown = sorted(set(seen["environment"]) - ENVIRONMENT_NAMES)
    findings.note(
        "host_files_hidden",
        not seen["opened"],
        f"opened {seen['opened'] or 'none'} of {len(paths)} files of the host, a canary among them",
    )
    findings.note(
        "host_environment_hidden",
        not seen["environments"] and not unknown,
        f"{len(seen['environment'])} variables; the canary in {seen['environments'] or 'none'}; "
        f"not ours: {unknown or 'none'}",
    )
    connected = [name for name in ("loopback", "egress", "datagram", "abstract") if seen[name]]
    findings.note(
        "no_network",
        not connected and reached == 0,
        f"of loopback, egress, datagram, abstract socket succeeded: {', '.join(connected) or 'none'}; "
        f"{reached} connections arrived",
    )
    findings.note(
        "host_processes_hidden",
        not seen["other_processes"],
        f"saw {seen['other_processes'] or 'no'} other processes",
    )
    findings.note(
        "root_read_only",
        not seen["written"] and not seen["proc_writable"],
        f"wrote in {seen['written'] or 'none'} of the system's directories; "
        f"kernel settings writable: {seen['proc_writable']}",
    )
    findings.note(
        "scratch_writable", len(seen["scratch"]) >= 2, f"wrote in {', '.join(seen['scratch']) or 'none'}"
    )
    findings.note(
        "not_root",
        seen["uid"] != 0 and not seen["became_root"],
        f"user {seen['uid']}; became root: {seen['became_root']}",
    )
    findings.note(
        "no_capabilities",
        not any(seen["capabilities"].values()),
        ", ".join(f"{name} {value:x}" for name, value in seen["capabilities"].items()),
    )
    findings.note(
        "no_new_privileges", seen["no_new_privileges"] == 1, f"NoNewPrivs {seen['no_new_privileges']}"
    )
    findings.note("system_calls_filtered", seen["seccomp"] == 2, f"Seccomp {seen['seccomp']}")
    findings.note(
        "no_inherited_descriptors", seen["descriptors"] == [0, 1, 2, 3], f"open: {seen['descriptors']}"
    )


def _memory(run: Run, findings: _Findings) -> None:
    limits = Limits(wall_s=20, memory_mb=48)
    for how in ("private", "shared"):
        # it holds what it took: a busy machine must not make the watchdog look absent
        result = _ask(run, "allocate", {"megabytes": 256, "how": how, "hold_s": 15}, limits)
        findings.note(
            f"memory_limited_{how}",
            result.status is CallStatus.OUT_OF_MEMORY,
            f"{result.status.value} at {result.peak_memory_mb:.0f} MB of 48 allowed, 256 asked for",
        )


def _wall_clock(run: Run, findings: _Findings) -> None:
    result = _ask(run, "spin", {"deaf": True}, Limits(wall_s=0.2))
    findings.note(
        "wall_clock_enforced",
        result.status is CallStatus.TIMEOUT and result.wall_s < 5,
        f"{result.status.value} after {result.wall_s:.2f} s of 0.2 allowed",
    )


def _processes(run: Run, findings: _Findings) -> None:
    result = _ask(run, "fork_many", {"count": 40, "hold_s": 15}, Limits(wall_s=20, processes=8))
    if result.status is CallStatus.OK:
        kept = isinstance(result.value, int) and result.value < 8
        said = f"{result.value} forks of 40 with 8 allowed"
    else:  # a backend that cannot make a fork fail ends the call
        kept = result.status is CallStatus.TOO_MANY_PROCESSES
        said = f"{result.status.value}: {result.message}"
    findings.note("processes_limited", kept, said)


def _scratch(run: Run, findings: _Findings) -> None:
    limits = Limits(wall_s=20, scratch_mb=8)
    result = _ask(run, "fill_disk", {"megabytes": 64, "where": ".", "hold_s": 15}, limits)
    if result.status is CallStatus.OK:
        kept = result.value["written_mb"] <= 8 and result.value["stopped"] != ""
        said = f"{result.value['written_mb']:g} MB of 64 with 8 allowed, then {result.value['stopped']}"
    else:  # a backend without a file system of the right size ends the call
        kept, said = result.status is CallStatus.OUTPUT_LIMIT, f"{result.status.value}: {result.message}"
    findings.note("scratch_limited", kept, said)


def _leftovers(run: Run, findings: _Findings) -> None:
    mark = secrets.token_hex(8)
    left = _ask(run, "leave_traces", {"mark": mark})
    found = _ask(run, "find_traces", {"mark": mark})
    kept = left.status is CallStatus.OK and found.status is CallStatus.OK and found.value == []
    said = f"left in {left.value or left.message}; found {found.value or found.message or 'none'}"
    findings.note("nothing_survives", kept, said)


def _output(run: Run, findings: _Findings) -> None:
    result = _ask(run, "write_output", {"out": "x" * 4096, "repeat": 32}, Limits(wall_s=20, output_kb=16))
    kept = result.status is CallStatus.OK and result.truncated and len(result.stdout) == 16 * 1024
    findings.note("output_limited", kept, f"{len(result.stdout)} bytes of 131072 with 16384 allowed")
