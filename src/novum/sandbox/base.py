"""The sandbox protocol: running code that we do not trust."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from novum.core.calls import CallStatus


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may use. Exceeding a limit ends the call, never the supervisor."""

    wall_s: float = 300.0
    cpu_s: float = 600.0
    memory_mb: int = 2048
    """Of all processes of the call together."""
    processes: int = 64
    """Processes and threads together."""
    scratch_mb: int = 256
    """Files in the working directory, /tmp and /dev/shm together."""
    output_kb: int = 64
    """Of standard output and of standard error, each; the rest is cut and marked."""
    result_kb: int = 1024
    """Of the JSON answer."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sandbox has ready before a call: a name, modules to import, paths to see.

    `modules` are imported once, before any untrusted argument is seen. `readable` are extra host
    directories, mounted read-only at the same place and put in front of ``sys.path``.
    """

    name: str = "base"
    modules: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One call: a function, its JSON arguments, and what it may use."""

    entry: str
    """``package.module:function``; called inside with `arguments` as keywords."""
    arguments: Mapping[str, Any]
    profile: Profile = Profile()
    limits: Limits = Limits()
    seed: int = 0
    """Seeds `random` and `numpy.random` before the call."""


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How a call ended. Everything but `value` and the texts is measured by the supervisor."""

    status: CallStatus
    value: Any = None
    """The function's answer, JSON data without NaN; a claim, not a measurement."""
    message: str = ""
    """Why it did not end well: the exception's class and text, the limit, or the signal."""
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    """Output was cut at the limit."""
    exit_code: int | None = None
    signal: int | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0
    backend: str = ""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a backend was seen to enforce, by probes that ran inside it.

    `checks` maps the name of a promise to whether its probe found it kept; `mechanisms` maps a limit
    to what enforces it. A backend whose attestation fails must not be used.
    """

    backend: str
    checks: Mapping[str, bool]
    mechanisms: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return bool(self.checks) and all(self.checks.values())


@runtime_checkable
class Sandbox(Protocol):
    """Runs single calls in isolation. Safe to use from several threads at once.

    Promises of every implementation, checked by `novum.sandbox.conformance`:

    - The code sees no host file but the interpreter, its libraries and the profile's readable paths;
      no environment variable of the host; no network; no process of the host.
    - Nothing that one call leaves behind (files, processes, memory, environment) reaches another.
    - When `run` returns, every process of the call is gone.
    - The status is measured. A broken sandbox raises; it is never a status.
    """

    name: str

    def run(self, request: SandboxRequest) -> SandboxResult:
        """Run one call to its end.

        Raises:
            SandboxBrokenError: the sandbox itself failed; the call may be retried.
            SandboxUnavailableError: no isolation can be had here.
        """
        ...

    def warm(self, profile: Profile) -> None:
        """Make the next call with `profile` fast; safe to call from a background thread."""
        ...

    def attest(self) -> Attestation:
        """Run the probes inside this backend and return what was seen; cached per process."""
        ...

    def close(self) -> None:
        """End every process that this sandbox started. It may be called twice."""
        ...
