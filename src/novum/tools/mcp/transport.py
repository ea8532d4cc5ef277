"""How the SDK's HTTP client leaves a sandbox: through the proxy that reaches granted hosts only."""

from typing import Final

import anyio.to_thread
import httpx
import httpx2

from novum.sandbox.network import open_client

MOST_BYTES: Final = 4_000_000
"""Of one response."""

_OWN: Final = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


class ProxiedTransport(httpx2.AsyncBaseTransport):
    """Sends each request through novum's own client, and reads its whole response.

    A server may answer with JSON or with a stream of events that ends with the answer. A stream without
    an end, over which a server would speak first, is refused: nothing here listens to it.
    """

    def __init__(self) -> None:
        self._client = open_client()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response to `request`."""
        if request.method == "GET":
            return httpx2.Response(405, request=request)
        body = await request.aread()
        return await anyio.to_thread.run_sync(self._send, request, body)

    async def aclose(self) -> None:
        """End the connections."""
        self._client.close()

    def _send(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        headers = [
            (key, value) for key, value in request.headers.raw if key.lower() not in (b"content-length",)
        ]
        content = bytearray()
        try:
            with self._client.stream(
                request.method, str(request.url), headers=headers, content=body
            ) as response:
                for part in response.iter_bytes():
                    content += part
                    if len(content) > MOST_BYTES:
                        raise httpx2.ReadError(
                            f"the server said more than {MOST_BYTES} bytes", request=request
                        )
        except httpx.TimeoutException as error:
            raise httpx2.ReadTimeout(str(error), request=request) from error
        except httpx.HTTPError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        kept = [(key, value) for key, value in response.headers.multi_items() if key.lower() not in _OWN]
        return httpx2.Response(response.status_code, headers=kept, content=bytes(content), request=request)
