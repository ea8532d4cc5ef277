"""How a report writes numbers, units and foreign text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from novum.core.goals import Objective, ObjectiveKind
from novum.core.quantity import Quantity
from novum.core.science import FalsificationKind, FalsificationRule
from novum.workflows.reporting import figures
from novum.workflows.reporting.drawings import draw_molecule
from novum.workflows.reporting.markdown import code_span, escape_markdown
from novum.workflows.reporting.plots import plot_progress
from novum.workflows.reporting.report import Axis, Point, Series


@settings(deadline=None, max_examples=60)
@given(st.floats(min_value=-1e300, max_value=1e300))
def test_a_number_keeps_four_digits(value):
    assert float(figures.number(value)) == pytest.approx(value, rel=6e-4, abs=1e-300)


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (Quantity(value=0.83124), "0.8312"),
        (Quantity(value=20), "20"),
        (Quantity(value=4.312, unit="eV", std=0.12), "4.31 ± 0.12 eV"),
        (Quantity(value=1.5, unit="angstrom**2"), "1.5 Å²"),
        (Quantity(value=0.9, std=1e-12), "0.9 ± 1.0e-12"),
        (Quantity(value=-1234.5, unit="cm**3/mol", std=0), "-1234 cm³/mol"),
    ],
)
def test_a_quantity_reads_well(quantity, text):
    assert figures.quantity(quantity) == text


@pytest.mark.parametrize(
    ("objective", "text"),
    [
        (Objective(property="a", kind=ObjectiveKind.MAXIMISE), "maximise"),
        (Objective(property="a", kind=ObjectiveKind.MAXIMISE, low=0.8), "maximise, to ≥ 0.8"),
        (Objective(property="a", kind=ObjectiveKind.MINIMISE, high=2, unit="g"), "minimise, to ≤ 2 g"),
        (Objective(property="a", kind=ObjectiveKind.TARGET, target=7, low=6.5, high=7.5), "= 7 ± 0.5"),
        (Objective(property="a", kind=ObjectiveKind.AT_MOST, high=20), "≤ 20"),
    ],
)
def test_a_wish_reads_well(objective, text):
    assert figures.wish(objective) == text


def test_a_rule_keeps_its_numbers():
    rule = FalsificationRule(low=0.5, high=1.25, unit="1")
    assert figures.rule(rule) == "refuted outside 0.5 to 1.25"
    least = FalsificationRule(kind=FalsificationKind.AT_LEAST, low=4, unit="eV")
    assert figures.rule(least) == "refuted below 4 eV"


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=80))
def test_foreign_text_stays_text_in_markdown(text):
    shown = figures.plain(text)
    render = MarkdownIt("commonmark", {"html": True}).enable(["table"]).render
    for written in (f"It is {escape_markdown(shown)}.", f"It is {code_span(shown)}."):
        tags = set(_tags(render(written)))
        assert tags <= {"p", "code"}


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40))
def test_foreign_text_stays_in_its_cell(text):
    shown = figures.plain(text)
    render = MarkdownIt("commonmark", {"html": True}).enable(["table"]).render
    for cell in (escape_markdown(shown), code_span(shown)):
        html = render(f"| a | b |\n| --- | --- |\n| {cell} | last |\n")
        assert html.count("<td>") == 2
        assert "<td>last</td>" in html


def _tags(html):
    from html.parser import HTMLParser

    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append(tag)

    Reader().feed(html)
    return found


@pytest.mark.parametrize(
    "smiles", ["", "not a molecule", "C1CC", "c1cc", "C(C)(C)(C)(C)C", "C" * 501, "\x00"]
)
def test_what_is_no_molecule_is_not_drawn(smiles, capfd):
    assert draw_molecule(smiles) is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("smiles", ["O", "[Na+].[Cl-]", "CC(=O)Nc1ccc(Cl)cc1", "C/C=C\\C", "[Fe]"])
def test_a_molecule_is_drawn_in_the_colours_of_the_page(smiles):
    svg = draw_molecule(smiles)
    assert svg is not None
    assert svg == draw_molecule(smiles)
    assert svg.startswith("<svg")
    assert svg.endswith("</svg>")
    assert "#" not in svg


def test_a_plot_takes_any_name():
    points = (Point(1, "E001", 0.5, True), Point(2, "E002", None, False), Point(3, "E003", 0.4, False))
    series = Series("planner 中文 $x$ <b>", points, points[:1])
    svg = plot_progress(Axis("g$a$p <&> 中", "eV", "property", low=0.45), series, series)
    assert svg == plot_progress(Axis("g$a$p <&> 中", "eV", "property", low=0.45), series, series)
    assert "g$a$p &lt;&amp;&gt; 中 (eV)" in svg
    assert "<b>" not in svg
    assert plot_progress(Axis("a", "1", "property"), Series("p", (), ())) == ""
