"""Warm zygotes per profile, pools of single-use children, supervised calls."""

import contextlib
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from novum.core.errors import SandboxBrokenError, SandboxUnavailableError, UsageError
from novum.sandbox.base import Attestation, Limits, Profile, SandboxRequest, SandboxResult
from novum.sandbox.files.collect import collect, open_directory
from novum.sandbox.inside.guest import OUT_DIRECTORY
from novum.sandbox.jobs import Job, check_profile, prepare_job
from novum.sandbox.kernel.cgroups import Group, Groups, find_groups
from novum.sandbox.outcomes import Outcome, to_result
from novum.sandbox.warm.broker import Child, ChildLostError, Zygote, explain, supervise
from novum.sandbox.windows import Windows, find_windows

if TYPE_CHECKING:
    from novum.sandbox.network.proxy import FilteringProxy

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3

POOL_SIZE: Final = 2
POOL_MB: Final = 2048


class _Line:
    """The zygote and the waiting children of one profile."""

    def __init__(self, *, preload: bool) -> None:
        self.lock = threading.Lock()
        self.zygote: Zygote | None = None
        self.waiting: deque[Child] = deque()
        self.preload = preload
        self.used = 0.0
        self.running = 0

    def end(self, broken: Zygote | None = None) -> None:
        """End everything; the next call starts anew.

        With `broken`, only if that is still the zygote: a late report must not end its successor.
        """
        if broken is not None and broken is not self.zygote:
            return
        zygote, self.zygote = self.zygote, None
        waiting = list(self.waiting)
        self.waiting.clear()
        if zygote is not None:
            zygote.close()  # and its children with it, so that their control groups are empty
        for child in waiting:
            child.close()

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Count a call that is under way."""
        with self.lock:
            self.running += 1
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1

    def memory_mb(self) -> float:
        """The memory that zygote and waiting children hold, shared pages counted once."""
        return self.zygote.memory_mb() if self.zygote is not None else 0.0


class WarmSandbox:
    """A sandbox whose calls are forks of a warm interpreter, one for each profile.

    Subclasses name the zygote's program and say what it enforces.

    Args:
        pool_size: isolated children to keep ready per profile; 0 makes every call wait for its own.
        pool_mb: memory that idle zygotes and children may hold together; beyond it, the profiles that
            were not used for longest are ended, and start again when they are needed.
    """

    name: str
    zygote_module: str
    """The module whose ``main`` a zygote runs."""
    scratch_is_sized: bool = True
    """Whether the size of a child's scratch is fixed before its job is known."""
    watched: bool = True
    """Whether the watchdog looks at calls; it is off in trials of the trials only."""

    def __init__(self, *, pool_size: int = POOL_SIZE, pool_mb: int = POOL_MB) -> None:
        if pool_size < 0:
            raise UsageError(f"pool_size is {pool_size}, expected 0 or more")
        if pool_mb < 0:
            raise UsageError(f"pool_mb is {pool_mb}, expected 0 or more")
        self._owner = os.getpid()
        self._pool_size = pool_size
        self._pool_mb = pool_mb
        self._lines: dict[Profile, _Line] = {}
        self._lock = threading.Lock()
        self._attesting = threading.Lock()
        self._attestation: Attestation | None = None
        self._closed = False
        self._groups: Groups | None = find_groups()
        self._enforced = self.mechanisms()
        self._finalizer = weakref.finalize(self, _end_all, self._lines, self._groups, os.getpid())

    def run(self, request: SandboxRequest) -> SandboxResult:
        """Run one call to its end.

        Raises:
            UsageError: the arguments are not JSON data; a limit, path, host or input file is out of range.
            SandboxBrokenError: the sandbox itself failed; the call may be retried.
            SandboxUnavailableError: no isolation can be had here, or the attestation failed.
        """
        self._require_attestation()
        return self.run_unattested(request)

    def run_unattested(self, request: SandboxRequest) -> SandboxResult:
        """Run one call without asking first what is enforced: for the attestation's own probes."""
        job = prepare_job(request)
        line = self._line(request.profile)
        with line.calling(), contextlib.ExitStack() as stack:
            child, proxy = self._hand_over(line, job, stack)
            try:
                outcome = supervise(child, request.limits)
            except SandboxBrokenError:
                with line.lock:
                    line.end(child.origin)
                raise
            child.over = True
            if request.collect_into is not None:
                self._take_out(child, request, outcome)
        if proxy is not None:
            outcome.network = proxy.attempts
        outcome.enforced = self._enforced
        self._refill(line, request.limits.scratch_mb)
        return to_result(outcome, request.limits, backend=self.name)

    def warm(self, profile: Profile) -> None:
        """Start the zygote of `profile` and its waiting children.

        Raises:
            SandboxBrokenError: the zygote died on its way.
            SandboxUnavailableError: no isolation can be had here, or the attestation failed.
        """
        self._require_attestation()
        line = self._line(profile)
        with line.lock:
            self._living(line, profile)
        self._refill(line, Limits().scratch_mb)

    def attest(self) -> Attestation:
        """Run the probes inside this backend and return what was seen; once per instance."""
        from novum.sandbox.attest import attest

        with self._attesting:
            if self._attestation is None:
                self._attestation = attest(self)
            return self._attestation

    def adopt(self, attestation: Attestation) -> None:
        """Take what was seen of this very backend earlier; see `novum.sandbox.remembered`."""
        self._attestation = attestation

    def mechanisms(self) -> dict[str, str]:
        """Return what enforces each limit: limit → mechanism."""
        counted = f"{self._groups.mechanism}, " if self._groups else ""
        return {
            "memory_mb": f"{counted}watchdog on proportional memory, RLIMIT_DATA",
            "processes": f"{counted}RLIMIT_NPROC",
            "wall_s": "kill by process descriptor",
            "cpu_s": "RLIMIT_CPU, watchdog",
            "output_kb": "bounded reading",
            "result_kb": "bounded reading",
            "files_mb": "bounded collection after the last process is gone",
        }

    def degraded(self) -> dict[str, str]:
        """Return what this backend does not promise: promise → reason."""
        return {}

    def zygote_settings(self) -> dict[str, Any]:
        """Return what this backend's zygote wants to know beside the profile."""
        return {}

    def explain(self, step: str, text: str) -> str:
        """Return the message for a machine that refuses isolation: what failed and what to do."""
        return explain(step, text)

    def versions(self) -> dict[str, str]:
        """Return what this backend is made of."""
        counted = self._groups.mechanism if self._groups else "watchdog"
        return {"kernel": os.uname().release, "machine": os.uname().machine, "limits": counted}

    def idle_memory_mb(self) -> float:
        """Return the memory that zygotes and waiting children hold now, shared pages counted once."""
        total = 0.0
        for line in list(self._lines.values()):
            with line.lock:
                total += line.memory_mb()
        return total

    def close(self) -> None:
        """End every process that this sandbox started. It may be called twice."""
        with self._lock:
            self._closed = True
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_attestation(self) -> None:
        attestation = self._attestation or self.attest()
        if not attestation.passed:
            reasons = "; ".join(f"{name}: {seen}" for name, seen in attestation.broken.items())
            raise SandboxUnavailableError(
                f"the {self.name} sandbox does not keep its promises here and is refused ({reasons}). "
                "Run as root or on another kernel, or choose another backend; "
                "'novum sandbox doctor' shows what each enforces here."
            )

    def _line(self, profile: Profile) -> _Line:
        if os.getpid() != self._owner:
            raise SandboxBrokenError(
                "this sandbox belongs to the process that opened it; a fork of it needs one of its own"
            )
        with self._lock:
            if self._closed:
                raise SandboxBrokenError("the sandbox is closed")
            if profile not in self._lines:
                check_profile(profile)
                self._lines[profile] = _Line(preload=not profile.gpu)
            line = self._lines[profile]
            line.used = time.monotonic()
            return line

    def _living(self, line: _Line, profile: Profile) -> Zygote:
        """Return the line's zygote, started if needed. The caller holds the line's lock."""
        if self._closed:
            raise SandboxBrokenError("the sandbox is closed")
        if line.zygote is None:
            windows = find_windows(profile)
            line.zygote = self._start(profile, windows, preload=line.preload)
            if line.zygote.threads > 1:
                # a fork keeps one thread only: what these modules started would be missing in the
                # child. So the call imports them itself, more slowly.
                line.zygote.close()
                line.zygote = None
                line.preload = False
                _log.info("profile %s starts threads while it is imported: not preloaded", profile.name)
                line.zygote = self._start(profile, windows, preload=False)
            for module, reason in line.zygote.broken_modules.items():
                _log.warning("profile %s could not preload %s: %s", profile.name, module, reason)
            self._shrink(line)
        return line.zygote

    def _start(self, profile: Profile, windows: Windows, *, preload: bool) -> Zygote:
        return Zygote(
            self.zygote_module,
            profile,
            windows,
            preload=preload,
            settings=self.zygote_settings(),
            refusal=self.explain,
        )

    def _hand_over(
        self, line: _Line, job: Job, stack: contextlib.ExitStack
    ) -> "tuple[Child, FilteringProxy | None]":
        """Return a child that has the job, from the pool or fresh, and its proxy; `stack` ends both."""
        failures: list[str] = []
        for _ in range(_ATTEMPTS + self._pool_size):
            with line.lock:
                child = self._take(line, job.request.profile, job.scratch_mb)
            try:
                child.await_ready()
                child.watched = self.watched
                listener = child.send(job)
            except ChildLostError as lost:
                child.finish()
                failures.append(str(lost))
            except BaseException as error:
                child.finish()
                if isinstance(error, SandboxBrokenError):
                    with line.lock:
                        line.end(child.origin)
                raise
            else:
                # also on Ctrl-C: whatever interrupts us, the call ends with it
                stack.callback(child.finish)
                if listener is None:
                    return child, None
                from novum.sandbox.network.proxy import (  # not light, and seldom needed
                    FilteringProxy,
                    ProxyLimits,
                )

                held = ProxyLimits(seconds=job.request.limits.wall_s)
                return child, stack.enter_context(FilteringProxy(listener, job.request.hosts, limits=held))
        raise SandboxBrokenError(f"no call could be started: {'; '.join(failures[-_ATTEMPTS:])}")

    def _take(self, line: _Line, profile: Profile, scratch_mb: int) -> Child:
        zygote = self._living(line, profile)
        for child in line.waiting:
            # the size of a scratch was fixed before the child gave up its rights
            if child.scratch_mb == scratch_mb or not self.scratch_is_sized:
                line.waiting.remove(child)
                child.scratch_mb = scratch_mb
                return child
        try:
            return zygote.spawn(scratch_mb, self._group())
        except SandboxBrokenError:
            line.end()
            raise

    def _group(self) -> Group | None:
        if self._groups is None:
            return None
        try:
            return self._groups.new()
        except OSError as error:
            raise SandboxBrokenError(f"no control group for a call: {error}") from error

    def _take_out(self, child: Child, request: SandboxRequest, outcome: Outcome) -> None:
        assert request.collect_into is not None
        try:
            out = open_directory(child.work, OUT_DIRECTORY)
        except OSError:
            return  # the call removed or replaced it: there is nothing to take
        try:
            outcome.artifacts, outcome.refused = collect(out, request.collect_into, limits=request.limits)
        finally:
            os.close(out)

    def _refill(self, line: _Line, scratch_mb: int) -> None:
        """Ask for children until the pool is full; they get ready while nobody waits."""
        surplus = None
        with line.lock:
            if self._closed or line.zygote is None:
                return
            if self.scratch_is_sized and len(line.waiting) == self._pool_size:
                unfit = [child for child in line.waiting if child.scratch_mb != scratch_mb]
                if len(unfit) == self._pool_size and unfit:
                    surplus = line.waiting.popleft()  # what is kept shall fit what is asked for
            try:
                while len(line.waiting) < self._pool_size:
                    line.waiting.append(line.zygote.spawn(scratch_mb, self._group()))
            except SandboxBrokenError as error:
                _log.info("the pool could not be filled: %s", error)
                if not line.zygote.alive:
                    line.end()  # the finished call is good; the next one starts another zygote
        if surplus is not None:
            surplus.finish()

    def _shrink(self, current: _Line) -> None:
        """End the lines that were not used for longest until the rest keep within the pool's memory.

        Only a new zygote adds much, so this is asked when one has started, with its line's lock held.
        """
        left = self._pool_mb - current.memory_mb()
        others = [line for line in list(self._lines.values()) if line is not current]
        for line in sorted(others, key=lambda line: line.used, reverse=True):
            # a line whose lock is held is just about to be used
            if line.lock.acquire(blocking=False):
                try:
                    left -= line.memory_mb()
                    if left < 0 and not line.running:
                        line.end()
                finally:
                    line.lock.release()


def _end_all(lines: dict[Profile, _Line], groups: Groups | None, owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked copy of us must not end our calls
    for line in lines.values():
        with line.lock:
            line.end()
    lines.clear()
    if groups is not None:
        groups.close()
