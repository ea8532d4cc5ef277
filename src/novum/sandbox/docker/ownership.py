"""Whose container it is: labels that tell a dead owner's containers from those of everybody else."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MARK: Final = "org.novum.sandbox"
"""The label that every container of ours has."""

_PID: Final = f"{MARK}.pid"
_START: Final = f"{MARK}.start"
_BOOT: Final = f"{MARK}.boot"
_HOST: Final = f"{MARK}.host"
_PIDS: Final = f"{MARK}.pid-namespace"


def own_labels() -> dict[str, str]:
    """Return the labels for a container of this process."""
    return {
        MARK: "call",
        _PID: str(os.getpid()),
        _START: _start_of(os.getpid()) or "",
        _BOOT: _boot(),
        _HOST: _host(),
        _PIDS: _pid_namespace(),
    }


def is_orphan(labels: Mapping[str, str]) -> bool:
    """Whether a container's owner is known to be dead.

    Only an owner on this machine, and among the processes that this process can see, can be judged: an
    engine may serve several machines, and containers whose process numbers mean something else.
    """
    if labels.get(MARK) != "call" or labels.get(_HOST) != _host():
        return False
    if labels.get(_BOOT) != _boot():
        return True  # the machine has been started anew since
    pid = labels.get(_PID, "")
    if labels.get(_PIDS) != _pid_namespace() or not pid.isdigit():
        return False
    return _start_of(int(pid)) != labels.get(_START)


def _start_of(pid: int) -> str | None:
    """Return when a living process started, in clock ticks: tells it from a later one with its number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = fields.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id")


def _host() -> str:
    return _read("/etc/machine-id") or socket.gethostname()


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
