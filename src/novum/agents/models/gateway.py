"""The gateway to every OpenAI-compatible server: the one way in which novum asks a language model.

What it promises, whatever the server does:

- It answers or raises one of the errors of `Model.complete` before the deadline is over: the total one, and
  one for the silence between two bytes. Looking up a name is not under it, nor loading the library once.
- Nothing goes to a remote model that may not (`core.access`). That is checked first, each time.
- The key is in no error, log or record, and no piece of it, even if the server repeats it. It goes into a
  request on its way out; the library never holds it.
- What is longer than what was asked for is not heard to its end, and counts as cut.
- A reply that ended too early is an error, and no short reply.
- A loop is cut while it is being written (`repetition`).
- What fails for a moment is tried again, with the waits that the server asks for, while the deadline lasts.
"""

import time
from collections.abc import Callable, Collection
from typing import Any

import httpx
from pydantic import SecretStr

from novum.agents.models.again import TRIES, asking_again
from novum.agents.models.base import Card, OnWord
from novum.agents.models.discretion import Discretion
from novum.agents.models.faults import fault_of
from novum.agents.models.hearing import Words
from novum.agents.models.library import load_litellm
from novum.agents.models.payload import messages_of, parameters_of
from novum.agents.models.profiles import get_profile
from novum.agents.models.reading import MAX_CHARACTERS
from novum.agents.models.replying import reply_of
from novum.agents.models.wire import Wire
from novum.core.access import Destination, check_release
from novum.core.conversation import Image, Reply, Request, TimeSeries
from novum.core.errors import ContextOverflowError, ModelReplyError, ModelUnavailableError
from novum.core.knowledge import Access
from novum.core.model_entry import ModelEntry

IDLE_S = 120.0
"""Seconds without a byte after which a server is given up; reading a long prompt takes its time."""
LEAST_CHARACTERS = 65_536
"""So long a reply is heard to its end, however few tokens were asked for."""
CHARACTERS_PER_TOKEN = 16
"""More than the tokens of any language have on average; a reply longer than that passed over its limit."""
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
        self._discretion = Discretion(key)
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
        self._load()
        begin = time.monotonic()
        end = begin + request.deadline_s
        for attempt in asking_again(end=end, tries=self._tries, sleep=self._sleep):
            with attempt:
                tries = attempt.retry_state.attempt_number
                reply = self._once(request, end=end, tries=tries)
        return reply.model_copy(update={"seconds": time.monotonic() - begin, "tries": tries})

    def _load(self) -> None:
        try:
            load_litellm()
            self._openai()
        # What goes wrong in a library while it is loaded can be anything.
        except Exception as error:
            raise ModelUnavailableError(
                f"the library that speaks to model servers cannot be loaded ({type(error).__name__})",
                kind="failed",
            ) from error

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
        words = Words(self._on_word, most=_longest(request), discretion=self._discretion)
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
            deaf = "stream" in told and seen.n_bytes > 0 and not seen.streamed
            whole = (seen.ended and not deaf) or words.loop.unit or words.full
            deaf = deaf and seen.ended and failure is None
            if not deaf and (failure is not None or seen.failure is not None or not whole):
                if isinstance(failure, ModelReplyError):
                    raise failure
                raise fault_of(seen, error=failure, discretion=self._discretion) from None
            if not deaf:
                return reply_of(
                    request,
                    words,
                    seen,
                    entry=self.entry,
                    profile=self.profile,
                    discretion=self._discretion,
                    begin=begin,
                )
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


def _longest(request: Request) -> int:
    """Return the characters after which a reply has passed every limit that it was given."""
    if request.max_tokens is None:
        return MAX_CHARACTERS
    return max(LEAST_CHARACTERS, CHARACTERS_PER_TOKEN * request.max_tokens)


class _Kept(httpx.BaseTransport):
    """A transport that outlives the client that uses it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._wire.handle_request(request)
