"""Our side of a zygote: starting it, and supervising single calls by what the kernel says."""

import contextlib
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError
from novum.sandbox.base import Limits, Profile
from novum.sandbox.jobs import Job
from novum.sandbox.kernel.cgroups import Group
from novum.sandbox.outcomes import ANSWER_ENVELOPE, Outcome, Stream
from novum.sandbox.windows import Windows

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
    "import importlib, sys; module, fd = sys.argv[1:3]; sys.path[:0] = sys.argv[3:]; "
    "importlib.import_module(module).main(int(fd))"
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
    group: Group | None = None
    pidfd: int = -1
    proc: int = -1
    """Directory descriptor of the /proc of the child's own process namespace; -1 where it has none, and is
    watched by a guard of its own beside it."""
    work: int = -1
    """Directory descriptor of its working directory."""
    watched: bool = True
    """Whether the watchdog looks at it."""
    over: bool = False
    """Whether its last process is known to be gone."""
    spent: dict[tuple[str, bytes], int] = field(default_factory=dict)
    """Ticks of processor time by process number and start: one that is gone has used them all the same."""

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
            message, fds, _, _ = socket.recv_fds(self.job, 4096, 2)
            if message[:1] != b"R" or not fds:
                raise ChildLostError(f"a call could not be isolated: {message[1:].decode(errors='replace')}")
            self.work = fds.pop()
            if fds:
                (self.proc,) = fds
        except OSError as error:
            raise ChildLostError(f"a child did not get ready: {error}") from error

    def send(self, job: Job) -> socket.socket | None:
        """Hand over the one job.

        Returns:
            The listening socket inside, on which to serve the proxy, where the job was granted hosts.

        Raises:
            ChildLostError: the child is gone.
            UsageError: an input file cannot be read.
        """
        limits = job.request.limits
        try:
            if self.group is not None:
                self.group.limit(
                    memory_mb=limits.memory_mb, scratch_mb=self.scratch_mb, processes=limits.processes
                )
            if self.proc < 0:
                self.report.send(_for_the_guard(limits, scratch_mb=job.scratch_mb))
            for part in job.parts():
                self.job.sendall(part)
            if not job.request.hosts:
                return None
            message, fds, _, _ = socket.recv_fds(self.job, 4096, 1)
        except OSError as error:
            raise ChildLostError(f"a child died while it waited: {error}") from error
        if message[:1] != b"L" or not fds:
            raise ChildLostError(f"no proxy for a call: {message[1:].decode(errors='replace')}")
        return socket.socket(fileno=fds[0])

    def kill(self) -> None:
        """Kill the whole process namespace of the call; does not wait."""
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def finish(self) -> None:
        """Kill the call unless it is over, wait until its last process is gone, and let go of everything."""
        if not self.over:
            self.kill()
            # where it was not ready to be killed, it ends by itself; not only close: a fork of our
            # process may hold a copy of the descriptor
            with contextlib.suppress(OSError):
                self.job.shutdown(socket.SHUT_RDWR)
            self.job.close()
            self.report.settimeout(_KILL_TIMEOUT_S)
            with contextlib.suppress(OSError):  # the zygote is gone too, and its calls with it
                while self.report.recv(4096):
                    pass
            self.over = True
        self.close()

    def close(self) -> None:
        """Let go of every descriptor and of the control group; a child that still waits for its job ends."""
        self.job.close()
        self.report.close()
        for fd in (self.result, self.stdout, self.stderr, self.pidfd, self.proc, self.work):
            if fd >= 0:
                os.close(fd)
        self.result = self.stdout = self.stderr = self.pidfd = self.proc = self.work = -1
        if self.group is not None:
            self.group.remove()
            self.group = None


class Zygote:
    """The isolated interpreter of one profile, seen from outside.

    Args:
        module: whose ``main`` it runs.
        profile: what it imports and sees.
        windows: what of the host it shows.
        preload: whether it imports the profile's modules, or leaves that to each call.
        settings: what else its module wants to know.
        refusal: makes the message for a step that the kernel refused, with the kernel's reason.

    Raises:
        SandboxUnavailableError: the kernel refuses isolation.
        SandboxBrokenError: the zygote died on its way.
    """

    def __init__(
        self,
        module: str,
        profile: Profile,
        windows: Windows,
        *,
        preload: bool,
        settings: Mapping[str, Any] | None = None,
        refusal: Callable[[str, str], str] | None = None,
    ) -> None:
        self._owner = os.getpid()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the zygote)
        with theirs:
            paths = [windows.import_own] if windows.import_own is not None else []
            # -s -P and our own environment are what -I means, but -I would ignore PYTHONHASHSEED
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-B", "-c", _BOOTSTRAP, module, str(theirs.fileno()), *paths],
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
        self.facts: dict[str, Any] = {}
        """What its module has found out about this machine."""
        self._settings = dict(settings or {})
        self._refusal = refusal or explain
        try:
            self._configure(profile, windows, preload=preload)
        except BaseException:
            self.close()
            raise

    def _configure(self, profile: Profile, windows: Windows, *, preload: bool) -> None:
        config = {
            "supervisor": self._owner,
            "visible": windows.visible,
            "accelerators": windows.accelerators,
            "import_from": profile.readable,
            "modules": profile.modules if preload else (),
            **self._settings,
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
            raise SandboxUnavailableError(self._refusal(answer["failed"], answer["text"]))
        self.broken_modules = answer["ready"]
        self.threads: int = answer["threads"]
        self.landlock: int = answer["landlock"]
        self.facts = answer.get("facts", {})

    def spawn(self, scratch_mb: int, group: Group | None = None) -> Child:
        """Ask for one more isolated child; returns at once, see `Child.await_ready`.

        Raises:
            SandboxBrokenError: the zygote is dead, or this process has no descriptors left.
        """
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                if group is not None:
                    ours.callback(group.remove)
                sockets, pipes, passed = [], [], []
                for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
                    here, there = socket.socketpair(socket.AF_UNIX, kind)
                    sockets.append(ours.enter_context(here))
                    passed.append(theirs.enter_context(there).fileno())
                for _ in range(3):
                    reader, writer = os.pipe2(os.O_CLOEXEC)
                    pipes.append(reader)
                    passed.append(writer)
                    ours.callback(os.close, reader)
                    theirs.callback(os.close, writer)
                for fd in group.open_membership() if group is not None else []:
                    passed.append(fd)
                    theirs.callback(os.close, fd)
            except OSError as error:
                raise SandboxBrokenError(f"no descriptors for a call: {error}") from error
            their_job, their_report, *rest = passed
            message = json.dumps({"spawn": scratch_mb}).encode()
            try:
                # job, result, standard output, standard error, report, control groups
                order = [their_job, *rest[:3], their_report, *rest[3:]]
                socket.send_fds(self._control, [message], order)
            except OSError as error:
                self.alive = False
                raise SandboxBrokenError(f"the sandbox's zygote has died: {error}") from error
            ours.pop_all()
            job, report = sockets
            result, stdout, stderr = pipes
            return Child(job, report, result, stdout, stderr, scratch_mb, self, group)

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

    def memory_mb(self) -> float:
        """Return the memory that it and its waiting children hold, pages that they share counted once."""
        total, family = 0, [self._process.pid]
        while family:
            pid = family.pop()
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
            except OSError:  # it has just ended
                continue
            family += map(int, children.split())
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total / 1024

    def _tail(self) -> str:
        # give a dying interpreter the moment that it needs to print its traceback
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 2000))
        return self._errors.read().decode(errors="backslashreplace").strip() or "it said nothing"


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
        child.stdout: Stream(limits.output_kb * 1024),
        child.stderr: Stream(limits.output_kb * 1024),
        child.result: Stream(limits.result_kb * 1024 + ANSWER_ENVELOPE),
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
                closely = False
                if child.proc >= 0 and child.watched:
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
    if outcome.verdict is None and ended.get("verdict"):
        status, message = ended["verdict"]
        outcome.verdict = (CallStatus(status), message)
    outcome.status = ended["ended"]
    outcome.cpu_s = max(outcome.cpu_s, ended["cpu_s"])
    outcome.peak_mb = max(outcome.peak_mb, ended["peak_kb"] / 1024)
    outcome.answer = bytes(streams[child.result].kept)
    outcome.stdout = bytes(streams[child.stdout].kept)
    outcome.stderr = bytes(streams[child.stderr].kept)
    outcome.truncated = streams[child.stdout].overflowed or streams[child.stderr].overflowed
    if child.group is not None and outcome.verdict is None and child.group.out_of_memory:
        outcome.verdict = (CallStatus.OUT_OF_MEMORY, f"used more than {limits.memory_mb} MB of memory")
    if streams[child.result].overflowed and outcome.verdict is None:
        outcome.verdict = (CallStatus.OUTPUT_LIMIT, f"answered more than {limits.result_kb} kB")
    return outcome


def _for_the_guard(limits: Limits, *, scratch_mb: int) -> bytes:
    """Return the limits that a guard beside the call holds."""
    held = {"memory_mb": limits.memory_mb, "processes": limits.processes, "cpu_s": limits.cpu_s}
    return json.dumps(held | {"scratch_mb": scratch_mb}).encode()


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


def _drain(fd: int, stream: Stream) -> None:
    """Read what a dead call left in its pipe: at most the pipe's size, for nobody writes any more."""
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while data := os.read(fd, _CHUNK):
            stream.feed(data)


def _judge(child: Child, limits: Limits, outcome: Outcome) -> tuple[tuple[CallStatus, str] | None, bool]:
    """Look at the call's processes: which limit is broken, and whether to look again soon."""
    allowed = limits.memory_mb * _MEGABYTE
    try:
        usage = _measure(child, allowed)
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


def _measure(child: Child, allowed: int) -> _Usage:
    """Add up the processes of a call, as its own /proc lists them."""
    page, ticks = os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK")
    resident, cpu = 0, 0
    processes = [name for name in os.listdir(child.proc) if name.isdigit()]  # noqa: PTH208
    for process in processes:
        raw = _read(child.proc, f"{process}/stat")
        if raw is None:
            continue
        fields = raw.rpartition(b")")[2].split()
        resident += int(fields[21]) * page
        # of its own, and of the children that it waited for; one whose parent never waits is remembered
        cpu += sum(int(field) for field in fields[11:15])
        child.spent[process, fields[19]] = int(fields[11]) + int(fields[12])
    memory = resident
    if resident > allowed:
        # Resident sizes count shared pages once per process. The proportional ones do not, but cost
        # a walk of the page tables: so only when the bound says that it might matter. File pages are
        # left out: they belong to the libraries, and the kernel can drop them.
        memory = 0
        for process in processes:
            for line in (_read(child.proc, f"{process}/smaps_rollup") or b"").splitlines():
                if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")):
                    memory += int(line.split()[1]) * 1024
    return _Usage(memory=memory, resident=resident, cpu_s=max(cpu, sum(child.spent.values())) / ticks)


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
