"""The zygote: a clean interpreter with the libraries loaded, that only ever forks guards.

Started as ``python -s -P -B`` with an environment of our own. It runs no untrusted code and reads no
untrusted byte. When the supervisor hangs up or dies, when a guard is killed, or when it is killed
itself, every call that it started ends.

Protocol, over one SEQPACKET socket. In: a configuration, then ``{"spawn": scratch_mb}`` with five
descriptors (job, result, stdout, stderr, report) and those of the call's control groups. Out:
``{"ready": ...}`` or ``{"failed": ...}``. What is said on each call's report socket: see `guard`.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final, NoReturn

from novum.sandbox.kernel import landlock as landlock_rules
from novum.sandbox.kernel import linux, seccomp
from novum.sandbox.landlock import child, family, filters, guard, reach, scratch
from novum.sandbox.warm.preload import count_threads, preload

_MESSAGE: Final = 1 << 16
_LEAST_FDS: Final = 5
_MOST_FDS: Final = 8
_FIRST_UID: Final = 0x7000_0000
"""No distribution assigns users from here up to 2**31."""
_UIDS: Final = 1 << 28
_FEWEST_UIDS: Final = 4096
_NOBODY: Final = 65534
_CAPABILITIES: Final = {0: "CHOWN", 1: "DAC_OVERRIDE", 5: "KILL", 6: "SETGID", 7: "SETUID"}
_SCOPES_SINCE: Final = 6
_SPARE_PROCESSES: Final = 768
_PATIENCE_S: Final = 3.0

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FROM_ETC: Final = (
    "/etc/ld.so.cache", "/etc/alternatives",
    "/etc/localtime", "/etc/timezone", "/etc/fonts", "/etc/mime.types",
)  # fmt: skip
_OF_ACCELERATORS: Final = ("/proc/driver", "/proc/devices")


def main(control_fd: int) -> NoReturn:
    """Serve on `control_fd` until the supervisor hangs up or dies; never returns."""
    control = socket.socket(fileno=control_fd)
    config: dict[str, Any] = json.loads(control.recv(_MESSAGE))
    os.umask(0o022)
    try:
        supervisor = os.pidfd_open(config["supervisor"])
        if os.getppid() != config["supervisor"]:
            os._exit(1)
        home = f"{config['home']}/{os.getpid()}"
        os.mkdir(home, 0o711)  # noqa: PTH102
        own = f"{home}/own"
        scratch.make(own, owner=None)
        os.environ["HOME"], os.environ["TMPDIR"] = f"{own}/{scratch.WORK}", f"{own}/{scratch.TEMPORARY}"
        os.chdir(os.environ["HOME"])
        users = _find_users()
        version = _need_landlock(config.get("landlock_at_most"), own_users=users is not None)
        if users is not None:
            reach.open_the_way(config["visible"])
        family.adopt_orphans()
        if version >= _SCOPES_SINCE:
            family.confine_signals()
        if users is None:
            _bound_processes()
        asks = users is None and _may_ask()
        isolation = child.Isolation(
            landlock=version,
            readable=(
                *_windows(config["visible"]),
                own,
                *(_OF_ACCELERATORS if config["accelerators"] else ()),
            ),
            own_users=users is not None,
            scoped=version >= _SCOPES_SINCE,
            filter=seccomp.prepare(seccomp.Policy(sockets="none")),
            second_filter=filters.prepare(shared_user=users is None, ask=asks),
            asks=asks,
            accelerators=tuple(config["accelerators"]),
        )
    except OSError as error:
        _fail(control, error)
    sys.path[:0] = config["import_from"]
    broken = preload(config["modules"])
    if users is not None:
        for directory in (own, os.environ["HOME"], os.environ["TMPDIR"]):
            os.chmod(directory, 0o755)  # noqa: PTH101, S103  (what a library keeps there, calls may read)
    facts = {"own_users": users is not None, "asks": asks, "scoped": isolation.scoped}
    threads = count_threads()
    control.send(
        json.dumps({"ready": broken, "threads": threads, "landlock": version, "facts": facts}).encode()
    )
    _Zygote(control, supervisor, isolation, users, home).serve()


def _fail(control: socket.socket, error: OSError) -> NoReturn:
    control.send(json.dumps({"failed": "isolation", "errno": error.errno, "text": error.strerror}).encode())
    os._exit(1)


def _find_users() -> range | None:
    """Return numbers of users that calls may be, one each; None where this process may not choose."""
    if os.geteuid() != 0:
        return None
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
    if any(not effective >> number & 1 for number in _CAPABILITIES):
        return None
    if Path("/proc/self/setgroups").read_text(encoding="ascii").strip() != "allow":
        return None
    ends = []
    for kind in ("uid_map", "gid_map"):
        spans = [
            range(int(start), int(start) + int(count))
            for start, _, count in map(str.split, Path("/proc/self", kind).read_text("ascii").splitlines())
        ]
        if any(_FIRST_UID in span and _FIRST_UID + _UIDS - 1 in span for span in spans):
            continue
        # a user namespace that maps fewer: the last of them, where no user is usually put
        ends.append(min(max(span.stop for span in spans), _NOBODY))
    if not ends:
        return range(_FIRST_UID, _FIRST_UID + _UIDS)
    return range(min(ends) - _FEWEST_UIDS, min(ends)) if min(ends) > 8 * _FEWEST_UIDS else None


def _need_landlock(at_most: int | None, *, own_users: bool) -> int:
    """Return the version of the kernel's Landlock; `at_most` stands for an older kernel, in trials.

    Raises:
        OSError: it is too old for what it alone must hold here.
    """
    version = landlock_rules.abi()
    if at_most is not None:
        version = min(version, at_most)
    if version == 0:
        raise OSError(
            0, "this kernel has no Landlock, or it is not enabled (boot parameter lsm=landlock,...)"
        )
    if not own_users and version < _SCOPES_SINCE:
        raise OSError(
            0,
            f"as an ordinary user it needs Landlock {_SCOPES_SINCE} (Linux 6.12), which keeps signals within "
            f"a call; this kernel has version {version}. As root, an older one does",
        )
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        raise OSError(0, "the kernel does not tell which processes are whose children (CONFIG_PROC_CHILDREN)")
    return version


def _may_ask() -> bool:
    """Whether a filter may have a listener, tried in a process of its own since filters stay for good."""
    trial = os.fork()
    if trial == 0:
        code = 1
        try:
            linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
            filters.load(filters.prepare(shared_user=True, ask=True), ask=True)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(trial, 0)[1]) == 0


def _bound_processes() -> None:
    """Let no burst of forks take all that the user may have, before the guard has seen it.

    The kernel counts all processes of the user, so this is a bound for emergencies, high above them.
    """
    user, tasks = os.getuid(), 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == user:
                tasks += len(family.threads_of(int(process.name)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    bound = _at_most(tasks + _SPARE_PROCESSES, soft)
    resource.setrlimit(resource.RLIMIT_NPROC, (bound, hard))


def _at_most(value: int, ceiling: int) -> int:
    return value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)


def _windows(visible: list[str]) -> list[str]:
    """Return what may be read, of what there is."""
    return [path for path in (*_SYSTEM, *_FROM_ETC, *visible) if Path(path).exists()]


class _Zygote:
    """The zygote's state while it serves."""

    def __init__(
        self,
        control: socket.socket,
        supervisor: int,
        isolation: child.Isolation,
        users: range | None,
        home: str,
    ) -> None:
        self._control = control
        self._supervisor = supervisor
        self._isolation = isolation
        self._users = users
        self._home = home
        self._number = int.from_bytes(os.urandom(4))
        self._life, self._end_of_life = os.pipe2(os.O_CLOEXEC)
        self._guards: dict[int, tuple[int, int | None]] = {}
        """Process descriptor → process, and the user of its call."""
        self._poller = select.poll()
        for fd in (control.fileno(), supervisor):
            self._poller.register(fd, select.POLLIN)

    def serve(self) -> NoReturn:
        """Fork guards until there is nobody to do it for."""
        while True:
            for fd, _ in self._poller.poll():
                if fd == self._supervisor:
                    self._leave(in_order=True)
                elif fd == self._control.fileno():
                    message, fds, _, _ = socket.recv_fds(self._control, _MESSAGE, _MOST_FDS)
                    if not message or len(fds) < _LEAST_FDS:
                        self._leave(in_order=True)
                    self._spawn(fds)
                else:
                    self._reap(fd)

    def _spawn(self, fds: list[int]) -> None:
        report = socket.socket(fileno=fds.pop(_LEAST_FDS - 1))
        channels, groups = fds[: _LEAST_FDS - 1], fds[_LEAST_FDS - 1 :]
        self._number += 1
        uid = None if self._users is None else self._users[self._number % len(self._users)]
        call = guard.Call(channels, report, groups, uid, f"{self._home}/{self._number}")
        try:
            pid = self._fork()
        except OSError as error:
            guard.tell(report, {"failed": str(error)})
        else:
            if pid == 0:
                self._become_guard(call)
            pidfd = os.pidfd_open(pid)
            self._guards[pidfd] = (pid, uid)
            self._poller.register(pidfd, select.POLLIN)
        report.close()
        for fd in fds:
            os.close(fd)

    def _fork(self) -> int:
        try:
            return os.fork()
        except BlockingIOError:
            if self._users is not None:
                raise
            # the kernel counts more than can be seen from here, in other containers
            soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
            resource.setrlimit(resource.RLIMIT_NPROC, (_at_most(4 * soft, hard), hard))
            return os.fork()

    def _become_guard(self, call: guard.Call) -> NoReturn:
        self._control.close()
        for fd in (self._end_of_life, self._supervisor, *self._guards):
            os.close(fd)
        guard.main(self._isolation, call, life=self._life)

    def _reap(self, pidfd: int) -> None:
        self._poller.unregister(pidfd)
        _, status = os.waitpid(self._guards[pidfd][0], 0)
        if status != 0:
            # somebody has killed it, and nobody else can tell its call's processes from those of others
            self._leave(in_order=False)
        del self._guards[pidfd]
        os.close(pidfd)

    def _leave(self, *, in_order: bool) -> NoReturn:
        """End every call, and oneself."""
        os.close(self._end_of_life)
        deadline = time.monotonic() + _PATIENCE_S
        while in_order and not family.reap() and time.monotonic() < deadline:
            time.sleep(0.001)
        users = [uid for _, uid in self._guards.values() if uid is not None]
        if not self._isolation.scoped:
            for pidfd in self._guards:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        family.end(users=[] if self._isolation.scoped else users, patience_s=_PATIENCE_S)
        scratch.remove(self._home)
        os._exit(0)
