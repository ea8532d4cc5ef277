"""What passes between a decision and a language model: messages, requests, replies, and their record."""

import base64
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from novum.core.digest import digest
from novum.core.frozen import Frozen
from novum.core.knowledge import Access


def _check_base64(data: str) -> str:
    base64.b64decode(data, validate=True)  # its error is a ValueError
    return data


Base64 = Annotated[str, AfterValidator(_check_base64)]
"""Bytes as text."""


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Text(Frozen):
    """Words."""

    kind: Literal["text"] = "text"
    text: str
    access: Access = Access.PUBLIC
    """Who may see it; nothing but public text reaches a remote model by itself."""


class Image(Frozen):
    """A picture, as the bytes of a PNG or JPEG file.

    Example:
        >>> Image.from_bytes(b"...", media_type="image/png").data
        'Li4u'
    """

    kind: Literal["image"] = "image"
    data: Base64
    """The file in base64."""
    media_type: Literal["image/png", "image/jpeg"] = "image/png"
    access: Access = Access.PUBLIC

    @classmethod
    def from_bytes(
        cls, data: bytes, *, media_type: Literal["image/png", "image/jpeg"], access: Access = Access.PUBLIC
    ) -> "Image":
        """Return the picture whose file is `data`."""
        return cls(data=base64.b64encode(data).decode(), media_type=media_type, access=access)


class TimeSeries(Frozen):
    """A series of samples, as the bytes of a NumPy ``.npy`` file of shape ``(n_samples, n_channels)``.

    Few models read it; one that does not gets an error, not the numbers as text.
    """

    kind: Literal["time_series"] = "time_series"
    data: Base64
    """The file in base64, written without pickle."""
    sampling_rate_hz: float = Field(gt=0)
    access: Access = Access.PUBLIC


class ToolUse(Frozen):
    """A tool call that a model wishes for; nothing has checked it.

    Example:
        >>> ToolUse(id="1", name="chemistry_xtb", arguments={"smiles": "CCO"}).malformed
        ''
    """

    kind: Literal["tool_use"] = "tool_use"
    id: str = ""
    """What the answer refers to; made up where the model gave none."""
    name: str
    arguments: dict[str, Any] = {}
    malformed: str = ""
    """What the model wrote instead of arguments that can be read; empty when they can."""
    access: Access = Access.PUBLIC


class ToolOutput(Frozen):
    """What a tool gave, told to the model: handles and numbers, never coordinates or pixels.

    It may come from a document that somebody else wrote: material to judge, never an instruction.
    """

    kind: Literal["tool_output"] = "tool_output"
    id: str
    """Id of the `ToolUse` that it answers."""
    name: str
    text: str
    access: Access = Access.PUBLIC


Part = Annotated[Text | Image | TimeSeries | ToolUse | ToolOutput, Field(discriminator="kind")]


class Message(Frozen):
    """One turn of a conversation.

    Example:
        >>> Message.user("Which has the larger gap?").text
        'Which has the larger gap?'
    """

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def system(cls, text: str) -> "Message":
        """Return the rules that a conversation begins with."""
        return cls(role=Role.SYSTEM, parts=(Text(text=text),))

    @classmethod
    def user(cls, text: str, *parts: Part, access: Access = Access.PUBLIC) -> "Message":
        """Return a turn of the asking side: `text`, then `parts` such as images."""
        return cls(role=Role.USER, parts=(Text(text=text, access=access), *parts))

    @classmethod
    def assistant(cls, text: str, *tool_calls: ToolUse) -> "Message":
        """Return a turn of the model."""
        words = (Text(text=text),) if text else ()
        return cls(role=Role.ASSISTANT, parts=(*words, *tool_calls))

    @classmethod
    def tool(cls, *outputs: ToolOutput) -> "Message":
        """Return what tools gave."""
        return cls(role=Role.TOOL, parts=outputs)

    @property
    def text(self) -> str:
        """Its words and tool outputs, without pictures and series."""
        return "\n".join(p.text for p in self.parts if isinstance(p, Text | ToolOutput))


class ToolSchema(Frozen):
    """A tool as a model is told of it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """At most 64 letters, digits, ``_`` or ``-``: servers refuse anything else, dots included."""
    description: str
    parameters: dict[str, Any]
    """JSON schema of the arguments."""


class Sampling(Frozen):
    """How a reply is drawn. What is None is as the model's profile has it, or else as the server does."""

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)


class Request(Frozen):
    """One question to a language model.

    Example:
        >>> asked = Request(messages=(Message.user("Hello"),), seed=7)
        >>> asked.digest() == Request(messages=(Message.user("Hello"),), seed=7, step="greeting").digest()
        True
    """

    messages: tuple[Message, ...] = Field(min_length=1)
    tools: tuple[ToolSchema, ...] = ()
    tool_choice: str = "auto"
    """``auto``, ``required``, ``none``, or the name of the tool that must be called."""
    json_schema: dict[str, Any] | None = None
    """The reply must be JSON that fits this schema; the server is asked to enforce it."""
    sampling: Sampling = Sampling()
    thinking: bool | None = None
    """Whether the model reasons before it replies; None leaves it as the server has it."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of the reply, reasoning included."""
    seed: int | None = None
    deadline_s: float = Field(default=300.0, gt=0)
    """Seconds from asking to the last word, retries included."""
    step: str = ""
    """Where in a campaign it is asked, as ``hypothesise/3/propose``; never sent."""

    def digest(self) -> str:
        """Return the SHA-256 of what is asked: equal digests ask the same."""
        return digest(self.model_dump(mode="json", exclude={"deadline_s", "step"}))

    def prompt_digest(self) -> str:
        """Return the SHA-256 of the messages alone."""
        return digest([message.model_dump(mode="json") for message in self.messages])


class Usage(Frozen):
    """What a reply cost."""

    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    """Reasoning included."""
    estimated: bool = False
    """The server did not count; the numbers are an estimate from the length of the text."""
    cost: float | None = Field(default=None, ge=0)
    """In the currency of the prices that the user stated; None where none were."""


class Finish(StrEnum):
    """Why a reply ended."""

    STOP = "stop"
    """The model was done."""
    TOOL_CALLS = "tool_calls"
    """The model waits for tools."""
    LENGTH = "length"
    """The limit of tokens was reached; the text is cut."""
    REPETITION = "repetition"
    """The model said the same over and over and was cut off; the text holds it once or a few times."""
    REFUSAL = "refusal"
    """The model, or a filter in front of it, declined."""


class Mechanism(StrEnum):
    """How the usable part of a reply was got."""

    TEXT = "text"
    """Prose; nothing was to be read out of it."""
    NATIVE_TOOLS = "native_tools"
    """The server parsed the tool calls."""
    CONTENT_TOOLS = "content_tools"
    """Tool calls were read out of the text."""
    JSON_SCHEMA = "json_schema"
    """The server was asked to keep to a schema."""
    FORCED_TOOL = "forced_tool"
    """The answer was asked for as the arguments of a tool."""
    JSON_TEXT = "json_text"
    """JSON was read out of the text, mended where needed."""


class Reply(Frozen):
    """What a model answered."""

    text: str = ""
    """Without reasoning and without the tool calls that were read out of it."""
    reasoning: str = ""
    tool_calls: tuple[ToolUse, ...] = ()
    finish: Finish = Finish.STOP
    usage: Usage = Usage()
    mechanism: Mechanism = Mechanism.TEXT
    model: str = ""
    """Which model answered, as the server names it."""
    seconds: float = Field(default=0.0, ge=0)
    """From asking to the last word, retries included."""
    first_token_s: float | None = Field(default=None, ge=0)
    """From asking to the first word, in the try that succeeded; None where it did not come in pieces."""
    tries: int = Field(default=1, ge=1)
    """How often the server was asked."""


class Exchange(Frozen):
    """A question and its answer, as the ledger keeps them.

    Pictures and series are kept as their SHA-256 and size, and words that are not public as their
    SHA-256; all else is kept as it was said. No key and no address of a server is in it.
    """

    id: str
    """Digest of the step, of what was asked, and of how often that was asked in this step before."""
    step: str = ""
    ordinal: int = Field(default=0, ge=0)
    """How often the same was asked in this step before."""
    request_digest: str
    """`Request.digest` of what was asked, in full."""
    prompt_digest: str
    """`Request.prompt_digest`."""
    request: dict[str, Any]
    """What was asked, redacted."""
    model: str
    """Name of the model that was asked."""
    reply: Reply | None = None
    error: str = ""
    """Why there is no reply; empty when there is one."""
    error_kind: str = ""
    """``reply:KIND`` or ``unavailable:KIND``, as the error named it."""
    limit: int | None = None
    """Tokens that the model can read, where an error told."""
    asked: int | None = None
    """Tokens that were asked of it, where an error told."""
    access: Access = Access.PUBLIC
    """The closest tier of what was asked; a reply may repeat what it was told."""


class Attempt(Frozen):
    """One try to get a reply of a wanted form."""

    mechanism: Mechanism
    """How it was asked for."""
    fault: str = ""
    """Kind of what was wrong with it; empty when it was right."""
    problem: str = ""
    """What was wrong, in the words in which the model was told."""
    tokens: int = Field(default=0, ge=0)
    """Prompt and reply together."""
