"""A report as one HTML page that needs nothing else: no script, no request, plots and drawings inside."""

import re
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from novum.workflows.reporting import figures
from novum.workflows.reporting.markdown import template_values
from novum.workflows.reporting.report import Report, Sentence

if TYPE_CHECKING:
    from markupsafe import Markup

DRAWN = 10
"""Candidates whose structure is drawn."""


def to_html(report: Report) -> str:
    """Return the report as a self-contained HTML page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("novum.workflows.reporting", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    known = _anchors(report)
    environment.filters |= {
        "sentence": lambda sentence: sentence_to_html(sentence, known),
        "cites": lambda names: citations(names, known),
        "anchor": anchor,
        "duration": figures.duration,
        "number": figures.number,
    }
    # Drawings and plots are made here, of escaped texts, and go in as they are.
    plots = {name: Markup(svg) for name, svg in _plots(report).items()}  # noqa: S704
    drawings = {text: Markup(svg) for text, svg in _drawings(report).items()}  # noqa: S704
    text = environment.get_template("report.html.j2").render(
        plots=plots, drawings=drawings, **template_values(report)
    )
    return re.sub(r"\n\s*\n+", "\n", text).strip() + "\n"


def anchor(name: str) -> str:
    """Return the fragment under which a record's row stands in the page."""
    return re.sub(r"[^\w-]+", "-", name)


def citations(names: Iterable[str], known: Container[str]) -> "Markup":
    """Return records in brackets, as links where they have a row in this page."""
    from markupsafe import Markup

    links = [
        Markup('<a href="#{}">{}</a>').format(anchor(name), name) if name in known else Markup.escape(name)
        for name in names
    ]
    return Markup('<span class="cite">[{}]</span>').format(Markup(", ").join(links)) if links else Markup("")


def sentence_to_html(sentence: Sentence, known: Container[str]) -> "Markup":
    """Return a sentence with its citations."""
    from markupsafe import Markup

    parts = []
    for piece in sentence:
        text = Markup.escape(piece.text)
        parts.append(Markup("<code>{}</code>").format(text) if piece.kind == "label" else text)
        if piece.cites:
            parts.append(Markup(" ") + citations(piece.cites, known))
    return Markup("").join(parts)


def _plots(report: Report) -> dict[str, str]:
    from novum.workflows.reporting import plots

    drawn = {
        "progress": plots.plot_progress(
            report.axis, report.series, report.control.series if report.control else None
        ),
        "budget": plots.plot_budget(report.spending),
    }
    for i, scatter in enumerate(report.fronts):
        drawn[f"front{i}"] = plots.plot_scatter(scatter, f"front{i}")
    for i, agreement in enumerate(report.agreements):
        drawn[f"agreement{i}"] = plots.plot_agreement(agreement, f"agreement{i}")
    return drawn


def _drawings(report: Report) -> dict[str, str]:
    from novum.workflows.reporting.drawings import draw_molecule

    wanted = [f.smiles for f in report.findings] + [c.smiles for c in report.candidates[:DRAWN]]
    drawn = {smiles: draw_molecule(smiles) for smiles in dict.fromkeys(wanted) if smiles}
    return {smiles: svg for smiles, svg in drawn.items() if svg}


def _anchors(report: Report) -> frozenset[str]:
    """Return the records that have a row of their own, so that nothing links to nowhere."""
    return frozenset(
        [
            *(h.id for h in report.hypotheses),
            *(e.id for e in report.experiments),
            *(f.id for f in report.findings),
            *(name for name, _, _ in (report.control.steps if report.control else ())),
        ]
    )
