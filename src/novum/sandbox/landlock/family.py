"""The processes of one call: every descendant of its guard. Finding, measuring and ending them.

The guard is their subreaper: whatever a process does to lose its parent, the guard becomes the parent.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from novum.sandbox.kernel import linux
from novum.sandbox.kernel.system_calls import ALLOWED

_LISTINGS: Final = 3
_LONGEST_PAUSE_S: Final = 0.01
_CAP_SYS_PTRACE: Final = 19
_PR_SET_CHILD_SUBREAPER: Final = 36
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_ADD_RULE: Final = 445
_SCOPE_SIGNALS: Final = 2
_REFER: Final = 1 << 13
_PATH_BENEATH: Final = 1


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def adopt_orphans() -> None:
    """Make the calling process the parent of every descendant that loses its own."""
    linux.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def confine_signals() -> None:
    """Let the calling process, and what it starts, send signals to each other only (Landlock 6)."""
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    # a layer that does not speak of it forbids to move files between directories, whatever others say
    ruleset = _Ruleset(_REFER, 0, _SCOPE_SIGNALS)
    fd = linux.syscall(_LANDLOCK_CREATE, ruleset, ctypes.sizeof(ruleset), 0)
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        linux.syscall(_LANDLOCK_ADD_RULE, fd, _PATH_BENEATH, _PathBeneath(_REFER, root), 0)
        linux.syscall(_LANDLOCK_RESTRICT_SELF, fd, 0)
    finally:
        os.close(root)
        os.close(fd)


def members(root: int, *, most: int) -> dict[int, list[int]]:
    """Return every living or unreaped descendant of process `root`, with its threads.

    When it has found more than `most` threads it looks for no others: they may grow faster than that.
    """
    found: dict[int, list[int]] = {}
    tasks = 0
    heirs = _children(root, threads_of(root))
    for _ in range(_LISTINGS):
        layer = [pid for pid in heirs if pid not in found]
        while layer:
            pid = layer.pop()
            found[pid] = threads_of(pid)
            tasks += len(found[pid])
            if tasks > most:
                return found
            layer += [child for child in _children(pid, found[pid]) if child not in found]
        # who lost its parent while we looked is now a child of the root
        heirs = _children(root, threads_of(root))
        if all(pid in found for pid in heirs):
            break
    return found


def threads_of(pid: int) -> list[int]:
    """Return the threads of a process; none when it is gone."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208  (done often)
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children(pid: int, threads: list[int]) -> list[int]:
    texts = (read(f"/proc/{pid}/task/{thread}/children") for thread in threads)
    return [int(child) for text in texts for child in (text or b"").split()]


def read(path: str) -> bytes | None:
    """Return the start of a file of /proc, or None when the process is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        return os.read(fd, 1 << 16)
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a call use together."""

    memory: int
    """Bytes: an upper bound, or exact where the bound is above what was allowed."""
    resident: int
    cpu_s: float


def measure(processes: dict[int, list[int]], *, allowed: int) -> Usage:
    """Add up what `processes` use.

    Raises:
        PermissionError: one has made itself unreadable.
    """
    page, ticks = os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK")
    resident = cpu = 0
    for process in processes:
        raw = read(f"/proc/{process}/stat")
        if raw is None:
            continue
        fields = raw.rpartition(b")")[2].split()
        resident += int(fields[21]) * page
        # of its own, and of the children that it waited for
        cpu += sum(int(field) for field in fields[11:15])
    memory = resident
    if resident > allowed:
        # Resident sizes count shared pages once per process. The proportional ones do not, but cost a
        # walk of the page tables: so only when the bound says that it might matter. File pages are left
        # out: they belong to the libraries, and the kernel can drop them.
        memory = 0
        for process in processes:
            with unless_it_ends(process):
                for line in (read(f"/proc/{process}/smaps_rollup") or b"").splitlines():
                    if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")):
                        memory += int(line.split()[1]) * 1024
    return Usage(memory, resident, cpu / ticks)


@contextlib.contextmanager
def unless_it_ends(process: int) -> Iterator[None]:
    """Let pass that `process` cannot be looked into, if that is because it is just ending.

    Raises:
        PermissionError: it has made itself unreadable.
    """
    try:
        yield
    except PermissionError:
        raw = read(f"/proc/{process}/stat")
        # one that ends belongs to root as soon as its memory is gone
        if raw is not None and int(raw.rpartition(b")")[2].split()[20]) > 0:
            raise


def may_read_others() -> bool:
    """Whether the memory of another user's process can be read about."""
    status = read("/proc/self/status") or b""
    effective = next(line for line in status.splitlines() if line.startswith(b"CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_PTRACE & 1)


@contextlib.contextmanager
def seen_as(user: int | None) -> Iterator[None]:
    """Look at files as `user` does, for who may not look at everybody's; None changes nothing."""
    if user is None:
        yield
        return
    column = 0 if linux.machine() == "x86_64" else 1
    set_user, set_group = (ALLOWED[name][column] or 0 for name in ("setfsuid", "setfsgid"))
    linux.syscall(set_group, user)
    linux.syscall(set_user, user)
    try:
        yield
    finally:
        linux.syscall(set_user, os.geteuid())
        linux.syscall(set_group, os.getegid())


def end(*, users: Collection[int], patience_s: float) -> bool:
    """Kill every descendant of the calling process, reap them, and return whether none is left.

    Args:
        users: whose every process is to be killed: the calls' own. None where Landlock's scope keeps our
            signals to the descendants: then one signal to everybody reaches exactly them, at one instant.
        patience_s: how long to wait for processes that the kernel does not let die.
    """
    deadline = time.monotonic() + patience_s
    pause = 0.0001
    while not reap():
        if not users:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(-1, signal.SIGKILL)
        for user in users:
            _kill_user(user)
        if reap():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
    return True


def reap() -> bool:
    """Reap every child that has ended; return whether there is no other."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False


def _kill_user(user: int) -> None:
    helper = os.fork()
    if helper == 0:
        try:
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(helper, 0)
