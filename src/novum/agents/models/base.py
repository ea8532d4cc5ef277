"""The interface to a language model: a request in, a reply out, and what is known of a server."""

from collections.abc import Callable
from typing import Literal, Protocol

from pydantic import AwareDatetime

from novum.core.access import Destination
from novum.core.conversation import (
    Exchange,
    Finish,
    Image,
    Mechanism,
    Message,
    Part,
    Reply,
    Request,
    Role,
    Sampling,
    Text,
    TimeSeries,
    ToolOutput,
    ToolSchema,
    ToolUse,
    Usage,
)
from novum.core.frozen import Frozen

__all__ = [
    "Card",
    "Exchange",
    "Finding",
    "Finish",
    "Image",
    "Mechanism",
    "Message",
    "Model",
    "OnWord",
    "Part",
    "Reply",
    "Request",
    "Role",
    "Sampling",
    "Text",
    "TimeSeries",
    "ToolOutput",
    "ToolSchema",
    "ToolUse",
    "Usage",
]

OnWord = Callable[[str], None]
"""Called with each piece of a reply as it arrives."""


class Model(Protocol):
    """A language model that can be asked."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def destination(self) -> Destination:
        """Whether what it is told stays on this machine: `LOCAL` or `REMOTE_MODEL`."""
        ...

    @property
    def card(self) -> "Card":
        """What it was seen to be able to do; an unprobed model's card says so."""
        ...

    def complete(self, request: Request) -> Reply:
        """Return the answer to one request, within its deadline.

        Raises:
            ModelUnavailableError: nobody answers, after the retries that the deadline left room for.
            ModelReplyError: the answer is empty, or the server could not handle the request.
            ContextOverflowError: the request is longer than the model can read.
            NotReleasedError: a part may not go to this model; nothing was sent.
        """
        ...


class Finding(Frozen):
    """One thing that was tried with a server."""

    name: str
    """What was tried, as ``chat`` or ``json_schema``."""
    ok: bool | None
    """Whether it works; None where it was not tried, or could not be told."""
    seen: str
    """What was observed, in words."""


class Card(Frozen):
    """What a server was seen to be able to do.

    Example:
        >>> Card(model="intern-s1-mini").probed
        False
    """

    model: str
    served_as: str = ""
    """The model's name, as the server says it."""
    engine: str = ""
    """``vllm``, ``sglang``, ``lmdeploy``, ``llama.cpp``, ``ollama``; empty where it is not known."""
    probed_at: AwareDatetime | None = None
    tools: Literal["native", "content", "none", "unknown"] = "unknown"
    """Who reads tool calls out of the text: the server, or novum; none: there are none that can be read."""
    json_schema: bool | None = None
    """Whether a schema is enforced while the reply is written, not just mentioned to the model."""
    forced_tool: bool | None = None
    """Whether a tool that must be called is called."""
    streaming: bool | None = None
    thinking: Literal["switchable", "always", "never", "unknown"] = "unknown"
    images: bool | None = None
    context_tokens: int | None = None
    """Tokens of request and reply together."""
    tokens_per_s: float | None = None
    first_token_s: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def probed(self) -> bool:
        """Whether anybody has looked."""
        return self.probed_at is not None
