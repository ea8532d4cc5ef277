"""The first process of a container: it serves exactly one call, and says how that ended.

It is ours and trusted; the call is its child, under the same user. So it must be out of that child's
reach: it is not dumpable, which closes its memory, its descriptors and everything else of it in /proc;
it ignores every signal, and the kernel drops even those that cannot be ignored, since it is the first of
its process namespace; the container's system call filter lets nobody set another process's limits; and
it imports nothing any more once the call has started, for the call may have moved the files.

It keeps nothing that the call says: what is over a limit is read and dropped.
"""

import codecs
import contextlib
import errno
import json
import os
import resource
import select
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from novum.core.errors import SandboxBrokenError, SandboxUnavailableError
from novum.sandbox.docker.frames import PAYLOAD_BYTES, PROTOCOL, Kind, encode, read_terms
from novum.sandbox.docker.meter import Meter, Usage
from novum.sandbox.files import walk
from novum.sandbox.files.walk import Caps, Found, find_files, open_directory
from novum.sandbox.inside import guest
from novum.sandbox.kernel import linux
from novum.sandbox.warm.preload import count_threads, preload

WORK: Final = "/work"
SCRATCH: Final = (WORK, "/tmp", "/dev/shm")  # noqa: S108  (inside, /tmp is private to one call)

_CONTROL: Final = 120
_FRAMES: Final = 121
_WATCH_MS: Final = 20
_WATCH_CLOSELY_MS: Final = 4
_DEFAULT: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""What the interpreter itself ignores from its start."""


def main(raw: str) -> NoReturn:
    """Get ready, wait for the one job, serve it; never returns.

    Args:
        raw: JSON: ``import_from``, directories in front of the path; ``modules`` to import;
            ``variables``, the names that the environment may have; ``proxy``, the path of its socket, or
            null; ``gpu``, whether the call sees accelerators.
    """
    if os.getpid() != 1:
        # what it does at the end, killing everybody, must never happen anywhere else
        sys.exit("this program runs as the first process of a container only")
    config: dict[str, Any] = json.loads(raw)
    _take_channels()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    deaths = _ignore_signals()
    os.umask(0o022)
    for name in set(os.environ) - set(config["variables"]):
        del os.environ[name]
    sys.path[:0] = config["import_from"]
    broken = preload(config["modules"])
    for codec in ("ascii", "utf-8", "unicode_escape"):
        codecs.lookup(codec)  # each is a module, loaded on first use
    work = os.open(WORK, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _see_to_the_walk(work)
    meter = Meter(SCRATCH)
    threads = count_threads()
    call = _fork(config)
    start = meter.read()
    _say(
        Kind.READY,
        {
            "protocol": PROTOCOL,
            "broken": broken,
            "threads": threads,
            "base_bytes": start.memory,
            "cgroup": meter.version,
        },
    )
    terms = read_terms(_CONTROL)
    if terms is None:
        _end_everybody(call)
        os._exit(0)
    sys.path.clear()
    sys.meta_path.clear()
    _follow(call, terms, meter, start, deaths)
    _report(call, meter, start)
    _take_out(work, terms)
    os._exit(0)


def _take_channels() -> None:
    """Put our two channels where no library and no child will look, and harmless things in their place."""
    os.dup2(0, _CONTROL, inheritable=False)
    os.dup2(1, _FRAMES, inheritable=False)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)  # what a library prints while it is imported is no frame


def _ignore_signals() -> int:
    """Ignore every signal, and return a descriptor that can be read when a child may have ended."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    # not a process descriptor: gVisor has none. And the call may send this signal, but only wakes us up
    deaths, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return deaths


def _restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, *_DEFAULT}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(slots=True)
class _Stream:
    kind: Kind
    room: int
    over: bool = False


@dataclass(slots=True)
class _Call:
    """The child, and our ends of what it was given."""

    pid: int
    job: socket.socket
    outputs: dict[int, _Stream]
    answer: _Stream
    ended: bool = False
    status: int = 0
    peak_kb: int = 0
    peak_bytes: int = 0
    cpu_s: float = 0.0
    broke: str = ""
    """The limit for which it was ended."""


def _fork(config: dict[str, Any]) -> _Call:
    """Fork the process of the call: it waits for its job."""
    job, theirs = socket.socketpair()
    result, their_result = os.pipe2(os.O_CLOEXEC)
    stdout, their_stdout = os.pipe2(os.O_CLOEXEC)
    stderr, their_stderr = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _serve([theirs.detach(), their_result, their_stdout, their_stderr], config)
    theirs.close()
    for fd in (their_result, their_stdout, their_stderr):
        os.close(fd)
    job.setblocking(False)
    answer = _Stream(Kind.ANSWER, 0)
    outputs = {result: answer, stdout: _Stream(Kind.STDOUT, 0), stderr: _Stream(Kind.STDERR, 0)}
    return _Call(pid, job, outputs, answer)


def _serve(fds: list[int], config: dict[str, Any]) -> NoReturn:
    """Be the call: receive the job, lay out the files, run it; never returns."""
    try:
        os.setsid()
        _restore_signals()
        job = guest.arrange_descriptors(fds)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)
        try:
            # when memory runs out, the kernel should take the call and not the process that tells of it
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        except OSError as error:
            print(f"oom_score_adj: {error}", file=sys.stderr)  # noqa: T201
        request = guest.receive(job)
        if request is None:
            os._exit(0)
        if config["proxy"] is not None:
            os.environ[guest.PROXY_VARIABLE] = config["proxy"]
        guest.prepare(request | {"proxied": False}, job, work=WORK)
        job.close()
        # the container's own limit on processes counts the call alone; the user's would count them all
        guest.limit(request["limits"], count_processes=False, gpu=config["gpu"])
    except (OSError, ValueError) as error:
        os.write(2, f"the call could not be prepared: {error}".encode("utf-8", "backslashreplace")[:500])
        os._exit(70)
    guest.run(request)


def _follow(call: _Call, terms: dict[str, Any], meter: Meter, start: Usage, deaths: int) -> None:
    """Relay the job inwards and the outputs outwards until the call is over; then end what is left."""
    for stream in call.outputs.values():
        stream.room = terms["answer_bytes" if stream is call.answer else "output_bytes"]
    poller = select.poll()
    for fd in (_CONTROL, deaths, *call.outputs):
        poller.register(fd, select.POLLIN)
    to_come: int = terms["job_bytes"]
    pending = b""
    wait_ms = _WATCH_MS
    over = False
    while not over:
        for fd, events in poller.poll(wait_ms):
            if fd == deaths:
                os.read(deaths, PAYLOAD_BYTES)
                _reap(call)
                over = over or call.ended
            elif fd == _CONTROL:
                data = os.read(_CONTROL, min(to_come, PAYLOAD_BYTES) or 1)
                if not data:  # the supervisor is gone: nobody wants to know
                    _end_everybody(call)
                    os._exit(0)
                if not to_come:
                    over = True  # it said: end the call
                    continue
                to_come -= len(data)
                pending += data
                poller.unregister(_CONTROL)
                poller.register(call.job, select.POLLOUT)
            elif fd == call.job.fileno():
                pending = _pass_on(call.job, pending, gone=bool(events & (select.POLLERR | select.POLLHUP)))
                if not pending:
                    poller.unregister(call.job)
                    poller.register(_CONTROL, select.POLLIN)
            elif not _relay(fd, call.outputs[fd]):
                poller.unregister(fd)
        if not over:
            wait_ms = _watch(call, terms, meter, start)
            over = bool(call.broke)
    _end_everybody(call)
    for fd, stream in call.outputs.items():
        # nobody can write any more: what is left ends
        while _relay(fd, stream):
            pass


def _pass_on(job: socket.socket, data: bytes, *, gone: bool) -> bytes:
    """Send as much of the job as the call takes, and return the rest; a call that is gone takes it all."""
    if gone:
        return b""
    try:
        return data[job.send(data) :]
    except BlockingIOError:
        return data
    except OSError:
        return b""


def _relay(fd: int, stream: _Stream) -> bool:
    """Pass on what the call says, as far as its limit; return whether there may be more."""
    data = os.read(fd, PAYLOAD_BYTES)
    kept = data[: stream.room]
    stream.room -= len(kept)
    stream.over = stream.over or len(kept) < len(data)
    if kept:
        _write(stream.kind, kept)
    return bool(data)


def _watch(call: _Call, terms: dict[str, Any], meter: Meter, start: Usage) -> int:
    """Hold the limits that the kernel does not hold as they were promised; return when to look again."""
    usage = meter.read()
    memory = max(0, usage.memory - start.memory)
    call.peak_bytes = max(call.peak_bytes, memory)
    call.cpu_s = max(call.cpu_s, usage.cpu_s - start.cpu_s)
    if memory > terms["memory_bytes"] or meter.kills():
        call.broke = "memory"
    elif call.cpu_s > terms["cpu_s"]:
        call.broke = "cpu"
    elif usage.processes > terms["processes"]:
        call.broke = "processes"
    elif usage.scratch > terms["scratch_bytes"]:
        call.broke = "scratch"
    elif call.answer.over:
        call.broke = "answer"
    return _WATCH_CLOSELY_MS if memory > terms["memory_bytes"] // 3 else _WATCH_MS


def _reap(call: _Call) -> None:
    """Bury the dead: an orphan that nobody waits for counts as a process."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid == call.pid:
            call.ended, call.status, call.peak_kb = True, status, usage.ru_maxrss


def _end_everybody(call: _Call) -> None:
    """Kill every other process of the namespace, and wait until none is left."""
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            # every orphan becomes our child: without children, nobody is left
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return
        if pid == call.pid:
            call.status, call.peak_kb = status, usage.ru_maxrss


def _report(call: _Call, meter: Meter, start: Usage) -> None:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    reaped = used.ru_utime + used.ru_stime
    counted = meter.read().cpu_s - start.cpu_s if meter.version else 0.0
    _say(
        Kind.ENDED,
        {
            "status": call.status,
            "cpu_s": max(call.cpu_s, reaped, counted),
            "peak_bytes": max(call.peak_bytes, call.peak_kb * 1024),
            "broke": call.broke or ("answer" if call.answer.over else ""),
            "out_of_memory": meter.kills() > 0,
            "truncated": any(s.over for s in call.outputs.values() if s is not call.answer),
        },
    )


def _take_out(work: int, terms: dict[str, Any]) -> None:
    """Send the files that the call has left; it and everything that it started are gone."""
    problem = ""
    if terms["collect"] is not None:
        try:
            out = open_directory(work, guest.OUT_DIRECTORY)
        except SandboxUnavailableError as error:
            problem = str(error)
        except OSError:
            pass  # the call removed or replaced it: there is nothing to take
        else:
            try:
                for item in find_files(out, Caps(**terms["collect"])):
                    if isinstance(item, Found):
                        _send_file(item)
                    else:
                        _say(Kind.REFUSED, [item.name, item.reason])
            except (SandboxBrokenError, SandboxUnavailableError) as error:
                problem = str(error)
    _say(Kind.DONE, problem)


def _see_to_the_walk(work: int) -> None:
    """Where the kernel has no ``openat2``, as gVisor, let the walk for files do without.

    Elsewhere that would be too weak, since a name may change between two looks. Here nobody is left who
    could change one, and no mount can have been made: a name at a time, no link followed, is enough.
    """
    try:
        os.close(walk.open_beneath(work, ".", os.O_PATH))
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        walk.open_beneath = _open_one


def _open_one(directory_fd: int, name: str, flags: int) -> int:
    if "/" in name or name == "..":
        raise OSError(errno.EXDEV, "not a name of one part")
    quietly = os.O_NOFOLLOW | os.O_CLOEXEC | (0 if flags & os.O_PATH else os.O_NONBLOCK | os.O_NOCTTY)
    fd = os.open(name, flags | quietly, dir_fd=directory_fd)
    if os.fstat(fd).st_dev != os.fstat(directory_fd).st_dev:
        os.close(fd)
        raise OSError(errno.EXDEV, "on another file system")
    return fd


def _send_file(found: Found) -> None:
    _say(Kind.FILE, [found.name, found.size])
    problem = ""
    try:
        for piece in found.chunks():
            _write(Kind.CHUNK, piece)
    except ValueError as error:
        problem = str(error)
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    _say(Kind.FILE_END, problem)


def _say(kind: Kind, content: Any) -> None:
    _write(kind, json.dumps(content).encode())


def _write(kind: Kind, payload: bytes) -> None:
    for frame in encode(kind, payload):
        view = memoryview(frame)
        try:
            while view:
                view = view[os.write(_FRAMES, view) :]
        except BrokenPipeError:
            os._exit(0)  # nobody listens any more; as first process, everybody ends with us
