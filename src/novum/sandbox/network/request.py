"""What a client of the network proxy may say before its tunnel: one request, ``CONNECT host:port``."""

import asyncio
import socket
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import h11

from novum.sandbox.network.grants import parse_authority
from novum.sandbox.text import clean_text

HEAD_BYTES: Final = 8192
HOST_CHARACTERS: Final = 255
REASON_CHARACTERS: Final = 300

ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"

_USE_CONNECT: Final = "only CONNECT is served, for http and https alike: use CONNECT host:port"


class RefusedError(Exception):
    """A connection that does not become a tunnel, with the status and the reason that answer it.

    Args:
        status: of the HTTP answer.
        reason: shown to the client and listed.
        host: as far as the client named one.
        port: as far as the client named one, else 0.
        granted: the host was granted, but could not be reached.
    """

    def __init__(
        self, status: int, reason: str, *, host: str = "", port: int = 0, granted: bool = False
    ) -> None:
        self.status = HTTPStatus(status)
        self.reason = clean_text(reason, limit=REASON_CHARACTERS).replace("\n", " ")
        self.host = clean_text(host, limit=HOST_CHARACTERS)
        self.port = port
        self.granted = granted
        super().__init__(self.reason)

    def response(self) -> bytes:
        """Return the HTTP answer. Its status line carries the reason: clients show that and drop the body."""
        reason = self.reason.encode("ascii", "backslashreplace")
        body = b"%s: %s\n" % (self.status.phrase.encode("ascii"), reason)
        headers = [b"Content-Type: text/plain", b"Content-Length: %d" % len(body), b"Connection: close"]
        if self.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(b"Allow: CONNECT")
        return b"\r\n".join([b"HTTP/1.1 %d %s" % (self.status, reason), *headers, b"", body])


async def read_target(client: socket.socket, *, within_s: float) -> tuple[str, int] | None:
    """Return the host and port to which `client` asks to be connected; None if it left without a word.

    Raises:
        RefusedError: it is not one well-formed HTTP/1.1 CONNECT request of at most `HEAD_BYTES`, it was
            not there as a whole within `within_s` seconds, or something followed it before the answer.
    """
    try:
        async with asyncio.timeout(within_s):
            request, rest = await _read_request(client)
    except TimeoutError as error:
        raise RefusedError(408, f"no complete request within {within_s:g} s") from error
    except h11.RemoteProtocolError as error:
        raise RefusedError(error.error_status_hint, f"malformed request: {error}") from error
    except OSError:
        return None
    if request is None:
        return None
    target = request.target.decode("ascii")  # the parser lets nothing else through
    if request.method != b"CONNECT":
        host, port = _guess_target(target)
        raise RefusedError(405, _USE_CONNECT, host=host, port=port)
    try:
        host, port = parse_authority(target)
    except ValueError as error:
        raise RefusedError(400, f"malformed request: {error}", host=target) from error
    if request.http_version != b"1.1":
        raise RefusedError(505, "malformed request: it is not HTTP/1.1", host=host, port=port)
    if any(name in (b"content-length", b"transfer-encoding") for name, _ in request.headers):
        raise RefusedError(400, "malformed request: CONNECT has no body", host=host, port=port)
    if rest:
        raise early_data(host, port)
    return host, port


def refuse_early_data(client: socket.socket, host: str, port: int) -> bool:
    """Return whether `client` is still there and waits for its answer.

    Raises:
        RefusedError: it did not wait.
    """
    try:
        waiting = client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if waiting:
        raise early_data(host, port)
    return False


def early_data(host: str, port: int) -> RefusedError:
    """Return the refusal of a client that did not wait for its answer."""
    return RefusedError(400, "data came before the answer to the request", host=host, port=port)


async def _read_request(client: socket.socket) -> tuple[h11.Request | None, bytes]:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
    loop = asyncio.get_running_loop()
    while (event := parser.next_event()) is h11.NEED_DATA:
        data = await loop.sock_recv(client, HEAD_BYTES)
        if not data and not parser.trailing_data[0]:
            return None, b""
        parser.receive_data(data)
    assert isinstance(event, h11.Request), event
    return event, parser.trailing_data[0]


def _guess_target(target: str) -> tuple[str, int]:
    try:
        url = urlsplit(target)
        return url.hostname or target, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    except ValueError:
        return target, 0
