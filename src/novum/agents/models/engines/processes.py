"""Processes that were started here, told from all others: by a mark in their environment, read from /proc.

A process id alone says nothing: its process may have ended, and another may have got it. An engine's workers
may also leave its process group. The mark is a random word that every descendant inherits.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

FOLLOW_S = 1.0
"""How long the others have once the leader has ended."""
MARK = "SERVED_BY_NOVUM"
"""The variable that carries the mark."""
_PROC = Path("/proc")


def find_marked(mark: str) -> list[int]:
    """Return the ids of the processes that carry a mark, as far as this user may look."""
    wanted = f"{MARK}={mark}".encode()
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _carries(entry, wanted)]


def send_signal(pid: int, number: signal.Signals, *, mark: str) -> bool:
    """Send a signal to a process if it carries the mark; say whether it was sent."""
    try:
        # The descriptor stays with this process, even if its id is given to another in between.
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _carries(_PROC / str(pid), f"{MARK}={mark}".encode()):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def stop_marked(mark: str, *, leader: int, patience_s: float) -> bool:
    """End all processes that carry a mark: the leader is asked, and who does not follow it is killed.

    Args:
        mark: theirs.
        leader: the process that was started first, and ends the others.
        patience_s: how long the leader has; the others then have a second more.

    Returns:
        Whether all of them ended without being killed.
    """
    send_signal(leader, signal.SIGTERM, mark=mark)
    _wait(lambda: leader not in find_marked(mark), patience_s=patience_s)
    if _wait(lambda: not find_marked(mark), patience_s=min(patience_s, FOLLOW_S)):
        return True
    while left := find_marked(mark):  # a process may start another while it is looked at
        for pid in left:
            send_signal(pid, signal.SIGKILL, mark=mark)
        _wait(lambda: not find_marked(mark), patience_s=1.0)
    return False


def _wait(condition: Callable[[], bool], *, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def _carries(entry: Path, wanted: bytes) -> bool:
    try:
        # A process that has ended and waits to be collected has an empty environment.
        return wanted in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
