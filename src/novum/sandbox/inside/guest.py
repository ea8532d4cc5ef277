"""What every backend runs inside, once isolation stands: receive one job, run it, answer once.

Everything up to `run` is trusted code that works on no untrusted input. After `run` has started,
nothing that this process says is believed: see `novum.sandbox.answers`. Standard library only: it is
loaded before isolation exists.

A job is eight bytes of length, that much JSON, then the bytes of the input files in their order.
"""

import errno
import gc
import importlib
import json
import math
import os
import random
import resource
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, NoReturn

from novum.sandbox.json_data import find_unjson

RESULT_FD: Final = 3
JOB_FD: Final = 4
PROXY_VARIABLE: Final = "NOVUM_PROXY"
"""Environment variable that names the proxy's socket, where network hosts were granted."""

IN_DIRECTORY: Final = "in"
OUT_DIRECTORY: Final = "out"

_OPEN_FILES: Final = 512
_MEGABYTE: Final = 1 << 20
_CHUNK: Final = 1 << 20


def receive(job: socket.socket) -> dict[str, Any] | None:
    """Return the request, or None when the supervisor hung up: this process is not needed.

    Raises:
        OSError: the supervisor went away in the middle.
    """
    head = _read_exactly(job, 8)
    if head is None:
        return None
    (size,) = struct.unpack("<Q", head)
    body = _read_exactly(job, size)
    if body is None:
        return None
    request: dict[str, Any] = json.loads(body)
    return request


def prepare(request: dict[str, Any], job: socket.socket, *, work: str) -> socket.socket | None:
    """Lay out the working directory `work`: input files, the place for output files, the proxy's socket.

    Returns:
        The listening socket of the proxy where the request grants hosts, for the supervisor to serve.

    Raises:
        OSError: the scratch is too small, or the supervisor went away.
    """
    for directory in (IN_DIRECTORY, OUT_DIRECTORY):
        os.mkdir(f"{work}/{directory}", 0o700)  # noqa: PTH102  (pathlib would apply the umask twice over)
    for name, size in request["inputs"]:
        path = Path(work, IN_DIRECTORY, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while size:
                part = job.recv(min(size, _CHUNK))
                if not part:
                    raise OSError(errno.EPIPE, "the supervisor hung up")
                file.write(part)
                size -= len(part)
        path.chmod(0o400)
    if not request["proxied"]:
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.environ[PROXY_VARIABLE] = f"{work}/.proxy"
    listener.bind(os.environ[PROXY_VARIABLE])
    listener.listen(16)
    return listener


def _read_exactly(job: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = job.recv(min(size - len(parts), 1 << 16))
        if not part:
            return None
        parts += part
    return bytes(parts)


def arrange_descriptors(fds: list[int]) -> socket.socket:
    """Keep the null device, two outputs, the result and the job, and nothing of the zygote's.

    Args:
        fds: job socket, result pipe, standard output, standard error.
    """
    job, result, stdout, stderr = fds
    # first out of the way: one of the four may sit where another one belongs
    high = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate((result, job, stdout, stderr))]
    os.dup2(high[2], 1)
    os.dup2(high[3], 2)
    os.dup2(high[0], RESULT_FD, inheritable=False)
    os.dup2(high[1], JOB_FD, inheritable=False)
    os.closerange(JOB_FD + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return socket.socket(fileno=JOB_FD)


def limit(limits: dict[str, Any], *, count_processes: bool = True, gpu: bool = False) -> None:
    """Set the kernel's limits. The supervisor's watchdog holds what these cannot: the tree's sum.

    Args:
        limits: those of the request.
        count_processes: whether the identity is this call's own, so that the kernel counts for it alone.
        gpu: whether an accelerator's driver needs to reserve address space without end.
    """
    page = resource.getpagesize()
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    size, data = int(fields[0]) * page, int(fields[5]) * page
    memory = limits["memory_mb"] * _MEGABYTE
    # thread stacks count as data though they are hardly touched: an eighth on top is for them
    spare = max(memory // 8, 32 * _MEGABYTE)
    bounds = {
        resource.RLIMIT_FSIZE: limits["scratch_mb"] * _MEGABYTE,
        resource.RLIMIT_CPU: max(1, math.ceil(limits["cpu_s"])),
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    if not gpu:
        bounds[resource.RLIMIT_DATA] = data + memory + spare
        # address space is cheap and libraries reserve much of it: a coarse bound for shared memory
        bounds[resource.RLIMIT_AS] = size + 2 * memory + 4096 * _MEGABYTE
    if count_processes:
        bounds[resource.RLIMIT_NPROC] = limits["processes"]
    for kind, value in bounds.items():
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            value = min(value, ceiling)
        if resource.getrlimit(kind) != (value, value):  # gVisor refuses to set some, even to what they are
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
