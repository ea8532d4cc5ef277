"""The gateway to every OpenAI-compatible server: the one way in which novum asks a language model.

What it promises, whatever the server does:

- It answers or raises one of the errors of `Model.complete` before the deadline is over: the total one, and
  one for the silence between two bytes. Looking up a name is not under it, nor loading the library once.
- Nothing goes to a remote model that may not (`core.access`). That is checked first, each time.
- The key is in no error, log or record. It goes into a request on its way out; the library never holds it.
- A reply that ended too early is an error, and no short reply.
- A loop is cut while it is being written (`repetition`).
- What fails for a moment is tried again, with the waits that the server asks for, while the deadline lasts.
"""

import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

import httpx
from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from novum.agents.models.base import Card, OnWord
from novum.agents.models.dialects import parse_tool_calls, split_thinking, to_tool_use
from novum.agents.models.faults import fault_of, is_refusal
from novum.agents.models.library import load_litellm
from novum.agents.models.payload import messages_of, parameters_of
from novum.agents.models.profiles import get_profile
from novum.agents.models.reading import whole_text
from novum.agents.models.repetition import Repetition
from novum.agents.models.science_spans import untag_spans, untag_values
from novum.agents.models.wire import Seen, Wire
from novum.core.access import Destination, check_release
from novum.core.conversation import Finish, Image, Mechanism, Reply, Request, TimeSeries, ToolUse, Usage
from novum.core.errors import ContextOverflowError, ModelReplyError, ModelUnavailableError
from novum.core.knowledge import Access
from novum.core.model_entry import ModelEntry

TRIES = 4
"""How often a server is asked at most, the first time included."""
IDLE_S = 120.0
"""Seconds without a byte after which a server is given up; reading a long prompt takes its time."""
WAIT_S = (0.5, 8.0)
"""Seconds before the second try, and at most; each wait is twice the one before."""

_AGAIN = frozenset({"unreachable", "timeout", "overloaded", "dropped", "failed"})
_NO_KEY = "none"


class Gateway:
    """A model behind an OpenAI-compatible server.

    Several threads may ask it at the same time.

    Args:
        name: what the user calls it.
        entry: where it answers and how it is spoken to.
        key: the key, where the server wants one.
        card: what it was seen to be able to do.
        allow: tiers beside public that the user lets go to it when it is remote; sensitive is never one.
        idle_s: seconds without a byte after which it is given up.
        tries: how often it is asked at most, the first time included.
        on_word: called with each piece of a reply as it arrives.
        sleep: waits, in seconds.

    Raises:
        SettingsError: the entry names a family that has no profile.
        UsageError: `allow` has sensitive items go to a remote model.
    """

    def __init__(
        self,
        name: str,
        entry: ModelEntry,
        *,
        key: SecretStr | None = None,
        card: Card | None = None,
        allow: Collection[Access] = (),
        idle_s: float = IDLE_S,
        tries: int = TRIES,
        on_word: OnWord | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.entry = entry
        self.card = card or Card(model=name)
        self.destination = Destination.REMOTE_MODEL if entry.is_remote else Destination.LOCAL
        self.profile = get_profile(entry.family)
        self._allow = frozenset(allow)
        check_release((), to=self.destination, allow=self._allow)
        self._key = key
        self._idle_s = idle_s
        self._tries = tries
        self._on_word = on_word
        self._sleep = sleep
        self._wire = Wire(entry.base_url, key=key, use_proxy=entry.is_remote)
        self._client: Any = None
        self._plain = False
        """The server was seen to refuse what only some servers know."""
        self._streams = self.card.streaming is not False

    def complete(self, request: Request) -> Reply:
        """Return the answer to one request; see `Model.complete`."""
        check_release(
            (part.access for message in request.messages for part in message.parts),
            to=self.destination,
            allow=self._allow,
        )
        self._check_senses(request)
        load_litellm()
        self._openai()
        begin = time.monotonic()
        end = begin + request.deadline_s
        retrying = Retrying(
            retry=retry_if_exception(lambda error: _is_worth_a_retry(error, end)),
            stop=stop_after_attempt(self._tries),
            wait=_wait,
            sleep=self._sleep,
            before_sleep=lambda state: _check_room(state, end),
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                tries = attempt.retry_state.attempt_number
                reply = self._once(request, end=end, tries=tries)
        return reply.model_copy(update={"seconds": time.monotonic() - begin, "tries": tries})

    def with_card(self, card: Card) -> "Gateway":
        """Return a gateway to the same server that knows it better."""
        return Gateway(
            self.name,
            self.entry,
            key=self._key,
            card=card,
            allow=self._allow,
            idle_s=self._idle_s,
            tries=self._tries,
            on_word=self._on_word,
            sleep=self._sleep,
        )

    def list_models(self, *, patience_s: float = 10.0) -> tuple[dict[str, Any], ...]:
        """Return what the server says of the models that it has; nothing where it says nothing readable."""
        end = time.monotonic() + patience_s
        with self._wire.watch(end=end, idle_s=patience_s):
            try:
                with httpx.Client(transport=_Kept(self._wire), trust_env=False) as client:
                    listed = client.get(f"{self.entry.base_url}/models").json()["data"]
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                return ()
        return tuple(one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()

    def close(self) -> None:
        """Close every connection."""
        self._wire.close()

    def _check_senses(self, request: Request) -> None:
        parts = [part for message in request.messages for part in message.parts]
        if self.card.images is False and any(isinstance(part, Image) for part in parts):
            raise ModelReplyError(f"model {self.name!r} was seen not to read images", kind="unsupported")

    def _once(self, request: Request, *, end: float, tries: int) -> Reply:
        if request.seed is not None and tries > 1:
            # The same seed would fail at the same word again.
            request = request.model_copy(update={"seed": request.seed + tries - 1})
        try:
            return self._ask(request, end=end)
        except ContextOverflowError:
            raise
        except ModelReplyError as error:
            if error.kind != "rejected" or self._plain or not self._extras(request):
                raise
            # Some servers refuse fields that they do not know; these are a wish and no need.
            reply = self._ask(request, end=end, plain=True)
            self._plain = True
            return reply

    def _extras(self, request: Request) -> dict[str, Any]:
        return parameters_of(request, self.profile, engine=self.entry.engine)[1]

    def _ask(self, request: Request, *, end: float, plain: bool = False) -> Reply:
        told, extra = parameters_of(request, self.profile, engine=self.entry.engine)
        if plain or self._plain:
            extra = {}
        messages = messages_of(request.messages, self.profile, engine=self.entry.engine)
        if any(isinstance(p, TimeSeries) for m in request.messages for p in m.parts):
            # The library refuses kinds of content that it does not know; what is extra it passes on unseen.
            extra["messages"] = messages
            messages = [{"role": "user", "content": "…"}]
        if self._streams:
            told |= {"stream": True, "stream_options": {"include_usage": True}}
        litellm = load_litellm()
        words = _Words(self._on_word)
        secret = self._key.get_secret_value() if self._key else ""
        begin = time.monotonic()
        with self._wire.watch(end=end, idle_s=self._idle_s) as seen:
            failure: BaseException | None = None
            try:
                answer = litellm.completion(
                    model=f"openai/{self.entry.model}",
                    messages=messages,
                    client=self._openai(),
                    api_key=_NO_KEY,
                    base_url=self.entry.base_url,
                    max_retries=0,
                    timeout=max(0.001, end - begin),
                    extra_body=extra or None,
                    **told,
                )
                words.hear(answer if "stream" in told else [answer], end=end)
            # What the library runs into when it reads a stranger's answer can be anything.
            except Exception as error:  # noqa: BLE001
                failure = error
            if words.late:
                raise ModelUnavailableError(
                    f"the reply was not finished after {request.deadline_s:g} s", kind="timeout"
                )
            # What does not come in pieces although it was to is nothing that the library heard.
            deaf = "stream" in told and seen.n_bytes > 0 and b"data:" not in seen.tail
            whole = (seen.ended and not deaf) or words.loop.unit
            deaf = deaf and seen.ended and failure is None
            if not deaf and (failure is not None or seen.failure is not None or not whole):
                if isinstance(failure, ModelReplyError):
                    raise failure
                raise fault_of(seen, error=failure, secret=secret) from None
            if not deaf:
                return self._reply(request, words, seen, begin=begin)
        self._streams = False
        return self._ask(request, end=end, plain=plain)

    def _openai(self) -> Any:
        if self._client is None:
            from openai import OpenAI

            self._client = OpenAI(
                api_key=_NO_KEY,
                base_url=self.entry.base_url,
                max_retries=0,
                http_client=httpx.Client(transport=self._wire, trust_env=False),
            )
        return self._client

    def _reply(self, request: Request, words: "_Words", seen: Seen, *, begin: float) -> Reply:
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
        if self.profile.tags:
            # A model that reads molecules between tags writes them so, too.
            text = untag_spans(text)
            calls = tuple(c.model_copy(update={"arguments": untag_values(c.arguments)}) for c in calls)
        finish = self._finish(words, seen, text, calls)
        if not text.strip() and not calls and finish is not Finish.REFUSAL:
            raise _nothing_said(finish, reasoning)
        return Reply(
            text=text,
            reasoning=reasoning,
            tool_calls=calls,
            finish=finish,
            usage=self._usage(words, seen),
            mechanism=mechanism,
            model=whole_text(seen.served_as or self.entry.model),
            first_token_s=words.first_at - begin if words.first_at and b"data:" in seen.tail else None,
        )

    def _finish(self, words: "_Words", seen: Seen, text: str, calls: tuple[ToolUse, ...]) -> Finish:
        if words.loop.unit:
            return Finish.REPETITION
        if seen.refused or words.finish == "content_filter" or (not calls and is_refusal(text)):
            return Finish.REFUSAL
        if words.finish == "length":
            return Finish.LENGTH
        return Finish.TOOL_CALLS if calls else Finish.STOP

    def _usage(self, words: "_Words", seen: Seen) -> Usage:
        entry, counted = self.entry, seen.counted and words.usage is not None
        prompt = _count(words.usage, "prompt_tokens")
        completion = _count(words.usage, "completion_tokens")
        if not counted:
            # Four characters a token is the rule of thumb for English.
            completion = completion or sum(map(len, (*words.text, *words.reasoning))) // 4
        cost = None
        if entry.price_prompt is not None or entry.price_completion is not None:
            cost = (prompt * (entry.price_prompt or 0.0) + completion * (entry.price_completion or 0.0)) / 1e6
        return Usage(prompt_tokens=prompt, completion_tokens=completion, estimated=not counted, cost=cost)


class _Kept(httpx.BaseTransport):
    """A transport that outlives the client that uses it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wire.handle_request(request)


class _Words:
    """What has been said so far."""

    def __init__(self, on_word: OnWord | None) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.finish = ""
        self.usage: Any = None
        self.first_at: float | None = None
        self.loop = Repetition()
        self.late = False
        self._calls: dict[int, dict[str, str]] = {}
        self._on_word = on_word

    def hear(self, pieces: Iterable[Any], *, end: float) -> None:
        """Take in a reply piece by piece, until its end, a loop, or the deadline."""
        for piece in pieces:
            self.usage = getattr(piece, "usage", None) or self.usage
            for choice in piece.choices[:1]:
                said = getattr(choice, "delta", None) or getattr(choice, "message", None)
                self.finish = choice.finish_reason or self.finish
                if said is not None and self._take(said):
                    return
            if time.monotonic() > end:
                self.late = True
                return

    def _take(self, said: Any) -> bool:
        """Take in one piece; say whether the reply has become a loop."""
        text = said.content or ""
        reasoning = getattr(said, "reasoning_content", None) or ""
        grown = text + reasoning
        self.text.append(text)
        self.reasoning.append(reasoning)
        for position, wanted in enumerate(said.tool_calls or ()):
            index = getattr(wanted, "index", None)
            call = self._calls.setdefault(
                position if index is None else index, {"id": "", "name": "", "arguments": ""}
            )
            call["id"] = call["id"] or wanted.id or ""
            call["name"] += wanted.function.name or ""
            call["arguments"] += wanted.function.arguments or ""
            grown += wanted.function.arguments or ""
        if not grown and not said.tool_calls:
            return False
        if self.first_at is None:
            self.first_at = time.monotonic()
        if self._on_word is not None and text:
            self._on_word(text)
        return self.loop.add(grown)

    def calls(self, *, cut: bool) -> tuple[ToolUse, ...]:
        """Return the tool calls that the server read."""
        return tuple(
            to_tool_use(
                whole_text(call["name"]),
                whole_text(call["arguments"]),
                id=whole_text(call["id"]) or f"call_{index}",
                cut=cut,
            )
            for index, call in sorted(self._calls.items())
        )


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


def _is_worth_a_retry(error: BaseException, end: float) -> bool:
    return isinstance(error, ModelUnavailableError) and error.kind in _AGAIN and time.monotonic() < end


def _wait(state: RetryCallState) -> float:
    asked = _retry_after(state)
    least, most = WAIT_S
    return asked if asked is not None else min(most, least * 2.0 ** (state.attempt_number - 1))


def _retry_after(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.retry_after_s if isinstance(error, ModelUnavailableError) else None


def _check_room(state: RetryCallState, end: float) -> None:
    """Raise what went wrong, if the wait for another try would outlast the deadline."""
    assert state.outcome is not None
    error = state.outcome.exception()
    if time.monotonic() + state.upcoming_sleep >= end and error is not None:
        raise error
