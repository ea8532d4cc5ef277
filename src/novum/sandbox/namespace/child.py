"""One call, from fork to death: isolate, wait for the job, run it, answer.

Everything before the job arrives is trusted code that works on no untrusted input. After `run` has
started, nothing that this process says is believed: see `novum.sandbox.answers`.
"""

import errno
import gc
import importlib
import json
import math
import os
import random
import resource
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from ctypes import Structure
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, NoReturn

from novum.sandbox import landlock_rules, linux, seccomp
from novum.sandbox.json_data import find_unjson
from novum.sandbox.namespace import root

RESULT_FD: Final = 3
_JOB_FD: Final = 4
_OPEN_FILES: Final = 512
_MEGABYTE: Final = 1 << 20


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


def main(isolation: Isolation, *, fds: list[int], scratch_mb: int, uid: int) -> NoReturn:
    """Live and die as the child of one call; never returns.

    Args:
        isolation: the zygote's settings.
        fds: job socket, result pipe, standard output, standard error.
        scratch_mb: size of the scratch directories together.
        uid: who to be, in the current user namespace.
    """
    job: socket.socket | None = None
    try:
        job = _arrange_fds(fds)
        proc = _isolate(isolation, scratch_mb=scratch_mb, uid=uid)
        socket.send_fds(job, [b"R"], [proc])
        os.close(proc)
        request = _receive(job)
        job.close()
        if request is None:
            os._exit(0)
        _limit(request["limits"])
    except (OSError, ValueError) as error:
        if job is not None and job.fileno() >= 0:
            job.send(b"F" + str(error).encode("utf-8", "replace")[:500])
        os._exit(70)
    run(request)


def _arrange_fds(fds: list[int]) -> socket.socket:
    """Keep the null device, two outputs, the result and the job, and nothing of the zygote's."""
    job, result, stdout, stderr = fds
    # first out of the way: one of the four may sit where another one belongs
    high = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate((result, job, stdout, stderr))]
    os.dup2(high[2], 1)
    os.dup2(high[3], 2)
    os.dup2(high[0], RESULT_FD, inheritable=False)
    os.dup2(high[1], _JOB_FD, inheritable=False)
    os.closerange(_JOB_FD + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return socket.socket(fileno=_JOB_FD)


def _isolate(isolation: Isolation, *, scratch_mb: int, uid: int) -> int:
    """Take own namespaces, scratch and identity and give up every privilege.

    Returns:
        A directory descriptor of the call's own /proc, for the supervisor to watch it by.
    """
    os.setsid()
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    me = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _write_at(me, "oom_score_adj", "1000")
    root.fresh_scratch(scratch_mb, returning=isolation.returning, owner=(uid, uid))
    root.fresh_proc()
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if isolation.in_user_namespace:
        # a nested user namespace gives this call its own process count under RLIMIT_NPROC
        linux.unshare(linux.CLONE_NEWUSER)
        _write_at(me, "uid_map", f"{uid} {uid} 1")
        _write_at(me, "gid_map", f"{uid} {uid} 1")
        linux.drop_bounding_set()  # not before: a new user namespace starts with a full one
    else:
        linux.drop_bounding_set()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.close(me)
    linux.drop_capabilities()
    # both were reset by the change of identity; the watchdog can read only a dumpable process
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    landlock_rules.restrict(version=isolation.landlock, writable=root.SCRATCH, devices=root.DEVICES)
    seccomp.load(isolation.filter)
    os.chdir(root.WORK)
    return proc


def _write_at(directory: int, name: str, text: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _receive(job: socket.socket) -> dict[str, Any] | None:
    """Return the request, or None when the supervisor hung up: this child is not needed."""
    head = _read_exactly(job, 8)
    if head is None:
        return None
    (size,) = struct.unpack("<Q", head)
    body = _read_exactly(job, size)
    if body is None:
        return None
    request: dict[str, Any] = json.loads(body)
    return request


def _read_exactly(job: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = job.recv(min(size - len(parts), 1 << 16))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _limit(limits: dict[str, Any]) -> None:
    """Set the kernel's limits. The supervisor's watchdog holds what these cannot: the tree's sum."""
    page = resource.getpagesize()
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    size, data = int(fields[0]) * page, int(fields[5]) * page
    memory = limits["memory_mb"] * _MEGABYTE
    # thread stacks count as data though they are hardly touched: an eighth on top is for them
    spare = max(memory // 8, 32 * _MEGABYTE)
    cpu = max(1, math.ceil(limits["cpu_s"]))
    scratch = limits["scratch_mb"] * _MEGABYTE
    for kind, value in (
        (resource.RLIMIT_DATA, data + memory + spare),
        # address space is cheap and libraries reserve much of it: a coarse bound for shared memory
        (resource.RLIMIT_AS, size + 2 * memory + 4096 * _MEGABYTE),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_FSIZE, scratch),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_RTPRIO, 0),
    ):
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            value = min(value, ceiling)
        resource.setrlimit(kind, (value, value))


def run(request: dict[str, Any]) -> NoReturn:
    """Call the entry with its arguments and answer once; never returns."""
    # a forked child of the tool must not be able to answer a second time by accident
    os.register_at_fork(after_in_child=_close_result)
    # new ones: the zygote's own know the files that were behind 1 and 2 when it started
    sys.stdout = sys.__stdout__ = _text_stream(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text_stream(2)  # type: ignore[misc]
    sys.argv = [""]
    gc.enable()
    try:
        function = _find(request["entry"])
        _seed(request["seed"])
        value = function(**request["arguments"])
        answer = _answer(value, limit=request["limits"]["result_kb"] * 1024)
    except SystemExit as leaving:
        _flush()
        os._exit(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
    except BaseException as error:  # noqa: BLE001  (whatever the tool raises is its answer)
        answer = _failure(error)
    _flush()
    try:
        view = memoryview(answer)
        while view:
            view = view[os.write(RESULT_FD, view) :]
    except OSError:
        os._exit(71)
    os._exit(0)


def _text_stream(fd: int) -> TextIOWrapper:
    # by line, so that a call that is killed has said what it said
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _close_result() -> None:
    try:
        os.close(RESULT_FD)
    except OSError as error:
        if error.errno != errno.EBADF:  # the tool has closed it: nothing is left to protect
            raise


def _find(entry: str) -> Callable[..., Any]:
    module, separator, name = entry.partition(":")
    if not separator:
        raise ValueError(f"entry {entry!r} is not of the form 'package.module:function'")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"entry {entry!r} is not a function")
    return found  # type: ignore[no-any-return]


def _seed(seed: int) -> None:
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)


def _answer(value: Any, *, limit: int) -> bytes:
    place = find_unjson(value)
    if place is not None:
        return json.dumps({"refused": place[:1000]}).encode()
    try:
        text = json.dumps({"value": value}, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        return json.dumps({"refused": f"the answer is not JSON data: {error}"[:1000]}).encode()
    if len(text) > limit:
        return json.dumps({"large": len(text)}).encode()
    return text


def _failure(error: BaseException) -> bytes:
    limit = None
    if isinstance(error, MemoryError):
        limit = "memory"
    elif (isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN) or (
        isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    ):
        limit = "processes"
    try:
        traceback.print_exception(error, file=sys.stderr)
        text = str(error)
    except Exception:  # noqa: BLE001  (the tool's exception may fail even to print itself)
        text = "(its text could not be read)"
    return json.dumps({"raised": type(error).__name__, "text": text[:4000], "limit": limit}).encode()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed or replaced by the tool
            continue
