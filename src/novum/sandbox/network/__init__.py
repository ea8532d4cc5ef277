"""The one way out that a call can be granted: a filtering proxy on our side, a client on the tool's.

Nothing is loaded before it is used, for tools import this inside a sandbox.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novum.sandbox.network.client import PROXY_VARIABLE, open_client

__all__ = ["PROXY_VARIABLE", "open_client"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from novum.sandbox.network import client

    return getattr(client, name)
