"""Nothing of a key is repeated, whoever repeats it: a server, a proxy between, or the model itself."""

from typing import Any

from pydantic import SecretStr

PIECE = 8
"""Characters of a key in a row that are never repeated. Fewer tell nothing, and stand in many words."""
MARK = "[key]"


class Discretion:
    """Takes a key, and what is left of one that was cut, out of texts.

    A key of fewer than `PIECE` characters, as ``EMPTY``, is no secret, and taken out only as a whole word of
    an error.

    Args:
        key: what is not to be repeated; None where there is none.

    Example:
        >>> Discretion(SecretStr("sk-0123456789abcdef")).hide("your header was: Bearer sk-0123456789ab…")
        'your header was: Bearer [key]…'
    """

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key.get_secret_value() if key is not None else ""
        self._pieces = frozenset(self._key[i : i + PIECE] for i in range(len(self._key) - PIECE + 1))

    def __repr__(self) -> str:
        return "Discretion()"

    def hide(self, text: str) -> str:
        """Return `text` without the key and without pieces of it."""
        kept, at = [], 0
        for start, end in self._spans(text):
            kept += [text[at:start], MARK]
            at = end
        return "".join([*kept, text[at:]])

    def hide_in_error(self, text: str) -> str:
        """Return `text` as `hide` does, without a short key as well."""
        return self.hide(text) if self._pieces or not self._key else text.replace(self._key, MARK)

    def hide_in(self, value: Any) -> Any:
        """Return JSON data without the key in any of its texts."""
        match value:
            case str():
                return self.hide(value)
            case list():
                return [self.hide_in(one) for one in value]
            case dict():
                return {self.hide(key): self.hide_in(one) for key, one in value.items()}
        return value

    def settled(self, text: str) -> int:
        """Return how much of a growing `text` holds no beginning of what may become a piece of the key."""
        if not self._pieces:
            return len(text)
        end = len(text)
        while end > 0 and text[end - 1 :] in self._key:
            end -= 1
        return next((start for start, stop in self._spans(text) if start < end < stop), end)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        if not self._pieces:
            return spans
        for i in range(len(text) - PIECE + 1):
            if text[i : i + PIECE] in self._pieces:
                begin = spans.pop()[0] if spans and i <= spans[-1][1] else i
                spans.append((begin, i + PIECE))
        return spans
