"""A report as Markdown, for a repository or a notebook."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from novum.core.science import ClaimStatus
from novum.workflows.reporting import figures
from novum.workflows.reporting.report import Report, Sentence

STATUS_WORDS: Mapping[ClaimStatus, str] = {
    ClaimStatus.CONFIRMED: "confirmed",
    ClaimStatus.NOT_CONFIRMED: "not confirmed",
    ClaimStatus.SHORT: "short of the goal",
    ClaimStatus.UNCONFIRMED: "unconfirmed",
}


def to_markdown(report: Report) -> str:
    """Return the report as Markdown (CommonMark with tables).

    Text that comes from tools or files can neither form markup nor links: it is escaped, and the names of
    candidates stand in code spans.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("novum.workflows.reporting", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the text is Markdown; `md` and `code` escape for it
    )
    environment.filters |= {
        "md": escape_markdown,
        "code": code_span,
        "sentence": sentence_to_markdown,
        "duration": figures.duration,
        "number": figures.number,
        "cites": _cites,
    }
    text = environment.get_template("report.md.j2").render(**template_values(report))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def template_values(report: Report) -> dict[str, Any]:
    """Return what both templates name."""
    return {"report": report, "status_words": STATUS_WORDS, "count": figures.count}


def escape_markdown(text: str) -> str:
    r"""Return text that shows as itself in a paragraph or a table's cell.

    Example:
        >>> escape_markdown("a_b *c* <d> [e](f) | homo_lumo_gap")
        'a_b \\*c\\* \\<d> \\[e\\](f) \\| homo_lumo_gap'
    """
    text = re.sub(r"([\\`*<\[\]|~$])", r"\\\1", text)
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    # Some readers make links of bare addresses.
    text = re.sub(r"@(?=[\w-]+\.)", "&#64;", text.replace("://", "&#58;//"))
    return re.sub(r"\bwww\.", "www&#46;", text, flags=re.IGNORECASE)


def code_span(text: str, *, cell: bool = True) -> str:
    """Return text as a code span that nothing inside can end, fit for a table's cell unless `cell` is off.

    Example:
        >>> code_span("C[C@H](O)C")
        '`C[C@H](O)C`'
    """
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    inside = (text.replace("|", "\\|") if cell else text) or " "
    space = " " if inside.startswith("`") or inside.endswith("`") else ""
    return f"{fence}{space}{inside}{space}{fence}"


def sentence_to_markdown(sentence: Sentence) -> str:
    """Return a sentence with its citations."""
    return "".join(
        (code_span(p.text, cell=False) if p.kind == "label" else escape_markdown(p.text))
        + (f" {_cites(p.cites)}" if p.cites else "")
        for p in sentence
    )


def _cites(names: Iterable[str]) -> str:
    return f"[{', '.join(escape_markdown(name) for name in names)}]"
