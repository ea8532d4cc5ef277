"""What a container is allowed: as little as a call needs, written out in full.

The defaults of an engine change from version to version, and some are wide: so nothing is left to them.
Everything here is a plain value in the form of the engine's API; see `novum.sandbox.docker.engine` for
how it is sent.

References:
    https://docs.docker.com/reference/api/engine/ (HostConfig).
"""

import errno
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from novum.sandbox.base import Profile
from novum.sandbox.docker.init import SCRATCH, WORK
from novum.sandbox.jobs import Job
from novum.sandbox.kernel.seccomp import Policy, docker_profile
from novum.sandbox.warm.broker import ENVIRONMENT

USER: Final = 65532
PROXY_DIRECTORY: Final = "/run/novum"
"""Where a container with granted hosts finds the supervisor's socket."""

RUNTIME_PROCESSES: Final = 64
"""Room for the threads of the runtime while it starts a container: fewer, and it may fail to."""

GVISOR_PROCESSES: Final = 512
"""Room for the threads of gVisor's own kernel, which count as processes of the container."""

_MEGABYTE: Final = 1 << 20
_INODES_PER_MB: Final = 64
_LEAST_INODES: Final = 1024
_FILES: Final = 1024

_MASKED: Final = (
    # what engines mask by default: a list of our own replaces theirs
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    # what else tells of the machine and not of the call
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/key-users",
    "/proc/kmsg",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/modules",
    "/proc/slabinfo",
    "/proc/sysvipc",
    "/proc/vmallocinfo",
    "/sys/kernel",
    "/sys/power",
    # written by the engine: the host's search domains, and a name
    "/etc/hostname",
    "/etc/resolv.conf",
)
_MASKED_WITHOUT_ACCELERATORS: Final = ("/sys/block", "/sys/bus", "/sys/class", "/sys/dev", "/sys/module")
_READ_ONLY: Final = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)

_OWN_ONLY: Final = ("prlimit64", "sched_setattr", "sched_setparam", "sched_setscheduler")
"""System calls that can act on another process of the same user, named by their first argument: the first
process of the container is one. Zero is oneself."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the engine fixes when it creates a container: calls of one shape can use each other's."""

    profile: Profile
    memory_mb: int
    scratch_mb: int
    processes: int
    proxy: str | None = None
    """Directory of the host with the proxy's socket; one container's alone."""

    @classmethod
    def of(cls, job: Job, *, proxy: str | None = None) -> "Shape":
        """Return the shape that a job needs."""
        limits = job.request.limits
        return cls(job.request.profile, limits.memory_mb, job.scratch_mb, limits.processes, proxy)


@dataclass(frozen=True, slots=True)
class Machine:
    """How the containers of one sandbox are made, whatever their shape."""

    image: str
    command: tuple[str, ...]
    windows: tuple[str, ...] = ()
    """Paths of the host that are seen inside under the same names, read-only; none with a full image."""
    accelerators: tuple[str, ...] = ()
    """Device files, where the profile asks for them."""
    runtime: str | None = None
    gvisor: bool = False
    cpus: float | None = None
    """Processors' worth of time; None is no limit beside `Limits.cpu_s`."""


def container_config(
    shape: Shape, machine: Machine, *, base_mb: int, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the whole configuration of a container.

    Args:
        shape: of the calls that it can take.
        machine: how containers are made here.
        base_mb: memory that its first process needs for itself, with the profile's modules.
        labels: whose it is.
    """
    return {
        "Image": machine.image,
        "Entrypoint": [],
        "Cmd": list(machine.command),
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "WorkingDir": WORK,
        "User": f"{USER}:{USER}",
        "Hostname": "sandbox",
        "Labels": dict(labels),
        "NetworkDisabled": True,
        "Tty": False,
        "OpenStdin": True,
        # its input ends with us: the first process then ends, and with it everything
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host_config(shape, machine, base_mb=base_mb),
    }


def _host_config(shape: Shape, machine: Machine, *, base_mb: int) -> dict[str, Any]:
    memory = (base_mb + shape.memory_mb + shape.scratch_mb) * _MEGABYTE
    gpu = shape.profile.gpu
    host: dict[str, Any] = {
        "NetworkMode": "none",
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={filter_text()}"],
        "ReadonlyRootfs": True,
        "MaskedPaths": [*_MASKED, *(() if gpu else _MASKED_WITHOUT_ACCELERATORS)],
        "ReadonlyPaths": list(_READ_ONLY),
        "Mounts": [_window(path) for path in machine.windows],
        "Tmpfs": {place: _scratch(shape.scratch_mb) for place in SCRATCH},
        "Memory": memory,
        "MemorySwap": memory,
        "MemorySwappiness": None,
        "PidsLimit": first_process_limit(shape, machine),
        "OomKillDisable": False,
        "Ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "nofile", "Soft": _FILES, "Hard": _FILES},
            {"Name": "memlock", "Soft": 0, "Hard": 0},
            {"Name": "msgqueue", "Soft": 0, "Hard": 0},
            {"Name": "rtprio", "Soft": 0, "Hard": 0},
        ],
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "Init": False,
    }
    if shape.proxy is not None:
        host["Mounts"].append(_window(shape.proxy, PROXY_DIRECTORY))
    if machine.runtime is not None:
        host["Runtime"] = machine.runtime
    if machine.cpus is not None:
        host["NanoCpus"] = int(machine.cpus * 1e9)
    if gpu:
        host |= _accelerators(machine.accelerators)
    return host


def process_limit(shape: Shape, machine: Machine) -> int:
    """Return how many processes and threads may be in a container once it waits for its call."""
    # the first process is ours
    return max(shape.processes + 1, GVISOR_PROCESSES if machine.gvisor else 0)


def first_process_limit(shape: Shape, machine: Machine) -> int:
    """Return how many there may be while the runtime starts it: see `RUNTIME_PROCESSES`."""
    return max(process_limit(shape, machine), RUNTIME_PROCESSES)


@cache
def filter_text() -> str:
    """Return the system call filter as the engine reads it."""
    profile = docker_profile(Policy(sockets="private", dumpable_may_change=True))
    allowed = profile["syscalls"][0]
    allowed["names"] = [name for name in allowed["names"] if name not in (*_OWN_ONLY, "setpriority")]
    for name in _OWN_ONLY:
        profile["syscalls"] += _zero_only(name, (0,))
    profile["syscalls"] += _zero_only("setpriority", (0, 1))
    return json.dumps(profile, separators=(",", ":"))


def _zero_only(name: str, arguments: tuple[int, ...]) -> Iterable[dict[str, Any]]:
    """Allow a call if all these arguments are zero. The alternatives exclude each other, see `seccomp`."""
    zero = [{"index": i, "value": 0, "op": "SCMP_CMP_EQ"} for i in arguments]
    yield {"names": [name], "action": "SCMP_ACT_ALLOW", "args": zero}
    for n, i in enumerate(arguments):
        other = {"index": i, "value": 0, "op": "SCMP_CMP_NE"}
        yield {
            "names": [name],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno.EPERM,
            "args": [*zero[:n], other],
        }


def _window(path: str, target: str | None = None) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": path,
        "Target": target or path,
        "ReadOnly": True,
        # the engine makes only the top read-only: what is mounted beneath is a window of its own, or hidden
        "BindOptions": {"NonRecursive": True, "Propagation": "rprivate"},
    }


def _scratch(size_mb: int) -> str:
    inodes = max(_LEAST_INODES, _INODES_PER_MB * size_mb)
    # with owner and mode: else they are those of the image's directory, and nobody can write
    return f"rw,exec,nosuid,nodev,size={size_mb}m,nr_inodes={inodes},mode=0700,uid={USER},gid={USER}"


def _accelerators(devices: tuple[str, ...]) -> dict[str, Any]:
    """Show accelerators: NVIDIA's through its runtime, which brings the driver's libraries along."""
    given: dict[str, Any] = {}
    others = [path for path in devices if "nvidia" not in path]
    if len(others) < len(devices) or not devices:
        given["DeviceRequests"] = [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]
    if others:
        given["Devices"] = [
            {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rw"} for path in others
        ]
    return given
