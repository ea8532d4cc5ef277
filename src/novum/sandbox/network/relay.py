"""Passing bytes on between a client of the network proxy and the host that it was connected to."""

import asyncio
import contextlib
import select
import socket
import struct
from typing import Final

from novum.sandbox.network.attempts import Record

_CHUNK_BYTES: Final = 1 << 17
_ABORT: Final = struct.pack("ii", 1, 0)


class Budget:
    """How many bytes all connections of a call may still pass on, in both directions together."""

    def __init__(self, total: int) -> None:
        self._left = total
        self.reason = f"more than {total} bytes in all"

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self._left <= 0

    def take(self, size: int) -> int:
        """Return how many of `size` bytes may be passed on, and count them."""
        taken = min(size, self._left)
        self._left -= taken
        return taken


async def relay(client: socket.socket, host: socket.socket, record: Record, budget: Budget) -> None:
    """Pass bytes on until both sides are done, one of them is gone, or the budget is spent.

    Bytes are counted in `record` when they are passed on: an upper bound of what arrived. A connection
    that does not end in order is reset, so that the host does not take what it has for the whole.
    """
    sending = asyncio.create_task(_pump(client, host, record, budget, outwards=True))
    receiving = asyncio.create_task(_pump(host, client, record, budget, outwards=False))
    both = {sending, receiving}
    in_order = False
    try:
        done, rest = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        # one that is done may only have finished speaking, and listen still
        if rest and not any(task.exception() for task in done) and not _is_gone(client):
            await asyncio.wait(rest)
        in_order = not any(task.exception() for task in both if task.done())
    finally:
        for task in both:
            task.cancel()
        ends = await asyncio.gather(*both, return_exceptions=True)
        if not in_order:
            host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, OSError):
            raise end


async def _pump(
    source: socket.socket, sink: socket.socket, record: Record, budget: Budget, *, outwards: bool
) -> None:
    loop = asyncio.get_running_loop()
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    while size := await loop.sock_recv_into(source, buffer):
        passed = budget.take(size)
        if outwards:
            record.sent += passed
        else:
            record.received += passed
        await loop.sock_sendall(sink, buffer[:passed])
        if passed < size:
            record.reason = budget.reason
            raise ConnectionAbortedError(budget.reason)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _is_gone(client: socket.socket) -> bool:
    """Whether `client` closed its end, and did not just finish speaking."""
    poll = select.poll()
    poll.register(client, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))
