"""What a server can really do: each ability is tried, and what was seen is said."""

import re
import struct
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Literal

from novum.agents.models.base import Card, Finding
from novum.agents.models.gateway import Gateway
from novum.agents.models.reading import load_tolerant
from novum.core.conversation import Finish, Image, Mechanism, Message, Reply, Request, ToolSchema
from novum.core.errors import ContextOverflowError, ModelReplyError, ModelUnavailableError
from novum.core.text import clean_text

PATIENCE_S = 60.0
"""Seconds for each question."""
_SECRET = "zq-7413-vellum"  # noqa: S105  (no password: a word that nobody says by chance)
_TOKENS = 512
_MANY_TOKENS = 100_000_000
_ENGINES = {
    "vllm": "vllm",
    "sglang": "sglang",
    "lmdeploy": "lmdeploy",
    "llamacpp": "llama.cpp",
    "llama.cpp": "llama.cpp",
    "library": "ollama",
}
"""``owned_by`` of the list of models → engine."""
_COLOURS = {
    "magenta": (b"\xff\x00\xff", frozenset({"magenta", "fuchsia", "pink", "purple"})),
    "cyan": (b"\x00\xff\xff", frozenset({"cyan", "aqua", "turquoise"})),
}
"""Colours that nobody names by chance, and their names. One that sees nothing would have to guess both."""
_NAMES = frozenset({"red", "green", "blue", "yellow", "white", "black", "grey"}).union(
    *(names for _, names in _COLOURS.values())
)
_HELLO = "Say hello in one short sentence."


def probe(gateway: Gateway, *, patience_s: float = PATIENCE_S) -> Card:
    """Return what the server behind a gateway was seen to be able to do.

    About ten short questions, nothing of a campaign in them. A server that turns out not to stream is asked
    for whole replies from then on.

    Args:
        gateway: how it is reached. Its card is not believed.
        patience_s: most seconds for each question.

    Raises:
        ModelUnavailableError: the server does not answer, or denies access.
    """
    with ExitStack() as stack:
        return _Probe(gateway, patience_s, stack).run()


class _Probe:
    def __init__(self, gateway: Gateway, patience_s: float, stack: ExitStack) -> None:
        self._stack = stack
        self._gateway = self._open(gateway, Card(model=gateway.name))
        self._patience_s = patience_s
        self._findings: list[Finding] = []
        self._seen: dict[str, Any] = {}

    def _open(self, gateway: Gateway, card: Card) -> Gateway:
        opened = gateway.with_card(card)
        self._stack.callback(opened.close)
        return opened

    def run(self) -> Card:
        listed = self._gateway.list_models()
        self._chat()
        self._thinking()
        self._schema()
        self._tools()
        self._images()
        self._context(listed)
        self._speed()
        return Card(
            model=self._gateway.name,
            probed_at=datetime.now(UTC),
            engine=self._gateway.entry.engine or _engine_of(listed),
            findings=tuple(self._findings),
            **self._seen,
        )

    def _chat(self) -> None:
        try:
            reply = self._ask(_HELLO)
            streams = reply.first_token_s is not None
        except (ModelReplyError, ModelUnavailableError) as error:
            if _is_silence(error):
                # It reasoned past the limit, or said nothing: the server works all the same.
                self._note("chat", True, f"the server answers, but: {error}")
                self._seen["streaming"] = True
                self._note("streaming", True, "pieces arrived")
                return
            if isinstance(error, ModelUnavailableError) and error.kind not in ("dropped", "failed"):
                raise
            self._gateway = self._open(self._gateway, Card(model=self._gateway.name, streaming=False))
            try:
                reply, streams = self._ask(_HELLO), False
            except ModelReplyError as again:
                if not _is_silence(again):
                    raise ModelUnavailableError(
                        f"the server does not answer as a model does: {again}", kind="failed"
                    ) from again
                reply, streams = Reply(), False
        self._seen |= {"streaming": streams, "served_as": reply.model}
        self._note("chat", True, f"it said {_quoted(reply)}")
        seen = "the reply came in pieces" if streams else "the reply came as a whole only"
        self._note("streaming", streams, seen)
        self._reasoned = bool(reply.reasoning)

    _reasoned = False

    def _thinking(self) -> None:
        name: Literal["thinking"] = "thinking"
        if self._gateway.profile.thinking == "none":
            self._seen[name] = "always" if self._reasoned else "never"
            self._note(
                name, None, f"the family has no switch; reasoning was {'' if self._reasoned else 'not '}seen"
            )
            return
        question = "Which is heavier, a mole of neon or a mole of argon? One word."
        seen = {wanted: self._reasons(question, wanted) for wanted in (True, False)}
        match seen[True], seen[False]:
            case True, False:
                self._seen[name], told = (
                    "switchable",
                    "reasoning came with the switch on and none with it off",
                )
            case True, True:
                self._seen[name], told = "always", "reasoning came whether the switch was on or off"
            case False, False:
                self._seen[name], told = "never", "no reasoning came whether the switch was on or off"
            case _:
                self._seen[name], told = "unknown", "the switch gave an error, or the opposite"
        self._note(name, self._seen[name] == "switchable", told)

    def _reasons(self, question: str, wanted: bool) -> bool | None:
        try:
            return bool(self._ask(question, thinking=wanted).reasoning)
        except ModelReplyError as error:
            return wanted if error.kind == "cut" else None
        except ModelUnavailableError:
            return None

    @property
    def _quiet(self) -> bool | None:
        """Thinking off where it can be switched: the other questions need none."""
        return False if self._seen.get("thinking") == "switchable" else None

    def _schema(self) -> None:
        def seen(reply: Reply) -> tuple[bool, str]:
            kept = _is_secret(reply)
            how = "kept to" if kept else "passed over"
            return kept, f"a schema that the question contradicts was {how}: {_quoted(reply)}"

        found = self._try("json_schema", seen, _HELLO, json_schema=_secret_schema(), thinking=self._quiet)
        self._seen["json_schema"] = bool(found)

    def _tools(self) -> None:
        tool = ToolSchema(
            name="look_up", description="Looks up the boiling point of a liquid.", parameters=_liquid_schema()
        )
        how: set[Mechanism] = set()

        def seen(reply: Reply) -> tuple[bool, str]:
            right = any(call.name == tool.name and not call.malformed for call in reply.tool_calls)
            if right:
                how.add(reply.mechanism)
            by = {
                Mechanism.NATIVE_TOOLS: "read by the server",
                Mechanism.CONTENT_TOOLS: "read out of the text",
            }
            return (
                right,
                f"the tool was called, {by[reply.mechanism]}" if right else f"it said {_quoted(reply)}",
            )

        forced = self._try(
            "forced_tool", seen, _HELLO, tools=(tool,), tool_choice=tool.name, thinking=self._quiet
        )
        self._seen["forced_tool"] = bool(forced)
        question = "Use the tool look_up to find the boiling point of water."
        self._try("tools", seen, question, tools=(tool,), thinking=self._quiet)
        if Mechanism.NATIVE_TOOLS in how:
            self._seen["tools"] = "native"
        else:
            self._seen["tools"] = "content" if how else "none"

    def _images(self) -> None:
        question = "Which colour is this square? One word."
        for colour, (rgb, names) in _COLOURS.items():
            picture = Image.from_bytes(_square(rgb), media_type="image/png")

            def seen(
                reply: Reply, colour: str = colour, names: frozenset[str] = names
            ) -> tuple[bool | None, str]:
                named = set(re.findall(r"[a-z]+", reply.text.lower())) & _NAMES
                if reply.finish is not Finish.REFUSAL and named and named <= names:
                    return True, "it named the colours of two squares"
                return None, f"a {colour} square was accepted, and called {_quoted(reply)}"

            found = self._try("images", seen, question, parts=(picture,), thinking=self._quiet)
            self._seen["images"] = found
            if not found:
                return
            self._findings.pop()
        self._note("images", True, "it named the colours of two squares")

    def _context(self, listed: tuple[dict[str, Any], ...]) -> None:
        tokens = _context_of(listed, self._gateway.entry.model)
        told = "the list of models says so"
        if tokens is None:
            try:
                self._ask(_HELLO, max_tokens=_MANY_TOKENS, patience_s=min(20.0, self._patience_s))
                told = "the server takes any limit"
            except ContextOverflowError as error:
                tokens, told = error.limit, "the server said so when asked for more"
            except (ModelReplyError, ModelUnavailableError) as error:
                told = str(error)
        self._seen["context_tokens"] = tokens
        self._note("context", tokens is not None or None, f"{tokens} tokens: {told}" if tokens else told)

    def _speed(self) -> None:
        def seen(reply: Reply) -> tuple[bool | None, str]:
            first = reply.first_token_s or 0.0
            seconds = reply.seconds - first
            n = reply.usage.completion_tokens
            if reply.first_token_s is None or seconds <= 0 or n < 2:
                return None, "too short to measure"
            self._seen |= {"tokens_per_s": n / seconds, "first_token_s": first}
            about = "about " if reply.usage.estimated else ""
            return True, f"{about}{n / seconds:.3g} tokens per second, the first after {first:.3g} s"

        self._try("speed", seen, "Count from 1 to 60, in figures.", thinking=self._quiet)

    def _try(
        self, name: str, judge: Callable[[Reply], tuple[bool | None, str]], question: str, **how: Any
    ) -> bool | None:
        try:
            ok, told = judge(self._ask(question, **how))
        except ModelReplyError as error:
            # An empty or endless reply tells nothing of an ability; a refused request does.
            ok, told = (None if _is_silence(error) else False), str(error)
        except ModelUnavailableError as error:
            ok, told = (False if error.kind == "failed" else None), str(error)
        self._note(name, ok, told)
        return ok

    def _ask(
        self,
        question: str,
        *,
        parts: tuple[Image, ...] = (),
        max_tokens: int = _TOKENS,
        patience_s: float | None = None,
        **how: Any,
    ) -> Reply:
        request = Request(
            messages=(Message.user(question, *parts),),
            max_tokens=max_tokens,
            seed=1,
            deadline_s=patience_s or self._patience_s,
            **how,
        )
        return self._gateway.complete(request)

    def _note(self, name: str, ok: bool | None, seen: str) -> None:
        self._findings.append(Finding(name=name, ok=ok, seen=clean_text(seen, limit=300)))


def _is_silence(error: Exception) -> bool:
    return isinstance(error, ModelReplyError) and error.kind in ("empty", "cut", "repetition")


def _quoted(reply: Reply) -> str:
    if reply.finish is Finish.REFUSAL and not reply.text:
        return "nothing, and declined"
    return f'"{clean_text(reply.text, limit=80)}"'


def _secret_schema() -> dict[str, Any]:
    properties = {"code": {"type": "string", "enum": [_SECRET]}}
    return {"type": "object", "properties": properties, "required": ["code"], "additionalProperties": False}


def _is_secret(reply: Reply) -> bool:
    try:
        return bool(load_tolerant(reply.text) == {"code": _SECRET})
    except ModelReplyError:
        return False


def _liquid_schema() -> dict[str, Any]:
    properties = {"liquid": {"type": "string", "enum": ["water", "ethanol"], "description": "Which liquid."}}
    return {"type": "object", "properties": properties, "required": ["liquid"], "additionalProperties": False}


def _engine_of(listed: tuple[dict[str, Any], ...]) -> str:
    return next((_ENGINES[o] for one in listed if (o := str(one.get("owned_by")).lower()) in _ENGINES), "")


def _context_of(listed: tuple[dict[str, Any], ...], model: str) -> int | None:
    own = [one for one in listed if one.get("id") == model] or list(listed[:1])
    for one in own:
        meta = one.get("meta")
        places = [one, meta] if isinstance(meta, dict) else [one]
        for place in places:
            for name in ("max_model_len", "context_length", "context_window", "n_ctx"):
                value = place.get(name)
                if isinstance(value, int) and value > 0:
                    return value
    return None


def _square(rgb: bytes, side: int = 64) -> bytes:
    """Return the PNG file of a square of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\x00" + rgb * side) * side
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
