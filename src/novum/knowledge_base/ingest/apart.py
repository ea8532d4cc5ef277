"""A process beside ours in which files are read, because a file can make a library crash, hang or grow.

What bounds it is set and enforced from outside: memory, and the time for which we wait for it. A file that
breaks a bound, or the process, is refused, and the next file gets a new process. Files share a
process as long as nothing happens to it, since starting one takes longer than reading a small file.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from novum.core.errors import IngestError, MissingExtraError
from novum.core.text import clean_text
from novum.knowledge_base.ingest.bounds import DEFAULT_BOUNDS, Bounds
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.formats import Format
from novum.knowledge_base.ingest.wire import draft_from

CHILD = "novum.knowledge_base.ingest.child"
"""The program."""

LIBRARIES_BYTES = 1536 * 2**20
"""Memory for the libraries and for copies, on top of what a file may hold."""

MAX_FRAME_BYTES = 64 * 2**20
"""Length of what is told in one go, bytes to keep aside."""

START_SECONDS = 60.0
"""How long the process may take to start; on an idle machine it takes a third of one."""

RENEWED_BYTES = 2**30
"""Bytes of files after which a process is replaced, whatever a library may have left in it."""

_RECEIVED_BYTES = 2**18


class ReaderProcess:
    """Reads files in a process of its own, one after the other.

    It is for one walk after the other, and not for several at the same time. The process is started with
    the context, so that it gets ready while the first file is looked for, and ends with it.

    Args:
        bounds: what bounds the process's memory, whatever a single walk allows.
        walls: the beginning of a command line that builds walls around the command after it, and runs it.

    Example:
        >>> with ReaderProcess() as reader:
        ...     reader.is_running
        True
    """

    def __init__(self, bounds: Bounds = DEFAULT_BOUNDS, *, walls: Sequence[str] = ()) -> None:
        self._bounds = bounds
        self._walls = tuple(walls)
        self._process: _Process | None = None
        self._failure = ""
        """Why no process could be started; it is not tried for each file."""

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):  # the first file tells of it
            self._process = _Process(self._walls)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether there is a process that waits for the next file."""
        return self._process is not None and self._process.is_alive

    def close(self) -> None:
        """End the process; reading starts another one."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def settle(self) -> None:
        """Forget what was asked for and not read."""
        if self._process is not None and self._process.asked:
            self.close()

    def ask(self, task: Task, format: Format) -> None:
        """Have a file read as soon as what was asked for before is; `read` it in the same order.

        Asking is not needed. It does nothing where it has been done, or where it would do harm.
        """
        with contextlib.suppress(IngestError):
            process = self._ready()
            if task.source.sha256 not in process.asked and process.n_read < RENEWED_BYTES:
                process.ask(task, format)

    def read(self, task: Task, format: Format) -> Generator[Draft, None, None]:
        """Yield what is in a file.

        Raises:
            IngestError: it is not what it says; it takes too long; the process died of it, or does not keep
                to what was agreed, or could not be started.
            MissingExtraError: its reader is not installed.
            StoreError: bytes could not be stored.
        """
        process = self._ready()
        if process.asked[:1] != [task.source.sha256]:
            if process.asked or process.n_read >= RENEWED_BYTES:
                self.close()
                process = self._ready()
            process.ask(task, format)
        kind = ""
        try:
            process.seconds = max(0.0, task.bounds.max_seconds)
            for answer in _answers(process, task.bounds):
                kind = answer["kind"]
                draft = _taken(process, answer, task)
                if draft is not None:
                    yield draft
                if kind == "end":
                    return
            raise IngestError(f"its reader crashed on it ({process.how_it_ended()}), as on a damaged file")
        finally:
            if kind in ("end", "refused", "missing"):
                process.asked.pop(0)
            else:  # what was left in the middle of a file, or full, reads no other one
                self.close()

    def _ready(self) -> "_Process":
        """Return a process that waits for a file.

        Raises:
            IngestError: none could be started.
        """
        if self._process is not None and not self._process.is_alive and self._process.is_ready:
            self.close()
        if self._failure:
            raise IngestError(self._failure)
        try:
            if self._process is None:
                self._process = _Process(self._walls)
            if not self._process.is_ready:
                self._process.prepare(self._bounds)
        except (OSError, ValueError) as error:  # also what waited too long
            how = "" if self._process is None else f" ({self._process.how_it_ended()})"
            self.close()
            self._failure = f"there is no process to read it in: {error}{how}"
            raise IngestError(self._failure) from error
        return self._process


def _answers(process: "_Process", bounds: Bounds) -> Iterator[dict[str, Any]]:
    """Yield what the process tells of one file, until it ends.

    Raises:
        IngestError: it takes too long, or cannot be understood.
    """
    n_told = 0
    while True:
        try:
            line = process.line()
        except TimeoutError as error:
            raise IngestError(f"it takes longer than {bounds.max_seconds:g} s to read") from error
        except ValueError as error:
            raise _not_understood() from error
        if line is None:
            return
        n_told += 1
        if n_told > 3 * bounds.max_items + 1000:
            raise IngestError("its reader does not come to an end")
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _not_understood() from error
        if not isinstance(answer, dict) or "kind" not in answer:
            raise _not_understood()
        yield answer


def _taken(process: "_Process", answer: dict[str, Any], task: Task) -> Draft | None:
    """Do what an answer asks for; return the draft that it brings, if it brings one.

    Raises:
        IngestError: the file is refused, or the answer cannot be understood.
        MissingExtraError: the file's reader is not installed.
        StoreError: bytes could not be stored.
    """
    try:
        match answer["kind"]:
            case "draft":
                return draft_from(answer["draft"])
            case "note":
                task.note(clean_text(str(answer["message"])), place=clean_text(str(answer["place"])))
            case "bytes":
                size, name, media_type = int(answer["size"]), str(answer["name"]), str(answer["media_type"])
                if not 0 <= size <= task.bounds.max_held_bytes:
                    raise IngestError(f"its reader gave {size} bytes to keep")
                task.store(process.exactly(size), clean_text(name), clean_text(media_type))
            case "refused" | "full":
                raise IngestError(clean_text(str(answer["reason"]), limit=500))
            case "missing":
                raise MissingExtraError(
                    feature=clean_text(str(answer["feature"]), limit=100),
                    extra=clean_text(str(answer["extra"]), limit=100),
                )
            case "end":
                pass
            case _:
                raise _not_understood()
    except TimeoutError as error:
        raise IngestError(f"it takes longer than {task.bounds.max_seconds:g} s to read") from error
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise _not_understood() from error
    return None


def _not_understood() -> IngestError:
    return IngestError("its reader told something that cannot be understood")


class _Process:
    """The process, and what it said that nobody has taken yet."""

    def __init__(self, walls: Sequence[str]) -> None:
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*walls, sys.executable, "-P", "-m", CHILD],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    process_group=0,
                    env={
                        "HOME": "/",  # no settings of the user's
                        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                        "OMP_NUM_THREADS": "1",
                        "OPENBLAS_NUM_THREADS": "1",
                        "HDF5_PLUGIN_PRELOAD": "::",  # no filter is loaded from a library that lies somewhere
                    },
                )
        except OSError:
            self._socket.close()
            raise
        self._data = bytearray()
        self._place = 0
        self.is_ready = False
        self.seconds = START_SECONDS
        """For how long it may still be waited for."""
        self.asked: list[str] = []
        """The hashes of the files that it has been asked for, and whose end has not been seen."""
        self.n_read = 0
        """Bytes of the files that it has been asked for."""

    def prepare(self, bounds: Bounds) -> None:
        """Wait until it has started, and bound it.

        Raises:
            OSError: it died, or could not be bound.
            TimeoutError: it did not start in time.
            ValueError: a bound cannot be set.
        """
        self.seconds = START_SECONDS
        if self.line() is None:
            raise OSError("it ended at once")
        memory = self._n_bytes() + 6 * bounds.max_held_bytes + LIBRARIES_BYTES
        for what, most in (
            (resource.RLIMIT_AS, memory),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.prlimit(self._process.pid, what)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(self._process.pid, what, (most, most))
        self.is_ready = True

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def _n_bytes(self) -> int:
        """Return its address space."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[0]
        return int(pages) * resource.getpagesize()

    def ask(self, task: Task, format: Format) -> None:
        """Have a file read."""
        source = task.source
        self.asked.append(source.sha256)
        self.n_read += source.size
        request = {
            "format": format.value,
            "source": {"name": source.name, "size": source.size, "sha256": source.sha256},
            "about": asdict(task.about),
            "bounds": asdict(task.bounds),
            "keeps": task.keep is not None,
        }
        self._send(request, source.descriptor)

    def _send(self, what: dict[str, Any], descriptor: int) -> None:
        """Send a line, and an open file beside it; a process that has ended is found out by the answer."""
        data = json.dumps(what).encode() + b"\n"
        self._socket.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):
            n = socket.send_fds(self._socket, [data], [descriptor])
            self._socket.sendall(data[n:])

    def line(self) -> bytes | None:
        """Return the next line; None where the process ended before its end.

        Raises:
            TimeoutError: there is no time left.
            ValueError: it is too long.
        """
        while (end := self._data.find(b"\n", self._place)) < 0:
            if len(self._data) - self._place > MAX_FRAME_BYTES:
                raise ValueError("the line is too long")
            if not self._receive():
                return None
        line = bytes(self._data[self._place : end])
        self._place = end + 1
        return line

    def exactly(self, n: int) -> bytes:
        """Return the next `n` bytes.

        Raises:
            TimeoutError: there is no time left.
            ValueError: the process ended before them.
        """
        while len(self._data) - self._place < n:
            if not self._receive():
                raise ValueError("the bytes are not there")
        data = bytes(self._data[self._place : self._place + n])
        self._place += n
        return data

    def _receive(self) -> bool:
        """Add what comes to what is there; return False at the end.

        Raises:
            TimeoutError: nothing came in the time that is left, which only runs while we wait.
        """
        if self.seconds <= 0:
            raise TimeoutError
        del self._data[: self._place]
        self._place = 0
        started = time.monotonic()
        try:
            self._socket.settimeout(min(self.seconds, 1e6))
            data = self._socket.recv(_RECEIVED_BYTES)
        except ConnectionResetError:
            return False
        finally:
            self.seconds -= time.monotonic() - started
        self._data += data
        return bool(data)

    def how_it_ended(self) -> str:
        """Return how the process ended, in words."""
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "it went silent"
        return f"signal {-status}" if status < 0 else f"exit code {status}"

    def end(self) -> None:
        """End the process, and what it may have started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._socket.close()
