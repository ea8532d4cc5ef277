"""What of the host a sandbox shows, read-only: the interpreter, its libraries, novum, a plugin's folder."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from novum.core.errors import SandboxUnavailableError
from novum.sandbox.base import Profile


@dataclass(frozen=True, slots=True)
class Windows:
    """Paths of the host that are seen inside under the same names."""

    visible: tuple[str, ...]
    import_own: str | None
    """The directory to import novum itself from, or None when it is installed."""
    accelerators: tuple[str, ...] = ()
    """Device files of the machine's accelerators, where the profile asks for them."""


def find_windows(profile: Profile) -> Windows:
    """Return what a sandbox of `profile` shows.

    Raises:
        SandboxUnavailableError: the interpreter is not known, or the machine has no accelerator that the
            profile asks for.
    """
    if not sys.executable:
        raise SandboxUnavailableError(
            "this Python does not know its own interpreter (sys.executable is empty)"
        )
    package = Path(__file__).resolve().parents[1]
    installed = package.is_relative_to(Path(sys.prefix).resolve())
    # beside an installed package lie the others that it needs; beside a checkout, anything may lie
    beside = package.parent if package.parent.name in ("site-packages", "dist-packages") else package
    shown = [
        sys.base_prefix,
        sys.prefix,
        *([] if installed else [str(beside)]),
        *profile.readable,
        *profile.data,
    ]
    accelerators = find_accelerators() if profile.gpu else ()
    if profile.gpu and not accelerators:
        raise SandboxUnavailableError(
            f"profile {profile.name!r} needs an accelerator, and this machine shows none "
            "(no /dev/nvidia*, /dev/kfd or /dev/dri/renderD*)"
        )
    # a path may lead over links: both names are needed
    names = {name for path in shown for name in (os.path.normpath(path), os.path.realpath(path))}
    return Windows(
        visible=tuple(sorted(names)),
        import_own=None if installed else str(package.parent),
        accelerators=accelerators,
    )


def find_accelerators(devices: Path = Path("/dev")) -> tuple[str, ...]:
    """Return the device files through which NVIDIA's and AMD's drivers are reached, if any."""
    patterns = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "kfd", "dri/renderD*")
    found = {str(path) for pattern in patterns for path in devices.glob(pattern)}
    drivers = any("nvidia" in path or path.endswith("kfd") for path in found)
    return tuple(sorted(found)) if drivers else ()
