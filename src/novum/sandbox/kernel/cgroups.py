"""Control groups: limits on a call's memory and processes that the kernel itself adds up.

They are used where this process may make them: as root, in version 1 and 2. Elsewhere the watchdog on
proportional memory and RLIMIT_NPROC stand alone. Memory in a group includes the call's scratch files.

References:
    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import contextlib
import itertools
import logging
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

_MEGABYTE: Final = 1 << 20
_PREFIX: Final = "novum-"
_REMOVE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Names:
    """The files of one version."""

    version: int
    memory: str
    events: str
    pids: str
    swap: tuple[str, str]
    """File of the limit on swap, and what to write: ``+`` for memory and swap together."""


_V1: Final = _Names(
    1, "memory.limit_in_bytes", "memory.oom_control", "pids.max", ("memory.memsw.limit_in_bytes", "+")
)
_V2: Final = _Names(2, "memory.max", "memory.events", "pids.max", ("memory.swap.max", "0"))


class Group:
    """The control group of one call: made early, limited when its job is known, removed after it."""

    def __init__(self, names: _Names, directories: dict[str, Path]) -> None:
        self._names = names
        self._directories = directories
        for directory in set(directories.values()):
            directory.mkdir()

    def open_membership(self) -> list[int]:
        """Return descriptors of the files into which a process writes ``0`` to join."""
        return [
            os.open(directory / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            for directory in sorted(set(self._directories.values()))
        ]

    def limit(self, *, memory_mb: int, scratch_mb: int, processes: int) -> None:
        """Set the limits.

        Raises:
            OSError: the kernel refused one.
        """
        size = (memory_mb + scratch_mb) * _MEGABYTE
        memory = self._directories["memory"]
        (memory / self._names.memory).write_text(str(size), encoding="ascii")
        file, value = self._names.swap
        with contextlib.suppress(FileNotFoundError):  # a kernel that does not account for swap
            (memory / file).write_text(str(size) if value == "+" else value, encoding="ascii")
        (self._directories["pids"] / self._names.pids).write_text(str(processes), encoding="ascii")

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process of the group for its memory."""
        text = (self._directories["memory"] / self._names.events).read_text(encoding="ascii")
        counts = dict(line.split() for line in text.splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def remove(self) -> None:
        """Remove the group, whose processes must be gone. Removing twice does nothing.

        One that the kernel does not let go of stays, empty, for the next sweep.
        """
        deadline = time.monotonic() + _REMOVE_S
        for directory in set(self._directories.values()):
            while True:
                try:
                    directory.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    # the kernel lets go of a dead process a moment after it is reaped
                    if time.monotonic() > deadline:
                        _log.warning("control group %s could not be removed", directory)
                        break
                    time.sleep(0.001)
                else:
                    break


class Groups:
    """Makes control groups below one of this process's own.

    Args:
        names: of the version in use.
        parents: controller → existing directory in which to make this process's own.
    """

    def __init__(self, names: _Names, parents: dict[str, Path]) -> None:
        self._names = names
        self._numbers = itertools.count()
        # one process may have several of these
        owner = f"{_PREFIX}{os.getpid()}-{_start_of(os.getpid())}-{secrets.token_hex(4)}"
        self._own = {controller: parent / owner for controller, parent in parents.items()}
        for parent in set(parents.values()):
            _sweep(parent)
        for directory in set(self._own.values()):
            directory.mkdir()
        if names.version == 2:
            for directory in set(self._own.values()):
                (directory / "cgroup.subtree_control").write_text("+memory +pids", encoding="ascii")

    @property
    def mechanism(self) -> str:
        """What to call it in an attestation."""
        return f"cgroup v{self._names.version}"

    def new(self) -> Group:
        """Return a new, empty, unlimited group.

        Raises:
            OSError: the kernel refused it.
        """
        name = f"call-{next(self._numbers)}"
        return Group(self._names, {controller: own / name for controller, own in self._own.items()})

    def close(self) -> None:
        """Remove what this process made and what is empty."""
        for directory in set(self._own.values()):
            _remove_tree(directory)


def find_groups() -> Groups | None:
    """Return what makes control groups here, or None where this process may not, or there are none."""
    if os.geteuid() != 0:
        return None
    for names, parents in _candidates():
        with contextlib.suppress(OSError):
            groups = Groups(names, parents)
            try:
                trial = groups.new()
                trial.limit(memory_mb=64, scratch_mb=1, processes=8)
                _ = trial.out_of_memory
                trial.remove()
            except (OSError, ValueError):
                groups.close()
                continue
            return groups
    return None


def _candidates() -> Iterator[tuple[_Names, dict[str, Path]]]:
    own = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    mounts: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        place, (kind, _, options) = before.split()[4], after.split()[:3]
        if kind == "cgroup2":
            mounts["v2"] = Path(place)
        elif kind == "cgroup":
            mounts.update({controller: Path(place) for controller in options.split(",")})
    if "memory" in mounts and "pids" in mounts:
        yield _V1, {c: _beneath(mounts[c], own.get(c, "/")) for c in ("memory", "pids")}
    if "v2" in mounts:
        # a group with processes may hold no limited groups; the top one may
        yield _V2, dict.fromkeys(("memory", "pids"), mounts["v2"])


def _beneath(mount: Path, path: str) -> Path:
    place = mount / path.lstrip("/")
    return place if place.is_dir() else mount


def _start_of(pid: int) -> str | None:
    """Return when a living process started, in clock ticks: tells it from a later one with its number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def _sweep(parent: Path) -> None:
    """Remove the groups of processes that died without removing them."""
    for directory in parent.glob(f"{_PREFIX}*-*-*"):
        pid, start, _ = directory.name.removeprefix(_PREFIX).split("-", 2)
        if pid.isdigit() and _start_of(int(pid)) != start:
            _remove_tree(directory)


def _remove_tree(directory: Path) -> None:
    for inner in (*directory.glob("call-*"), directory):
        with contextlib.suppress(OSError):  # another sweeper was quicker, or a process still ends
            inner.rmdir()
