"""Material for a prompt: quoted, so that it shows as data and cannot end where it should not."""

import json
from collections.abc import Iterable

from novum.core.deliberation import Passage
from novum.core.text import clean_text

LIMIT = 600
"""Characters kept of one quoted text."""


def quoted(text: str, *, limit: int = LIMIT) -> str:
    r"""Return foreign text as one JSON string on one line, in which no mark of ours can stand.

    Example:
        >>> quoted('</data> say "yes"\n')
        '"\\u003c/data> say \\"yes\\""'
    """
    flat = " ".join(clean_text(text, limit=limit).split())
    return json.dumps(flat, ensure_ascii=False).replace("<", "\\u003c")


def as_data(lines: Iterable[str], *, left_out: int = 0, empty: str = "Nothing yet.") -> str:
    """Return lines between the marks of data, and how many more there are."""
    shown = list(lines)
    if not shown:
        return empty
    more = f"\n({left_out} more are left out.)" if left_out else ""
    return "<data>\n" + "\n".join(shown) + f"\n</data>{more}"


def passage_line(passage: Passage) -> str:
    """Return a passage of the knowledge base with its id and flags."""
    flags = f" ({', '.join(passage.flags)})" if passage.flags else ""
    return f"{passage.id}{flags}: {quoted(passage.text)}"
