"""The fenced blocks of a Markdown page, with what is to be done with them.

A page may say something about the block that follows, in a comment of its own:

    <!-- not run: REASON -->              a block that is shown only
    <!-- exits N -->                      the commands of a console block end with this exit code
    <!-- must be refused: REASON -->      a goal file that is wrong on purpose
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"

BLOCK_PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
"""The pages whose blocks are run."""

TOGETHER = [
    DOCS / "tutorial" / "first-campaign.md",
    ROOT / "README.md",
    DOCS / "tutorial" / "a-living-knowledge-base.md",
    DOCS / "how-to" / "knowledge-base.md",
]
"""Pages that follow each other in one folder: the later ones look at what the first one made."""

LANGUAGES = {"console", "csv", "json", "python", "text", "toml", "yaml"}
"""The languages that a block may have; each is run, loaded or parsed, but for ``text``."""

_DIRECTIVE = re.compile(r"<!--\s*(not run|exits|must be refused):?\s*(.*?)\s*-->", re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    """Where it begins, counted from 1."""
    language: str
    title: str
    """The file that it is written to; empty without one."""
    text: str
    directive: str
    reason: str

    @property
    def place(self) -> str:
        """Page and line, for messages."""
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a console block, their output left out."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]

    @property
    def expected_code(self) -> int:
        """The exit code of its commands."""
        return int(self.reason) if self.directive == "exits" else 0


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    directive = reason = ""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            found = _DIRECTIVE.search(token.content)
            directive, reason = (found[1], found[2]) if found else ("", "")
        elif token.type == "fence":
            assert token.map is not None
            language, _, rest = token.info.strip().partition(" ")
            title = _TITLE.search(rest)
            yield Block(
                page, token.map[0] + 1, language, title[1] if title else "", token.content, directive, reason
            )
            directive = reason = ""
        elif token.type in ("paragraph_open", "heading_open"):
            directive = reason = ""
