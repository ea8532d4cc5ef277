"""The windows of a container on an engine of this machine: what of the host is bound into it, read-only."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FROM_ETC: Final = ("/etc/ld.so.cache", "/etc/alternatives")


def system_links() -> dict[str, str]:
    """Return the system's directories that are links on this machine, as ``/lib`` to ``usr/lib``."""
    return {path: os.readlink(path) for path in _SYSTEM if Path(path).is_symlink()}  # noqa: PTH115


def find_mounts(visible: Sequence[str]) -> tuple[str, ...]:
    """Return the paths to bind so that a container sees the system's libraries and `visible`.

    Sorted, each once, and none that another one shows. What is mounted beneath a window is a window of
    its own: the engine binds without what lies beneath, since it would make only the top read-only.
    """
    system = [path for path in (*_SYSTEM, *_FROM_ETC) if Path(path).exists() and not Path(path).is_symlink()]
    shown: list[str] = []
    for path in sorted({*system, *visible}):
        if Path(path).exists() and not _is_beneath(path, shown):
            shown.append(path)
    inner = [place for place in _mount_points() if _is_beneath(place, shown) and Path(place).exists()]
    return tuple(sorted({*shown, *inner}))


def _is_beneath(path: str, parents: Iterable[str]) -> bool:
    return any(path.startswith(f"{parent}/") for parent in parents)


def _mount_points() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [line.split()[4].replace("\\040", " ") for line in lines]
