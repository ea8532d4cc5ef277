"""What LangGraph carries between nodes: names only. Everything else is in the ledger."""

from typing import Literal, TypedDict


class DiscoveryState(TypedDict):
    """JSON-able and small, because a checkpoint copies it at every step."""

    iteration: int
    action: Literal["continue", "confirm"]
