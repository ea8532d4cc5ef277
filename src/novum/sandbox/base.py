"""The sandbox protocol: running code that we do not trust."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

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
    files: int = 64
    """How many files are taken out of the call's `OUT_DIRECTORY`."""
    files_mb: int = 64
    """Of the files taken out, together."""


IN_DIRECTORY: Final = "in"
"""Where a call finds its input files, below the working directory in which it starts."""

OUT_DIRECTORY: Final = "out"
"""Where a call leaves the files that are to be taken out, below its working directory."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sandbox has ready before a call: a name, modules to import, paths and devices to see.

    `modules` are imported once, before any untrusted argument is seen. `readable` are extra host
    directories, mounted read-only at the same place and put in front of ``sys.path``. `data` are files
    and directories that are mounted likewise, and from which nothing is imported. With `gpu` the
    call sees the machine's accelerators, and imports its modules itself: a fork of a process that has
    used CUDA cannot use it.
    """

    name: str = "base"
    modules: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    gpu: bool = False
    data: tuple[str, ...] = ()


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
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Files to copy into `IN_DIRECTORY` before the call: name inside → file of the host."""
    collect_into: Path | None = None
    """Existing directory that receives what the call leaves in `OUT_DIRECTORY`; None takes nothing."""
    hosts: tuple[str, ...] = ()
    """Network hosts that were granted: ``name``, ``name:port``, ``*.domain``; see `network.grants`."""


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """A file that a call left, taken out after its last process was gone. Its content is a claim."""

    name: str
    """Relative to `OUT_DIRECTORY`, with ``/`` between folders."""
    sha256: str
    size: int
    path: Path
    """Where it lies now, below `SandboxRequest.collect_into`."""


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """Something that a call left and that was not taken out."""

    name: str
    """As far as it can be shown."""
    reason: str


@dataclass(frozen=True, slots=True)
class NetworkAttempt:
    """One try of a call to reach a host through the filtering proxy."""

    host: str
    port: int
    allowed: bool
    reason: str = ""
    """Why it was refused, or failed; empty when it went through."""
    sent: int = 0
    """Bytes to the host."""
    received: int = 0
    """Bytes from it."""


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How a call ended. Everything but `value`, the texts and the files is measured by the supervisor."""

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
    artifacts: tuple[CollectedFile, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    network: tuple[NetworkAttempt, ...] = ()
    enforced: Mapping[str, str] = field(default_factory=dict)
    """Limit → the mechanism that held it in this call."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a backend was seen to enforce, by probes that ran inside it.

    `checks` maps the name of a promise to whether its probe found it kept, and `seen` to what the
    probe saw; `mechanisms` maps a limit to what enforces it. A backend whose attestation fails must
    not be used. `degraded` maps what this backend does not even promise to the reason: it is shown
    wherever the backend is named.
    """

    backend: str
    checks: Mapping[str, bool]
    mechanisms: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    degraded: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    """What it is made of: kernel, engine, runtime."""
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return bool(self.checks) and all(self.checks.values())

    @property
    def broken(self) -> dict[str, str]:
        """The promises that were not kept, each with what was seen instead."""
        return {name: self.seen.get(name, "") for name, kept in self.checks.items() if not kept}


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

    def adopt(self, attestation: Attestation) -> None:
        """Take what an earlier process saw of this very backend, instead of probing again."""
        ...

    def versions(self) -> dict[str, str]:
        """Return what this backend is made of: kernel, engine, runtime."""
        ...

    def idle_memory_mb(self) -> float:
        """Return the memory that is held for the next calls now, shared pages counted once."""
        ...

    def close(self) -> None:
        """End every process that this sandbox started. It may be called twice."""
        ...
