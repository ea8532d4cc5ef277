"""Our side of a zygote: starting it, and supervising single calls by what the kernel says."""

import contextlib
import json
import math
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError
from novum.sandbox.base import Limits, Profile, SandboxRequest

START_TIMEOUT_S: Final = 180.0
"""For a zygote to import its modules; the slowest sets take seconds."""
_SPAWN_TIMEOUT_S: Final = 60.0
_KILL_TIMEOUT_S: Final = 30.0
_WATCH_S: Final = 0.02
_WATCH_CLOSELY_S: Final = 0.004
_MEGABYTE: Final = 1 << 20
_CHUNK: Final = 1 << 16

ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/work",
    "TMPDIR": "/tmp",  # noqa: S108  (inside, it is private to one call)
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "LOGNAME": "sandbox",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    # a zygote may have only one thread: a fork keeps no other
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""The whole environment inside."""

_BOOTSTRAP: Final = (
    "import sys; fd = int(sys.argv[1]); sys.path[:0] = sys.argv[2:]; "
    "from novum.sandbox.namespace.zygote import main; main(fd)"
)


class ChildLostError(Exception):
    """A child that was prepared for a call is not usable; another one may be."""


@dataclass(slots=True)
class Child:
    """One prepared, isolated, single-use process, seen from outside."""

    job: socket.socket
    report: socket.socket
    result: int
    stdout: int
    stderr: int
    scratch_mb: int
    origin: "Zygote"
    pidfd: int = -1
    proc: int = -1
    """Directory descriptor of the /proc of the child's own process namespace."""

    def await_ready(self) -> None:
        """Wait until the child is isolated.

        Raises:
            ChildLostError: it failed on the way; the message says where.
        """
        try:
            self.report.settimeout(_SPAWN_TIMEOUT_S)
            message, fds, _, _ = socket.recv_fds(self.report, 4096, 1)
            if not message:
                raise SandboxBrokenError("the sandbox's zygote has died; the next call starts another one")
            if not fds:
                raise ChildLostError(f"no process for a call: {message.decode()}")
            self.pidfd = fds[0]
            self.job.settimeout(_SPAWN_TIMEOUT_S)
            message, fds, _, _ = socket.recv_fds(self.job, 4096, 1)
            if message[:1] != b"R" or not fds:
                raise ChildLostError(f"a call could not be isolated: {message[1:].decode(errors='replace')}")
            self.proc = fds[0]
        except OSError as error:
            raise ChildLostError(f"a child did not get ready: {error}") from error

    def send(self, request: SandboxRequest, arguments: str) -> None:
        """Hand over the one job.

        Raises:
            ChildLostError: the child is gone.
        """
        limits = {
            name: getattr(request.limits, name)
            for name in ("cpu_s", "memory_mb", "processes", "scratch_mb", "result_kb")
        }
        head = json.dumps({"entry": request.entry, "seed": request.seed, "limits": limits})
        body = f'{head[:-1]}, "arguments": {arguments}}}'.encode()
        try:
            self.job.sendall(struct.pack("<Q", len(body)) + body)
        except OSError as error:
            raise ChildLostError(f"a child died while it waited: {error}") from error

    def kill(self) -> None:
        """Kill the whole process namespace of the call; does not wait."""
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Let go of every descriptor; a child that still waits for its job ends."""
        self.job.close()
        self.report.close()
        for fd in (self.result, self.stdout, self.stderr, self.pidfd, self.proc):
            if fd >= 0:
                os.close(fd)
        self.result = self.stdout = self.stderr = self.pidfd = self.proc = -1


class Zygote:
    """The isolated interpreter of one profile, seen from outside.

    Args:
        profile: what it imports and sees.
        visible: host paths to show inside.
        import_from: directories to put in front of its ``sys.path``.
        own: the directory to import novum itself from, or None when it is installed.

    Raises:
        SandboxUnavailableError: the kernel refuses isolation.
        SandboxBrokenError: the zygote died on its way.
    """

    def __init__(
        self, profile: Profile, *, visible: Sequence[str], import_from: Sequence[str], own: str | None
    ) -> None:
        self._owner = os.getpid()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the zygote)
        with theirs:
            paths = [own] if own is not None else []
            # -s -P and our own environment are what -I means, but -I would ignore PYTHONHASHSEED
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-B", "-c", _BOOTSTRAP, str(theirs.fileno()), *paths],
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the terminal's Ctrl-C is for us, not for it
            )
        self.alive = True
        self.broken_modules: dict[str, str] = {}
        try:
            self._configure(profile, visible, import_from)
        except BaseException:
            self.close()
            raise

    def _configure(self, profile: Profile, visible: Sequence[str], import_from: Sequence[str]) -> None:
        config = {
            "supervisor": self._owner,
            "visible": list(visible),
            "import_from": list(import_from),
            "modules": list(profile.modules),
        }
        self._control.settimeout(START_TIMEOUT_S)
        try:
            self._control.send(json.dumps(config).encode())
            raw = self._control.recv(1 << 16)
        except OSError as error:
            raise SandboxBrokenError(
                f"the sandbox's zygote did not start: {error}; {self._tail()}"
            ) from error
        self._control.settimeout(_SPAWN_TIMEOUT_S)
        if not raw:
            raise SandboxBrokenError(f"the sandbox's zygote died while it started: {self._tail()}")
        answer = json.loads(raw)
        if "failed" in answer:
            raise SandboxUnavailableError(explain(answer["failed"], answer["text"]))
        self.broken_modules = answer["ready"]
        self.threads: int = answer["threads"]
        self.landlock: int = answer["landlock"]

    def spawn(self, scratch_mb: int) -> Child:
        """Ask for one more isolated child; returns at once, see `Child.await_ready`.

        Raises:
            SandboxBrokenError: the zygote is dead.
        """
        job, their_job = socket.socketpair()
        report, their_report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        result, their_result = os.pipe2(os.O_CLOEXEC)
        stdout, their_stdout = os.pipe2(os.O_CLOEXEC)
        stderr, their_stderr = os.pipe2(os.O_CLOEXEC)
        theirs = [their_job.fileno(), their_result, their_stdout, their_stderr, their_report.fileno()]
        child = Child(job, report, result, stdout, stderr, scratch_mb, self)
        try:
            socket.send_fds(self._control, [json.dumps({"spawn": scratch_mb}).encode()], theirs)
        except OSError as error:
            self.alive = False
            child.close()
            raise SandboxBrokenError(f"the sandbox's zygote has died: {error}") from error
        finally:
            their_job.close()
            their_report.close()
            for fd in (their_result, their_stdout, their_stderr):
                os.close(fd)
        return child

    def close(self) -> None:
        """End the zygote and with it every call that it started; waits until they are gone."""
        if os.getpid() != self._owner:
            return  # a forked copy of us does not own it
        self.alive = False
        with contextlib.suppress(OSError):
            # not only close: a fork of our process may hold a copy of the descriptor
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the zygote inside follows by PDEATHSIG, its calls by their namespace
            self._process.wait()
        self._errors.close()

    def _tail(self) -> str:
        # give a dying interpreter the moment that it needs to print its traceback
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 2000))
        return self._errors.read().decode(errors="backslashreplace").strip() or "it said nothing"


@dataclass(slots=True)
class Outcome:
    """What was measured of one call."""

    status: int = 0
    """As `wait` gives it."""
    verdict: tuple[CallStatus, str] | None = None
    """The limit for which the supervisor ended the call."""
    answer: bytes = b""
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass(slots=True)
class _Stream:
    """Captured bytes, up to a limit; the rest is read and dropped so that the writer never waits."""

    limit: int
    kept: bytearray = field(default_factory=bytearray)
    overflowed: bool = False

    def feed(self, data: bytes) -> None:
        room = self.limit - len(self.kept)
        self.kept += data[:room]
        self.overflowed = self.overflowed or len(data) > room


@dataclass(frozen=True, slots=True)
class _Usage:
    memory: int
    """Bytes: an upper bound, or exact where the bound is above the limit."""
    resident: int
    cpu_s: float


def supervise(child: Child, limits: Limits) -> Outcome:
    """Follow a call from its job to its last process's end, and hold its limits.

    Raises:
        SandboxBrokenError: the zygote died, or the kernel does not end the call.
    """
    started = time.monotonic()
    outcome = Outcome()
    streams = {
        child.stdout: _Stream(limits.output_kb * 1024),
        child.stderr: _Stream(limits.output_kb * 1024),
        # the envelope is ours; the child itself holds the value to the limit and says so
        child.result: _Stream(limits.result_kb * 1024 + 8192),
    }
    report = child.report.fileno()
    poller = select.poll()
    for fd in (*streams, report):
        poller.register(fd, select.POLLIN)
    deadline = started + limits.wall_s
    look_at = started + _WATCH_S
    ended: dict[str, Any] | None = None
    while ended is None:
        now = time.monotonic()
        if outcome.verdict is None:
            if now >= deadline:
                outcome.verdict = (CallStatus.TIMEOUT, f"ended after {limits.wall_s:g} s of wall time")
            elif now >= look_at:
                outcome.verdict, closely = _judge(child, limits, outcome)
                look_at = time.monotonic() + (_WATCH_CLOSELY_S if closely else _WATCH_S)
            if streams[child.result].overflowed:
                outcome.verdict = (CallStatus.OUTPUT_LIMIT, f"answered more than {limits.result_kb} kB")
            if outcome.verdict is not None:
                child.kill()
                deadline = now + _KILL_TIMEOUT_S
        elif now >= deadline:
            raise SandboxBrokenError(f"a call did not end within {_KILL_TIMEOUT_S:g} s of being killed")
        wake_at = min(deadline, look_at) if outcome.verdict is None else deadline
        for fd, _ in poller.poll(max(0, math.ceil((wake_at - now) * 1000))):
            if fd == report:
                ended = _read_end(child.report)
                break
            data = os.read(fd, _CHUNK)
            if data:
                streams[fd].feed(data)
            else:
                poller.unregister(fd)
    outcome.wall_s = time.monotonic() - started
    for fd, stream in streams.items():
        _drain(fd, stream)
    outcome.status = ended["ended"]
    outcome.cpu_s = max(outcome.cpu_s, ended["cpu_s"])
    outcome.peak_mb = max(outcome.peak_mb, ended["peak_kb"] / 1024)
    outcome.answer = bytes(streams[child.result].kept)
    outcome.stdout = bytes(streams[child.stdout].kept)
    outcome.stderr = bytes(streams[child.stderr].kept)
    outcome.truncated = streams[child.stdout].overflowed or streams[child.stderr].overflowed
    if streams[child.result].overflowed and outcome.verdict is None:
        outcome.verdict = (CallStatus.OUTPUT_LIMIT, f"answered more than {limits.result_kb} kB")
    return outcome


def _read_end(report: socket.socket) -> dict[str, Any]:
    try:
        message = report.recv(4096)
    except OSError as error:
        raise SandboxBrokenError(f"the sandbox's zygote has died: {error}") from error
    if not message:
        raise SandboxBrokenError(
            "the sandbox's zygote has died during a call; the next call starts another one"
        )
    ended: dict[str, Any] = json.loads(message)
    return ended


def _drain(fd: int, stream: _Stream) -> None:
    """Read what a dead call left in its pipe: at most the pipe's size, for nobody writes any more."""
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while data := os.read(fd, _CHUNK):
            stream.feed(data)


def _judge(child: Child, limits: Limits, outcome: Outcome) -> tuple[tuple[CallStatus, str] | None, bool]:
    """Look at the call's processes: which limit is broken, and whether to look again soon."""
    allowed = limits.memory_mb * _MEGABYTE
    try:
        usage = _measure(child.proc, allowed)
    except PermissionError:
        # it must not be able to hide from the watchdog
        return (CallStatus.KILLED, "a process made itself unreadable to the memory watchdog"), False
    outcome.peak_mb = max(outcome.peak_mb, usage.memory / _MEGABYTE)
    outcome.cpu_s = max(outcome.cpu_s, usage.cpu_s)
    if usage.memory > allowed:
        return (CallStatus.OUT_OF_MEMORY, f"used more than {limits.memory_mb} MB of memory"), False
    if usage.cpu_s > limits.cpu_s:
        return (CallStatus.TIMEOUT, f"used more than {limits.cpu_s:g} s of processor time"), False
    return None, usage.resident > allowed // 3


def _measure(proc: int, allowed: int) -> _Usage:
    """Add up the processes of a call, as its own /proc lists them."""
    page, ticks = os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK")
    resident, cpu = 0, 0
    processes = [name for name in os.listdir(proc) if name.isdigit()]
    for process in processes:
        raw = _read(proc, f"{process}/stat")
        if raw is None:
            continue
        fields = raw.rpartition(b")")[2].split()
        resident += int(fields[21]) * page
        # of its own, and of the children that it waited for
        cpu += sum(int(field) for field in fields[11:15])
    memory = resident
    if resident > allowed:
        # Resident sizes count shared pages once per process. The proportional ones do not, but cost
        # a walk of the page tables: so only when the bound says that it might matter. File pages are
        # left out: they belong to the libraries, and the kernel can drop them.
        memory = 0
        for process in processes:
            for line in (_read(proc, f"{process}/smaps_rollup") or b"").splitlines():
                if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")):
                    memory += int(line.split()[1]) * 1024
    return _Usage(memory=memory, resident=resident, cpu_s=cpu / ticks)


def _read(proc: int, name: str) -> bytes | None:
    """Return the file's content, or None when the process is gone."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        return os.read(fd, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)


def explain(step: str, text: str) -> str:
    """Return the message for a machine that refuses isolation: what failed and what to do."""
    hints = []
    for path, bad, remedy in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ):
        with contextlib.suppress(OSError):
            if Path(path).read_text(encoding="ascii").strip() == bad:
                hints.append(remedy)
    if hints:
        todo = f"Ask the administrator for: {'; '.join(hints)}; or run as root."
    elif os.geteuid() == 0:
        todo = (
            "root lacks the right to make namespaces, as in an ordinary container: run outside of it, "
            "or give it CAP_SYS_ADMIN and an unmasked /proc."
        )
    else:
        todo = (
            "Allow unprivileged user namespaces (kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0, Linux 5.14 or later), or run as root."
        )
    return f"no isolation by namespaces on this machine ({step}: {text}). {todo}"
