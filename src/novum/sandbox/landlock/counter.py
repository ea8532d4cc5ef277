"""Counting a call's forks where the kernel would count all processes of a user: each one asks first.

References:
    seccomp_unotify(2). Letting a call continue is sound here: nothing that the caller could change in the
    meantime is looked at, only that it is about to have one more task.
"""

import os
import time
from typing import Final

from novum.sandbox.landlock import family

_UNSEEN_S: Final = 0.1
"""How long a fork that was let pass may take to show among the processes."""
_FULL_S: Final = 0.002


class Counter:
    """Counts the tasks of one call: every descendant of the calling process.

    Args:
        limit: processes and threads together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks = _tasks()
        self._unseen: list[float] = []
        self._full_until = 0.0

    def grant(self) -> None:
        """Note that one more was let pass."""
        self._unseen.append(time.monotonic())

    def has_room(self) -> bool:
        """Whether there may be one more."""
        now = time.monotonic()
        if now < self._full_until:
            return False
        if len(self._tasks) + len(self._unseen) < self._limit:
            return True
        tasks = _tasks()
        # each task that is new was one of those that were let pass
        del self._unseen[: len(tasks - self._tasks)]
        self._unseen = [granted for granted in self._unseen if now - granted < _UNSEEN_S]
        self._tasks = tasks
        if len(tasks) + len(self._unseen) < self._limit:
            return True
        self._full_until = time.monotonic() + _FULL_S
        return False


def _tasks() -> set[int]:
    return {thread for threads in family.members(os.getpid()).values() for thread in threads}
