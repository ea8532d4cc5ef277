"""The tiny model, word by word: sampling, and a grammar that leaves only the words that a schema allows."""

import hashlib
import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novum.agents.models.tiny.making import CALL, CALLED, SPECIAL

CLOSERS = ('"', ",", "}", "]", " ", "\n")
"""A word that begins so may end a value in JSON."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one completion is asked for.

    Args:
        prompt: the prompt's tokens.
        schema: JSON schema of the whole answer; None for free text.
        tools: JSON schema by the name of each tool that may be called.
        forced: whether a tool must be called.
        max_tokens: most tokens to write.
        temperature: 0 takes the likeliest word each time.
        top_k: how many words are drawn from; 0 for all.
        top_p: least probability of the words that are drawn from, together.
        seed: fixes the draw; None takes it from the prompt, so that the same question has the same answer.
        stop: texts that end the answer, and are left out.
    """

    prompt: list[int]
    schema: dict[str, Any] | None = None
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    forced: bool = False
    max_tokens: int = 256
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a completion as it is written."""

    text: str = ""
    in_call: bool = False
    """Whether the text belongs to a tool call."""
    tokens: int = 0
    """Tokens written so far."""
    finish: str | None = None
    """``stop``, ``length`` or ``tool_calls``, in the last piece."""


class SchemaRefusedError(ValueError):
    """A schema that no grammar can be made of."""


class TinyModel:
    """The model in memory; one completion is written at a time.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        import llguidance
        import llguidance.hf
        import torch
        from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

        self._torch, self._llguidance = torch, llguidance
        self._tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder)
        load: Any = Qwen2ForCausalLM
        self._model = load.from_pretrained(folder)
        self._model.eval()
        self.context: int = self._model.config.max_position_embeddings
        self._size: int = self._model.config.vocab_size
        self._pressure: float = self._model.config.closing_pressure
        self._guide = llguidance.hf.from_tokenizer(self._tokenizer, n_vocab=self._size)
        self._lock = threading.Lock()
        ids: dict[str, int] = self._tokenizer.get_vocab()
        self._end = self._model.config.eos_token_id
        self._call, self._called = ids[CALL], ids[CALLED]
        # What never belongs into free text.
        self._never = [ids[token] for token in (*SPECIAL, CALLED) if ids[token] != self._end]
        texts = [self._tokenizer.decode([number]) for number in range(self._size)]
        self._closes = torch.tensor([text.startswith(CLOSERS) for text in texts])

    def encode(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> list[int]:
        """Return a conversation as tokens, up to where the answer begins."""
        text = self._tokenizer.apply_chat_template(
            messages, tools=tools or None, tokenize=False, add_generation_prompt=True
        )
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def check(self, wish: Wish) -> None:
        """Check that a grammar can be made of every schema.

        Raises:
            SchemaRefusedError: it cannot, with the reason.
        """
        if wish.schema is not None:
            self._matcher(wish.schema)
        if wish.tools:
            self._matcher(call_schema(wish.tools))

    def write(self, wish: Wish) -> Generator[Piece, None, None]:
        """Yield a completion as it is written; the last piece says why it ends.

        Raises:
            SchemaRefusedError: no grammar can be made of a schema.
        """
        with self._lock:
            yield from self._write(wish)

    def _write(self, wish: Wish) -> Generator[Piece, None, None]:
        in_call = wish.forced and bool(wish.tools)
        schema = call_schema(wish.tools) if in_call else wish.schema
        matcher = self._matcher(schema) if schema is not None else None
        draw = self._torch.Generator().manual_seed(_seed(wish))
        text = _Text(self._tokenizer, wish.stop)
        logits, memory = self._read(wish.prompt, None)
        run = 0
        for count in range(1, wish.max_tokens + 1):
            if matcher is None:
                logits[self._never if wish.tools else [*self._never, self._call]] = float("-inf")
            else:
                logits = logits + self._closes * (self._pressure * run * run)
                logits = logits.masked_fill(~self._allowed(matcher), float("-inf"))
            token = self._choose(logits, wish, draw)
            if token == self._end:
                yield Piece(text.rest(), in_call, count, "tool_calls" if in_call else "stop")
                return
            if matcher is None and token == self._call:
                yield Piece(text.rest(), tokens=count)
                in_call, matcher = True, self._matcher(call_schema(wish.tools))
                text, run = _Text(self._tokenizer, ()), 0
            else:
                run = 0 if self._closes[token] else run + 1
                if matcher is not None:
                    matcher.consume_token(token)
                new = text.add(token)
                done = matcher is not None and matcher.is_stopped()
                if text.stopped or done:
                    new += "" if text.stopped else text.rest()
                    yield Piece(new, in_call, count, "tool_calls" if in_call else "stop")
                    return
                if new:
                    yield Piece(new, in_call, count)
            logits, memory = self._read([token], memory)
        yield Piece(text.rest(), in_call, wish.max_tokens, "length")

    def _read(self, tokens: list[int], memory: Any) -> tuple[Any, Any]:
        # Here and not around the whole: a stream's pieces may be fetched from several threads.
        with self._torch.inference_mode():
            read = self._model(
                input_ids=self._torch.tensor([tokens]),
                past_key_values=memory,
                use_cache=True,
                logits_to_keep=1,
            )
        return read.logits[0, -1].clone(), read.past_key_values

    def _choose(self, logits: Any, wish: Wish, draw: Any) -> int:
        torch = self._torch
        if wish.temperature <= 0:
            return int(torch.argmax(logits))
        logits = logits / wish.temperature
        if 0 < wish.top_k < self._size:
            least = torch.topk(logits, wish.top_k).values[-1]
            logits = logits.masked_fill(logits < least, float("-inf"))
        chances = torch.softmax(logits, dim=-1)
        if wish.top_p < 1:
            ordered, order = torch.sort(chances, descending=True)
            # A word stays if those before it do not reach top_p yet: so the first always does.
            chances[order[ordered.cumsum(0) - ordered >= wish.top_p]] = 0
        return int(torch.multinomial(chances, 1, generator=draw))

    def _allowed(self, matcher: Any) -> Any:
        torch = self._torch
        words = torch.frombuffer(bytearray(matcher.compute_bitmask()), dtype=torch.uint8)
        bits = (words.unsqueeze(1) >> torch.arange(8, dtype=torch.uint8)) & 1
        return bits.flatten()[: self._size].bool()

    def _matcher(self, schema: dict[str, Any]) -> Any:
        try:
            grammar = self._llguidance.LLMatcher.grammar_from_json_schema(
                schema, overrides={"whitespace_flexible": False}
            )
        except ValueError as error:
            raise SchemaRefusedError(str(error)) from error
        matcher = self._llguidance.LLMatcher(self._guide, grammar)
        if problem := matcher.get_error():
            raise SchemaRefusedError(problem)
        return matcher


def call_schema(tools: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a call of one of those tools."""
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, "arguments": parameters},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for name, parameters in tools.items()
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _seed(wish: Wish) -> int:
    if wish.seed is not None:
        return wish.seed % 2**63
    said = json.dumps([wish.prompt, wish.schema, sorted(wish.tools)], sort_keys=True)
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:7], "big")


class _Text:
    """Tokens → text, as they come: no half characters, and nothing from a stop text on."""

    def __init__(self, tokenizer: Any, stop: tuple[str, ...]) -> None:
        self._tokenizer, self._stop = tokenizer, stop
        self._tokens: list[int] = []
        self._said = 0
        self.stopped = False

    def add(self, token: int) -> str:
        self._tokens.append(token)
        return self._take(final=False)

    def rest(self) -> str:
        return self._take(final=True)

    def _take(self, *, final: bool) -> str:
        text = self._tokenizer.decode(self._tokens, clean_up_tokenization_spaces=False)
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            end = min(found)
        else:
            # A character of several bytes, or a stop text, may be unfinished.
            held = 0 if final else max((len(stop) - 1 for stop in self._stop), default=0)
            text = text if final else text.rstrip("\ufffd")
            end = max(self._said, len(text) - held)
        new = text[self._said : end]
        self._said = max(self._said, end)
        return str(new)
