"""The namespace sandbox: warm zygotes per profile, pools of single-use children, supervised calls."""

import logging
import os
import signal
import sys
import threading
import weakref
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError, UsageError
from novum.sandbox.answers import parse_answer
from novum.sandbox.base import Attestation, Limits, Profile, SandboxRequest, SandboxResult
from novum.sandbox.json_data import encode_arguments
from novum.sandbox.namespace.broker import Child, ChildLostError, Outcome, Zygote, supervise
from novum.sandbox.text import decode_output

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
_RESERVED: Final = ("/proc", "/dev", "/sys", "/etc", "/work", "/tmp", "/usr", "/bin", "/lib", "/lib64")  # noqa: S108


class _Line:
    """The zygote and the waiting children of one profile."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.zygote: Zygote | None = None
        self.waiting: deque[Child] = deque()
        self.preload = True

    def end(self, broken: Zygote | None = None) -> None:
        """End everything; the next call starts anew.

        With `broken`, only if that is still the zygote: a late report must not end its successor.
        """
        if broken is not None and broken is not self.zygote:
            return
        while self.waiting:
            self.waiting.popleft().close()
        if self.zygote is not None:
            self.zygote.close()
            self.zygote = None


class NamespaceSandbox:
    """Runs every call in its own Linux namespaces, without a daemon, an image or root.

    The kernel is shared with the host: this is a boundary against everything that a program may do,
    not against an exploit of the kernel itself.

    Args:
        pool_size: isolated children to keep ready per profile; 0 makes every call wait for its own.

    Example::

        with NamespaceSandbox() as sandbox:
            request = SandboxRequest(entry="math:dist", arguments={...}, limits=Limits(wall_s=5))
            result = sandbox.run(request)
    """

    name = "namespace"

    def __init__(self, *, pool_size: int = 2) -> None:
        if pool_size < 0:
            raise UsageError(f"pool_size is {pool_size}, expected 0 or more")
        self._pool_size = pool_size
        self._lines: dict[Profile, _Line] = {}
        self._lock = threading.Lock()
        self._attesting = threading.Lock()
        self._attestation: Attestation | None = None
        self._closed = False
        self._finalizer = weakref.finalize(self, _end_all, self._lines, os.getpid())

    def run(self, request: SandboxRequest) -> SandboxResult:
        """Run one call to its end.

        Raises:
            UsageError: the arguments are not JSON data, or a limit or path is out of range.
            SandboxBrokenError: the sandbox itself failed; the call may be retried.
            SandboxUnavailableError: no isolation can be had here, or the attestation failed.
        """
        self._require_attestation()
        return self.run_unattested(request)

    def run_unattested(self, request: SandboxRequest) -> SandboxResult:
        """Run one call without asking first what is enforced: for the attestation's own probes."""
        arguments = encode_arguments(request.entry, request.arguments)
        _check_limits(request.limits)
        line = self._line(request.profile)
        child = self._hand_over(line, request, arguments)
        ended = False
        try:
            outcome = supervise(child, request.limits)
            ended = True
        except SandboxBrokenError:
            with line.lock:
                line.end(child.origin)
            raise
        finally:
            # also on Ctrl-C: whatever interrupts us, the call ends with it
            if not ended:
                _end_now(child)
            child.close()
        self._refill(line, request.limits.scratch_mb)
        return _result(outcome, request.limits, self.name)

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
        from novum.sandbox.attest import attest_namespace

        with self._attesting:
            if self._attestation is None:
                self._attestation = attest_namespace(self)
            return self._attestation

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

    def landlock_version(self) -> int:
        """Return the version of Landlock that the base profile's zygote found; 0 for none."""
        line = self._line(Profile())
        with line.lock:
            return self._living(line, Profile()).landlock

    def _require_attestation(self) -> None:
        attestation = self._attestation or self.attest()
        if not attestation.passed:
            failed = {
                name: attestation.detail.get(name, "")
                for name, kept in attestation.checks.items()
                if not kept
            }
            reasons = "; ".join(f"{name}: {why}" if why else name for name, why in failed.items())
            raise SandboxUnavailableError(
                f"the namespace sandbox does not keep its promises here and is refused ({reasons}). "
                "Run as root or on another kernel, or choose another backend."
            )

    def _line(self, profile: Profile) -> _Line:
        with self._lock:
            if self._closed:
                raise SandboxBrokenError("the sandbox is closed")
            if profile not in self._lines:
                _check_readable(profile)
                self._lines[profile] = _Line()
            return self._lines[profile]

    def _living(self, line: _Line, profile: Profile) -> Zygote:
        """Return the line's zygote, started if needed. The caller holds the line's lock."""
        if self._closed:
            raise SandboxBrokenError("the sandbox is closed")
        if line.zygote is None:
            line.zygote = _start(profile, preload=line.preload)
            if line.zygote.threads > 1:
                # a fork keeps one thread only: what these modules started would be missing in the
                # child. So the call imports them itself, more slowly.
                line.zygote.close()
                line.zygote = None
                line.preload = False
                _log.info("profile %s starts threads while it is imported: not preloaded", profile.name)
                line.zygote = _start(profile, preload=False)
            for module, reason in line.zygote.broken_modules.items():
                _log.warning("profile %s could not preload %s: %s", profile.name, module, reason)
        return line.zygote

    def _hand_over(self, line: _Line, request: SandboxRequest, arguments: str) -> Child:
        """Return a child that has the job, from the pool or fresh."""
        failures: list[str] = []
        for _ in range(_ATTEMPTS + self._pool_size):
            with line.lock:
                child = self._take(line, request.profile, request.limits.scratch_mb)
            try:
                child.await_ready()
                child.send(request, arguments)
            except ChildLostError as lost:
                _end_now(child)
                child.close()
                failures.append(str(lost))
            except BaseException as error:
                _end_now(child)
                child.close()
                if isinstance(error, SandboxBrokenError):
                    with line.lock:
                        line.end(child.origin)
                raise
            else:
                return child
        raise SandboxBrokenError(f"no call could be started: {'; '.join(failures[-_ATTEMPTS:])}")

    def _take(self, line: _Line, profile: Profile, scratch_mb: int) -> Child:
        zygote = self._living(line, profile)
        while line.waiting:
            child = line.waiting.popleft()
            if child.scratch_mb == scratch_mb:
                return child
            # the size was fixed before it gave up its rights: not for this call, nor the likely next
            child.close()
        try:
            return zygote.spawn(scratch_mb)
        except SandboxBrokenError:
            line.end()
            raise

    def _refill(self, line: _Line, scratch_mb: int) -> None:
        """Ask for children until the pool is full; they get ready while nobody waits."""
        with line.lock:
            if self._closed or line.zygote is None:
                return
            try:
                while len(line.waiting) < self._pool_size:
                    line.waiting.append(line.zygote.spawn(scratch_mb))
            except SandboxBrokenError:
                line.end()  # the finished call is good; the next one starts another zygote


def _end_all(lines: dict[Profile, _Line], owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked copy of us must not end our calls
    for line in lines.values():
        with line.lock:
            line.end()
    lines.clear()


def _start(profile: Profile, *, preload: bool) -> Zygote:
    if not sys.executable:
        raise SandboxUnavailableError(
            "this Python does not know its own interpreter (sys.executable is empty)"
        )
    package = Path(__file__).resolve().parents[2]
    installed = package.is_relative_to(Path(sys.prefix).resolve())
    own = None if installed else str(package.parent)
    # beside an installed package lie the others that it needs; beside a checkout, anything may lie
    beside = package.parent if package.parent.name in ("site-packages", "dist-packages") else package
    visible = [sys.base_prefix, sys.prefix, *([] if installed else [str(beside)]), *profile.readable]
    shown = Profile(profile.name, profile.modules if preload else (), profile.readable)
    return Zygote(
        shown,
        # a path may lead over links: both names are needed
        visible=sorted({p for path in visible for p in (os.path.normpath(path), os.path.realpath(path))}),
        import_from=profile.readable,
        own=own,
    )


def _end_now(child: Child) -> None:
    """Kill a call and wait until its last process is gone."""
    child.kill()
    child.report.settimeout(10)
    try:
        while child.report.recv(4096):
            pass
    except OSError:
        return  # the zygote is gone too, and its calls with it


def _check_limits(limits: Limits) -> None:
    for name in ("wall_s", "cpu_s", "memory_mb", "processes", "scratch_mb", "output_kb", "result_kb"):
        value = getattr(limits, name)
        if not 0 < value < 10**9:
            raise UsageError(f"limit {name} is {value!r}, expected a positive number below 10^9")


def _check_readable(profile: Profile) -> None:
    for path in profile.readable:
        if not Path(path).is_absolute():
            raise UsageError(f"readable path {path!r} of profile {profile.name!r} is not absolute")
        for name in (os.path.normpath(path), os.path.realpath(path)):
            if name == "/" or name in _RESERVED or name.startswith(("/proc/", "/dev/", "/sys/")):
                raise UsageError(f"path {path!r} cannot be made readable: it is the system's own")
        if not Path(path).exists():
            raise UsageError(f"readable path {path!r} of profile {profile.name!r} does not exist")


def _result(outcome: Outcome, limits: Limits, backend: str) -> SandboxResult:
    exit_code = os.WEXITSTATUS(outcome.status) if os.WIFEXITED(outcome.status) else None
    number = os.WTERMSIG(outcome.status) if os.WIFSIGNALED(outcome.status) else None
    value = None
    if outcome.verdict is not None:
        status, message = outcome.verdict
    elif number == signal.SIGKILL and outcome.cpu_s >= limits.cpu_s:
        status, message = CallStatus.TIMEOUT, f"used more than {limits.cpu_s:g} s of processor time"
    elif number == signal.SIGKILL:
        status, message = CallStatus.KILLED, "killed from outside the sandbox"
    elif number is not None:
        status, message = CallStatus.CRASH, f"ended by signal {number} ({_signal_name(number)})"
    elif exit_code != 0 or not outcome.answer:
        status, message = CallStatus.CRASH, f"exited with code {exit_code} without an answer"
    else:
        answer = parse_answer(outcome.answer)
        status, value, message = answer.status, answer.value, answer.message
    return SandboxResult(
        status=status,
        value=value,
        message=message,
        stdout=decode_output(outcome.stdout),
        stderr=decode_output(outcome.stderr),
        truncated=outcome.truncated,
        exit_code=exit_code,
        signal=number,
        wall_s=outcome.wall_s,
        cpu_s=outcome.cpu_s,
        peak_memory_mb=outcome.peak_mb,
        backend=backend,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"
