"""What a call uses, seen from inside its container: by the container's own control group.

A container has one group for everything in it, so its counters are the sum over all processes of the
call, shared and anonymous memory of every kind included. What the first process itself held before the
call is subtracted, and so are the scratch files, which have a limit of their own.

Where no control group can be read (as under gVisor), the processes' own figures are added up.

The standard library only: it runs inside.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_GROUPS: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over everything in the container."""

    memory: int
    """Bytes, without scratch files."""
    scratch: int
    """Bytes in scratch files."""
    cpu_s: float
    processes: int = 0
    """Of the call, threads counted too; 0 where the container's control group counts them."""


class Meter:
    """Reads the container's counters.

    Args:
        scratch: directories, each a file system of its own, whose files count as scratch.
        groups: where the control groups are mounted.
    """

    def __init__(self, scratch: Sequence[str], groups: Path = _GROUPS) -> None:
        # by descriptor: what the call does to the names changes nothing
        self._scratch = [os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for place in scratch]
        self.version = 0
        """Of the control groups; 0 where none can be read."""
        self._memory, self._events, self._cpu = -1, -1, -1
        layouts = (
            (2, "memory.stat", "memory.events", "cpu.stat"),
            (1, "memory/memory.stat", "memory/memory.oom_control", "cpuacct/cpuacct.usage"),
        )
        for version, memory, events, cpu in layouts:
            if all((groups / name).is_file() for name in (memory, events, cpu)):
                self.version = version
                self._memory, self._events, self._cpu = (_open(groups / f) for f in (memory, events, cpu))
                break

    def read(self) -> Usage:
        """Return what is used now."""
        scratch = 0
        for fd in self._scratch:
            found = os.fstatvfs(fd)
            scratch += (found.f_blocks - found.f_bfree) * found.f_frsize
        if not self.version:
            memory, cpu_s, processes = _add_up()
            return Usage(memory, scratch, cpu_s, processes)
        counters = _pairs(self._memory)
        private = counters["rss"] if self.version == 1 else counters["anon"]
        memory = max(0, private + counters["shmem"] - scratch)
        if self.version == 1:
            return Usage(memory, scratch, int(os.pread(self._cpu, 64, 0)) / 1e9)
        return Usage(memory, scratch, _pairs(self._cpu)["usage_usec"] / 1e6)

    def kills(self) -> int:
        """Return how many processes the kernel has ended for the container's memory so far."""
        return _pairs(self._events).get("oom_kill", 0) if self.version else 0


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _pairs(fd: int) -> dict[str, int]:
    lines = os.pread(fd, 1 << 14, 0).decode("ascii").splitlines()
    return {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}


def _add_up() -> tuple[int, float, int]:
    """Return resident memory in bytes, processor time in seconds, and the number of processes and threads.

    Of all but the first process.
    """
    page, ticks = os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK")
    memory, cpu, processes = 0, 0, 0
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit() or name == "1":
            continue
        try:
            fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # it has just ended
        memory += int(fields[21]) * page
        cpu += sum(int(field) for field in fields[11:15])
        processes += int(fields[17])
    return memory, cpu / ticks, processes
