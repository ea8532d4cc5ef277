"""Taking files out of a finished sandbox."""

from pathlib import Path

from novum.sandbox.base import Limits
from novum.sandbox.files.intake import Intake, Report
from novum.sandbox.files.walk import Caps, Found, find_files, open_directory

__all__ = ["caps_of", "collect", "find_files", "open_directory"]


def caps_of(limits: Limits) -> Caps:
    """Return what a call's limits say about its files; sixteen names are looked at for each file."""
    return Caps(
        files=limits.files,
        total_bytes=limits.files_mb << 20,
        entries=max(1024, 16 * limits.files),
    )


def collect(directory_fd: int, into: Path, *, limits: Limits) -> Report:
    """Copy the files below a directory that untrusted code has filled.

    What is not a plain file of its own, has an unsafe name, is over a limit, or changes while it is
    copied stays there, and the reason is reported. Modes, owners and times are not taken along.

    Args:
        directory_fd: the directory, opened with `open_directory`: its name too may have become a link.
        into: existing, empty directory of ours. Afterwards it holds exactly what is reported.
        limits: `Limits.files` and `Limits.files_mb` count.

    Returns:
        The files, in the order of their names, and what was refused; at most
        `novum.sandbox.files.intake.REFUSALS_KEPT` refusals, of which the last says how many more there were.

    Raises:
        UsageError: `into` is missing, a link, or not empty.
        SandboxUnavailableError: the kernel has no ``openat2``.
        SandboxBrokenError: the directory cannot be read, or `into` cannot be written.
    """
    with Intake(into) as intake:
        for item in find_files(directory_fd, caps_of(limits)):
            if isinstance(item, Found):
                intake.put(item.name, item.chunks())
            else:
                intake.refuse(item.name, item.reason)
        return intake.report()
