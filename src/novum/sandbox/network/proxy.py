"""The only way out of a sandbox: a proxy that connects to granted hosts and to nothing else.

A call has no network. If hosts were granted to it, a socket in its scratch leads to this proxy, which
runs in the supervisor. It understands ``CONNECT host:port`` and no more: what a call and an https host
say to each other is encrypted from end to end, and the proxy sees names, ports and how many bytes.
A granted name with an address that is not public is refused, and a name that changes its address has
no second chance: the address that was judged is the one that is connected to.

What it cannot know: whom a granted host talks to in turn, and what a call tells it. A public address of
this very machine counts as public.

Tools reach it by `novum.sandbox.network.open_client`.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from novum.core.errors import SandboxBrokenError, UsageError
from novum.sandbox.base import NetworkAttempt
from novum.sandbox.network.attempts import Record, list_attempts
from novum.sandbox.network.dial import Connect, Dialer, Resolve
from novum.sandbox.network.grants import Grant, check_grants, parse_grant
from novum.sandbox.network.relay import Budget, relay
from novum.sandbox.network.request import ESTABLISHED, RefusedError, read_target, refuse_early_data

__all__ = ["FilteringProxy", "Grant", "ProxyLimits", "check_grants", "parse_grant"]

_REPLY_S: Final = 1.0
_WAKE_S: Final = 1.0
_CLOSE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """What one call may use of the network.

    Raises:
        UsageError: one of them is not above zero.
    """

    concurrent: int = 32
    """Connections at the same time; one more is refused."""
    connections: int = 512
    """Connections in all; one more is refused, and nothing is served after it."""
    total_bytes: int = 256 * 1024 * 1024
    """To all hosts and from them together; not one more is passed on."""
    seconds: float = 3600.0
    """From the start of the proxy; then every connection ends, and nothing is served any more."""
    header_s: float = 5.0
    """For a request to arrive as a whole, once its connection is accepted."""
    connect_s: float = 15.0
    """For looking a host up and connecting to it, together."""
    attempts: int = 256
    """How many attempts are listed; one more entry says how many others there were."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not value > 0:
                raise UsageError(f"the network limit {name!r} is {value!r}; expected more than 0")


@dataclass(slots=True)
class _Service:
    """What lives as long as the proxy's thread."""

    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event
    deadline: float
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class FilteringProxy:
    """Serves ``CONNECT`` to the granted hosts on a listening socket, in a thread of its own.

    Args:
        listener: listening stream socket of the family ``AF_UNIX``; the proxy takes it over and closes
            it. Untrusted code must not hold it as well: it could answer in the proxy's place.
        hosts: what is granted, as `parse_grant` reads it; an empty sequence grants nothing.
        limits: what the call may use.
        resolve: looks a name up instead of this machine's resolver.
        connect: connects to an address that was judged, instead of by TCP.

    Raises:
        UsageError: a host is malformed.
        SandboxBrokenError: the listener is not such a socket.

    Example:
        >>> listener = socket.socket(socket.AF_UNIX)
        >>> listener.bind("")  # in use, a path in the scratch of the call
        >>> listener.listen()
        >>> with FilteringProxy(listener, ["data.example.org"]) as proxy:
        ...     pass
        >>> proxy.attempts
        ()
    """

    def __init__(
        self,
        listener: socket.socket,
        hosts: Sequence[str],
        *,
        limits: ProxyLimits = ProxyLimits(),
        resolve: Resolve | None = None,
        connect: Connect | None = None,
    ) -> None:
        self.grants = check_grants(hosts)
        _check_listener(listener)
        self._listener = listener
        self._limits = limits
        self._dialer = Dialer(
            within_s=limits.connect_s, lookups=limits.concurrent, resolve=resolve, connect=connect
        )
        self._budget = Budget(limits.total_bytes)
        self._records: list[Record] = []
        self._service: _Service | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def attempts(self) -> tuple[NetworkAttempt, ...]:
        """Every attempt in the order in which it began; complete once the proxy is closed.

        Of more than `ProxyLimits.attempts`, those to granted hosts are listed before others; a last
        entry without a host says how many are left out, and holds the sum of their bytes. What a host
        was sent counts when it is passed on: an upper bound of what arrived.
        """
        return list_attempts(self._records, self._limits.attempts)

    def start(self) -> None:
        """Begin to serve; a second time does nothing.

        Raises:
            SandboxBrokenError: it was closed already, or could not begin.
        """
        if self._closed:
            raise SandboxBrokenError("the network proxy was closed and cannot start again")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="novum-network-proxy", daemon=True)
            self._thread.start()
        self._ready.wait()
        if self._service is None:
            self.close()

    def close(self) -> None:
        """End every connection at once, and the thread; a second time does nothing.

        A look-up that the system's resolver has not answered yet goes on in a daemon thread until it
        does; nobody hears the answer.

        Raises:
            SandboxBrokenError: the proxy had failed, and served nobody from then on.
        """
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            self._listener.close()
            return
        if self._service is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended already
                self._service.loop.call_soon_threadsafe(self._service.stop.set)
        self._thread.join(_WAKE_S)
        if self._thread.is_alive():
            # somebody who holds the listener too made it block: this wakes a thread that is in accept
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            raise SandboxBrokenError(f"the network proxy did not end within {_CLOSE_S:g} s")
        if self._failure is not None:
            raise SandboxBrokenError(f"the network proxy failed: {self._failure}") from self._failure

    # what follows runs in the proxy's own thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve_all())
        except BaseException as error:  # noqa: BLE001  (raised by close)
            self._failure = error
        finally:
            self._listener.close()
            self._ready.set()

    async def _serve_all(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        service = _Service(loop, asyncio.Event(), deadline=loop.time() + self._limits.seconds)
        # what goes wrong with one connection ends that one; anything else ends the group: all of them
        async with asyncio.TaskGroup() as group:
            loop.add_reader(self._listener, self._accept, service, group)
            self._service = service
            self._ready.set()
            try:
                async with asyncio.timeout_at(service.deadline):
                    await service.stop.wait()
            except TimeoutError:
                self._stop_listening(service)  # the connections have the same deadline
                await service.stop.wait()
            for task in service.tasks:
                task.cancel()
            self._stop_listening(service)

    def _stop_listening(self, service: _Service) -> None:
        if self._listener.fileno() >= 0:
            service.loop.remove_reader(self._listener)
            self._listener.close()

    def _accept(self, service: _Service, group: asyncio.TaskGroup) -> None:
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if not self._closed:
                self._records.append(Record(reason=f"nothing more is served: {error.strerror}"))
            self._stop_listening(service)
            return
        client.setblocking(False)
        record = Record()
        self._records.append(record)
        if len(self._records) > self._limits.connections:
            self._stop_listening(service)
            _turn_away(client, record, 429, f"more than {self._limits.connections} connections in all")
        elif len(service.tasks) >= self._limits.concurrent:
            _turn_away(client, record, 503, f"more than {self._limits.concurrent} connections at a time")
        else:
            task = group.create_task(self._serve(client, record, service.deadline))
            service.tasks.add(task)
            task.add_done_callback(service.tasks.discard)
            # not in the task: one that is cancelled before it began runs none of its code
            task.add_done_callback(lambda _: client.close())

    async def _serve(self, client: socket.socket, record: Record, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._answer(client, record)
        except TimeoutError:
            record.reason = f"longer than {self._limits.seconds:g} s"

    async def _answer(self, client: socket.socket, record: Record) -> None:
        try:
            target = await read_target(client, within_s=self._limits.header_s)
            if target is None:
                return
            record.host, record.port = target
            await self._tunnel(client, record)
        except RefusedError as refusal:
            record.host = record.host or refusal.host
            record.port = record.port or refusal.port
            record.allowed, record.reason = refusal.granted, refusal.reason
            await _send(client, refusal.response())

    async def _tunnel(self, client: socket.socket, record: Record) -> None:
        target = record.host, record.port
        grant = next((grant for grant in self.grants if grant.covers(*target)), None)
        if grant is None:
            raise RefusedError(403, "it is not among the granted hosts")
        if self._budget.spent:
            raise RefusedError(403, self._budget.reason)
        with await self._dialer.dial(grant, *target) as host:
            record.allowed = True
            if refuse_early_data(client, *target) and await _send(client, ESTABLISHED):
                await relay(client, host, record, self._budget)


def _check_listener(listener: socket.socket) -> None:
    listens = listener.fileno() >= 0 and (
        listener.family == socket.AF_UNIX
        and listener.type == socket.SOCK_STREAM
        and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    )
    if not listens:
        raise SandboxBrokenError(
            f"the network proxy was given {listener!r}; expected a listening AF_UNIX stream"
        )


def _turn_away(client: socket.socket, record: Record, status: int, reason: str) -> None:
    refusal = RefusedError(status, reason)
    record.reason = refusal.reason
    with client, contextlib.suppress(OSError):
        client.send(refusal.response())


async def _send(client: socket.socket, answer: bytes) -> bool:
    """Whether `client` took the answer; one that does not read is waited for only briefly."""
    try:
        async with asyncio.timeout(_REPLY_S):
            await asyncio.get_running_loop().sock_sendall(client, answer)
    except OSError:  # TimeoutError among them
        return False
    return True
