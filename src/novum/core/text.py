"""Text that came from outside, made to show instead of act."""

import re
from typing import Final

# C0 without tab and newline, DEL, C1, soft hyphen, zero-width and bidirectional marks, line
# separators, invisible operators, variation selectors, BOM, interlinear marks, surrogates, tags
UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Every character that acts instead of showing."""


def clean_text(text: str, *, limit: int | None = None) -> str:
    r"""Return `text` with every character that acts instead of showing replaced by its escape.

    Terminal control, bidirectional overrides, zero-width and tag characters become visible, such as
    ``\x1b``. Line ends become ``\n``. Longer texts are cut to `limit` characters and marked.

    Example:
        >>> clean_text("red \x1b[31m")
        'red \\x1b[31m'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
    if limit is not None and len(text) > limit:
        mark = " [cut]"
        text = text[: max(0, limit - len(mark))] + mark
    return text
