"""The file system that a sandbox sees: an empty root with read-only windows to what it needs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from novum.sandbox.kernel.linux import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    mount,
    pivot_root,
    restrict_mount,
    umount,
)

WORK: Final = "/work"
SCRATCH: Final = (WORK, "/tmp", "/dev/shm")  # noqa: S108  (inside, /tmp is private to one call)
DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FROM_ETC: Final = ("/etc/ld.so.cache", "/etc/alternatives")
_WRITTEN: Final = {
    "/etc/passwd": "root:x:0:0::/:/bin/false\nsandbox:x:65532:65532::/work:/bin/false\n",
    "/etc/group": "root:x:0:\nsandbox:x:65532:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_MASKED_FILES: Final = (
    "cmdline",
    "config.gz",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "modules",
    "sched_debug",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "vmallocinfo",
)
_MASKED_DIRECTORIES: Final = ("acpi", "asound", "bus", "driver", "fs", "irq", "scsi", "sysvipc", "tty")

_STAGE: Final = "/tmp"  # noqa: S108  (covered only in our own mount namespace, and only while building)
_HIDDEN: Final = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV


def build(visible: Sequence[str], *, accelerators: Sequence[str] = ()) -> list[str]:
    """Make a new root out of the system's libraries and `visible`, and move into it.

    Needs a mount namespace and a process namespace of its own. `accelerators` are device files to show
    beside the harmless ones.

    Returns:
        Those of `visible` that lie beneath a scratch directory: whoever mounts a fresh scratch there
        must bring them back.

    Raises:
        OSError: the kernel refused a step; the message names it.
    """
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    links = {p: str(Path(p).readlink()) for p in _SYSTEM if Path(p).is_symlink()}
    windows = {p: os.path.realpath(p) for p in (*_SYSTEM, *_FROM_ETC) if Path(p).exists() and p not in links}
    windows |= {p: os.path.realpath(p) for p in _outermost(visible, within=windows)}
    directories = {p for p, real in windows.items() if Path(real).is_dir()}

    # The host's files stay reachable below /old while the new root is built: a plain directory of
    # the host could not serve as the stage, for it may be one of the windows.
    mount("tmpfs", _STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755")
    for name in ("old", "new"):
        Path(_STAGE, name).mkdir()
    pivot_root(_STAGE, f"{_STAGE}/old")
    os.chdir("/")
    mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=0755")

    for path, to in links.items():
        Path(f"/new{path}").symlink_to(to)
    for directory in ("/proc", "/dev", "/etc", *SCRATCH):
        Path(f"/new{directory}").mkdir(parents=True, exist_ok=True)
    for path, text in _WRITTEN.items():
        Path(f"/new{path}").write_bytes(text.encode())
    for path in (*DEVICES, *accelerators):
        Path(f"/new{path}").parent.mkdir(parents=True, exist_ok=True)
        Path(f"/new{path}").touch()
        mount(f"/old{path}", f"/new{path}", None, MS_BIND)
    for name, to in (
        ("fd", "self/fd"),
        ("stdin", "self/fd/0"),
        ("stdout", "self/fd/1"),
        ("stderr", "self/fd/2"),
    ):
        Path(f"/new/dev/{name}").symlink_to(f"/proc/{to}")
    mount("proc", "/new/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # the zygote's own scratch, for libraries that write while they are imported
    for path in SCRATCH:
        mount("tmpfs", f"/new{path}", "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,mode=1777")
    for path in sorted(windows):
        _window(f"/old{windows[path]}", f"/new{path}", is_directory=path in directories)

    restrict_mount("/new", _HIDDEN)
    umount("/old")
    os.chdir("/new")
    pivot_root(".", ".")
    umount(".")
    os.chdir("/")
    return [path for path in windows if _beneath(path, SCRATCH)]


def fresh_scratch(size_mb: int, *, returning: Sequence[str], owner: tuple[int, int]) -> None:
    """Cover every scratch directory with one empty file system of `size_mb` and bounded inodes.

    `returning` are the windows that lie beneath; they come back at their places.
    """
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in returning}
    directories = {path for path in returning if Path(path).is_dir()}
    user, group = owner
    options = f"size={size_mb}m,nr_inodes={max(1024, 64 * size_mb)},mode=0755"
    mount("tmpfs", WORK, "tmpfs", MS_NOSUID | MS_NODEV, options)
    parts = {path: f"{WORK}/{i}" for i, path in enumerate(SCRATCH)}
    for part in parts.values():
        os.mkdir(part, 0o700)  # noqa: PTH102  (pathlib would apply the umask twice over)
        os.chown(part, user, group)
    # /work last: it covers the way to the other two
    for path in reversed(SCRATCH):
        mount(parts[path], path, None, MS_BIND)
    for path, fd in sorted(held.items()):
        _window(f"/proc/self/fd/{fd}", path, is_directory=path in directories, restrict=False)
        os.close(fd)


def fresh_proc(*, accelerated: bool = False, masked: bool = True) -> None:
    """Mount a /proc of the caller's own process namespace, read-only and without the machine's secrets.

    With `accelerated` the part stays in which a driver describes its devices. `masked` is off in trials
    of the trials only.
    """
    mount("proc", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if not masked:
        return
    for name in _MASKED_FILES:
        if Path("/proc", name).exists():
            mount("/dev/null", f"/proc/{name}", None, MS_BIND)
    for name in _MASKED_DIRECTORIES:
        if Path("/proc", name).is_dir() and not (accelerated and name == "driver"):
            mount(
                "tmpfs",
                f"/proc/{name}",
                "tmpfs",
                MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                "size=4k,mode=0755",
            )


def _outermost(paths: Sequence[str], *, within: dict[str, str]) -> list[str]:
    """Return `paths` without those that another one, or a window of the system, already shows."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        shown = [*kept, *(place for place, real in within.items() if place == real)]
        if not _beneath(path, shown) and path not in shown:
            kept.append(path)
    return kept


def _beneath(path: str, parents: Sequence[str]) -> bool:
    return any(path.startswith(f"{parent}/") for parent in parents)


def _window(source: str, target: str, *, is_directory: bool, restrict: bool = True) -> None:
    place = Path(target)
    if is_directory:
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    mount(source, target, None, MS_BIND | MS_REC)
    if restrict:
        restrict_mount(target, _HIDDEN, recursive=True)
