"""A model as a campaign knew it when it began, whatever was found out about it since."""

from novum.agents.models.base import Card, Model, Reply, Request
from novum.core.access import Destination


class AsItWas:
    """Another card for a model: what is asked depends on it, and must not change on the way.

    Args:
        model: who is asked.
        card: what it was seen to be able to do then.
        destination: where it was then; what may not have gone there is not sent now.
    """

    def __init__(self, model: Model, *, card: Card, destination: Destination) -> None:
        self._model = model
        self.name = model.name
        self.card = card
        here = model.destination is Destination.LOCAL and destination is Destination.LOCAL
        self.destination = Destination.LOCAL if here else Destination.REMOTE_MODEL

    def complete(self, request: Request) -> Reply:
        """Return the model's answer; see `Model.complete`."""
        return self._model.complete(request)
