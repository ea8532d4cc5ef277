"""Text cut into passages that end where a sentence does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

TARGET_CHARS = 1_000
"""A passage is closed by the first end of a sentence after which the next would exceed this."""

_PARAGRAPH = re.compile(r"(?:\r\n|\r|\n)(?:[ \t]*(?:\r\n|\r|\n))+|\f")
_END = re.compile(r"""[.!?…。！？]["'”’)\]]*(?=\s)|[。！？]""")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|ca|vs|etc|al|approx|resp|viz|no|nos|fig|figs|eq|eqs|ref|refs|tab|sec|ch|vol|"
    r"pp?|ed|eds|dr|prof|mr|mrs|ms|st|jr|inc|ltd|co|corp|dept|univ|min|max|wt|mol|conc|temp|aq|sat)"
    r"|\b[A-Z])\.$",
    re.IGNORECASE,
)
# After these a sentence may well end: "… for 30 min. The …".
_UNIT_LIKE = re.compile(r"\b(?:min|max|mol|wt|al|etc|co|inc|ltd|aq|sat|conc|temp|no)\.$", re.IGNORECASE)
_STARTS = re.compile(r"\s+[\"'“‘(\[]*(?:[A-Z][a-z]|[A-Z]\s|[A-Z]{2,})")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text, from `start` up to but without `end`, in characters from 0."""

    start: int
    end: int


def passages(text: str, *, target: int = TARGET_CHARS) -> Iterator[Span]:
    """Yield spans that cover all of `text` but its white space, in order and without overlap.

    Paragraphs are joined while they fit into `target` characters. A longer one is cut between sentences, a
    longer sentence at white space, and one without any after `target` characters.
    """
    start = end = 0
    for paragraph in _paragraphs(text):
        if paragraph.end - start <= target:
            end = paragraph.end
            continue
        yield from _trimmed(text, start, end)
        start = end = paragraph.start
        for sentence in _sentences(text, paragraph):
            if sentence.end - start > target and end > start:
                yield from _trimmed(text, start, end)
                start = sentence.start
            while sentence.end - start > target:
                cut = _cut(text, start, start + target)
                yield from _trimmed(text, start, cut)
                start = cut
            end = sentence.end
    yield from _trimmed(text, start, end)


def _paragraphs(text: str) -> Iterator[Span]:
    start = 0
    for gap in _PARAGRAPH.finditer(text):
        yield Span(start, gap.start())
        start = gap.end()
    yield Span(start, len(text))


def _sentences(text: str, within: Span) -> Iterator[Span]:
    start = within.start
    for mark in _END.finditer(text, within.start, within.end):
        before = text[max(start, mark.end() - 12) : mark.end()]
        if text[mark.start()] == "." and _ABBREVIATION.search(before):
            begins = _STARTS.match(text, mark.end(), within.end)
            if not (_UNIT_LIKE.search(before) and begins):
                continue
        yield Span(start, mark.end())
        start = mark.end()
    if start < within.end:
        yield Span(start, within.end)


def _cut(text: str, start: int, latest: int) -> int:
    for place in range(latest, start, -1):
        if text[place].isspace():
            return place
    return latest


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield Span(start, end)
