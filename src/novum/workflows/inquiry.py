"""Asking about a campaign: what of its record, and of what is known, may be told to a model for an answer."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from novum.agents.scientist.answering import Inquiry
from novum.agents.scientist.relevance import Relevance
from novum.core.access import Destination, release
from novum.core.deliberation import Fact, Passage
from novum.core.judgement import calibration
from novum.core.knowledge import KnowledgeItem
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import Hypothesis, Verdict
from novum.core.spaces import PoolSpace
from novum.workflows.facts import became, measured_in, names_of
from novum.workflows.learning import fact_of

RELEVANT = 12
"""Knowledge items that are looked up for one question."""
CAMPAIGN = "campaign"
"""Id under which the campaign as a whole is cited."""

_ID = re.compile(r"\b(?:[HEC]\d{3,}|K-[0-9a-f]{16}|decide/\d+)\b", re.IGNORECASE)


class Knows(Protocol):
    """What is needed of the knowledge base; `learning.CampaignKnowledge` is one."""

    def relevant(self, text: str, n: int) -> tuple[KnowledgeItem, ...]:
        """Return the items nearest to `text`, best first."""
        ...

    def withheld(self, subjects: Collection[str], *, to: Destination) -> frozenset[str]:
        """Return those of `subjects` of which something is known that may not go to a destination."""
        ...

    def named(self, ids: Collection[str]) -> tuple[KnowledgeItem, ...]:
        """Return the items of these ids, as far as there are any."""
        ...


def inquire(
    question: str,
    record: CampaignRecord,
    *,
    scales: Mapping[str, float] | None,
    knowledge: Knows | None,
    to: Destination,
    earlier: Sequence[tuple[str, str]] = (),
) -> Inquiry:
    """Return a question with what may be told for an answer: what it names first, then the most relevant.

    What may not go where the model is, and whatever the record says of candidates that such items speak of,
    is neither told nor can it be cited.

    Args:
        question: in words.
        record: the campaign.
        scales: property → width over which it varies usefully; None where its tools are not here any more.
        knowledge: what is known; None where nothing is.
        to: where the model is.
        earlier: questions of the same conversation with their answers, the latest last.
    """
    withheld = _withheld(record, knowledge, to)
    closed = _names_of(record, withheld)
    facts = [
        fact
        for fact in records_of(record, scales=scales, withheld=withheld, to=to)
        if not any(name in fact.text for name in closed)  # others' records may speak of them as well
    ]
    found = knowledge.relevant(question, RELEVANT) if knowledge is not None else ()
    named = {name.upper() for name in _ID.findall(question)}
    if knowledge is not None:
        asked = [name.lower().replace("k-", "K-", 1) for name in named if name.startswith("K-")]
        found = (*knowledge.named(asked), *found)
    items = {item.id: item for item in release(found, to=to).items if item.subject not in withheld}
    return Inquiry(
        question=question,
        goal=record.goal,
        facts=tuple(_ordered(question, facts, named)),
        passages=tuple(map(Passage.of, items.values())),
        earlier=tuple(earlier),
        records={fact.id: fact for fact in (*facts, *map(fact_of, items.values()))},
        names=names_of(record),
    )


def records_of(
    record: CampaignRecord,
    *,
    scales: Mapping[str, float] | None,
    withheld: Collection[str] = (),
    to: Destination = Destination.LOCAL,
) -> Iterator[Fact]:
    """Yield a campaign in words: as a whole, then its claims, experiments, hypotheses, decisions.

    Args:
        record: the campaign.
        scales: property → width over which it varies usefully; None leaves ranks out.
        withheld: ids of the candidates of which nothing is told.
        to: where the model is that is told.
    """
    yield Fact.plain(CAMPAIGN, _campaign(record, _names_of(record, withheld)))
    for claim in record.claims.values():
        if claim.candidate.id not in withheld:
            status = claim.status.value.replace("_", " ")
            said = f"claim, {status}: {claim.statement}; {claim.reason}"
            yield Fact(id=claim.id, text=f"{said}; evidence {', '.join(claim.evidence)}", held=said)
    merits = record.merits(dict(scales)) if scales is not None else []
    ranks = {seen.source: rank for rank, (_, seen) in enumerate(merits, 1)}
    entries = [e for e in record.experiments.values() if e.experiment.candidate.id not in withheld]
    for entry in sorted(entries, key=lambda e: ranks.get(e.experiment.id, len(ranks) + 1)):
        yield Fact.plain(entry.experiment.id, _experiment(entry, ranks.get(entry.experiment.id)))
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in [*record.verdicts, *record.sealed_verdicts]:
        verdicts.setdefault(verdict.hypothesis, []).append(verdict)
    with_reasons = _may_tell_reasons(record, to)
    for hypothesis in record.hypotheses.values():
        if hypothesis.candidate.id not in withheld:
            judged = verdicts.get(hypothesis.id, [])
            yield _hypothesis(hypothesis, judged, reasons=with_reasons)
    for iteration, decided in record.decisions.items():
        if decided.best is None or decided.best not in withheld:
            yield Fact.plain(
                decided.key(),
                f"after iteration {iteration}, {decided.experiments_used} experiments: "
                f"{decided.action}, because {decided.reason}",
            )


def _ordered(question: str, facts: Sequence[Fact], named: Collection[str]) -> Iterable[Fact]:
    """Return the campaign, what a question names, what is relevant to it, and the rest, in that order."""
    scores = Relevance([f"{p.id} {p.text}" for p in facts]).scores(question)
    order = sorted(
        range(len(facts)),
        key=lambda i: (facts[i].id != CAMPAIGN, facts[i].id.upper() not in named, -scores[i], i),
    )
    return (facts[i] for i in order)


def _withheld(record: CampaignRecord, knowledge: Knows | None, to: Destination) -> frozenset[str]:
    """Return the candidates of which a model elsewhere must not be told."""
    if to is Destination.LOCAL:
        return frozenset()
    noted = {name for recall in record.recalls.values() for name in recall.withheld}
    subjects = {h.candidate.id for h in record.hypotheses.values()}
    subjects |= {o.candidate.id for o in record.observations()}
    if isinstance(record.goal.space, PoolSpace):
        subjects |= {row.id for row in record.goal.space.rows}
    known = knowledge.withheld(subjects, to=to) if knowledge is not None else frozenset[str]()
    return frozenset(noted) | known


def _names_of(record: CampaignRecord, withheld: Collection[str]) -> frozenset[str]:
    """Return the ids and labels of candidates."""
    candidates = [h.candidate for h in record.hypotheses.values()]
    candidates += [o.candidate for o in record.observations()]
    return frozenset(n for c in candidates if c.id in withheld for n in (c.id, c.label) if n)


def _may_tell_reasons(record: CampaignRecord, to: Destination) -> bool:
    """Say whether the words of the campaign's own model may go where this one is.

    A model on this machine may have been told what must not leave it, and may have said it again.
    """
    used = record.started.model if record.started is not None else None
    return to is Destination.LOCAL or used is None or used.remote


def _campaign(record: CampaignRecord, closed: Collection[str]) -> str:
    started = record.started
    assert started is not None
    planned = f"planned by {started.planner}"
    if started.model is not None:
        planned += f" asking the model {started.model.name}"
    said = [
        f"campaign {started.campaign} {planned}",
        f"{record.experiments_used} of {record.goal.budget.experiments} experiments used",
        f"{len(record.decisions)} iterations",
        f"{len(record.hypotheses)} hypotheses",
        f"{sum(1 for e in record.experiments.values() if e.failed)} experiments failed",
    ]
    outcomes: dict[str, int] = {}
    for verdict in record.verdicts:
        outcomes[verdict.outcome.value] = outcomes.get(verdict.outcome.value, 0) + 1
    said += [f"{n} predictions {outcome.replace('_', ' ')}" for outcome, n in sorted(outcomes.items())]
    tested = calibration(record.verdicts)
    if tested is not None:
        said.append(f"coverage {tested.coverage:.2f} of predictions at level {tested.level:.2f}")
    said += [f"noise of {name} {quantity}" for name, quantity in sorted(record.noise.items())]
    if record.finished is None:
        said.append("not finished")
    else:
        secret = any(name in record.finished.reason for name in closed)
        said.append("finished" if secret else f"finished: {record.finished.reason}")
    return "; ".join(said)


def _experiment(entry: ExperimentRecord, rank: int | None) -> str:
    experiment = entry.experiment
    said = [f"{experiment.purpose.value.replace('_', ' ')} of {experiment.candidate.label}"]
    if experiment.hypothesis:
        said.append(f"tests {experiment.hypothesis}")
    if rank is not None:
        said.append(f"rank {rank}")
    said += [f"{m.property} {m.quantity} by {m.tool}" for m in entry.measurements]
    if entry.failed:
        said.append(f"failed: {entry.failed}")
    elif entry.refused:
        said.append(f"refused: {entry.refused}")
    elif not entry.finished:
        said.append("no result yet")
    return "; ".join(said)


def _hypothesis(hypothesis: Hypothesis, judged: Sequence[Verdict], *, reasons: bool) -> Fact:
    """Return a hypothesis in words; its reason is told, and carries no number of an answer."""
    predicted = ", ".join(f"{p.property} {p.expected}" for p in hypothesis.predictions)
    said = [f"by {hypothesis.source}: {hypothesis.candidate.label}", f"predicts {predicted}"]
    if hypothesis.rationale and reasons:
        said.append(f"because {hypothesis.rationale}")
    said += map(became, judged)
    held = measured_in(judged, hypothesis.candidate.label)
    return Fact(id=hypothesis.id, text="; ".join(said), held=held, predicted=predicted)
