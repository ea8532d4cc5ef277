"""A reply out of what was heard, or the reason why there is none."""

from typing import Any

from novum.agents.models.dialects import parse_tool_calls, split_thinking
from novum.agents.models.discretion import Discretion
from novum.agents.models.faults import is_refusal
from novum.agents.models.hearing import Words
from novum.agents.models.profiles import Profile
from novum.agents.models.reading import whole_text
from novum.agents.models.science_spans import untag_spans, untag_values
from novum.agents.models.wire import Seen
from novum.core.conversation import Finish, Mechanism, Reply, Request, ToolUse, Usage
from novum.core.errors import ModelReplyError
from novum.core.model_entry import ModelEntry


def reply_of(
    request: Request,
    words: Words,
    seen: Seen,
    *,
    entry: ModelEntry,
    profile: Profile,
    discretion: Discretion,
    begin: float,
) -> Reply:
    """Return what was heard as a reply.

    Args:
        request: what was asked.
        words: what was heard.
        seen: what came over the line.
        entry: names the model and its prices.
        profile: how the model writes.
        discretion: takes out what must not be in any text.
        begin: when it was asked, on the clock `time.monotonic`.

    Raises:
        ModelReplyError: nothing was said.
    """
    text = whole_text(words.loop.cut("".join(words.text)) if words.loop.unit else "".join(words.text))
    reasoning = whole_text("".join(words.reasoning)).strip()
    thought, text = split_thinking(text)
    reasoning = reasoning or thought
    cut = words.finish == "length" or bool(words.loop.unit)
    calls = words.calls(cut=cut)
    mechanism = Mechanism.NATIVE_TOOLS if calls else Mechanism.TEXT
    if request.tools and not calls:
        text, calls = parse_tool_calls(text, cut=cut)
        mechanism = Mechanism.CONTENT_TOOLS if calls else mechanism
    if request.json_schema is not None and not calls:
        mechanism = Mechanism.JSON_SCHEMA
    if profile.tags:
        # A model that reads molecules between tags writes them so, too.
        text = untag_spans(text)
        calls = tuple(c.model_copy(update={"arguments": untag_values(c.arguments)}) for c in calls)
    # After everything else was taken out: what stood between two halves of a key is gone then.
    text, reasoning = discretion.hide(text), discretion.hide(reasoning)
    calls = tuple(ToolUse.model_validate(discretion.hide_in(c.model_dump())) for c in calls)
    finish = _finish(words, seen, text, calls)
    if not text.strip() and not calls and finish is not Finish.REFUSAL:
        raise _nothing_said(finish, reasoning)
    return Reply(
        text=text,
        reasoning=reasoning,
        tool_calls=calls,
        finish=finish,
        usage=_usage(words, seen, entry),
        mechanism=mechanism,
        model=discretion.hide(whole_text(seen.served_as or entry.model)),
        first_token_s=words.first_at - begin if words.first_at and seen.streamed else None,
    )


def _finish(words: Words, seen: Seen, text: str, calls: tuple[ToolUse, ...]) -> Finish:
    if words.loop.unit:
        return Finish.REPETITION
    if seen.refused or words.finish == "content_filter" or (not calls and is_refusal(text)):
        return Finish.REFUSAL
    if words.finish == "length":
        return Finish.LENGTH
    return Finish.TOOL_CALLS if calls else Finish.STOP


def _usage(words: Words, seen: Seen, entry: ModelEntry) -> Usage:
    counted = seen.counted and words.usage is not None
    prompt = _count(words.usage, "prompt_tokens")
    completion = _count(words.usage, "completion_tokens")
    if not counted:
        # Four characters a token is the rule of thumb for English.
        completion = completion or sum(map(len, (*words.text, *words.reasoning))) // 4
    cost = None
    if entry.price_prompt is not None or entry.price_completion is not None:
        cost = (prompt * (entry.price_prompt or 0.0) + completion * (entry.price_completion or 0.0)) / 1e6
    return Usage(prompt_tokens=prompt, completion_tokens=completion, estimated=not counted, cost=cost)


def _nothing_said(finish: Finish, reasoning: str) -> ModelReplyError:
    if finish is Finish.REPETITION:
        return ModelReplyError("the model said the same over and over and nothing else", kind="repetition")
    if finish is Finish.LENGTH:
        return ModelReplyError("the limit of tokens was reached before the reply began", kind="cut")
    if reasoning:
        return ModelReplyError("the model reasoned to the end and replied nothing", kind="empty")
    return ModelReplyError("the model replied nothing", kind="empty")


def _count(usage: Any, name: str) -> int:
    value = getattr(usage, name, 0)
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
