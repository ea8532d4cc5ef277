"""Documents as passages that know their page and their place: PDF, Markdown, HTML, plain text."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError
from novum.core.knowledge import DataClass, Level
from novum.core.text import clean_text
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.parsing import need, parsing
from novum.knowledge_base.ingest.passages import passages

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from pypdf import PdfReader

MAX_TAGS = 200_000
"""Tags of one HTML document; each costs about a kilobyte."""

MAX_MARKUP_CHARS = 5_000_000
"""Characters of one Markdown or HTML document."""

_METHODS = re.compile(
    r"materials?\b.{1,60}\bmethods?|methods?|methodology|experimental|procedures?|protocols?|"
    r"(?:synthesis|preparation|fabrication|characteri[sz]ation)(?:\s+of\b.{1,80})?|"
    r"computational\s+(?:details|methods?)|data\s+(?:acquisition|collection|analysis)|statistical\s+analysis",
    re.IGNORECASE,
)
_THEORY = re.compile(
    r"theory|theoretical\s+(?:background|framework|model)|governing\s+equations", re.IGNORECASE
)
_OTHER = re.compile(
    r"abstract|summary|introduction|background|results?|discussion|conclusions?|outlook|references|"
    r"bibliography|acknowledge?ments?|appendix|supplementary|supporting\s+information",
    re.IGNORECASE,
)
_NUMBERED = r"^[ \t]*(?:(?:\d+(?:\.\d+)*|[IVX]+)[.)]?[ \t]+)?"
_HEADING = re.compile(
    rf"{_NUMBERED}(?P<title>(?:{_METHODS.pattern}|{_THEORY.pattern}|{_OTHER.pattern})"
    r"(?: (?:and|section|details|methods?|discussion|procedures?))*) ?:?",
    re.IGNORECASE,
)
_SHORT_LINE = re.compile(r"(?:\A|(?<=[\r\n]))[^\r\n]{1,120}(?=\r|\n|\Z)")
_HIDES = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|$)", re.I
)
_BLOCK = re.compile(
    r"address|article|aside|blockquote|br|caption|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    r"h[1-6]|header|hr|legend|li|main|nav|ol|p|pre|section|table|td|th|tr|ul"
)
_UNSEEN = ("script", "style", "template", "noscript", "svg", "math", "iframe", "object", "head")


@dataclass(frozen=True, slots=True)
class _Section:
    """From `start` on, the text belongs under `title`; an empty one ends a section."""

    start: int
    title: str


def read_text(task: Task) -> Iterator[Draft]:
    """Yield the passages of a plain text; a form feed begins a page.

    Raises:
        IngestError: it is no text, or too long.
    """
    text = task.source.text(task.bounds, task.about.encoding)
    pages = text.split("\f")
    start = 0
    for number, page in enumerate(pages, 1):
        place = {"page": number} if len(pages) > 1 else {}
        yield from _drafts(task, page, _found_headings(page), place=place, offset=start)
        start += len(page) + 1


def read_markdown(task: Task) -> Iterator[Draft]:
    """Yield the passages of a Markdown text, as they are written; offsets count in the source.

    Raises:
        IngestError: it is no text, or too long.
    """
    from markdown_it import MarkdownIt

    text = _markup(task)
    line_starts = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", text))]
    sections = []
    with parsing("Markdown"):
        # Only headings are wanted; what stands inside of lines can take time with its square.
        tokens = MarkdownIt("commonmark").disable("inline").parse(text)
    title = ""
    for token, inside in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.map and token.level == 0:
            sections.append(_Section(line_starts[token.map[0]], inside.content))
            title = title or inside.content
    yield from _drafts(task, text, sections, title=title)


def read_html(task: Task) -> Iterator[Draft]:
    """Yield the passages of what a reader of the page sees; offsets count in that text.

    Text that the page hides is left out, and noted.

    Raises:
        IngestError: it is no text, too long, or shows no text.
        MissingExtraError: Beautiful Soup is not installed.
    """
    need("bs4", feature="reading HTML", extra="ingest-documents")
    from bs4 import BeautifulSoup

    markup = _markup(task)
    if (n_tags := markup.count("<")) > MAX_TAGS:
        raise IngestError(f"it has {n_tags} tags; at most {MAX_TAGS} are read")
    with parsing("HTML"):
        soup = BeautifulSoup(markup, "html.parser")
        title = " ".join(soup.title.get_text().split()) if soup.title else ""
        page = _Page(soup)
    if page.hides_text:
        task.note("text that the page hides was left out")
    if not page.text.strip():
        raise IngestError("it shows no text")
    yield from _drafts(task, page.text, page.sections, title=title)


def read_pdf(task: Task) -> Iterator[Draft]:
    """Yield the passages of each page; offsets count in the page's text.

    Raises:
        IngestError: it is encrypted, damaged, too long, or holds no text, as a scan does.
        MissingExtraError: pypdf is not installed.
    """
    need("pypdf", feature="reading PDF", extra="ingest-documents")
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    with task.source.open() as stream:
        with parsing("PDF", PyPdfError, DependencyError, logger="pypdf"):
            document = PdfReader(stream)
            if document.is_encrypted and not document.decrypt(""):
                raise IngestError("it is encrypted; remove its password first")
            n_pages = len(document.pages)
            title, created = _described(document)
        if n_pages > task.bounds.max_pages:
            raise IngestError(f"it has {n_pages} pages; at most {task.bounds.max_pages} are read")
        n_chars = n_empty = 0
        under = ""
        for number in range(1, n_pages + 1):
            with parsing(f"PDF, page {number}", PyPdfError, DependencyError, logger="pypdf"):
                text = document.pages[number - 1].extract_text()
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            n_chars += len(text)
            if n_chars > task.bounds.max_text_chars:
                raise IngestError(f"it has more than {task.bounds.max_text_chars} characters")
            if not text.strip():
                n_empty += 1
                continue
            sections = [_Section(0, under), *_found_headings(text)]
            under = sections[-1].title
            yield from _drafts(task, text, sections, title=title, place={"page": number}, created=created)
    if n_empty == n_pages:
        raise IngestError("it holds no text, as a scan does; recognise its text first")
    if n_empty:
        task.note(f"{n_empty} of {n_pages} pages hold no text")


def level_of(title: str) -> Level:
    """Return the level of what stands under a heading: methodological, theoretical, else factual.

    Example:
        >>> level_of("2.1 Materials and methods").value, level_of("Results").value
        ('methodological', 'factual')
    """
    bare = re.sub(_NUMBERED, "", title).strip(" .:")
    if _METHODS.match(bare):
        return Level.METHODOLOGICAL
    return Level.THEORETICAL if _THEORY.match(bare) else Level.FACTUAL


def _markup(task: Task) -> str:
    text = task.source.text(task.bounds, task.about.encoding)
    if len(text) > MAX_MARKUP_CHARS:
        raise IngestError(f"it has {len(text)} characters; at most {MAX_MARKUP_CHARS} are read")
    return text


def _found_headings(text: str) -> list[_Section]:
    found = (
        (line.start(), _HEADING.fullmatch(" ".join(line.group().split())))
        for line in _SHORT_LINE.finditer(text)
    )
    return [_Section(start, heading["title"]) for start, heading in found if heading]


def _drafts(
    task: Task,
    text: str,
    sections: Sequence[_Section],
    *,
    title: str = "",
    place: dict[str, Any] | None = None,
    offset: int = 0,
    created: datetime | None = None,
) -> Iterator[Draft]:
    """Yield a draft for each passage; none reaches over a heading."""
    starts = [s for s in sections if s.start > 0]
    first = next((s for s in reversed(sections) if s.start <= 0), _Section(0, ""))
    for section, following in zip([first, *starts], [*starts, _Section(len(text), "")], strict=True):
        begin = max(section.start, 0)
        for span in passages(text[begin : following.start]):
            raw = text[begin + span.start : begin + span.end]
            locator: dict[str, Any] = {
                **(place or {}),
                "start": offset + begin + span.start,
                "end": offset + begin + span.end,
            }
            if section.title:
                locator["section"] = clean_text(section.title, limit=200)
            yield Draft(
                data_class=DataClass.TEXT,
                subject=task.subject,
                label=title or task.source.name,
                relation="states",
                text=raw.replace("\xad", ""),  # a soft hyphen is only there to be set
                locator=locator,
                level=level_of(section.title),
                flags=flags_of(raw),
                created=created,
            )


class _Page:
    """What a reader of an HTML document sees, read in one pass however deep its tags are nested."""

    def __init__(self, soup: "BeautifulSoup") -> None:
        from bs4 import CData, Tag
        from bs4.element import NavigableString

        self.hides_text = False
        self._pieces: list[str] = []
        self._length = 0
        self._headings: list[tuple[int, list[str]]] = []
        blocks: dict[int, Tag | None] = {id(soup): None}
        unseen: dict[int, bool] = {}
        """Tags that are not shown → whether by their author's wish."""
        last: Tag | None = None
        for node in soup.descendants:
            parent = id(node.parent)
            if isinstance(node, Tag):
                blocks[id(node)] = node if _BLOCK.fullmatch(node.name) else blocks[parent]
                if parent in unseen or node.name in _UNSEEN or _is_hidden(node):
                    unseen[id(node)] = unseen.get(parent, node.name not in _UNSEEN)
            elif type(node) in (NavigableString, CData):
                if parent in unseen:
                    self.hides_text = self.hides_text or (unseen[parent] and bool(node.strip()))
                    continue
                block = blocks[parent]
                self._add(re.sub(r"\s+", " ", str(node)), block, new=block is not last)
                last = block
        self.text = "".join(self._pieces)
        self.sections = [_Section(start, " ".join("".join(said).split())) for start, said in self._headings]

    def _add(self, text: str, block: "Tag | None", *, new: bool) -> None:
        is_heading = block is not None and re.fullmatch("h[1-6]", block.name) is not None
        if new:
            text = "\n\n" + text.lstrip()
            if is_heading:
                self._headings.append((self._length, []))
        if is_heading and self._headings:
            self._headings[-1][1].append(text)
        self._pieces.append(text)
        self._length += len(text)


def _is_hidden(tag: "Tag") -> bool:
    style = str(tag.get("style") or "")
    return tag.has_attr("hidden") or tag.get("aria-hidden") == "true" or bool(_HIDES.search(style))


def _described(document: "PdfReader") -> tuple[str, datetime | None]:
    """Return the title and the date that a PDF gives of itself, as far as they can be read."""
    about = document.metadata
    if about is None:
        return "", None
    title = clean_text(" ".join((about.title or "").split()), limit=200)
    try:
        created = about.creation_date
    except ValueError:
        return title, None
    if created is not None and created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    return title, created
