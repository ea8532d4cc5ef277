"""One call, from fork to death: shut oneself in, give up every right, wait for the job, run it."""

import contextlib
import os
import resource
import signal
import socket
import sys
from ctypes import Structure
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from novum.sandbox.inside import guest
from novum.sandbox.kernel import landlock as landlock_rules
from novum.sandbox.kernel import linux, seccomp
from novum.sandbox.landlock import filters, scratch
from novum.sandbox.namespace.root import DEVICES

_OF_OUR_OWN: Final = (
    "auxv", "cmdline", "comm", "environ", "fd", "fdinfo", "io", "limits", "maps", "mem",
    "oom_score", "smaps", "smaps_rollup", "stat", "statm", "status",
)  # fmt: skip
"""What a process may read of itself in /proc. Not ``net``, ``mountinfo``, ``cgroup``: they tell of more."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a child needs to isolate itself; the same for all children of a zygote."""

    landlock: int
    """Version of the kernel's Landlock."""
    readable: tuple[str, ...]
    own_users: bool
    """Whether each call has a user of its own."""
    scoped: bool
    """Whether Landlock keeps signals within a call."""
    filter: Structure
    """The compiled filter of system calls."""
    second_filter: Structure
    asks: bool
    """Whether the second filter has a listener."""
    accelerators: tuple[str, ...] = ()
    """Device files that the profile asked for."""


def main(isolation: Isolation, *, fds: list[int], groups: list[int], uid: int | None, home: str) -> NoReturn:
    """Live and die as the child of one call; never returns.

    Args:
        isolation: the zygote's settings.
        fds: job socket, result pipe, standard output, standard error, and a socket to the guard.
        groups: the membership files of this call's control groups.
        uid: who to be; None to stay who we are.
        home: the scratch directory of this call.
    """
    *channels, guard = fds
    job = socket.socket(fileno=channels[0])
    try:
        for group in groups:
            os.write(group, b"0")  # ourselves
        work = _isolate(isolation, guard, uid=uid, home=home)
        socket.send_fds(job, [b"R"], [work])
        job.detach()
        job = guest.arrange_descriptors(channels)
        request = guest.receive(job)
        if request is None:
            os._exit(0)
        guest.prepare(request, job, work=f"{home}/{scratch.WORK}")
        guest.limit(request["limits"], count_processes=uid is not None, gpu=bool(isolation.accelerators))
        job.close()
    except (OSError, ValueError) as error:
        job.send(b"F" + str(error).encode("utf-8", "replace")[:500])
        os._exit(70)
    guest.run(request)


def _isolate(isolation: Isolation, guard: int, *, uid: int | None, home: str) -> int:
    """Give up every right but those of the call, and tell the guard.

    Returns:
        A descriptor of the working directory, to take files out of when the call has ended.
    """
    os.setsid()
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if uid is None:
        bound, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (bound, bound))
    with contextlib.suppress(OSError):  # it takes CAP_SETPCAP; with no_new_privs, no exec gives any back
        linux.drop_bounding_set()
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    linux.drop_capabilities()
    # both were reset by the change of identity; a process's use can be read only if it is dumpable
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    # the only place to be, and to write
    os.environ["HOME"] = f"{home}/{scratch.WORK}"
    os.environ["TMPDIR"] = f"{home}/{scratch.TEMPORARY}"
    if "tempfile" in sys.modules:
        vars(sys.modules["tempfile"])["tempdir"] = None  # it may know the zygote's
    os.chdir(os.environ["HOME"])
    work = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    own = (f"/proc/self/{name}" for name in _OF_OUR_OWN)
    landlock_rules.restrict(
        version=isolation.landlock,
        readable=[*isolation.readable, *filter(os.path.exists, own)],
        writable=[home],
        devices=DEVICES,
        accelerators=isolation.accelerators,
    )
    seccomp.load(isolation.filter)
    listener = filters.load(isolation.second_filter, ask=isolation.asks)
    with socket.socket(fileno=guard) as ours:
        socket.send_fds(ours, [b"R"], [] if listener is None else [listener])
    return work
