"""The window: what a model gets to see in a number of tokens. Pure: equal arguments give equal windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

BYTES_PER_TOKEN = 3.0
"""Of prose mixed with numbers and SMILES. Most tokenisers need fewer tokens; this errs to the safe side."""


def estimate_tokens(text: str) -> int:
    """Return how many tokens a text takes at most, roughly, without the model's own tokeniser.

    Example:
        >>> estimate_tokens("CCO has a gap of 7.1 eV")
        8
    """
    return -(-len(text.encode()) // int(BYTES_PER_TOKEN))


@dataclass(frozen=True, slots=True)
class Section:
    """Lines of one kind, the most important first.

    `least` of them are kept before any section gets more, as far as there is room at all.
    """

    name: str
    lines: tuple[str, ...]
    least: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """What fits."""

    lines: dict[str, tuple[str, ...]]
    """Section → its lines that fit, in their order."""
    left_out: dict[str, int]
    """Section → how many lines do not; only those that lose some."""
    tokens: int
    """Of all lines together."""


def fit_window(
    sections: Sequence[Section], *, tokens: int, count: Callable[[str], int] = estimate_tokens
) -> Window:
    """Return as many lines of each section as fit into `tokens` together.

    First every section gets its `least` lines, in the order of the sections; then each in turn one more.
    A line that does not fit ends its section, so that none is shown with a gap.

    Args:
        sections: the most important first.
        tokens: room for all of them.
        count: tokens of one line, its end included.

    Example:
        >>> seen = fit_window([Section("known", ("a", "b")), Section("notes", ("c" * 300,))], tokens=20)
        >>> seen.lines["known"], seen.left_out
        (('a', 'b'), {'notes': 1})
    """
    taken = dict.fromkeys((s.name for s in sections), 0)
    full: set[str] = set()
    used = 0

    def take(section: Section) -> bool:
        nonlocal used
        n = taken[section.name]
        if section.name in full or n == len(section.lines):
            return False
        size = count(section.lines[n])
        if used + size > tokens:
            full.add(section.name)
            return False
        used += size
        taken[section.name] = n + 1
        return True

    for section in sections:
        while taken[section.name] < section.least and take(section):
            pass
    while sum(take(section) for section in sections):  # every section has its turn
        pass
    return Window(
        lines={s.name: s.lines[: taken[s.name]] for s in sections},
        left_out={s.name: len(s.lines) - taken[s.name] for s in sections if taken[s.name] < len(s.lines)},
        tokens=used,
    )
