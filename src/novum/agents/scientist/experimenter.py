"""The experimenter: calls of tools that a model wishes for, held against what is offered and what is left."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from novum.agents.models.base import Message, ToolOutput, ToolSchema, ToolUse
from novum.agents.scientist.asking import SilenceError, TooLongError, Voice
from novum.agents.scientist.desk import Desk, room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.telling import result_text
from novum.agents.scientist.toolbox import tool_names
from novum.core.calls import ToolCall, ToolResult, ToolSpec

MOST_CALLS = 4
"""Calls of one iteration."""

Wishing = Generator[tuple[ToolCall, ...], tuple[ToolResult, ...], "Probing"]
"""Yields calls that are in order, is sent their results, returns what came of it all."""


@dataclass(frozen=True, slots=True)
class Probing:
    """What came of the calls."""

    results: tuple[ToolResult, ...] = ()
    refused: tuple[str, ...] = ()
    """What the model asked for and did not get, with the reason."""
    silence: SilenceError | None = None
    """The model fell silent."""


def experiment(voice: Voice, desk: Desk, tools: Sequence[ToolSpec], *, seconds: float) -> Wishing:
    """Let the model ask for calls, round by round, until it has enough or nothing is left.

    A call that names no tool on offer, lacks an argument, has one too many, or costs more than is left is
    refused, and the model is told why. Everything else about the arguments is checked where it is launched.

    Args:
        voice: the model in this step.
        desk: what it is told.
        tools: on offer.
        seconds: declared cost of all calls together.
    """
    names = tool_names(tools)
    schemas = [tool_schema(name, spec) for name, spec in names.items()]
    messages, _ = desk.lay(
        load_prompt("experiment"),
        ("space", "known"),
        role="experimenter",
        calls=str(MOST_CALLS),
        seconds=f"{seconds:.3g}",
    )
    talk = list(messages)
    results: list[ToolResult] = []
    refused: list[str] = []
    left = seconds
    while voice.left and len(results) + len(refused) < 2 * MOST_CALLS:
        try:
            reply = voice.ask(talk, tools=schemas, max_tokens=room_of(desk.card).reply)
        except (SilenceError, TooLongError) as error:
            silence = error if isinstance(error, SilenceError) else None
            return Probing(tuple(results), tuple(refused), silence)
        if not reply.tool_calls:
            break
        answers: list[ToolOutput] = []
        for use in reply.tool_calls[:MOST_CALLS]:
            spec = names.get(use.name)
            fault = _fault(use, spec, made=len(results), left_s=left)
            if fault or spec is None:
                refused.append(f"{use.name[:64]}: {fault}")
                text = f"refused: {fault}"
            else:
                left -= spec.nominal_cost_s
                sent = yield (ToolCall(tool=spec.name, arguments=use.arguments),)
                results += sent
                text = "; ".join(map(result_text, sent))
            answers.append(ToolOutput(id=use.id, name=use.name, text=f"<data>{text}</data>"))
        uses = reply.tool_calls[:MOST_CALLS]
        talk += [Message.assistant(reply.text[:2000], *uses), Message.tool(*answers)]
        if len(results) >= MOST_CALLS:
            break
    return Probing(tuple(results), tuple(refused))


def tool_schema(name: str, spec: ToolSpec) -> ToolSchema:
    """Return a tool as a model is told of it, its properties with their units."""
    gives = ", ".join(f"{p.name} ({p.unit})" for p in spec.properties) or "no property"
    return ToolSchema(
        name=name,
        description=f"{spec.description} Gives {gives}. Usual cost {spec.nominal_cost_s:g} s.",
        parameters=spec.parameters,
    )


def _fault(use: ToolUse, spec: ToolSpec | None, *, made: int, left_s: float) -> str:
    if spec is None:
        return "there is no such tool on offer"
    if use.malformed:
        return "its arguments cannot be read"
    known = spec.parameters.get("properties", {})
    missing = [name for name in spec.parameters.get("required", ()) if name not in use.arguments]
    extra = [name for name in use.arguments if name not in known]
    if missing or extra:
        return "; ".join(
            f"{what} {', '.join(map(repr, names))}"
            for what, names in (("it lacks", missing), ("it has no argument", extra))
            if names
        )
    if made >= MOST_CALLS:
        return f"{MOST_CALLS} calls were made"
    if spec.nominal_cost_s > left_s:
        return f"it costs {spec.nominal_cost_s:g} s, and {left_s:.3g} s are left"
    return ""
