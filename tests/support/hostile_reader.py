"""The process that reads files, with a reader of texts that does what the text says, as a bad file may."""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

from novum.core.knowledge import DataClass
from novum.knowledge_base.ingest import child
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.formats import Format
from novum.knowledge_base.ingest.readers import READERS


def read(task: Task) -> Iterator[Draft]:
    """Do what the text says, after the draft of the line ``one`` if it has one."""
    for line in task.source.text(task.bounds, "utf-8").splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "one":
                yield Draft(DataClass.TEXT, task.subject, "states", rest)
                task.report._out.flush()  # type: ignore[attr-defined]
            case "loop":
                while True:
                    pass
            case "sleep":
                time.sleep(1000)
            case "allocate":
                held = []
                while True:
                    held.append(b"x" * 2**24)
            case "allocate_deaf":
                held = []
                with contextlib.suppress(MemoryError):
                    while True:
                        held.append(b"x" * 2**24)
                ctypes.string_at(0)
            case "segfault":
                ctypes.string_at(0)
            case "die":
                os.kill(os.getpid(), int(rest))
            case "exit":
                os._exit(int(rest))
            case "write":
                with open(rest, "w", encoding="utf-8") as stream:
                    stream.write("written")
            case "show":
                with open(rest, encoding="utf-8") as stream:
                    yield Draft(DataClass.TEXT, task.subject, "states", stream.read(100))
            case "connect":
                with socket.create_connection(("127.0.0.1", int(rest)), timeout=5):
                    yield Draft(DataClass.TEXT, task.subject, "states", "connected")
            case "ignore":
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
            case "fork":
                if os.fork() == 0:
                    time.sleep(1000)
            case "tell":
                task.report._out.write(rest.encode() + b"\n")  # type: ignore[attr-defined]
                task.report._out.flush()  # type: ignore[attr-defined]
            case "notes":
                while True:
                    task.note("again")
            case "print":
                print(rest)
                print(rest, file=sys.stderr)


READERS[Format.TEXT] = read

if __name__ == "__main__":
    child.main()
