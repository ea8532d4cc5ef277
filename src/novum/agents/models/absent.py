"""A model that is not there: named by a campaign, and no longer by the settings."""

from novum.agents.models.base import Card, Reply, Request
from novum.core.access import Destination
from novum.core.errors import ModelUnavailableError


class AbsentModel:
    """Answers nothing, so that a campaign that named it goes on without it.

    Args:
        name: what the user called it.
        reason: why it is not there.
    """

    destination = Destination.LOCAL

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.card = Card(model=name)
        self._reason = reason

    def complete(self, request: Request) -> Reply:  # noqa: ARG002 - the protocol's signature
        """Answer nothing.

        Raises:
            ModelUnavailableError: always.
        """
        raise ModelUnavailableError(self._reason, kind="unreachable")
