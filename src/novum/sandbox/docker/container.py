"""One container and its one call, seen from outside."""

import collections
import contextlib
import json
import logging
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError
from novum.sandbox.base import Limits, SandboxRequest
from novum.sandbox.docker.engine import Engine
from novum.sandbox.docker.frames import KILL, PROTOCOL, FrameError, FrameReader, Kind, encode_terms
from novum.sandbox.docker.hardening import (
    Machine,
    Shape,
    container_config,
    first_process_limit,
    process_limit,
)
from novum.sandbox.docker.ownership import own_labels
from novum.sandbox.files.collect import caps_of
from novum.sandbox.files.intake import Intake
from novum.sandbox.files.names import safe_part
from novum.sandbox.jobs import Job
from novum.sandbox.outcomes import ANSWER_ENVELOPE, Outcome, Stream

_log = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 180.0
"""For a first process to import its modules; the slowest sets take seconds."""

_SEND_TIMEOUT_S: Final = 60.0
_KILL_TIMEOUT_S: Final = 10.0
_FILES_TIMEOUT_S: Final = 300.0
_MEGABYTE: Final = 1 << 20
_CHUNK: Final = 1 << 16
_GO_FAILED: Final = 2
"""How a program in Go ends that can have no more threads or memory."""

_ROOM_MB: Final = 2048
"""Memory for the first process of a profile whose need is not known yet; see `Container.start`."""


class ContainerLostError(Exception):
    """A container that was made ready for a call is not usable; another one may be."""


class _SilentError(Exception):
    """Nothing arrived in time."""


class Container:
    """A started container, its first process, and the connection to it."""

    def __init__(
        self, engine: Engine, container: str, connection: socket.socket, shape: Shape, *, gvisor: bool
    ) -> None:
        self.id = container
        self.shape = shape
        self.base_mb = 0
        """What its first process needs for itself, once it is ready; a little more than that."""
        self.threads = 1
        self.broken_modules: dict[str, str] = {}
        self.used_mb = 0.0
        self.over = False
        """Whether every process of its call is known to be gone."""
        self._gvisor = gvisor
        self._engine = engine
        self._connection = connection
        self._reader = FrameReader()
        self._arrived: collections.deque[tuple[Kind, bytes]] = collections.deque()

    @classmethod
    def start(cls, engine: Engine, shape: Shape, machine: Machine, *, base_mb: int | None) -> "Container":
        """Start a container and wait until it is ready for a call.

        Args:
            engine: where.
            shape: of its call.
            machine: how containers are made here.
            base_mb: memory that a first process with this profile needs; None if it is not known yet.

        Raises:
            SandboxUnavailableError: the engine refuses it.
            SandboxBrokenError: it, or its first process, failed.
        """
        room = _ROOM_MB if base_mb is None else base_mb
        config = container_config(shape, machine, base_mb=room, labels=own_labels())
        container = engine.create(config)
        try:
            self = cls(engine, container, engine.attach(container), shape, gvisor=machine.gvisor)
        except BaseException:
            engine.remove(container)
            raise
        try:
            engine.start(container)
            self._await_ready()
            at_first = first_process_limit(shape, machine)
            finally_ = process_limit(shape, machine)
            if (base_mb is None or at_first != finally_) and not machine.gvisor:
                memory = (min(room, self.base_mb) + shape.memory_mb + shape.scratch_mb) * _MEGABYTE
                engine.limit(container, memory=memory, processes=finally_)
        except BaseException:
            self.remove()
            raise
        return self

    def _await_ready(self) -> None:
        try:
            kind, payload = self._next(time.monotonic() + START_TIMEOUT_S)
        except _SilentError as error:
            raise SandboxBrokenError(f"a container was not ready within {START_TIMEOUT_S:g} s") from error
        except ContainerLostError as lost:
            raise SandboxBrokenError(f"a container did not start: {lost}") from lost
        ready = json.loads(payload) if kind is Kind.READY else {}
        if ready.get("protocol") != PROTOCOL:
            raise SandboxUnavailableError(
                "the code in the container is of another version of novum; build its image anew"
            )
        self.threads = int(ready["threads"])
        self.broken_modules = dict(ready["broken"])
        self.used_mb = ready["base_bytes"] / _MEGABYTE
        # a quarter more: what it needs to relay, and what differs from start to start
        self.base_mb = 24 + int(1.25 * self.used_mb)
        self.cgroup = int(ready["cgroup"])

    def send(self, job: Job) -> None:
        """Hand over the one job.

        Raises:
            ContainerLostError: the container is gone.
            UsageError: an input file cannot be read.
        """
        request, limits = job.request, job.request.limits
        terms = {
            "job_bytes": 8 + len(job.head) + sum(size for _, size in job.inputs),
            "output_bytes": limits.output_kb * 1024,
            "answer_bytes": limits.result_kb * 1024 + ANSWER_ENVELOPE,
            "memory_bytes": limits.memory_mb * _MEGABYTE,
            "scratch_bytes": job.scratch_mb * _MEGABYTE,
            "cpu_s": limits.cpu_s,
            "processes": limits.processes,
            "collect": asdict(caps_of(limits)) if request.collect_into is not None else None,
        }
        try:
            if self._has_ended():
                raise ContainerLostError(f"a container ended while it waited: {self._reader.said}")
            self._connection.settimeout(_SEND_TIMEOUT_S)
            self._connection.sendall(encode_terms(terms))
            for part in job.parts():
                self._connection.sendall(part)
        except OSError as error:
            raise ContainerLostError(f"a container died while it waited: {error}") from error

    def _has_ended(self) -> bool:
        self._connection.setblocking(False)
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False

    def follow(self, request: SandboxRequest) -> Outcome:
        """Follow the call to its last process's end, and take its files out.

        Raises:
            SandboxBrokenError: the engine or the container failed.
        """
        limits = request.limits
        started = time.monotonic()
        outcome = Outcome()
        streams = {
            Kind.STDOUT: Stream(limits.output_kb * 1024),
            Kind.STDERR: Stream(limits.output_kb * 1024),
            Kind.ANSWER: Stream(limits.result_kb * 1024 + ANSWER_ENVELOPE),
        }
        try:
            ended = self._until_end(limits, started, streams, outcome)
        except ContainerLostError as lost:
            self._find_cause(limits, outcome, lost)
            ended = None
        self.over = True
        outcome.wall_s = time.monotonic() - started
        outcome.answer = bytes(streams[Kind.ANSWER].kept)
        outcome.stdout = bytes(streams[Kind.STDOUT].kept)
        outcome.stderr = bytes(streams[Kind.STDERR].kept)
        outcome.truncated = streams[Kind.STDOUT].overflowed or streams[Kind.STDERR].overflowed
        if ended is not None:
            _note(ended, limits, outcome)
            if request.collect_into is not None:
                self._take_files(request, outcome)
        return outcome

    def _until_end(
        self, limits: Limits, started: float, streams: dict[Kind, Stream], outcome: Outcome
    ) -> dict[str, Any]:
        deadline = started + limits.wall_s
        while True:
            try:
                kind, payload = self._next(deadline)
            except _SilentError:
                if outcome.verdict is None:
                    outcome.verdict = (CallStatus.TIMEOUT, f"ended after {limits.wall_s:g} s of wall time")
                    with contextlib.suppress(OSError):
                        self._connection.sendall(KILL)
                    deadline = time.monotonic() + _KILL_TIMEOUT_S
                    continue
                # it does not get around to it: then the engine ends everything
                raise ContainerLostError("it did not end its call in time") from None
            if kind in streams:
                streams[kind].feed(payload)
            elif kind is Kind.ENDED:
                ended: dict[str, Any] = json.loads(payload)
                return ended
            else:
                raise SandboxBrokenError(f"a container said {kind.name} in the middle of its call")

    def _find_cause(self, limits: Limits, outcome: Outcome, lost: ContainerLostError) -> None:
        """Say why a container ended before it had told how its call did."""
        self._engine.kill(self.id)
        code = self._engine.wait(self.id, timeout_s=_KILL_TIMEOUT_S * 3)
        outcome.status = signal.SIGKILL
        if outcome.verdict is not None:
            return
        # the engine hears of it from the kernel, sometimes a moment after the end
        for _ in range(10):
            state = self._engine.state(self.id)
            if state.get("OOMKilled"):
                outcome.verdict = (
                    CallStatus.OUT_OF_MEMORY,
                    f"used more than {limits.memory_mb} MB of memory",
                )
                return
            if code != 128 + signal.SIGKILL:
                break
            time.sleep(0.05)
        if self._gvisor and code == _GO_FAILED:
            # its kernel is a program of ours on the host, and what it may have the call has used up
            outcome.verdict = (
                CallStatus.TOO_MANY_PROCESSES,
                f"gVisor's kernel could not go on (code {code}): most likely for too many processes",
            )
            return
        if code == 128 + signal.SIGKILL:
            outcome.verdict = (CallStatus.KILLED, "killed from outside the sandbox")
            return
        raise SandboxBrokenError(f"a container ended with code {code} in the middle of its call: {lost}")

    def _take_files(self, request: SandboxRequest, outcome: Outcome) -> None:
        assert request.collect_into is not None
        limits = request.limits
        deadline = time.monotonic() + _FILES_TIMEOUT_S
        with Intake(request.collect_into) as intake:
            while True:
                kind, payload = self._next_of_files(deadline)
                if kind is Kind.DONE:
                    problem = json.loads(payload)
                    if problem:
                        raise SandboxBrokenError(f"the files of a call could not be taken out: {problem}")
                    break
                name, what = json.loads(payload)
                if kind is Kind.REFUSED:
                    intake.refuse(str(name), str(what))
                elif kind is Kind.FILE:
                    # the first process has checked all this; a length is not believed a second time
                    size = int(what)
                    if intake.n_files >= limits.files or intake.n_bytes + size > limits.files_mb * _MEGABYTE:
                        raise SandboxBrokenError("a container sent more files than allowed")
                    if "/".join(map(safe_part, str(name).split("/"))) != name:
                        raise SandboxBrokenError("a container sent a file with an unsafe name")
                    intake.put(name, self._content(size, deadline))
                else:
                    raise SandboxBrokenError(f"a container said {kind.name} between its files")
            outcome.artifacts, outcome.refused = intake.report()

    def _content(self, size: int, deadline: float) -> Iterator[bytes]:
        while True:
            kind, payload = self._next_of_files(deadline)
            if kind is Kind.FILE_END:
                problem = json.loads(payload)
                if problem or size:
                    raise ValueError(str(problem or "it was not whole"))
                return
            size -= len(payload)
            if kind is not Kind.CHUNK or size < 0:
                raise SandboxBrokenError(f"a container said {kind.name} within a file, or too much of it")
            yield payload

    def _next_of_files(self, deadline: float) -> tuple[Kind, bytes]:
        try:
            return self._next(deadline)
        except (ContainerLostError, _SilentError) as error:
            raise SandboxBrokenError(
                f"a container was lost before its files were taken out: {error}"
            ) from error

    def _next(self, deadline: float) -> tuple[Kind, bytes]:
        """Return the next frame.

        Raises:
            ContainerLostError: the container has ended.
            SandboxBrokenError: what it said is no frame.
        """
        while not self._arrived:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _SilentError
            try:
                self._connection.settimeout(left)
                data = self._connection.recv(_CHUNK)
            except TimeoutError:
                raise _SilentError from None
            except OSError as error:
                raise ContainerLostError(str(error)) from error
            if not data:
                raise ContainerLostError(self._reader.said or "it said nothing")
            try:
                self._arrived.extend(self._reader.feed(data))
            except FrameError as error:
                raise SandboxBrokenError(f"a container could not be understood: {error}") from error
        return self._arrived.popleft()

    def hang_up(self) -> None:
        """Let go of the connection: a first process without a supervisor ends, and everything with it."""
        with contextlib.suppress(OSError):
            # not only close: a fork of our process may hold a copy of the descriptor
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def remove(self) -> None:
        """End everything in it and remove it. Doing so twice does nothing more."""
        self.hang_up()
        self._engine.remove(self.id)


def _note(ended: dict[str, Any], limits: Limits, outcome: Outcome) -> None:
    """Take over what the first process has measured."""
    outcome.status = int(ended["status"])
    outcome.cpu_s = float(ended["cpu_s"])
    outcome.peak_mb = ended["peak_bytes"] / _MEGABYTE
    outcome.truncated = outcome.truncated or bool(ended["truncated"])
    broke = ended["broke"]
    if outcome.verdict is not None:
        return
    if ended["out_of_memory"] or broke == "memory":
        outcome.verdict = (CallStatus.OUT_OF_MEMORY, f"used more than {limits.memory_mb} MB of memory")
    elif broke == "cpu":
        outcome.verdict = (CallStatus.TIMEOUT, f"used more than {limits.cpu_s:g} s of processor time")
    elif broke == "processes":
        outcome.verdict = (
            CallStatus.TOO_MANY_PROCESSES,
            f"had more than {limits.processes} processes and threads",
        )
    elif broke == "answer":
        outcome.verdict = (CallStatus.OUTPUT_LIMIT, f"answered more than {limits.result_kb} kB")
    elif broke == "scratch":
        outcome.verdict = (
            CallStatus.OUTPUT_LIMIT,
            f"wrote more than {limits.scratch_mb} MB of scratch files",
        )
