"""A reply of a wanted form, from any model: asked for in several ways, mended, and asked for again."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, RootModel, ValidationError

from novum.agents.models.base import Card, Model
from novum.agents.models.reading import load_tolerant
from novum.core.conversation import Attempt, Finish, Mechanism, Message, Reply, Request, ToolSchema
from novum.core.errors import ContextOverflowError, ModelReplyError, NoUsableReplyError, ReplyFault
from novum.core.text import clean_text

Form = TypeVar("Form", bound=BaseModel)

ATTEMPTS = 3
TOOL = "reply"
"""Name of the tool whose arguments are the answer, where that is how it is asked for."""
LEAST_S = 0.05
"""Seconds that the last question still gets. It is asked even when the time is up, so that what follows
depends on its recorded answer alone, and never on a clock that a replay does not have."""
_QUOTED = 2000
"""Characters of a faulty reply that are shown to the model again."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Form]):
    """A reply of the wanted form, with how it was got."""

    value: Form
    reply: Reply
    """The one that was used; its `mechanism` says how the value was read out of it."""
    attempts: tuple[Attempt, ...]
    """Every try, the last one without a fault."""


def ask_for(
    form: type[Form],
    model: Model,
    request: Request,
    *,
    attempts: int = ATTEMPTS,
    schema: dict[str, Any] | None = None,
    check: Callable[[Form], str] | None = None,
    same_way: bool = False,
) -> Answer[Form]:
    """Return a model's reply as a value of `form`.

    The ladder of mechanisms: the server keeps to a JSON schema while it writes; the answer as the arguments
    of a tool that must be called; JSON in the text. Rungs that the model's card rules out are left out. A try
    that fails steps down a rung, the last rung is tried again, and each time the model is told what was
    wrong. Nothing that a server promises is believed: every value is validated.

    Args:
        form: a pydantic model; its docstring and field descriptions are part of the schema that is sent.
        model: whom to ask.
        request: what to ask, without schema and tools. Its deadline holds for all tries together.
        attempts: most tries, the first included.
        schema: what is sent in place of the form's own schema, where it asks for more.
        check: says what is wrong with a value that fits the form; empty text when nothing is.
        same_way: what fits the form and fails `check` is asked for again on the same rung.

    Raises:
        NoUsableReplyError: every try failed.
        ContextOverflowError: the request is longer than the model can read.
        ModelUnavailableError: the model does not answer; it is not asked again.
        NotReleasedError: a part may not go to this model; nothing was sent.
    """
    schema = form.model_json_schema() if schema is None else schema
    end = time.monotonic() + request.deadline_s
    made: list[Attempt] = []
    kinds: list[ReplyFault] = []
    rungs = _rungs(model.card)
    messages = request.messages
    mechanism = next(rungs)
    for number in range(max(1, attempts)):
        asked = _asked(
            request.model_copy(
                update={
                    "messages": messages,
                    "deadline_s": max(LEAST_S, end - time.monotonic()),
                    "seed": None if request.seed is None else request.seed + number,
                }
            ),
            schema,
            mechanism,
            card=model.card,
        )
        reply: Reply | None = None
        fits = False
        try:
            reply = model.complete(asked)
            value, how = _read(form, reply)
            fits = True
            wrong = check(value) if check is not None else ""
            if wrong:
                raise ModelReplyError(wrong, kind="schema")
        except ContextOverflowError:
            raise
        except ModelReplyError as error:
            kinds.append(error.kind)
            made.append(_attempt(mechanism, reply, fault=error.kind, problem=str(error)))
            messages = _told(request.messages, reply, str(error), schema)
            if not (same_way and fits):
                mechanism = next(rungs)
            continue
        made.append(_attempt(mechanism, reply))
        used = mechanism if how is Mechanism.JSON_TEXT and mechanism is Mechanism.JSON_SCHEMA else how
        return Answer(value, reply.model_copy(update={"mechanism": used}), tuple(made))
    raise NoUsableReplyError(
        f"{len(made)} replies could not be used; the last: {made[-1].problem}",
        kind=kinds[-1],
        problems=tuple(attempt.problem for attempt in made),
    )


def ask_json(
    schema: dict[str, Any], model: Model, request: Request, *, attempts: int = ATTEMPTS
) -> Answer[RootModel[dict[str, Any]]]:
    """Return a model's reply as an object that fits a JSON schema (draft 2020-12); else as `ask_for`.

    Raises:
        NoUsableReplyError: every try failed.
        ContextOverflowError: the request is longer than the model can read.
        ModelUnavailableError: the model does not answer; it is not asked again.
        NotReleasedError: a part may not go to this model; nothing was sent.
    """
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema)

    def check(value: RootModel[dict[str, Any]]) -> str:
        found = sorted(validator.iter_errors(value.root), key=lambda error: list(map(str, error.path)))
        told = (f"{'.'.join(map(str, error.path)) or 'the reply'}: {error.message}" for error in found[:5])
        return clean_text("; ".join(told), limit=600)

    return ask_for(RootModel[dict[str, Any]], model, request, attempts=attempts, schema=schema, check=check)


def _rungs(card: Card) -> Iterator[Mechanism]:
    if card.json_schema is not False:
        yield Mechanism.JSON_SCHEMA
    if card.forced_tool is not False and card.tools != "none":
        yield Mechanism.FORCED_TOOL
    while True:
        yield Mechanism.JSON_TEXT


def _asked(request: Request, schema: dict[str, Any], mechanism: Mechanism, *, card: Card) -> Request:
    match mechanism:
        case Mechanism.JSON_SCHEMA:
            told = {"json_schema": schema}
            # One that was never probed may pass over the schema without a word.
            messages = request.messages if card.json_schema else _with_schema(request.messages, schema)
            return request.model_copy(update={**told, "messages": messages})
        case Mechanism.FORCED_TOOL:
            tool = ToolSchema(name=TOOL, description="Takes the answer.", parameters=schema)
            return request.model_copy(update={"tools": (tool,), "tool_choice": TOOL})
        case _:
            return request.model_copy(update={"messages": _with_schema(request.messages, schema)})


def _with_schema(messages: tuple[Message, ...], schema: dict[str, Any]) -> tuple[Message, ...]:
    told = json.dumps(schema, ensure_ascii=False)
    rule = f"Reply with one JSON object and nothing else. It must fit this JSON schema:\n{told}"
    return (*messages, Message.user(rule))


def _told(
    messages: tuple[Message, ...], reply: Reply | None, problem: str, schema: dict[str, Any]
) -> tuple[Message, ...]:
    """Return the conversation with the faulty reply, and what was wrong with it."""
    said: tuple[Message, ...] = ()
    if reply is not None:
        written = reply.text or json.dumps([call.arguments for call in reply.tool_calls], sort_keys=True)
        said = (Message.assistant(written[:_QUOTED]),)
    keys = ", ".join(map(repr, schema.get("properties", {})))
    rule = f"That could not be used: {problem}\nAnswer again, with the keys {keys}."
    return (*messages, *said, Message.user(rule))


def _read(form: type[Form], reply: Reply) -> tuple[Form, Mechanism]:
    """Return the value in a reply, and where it was found.

    Raises:
        ModelReplyError: there is none that fits.
    """
    if reply.finish is Finish.REFUSAL:
        raise ModelReplyError(f"the model declined: {clean_text(reply.text, limit=200)}", kind="refusal")
    for call in reply.tool_calls:
        if call.malformed:
            raise ModelReplyError("the arguments of the tool call are not JSON", kind="malformed")
        return _fit(form, call.arguments), Mechanism.FORCED_TOOL
    cut = reply.finish in (Finish.LENGTH, Finish.REPETITION)
    value = load_tolerant(reply.text, cut=cut, fits=lambda one: _fits(form, one))
    return _fit(form, value), Mechanism.JSON_TEXT


def _fits(form: type[Form], value: Any) -> bool:
    try:
        _fit(form, value)
    except ModelReplyError:
        return False
    return True


def _fit(form: type[Form], value: Any) -> Form:
    try:
        return form.model_validate(value)
    except ValidationError as error:
        for inner in _unwrapped(value):
            try:
                return form.model_validate(inner)
            except ValidationError:
                continue
        raise ModelReplyError(_problems(error), kind="schema") from error


def _unwrapped(value: Any) -> Iterator[Any]:
    """Yield what `value` may have been wrapped around: a call of a tool, a key of its own, a list of one."""
    if isinstance(value, list) and len(value) == 1:
        yield value[0]
    if isinstance(value, dict):
        yield from (value[key] for key in ("arguments", "parameters") if isinstance(value.get(key), dict))
        if len(value) == 1:
            yield from (inner for inner in value.values() if isinstance(inner, dict))


def _problems(error: ValidationError) -> str:
    listed = error.errors(include_url=False, include_context=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the reply'}: {one['msg']}" for one in listed[:5]]
    more = f" (and {len(listed) - 5} more)" if len(listed) > 5 else ""
    return clean_text("; ".join(told), limit=600) + more


def _attempt(mechanism: Mechanism, reply: Reply | None, *, fault: str = "", problem: str = "") -> Attempt:
    usage = reply.usage if reply is not None else None
    tokens = usage.prompt_tokens + usage.completion_tokens if usage else 0
    return Attempt(mechanism=mechanism, fault=fault, problem=problem, tokens=tokens)
