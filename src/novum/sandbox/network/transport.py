"""How httpx connects from inside a sandbox: every connection is a tunnel through the proxy's socket."""

import ssl
import typing

import httpcore
import httpx

# A target is always given as host and port, for http as well, so that one rule holds for both.
_ORIGIN: typing.Final = httpcore.URL(scheme="http", host="proxy.invalid", port=80, target="/")


class ProxyTransport(httpx.HTTPTransport):
    """Sends requests through the proxy that listens on the unix socket `path`."""

    def __init__(
        self,
        path: str,
        *,
        verify: ssl.SSLContext | bool = True,
        cert: typing.Any = None,
        http1: bool = True,
        http2: bool = False,
        limits: httpx.Limits = httpx.Limits(max_connections=16, max_keepalive_connections=8),  # noqa: B008
    ) -> None:
        context = httpx.create_ssl_context(verify=verify, cert=cert, trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool.close()
        # The one part that httpx does not let its users choose is the network beneath the pool. Should
        # a release name it otherwise, requests go out directly, and there is no network to go to.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http1=http1,
            http2=http2,
            network_backend=_Tunnels(path),
        )


class _Tunnels(httpcore.NetworkBackend):
    def __init__(self, path: str) -> None:
        self._path = path
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  (not ours to choose)
        socket_options: typing.Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        stream = self._sockets.connect_unix_socket(self._path, timeout)
        connection = httpcore.HTTP11Connection(origin=_ORIGIN.origin, stream=stream)
        times = {"connect": timeout, "read": timeout, "write": timeout}
        try:
            response = connection.handle_request(
                httpcore.Request(
                    "CONNECT",
                    httpcore.URL(scheme="http", host="proxy.invalid", port=80, target=target),
                    headers={"Host": target},
                    extensions={"timeout": times},
                )
            )
        except (httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
            stream.close()
            raise httpcore.ConnectTimeout(f"{target} was not reached within {timeout:g} s") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            stream.close()
            raise httpcore.ConnectError(f"the proxy ended the connection to {target}: {error}") from error
        if response.status != 200:
            stream.close()
            reason = response.extensions.get("reason_phrase", b"").decode("ascii", "replace")
            raise httpcore.ProxyError(f"{target}: {reason} ({response.status})")
        tunnel = response.extensions["network_stream"]
        assert isinstance(tunnel, httpcore.NetworkStream)
        return tunnel
