"""What was said to come, and whether it did: the record of planners and methods.

A forecast is named by what was said and by the call that decided it, so that a campaign that is run again
does not book the same check again.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from novum.core.digest import digest
from novum.core.forecasts import Forecast
from novum.core.goals import MANUAL
from novum.core.judgement import two_sided
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord
from novum.core.science import ConfirmedValue, Measurement, Outcome, Verdict
from novum.knowledge_base.agreement import ASSUMED_SPREAD
from novum.workflows.assays import Assay


def forecasts_of_verdicts(
    verdicts: Iterable[Verdict], record: CampaignRecord, *, campaign: str
) -> list[Forecast]:
    """Return how the predictions of whoever made them have held; what was not decided teaches nothing."""
    forecasts = []
    for v in verdicts:
        if v.outcome not in (Outcome.SUPPORTED, Outcome.REFUTED):
            continue
        hypothesis = record.hypotheses[v.hypothesis]
        said = next(p for p in hypothesis.predictions if (p.property, p.tool) == (v.property, v.tool))
        decisive = [
            m
            for m in record.experiments[v.experiment].measurements
            if m.property == v.property and v.tool in (None, m.tool)
        ]
        forecasts.append(
            Forecast(
                source=hypothesis.source,
                key=digest(
                    [
                        hypothesis.candidate.id,
                        said.model_dump(mode="json"),
                        _quantity(v.observed),
                        _calls(decisive, campaign),
                    ]
                ),
                held=v.outcome is Outcome.SUPPORTED,
                probability=said.rule.level,
                statistic=v.statistic,
            )
        )
    return forecasts


def forecasts_of_claims(
    record: CampaignRecord, assays: Mapping[str, Assay], *, campaign: str
) -> list[Forecast]:
    """Return whether what each method measured has held when another one checked it.

    It has where the two values agree within the central interval of their difference at `LEVEL`.
    """
    forecasts = []
    for claim in record.claims.values():
        for value in claim.values:
            if not value.independent or value.confirmed is None or value.property not in assays:
                continue
            assay = assays[value.property]
            measured = [
                m
                for entry in record.experiments.values()
                for m in entry.measurements
                if (m.candidate, m.property) == (claim.candidate.id, value.property)
            ]
            won = [m for m in measured if not m.sealed and m.tool == assay.source_name]
            checked = [m for m in measured if m.experiment in value.evidence and m.method == value.method]
            z, winning = residual(value), value.winning
            key = [
                claim.candidate.id,
                value.property,
                [_quantity(winning), assay.method, _calls(won, campaign)],
                [_quantity(value.confirmed), value.method, _calls(checked, campaign)],
            ]
            stated = winning.std is not None and math.isfinite(z)
            forecasts.append(
                Forecast(
                    source=assay.method,
                    key=digest(key),
                    held=abs(z) <= two_sided(),
                    statistic=z if stated else None,
                )
            )
    return forecasts


def residual(value: ConfirmedValue) -> float:
    """Return by how many standard deviations what was confirmed differs from what won.

    A value that states no spread is given `ASSUMED_SPREAD`.
    """
    assert value.confirmed is not None
    winning, confirmed = value.winning, value.confirmed.to(value.winning.unit)
    spreads = [abs(q.value) * ASSUMED_SPREAD if q.std is None else q.std for q in (winning, confirmed)]
    spread, apart = math.hypot(*spreads), confirmed.value - winning.value
    return apart / spread if spread else 0.0 if apart == 0 else math.inf


def _calls(measured: Iterable[Measurement], campaign: str) -> list[str]:
    """Return what names the calls behind measurements; what people measure is measured anew each time."""
    return sorted(f"{campaign}/{m.call_key}" if m.tool == MANUAL else m.call_key for m in measured)


def _quantity(quantity: Quantity | None) -> Any:
    return None if quantity is None else quantity.model_dump(mode="json")
