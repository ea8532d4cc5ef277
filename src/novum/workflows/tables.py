"""Tables: what a campaign's record holds, as CSV files that code can read."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from novum.core.calls import ToolSpec
from novum.core.digest import digest_bytes
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.tools.files import files_parameter

DESCRIBED = (
    "observations.csv (one row for each candidate: candidate, label, its arguments, each measured property "
    "and its standard deviation in the unit that the column names, recalled, failed), measurements.csv (one "
    "row for each measured value: experiment, candidate, iteration, purpose, property, value, std, unit, "
    "tool, method) and predictions.csv (one row for each judged prediction: hypothesis, source, candidate, "
    "property, expected, std, unit, observed, outcome)"
)
"""What the tables are, for whoever writes code that reads them."""


def tables_of(
    record: CampaignRecord, *, withheld: Collection[str] = (), sealed: bool = False
) -> dict[str, bytes]:
    """Return a campaign's tables: file name → CSV, UTF-8, numbers with all their digits.

    Equal records give equal bytes.

    Args:
        record: the campaign.
        withheld: ids of the candidates of which nothing is told.
        sealed: whether what only the confirmation measured is in them; a planner never sees that.
    """
    return {
        "observations.csv": _observations(record, withheld),
        "measurements.csv": _measurements(record, withheld, sealed=sealed),
        "predictions.csv": _predictions(record, withheld, sealed=sealed),
    }


def table_handles(tables: Mapping[str, bytes]) -> dict[str, str]:
    """Return what names the tables as files of a call: file name → SHA-256."""
    return {name: digest_bytes(tables[name]) for name in sorted(tables)}


def as_offered(spec: ToolSpec) -> ToolSpec:
    """Return a tool that takes files as a model is told of it: the campaign's tables are put in for it."""
    parameter = files_parameter(spec)
    if parameter is None:
        return spec
    schemas = {name: s for name, s in spec.parameters["properties"].items() if name != parameter}
    told = f"{spec.description} In the folder in are the campaign's tables: {DESCRIBED}."
    return spec.model_copy(
        update={"parameters": {**spec.parameters, "properties": schemas}, "description": told}
    )


def _observations(record: CampaignRecord, withheld: Collection[str]) -> bytes:
    seen = [o for o in record.observations() if o.candidate.id not in withheld]
    arguments = sorted({name for o in seen for name in o.candidate.arguments})
    units = {o.property: o.unit for o in record.goal.objectives} if record.started else {}
    head = ["candidate", "label", *arguments]
    for name, unit in units.items():
        head += [f"{name} [{unit}]", f"{name} std [{unit}]"]
    rows = []
    for o in seen:
        row: list[Any] = [o.candidate.id, o.candidate.label]
        row += [o.candidate.arguments.get(name) for name in arguments]
        for name, unit in units.items():
            value = o.values[name].to(unit) if name in o.values else None
            row += [value.value, value.std] if value is not None else [None, None]
        rows.append([*row, o.recalled, o.failed])
    return _csv([*head, "recalled", "failed"], rows)


def _measurements(record: CampaignRecord, withheld: Collection[str], *, sealed: bool) -> bytes:
    rows = [
        [
            entry.experiment.id,
            entry.experiment.candidate.id,
            entry.iteration,
            entry.experiment.purpose.value,
            m.property,
            m.quantity.value,
            m.quantity.std,
            m.quantity.unit,
            m.tool,
            m.method,
        ]
        for entry in _open(record, withheld, sealed=sealed)
        for m in entry.measurements
    ]
    head = "experiment candidate iteration purpose property value std unit tool method"
    return _csv(head.split(), rows)


def _predictions(record: CampaignRecord, withheld: Collection[str], *, sealed: bool) -> bytes:
    judged = [*record.verdicts, *(record.sealed_verdicts if sealed else ())]
    rows = []
    for verdict in judged:
        hypothesis = record.hypotheses[verdict.hypothesis]
        if hypothesis.candidate.id in withheld:
            continue
        observed = verdict.observed.to(verdict.expected.unit) if verdict.observed is not None else None
        rows.append(
            [
                hypothesis.id,
                hypothesis.source,
                hypothesis.candidate.id,
                verdict.property,
                verdict.expected.value,
                verdict.expected.std,
                verdict.expected.unit,
                observed.value if observed is not None else None,
                verdict.outcome.value,
            ]
        )
    head = "hypothesis source candidate property expected std unit observed outcome"
    return _csv(head.split(), rows)


def _open(record: CampaignRecord, withheld: Collection[str], *, sealed: bool) -> Iterable[ExperimentRecord]:
    return (
        entry
        for entry in record.experiments.values()
        if entry.experiment.candidate.id not in withheld and (sealed or not entry.experiment.sealed)
    )


def _csv(head: list[str], rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)  # a float is written with as many digits as bring it back
    return text.getvalue().encode()
