"""Choosing a sandbox: by name, or the strongest that this machine has. Never a silent fallback."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from novum.core.errors import InfrastructureError, SandboxUnavailableError, UsageError
from novum.sandbox.base import Attestation, Sandbox

STRENGTH: Final = ("docker", "namespace", "landlock")
"""The backends, strongest first."""

DEGRADED: Final = frozenset({"landlock"})
"""Those that do not make every promise: only a person's word selects them."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What can be set about the backends."""

    allow_degraded: bool = False
    """Whether ``auto`` may end at a backend that does not make every promise."""
    pool_size: int = 2
    """Isolated processes or containers to keep ready per set of libraries."""
    pool_mb: int = 2048
    """Memory that what is kept ready may hold together."""
    docker_host: str | None = None
    """Address of the Docker engine; None for the usual one."""
    docker_runtime: str | None = None
    """Runtime of the containers, as ``runsc`` for gVisor; None for the engine's own."""
    remember_in: Path | None = None
    """File that keeps attestations from one process to the next for some hours; None probes each time."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found of one backend."""

    name: str
    attestation: Attestation | None
    """What it was seen to enforce; None where it did not even start."""
    problem: str = ""
    """Why it cannot be used; empty where it can."""
    idle_memory_mb: float = 0.0
    """What its warm processes hold after the probes."""


def open_sandbox(name: str = "auto", options: SandboxOptions | None = None) -> Sandbox:
    """Return a sandbox that was seen to keep its promises here.

    Args:
        name: ``docker``, ``namespace``, ``landlock``; or ``auto`` for the first of these that can be had,
            of which the last only where `options` allow a degraded one.
        options: what is set about the backends.

    Raises:
        UsageError: no backend has that name.
        SandboxUnavailableError: this machine does not offer isolation; the message says what to do.
    """
    options = options or SandboxOptions()
    if name != "auto":
        _check_name(name)
        return _attested(_make(name, options), options)
    reasons = []
    allowed = [name for name in STRENGTH if options.allow_degraded or name not in DEGRADED]
    for candidate in allowed:
        try:
            return _attested(_make(candidate, options), options)
        except InfrastructureError as error:
            reasons.append(f"{candidate}: {error}")
    if not options.allow_degraded and sys.platform == "linux":
        reasons.append("landlock: weaker, and used only if 'allow_degraded_sandbox = true' is set")
    raise SandboxUnavailableError(
        "no isolation can be had on this machine, so nothing runs.\n"
        + "\n".join(f"  {reason}" for reason in reasons)
        + "\n'novum sandbox doctor' shows each with what it enforces."
    )


def examine_sandboxes(names: tuple[str, ...], options: SandboxOptions | None = None) -> Iterator[Examined]:
    """Probe backends one after the other, and yield what was found of each.

    Raises:
        UsageError: no backend has such a name.
    """
    for name in names:
        _check_name(name)
        try:
            sandbox = _make(name, options or SandboxOptions())
        except InfrastructureError as error:
            yield Examined(name, None, str(error))
            continue
        try:
            attestation = sandbox.attest()
            broken = "; ".join(f"{promise}: {seen}" for promise, seen in attestation.broken.items())
            yield Examined(name, attestation, broken, sandbox.idle_memory_mb())
        except InfrastructureError as error:
            yield Examined(name, None, str(error))
        finally:
            sandbox.close()


def make_sandbox(name: str, options: SandboxOptions | None = None) -> Sandbox:
    """Return a backend by name that was not asked yet what it enforces; its first call will ask.

    Raises:
        UsageError: no backend has that name.
        SandboxUnavailableError: it cannot be had on this machine.
    """
    _check_name(name)
    return _make(name, options or SandboxOptions())


def _check_name(name: str) -> None:
    if name not in STRENGTH:
        known = ", ".join(map(repr, ("auto", *STRENGTH)))
        raise UsageError(f"sandbox {name!r} is not known; expected one of {known}")


def _make(name: str, options: SandboxOptions) -> Sandbox:
    if name == "docker":
        from novum.sandbox.docker import DockerSandbox

        return DockerSandbox(
            pool_size=options.pool_size,
            pool_mb=options.pool_mb,
            host=options.docker_host,
            runtime=options.docker_runtime,
        )
    if sys.platform != "linux":
        raise SandboxUnavailableError(
            f"the {name} sandbox needs Linux: start Docker, or use Linux, a virtual machine or WSL 2"
        )
    if name == "namespace":
        from novum.sandbox.namespace.backend import NamespaceSandbox

        return NamespaceSandbox(pool_size=options.pool_size, pool_mb=options.pool_mb)
    from novum.sandbox.landlock import LandlockSandbox

    return LandlockSandbox(pool_size=options.pool_size, pool_mb=options.pool_mb)


def _attested(sandbox: Sandbox, options: SandboxOptions) -> Sandbox:
    try:
        attestation = _remembered(sandbox, options) or sandbox.attest()
        if not attestation.passed:
            broken = "; ".join(f"{promise}: {seen}" for promise, seen in attestation.broken.items())
            raise SandboxUnavailableError(
                f"the {sandbox.name} sandbox does not keep its promises on this machine: {broken}"
            )
    except BaseException:
        sandbox.close()
        raise
    return sandbox


def _remembered(sandbox: Sandbox, options: SandboxOptions) -> Attestation | None:
    """Return what an earlier process saw of the same backend; else what is seen now, and keep it."""
    if options.remember_in is None:
        return None
    from novum.sandbox.remembered import Remembered, key_of

    kept = Remembered(options.remember_in)
    key = key_of(sandbox.name, sandbox.versions(), options.docker_host, options.docker_runtime)
    found = kept.find(key)
    if found is None:
        found = sandbox.attest()
        kept.put(key, found)
    else:
        sandbox.adopt(found)
    return found
