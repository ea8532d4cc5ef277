"""A reply as it arrives, piece by piece."""

import time
from collections.abc import Iterable
from typing import Any

from novum.agents.models.base import OnWord
from novum.agents.models.dialects import to_tool_use
from novum.agents.models.discretion import Discretion
from novum.agents.models.reading import whole_text
from novum.agents.models.repetition import Repetition
from novum.core.conversation import ToolUse


class Words:
    """What has been said so far.

    Args:
        on_word: called with each piece of the text; what may begin a key waits for what follows.
        most: characters after which nobody listens any more, reasoning and tool calls counted.
        discretion: takes the key out of what `on_word` gets.
    """

    def __init__(self, on_word: OnWord | None, *, most: int, discretion: Discretion) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.finish = ""
        self.usage: Any = None
        self.first_at: float | None = None
        self.loop = Repetition()
        self.late = False
        self.full = False
        """It was longer than anybody listens."""
        self._room = most
        self._waiting = ""
        self._discretion = discretion
        self._calls: dict[int, dict[str, str]] = {}
        self._on_word = on_word

    def hear(self, pieces: Iterable[Any], *, end: float) -> None:
        """Take in a reply piece by piece, until its end, a loop, its greatest length, or the deadline."""
        for piece in pieces:
            self.usage = getattr(piece, "usage", None) or self.usage
            for choice in piece.choices[:1]:
                said = getattr(choice, "delta", None) or getattr(choice, "message", None)
                self.finish = choice.finish_reason or self.finish
                if said is not None and self._take(said):
                    self._hand_on("", last=True)
                    return
            if time.monotonic() > end:
                self.late = True
                return
        self._hand_on("", last=True)

    def _take(self, said: Any) -> bool:
        """Take in one piece; say whether the reply has become a loop, or too long."""
        text = self._fitting(said.content)
        reasoning = self._fitting(getattr(said, "reasoning_content", None))
        grown = text + reasoning
        self.text.append(text)
        self.reasoning.append(reasoning)
        for position, wanted in enumerate(said.tool_calls or ()):
            index = getattr(wanted, "index", None)
            call = self._calls.setdefault(
                position if index is None else index, {"id": "", "name": "", "arguments": ""}
            )
            arguments = self._fitting(wanted.function.arguments)
            call["id"] = call["id"] or self._fitting(wanted.id)
            call["name"] += self._fitting(wanted.function.name)
            call["arguments"] += arguments
            grown += arguments
            if self.full:
                break
        if not grown and not said.tool_calls:
            return self.full
        if self.first_at is None:
            self.first_at = time.monotonic()
        if text:
            self._hand_on(text)
        return self.loop.add(grown) or self.full

    def _fitting(self, text: str | None) -> str:
        """Return what of `text` there is still room for."""
        text = text or ""
        if len(text) > self._room:
            self.full, self.finish = True, "length"
            text = text[: self._room]
        self._room -= len(text)
        return text

    def _hand_on(self, text: str, *, last: bool = False) -> None:
        if self._on_word is None:
            return
        self._waiting += text
        n = len(self._waiting) if last else self._discretion.settled(self._waiting)
        told, self._waiting = self._waiting[:n], self._waiting[n:]
        if told:
            self._on_word(self._discretion.hide(told))

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
