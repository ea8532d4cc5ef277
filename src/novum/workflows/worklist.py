"""What a person is asked to measure, and what they answer: CSV or JSON, with units and failures."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from novum.core.digest import digest
from novum.core.errors import UnitError, UsageError
from novum.core.events import Told
from novum.core.goals import MANUAL
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.record import CampaignRecord
from novum.core.science import Measurement, Origin

_VALUE = re.compile(r"^\s*(?P<number>[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>\S.*?)?\s*$")


@dataclass(frozen=True, slots=True)
class Task:
    """One measurement that is asked for."""

    experiment: str
    candidate: str
    label: str
    arguments: Mapping[str, Any]
    property: str
    unit: str
    predicted: Quantity | None


def open_tasks(record: CampaignRecord) -> list[Task]:
    """Return what is waited for, in the order of the plan."""
    units = {o.property: o.unit for o in record.goal.objectives}
    tasks = []
    for experiment in record.worklist:
        expected = {p.property: p.expected for p in record.hypotheses[experiment.hypothesis].predictions}
        tasks += [
            Task(
                experiment=experiment.id,
                candidate=experiment.candidate.id,
                label=experiment.candidate.label,
                arguments=experiment.candidate.arguments,
                property=name,
                unit=units[name],
                predicted=expected.get(name),
            )
            for name in experiment.manual
        ]
    return tasks


def tasks_to_csv(tasks: Iterable[Task]) -> str:
    """Return a table to fill in: columns *value*, *std* and *failed* are empty."""
    tasks = list(tasks)
    settings = list(dict.fromkeys(name for task in tasks for name in task.arguments))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["experiment", *settings, "property", "value", "std", "unit", "failed"])
    for task in tasks:
        row = [task.arguments.get(name, "") for name in settings]
        writer.writerow([task.experiment, *row, task.property, "", "", task.unit, ""])
    return out.getvalue()


def parse_answers(text: str, record: CampaignRecord, *, by: str) -> list[Told]:
    """Return what a person answered, one event for each experiment answered completely.

    `text` is CSV with a header, or a JSON list of objects. Columns: experiment, property, value, unit,
    std, failed. A value may carry its unit ("81.5 %"); a row without value and without *failed* is
    skipped, so that a worklist can be answered in parts.

    Raises:
        UsageError: a row that cannot be taken; names its line. Nothing is taken then.
    """
    tasks = {(t.experiment, t.property): t for t in open_tasks(record)}
    answers: dict[str, dict[str, Measurement]] = {}
    failures: dict[str, str] = {}
    for where, row in _rows(text):
        experiment, name = str(row.get("experiment") or "").strip(), str(row.get("property") or "").strip()
        wanted = [t for t in tasks.values() if t.experiment == experiment]
        if not name and len(wanted) == 1:
            name = wanted[0].property
        failed = str(row.get("failed") or "").strip()
        raw = row.get("value")
        if not failed and (raw is None or str(raw).strip() == ""):
            continue
        if failed and raw is not None and str(raw).strip():
            raise UsageError(f"{where}: {experiment} has a value and a failure; give one of them")
        if failed and not name and wanted:  # a failure is the experiment's, whatever was to be measured
            name = wanted[0].property
        task = tasks.get((experiment, name))
        if task is None:
            asked = ", ".join(f"{e} {p}" for e, p in tasks) or "nothing"
            raise UsageError(f"{where}: {experiment!r} {name!r} is not asked for; asked for: {asked}")
        if failed:
            failures[experiment] = failed
            continue
        if name in answers.get(experiment, {}):
            raise UsageError(f"{where}: {experiment} {name} is answered twice")
        quantity = _quantity(where, raw, row.get("unit"), row.get("std"), task)
        answers.setdefault(experiment, {})[name] = Measurement(
            experiment=experiment,
            candidate=task.candidate,
            property=name,
            quantity=quantity,
            tool=MANUAL,
            method=f"measured by {by}",
            call_key=digest([experiment, name, quantity.model_dump(mode="json"), by]),
            origin=Origin.MEASURED,
        )
    told = [Told(experiment=experiment, failed=why, by=by) for experiment, why in failures.items()]
    for experiment, measured in answers.items():
        if experiment in failures:
            continue
        missing = [
            t.property for t in tasks.values() if t.experiment == experiment and t.property not in measured
        ]
        if missing:
            raise UsageError(
                f"{experiment}: {', '.join(missing)} is missing; answer an experiment completely"
            )
        told.append(Told(experiment=experiment, measurements=tuple(measured.values()), by=by))
    if not told:
        raise UsageError("no row has a value or a failure; fill in the column 'value' or 'failed'")
    return told


def _rows(text: str) -> list[tuple[str, Mapping[str, Any]]]:
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith(("[", "{")):
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"line {error.lineno}: not valid JSON: {error.msg}") from error
        rows = data if isinstance(data, list) else [data]
        for number, row in enumerate(rows, 1):
            if not isinstance(row, Mapping):
                raise UsageError(f"entry {number}: expected an object with experiment and value")
        return [(f"entry {number}", row) for number, row in enumerate(rows, 1)]
    reader = csv.DictReader(io.StringIO(text, newline=None))
    try:
        if not reader.fieldnames or "experiment" not in reader.fieldnames:
            raise UsageError("line 1: the header needs a column 'experiment'; 'novum ask' writes one")
        return [(f"line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num + 1}: not valid CSV: {error}") from error


def _quantity(where: str, raw: Any, unit: Any, std: Any, task: Task) -> Quantity:
    found = _VALUE.match(str(raw))
    if found is None:
        raise UsageError(f"{where}: {raw!r} is not a number")
    written = (found["unit"] or str(unit or "")).strip()
    if not written and task.unit != "1":
        raise UsageError(f"{where}: {task.property} needs a unit, as '{raw} {task.unit}'")
    try:
        spread = float(std) if std not in (None, "") else None
        value = float(found["number"].replace("−", "-"))
        if not math.isfinite(value) or (spread is not None and not (math.isfinite(spread) and spread >= 0)):
            raise UsageError(f"{where}: value and std must be finite numbers, std not below 0")
        quantity = Quantity(
            value=value, unit=written or task.unit, std=spread, kind=UncertaintyKind.MEASUREMENT
        )
        return quantity.to(task.unit)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{where}: std {std!r} is not a number") from error
    except UnitError as error:
        raise UsageError(f"{where}: {error}") from error
