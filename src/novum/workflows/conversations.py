"""Conversations: what models were asked beside campaigns, in a ledger of its own.

A campaign that has finished is not changed by a question about it: its chain ends where it ended. What was
asked and answered is kept all the same, hash-chained, in another file of the workspace.
"""

from collections.abc import Callable

from novum.agents.models.base import Model
from novum.agents.models.exchanges import RecordedModel
from novum.core.conversation import Exchange
from novum.core.events import Exchanged
from novum.memory.ledger import Ledger

GOALS = "goals"
"""The conversations in which goals were written."""


def about(campaign: str) -> str:
    """Return the name of the conversations about a campaign."""
    return f"chat/{campaign}"


class Conversations:
    """Records what models are asked, and what they answer.

    Args:
        ledger: the file for it, which holds no campaigns.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def exchanges(self, name: str) -> list[Exchange]:
        """Return what was asked and answered, in order."""
        return [e.exchange for e in self._ledger.events(name) if isinstance(e, Exchanged)]

    def open(self, name: str, model: Model) -> tuple[Model, Callable[[], str]]:
        """Return a model whose every exchange is kept, and what gives each question its own step."""
        n = len(self.exchanges(name))

        def keep(exchange: Exchange) -> None:
            nonlocal n
            if self._ledger.append(name, Exchanged(exchange=exchange)):
                n += 1

        return RecordedModel(model, keep=keep), lambda: f"{name}/{n}"

    def close(self) -> None:
        """Close the file."""
        self._ledger.close()
