"""Tool calls and reasoning read out of text, where the server did not read them.

Four forms are known:

- ``<|action_start|><|plugin|>{"name": …, "parameters": {…}}<|action_end|>`` (Intern-S1)
- ``<tool_call>{"name": …, "arguments": {…}}</tool_call>`` (Hermes, Qwen3, Intern-S1-Pro)
- ``<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`` (Qwen3-Coder,
  Intern-S2-Preview)
- the text as a whole being ``{"tool_calls": [{"function": {"name": …, "arguments": "…"}}]}`` (OpenAI)

Each may lack its end, and ``parameters`` and ``arguments`` mean the same.
"""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from novum.agents.models.profiles import Dialect
from novum.agents.models.reading import load_strict, load_tolerant
from novum.core.conversation import ToolUse
from novum.core.errors import ModelReplyError

_S1 = re.compile(
    r"<\|action_start\|>\s*<\|plugin\|>(?P<body>.*?)(?:<\|action_end\|>|(?=<\|action_start\|>)|\Z)", re.DOTALL
)
_TOOL_CALL = re.compile(r"<tool_call>(?P<body>.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FUNCTION = re.compile(
    r"<function=(?P<name>[^>\n]*)>(?P<body>.*?)(?:</function>|(?=<function=)|\Z)", re.DOTALL
)
_PARAMETER = re.compile(
    r"<parameter=(?P<key>[^>\n]*)>\n?(?P<value>.*?)(?:\n?</parameter>|(?=<parameter=)|\Z)", re.DOTALL
)
_THINK = re.compile(r"\A\s*<think>(?P<thought>.*?)(?:</think>|\Z)", re.DOTALL)
_SCRAPS = re.compile(r"<\|(?:im_end|im_start|endoftext|action_end|action_start|plugin)\|>|</?tool_call>")
_ENDED = re.compile(r"\s*<\|(?:im_end|endoftext)\|>\s*\Z")
"""The end of a turn, seen where special tokens are kept."""

_One = TypeVar("_One")

MAX_CALLS = 64
"""Calls of one reply that are read; what follows is no plan but a loop."""


def split_thinking(text: str) -> tuple[str, str]:
    """Return the reasoning at the beginning of `text`, and the rest.

    Reasoning without an end is all reasoning: what the model would have said is not known. An end without
    a beginning ends what came before it, as templates that open the reasoning themselves make it.

    Example:
        >>> split_thinking("<think>Carbon has four bonds.</think>CCO")
        ('Carbon has four bonds.', 'CCO')
        >>> split_thinking("<think>Perhaps")
        ('Perhaps', '')
    """
    found = _THINK.match(text)
    if found:
        return found["thought"].strip(), text[found.end() :].strip()
    before, end, after = text.partition("</think>")
    if end and "<think>" not in before:
        return before.strip(), after.strip()
    return "", text


def parse_tool_calls(text: str, *, cut: bool = False) -> tuple[str, tuple[ToolUse, ...]]:
    """Return `text` without the tool calls written into it, and the calls, in their order.

    A call whose name or arguments cannot be read comes with what was written, in `ToolUse.malformed`. Of a
    text that was `cut`, no arguments are mended.

    Raises:
        ModelReplyError: there are more than `MAX_CALLS` of them.

    Example:
        >>> said = 'Let me see. <tool_call>{"name": "xtb", "arguments": {"smiles": "CCO"}}</tool_call>'
        >>> rest, calls = parse_tool_calls(said)
        >>> rest, calls[0].name, calls[0].arguments
        ('Let me see.', 'xtb', {'smiles': 'CCO'})
    """
    calls: list[ToolUse] = []
    for pattern in (_S1, _TOOL_CALL):
        bodies = _few(found["body"] for found in pattern.finditer(text))
        if bodies:
            for body in bodies:
                calls += _from_body(body, cut=cut)
            text = pattern.sub("", text)
    if not calls and (found := _few(_FUNCTION.finditer(text))):
        calls = [_from_xml(one) for one in found]
        text = _FUNCTION.sub("", text)
    if not calls:
        calls = _from_openai(text)
        text = "" if calls else text
    calls = _few(calls)
    text = _SCRAPS.sub("", text).strip() if calls else _ENDED.sub("", text)
    return text, tuple(c.model_copy(update={"id": c.id or f"call_{i}"}) for i, c in enumerate(calls))


def write_tool_calls(calls: Sequence[ToolUse], dialect: Dialect) -> str:
    """Return `calls` as a model of that dialect writes them.

    Example:
        >>> write_tool_calls([ToolUse(name="xtb", arguments={"smiles": "CCO"})], "hermes")
        '<tool_call>{"name": "xtb", "arguments": {"smiles": "CCO"}}</tool_call>'
    """

    def dump(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    match dialect:
        case "intern-s1":
            return "".join(
                f"<|action_start|><|plugin|>{dump({'name': c.name, 'parameters': c.arguments})}<|action_end|>"
                for c in calls
            )
        case "hermes":
            return "\n".join(
                f"<tool_call>{dump({'name': c.name, 'arguments': c.arguments})}</tool_call>" for c in calls
            )
        case "qwen3-coder":
            return "\n".join(
                f"<tool_call>\n<function={c.name}>\n"
                + "".join(
                    f"<parameter={key}>\n{value if _is_plain(value) else dump(value)}\n</parameter>\n"
                    for key, value in c.arguments.items()
                )
                + "</function>\n</tool_call>"
                for c in calls
            )
        case "openai":
            functions = [{"name": c.name, "arguments": dump(c.arguments)} for c in calls]
            return dump({"tool_calls": [{"type": "function", "function": f} for f in functions]})


def to_tool_use(name: Any, arguments: Any, *, id: str = "", cut: bool = False) -> ToolUse:
    """Return a call whose arguments may be an object, JSON of one, or anything else."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
    if isinstance(arguments, str):
        try:
            arguments = load_tolerant(arguments, cut=cut) if arguments.strip() else {}
        except ModelReplyError:
            arguments = None
    elif arguments is None:
        arguments = {}
    if not isinstance(name, str) or not name.strip() or not isinstance(arguments, dict):
        return ToolUse(id=id, name=str(name or ""), malformed=written[:2000] or "nothing")
    return ToolUse(id=id, name=name.strip(), arguments=arguments)


def _few(calls: Iterable[_One]) -> list[_One]:
    """Return what may be calls, which are not read before they have been counted.

    Raises:
        ModelReplyError: there are more than `MAX_CALLS`.
    """
    few = list(islice(calls, MAX_CALLS + 1))
    if len(few) > MAX_CALLS:
        raise ModelReplyError(
            f"more than {MAX_CALLS} tool calls in one reply; a plan has fewer", kind="repetition"
        )
    return few


def _from_body(body: str, *, cut: bool) -> list[ToolUse]:
    xml = _few(_FUNCTION.finditer(body))
    if xml:
        return [_from_xml(one) for one in xml]
    try:
        value = load_tolerant(body, cut=cut)
    except ModelReplyError:
        return [ToolUse(name="", malformed=body.strip()[:2000] or "nothing")]
    return [_from_json(one) for one in (value if isinstance(value, list) else [value])]


def _from_json(value: Any) -> ToolUse:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = {"id": value.get("id"), **value["function"]}
    if not isinstance(value, dict):
        return ToolUse(name="", malformed=json.dumps(value)[:2000])
    arguments = value.get("arguments", value.get("parameters", {}))
    id_ = value.get("id")
    return to_tool_use(value.get("name"), arguments, id=id_ if isinstance(id_, str) else "")


def _from_xml(found: re.Match[str]) -> ToolUse:
    arguments = {one["key"].strip(): _typed(one["value"]) for one in _PARAMETER.finditer(found["body"])}
    if not arguments and found["body"].strip().startswith("{"):
        return to_tool_use(found["name"], found["body"])
    return to_tool_use(found["name"], arguments)


def _typed(text: str) -> Any:
    """Return a parameter's value: JSON where it is written as such, and words otherwise."""
    try:
        return load_strict(text)
    except ModelReplyError:
        return text


def _is_plain(value: Any) -> bool:
    """Say whether a text comes back as itself when it is written without quotes."""
    return (
        isinstance(value, str) and value == value.strip("\n") and _typed(value) == value and "<" not in value
    )


def _from_openai(text: str) -> list[ToolUse]:
    if "tool_calls" not in text:
        return []
    try:
        value = load_strict(text.strip())
    except ModelReplyError:
        return []
    listed = value.get("tool_calls") if isinstance(value, dict) else None
    return [_from_json(one) for one in listed] if isinstance(listed, list) else []
