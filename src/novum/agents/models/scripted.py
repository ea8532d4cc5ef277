"""A model that says what it was told to say: for tests, and for trying a planner without a server."""

from collections.abc import Callable, Iterable

from novum.agents.models.base import Card, Reply, Request
from novum.core.access import Destination, check_release
from novum.core.errors import ModelUnavailableError, NovumError

Line = str | Reply | NovumError | Callable[[Request], "str | Reply"]
"""One answer: its text, the whole reply, an error to raise, or a function that makes one from the request."""


class ScriptedModel:
    """Plays its lines one after another and remembers what it was asked.

    The rules of access hold here too: a remote one is told nothing that may not leave this machine.

    Args:
        lines: the answers in their order, or a function that answers every request.
        name: what it is called.
        destination: where it pretends to be.
        card: what it pretends to be able to do.
        cycle: begin again after the last line.

    Example:
        >>> from novum.agents.models.base import Message
        >>> model = ScriptedModel(["yes"])
        >>> model.complete(Request(messages=(Message.user("Is it?"),))).text, len(model.requests)
        ('yes', 1)
    """

    def __init__(
        self,
        lines: Iterable[Line] | Callable[[Request], "str | Reply"],
        *,
        name: str = "scripted",
        destination: Destination = Destination.LOCAL,
        card: Card | None = None,
        cycle: bool = False,
    ) -> None:
        self.name = name
        self.destination = destination
        self.card = card or Card(model=name)
        self.requests: list[Request] = []
        """Everything that it was asked, in order."""
        self._answers: tuple[Line, ...] = (lines,) if callable(lines) else tuple(lines)
        self._cycle = cycle or callable(lines)

    def complete(self, request: Request) -> Reply:
        """Return the next line.

        Raises:
            ModelUnavailableError: the script is at its end.
            NotReleasedError: a part may not go to where the model pretends to be.
        """
        check_release((p.access for m in request.messages for p in m.parts), to=self.destination)
        n = len(self.requests)
        self.requests.append(request)
        if self._cycle and self._answers:
            n %= len(self._answers)
        if n >= len(self._answers):
            raise ModelUnavailableError(
                f"the script of model {self.name!r} ended after {n} replies", kind="failed"
            )
        line = self._answers[n]
        if isinstance(line, NovumError):
            raise line
        said = line(request) if callable(line) else line
        return Reply(text=said, model=self.name) if isinstance(said, str) else said
