"""The server over HTTP: on loopback only, for who has the token, and for no page in a browser."""

import os
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from novum.core.errors import StoreError, UsageError
from novum.core.settings import read_secret

if TYPE_CHECKING:
    from mcp.server import Server

ADDRESS: Final = "127.0.0.1"
PATH: Final = "/mcp"
VARIABLE: Final = "NOVUM_MCP_TOKEN"
FILE: Final = "mcp_token"
SHORTEST: Final = 16

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gate:
    """Lets a request through that names this address and brings the token, and nothing else.

    The names in ``Host`` and ``Origin`` are checked so that a page in a browser cannot come in by a name
    of its own that leads to this machine.
    """

    def __init__(self, app: App, *, token: str, port: int) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._hosts, self._origins = _names(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        given = [(key.lower(), value) for key, value in scope["headers"]]
        if len(_values(given, b"host")) != 1 or _text(given, b"host") not in self._hosts:
            await _refuse(send, 421, "this address is not called that")
        elif _values(given, b"origin") and _text(given, b"origin") not in self._origins:
            await _refuse(send, 403, "no page of another origin may ask here")
        elif len(_values(given, b"authorization")) != 1 or not compare_digest(
            _values(given, b"authorization")[0], self._expected
        ):
            await _refuse(send, 401, "the token is missing or wrong", [(b"www-authenticate", b"Bearer")])
        else:
            await self._app(scope, receive, send)


def make_app(server: "Server[Any]", *, token: str, port: int) -> Gate:
    """Return the server as an ASGI application behind its gate."""
    from mcp.server.transport_security import TransportSecuritySettings

    hosts, origins = _names(port)
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        transport_security=TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins),
        host=ADDRESS,
    )
    return Gate(inner, token=token, port=port)


def load_token(folder: Path) -> tuple[str, str]:
    """Return the token, and where it lies: a variable, or a file for its owner only, made when missing.

    Raises:
        UsageError: the token is shorter than 16 characters, or others may read its file.
        StoreError: the file can be neither read nor written.
    """
    token, place = read_secret(VARIABLE), f"the variable {VARIABLE}"
    if token is None:
        file = folder / FILE
        place = str(file)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            except FileExistsError:
                if file.stat().st_mode & 0o077:
                    raise UsageError(f"others may read {place!r}; remove it, and a new one is made") from None
            else:
                with os.fdopen(made, "w") as written:
                    written.write(secrets.token_urlsafe(32))
            token = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"the token in {place!r} can be neither read nor written: {error}") from error
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable():
        raise UsageError(f"the token in {place} is no plain text of at least {SHORTEST} characters")
    return token, place


def _names(port: int) -> tuple[list[str], list[str]]:
    """Return what ``Host`` and ``Origin`` may say."""
    hosts = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
    return hosts, [f"http://{host}" for host in hosts]


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _text(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    return _values(headers, name)[0].decode("latin-1").lower()


async def _refuse(
    send: Send, status: int, said: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = said.encode()
    length = str(len(body)).encode()
    kept = [(b"content-type", b"text/plain"), (b"content-length", length), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})
