"""What goes over the line to a model server: bounded in time, without what is nobody's business, and watched.

What libraries above make of a broken stream cannot be relied on: they fill in an end and a count of tokens
that never came. So here it is seen what really arrived.
"""

import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx
from pydantic import SecretStr

CONNECT_S = 10.0
"""Seconds to reach a server."""
MAX_BYTES = 64_000_000
"""More is no reply."""

_KEPT_OF_ERRORS = 16_384
_TAIL = 4096
_SPAN = 512
"""Bytes of the end of one piece that are looked at again with the next."""
_FINISH: Final = re.compile(rb'"finish_reason"\s*:\s*"|data:\s*\[DONE\]')
_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_STREAM: Final = re.compile(rb"^data:", re.MULTILINE)
_REFUSAL: Final = re.compile(rb'"refusal"\s*:\s*"[^"]')
_MODEL: Final = re.compile(rb'"model"\s*:\s*"([^"\\]{1,200})"')
_PASSED = ("accept", "content-type", "content-length", "host", "connection", "transfer-encoding")


@dataclass(slots=True)
class Seen:
    """What one try brought over the line."""

    status: int | None = None
    retry_after: str = ""
    error: str = ""
    """The body, or its beginning, of an answer that is an HTTP error."""
    failure: Exception | None = None
    """What broke the connection."""
    ended: bool = False
    """The server said that the reply is at its end."""
    counted: bool = False
    """The server said how many tokens it was."""
    refused: bool = False
    """The server filled the field in which it tells of a refusal."""
    streamed: bool = False
    """It came in pieces."""
    served_as: str = ""
    n_bytes: int = 0
    tail: bytes = b""
    """The last of an answer that is no HTTP error."""
    stream: "_Tapped | None" = field(default=None, repr=False)

    def begin(self) -> None:
        """Forget an earlier request of the same try."""
        self.status, self.retry_after, self.error, self.failure = None, "", "", None
        self.ended = self.counted = self.refused = self.streamed = False
        self.served_as, self.n_bytes, self.tail, self.stream = "", 0, b"", None

    def look(self, data: bytes) -> None:
        """Note what `data` tells of the reply."""
        self.ended = self.ended or bool(_FINISH.search(data))
        self.counted = self.counted or bool(_USAGE.search(data))
        self.streamed = self.streamed or bool(_STREAM.search(data))
        self.refused = self.refused or bool(_REFUSAL.search(data))
        if not self.served_as and (found := _MODEL.search(data)):
            self.served_as = found[1].decode("utf-8", "replace")


class Wire(httpx.BaseTransport):
    """Carries requests to one server.

    Args:
        base_url: the server's address.
        key: sent as bearer token. It is put in here, so that nothing above ever holds it.
        use_proxy: whether the proxies of the environment are used.
    """

    def __init__(self, base_url: str, *, key: SecretStr | None, use_proxy: bool) -> None:
        self._key = key
        self._now = threading.local()
        network = _Timely(self)
        context = httpx.create_ssl_context()
        self._inner = httpx.HTTPTransport(verify=context)
        self._inner.close()
        parts = urlsplit(base_url)
        proxy = getproxies().get(parts.scheme) if use_proxy and not proxy_bypass(parts.netloc) else None
        # The network beneath the pool is the one part that httpx does not let its users choose.
        self._inner._pool = (
            httpcore.HTTPProxy(proxy, ssl_context=context, network_backend=network)
            if proxy
            else httpcore.ConnectionPool(ssl_context=context, max_connections=64, network_backend=network)
        )

    @contextmanager
    def watch(self, *, end: float, idle_s: float) -> Iterator[Seen]:
        """Watch the requests that this thread sends inside the block.

        Args:
            end: when the last byte must have come, on the clock `time.monotonic`.
            idle_s: most seconds between two bytes.
        """
        seen = Seen()
        self._now.seen, self._now.end, self._now.idle_s = seen, end, idle_s
        try:
            yield seen
        finally:
            self._now.seen = None
            if seen.stream is not None:
                seen.stream.close()

    def patience(self) -> float:
        """Return the seconds for the next step on the line; none or less when the time is up."""
        end: float = getattr(self._now, "end", 0.0)
        return min(end - time.monotonic(), getattr(self._now, "idle_s", CONNECT_S))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with the headers that a model server needs and no other."""
        seen: Seen = self._now.seen
        seen.begin()
        headers = [(k, v) for k, v in request.headers.items() if k.lower() in _PASSED]
        headers += [("User-Agent", "novum"), ("Accept-Encoding", "identity")]
        if self._key is not None:
            headers.append(("Authorization", f"Bearer {self._key.get_secret_value()}"))
        # A new one, because the old one stays with errors and responses, which show it.
        sent = httpx.Request(
            request.method,
            request.url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        try:
            response = self._inner.handle_request(sent)
        except httpx.HTTPError as error:
            seen.failure = error
            raise
        seen.status = response.status_code
        seen.retry_after = response.headers.get("retry-after", "")
        assert isinstance(response.stream, httpx.SyncByteStream)
        seen.stream = _Tapped(response.stream, seen, is_error=response.is_error)
        response.stream = seen.stream
        return response

    def close(self) -> None:
        """Close every connection."""
        self._inner.close()


class _Tapped(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, seen: Seen, *, is_error: bool) -> None:
        self._stream = stream
        self._seen = seen
        self._is_error = is_error
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        seen, rest = self._seen, b""
        try:
            for data in self._stream:
                seen.n_bytes += len(data)
                if seen.n_bytes > MAX_BYTES:
                    raise httpx.ReadError(f"more than {MAX_BYTES} bytes are no reply")
                if self._is_error:
                    room = _KEPT_OF_ERRORS - len(seen.error)
                    seen.error += data[: max(0, room)].decode("utf-8", "replace")
                else:
                    seen.look(rest + data)
                    rest = (rest + data)[-_SPAN:]
                    seen.tail = (seen.tail + data)[-_TAIL:]
                yield data
        except httpx.HTTPError as error:
            seen.failure = error
            raise

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stream.close()


class _Timely(httpcore.NetworkBackend):
    """Connections of which no step outlasts the deadline, however slowly bytes drip."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        seconds = _within(self._wire, timeout, most=CONNECT_S, error=httpcore.ConnectTimeout)
        stream = self._sockets.connect_tcp(host, port, seconds, local_address, socket_options)
        return _TimelyStream(stream, self._wire)


class _TimelyStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _within(self._wire, timeout, error=httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _within(self._wire, timeout, error=httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = _within(self._wire, timeout, most=CONNECT_S, error=httpcore.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, seconds)  # type: ignore[arg-type]
        return _TimelyStream(stream, self._wire)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _within(wire: Wire, timeout: float | None, *, most: float | None = None, error: type[Exception]) -> float:
    seconds = min(s for s in (wire.patience(), timeout, most) if s is not None)
    if seconds <= 0:
        raise error("the deadline is over")
    return seconds
