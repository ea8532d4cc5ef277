"""Choosing a sandbox: by name, or the best that this machine has. Never a silent fallback."""

from novum.core.errors import SandboxUnavailableError, UsageError
from novum.sandbox.base import Sandbox


def open_sandbox(name: str = "auto") -> Sandbox:
    """Return a sandbox that was seen to keep its promises here.

    Args:
        name: ``auto`` or ``namespace``.

    Raises:
        UsageError: no backend has that name.
        SandboxUnavailableError: this machine does not offer isolation; the message says what to do.
    """
    if name not in ("auto", "namespace"):
        raise UsageError(f"sandbox {name!r} is not known; expected 'auto' or 'namespace'")
    import sys

    if sys.platform != "linux":
        raise SandboxUnavailableError(
            "the namespace sandbox needs Linux 5.14 or later: use a Linux machine, a virtual machine or WSL 2"
        )
    from novum.sandbox.namespace.backend import NamespaceSandbox

    sandbox = NamespaceSandbox()
    try:
        attestation = sandbox.attest()
        if not attestation.passed:
            broken = ", ".join(sorted(check for check, kept in attestation.checks.items() if not kept))
            raise SandboxUnavailableError(
                f"the namespace sandbox does not keep its promises on this machine: {broken}"
            )
    except BaseException:
        sandbox.close()
        raise
    return sandbox
