"""The zygote: a clean, isolated interpreter with the libraries loaded, that only ever forks.

Started as ``python -s -P -B`` with an environment of our own (as ``-I`` would, but with a fixed
hash seed: sets iterate in the same order in every call). Two processes: the outer one stays in the
host's process namespace and only watches that supervisor and zygote live; the inner one is the
first process of a namespace of its own, so that its death takes every call along.

Protocol, over one SEQPACKET socket. In: a configuration, then ``{"spawn": scratch_mb}`` with five
descriptors (job, result, stdout, stderr, report) and those of the call's control groups. Out:
``{"ready": ...}`` or ``{"failed": ...}``. On each call's report socket: its process descriptor, then
how it ended.
"""

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from novum.sandbox.kernel import landlock as landlock_rules
from novum.sandbox.kernel import linux, seccomp
from novum.sandbox.namespace import child, root
from novum.sandbox.warm.preload import count_threads, preload

_MESSAGE: Final = 1 << 16
_LEAST_FDS: Final = 5
_MOST_FDS: Final = 8
_INSIDE_UID: Final = 65532
_FIRST_UID: Final = 0x7000_0000
"""No distribution assigns users from here up to 2**31."""
_UIDS: Final = 1 << 28


def main(control_fd: int) -> NoReturn:
    """Serve on `control_fd` until the supervisor hangs up or dies; never returns."""
    control = socket.socket(fileno=control_fd)
    config: dict[str, Any] = json.loads(control.recv(_MESSAGE))
    os.umask(0o022)
    try:
        supervisor = os.pidfd_open(config["supervisor"])
        if os.getppid() != config["supervisor"]:
            os._exit(1)
        in_user_namespace = os.geteuid() != 0
        _leave_the_host(in_user_namespace=in_user_namespace, without=config.get("without", ()))
        linux.set_hostname("sandbox")
        inner = os.fork()
    except OSError as error:
        _fail(control, "namespaces", error)
    if inner:
        control.close()
        _guard(inner, supervisor)
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        returning = root.build(config["visible"], accelerators=config["accelerators"])
        compiled = seccomp.prepare(seccomp.Policy(sockets="private"))
        isolation = child.Isolation(
            in_user_namespace,
            tuple(returning),
            landlock_rules.abi(),
            compiled,
            tuple(config["accelerators"]),
            frozenset(config.get("without", ())),
        )
    except OSError as error:
        _fail(control, "root", error)
    os.chdir(root.WORK)
    sys.path[:0] = config["import_from"]
    broken = preload(config["modules"])
    threads = count_threads()
    control.send(json.dumps({"ready": broken, "threads": threads, "landlock": isolation.landlock}).encode())
    _serve(control, supervisor, isolation)


def _fail(control: socket.socket, step: str, error: OSError) -> NoReturn:
    control.send(json.dumps({"failed": step, "errno": error.errno, "text": str(error)}).encode())
    os._exit(1)


def _leave_the_host(*, in_user_namespace: bool, without: Sequence[str]) -> None:
    kinds = linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWCGROUP | linux.CLONE_NEWPID
    kinds |= 0 if "network namespace" in without else linux.CLONE_NEWNET
    kinds |= 0 if "ipc namespace" in without else linux.CLONE_NEWIPC
    if not in_user_namespace:
        linux.unshare(kinds)
        return
    user, group = os.geteuid(), os.getegid()
    linux.unshare(kinds | linux.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{_INSIDE_UID} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{_INSIDE_UID} {group} 1", encoding="ascii")


def _guard(inner: int, supervisor: int) -> NoReturn:
    """Wait until the zygote or the supervisor is gone, and let none outlive the other."""
    zygote = os.pidfd_open(inner)
    poller = select.poll()
    poller.register(zygote, select.POLLIN)
    poller.register(supervisor, select.POLLIN)
    if supervisor in dict(poller.poll()):
        signal.pidfd_send_signal(zygote, signal.SIGKILL)
    os.waitpid(inner, 0)
    os._exit(0)


def _serve(control: socket.socket, supervisor: int, isolation: child.Isolation) -> NoReturn:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    next_uid = int.from_bytes(os.urandom(4)) % _UIDS
    running: dict[int, tuple[int, socket.socket]] = {}
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(supervisor, select.POLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd == supervisor:
                os._exit(0)
            elif fd == control.fileno():
                message, fds, _, _ = socket.recv_fds(control, _MESSAGE, _MOST_FDS)
                if not message or len(fds) < _LEAST_FDS:
                    os._exit(0)  # as first process of the namespace: every call ends with it
                next_uid = (next_uid + 1) % _UIDS
                uid = _INSIDE_UID if isolation.in_user_namespace else _FIRST_UID + next_uid
                started = _spawn(own, isolation, fds, scratch_mb=json.loads(message)["spawn"], uid=uid)
                if started is not None:
                    pid, pidfd, report = started
                    running[pidfd] = (pid, report)
                    poller.register(pidfd, select.POLLIN)
            else:
                poller.unregister(fd)
                _reap(fd, *running.pop(fd))


def _spawn(
    own: int, isolation: child.Isolation, fds: list[int], *, scratch_mb: int, uid: int
) -> tuple[int, int, socket.socket] | None:
    """Fork one child into a process namespace of its own and tell the supervisor."""
    report = socket.socket(fileno=fds.pop(_LEAST_FDS - 1))
    try:
        # only from its own namespace may a process choose another one for its children
        linux.setns(own, linux.CLONE_NEWPID)
        linux.unshare(linux.CLONE_NEWPID)
        pid = os.fork()
    except OSError as error:
        _tell(report, {"failed": str(error)})
        report.close()
        for fd in fds:
            os.close(fd)
        return None
    if pid == 0:
        channels, groups = fds[: _LEAST_FDS - 1], fds[_LEAST_FDS - 1 :]
        child.main(isolation, fds=channels, scratch_mb=scratch_mb, uid=uid, groups=groups)
    for fd in fds:
        os.close(fd)
    pidfd = os.pidfd_open(pid)
    _tell(report, {"started": pid}, [pidfd])
    return pid, pidfd, report


def _reap(pidfd: int, pid: int, report: socket.socket) -> None:
    _, status, usage = os.wait4(pid, 0)
    os.close(pidfd)
    _tell(
        report,
        {"ended": status, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_kb": usage.ru_maxrss},
    )
    report.close()


def _tell(report: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    try:
        socket.send_fds(report, [json.dumps(message).encode()], fds or [])
    except (BrokenPipeError, ConnectionResetError):
        return  # nobody waits for this call any more
