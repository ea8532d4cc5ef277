"""Facts: a campaign's records in one sentence each, for a model that writes about them."""

from collections.abc import Collection, Sequence

from novum.core.deliberation import Fact
from novum.core.record import CampaignRecord
from novum.core.science import Verdict


def facts_of(
    record: CampaignRecord, scales: dict[str, float], *, withheld: Collection[str] = ()
) -> tuple[Fact, ...]:
    """Return claims, then measured candidates with the best first, then failures, then hypotheses.

    Args:
        record: the campaign.
        scales: property → width over which it varies usefully.
        withheld: ids of the candidates of which nothing is told.
    """
    facts = [
        Fact.plain(c.id, f"claim, {c.status.value.replace('_', ' ')}: {c.statement}; {c.reason}")
        for c in record.claims.values()
        if c.candidate.id not in withheld
    ]
    for rank, (_, seen) in enumerate(record.merits(scales), 1):
        if seen.candidate.id not in withheld and seen.source in record.experiments:
            values = ", ".join(f"{name} {q}" for name, q in seen.values.items())
            facts.append(Fact.plain(seen.source, f"rank {rank}: {seen.candidate.label}: {values}"))
    for entry in record.experiments.values():
        candidate = entry.experiment.candidate
        if entry.failed and not entry.experiment.sealed and candidate.id not in withheld:
            facts.append(Fact.plain(entry.experiment.id, f"{candidate.label} failed: {entry.failed}"))
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in record.verdicts:
        verdicts.setdefault(verdict.hypothesis, []).append(verdict)
    for name, found in verdicts.items():
        hypothesis = record.hypotheses[name]
        if hypothesis.candidate.id not in withheld:
            text = f"by {hypothesis.source}, {hypothesis.candidate.label}: {', '.join(map(became, found))}"
            facts.append(
                Fact(
                    id=name,
                    text=text,
                    held=measured_in(found, hypothesis.candidate.label),
                    predicted=", ".join(f"{v.property} {v.expected}" for v in found),
                )
            )
    return tuple(facts)


def became(verdict: Verdict) -> str:
    """Return what a prediction came to, in words."""
    observed, outcome = verdict.observed or "nothing", verdict.outcome.value.replace("_", " ")
    return f"{verdict.property} predicted {verdict.expected}, measured {observed}: {outcome}"


def measured_in(verdicts: Sequence[Verdict], label: str) -> str:
    """Return what verdicts rest on, without what was predicted."""
    return ", ".join([label, *(f"{v.property} {v.observed}" for v in verdicts if v.observed is not None)])


def names_of(record: CampaignRecord) -> tuple[str, ...]:
    """Return the labels and ids of candidates, whose digits are names and not numbers."""
    candidates = [h.candidate for h in record.hypotheses.values()]
    return tuple(dict.fromkeys(name for c in candidates for name in (c.label, c.id)))
