"""Whether the numbers in a report's sentences stand in the records that they cite."""

import re
from collections.abc import Iterable

from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord, mean
from novum.workflows.reporting import figures
from novum.workflows.reporting.findings import CONTROL
from novum.workflows.reporting.report import Piece, Report, Sentence, to_plain_text

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def sentences_of(report: Report) -> list[Sentence]:
    """Return every sentence that states a result."""
    return [
        report.outcome,
        *(f.headline for f in report.findings),
        *(sentence for f in report.findings for sentence in f.sentences),
        *report.nearest,
        *report.recall.best,
        *(report.model.sentences if report.model else ()),
        *(report.control.sentences if report.control else ()),
    ]


def numbers_without_source(
    report: Report, record: CampaignRecord, control: CampaignRecord | None = None
) -> list[str]:
    """Return the sentences in which a number does not stand in the records cited for it.

    A number is looked for as it is written. Measured values of one property of several cited
    experiments may appear as their mean. In prose only the goal's own numbers may stand.
    """
    wanted = (*record.goal.objectives, *record.goal.confirmation.objectives)
    wishes = _numbers(" ".join(figures.wish(o) for o in wanted))
    wishes |= _numbers(" ".join(figures.plain(o.property) for o in record.goal.objectives))
    return [
        to_plain_text(sentence)
        for sentence in sentences_of(report)
        if any(not _is_carried(piece, wishes, record, control) for piece in sentence)
    ]


def unknown_citations(
    report: Report, record: CampaignRecord, control: CampaignRecord | None = None
) -> list[str]:
    """Return the ids that a sentence cites and no record has."""
    return [
        name
        for sentence in sentences_of(report)
        for piece in sentence
        for name in piece.cites
        if not _is_known(name, record, control)
    ]


def _is_carried(
    piece: Piece, wishes: set[str], record: CampaignRecord, control: CampaignRecord | None
) -> bool:
    if piece.kind == "prose":
        return _numbers(piece.text) <= wishes
    if piece.kind == "value":
        return bool(piece.cites) and _numbers(piece.text) <= _cited(piece.cites, record, control)
    return True


def _cited(cites: Iterable[str], record: CampaignRecord, control: CampaignRecord | None) -> set[str]:
    measured: dict[str, list[Quantity]] = {}
    others: list[Quantity] = []
    for name in cites:
        if name.startswith(CONTROL) and control is not None:
            source, key = control, name.removeprefix(CONTROL)
        else:
            source, key = record, name
        if key in source.experiments:
            for m in source.experiments[key].measurements:
                measured.setdefault(m.property, []).append(m.quantity)
        elif key in source.hypotheses:
            others += [p.expected for p in source.hypotheses[key].predictions]
        elif key in source.claims:
            others += [
                Quantity(value=v.shrinkage, unit=v.winning.unit)
                for v in source.claims[key].values
                if v.shrinkage is not None
            ]
        else:
            others += [
                q
                for recalled in source.recalls.values()
                for seen in recalled.observations
                if key in seen.source.split(",")
                for q in seen.values.values()
            ]
    # A repeated measurement is written as the mean with the spread that its claim carries.
    for claim in (*record.claims.values(), *(control.claims.values() if control else ())):
        for value in claim.values:
            if value.confirmed is not None and set(value.evidence) <= set(cites):
                others.append(value.confirmed)
    others += [q for quantities in measured.values() for q in quantities]
    others += [mean(quantities) for quantities in measured.values() if len(quantities) > 1]
    return {token for q in others for token in _numbers(figures.quantity(q))}


def _is_known(name: str, record: CampaignRecord, control: CampaignRecord | None) -> bool:
    if name.startswith(CONTROL):
        return control is not None and name.removeprefix(CONTROL) in control.experiments
    if name in record.experiments or name in record.hypotheses or name in record.claims:
        return True
    return any(name in seen.source.split(",") for r in record.recalls.values() for seen in r.observations)


def _numbers(text: str) -> set[str]:
    return {found.lstrip("+") for found in _NUMBER.findall(text)}
