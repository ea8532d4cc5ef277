"""Every question and its answer on record, and answers from the record."""

import base64
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from novum.agents.models.base import Card, Model
from novum.core.access import Destination, strictest
from novum.core.conversation import (
    Exchange,
    Image,
    Part,
    Reply,
    Request,
    Text,
    TimeSeries,
    ToolOutput,
    ToolUse,
)
from novum.core.digest import digest, digest_bytes
from novum.core.errors import ContextOverflowError, EvidenceError, ModelReplyError, ModelUnavailableError
from novum.core.knowledge import Access


class RecordedModel:
    """Answers from a record what is on it, asks a model the rest, and hands on what was new.

    So a step that is repeated after a crash asks nothing twice: an exchange is known by its step, by what was
    asked, and by how often that was asked in this step before. A recorded error is raised again.

    Steps may be asked in any order, but within one step by one thread.

    Args:
        model: who is asked.
        known: what is on record.
        keep: takes each new exchange, and returns when it is durable.

    Example:
        >>> from novum.agents.models.base import Message
        >>> from novum.agents.models.scripted import ScriptedModel
        >>> kept, asked = [], Request(messages=(Message.user("Hello"),), step="greeting")
        >>> RecordedModel(ScriptedModel(["Hi"]), keep=kept.append).complete(asked).text
        'Hi'
        >>> RecordedModel(ScriptedModel([]), known=kept, keep=kept.append).complete(asked).text
        'Hi'
    """

    def __init__(
        self, model: Model, *, known: Iterable[Exchange] = (), keep: Callable[[Exchange], object]
    ) -> None:
        self._model = model
        self._record = _Record(known)
        self._keep = keep

    @property
    def name(self) -> str:
        """What the user calls the model."""
        return self._model.name

    @property
    def destination(self) -> Destination:
        """Whether what the model is told stays on this machine."""
        return self._model.destination

    @property
    def card(self) -> Card:
        """What the model was seen to be able to do."""
        return self._model.card

    def complete(self, request: Request) -> Reply:
        """Return the answer on record, or else the model's; see `Model.complete`."""
        id_, ordinal = self._record.number(request)
        found = self._record.find(id_)
        if found is not None:
            return answer_of(found)
        error: ModelReplyError | ModelUnavailableError | None = None
        reply: Reply | None = None
        try:
            reply = self._model.complete(request)
        except (ModelReplyError, ModelUnavailableError) as raised:
            error = raised
        exchange = exchange_of(request, reply, error, id=id_, ordinal=ordinal, model=self._model.name)
        self._keep(exchange)
        self._record.add(exchange)
        if error is not None:
            raise error
        assert reply is not None
        return reply


class ReplayModel:
    """Answers from a record alone.

    Args:
        known: what is on record.
        name: what the model was called.
        destination: where it was. Nothing goes there, so nothing is refused.
        card: what it was seen to be able to do.
    """

    def __init__(
        self,
        known: Iterable[Exchange],
        *,
        name: str = "replay",
        destination: Destination = Destination.LOCAL,
        card: Card | None = None,
    ) -> None:
        self.name = name
        self.destination = destination
        self.card = card or Card(model=name)
        self._record = _Record(known)

    def complete(self, request: Request) -> Reply:
        """Return the answer on record.

        Raises:
            EvidenceError: this was not asked.
            ModelReplyError: that was what came of it.
            ModelUnavailableError: that was what came of it.
        """
        id_, ordinal = self._record.number(request)
        found = self._record.find(id_)
        if found is None:
            times = f" {ordinal + 1} times" if ordinal else ""
            raise EvidenceError(
                f"the record has no answer to what step {request.step!r} asks{times} "
                f"(request {request.digest()[:12]}); something that the question rests on has changed"
            )
        return answer_of(found)


def exchange_of(
    request: Request,
    reply: Reply | None,
    error: ModelReplyError | ModelUnavailableError | None,
    *,
    id: str,
    ordinal: int,
    model: str,
) -> Exchange:
    """Return the record of a question and what came of it."""
    kind = ""
    if error is not None:
        kind = f"{'reply' if isinstance(error, ModelReplyError) else 'unavailable'}:{error.kind}"
    overflow = error if isinstance(error, ContextOverflowError) else None
    return Exchange(
        id=id,
        step=request.step,
        ordinal=ordinal,
        request_digest=request.digest(),
        prompt_digest=request.prompt_digest(),
        request=redacted(request),
        model=model,
        reply=reply,
        error=str(error) if error is not None else "",
        error_kind=kind,
        limit=overflow.limit if overflow else None,
        asked=overflow.asked if overflow else None,
        access=strictest(*(p.access for m in request.messages for p in m.parts)),
    )


def answer_of(exchange: Exchange) -> Reply:
    """Return the reply on record, or raise the error on record."""
    if exchange.reply is not None:
        return exchange.reply
    side, _, kind = exchange.error_kind.partition(":")
    if kind == "context":
        raise ContextOverflowError(exchange.error, limit=exchange.limit, asked=exchange.asked)
    if side == "unavailable":
        raise ModelUnavailableError(exchange.error, kind=kind)  # type: ignore[arg-type]
    raise ModelReplyError(exchange.error, kind=kind)  # type: ignore[arg-type]


def redacted(request: Request) -> dict[str, Any]:
    """Return a request as JSON data; pictures, series, and words that are not public stand as digests."""
    told = request.model_dump(mode="json", exclude_defaults=True, exclude={"messages"})
    told["messages"] = [
        {"role": message.role.value, "parts": [_redacted(part) for part in message.parts]}
        for message in request.messages
    ]
    return told


def _redacted(part: Part) -> dict[str, Any]:
    told = part.model_dump(mode="json")
    match part:
        case Image() | TimeSeries():
            data = base64.b64decode(part.data)
            told |= {"data": f"sha256:{digest_bytes(data)}", "size": len(data)}
        case Text() | ToolOutput() if part.access is not Access.PUBLIC:
            told["text"] = f"sha256:{digest_bytes(part.text.encode())}"
        case ToolUse() if part.access is not Access.PUBLIC:
            told |= {"arguments": {"sha256": digest(part.arguments)}, "malformed": ""}
    return told


class _Record:
    def __init__(self, known: Iterable[Exchange]) -> None:
        self._known = {exchange.id: exchange for exchange in known}
        self._asked: Counter[str] = Counter()

    def number(self, request: Request) -> tuple[str, int]:
        """Return the id of the exchange that a question begins, and how often it was asked in its step."""
        place = digest([request.step, request.digest()])
        ordinal = self._asked[place]
        self._asked[place] += 1
        return digest([place, ordinal]), ordinal

    def find(self, id_: str) -> Exchange | None:
        return self._known.get(id_)

    def add(self, exchange: Exchange) -> None:
        self._known[exchange.id] = exchange
