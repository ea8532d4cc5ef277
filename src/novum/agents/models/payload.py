"""A request as an OpenAI-compatible server takes it."""

import json
from collections.abc import Sequence
from typing import Any

from novum.agents.models.profiles import Profile
from novum.agents.models.science_spans import is_molecule_by_rdkit, tag_spans
from novum.core.conversation import (
    Image,
    Message,
    Part,
    Request,
    Role,
    Text,
    TimeSeries,
    ToolOutput,
    ToolSchema,
    ToolUse,
)
from novum.core.errors import ModelReplyError

SCHEMA_NAME = "reply"
"""What the wanted form of a reply is called on the line."""


def parameters_of(
    request: Request, profile: Profile, *, engine: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what an OpenAI server knows of a request, but its messages, and what only some servers know.

    No value is null: what is not asked for is left out.
    """
    drawn = profile.draw(request.sampling, thinking=request.thinking, tools=bool(request.tools))
    extra: dict[str, Any] = {name: drawn.pop(name) for name in ("top_k", "min_p") if name in drawn}
    extra |= profile.switch(request.thinking, engine=engine)
    extra |= profile.marks(engine=engine, tools=bool(request.tools))
    told: dict[str, Any] = dict(drawn)
    if request.seed is not None:
        told["seed"] = request.seed
    if request.max_tokens is not None:
        told["max_tokens"] = request.max_tokens
    if request.tools:
        told["tools"] = [_tool(tool) for tool in request.tools]
        told["tool_choice"] = _choice(request.tool_choice)
    if request.json_schema is not None:
        told["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": SCHEMA_NAME, "schema": request.json_schema, "strict": True},
        }
    return told, extra


def messages_of(messages: Sequence[Message], profile: Profile, *, engine: str | None) -> list[dict[str, Any]]:
    """Return messages as the line has them; for a model that knows the tags, with its molecules between them.

    Raises:
        ModelReplyError: a series is in them, and the server does not take any.
    """
    written: list[dict[str, Any]] = []
    for message in map(_marked, messages) if profile.tags else messages:
        if message.role is Role.TOOL:
            written += [_answer(part) for part in message.parts if isinstance(part, ToolOutput)]
        elif message.role is Role.ASSISTANT:
            written.append(_assistant(message))
        else:
            parts = [_content(part, profile, engine) for part in message.parts]
            plain = all(isinstance(part, Text) for part in message.parts)
            _add(written, message.role.value, message.text if plain else parts)
    return written


def _add(written: list[dict[str, Any]], role: str, content: str | list[dict[str, Any]]) -> None:
    """Add a turn; what the same side said just before becomes one turn with it.

    Some chat templates refuse two turns of one side in a row.
    """
    last = written[-1] if written else {}
    if last.get("role") == role and isinstance(last["content"], str) and isinstance(content, str):
        last["content"] += f"\n\n{content}"
    else:
        written.append({"role": role, "content": content})


def _marked(message: Message) -> Message:
    parts = tuple(
        part.model_copy(update={"text": tag_spans(part.text, is_molecule=is_molecule_by_rdkit)})
        if isinstance(part, Text | ToolOutput)
        else part
        for part in message.parts
    )
    return message.model_copy(update={"parts": parts})


def _tool(tool: ToolSchema) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _choice(choice: str) -> str | dict[str, Any]:
    if choice in ("auto", "required", "none"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _answer(part: ToolOutput) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": part.id, "name": part.name, "content": part.text}


def _assistant(message: Message) -> dict[str, Any]:
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {
                "name": part.name or "unreadable",
                # Servers answer with an error when these are not JSON.
                "arguments": json.dumps(part.arguments, ensure_ascii=False),
            },
        }
        for part in message.parts
        if isinstance(part, ToolUse)
    ]
    told: dict[str, Any] = {"role": "assistant", "content": message.text}
    if calls:
        told["tool_calls"] = calls
    return told


def _content(part: Part, profile: Profile, engine: str | None) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            url = f"data:{part.media_type};base64,{part.data}"
            return {"type": "image_url", "image_url": {"url": url}}
        case TimeSeries():
            if engine is None or engine not in profile.time_series:
                raise ModelReplyError(
                    f"{profile.family!r} behind {engine or 'an unknown engine'} reads no time series",
                    kind="unsupported",
                )
            url = f"data:application/octet-stream;base64,{part.data}"
            series = {"url": url, "sampling_rate": part.sampling_rate_hz}
            return {"type": "time_series_url", "time_series_url": series}
        case ToolUse() | ToolOutput():
            raise ModelReplyError(f"a {part.kind} stands in a turn of another role", kind="unsupported")
