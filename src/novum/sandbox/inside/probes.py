"""What a sandbox is asked from the inside: entries that look, try and report.

They run inside, where nothing is believed; they judge nothing. `novum.sandbox.attest` and
`novum.sandbox.conformance` compare what they report, and what the host saw, with what was promised.
Standard library only, so that they load quickly.
"""

import contextlib
import ctypes
import math
import mmap
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEGABYTE = 1 << 20


def echo(value: Any = None) -> Any:
    """Return the argument."""
    return value


def fail(text: str) -> None:
    """Raise an error with `text`."""
    raise ValueError(text)


def draw() -> list[float]:
    """Return the next random numbers, as seeded."""
    numbers = [random.random() for _ in range(3)]  # noqa: S311  (a check of seeding, not of secrecy)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numbers.append(float(numpy.random.random()))
    return numbers


def write_output(out: str = "", err: str = "", *, repeat: int = 1) -> int:
    """Write to both outputs `repeat` times; return the number of characters."""
    for _ in range(repeat):
        sys.stdout.write(out)
        sys.stderr.write(err)
    return repeat * (len(out) + len(err))


def write_raw(data: list[int]) -> None:
    """Write bytes to standard output."""
    os.write(1, bytes(data))


def flood(megabytes: int) -> None:
    """Write that much to standard output."""
    block = b"x" * MEGABYTE
    for _ in range(megabytes):
        view = memoryview(block)
        while view:
            view = view[os.write(1, view) :]


def odd_answer(kind: str) -> Any:
    """Return something that is not JSON data."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    answers: dict[str, Any] = {
        "nan": {"gap": [1.0, math.nan]},
        "infinite": {"gap": math.inf},
        "object": {"gap": object()},
        "bytes": b"raw",
        "keys": {1: 2},
        "set": {1, 2},
        "deep": deep,
        "surrogate": "\ud800",
        "large": "x" * (4 * MEGABYTE),
        "digits": 10**5000,
    }
    return answers[kind]


def forge_answer(raw: str, *, fd: int = 3, times: int = 1, code: int = 0) -> None:
    """Write `raw` where the answer goes and leave."""
    for _ in range(times):
        view = memoryview(raw.encode())
        while view:
            view = view[os.write(fd, view) :]
    os._exit(code)


def end(how: str) -> None:
    """End the process in the way named."""
    match how:
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "exit":
            os._exit(3)
        case "exit-zero":
            os._exit(0)
        case "sys-exit":
            sys.exit(4)
        case "pipe":
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            reader, writer = os.pipe()
            os.close(reader)
            os.write(writer, b"x")
        case "forbidden-abi":
            # mov eax, 20 (getpid); int 0x80; ret
            code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
            address = ctypes.addressof(ctypes.c_char.from_buffer(code))
            ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def pause(seconds: float) -> str:
    """Sleep."""
    time.sleep(seconds)
    return "awake"


def spin(*, deaf: bool = False) -> None:
    """Burn processor time until killed, if `deaf` with every signal that can be ignored ignored."""
    if deaf:
        for number in range(1, signal.NSIG):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        pass


def allocate(megabytes: int, *, how: str = "private", processes: int = 1, hold_s: float = 0) -> int:
    """Take and touch memory, in `processes` processes at once, hold it, and return how much."""
    children: list[int] = []
    for _ in range(processes - 1):
        child = os.fork()
        if child == 0:
            children = []
            break
        children.append(child)
    held: list[Any] = []
    for _ in range(megabytes):
        if how == "private":
            block = bytearray(MEGABYTE)
            block[:: mmap.PAGESIZE] = b"x" * (MEGABYTE // mmap.PAGESIZE)
            held.append(block)
        elif how == "shared":
            area = mmap.mmap(-1, MEGABYTE)
            area.write(b"x" * MEGABYTE)
            held.append(area)
        elif how == "memfd":
            fd = os.memfd_create("probe")
            os.write(fd, b"x" * MEGABYTE)
            held.append(fd)
        elif how == "at-once":
            held.append(bytearray(megabytes * MEGABYTE))
            break
    time.sleep(hold_s)
    return len(held)


def fill_disk(megabytes: int, *, where: str, hold_s: float = 0) -> dict[str, Any]:
    """Write up to that much into one directory, hold it, and return how much went in and what stopped it.

    `where` may name an environment variable: ``$TMPDIR``.
    """
    where = os.path.expandvars(where)
    written = 0
    stopped = ""
    block = b"x" * MEGABYTE
    number = 0
    try:
        while written < megabytes * MEGABYTE:
            with Path(where, f"fill{number}").open("wb") as file:
                for _ in range(16):
                    written += file.write(block)
            number += 1
    except OSError as error:
        stopped = type(error).__name__ + f" {error.errno}"
    if not stopped:
        time.sleep(hold_s)
    return {"written_mb": written / MEGABYTE, "stopped": stopped}


def fill_inodes(count: int, *, where: str, hold_s: float = 0) -> int:
    """Create up to `count` empty files, hold them if all went well, and return how many there were."""
    for number in range(count):
        try:
            Path(where, f"i{number}").touch()
        except OSError:
            return number
    time.sleep(hold_s)
    return count


def copy_file(source: str, target: str) -> None:
    """Copy a file, making the folder for it."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_bytes(Path(source).read_bytes())


def leave_odd_files() -> int:
    """Leave one good file and many that must not be taken; return how many of those there are."""
    out = Path("out")
    (out / "good.csv").write_text("a\n1\n", encoding="ascii")
    makers: list[Callable[[], Any]] = [
        lambda: (out / "absolute").symlink_to("/etc/passwd"),
        lambda: (out / "relative").symlink_to("../in"),
        lambda: (out / "loop").symlink_to("loop"),
        lambda: (out / "magic").symlink_to("/proc/self/environ"),
        lambda: os.mkfifo(out / "pipe"),
        lambda: (out / ".hidden").write_text("x", encoding="ascii"),
        lambda: (out / "\x1b[31mred").write_text("x", encoding="ascii"),
        lambda: (out / "new\nline").write_text("x", encoding="ascii"),
        lambda: (out / ("long" * 50)).write_text("x", encoding="ascii"),
    ]
    made = sum(_succeeds(maker) for maker in makers)
    first = out / "linked"
    first.write_text("x", encoding="ascii")
    return made + _succeeds(os.link, first, out / "twice") + 1


def fork_many(count: int, *, hold_s: float = 0) -> int:
    """Fork up to `count` sleeping children, hold them if there were all, and return how many there were."""
    for number in range(count):
        try:
            child = os.fork()
        except OSError:
            return number
        if child == 0:
            time.sleep(60)
            os._exit(0)
    time.sleep(hold_s)
    return count


def fork_bomb() -> None:
    """Fork for as long as it is possible, and let the children do the same."""
    while True:
        os.fork()


def start_threads(count: int, *, hold_s: float = 0) -> int:
    """Start up to `count` threads, hold them if there were all, and return how many there were."""
    done = threading.Event()
    for number in range(count):
        try:
            threading.Thread(target=done.wait, daemon=True).start()
        except RuntimeError:
            return number
    time.sleep(hold_s)
    return count


def daemonise() -> int:
    """Leave a detached process that ignores signals and holds the outputs open."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(120)
        os._exit(0)
    return os.getpid()


def leave_traces(mark: str) -> list[str]:
    """Leave `mark` wherever a later call might find it; return where it was left."""
    left = []
    for directory in _scratch_places():
        with contextlib.suppress(OSError):
            Path(directory, mark).write_text(mark, encoding="utf-8")
            left.append(directory)
    os.environ[f"LEFT_{mark}"] = mark
    sys.modules[f"left_{mark}"] = sys
    import builtins

    setattr(builtins, f"left_{mark}", mark)
    random.seed(mark)
    with contextlib.suppress(OSError):
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0{mark}")
        abstract.listen()
        abstract.detach()  # it stays open until the process ends
    daemonise()
    return left


def find_traces(mark: str) -> list[str]:
    """Return where `mark` can be found."""
    import builtins

    found = [directory for directory in _scratch_places() if Path(directory, mark).exists()]
    found += [f"environment {name}" for name in os.environ if mark in name]
    found += [f"module {name}" for name in sys.modules if mark in name]
    found += [f"builtin {name}" for name in dir(builtins) if mark in name]
    if _succeeds(_connect, f"\0{mark}", socket.AF_UNIX):
        found.append("abstract socket")
    return found + [f"process {pid}" for pid in _other_processes()]


def survey(
    *, paths: list[str], canary: str, port: int, abstract: str = "", harmless: bool = False
) -> dict[str, Any]:
    """Look at everything that should not be there; return what was seen and done.

    With `harmless` it writes nothing and stays who it is: the form for a control outside a sandbox.
    """
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    )
    # asked for, not read: gVisor's /proc does not tell
    no_new_privileges = ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)
    return {
        "opened": [path for path in paths if _succeeds(Path(path).read_bytes)],
        "environment": sorted(os.environ),
        "environments": _canary_environments(canary),
        "other_processes": _other_processes(),
        "loopback": _succeeds(_connect, ("127.0.0.1", port)),
        "egress": _succeeds(_connect, ("192.0.2.1", 80)),
        "datagram": _succeeds(_send_datagram, ("192.0.2.1", 53)),
        "abstract": bool(abstract) and _succeeds(_connect, f"\0{abstract}", socket.AF_UNIX),
        "written": [
            place
            for place in (
                "/",
                "/etc",
                "/usr",
                "/usr/bin",
                "/proc/sys/kernel",
                "/dev",
                sys.prefix,
                sys.base_prefix,
            )
            if not harmless and _succeeds(Path(place, f"x{canary}").touch)
        ],
        "proc_writable": _succeeds(os.open, "/proc/sys/kernel/core_pattern", os.O_WRONLY),
        "scratch": [
            place
            for place in _scratch_places()
            if not harmless and _succeeds(Path(place, f"x{canary}").write_bytes, b"x")
        ],
        "directory": os.getcwd(),  # noqa: PTH109
        "uid": os.getuid(),
        "became_root": not harmless and _succeeds(os.setuid, 0),
        "capabilities": {
            # the bounding set says what a set-user-id program would give: nothing, under no_new_privs
            name: int(status[name], 16)
            for name in (
                "CapInh",
                "CapPrm",
                "CapEff",
                *(["CapAmb"] if "CapAmb" in status else []),  # gVisor has none
                *(["CapBnd"] if no_new_privileges == 0 else []),
            )
        },
        "no_new_privileges": no_new_privileges,
        "seccomp": int(status.get("Seccomp", 0)),
        "descriptors": _descriptors(),
    }


def touch_processes(pid: int, *, harmless: bool = False) -> dict[str, bool]:
    """Try to reach a process of the host by its number; return what could be done.

    With `harmless` it does not try to kill everybody: the form for a control outside a sandbox.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    return {
        "seen": Path(f"/proc/{pid}").exists(),
        "signalled": _succeeds(os.kill, pid, 0),
        "opened": _succeeds(os.pidfd_open, pid),
        "traced": libc.ptrace(16, pid, None, None) == 0,
        "read": libc.process_vm_readv(pid, vector, 1, vector, 1, 0) > 0,
        "killed_all": not harmless and _succeeds(os.kill, -1, signal.SIGKILL),
    }


def read_descriptors(canary: str) -> list[int]:
    """Return the open descriptors from which `canary` can be read."""
    found = []
    for fd in range(3, 300):
        with contextlib.suppress(OSError):
            if canary.encode() in os.pread(fd, 4096, 0):
                found.append(fd)
    return found


def search_memory(pieces: list[str]) -> int:
    """Return how often the joined pieces occur in our own writable memory, but for our own copies."""
    wanted = bytearray()
    for piece in pieces:
        wanted += piece.encode()
    # the reversed form is what is kept, so that the search does not find itself
    reverse = bytes(reversed(wanted))
    wanted[:] = b"\0" * len(wanted)
    hits = 0
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            low, high = (int(part, 16) for part in span.split("-"))
            if high - low > 256 * MEGABYTE:
                continue
            try:
                memory.seek(low)
                hits += memory.read(high - low)[::-1].count(reverse)
            except OSError:
                continue
    return hits


def run_program(arguments: list[str]) -> dict[str, Any]:
    """Start a program; return its exit code and output."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def call_kernel(number: int, arguments: list[int]) -> int:
    """Make a system call; return 0, or its errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    return ctypes.get_errno() if done < 0 else 0


def _scratch_places() -> list[str]:
    """Where a call may write: the directory in which it starts, and those for temporary files."""
    return list(dict.fromkeys((os.getcwd(), os.environ.get("TMPDIR", "/tmp"), "/dev/shm")))  # noqa: S108, PTH109


def _other_processes() -> list[int]:
    """The processes that can be seen beside our own and the init of a container."""
    try:
        seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
    except OSError:
        return []  # hidden altogether
    return sorted(seen - {1, os.getpid()})


def _succeeds(action: Callable[..., Any], *arguments: Any) -> bool:
    try:
        action(*arguments)
    except (OSError, ValueError):
        return False
    return True


def _connect(address: Any, family: int = socket.AF_INET) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(0.3)
        client.connect(address)


def _send_datagram(address: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", address)


def _canary_environments(canary: str) -> list[str]:
    found = [name for name, value in os.environ.items() if canary in name or canary in value]
    for process in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if canary.encode() in process.read_bytes():
                found.append(str(process))
    return found


def _descriptors() -> list[int]:
    found = []
    for fd in range(1024):
        with contextlib.suppress(OSError):
            os.fstat(fd)
            found.append(fd)
    return found
