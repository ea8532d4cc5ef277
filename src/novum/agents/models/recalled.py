"""A model as a campaign knew it when it began, whatever was found out about it since."""

from novum.agents.models.base import Card, Model, Reply, Request
from novum.core.access import Destination
from novum.core.errors import ModelUnavailableError


class AsItWas:
    """Another card for a model: what is asked depends on it, and must not change on the way.

    Args:
        model: who is asked.
        card: what it was seen to be able to do then.
        destination: where it was then; what may not have gone there is not sent now. One that was on this
            machine then, and is not now, is told nothing and answers nothing: its campaign may rest on what
            must not leave.
    """

    def __init__(self, model: Model, *, card: Card, destination: Destination) -> None:
        self._model = model
        self.name = model.name
        self.card = card
        self.destination = destination

    def complete(self, request: Request) -> Reply:
        """Return the model's answer; see `Model.complete`.

        Raises:
            ModelUnavailableError: it has gone to another machine, too; nothing was sent.
        """
        if self.destination is Destination.LOCAL and self._model.destination is not Destination.LOCAL:
            raise ModelUnavailableError(
                f"model {self.name!r} was on this machine when the campaign began and has a remote address "
                "now; nothing is sent to it",
                kind="denied",
            )
        return self._model.complete(request)
