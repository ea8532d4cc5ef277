"""One call, from fork to death: take own namespaces, give up every right, wait for the job, run it."""

import os
import signal
import socket
from ctypes import Structure
from dataclasses import dataclass
from typing import NoReturn

from novum.sandbox.inside import guest
from novum.sandbox.kernel import landlock as landlock_rules
from novum.sandbox.kernel import linux, seccomp
from novum.sandbox.namespace import root


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a child needs to isolate itself; the same for all children of a zygote."""

    in_user_namespace: bool
    """The zygote is not root on the host: identities come from a user namespace."""
    returning: tuple[str, ...]
    """Windows beneath the scratch directories."""
    landlock: int
    """Version of the kernel's Landlock, 0 for none."""
    filter: Structure
    """The compiled system call filter."""
    devices: tuple[str, ...] = ()
    """Accelerators that the profile asked for."""
    without: frozenset[str] = frozenset()
    """Layers to leave out, by `novum.sandbox.ablation.Layer`: empty but in trials of the trials."""


def main(isolation: Isolation, *, fds: list[int], scratch_mb: int, uid: int, groups: list[int]) -> NoReturn:
    """Live and die as the child of one call; never returns.

    Args:
        isolation: the zygote's settings.
        fds: job socket, result pipe, standard output, standard error.
        scratch_mb: size of the scratch directories together.
        uid: who to be, in the current user namespace.
        groups: the membership files of this call's control groups.
    """
    job: socket.socket | None = None
    try:
        for group in groups:
            os.write(group, b"0")  # ourselves
        job = guest.arrange_descriptors(fds)
        shown = _isolate(isolation, scratch_mb=scratch_mb, uid=uid)
        socket.send_fds(job, [b"R"], shown)
        for fd in shown:
            os.close(fd)
        request = guest.receive(job)
        if request is None:
            os._exit(0)
        listener = guest.prepare(request, job, work=root.WORK)
        if listener is not None:
            socket.send_fds(job, [b"L"], [listener.fileno()])
            listener.close()
        job.close()
        if "rlimits" not in isolation.without:
            guest.limit(request["limits"], gpu=bool(isolation.devices))
    except (OSError, ValueError) as error:
        if job is not None and job.fileno() >= 0:
            job.send(b"F" + str(error).encode("utf-8", "replace")[:500])
        os._exit(70)
    guest.run(request)


def _isolate(isolation: Isolation, *, scratch_mb: int, uid: int) -> list[int]:
    """Take own namespaces, scratch and identity and give up every privilege.

    Returns:
        Directory descriptors of the call's own /proc, for the supervisor to watch it by, and of its
        working directory, to take files out of when the call has ended.
    """
    os.setsid()
    without = isolation.without
    if "user of each call's own" in without and not isolation.in_user_namespace:
        uid = 0
    kinds = linux.CLONE_NEWNS | linux.CLONE_NEWUTS
    kinds |= 0 if "network namespace" in without else linux.CLONE_NEWNET
    kinds |= 0 if "ipc namespace" in without else linux.CLONE_NEWIPC
    linux.unshare(kinds)
    me = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _write_at(me, "oom_score_adj", "1000")
    root.fresh_scratch(scratch_mb, returning=isolation.returning, owner=(uid, uid))
    root.fresh_proc(accelerated=bool(isolation.devices), masked="masks over /proc" not in without)
    shown = [os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for path in ("/proc", root.WORK)]
    if isolation.in_user_namespace:
        # a nested user namespace gives this call its own process count under RLIMIT_NPROC
        linux.unshare(linux.CLONE_NEWUSER)
        _write_at(me, "uid_map", f"{uid} {uid} 1")
        _write_at(me, "gid_map", f"{uid} {uid} 1")
        linux.drop_bounding_set()  # not before: a new user namespace starts with a full one
    elif "user of each call's own" not in without:
        linux.drop_bounding_set()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.close(me)
    if "dropped capabilities" not in without:
        linux.drop_capabilities()
    # both were reset by the change of identity; the watchdog can read only a dumpable process
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    landlock_rules.restrict(
        version=0 if "landlock" in without else isolation.landlock,
        readable=["/"],
        writable=root.SCRATCH,
        devices=root.DEVICES,
        accelerators=isolation.devices,
    )
    if "seccomp" not in without:
        seccomp.load(isolation.filter)
    os.chdir(root.WORK)
    return shown


def _write_at(directory: int, name: str, text: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
