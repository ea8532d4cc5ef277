"""How a call ended: what a supervisor measured, and what it makes of it."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from novum.core.calls import CallStatus
from novum.sandbox.answers import parse_answer
from novum.sandbox.base import CollectedFile, Limits, NetworkAttempt, RefusedFile, SandboxResult
from novum.sandbox.text import decode_output

ANSWER_ENVELOPE: Final = 8192
"""Bytes that an answer may have beyond its limit: the call itself holds the value to it, and says so."""


@dataclass(slots=True)
class Stream:
    """Captured bytes, up to a limit; the rest is read and dropped so that the writer never waits."""

    limit: int
    kept: bytearray = field(default_factory=bytearray)
    overflowed: bool = False

    def feed(self, data: bytes) -> None:
        """Keep what there is room for."""
        room = self.limit - len(self.kept)
        self.kept += data[:room]
        self.overflowed = self.overflowed or len(data) > room


@dataclass(slots=True)
class Outcome:
    """What was measured of one call."""

    status: int = 0
    """As `wait` gives it."""
    verdict: tuple[CallStatus, str] | None = None
    """The limit for which the supervisor, or the kernel, ended the call."""
    answer: bytes = b""
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    artifacts: tuple[CollectedFile, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    network: tuple[NetworkAttempt, ...] = ()
    enforced: Mapping[str, str] = field(default_factory=dict)


def to_result(outcome: Outcome, limits: Limits, *, backend: str) -> SandboxResult:
    """Return what the caller sees of a call."""
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
        artifacts=outcome.artifacts,
        refused=outcome.refused,
        network=outcome.network,
        enforced=outcome.enforced,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"
