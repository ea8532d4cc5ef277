"""Running code that we do not trust.

The public names load on first use, so that importing this package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novum.sandbox.base import Attestation, Limits, Profile, Sandbox, SandboxRequest, SandboxResult
    from novum.sandbox.fake import FakeSandbox
    from novum.sandbox.namespace.backend import NamespaceSandbox
    from novum.sandbox.select import SandboxOptions, examine_sandboxes, make_sandbox, open_sandbox

__all__ = [
    "Attestation",
    "FakeSandbox",
    "Limits",
    "NamespaceSandbox",
    "Profile",
    "Sandbox",
    "SandboxOptions",
    "SandboxRequest",
    "SandboxResult",
    "examine_sandboxes",
    "make_sandbox",
    "open_sandbox",
]

_HOMES = {
    **dict.fromkeys(
        ("Attestation", "Limits", "Profile", "Sandbox", "SandboxRequest", "SandboxResult"),
        "novum.sandbox.base",
    ),
    "FakeSandbox": "novum.sandbox.fake",
    "NamespaceSandbox": "novum.sandbox.namespace.backend",
    **dict.fromkeys(
        ("SandboxOptions", "examine_sandboxes", "make_sandbox", "open_sandbox"), "novum.sandbox.select"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
