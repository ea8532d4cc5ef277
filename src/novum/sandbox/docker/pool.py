"""Containers that are ready before they are asked for, each for one call."""

import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from novum.core.errors import NovumError, SandboxBrokenError
from novum.sandbox.docker.container import Container
from novum.sandbox.docker.engine import Engine
from novum.sandbox.docker.hardening import Shape

_log = logging.getLogger(__name__)

_SHORT_S: Final = 0.05

_REMOVALS_WAITING: Final = 8
"""How many used containers may wait for their removal before callers have to wait too."""

_SHAPES: Final = 4
"""How many shapes have containers waiting at a time; the one that was not used for longest goes first."""


class Pool:
    """Keeps containers ready, and removes used ones, each in a background thread.

    Args:
        engine: where the containers are.
        start: starts one.
        size: how many to keep ready of each shape that is in use.
        megabytes: memory that waiting containers may hold together.
    """

    def __init__(
        self, engine: Engine, start: Callable[[Shape], Container], *, size: int, megabytes: int
    ) -> None:
        self._engine = engine
        self._start = start
        self._size = size
        self._megabytes = megabytes
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[Shape, deque[Container]] = {}
        """In the order of last use, the latest at the end."""
        self._alive: set[Container] = set()
        self._filler = _Worker("novum-docker-pool")
        self._remover = _Worker("novum-docker-remover")
        self._closed = False

    def take(self, shape: Shape) -> Container:
        """Return a container that is ready: one that waited, or a fresh one. The caller gives it back.

        Raises:
            SandboxUnavailableError: the engine refuses it.
            SandboxBrokenError: the engine failed, or the pool is closed.
        """
        with self._lock:
            self._check()
            waiting = self._waiting.get(shape)
            if waiting:
                return waiting.popleft()
        return self._fresh(shape)

    def give_back(self, container: Container) -> None:
        """Have a container removed: soon if its call is over, else, or if many wait for it, at once."""
        container.hang_up()
        if not container.over or self._remover.n_tasks >= _REMOVALS_WAITING:
            self._remove(container)
        else:
            self._remover.do(lambda: self._remove(container))

    def refill(self, shape: Shape, *, after: threading.Event | None = None) -> None:
        """Ask for waiting containers of a shape; returns at once.

        With `after`, it begins when that is set, or soon: a short call has the processors for itself.
        """
        if not self._size:
            return
        with self._lock:
            if self._closed:
                return
            self._waiting[shape] = self._waiting.pop(shape, deque())
        self._filler.do(lambda: self._fill(shape, after))

    def settle(self, *, timeout_s: float) -> bool:
        """Wait until the background threads have nothing to do; return whether that was in time."""
        deadline = time.monotonic() + timeout_s
        for worker in (self._filler, self._remover):  # in this order: filling may leave something over
            done = threading.Event()
            worker.do(done.set)
            if not done.wait(max(0.0, deadline - time.monotonic())):
                return False
        return True

    def idle_memory_mb(self) -> float:
        """Return the memory that waiting containers hold."""
        with self._lock:
            return sum(c.used_mb for waiting in self._waiting.values() for c in waiting)

    def n_waiting(self) -> int:
        """Return how many containers wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that made the pool, and not a fork of it."""
        return os.getpid() == self._owner

    def close(self) -> None:
        """Remove every container, those of running calls too. Closing twice does nothing."""
        if not self.is_ours:
            return  # a forked copy of us must not end our calls
        with self._lock:
            self._closed = True
            containers = list(self._alive)
            self._waiting.clear()
        for container in containers:
            container.hang_up()  # all at once: each then ends by itself while the others are removed
        self._filler.end()
        self._remover.end()
        for container in containers:
            self._remove(container)

    def _check(self) -> None:
        if self._closed:
            raise SandboxBrokenError("the sandbox is closed")
        if not self.is_ours:
            raise SandboxBrokenError("this sandbox belongs to another process: a fork needs one of its own")

    def _fresh(self, shape: Shape) -> Container:
        container = self._start(shape)
        with self._lock:
            if not self._closed:
                self._alive.add(container)
                return container
        container.remove()
        raise SandboxBrokenError("the sandbox is closed")

    def _remove(self, container: Container) -> None:
        container.remove()
        with self._lock:
            self._alive.discard(container)

    # what follows runs in the filler's thread

    def _fill(self, shape: Shape, after: threading.Event | None) -> None:
        if after is not None:
            after.wait(_SHORT_S)
        while True:
            with self._lock:
                waiting = self._waiting.get(shape)
                if self._closed or waiting is None or len(waiting) >= self._size:
                    return
            started = time.monotonic()
            container = self._fresh(shape)
            _log.debug("a container was made ready in %.3f s", time.monotonic() - started)
            with self._lock:
                waiting = self._waiting.get(shape)
                if waiting is not None:
                    waiting.append(container)
                surplus = [] if waiting is not None else [container]
                surplus += self._over_the_limits(shape)
            for extra in surplus:
                self._remove(extra)
            if container in surplus:
                return  # there is no room for another one

    def _over_the_limits(self, current: Shape) -> list[Container]:
        """Take out what has to go: the shapes that were not used for longest. The lock is held."""
        surplus: list[Container] = []
        for shape in list(self._waiting):
            held = sum(c.used_mb for waiting in self._waiting.values() for c in waiting)
            if len(self._waiting) <= _SHAPES and held <= self._megabytes:
                break
            if shape != current:
                surplus += self._waiting.pop(shape)
        held = sum(c.used_mb for c in self._waiting.get(current, ()))
        while held > self._megabytes and self._waiting[current]:
            last = self._waiting[current].pop()
            held -= last.used_mb
            surplus.append(last)
        return surplus


class _Worker:
    """A thread that does one thing after the other; it starts with the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ended = False

    @property
    def n_tasks(self) -> int:
        """How many things are still to be done."""
        return self._tasks.qsize()

    def do(self, task: Callable[[], None]) -> None:
        """Have `task` done, unless this has ended."""
        with self._lock:
            if self._ended:
                return
            self._tasks.put(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Do what is under way to its end, and nothing more."""
        with self._lock:
            self._ended = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._tasks.put(_nothing)
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            if self._ended:
                return
            try:
                task()
            except (NovumError, OSError) as error:
                # the next call meets the same trouble by itself, and tells of it
                _log.info("no container could be made ready: %s", error)


def _nothing() -> None:
    """Wake a worker up."""
