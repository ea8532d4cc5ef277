"""A reply as it arrives, piece by piece."""

import time
from collections.abc import Iterable
from typing import Any

from novum.agents.models.base import OnWord
from novum.agents.models.dialects import to_tool_use
from novum.agents.models.reading import whole_text
from novum.agents.models.repetition import Repetition
from novum.core.conversation import ToolUse


class Words:
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
