"""Lines of a text that may hold none."""

import io
from collections.abc import Iterator

from novum.core.errors import IngestError

MAX_LINE_CHARS = 16 * 2**20


def bounded_lines(stream: io.TextIOBase, *, limit: int = MAX_LINE_CHARS) -> Iterator[str]:
    """Yield the lines of a text with their ends.

    Raises:
        IngestError: a line is longer than `limit`, or holds a null.
    """
    number = 0
    while line := stream.readline(limit):
        number += 1
        if len(line) == limit and not line.endswith(("\n", "\r")):
            raise IngestError(f"line {number} is longer than {limit} characters")
        if "\x00" in line:
            raise IngestError(f"line {number} holds a null, and so is no text")
        yield line
