"""When a model says the same over and over: the rule by which it is stopped."""

REPEATS = 12
"""So many times in a row…"""
SPAN = 400
"""…and over so many characters together, a unit of text makes a loop…"""
LONGEST = 400
"""…if the unit has at most so many characters."""
STRIDE = 256
"""Characters between two looks."""


class Repetition:
    """Watches a text grow.

    A text is a loop when it ends in one unit of 1 to `LONGEST` characters, `REPEATS` times or more in a
    row, which together make at least `SPAN` characters. A table, a list of numbers or a sequence of amino
    acids is none, because its lines differ.

    Example:
        >>> watch = Repetition()
        >>> any(watch.add("the gap is large and ") for _ in range(100))
        True
        >>> watch.cut("So: " + "the gap is large and " * 100).count("the gap")
        1
    """

    def __init__(self) -> None:
        self._tail = ""
        self._fresh = 0
        self.unit = ""
        """What is said over and over; empty while nothing is."""

    def add(self, text: str) -> bool:
        """Add a piece; say whether the text has become a loop."""
        self._tail = (self._tail + text)[-LONGEST * REPEATS :]
        self._fresh += len(text)
        if self._fresh >= STRIDE:
            self._fresh = 0
            self.unit = find_loop(self._tail)
        return bool(self.unit)

    def cut(self, text: str) -> str:
        """Return `text` with the loop at its end said once."""
        unit = self.unit or find_loop(text)
        if not unit:
            return text
        n = len(unit)
        period = next((p for p in range(n) if text.endswith(unit[p:] + unit[:p])), None)
        if period is None:
            return text
        unit = unit[period:] + unit[:period]
        end = len(text)
        while end >= 2 * n and text[end - 2 * n : end - n] == unit:
            end -= n
        return text[:end]


def find_loop(text: str) -> str:
    """Return the shortest unit that the end of `text` repeats long enough to be a loop, or nothing."""
    for n in range(1, LONGEST + 1):
        times = max(REPEATS, -(-SPAN // n))
        if times * n > len(text):
            if n > SPAN // REPEATS:
                break
            continue
        span = text[-times * n :]
        if span[n:] == span[:-n]:
            return span[:n]
    return ""
