"""The guard of one call: it forks the child, adds up what the call uses, and ends all that it started.

It never uses what the child writes. The child can neither signal nor trace it: they are different
users, or Landlock's scope lies between them. When the zygote is gone, or the supervisor hangs up, the
guard ends the call.

To the supervisor it tells, on the call's report socket, the child's process descriptor; then, when no
process is left, how it ended, what it used and which limit it broke. It removes the scratch when the
supervisor has hung up, that is, has taken out what it wanted.
"""

import json
import math
import os
import resource
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from novum.sandbox.landlock import child, family, scratch
from novum.sandbox.landlock.deputy import Deputy

_WATCH_S: Final = 0.02
_WATCH_CLOSELY_S: Final = 0.004
_SHARE_OF_TIME: Final = 10
"""Looking takes at most one part in so many."""
_ISOLATION_S: Final = 60.0
_PATIENCE_S: Final = 25.0
_MEGABYTE: Final = 1 << 20
_MESSAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """What the zygote hands over: everything of one call."""

    channels: list[int]
    """Job socket, result pipe, standard output, standard error."""
    report: socket.socket
    groups: list[int]
    uid: int | None
    """The user that is this call's alone; None where there is none to be had."""
    home: str
    """Its scratch directory, yet to be made."""


def main(isolation: child.Isolation, call: Call, *, life: int) -> NoReturn:
    """Guard one call from its fork to the removal of its scratch; never returns.

    Args:
        isolation: the zygote's settings.
        call: the call.
        life: reads its end when the zygote is gone.
    """
    try:
        os.setsid()
        family.adopt_orphans()
        if isolation.scoped:
            family.confine_signals()
        scratch.make(call.home, owner=call.uid)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            fds = [*call.channels, theirs.detach()]
            child.main(isolation, fds=fds, groups=call.groups, uid=call.uid, home=call.home)
        theirs.close()
        for fd in (*call.channels, *call.groups):
            os.close(fd)
        _Guard(isolation, call, life=life, pid=pid, child=ours).live()
    except OSError as error:
        tell(call.report, {"failed": str(error)})
    family.end(users=_victims(isolation, call), patience_s=_PATIENCE_S)
    scratch.remove(call.home)
    os._exit(0)


def tell(report: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    """Send a message to the supervisor, which may have lost its interest."""
    try:
        socket.send_fds(report, [json.dumps(message).encode()], fds or [])
    except (BrokenPipeError, ConnectionResetError):
        return


def _victims(isolation: child.Isolation, call: Call) -> list[int]:
    return [] if isolation.scoped or call.uid is None else [call.uid]


def _count(processes: dict[int, list[int]]) -> int:
    return sum(map(len, processes.values()))


class _Guard:
    """The guard's state while the child lives."""

    def __init__(
        self, isolation: child.Isolation, call: Call, *, life: int, pid: int, child: socket.socket
    ) -> None:
        self._call = call
        self._isolation = isolation
        self._life = life
        self._pid = pid
        self._child = child
        self._poller = select.poll()
        self._status: int | None = None
        self._limits: dict[str, Any] | None = None
        self._deputy: Deputy | None = None
        self._listener: int | None = None
        self._verdict: tuple[str, str] | None = None
        self._peak = 0
        self._look_at = math.inf
        self._look_at_files = math.inf
        self._home = os.path.realpath(call.home)
        # without the right to read about everybody, only the call's own user can
        self._eyes = None if family.may_read_others() else call.uid

    def live(self) -> None:
        """Follow the child to its end, then wait until the supervisor has no more use for its files."""
        pidfd = os.pidfd_open(self._pid)
        tell(self._call.report, {"started": self._pid}, [pidfd])
        self._listener = self._await_isolation()
        for fd in (pidfd, self._life, self._call.report.fileno()):
            self._poller.register(fd, select.POLLIN)
        while self._status is None:
            if not self._wait():
                return
        self._poller.unregister(pidfd)
        os.close(pidfd)
        if self._verdict is None:
            self._verdict = self._look_at_the_end()
        if not family.end(users=_victims(self._isolation, self._call), patience_s=_PATIENCE_S):
            return
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        tell(
            self._call.report,
            {
                "ended": self._status,
                "cpu_s": used.ru_utime + used.ru_stime,
                "peak_kb": max(used.ru_maxrss, self._peak // 1024),
                "verdict": self._verdict,
            },
        )
        self._call.report.shutdown(socket.SHUT_WR)
        while self._hear():
            self._poller.poll()

    def _await_isolation(self) -> int | None:
        """Return the descriptor on which the child asks, if it does."""
        with self._child as socket_to_child:
            socket_to_child.settimeout(_ISOLATION_S)
            try:
                _, fds, _, _ = socket.recv_fds(socket_to_child, _MESSAGE, 1)
            except OSError:
                return None
        return fds[0] if fds else None

    def _wait(self) -> bool:
        """Sleep until something happens and see to it; return whether the call may go on."""
        now = time.monotonic()
        wake_at = min(self._look_at, self._look_at_files)
        timeout = None if wake_at == math.inf else max(0, math.ceil((wake_at - now) * 1000))
        ready = dict(self._poller.poll(timeout))
        if self._life in ready or (self._call.report.fileno() in ready and not self._hear()):
            return False
        if self._deputy is not None and self._listener in ready:
            if ready[self._listener] & select.POLLIN:
                self._deputy.answer()
            else:
                self._poller.unregister(self._listener)
        self._reap()
        if self._status is None and self._verdict is None and time.monotonic() >= wake_at:
            self._verdict = self._look()
            if self._verdict is not None:
                self._look_at = self._look_at_files = math.inf
                os.kill(self._pid, signal.SIGKILL)
        return True

    def _hear(self) -> bool:
        """Take what the supervisor says: the limits, once; return False when it has hung up."""
        try:
            message = self._call.report.recv(_MESSAGE)
        except OSError:
            return False
        if not message:
            return False
        self._limits = json.loads(message)
        self._look_at = time.monotonic() + _WATCH_S
        self._look_at_files = self._look_at
        if self._listener is not None:
            self._deputy = Deputy(self._listener, home=self._home)
            self._poller.register(self._listener, select.POLLIN)
        return True

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._status = status

    def _look(self) -> tuple[str, str] | None:
        """Add up what the call uses; return the limit that it broke."""
        started = time.monotonic()
        assert self._limits is not None
        try:
            most = self._limits["processes"]
            processes = family.members(os.getpid(), most=most)
            if _count(processes) > most:
                return "pids", f"had more than {most} processes and threads"
            if started >= self._look_at:
                broken = self._look_at_processes(processes)
                if broken is not None:
                    return broken
            if started >= self._look_at_files:
                broken = self._look_at_scratch(processes)
                took = time.monotonic() - started
                self._look_at_files = time.monotonic() + max(_WATCH_S, _SHARE_OF_TIME * took)
                return broken
        except PermissionError:
            # it must not be able to hide
            return "killed", "a process made itself unreadable to the watchdog"
        return None

    def _look_at_the_end(self) -> tuple[str, str] | None:
        """Look once more when the child has ended: it may have been quicker than we are."""
        if self._limits is None:
            return None
        most = self._limits["processes"]
        if not family.reap() and _count(family.members(os.getpid(), most=most)) > most:
            return "pids", f"left more than {most} processes and threads"
        return self._look_at_scratch({})

    def _look_at_processes(self, processes: dict[int, list[int]]) -> tuple[str, str] | None:
        assert self._limits is not None
        allowed_mb, allowed_s = self._limits["memory_mb"], self._limits["cpu_s"]
        allowed = allowed_mb * _MEGABYTE
        with family.seen_as(self._eyes):
            usage = family.measure(processes, allowed=allowed)
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._peak = max(self._peak, usage.memory)
        closely = usage.resident > allowed // 3
        self._look_at = time.monotonic() + (_WATCH_CLOSELY_S if closely else _WATCH_S)
        if usage.memory > allowed:
            return "oom", f"used more than {allowed_mb} MB of memory"
        if usage.cpu_s + reaped.ru_utime + reaped.ru_stime > allowed_s:
            return "timeout", f"used more than {allowed_s:g} s of processor time"
        return None

    def _look_at_scratch(self, processes: dict[int, list[int]]) -> tuple[str, str] | None:
        assert self._limits is not None
        limit_mb = self._limits["scratch_mb"]
        most = scratch.Content(limit_mb * _MEGABYTE, scratch.allowed_entries(limit_mb))
        held: dict[tuple[int, int], int] = {}
        with family.seen_as(self._eyes):
            for process in processes:
                with family.unless_it_ends(process):
                    held |= scratch.held_files(f"/proc/{process}", self._home)
        try:
            content = scratch.measure(self._call.home, held=held, most=most)
        except scratch.HiddenError as error:
            return "killed", f"its scratch directory could not be looked through: {error}"
        if content.allocated > most.allocated:
            return "output-limit", f"wrote more than the scratch limit of {limit_mb} MB"
        if content.entries > most.entries:
            return "output-limit", f"made more files than the scratch limit allows: {most.entries}"
        return None
