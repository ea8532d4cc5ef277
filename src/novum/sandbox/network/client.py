"""The network as a tool sees it: an HTTP client that reaches the granted hosts and nothing else.

The standard library and the error tree only: tools import it, and it runs inside a sandbox.
"""

import os
from typing import TYPE_CHECKING, Any, Final

from novum.core.errors import ToolFailedError, UsageError

if TYPE_CHECKING:
    import httpx

PROXY_VARIABLE: Final = "NOVUM_PROXY"
"""Environment variable that names the socket of the proxy; set by a sandbox for a call with hosts."""

TIMEOUT_S: Final = 60.0
"""For each wait for the host, unless the caller says otherwise."""

CONNECT_TIMEOUT_S: Final = 20.0
"""For reaching the host; longer than the proxy tries, so that its reason is heard."""

_DECIDED: Final = ("transport", "mounts", "proxy", "trust_env")
_OF_TRANSPORT: Final = ("verify", "cert", "http1", "http2", "limits")


def open_client(**options: Any) -> "httpx.Client":
    """Return an HTTP client for the hosts that were granted to this call; close it, or use ``with``.

    Certificates of https hosts are verified as httpx does by default, against the bundle that it
    brings along. Plain ``http`` works too, where its port was granted: ``localhost:8080``. A request to
    another host raises `httpx.ProxyError` with the reason. Redirects are not followed by default: the
    host that they lead to has to be granted as well.

    Args:
        **options: of `httpx.Client`, but for those that choose the way out: transport, mounts, proxy
            and trust_env.

    Raises:
        ToolFailedError: no network was granted to this call.
        UsageError: an option would choose another way out.
    """
    for name in _DECIDED:
        if name in options:
            raise UsageError(f"the option {name!r} cannot be set: granted hosts are reached by one way only")
    path = os.environ.get(PROXY_VARIABLE)
    if not path:
        raise ToolFailedError(
            "this call has no network: no host was granted to it; a tool has to declare the hosts that it "
            "needs, and whoever starts the campaign to grant them"
        )
    import httpx

    from novum.sandbox.network.transport import ProxyTransport

    ways = {name: options.pop(name) for name in _OF_TRANSPORT if name in options}
    options.setdefault("timeout", httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S))
    return httpx.Client(transport=ProxyTransport(path, **ways), trust_env=False, **options)
