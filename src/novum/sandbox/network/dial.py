"""From a granted host to a connection: look up, judge every address, connect to one that was judged."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final

from novum.sandbox.network.grants import LOCALHOST, Grant, why_not_public
from novum.sandbox.network.request import RefusedError

Resolve = Callable[[str, int], Sequence[str]]
"""From a name and a port to addresses as text. It may block; it runs in a thread of its own."""

Connect = Callable[[str, int], Awaitable[socket.socket]]
"""From an address as text and a port to a connected, non-blocking stream socket."""

_ADDRESSES_TRIED: Final = 6


class Dialer:
    """Opens connections to granted hosts.

    Args:
        within_s: for looking a host up and connecting to it, together.
        lookups: how many may be under way at the same time.
        resolve: instead of this machine's resolver.
        connect: instead of a TCP connection.
    """

    def __init__(
        self, *, within_s: float, lookups: int, resolve: Resolve | None, connect: Connect | None
    ) -> None:
        self._within_s = within_s
        self._resolve = resolve or _resolve
        self._connect = connect or _connect
        self._lookups = threading.BoundedSemaphore(lookups)

    async def dial(self, grant: Grant, host: str, port: int) -> socket.socket:
        """Return a connection to `host`, which `grant` covers. The caller closes it.

        A name is looked up once. If any of its addresses is not public, none is connected to.

        Raises:
            RefusedError: an address is not public, or the host cannot be reached in time.
        """
        try:
            async with asyncio.timeout(self._within_s):
                addresses = await self._find_addresses(grant, host, port)
                return await self._connect_to_one(addresses, host, port)
        except TimeoutError as error:
            reason = f"it could not be reached within {self._within_s:g} s"
            raise RefusedError(504, reason, host=host, port=port, granted=True) from error

    async def _find_addresses(self, grant: Grant, host: str, port: int) -> Sequence[str]:
        if grant.host == LOCALHOST:
            return ("127.0.0.1", "::1")
        if grant.literal:
            return (host,)
        found = await self._look_up(host, port)
        if not found:
            raise RefusedError(502, "its name could not be resolved", host=host, port=port, granted=True)
        for address in found:
            why = _why_forbidden(address)
            if why is not None:
                reason = f"its address {address} is not public ({why})"
                raise RefusedError(403, reason, host=host, port=port)
        return found

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        # The system's resolver cannot be interrupted. Hence a thread that nobody waits for, where an
        # executor would wait for its threads at the end.
        if not self._lookups.acquire(blocking=False):
            raise RefusedError(503, "too many look-ups at the same time", host=host, port=port, granted=True)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def deliver(found: Sequence[str]) -> None:
            if not answer.done():
                answer.set_result(found)

        def look_up() -> None:
            found: Sequence[str] = ()
            try:
                found = self._resolve(host, port)
            except (OSError, ValueError):  # UnicodeError among them
                pass
            finally:
                self._lookups.release()
                with contextlib.suppress(RuntimeError):  # the proxy has ended meanwhile
                    loop.call_soon_threadsafe(deliver, found)

        threading.Thread(target=look_up, name="novum-look-up", daemon=True).start()
        return await answer

    async def _connect_to_one(self, addresses: Sequence[str], host: str, port: int) -> socket.socket:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._within_s
        reason = ""
        tried = addresses[:_ADDRESSES_TRIED]
        for i, address in enumerate(tried):
            share = (end - loop.time()) / (len(tried) - i)  # one that never answers leaves time for the rest
            try:
                async with asyncio.timeout(share):
                    return await self._connect(address, port)
            except OSError as error:  # TimeoutError among them
                why = os.strerror(error.errno) if error.errno else "no answer"
                reason = reason or f"it could not be connected to: {why}"
        raise RefusedError(502, reason, host=host, port=port, granted=True)


def _why_forbidden(address: str) -> str | None:
    try:
        return why_not_public(ip_address(address))
    except ValueError:
        return "no address"


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # looks nothing up: the address is numeric
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection
