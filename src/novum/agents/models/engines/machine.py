"""What a machine has to serve a model with: its GPUs, as their driver says, and its memory."""

import os
import shutil
import subprocess
from dataclasses import dataclass

MB = 2**20
BUSY = 0.1
"""The share of a GPU's memory that others may hold before it counts as taken."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Args:
        index: as the driver counts.
        name: as the driver calls it.
        memory_mb: all of its memory, in MiB.
        free_mb: what of it nobody holds.
        capability: the CUDA compute capability, as (9, 0); None where it is not known.
    """

    index: int
    name: str
    memory_mb: int
    free_mb: int
    capability: tuple[int, int] | None = None

    @property
    def is_taken(self) -> bool:
        """Whether somebody else works on it."""
        return self.free_mb < (1 - BUSY) * self.memory_mb

    @property
    def memory_gb(self) -> float:
        """All of its memory, in units of 10⁹ bytes, as weights are counted."""
        return self.memory_mb * MB / 1e9


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, or several alike that work together."""

    gpus: tuple[Gpu, ...] = ()
    """The GPUs of one node."""
    memory_mb: int = 0
    """Main memory of one node, in MiB."""
    n_nodes: int = 1

    @property
    def memory_gb(self) -> float:
        """Main memory of one node, in units of 10⁹ bytes."""
        return self.memory_mb * MB / 1e9

    def describe(self) -> str:
        """Return what there is, in words.

        Example:
            >>> Machine(memory_mb=16384).describe()
            'no GPU that a driver shows, 16 GiB of main memory'
        """
        kinds: dict[str, int] = {}
        for gpu in self.gpus:
            kind = f"{gpu.name} with {gpu.memory_mb / 1024:.0f} GiB"
            kinds[kind] = kinds.get(kind, 0) + 1
        gpus = ", ".join(f"{n} × {kind}" for kind, n in kinds.items()) or "no GPU that a driver shows"
        nodes = f"{self.n_nodes} nodes, each with " if self.n_nodes > 1 else ""
        taken = [str(gpu.index) for gpu in self.gpus if gpu.is_taken]
        used = f" (in use: {', '.join(taken)})" if taken else ""
        return f"{nodes}{gpus}{used}, {self.memory_mb / 1024:.0f} GiB of main memory"


def look_at_machine(*, n_nodes: int = 1) -> Machine:
    """Return what this machine has; the other nodes, if any, are taken to be like it."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(gpus=find_gpus(), memory_mb=pages // MB, n_nodes=n_nodes)


def find_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that NVIDIA's driver shows; none where it is missing or refuses."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = "--query-gpu=index,name,memory.total,memory.free,compute_cap"
    try:
        said = subprocess.run(
            [program, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(said)


def parse_gpus(said: str) -> tuple[Gpu, ...]:
    """Return the GPUs of what nvidia-smi printed; lines that say less than that are left out.

    Example:
        >>> parse_gpus("0, NVIDIA H200, 143771, 143000, 9.0")[0].capability
        (9, 0)
    """
    found = []
    for line in said.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 5 or not (cells[0].isdigit() and cells[2].isdigit() and cells[3].isdigit()):
            continue
        major, _, minor = cells[4].partition(".")
        capability = (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None
        found.append(Gpu(int(cells[0]), cells[1], int(cells[2]), int(cells[3]), capability))
    return tuple(found)
