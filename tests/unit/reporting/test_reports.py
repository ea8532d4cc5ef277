"""The report of a campaign, as Markdown and as HTML."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_campaigns as campaigns
from markdown_it import MarkdownIt

from novum.core.errors import StoreError, UsageError
from novum.core.record import CampaignRecord
from novum.core.science import ClaimStatus
from novum.workflows.reporting import (
    build_report,
    numbers_without_source,
    unknown_citations,
    write_reports,
)
from novum.workflows.reporting.html import to_html
from novum.workflows.reporting.markdown import STATUS_WORDS, to_markdown
from novum.workflows.reporting.report import Piece, to_plain_text
from novum.workflows.reporting.sources import sentences_of

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Reads a page: balanced tags, ids, links, and the text that a reader sees."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.text.append(data)

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    @property
    def seen(self) -> str:
        return " ".join(" ".join(self.text).split())


CASES = {
    "confirmed": lambda: (campaigns.confirmed(), campaigns.control_of()),
    "control won": lambda: (campaigns.confirmed(12), campaigns.control_of(12, shift=0.05)),
    "not confirmed": lambda: (campaigns.confirmed(12, confirm_shift=-3.0), None),
    "unconfirmed": lambda: (campaigns.confirmed(12, confirm_shift=None), None),
    "nothing feasible": lambda: (campaigns.nothing_feasible(), None),
    "parameters": lambda: (campaigns.process(), None),
    "manual, waiting": lambda: (campaigns.manual(answered=False), None),
    "manual, done": lambda: (campaigns.manual(answered=True), None),
    "hostile": lambda: (campaigns.hostile(), None),
    "just started": lambda: (
        campaigns.Builder(campaigns.MOLECULE_GOAL, [], campaigns.molecule_truth).start(),
        None,
    ),
}


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    builder, control = CASES[request.param]()
    report = build_report(builder.record, control=control and control.record)
    return builder.record, control and control.record, report, to_markdown(report), to_html(report)


@pytest.fixture(scope="module")
def confirmed():
    builder, control = campaigns.confirmed(), campaigns.control_of()
    report = build_report(builder.record, control=control.record)
    return builder.record, report


def test_every_sentence_rests_on_records_that_exist(case):
    record, control, report, _, _ = case
    assert unknown_citations(report, record, control) == []
    for finding in report.findings:
        for sentence in [finding.headline, *finding.sentences]:
            assert any(piece.cites for piece in sentence), to_plain_text(sentence)


def test_every_number_in_a_sentence_stands_in_the_records_it_cites(case):
    record, control, report, _, _ = case
    assert numbers_without_source(report, record, control) == []


def test_values_in_tables_stand_in_the_record(case):
    record, _, report, _, _ = case
    measured = [m.quantity.value for e in record.experiments.values() for m in e.measurements if not m.sealed]
    for row in report.candidates:
        for value in row.values:
            shown = float(re.match(r"[-\d.e]+", value.text)[0])
            assert any(shown == pytest.approx(v, rel=2e-2, abs=0.06) for v in measured)


def test_html_is_balanced_whole_and_asks_for_nothing(case):
    *_, html = case
    page = Page(html)
    assert page.unbalanced == []
    assert page.open == []
    assert not any(tag in {"script", "link", "img", "iframe", "object", "image"} for tag, _ in page.tags)
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", html)
    assert "@import" not in html


def test_html_links_lead_to_one_place_each(case):
    *_, html = case
    page = Page(html)
    ids = page.ids
    assert len(ids) == len(set(ids))
    targets = {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"}
    assert targets <= set(ids)


def test_both_files_say_whether_the_campaign_is_finished(case):
    record, _, report, markdown, html = case
    for text in (markdown, Page(html).seen):
        assert ("This campaign is not finished" in text) is (record.finished is None)
    assert bool(report.warning) is (record.finished is None)


def test_tables_in_markdown_have_one_width(case):
    *_, markdown, _ = case
    width = 0
    for line in markdown.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        if cells and width:
            assert cells == width, line
        width = cells
    assert "Undefined" not in markdown
    assert not re.search(r"\bNone\b(?! of)", markdown)


def test_the_same_record_gives_the_same_bytes(tmp_path):
    first, second = campaigns.confirmed(12), campaigns.confirmed(12)
    again = CampaignRecord.from_events(second.events)
    one = write_reports(first.record, control=campaigns.control_of(12).record, folder=tmp_path / "one")
    two = write_reports(again, control=campaigns.control_of(12).record, folder=tmp_path / "two")
    assert one.markdown.read_bytes() == two.markdown.read_bytes()
    assert one.html.read_bytes() == two.html.read_bytes()
    assert one.html.name == "wide-gap-1.html"
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["wide-gap-1.html", "wide-gap-1.md"]


def test_a_confirmed_finding_tells_prediction_value_and_check(confirmed):
    record, report = confirmed
    claim = record.claims["C001"]
    assert claim.status is ClaimStatus.CONFIRMED
    (finding,) = report.findings
    text = [to_plain_text(s) for s in finding.sentences]
    source = record.experiments[claim.evidence[0]]
    qed = next(m.quantity.value for m in source.measurements if m.property == "qed")
    assert text[0].startswith(
        f"qed is {qed:.4f}".rstrip("0") + f" [{source.experiment.id}] and was predicted"
    )
    assert f"[{claim.hypothesis}]" in text[0]
    assert "Another method, PBE0/def2-SVP, gives" in text[2]
    assert "+0.3 eV [C001] from the value that won; the wish (≥ 4 eV) holds." in text[2]
    assert "meets every objective, and the sealed check confirms it [C001]" in to_plain_text(report.outcome)


@pytest.mark.parametrize(
    ("builder", "said", "never"),
    [
        (
            lambda: campaigns.confirmed(12, confirm_shift=-3.0),
            "but the sealed check does not confirm it",
            "confirms it",
        ),
        (lambda: campaigns.confirmed(12, confirm_shift=None), "it is unconfirmed", "confirms it"),
        (campaigns.nothing_feasible, "No candidate of this campaign keeps every constraint", "confirms it"),
        (lambda: campaigns.process(least_yield=99.0), "falls short of the goal", "confirms it"),
    ],
)
def test_what_is_not_confirmed_reads_so(builder, said, never):
    report = build_report(builder().record)
    for text in (to_plain_text(report.outcome), to_markdown(report)):
        assert said in text
        assert never not in text


def test_every_claim_status_has_words():
    assert set(STATUS_WORDS) == set(ClaimStatus)


def test_nothing_feasible_tells_how_near_one_came():
    report = build_report(campaigns.nothing_feasible().record)
    assert report.findings == ()
    assert len(report.nearest) == 3
    first = to_plain_text(report.nearest[0])
    assert "breaks logp (1 to 3): it has 3.5 [E001], 0.5 too high; and homo_lumo_gap (≥ 4 eV)" in first
    assert first.endswith("3.10 ± 0.10 eV [E001], 0.9 eV too low.")


def test_the_control_arm_is_compared_at_equal_cost(confirmed):
    _, report = confirmed
    said = [to_plain_text(s) for s in report.control.sentences]
    assert said[0].startswith("After 24 experiments each, optimizer has qed")
    assert "[control:E" in said[0]
    assert said[1] == "The planner did better by 0.15 in qed."
    assert "not how often" in said[2]
    short = build_report(campaigns.confirmed(24).record, control=campaigns.control_of(12).record)
    assert to_plain_text(short.control.sentences[0]).startswith("After 12 experiments each")


def test_a_control_that_won_is_said_to_have_won():
    report = build_report(campaigns.confirmed().record, control=campaigns.control_of(shift=0.05).record)
    said = to_plain_text(report.control.sentences[1])
    assert said.startswith("The control arm won by 0.05 in qed")
    assert "worth less than its control" in said


def test_an_equal_control_is_no_advantage():
    report = build_report(campaigns.confirmed().record, control=campaigns.control_of(shift=0).record)
    assert "no advantage" in to_plain_text(report.control.sentences[1])


def test_a_control_with_another_goal_is_not_compared():
    report = build_report(campaigns.confirmed().record, control=campaigns.process().record)
    assert to_plain_text(report.control.sentences[0]) == (
        "The control arm pursued another goal, so the two are not compared."
    )


def test_numbers_of_the_summary_are_those_of_the_record(confirmed):
    record, report = confirmed
    assert report.spending.used == record.experiments_used == 24
    assert report.spending.failed == 1
    assert report.spending.measured == 23
    assert report.spending.confirmation == 2
    assert [f.experiment for f in report.failures] == ["E004"]
    assert "the geometry did not converge" in report.failures[0].reason
    assert report.recall.items == 3
    assert sum(own for _, own, _ in report.verdicts) == len(record.verdicts)
    assert sum(sealed for _, _, sealed in report.verdicts) == len(record.sealed_verdicts)
    assert report.calibration.n == 23 * 3
    assert report.noise == (("qed", "0.011"),)
    calls = {t.tool: t for t in report.spending.tools}
    assert calls["toy.measure"].calls == 25
    assert calls["toy.measure"].failed == 1
    assert report.series.best[-1].value == pytest.approx(
        max(
            m.quantity.value
            for c in [record.claims["C001"]]
            for m in record.experiments[c.evidence[0]].measurements
            if m.property == "qed"
        )
    )


def test_best_so_far_only_improves(confirmed):
    _, report = confirmed
    values = [p.value for p in report.series.best if p.feasible]
    assert values == sorted(values)
    assert [p.number for p in report.series.points] == list(range(1, 25))


def test_settings_stand_in_place_of_drawings():
    report = build_report(campaigns.process().record)
    assert report.setting_names == ("temperature (°C)", "equivalents", "solvent")
    assert not report.labelled
    assert ("temperature", "20 to 120 °C") in report.parameters
    html = to_html(report)
    assert 'class="molecule"' not in html
    assert any(c.pareto for c in report.candidates)
    assert len(report.fronts) == 3
    assert "◆ front" in html


def test_what_reaches_the_whole_goal_is_claimed_before_what_only_ranks_higher():
    report = build_report(campaigns.process().record)
    assert report.findings[0].status is not ClaimStatus.SHORT


def test_a_worklist_is_named():
    report = build_report(campaigns.manual(answered=False).record)
    assert "2 results of a person are waited for (E002, E003)" in report.warning
    assert report.interruptions == report.resumptions == 1
    assert "Ada & Bob <lab>" in Page(to_html(report)).seen


def test_hostile_text_shows_and_does_nothing():
    report = build_report(campaigns.hostile().record, verification={campaigns.HOSTILE: campaigns.HOSTILE})
    html, markdown = to_html(report), to_markdown(report)
    for text in (html, markdown):
        assert "\u202e" not in text
        assert "\x1b" not in text
    page = Page(html)
    assert "<script>alert(1)</script>" in page.seen
    assert not any(tag in {"script", "img"} for tag, _ in page.tags)
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table"]).render(markdown)
    tags = {tag for tag, _ in Page(rendered).tags}
    assert tags <= {
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "strong",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    } | {"blockquote"}
    bold = re.findall(r"<strong>(.*?)</strong>", rendered)
    assert "bold" not in bold
    assert "heading" not in re.findall(r"<h1>(.*?)</h1>", rendered)[1:]


def test_an_id_cannot_lead_out_of_the_folder(tmp_path):
    paths = write_reports(campaigns.hostile().record, folder=tmp_path / "in")
    assert paths.html.resolve().parent == (tmp_path / "in").resolve()
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_smiles_that_cannot_be_drawn_leaves_its_label():
    assert 'class="molecule"' not in to_html(build_report(campaigns.hostile().record))
    drawn = to_html(build_report(campaigns.confirmed(6).record))
    assert 'class="molecule"' in drawn


def test_verification_and_attestation_are_shown(tmp_path):
    paths = write_reports(
        campaigns.confirmed(6).record, verification={"hash chain": "intact"}, folder=tmp_path
    )
    for text in (paths.markdown.read_text(), Page(paths.html.read_text()).seen):
        assert "hash chain" in text
        assert "namespace" in text
        assert "read-only tree" in text


def test_an_empty_record_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="has not started"):
        write_reports(CampaignRecord(), folder=tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StoreError, match="cannot write the report"):
        write_reports(campaigns.manual(answered=True).record, folder=file)


def test_a_report_replaces_the_one_before(tmp_path):
    record = campaigns.manual(answered=False).record
    first = write_reports(record, folder=tmp_path)
    first.html.write_text("old")
    write_reports(campaigns.manual(answered=True).record, folder=tmp_path)
    assert "not finished" not in first.html.read_text()
    assert os.stat(first.html).st_mode & 0o777 == 0o644


def test_the_checker_finds_a_number_that_no_record_has(confirmed):
    record, report = confirmed
    import dataclasses

    report = dataclasses.replace(report, control=None)
    invented = dataclasses.replace(report, outcome=(Piece("qed 0.123", ("E001",), "value"),))
    assert numbers_without_source(invented, record) == ["qed 0.123 [E001]"]
    bare = dataclasses.replace(report, outcome=(Piece("the gain is 17 percent"),))
    assert numbers_without_source(bare, record) == ["the gain is 17 percent"]
    nowhere = dataclasses.replace(report, outcome=(Piece("qed", ("E999",)),))
    assert unknown_citations(nowhere, record) == ["E999"]
    assert len(sentences_of(report)) > 5


def test_importing_the_package_is_light():
    import subprocess
    import sys

    code = (
        "import sys, novum.workflows.reporting as r; "
        "print([m for m in ('matplotlib', 'rdkit', 'jinja2', 'langgraph') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_head_counts_what_is_confirmed_and_not_what_is_claimed():
    sure = Page(to_html(build_report(campaigns.confirmed(12).record))).seen
    unsure = Page(to_html(build_report(campaigns.confirmed(12, confirm_shift=-3.0).record))).seen
    assert "Confirmed 1 of 1 finding" in " ".join(sure.split())
    assert "Confirmed 0 of 1 finding" in " ".join(unsure.split())
