"""Requests to the tiny server → what is to be written, or the reason why not."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from novum.agents.models.tiny.decoding import SchemaRefusedError, TinyModel, Wish

DEFAULT_TOKENS = 512


class RefusedError(ValueError):
    """A request that cannot be served.

    Args:
        message: the reason, as the client sees it.
        code: OpenAI's word for it.
        status: of HTTP.
    """

    def __init__(self, message: str, *, code: str = "invalid_request", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class _Read(BaseModel):
    # Other fields are passed over, as servers of this kind do.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Function(_Read):
    """A tool, as offered."""

    name: str = Field(pattern="^[A-Za-z0-9_.-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class Tool(_Read):
    """A tool with its kind."""

    type: Literal["function"] = "function"
    function: Function


class ChosenFunction(_Read):
    """The tool that must be called."""

    name: str


class Choice(_Read):
    """The tool that must be called, with its kind."""

    type: Literal["function"] = "function"
    function: ChosenFunction


class Schema(_Read):
    """A schema with its name; OpenAI's field is called ``schema``."""

    name: str = "answer"
    content: dict[str, Any] = Field(default={"type": "object"}, alias="schema")


class Format(_Read):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: Schema | None = None


class StreamOptions(_Read):
    """What a stream tells besides."""

    include_usage: bool = False


class ChatRequest(_Read):
    """The body of ``POST /v1/chat/completions``, as far as it is heeded."""

    model: str
    messages: list[dict[str, Any]] = Field(min_length=1)
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Choice | None = None
    response_format: Format | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be served."""

    wish: Wish
    stream: bool
    include_usage: bool


def read_request(body: bytes, model: TinyModel, *, served_as: str) -> Asked:
    """Return what a request asks for.

    Raises:
        RefusedError: it cannot be served, with the reason.
    """
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise RefusedError(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error
    if request.model != served_as:
        raise RefusedError(f"the model {request.model!r} does not exist", code="model_not_found", status=404)
    if request.n not in (None, 1):
        raise RefusedError("n: one answer is written at a time")
    messages = [_plain(message) for message in request.messages]
    offered = [] if request.tool_choice == "none" else request.tools or []
    prompt = model.encode(messages, [tool.model_dump(exclude_none=True) for tool in offered])
    room = model.context - len(prompt)
    wanted = request.max_completion_tokens or request.max_tokens
    if room < (wanted or 1):
        raise RefusedError(
            f"This model's maximum context length is {model.context} tokens. However, you requested "
            f"{len(prompt) + (wanted or 1)} tokens ({len(prompt)} in the messages, {wanted or 1} in the "
            "completion). Please reduce the length of the messages or completion.",
            code="context_length_exceeded",
        )
    tools, forced = _tools(request, offered)
    wish = Wish(
        prompt,
        schema=_schema(request.response_format),
        tools=tools,
        forced=forced,
        max_tokens=min(wanted or DEFAULT_TOKENS, room),
        temperature=1.0 if request.temperature is None else request.temperature,
        top_k=max(0, request.top_k or 0),
        top_p=request.top_p or 1.0,
        seed=request.seed,
        stop=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
    )
    try:
        model.check(wish)
    except SchemaRefusedError as error:
        raise RefusedError(f"the schema cannot be enforced: {error}", code="invalid_schema") from error
    usage = request.stream_options is not None and request.stream_options.include_usage
    return Asked(wish, stream=bool(request.stream), include_usage=usage)


def _tools(request: ChatRequest, offered: list[Tool]) -> tuple[dict[str, dict[str, Any]], bool]:
    tools = {tool.function.name: tool.function.parameters for tool in offered}
    if isinstance(request.tool_choice, Choice):
        name = request.tool_choice.function.name
        if name not in tools:
            raise RefusedError(f"tool_choice: there is no tool {name!r} among the tools")
        return {name: tools[name]}, True
    if request.tool_choice == "required" and not tools:
        raise RefusedError("tool_choice: a call is required, and no tool is offered")
    return tools, request.tool_choice == "required"


def _schema(form: Format | None) -> dict[str, Any] | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "object"}
    if form.json_schema is None:
        raise RefusedError("response_format: json_schema is missing")
    return form.json_schema.content


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its content as one text, as the template takes it."""
    content = message.get("content")
    if isinstance(content, list):
        parts = []
        for part in content:
            if not isinstance(part, dict) or part.get("type") != "text":
                raise RefusedError("messages: this model reads text only", code="unsupported_content")
            parts.append(str(part.get("text", "")))
        content = "\n".join(parts)
    if content is not None and not isinstance(content, str):
        raise RefusedError("messages: content is a text or a list of parts")
    if not isinstance(message.get("role"), str):
        raise RefusedError("messages: a message has a role")
    calls = [_call(call) for call in message.get("tool_calls") or []]
    return {"role": message["role"], "content": content, "tool_calls": calls}


def _call(call: Any) -> dict[str, Any]:
    """Return an earlier call with its arguments as values, as the template takes them."""
    try:
        function = call["function"]
        arguments = function["arguments"]
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        return {"function": {"name": str(function["name"]), "arguments": arguments}}
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError("messages: a tool call has a function with name and arguments") from error
