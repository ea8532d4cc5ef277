"""Standard output and standard error, as consoles and as streams of JSON."""

import json
import sys
from typing import Any

from rich.console import Console, RenderableType

from novum.sandbox.text import clean_text

WIDE = 1000
"""Columns where nobody looks at the width: in a pipe or a file, a row stays one line."""


def out() -> Console:
    """Return the console for answers. Without a terminal it has no colours and does not wrap."""
    return Console(highlight=False, markup=False, emoji=False, width=_width(sys.stdout.isatty()))


def err() -> Console:
    """Return the console for what is not an answer: hints and complaints."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, width=_width(sys.stderr.isatty()))


def show(*renderables: RenderableType) -> None:
    """Print each on standard output."""
    console = out()
    for renderable in renderables:
        console.print(renderable)


def write_json(value: Any, *, indent: int | None = 2) -> None:
    """Print one JSON document on standard output, in plain ASCII and with one final line end."""
    sys.stdout.write(to_json(value, indent=indent) + "\n")
    sys.stdout.flush()


def to_json(value: Any, *, indent: int | None = None) -> str:
    r"""Return `value` as JSON whose text no terminal can take for a command.

    Example:
        >>> to_json({"label": "\x1b[31m\x7f"})
        '{"label": "\\u001b[31m\\u007f"}'
    """
    return json.dumps(value, indent=indent, allow_nan=False).replace("\x7f", "\\u007f")


def write_text(text: str) -> None:
    """Print a document as it is; to a terminal, with everything that would act on it made visible."""
    sys.stdout.write(clean_text(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _width(is_terminal: bool) -> int | None:
    return None if is_terminal else WIDE
