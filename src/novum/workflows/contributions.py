"""Contributions: what each source of hypotheses gave to a campaign, from its record alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from novum.core.deliberation import Contender, Turn
from novum.core.judgement import Merit
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import Hypothesis, Observation, Outcome, Purpose, Verdict


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one source gave."""

    source: str
    proposed: int
    """Hypotheses that could be tested; those that were not, too."""
    ran: int
    """Hypotheses with an experiment that came to its end."""
    failed: int
    """Of these, experiments that gave nothing."""
    held: int
    """Predictions that were supported."""
    refuted: int
    undecided: int
    best: Observation | None
    """The best candidate that it brought in, measured completely."""
    reward: float | None
    """Where it stood in the eyes of the mix when the last batch was divided; None where there is no mix."""


@dataclass(frozen=True, slots=True)
class Rivalry:
    """How the model and the optimiser compare, where both can be seen."""

    both: int
    """Iterations in which candidates of both were measured."""
    model_candidates: int
    """Candidates of the model that were measured in them. Of more candidates the best is better."""
    optimizer_candidates: int
    model_ahead: int
    """Of these, those in which the model's best was better than the optimiser's."""
    optimizer_ahead: int
    same_candidates: int
    """Predictions of the model's candidates, with the surrogate's beside them, that were measured."""
    model_nearer: int
    """Of these, those in which the model's number was nearer."""
    surrogate_nearer: int
    """Of these, those in which the surrogate's was; in the rest both were equally near."""
    displaced: int
    """Candidates that the optimiser alone would have tested at their time, and that were not tested then."""
    displaced_measured: tuple[str, ...]
    """Experiments that measured some of them later."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What asking the model came to."""

    name: str
    remote: bool
    turns: Mapping[Turn, int]
    rejected: int
    """Proposals that code rejected."""
    refused_calls: int
    """Calls of tools that code refused."""
    filled: int
    """Experiments of the model that the optimiser filled."""
    objections: int
    upheld: int
    exchanges: int
    unanswered: int
    """Of these, those without a reply; what they took is not counted."""
    tokens: int
    estimated: bool
    """A server did not count some of them: they are estimated from lengths of texts."""
    cost: float | None
    """In the currency of the prices that the settings state; None where none are."""
    seconds: float


def contributions(record: CampaignRecord, scales: dict[str, float]) -> tuple[Contribution, ...]:
    """Return what each source gave, in the order in which they first appear."""
    deliberations = record.deliberations
    planned = [h for plan in record.plans.values() for h in plan.hypotheses]
    sources = dict.fromkeys(s.source for d in deliberations.values() for s in d.standings)
    sources |= dict.fromkeys(h.source for h in planned)
    last = deliberations[max(deliberations)] if deliberations else None
    rewards = {s.source: s.reward for s in last.standings} if last else {}
    best = _best_by_hypothesis(record, scales)
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in record.verdicts:
        verdicts.setdefault(verdict.hypothesis, []).append(verdict)
    found = []
    for source in sources:
        own = [h for h in planned if h.source == source]
        losers = [c for d in deliberations.values() for c in d.contenders if not c.became]
        names = {h.id for h in own}
        ended = [e for e in _explorations(record) if e.experiment.hypothesis in names]
        outcomes = [v.outcome for h in own for v in verdicts.get(h.id, ())]
        candidates = sorted((best[h.id] for h in own if h.id in best), key=lambda pair: pair[0], reverse=True)
        found.append(
            Contribution(
                source=source,
                proposed=len(own) + sum(c.hypothesis.source == source for c in losers),
                ran=len(ended),
                failed=sum(bool(e.failed) for e in ended),
                held=outcomes.count(Outcome.SUPPORTED),
                refuted=outcomes.count(Outcome.REFUTED),
                undecided=sum(o not in (Outcome.SUPPORTED, Outcome.REFUTED) for o in outcomes),
                best=candidates[0][1] if candidates else None,
                reward=rewards.get(source),
            )
        )
    return tuple(found)


def rivalry(record: CampaignRecord, scales: dict[str, float], *, model: str, optimizer: str) -> Rivalry:
    """Return how two sources compare, iteration by iteration and prediction by prediction.

    Args:
        record: the campaign.
        scales: property → width over which it varies usefully.
        model: the source that asks a model.
        optimizer: the source that would have planned alone.
    """
    best = _best_by_hypothesis(record, scales)
    both = ahead = behind = of_model = of_optimizer = 0
    for plan in record.plans.values():
        mine, theirs = (
            [best[h.id][0] for h in plan.hypotheses if h.source == s and h.id in best]
            for s in (model, optimizer)
        )
        if mine and theirs:
            of_model, of_optimizer = of_model + len(mine), of_optimizer + len(theirs)
            both, ahead = both + 1, ahead + (max(mine) > max(theirs))
            behind += max(theirs) > max(mine)
    contenders = [c for d in record.deliberations.values() for c in d.contenders]
    pairs = [nearer for c in contenders for nearer in _pairs(c, record.verdicts)]
    displaced, later = _displaced(record)
    return Rivalry(
        both=both,
        model_candidates=of_model,
        optimizer_candidates=of_optimizer,
        model_ahead=ahead,
        optimizer_ahead=behind,
        same_candidates=len(pairs),
        model_nearer=sum(sign > 0 for sign in pairs),
        surrogate_nearer=sum(sign < 0 for sign in pairs),
        displaced=displaced,
        displaced_measured=later,
    )


def model_use(record: CampaignRecord) -> ModelUse | None:
    """Return what asking the model came to; None where none was asked."""
    if record.started is None or record.started.model is None:
        return None
    deliberations = list(record.deliberations.values())
    turns = [d.turn for d in deliberations]
    objections = [o for d in deliberations for c in d.contenders for o in c.objections]
    replies = [e.reply for e in record.exchanges.values() if e.reply is not None]
    priced = [r.usage.cost for r in replies if r.usage.cost is not None]
    return ModelUse(
        name=record.started.model.name,
        remote=record.started.model.remote,
        turns={turn: turns.count(turn) for turn in Turn if turn in turns},
        rejected=sum(not r.is_call for d in deliberations for r in d.rejected),
        refused_calls=sum(r.is_call for d in deliberations for r in d.rejected),
        filled=sum(d.filled for d in deliberations),
        objections=len(objections),
        upheld=sum(o.upheld for o in objections),
        exchanges=len(record.exchanges),
        unanswered=len(record.exchanges) - len(replies),
        estimated=any(r.usage.estimated for r in replies),
        cost=sum(priced) if priced else None,
        tokens=sum(r.usage.prompt_tokens + r.usage.completion_tokens for r in replies),
        seconds=sum(r.seconds for r in replies),
    )


def _explorations(record: CampaignRecord) -> list[ExperimentRecord]:
    return [
        e
        for e in record.experiments.values()
        if e.finished and e.experiment.purpose is Purpose.EXPLORE and e.iteration in record.plans
    ]


def _best_by_hypothesis(
    record: CampaignRecord, scales: dict[str, float]
) -> dict[str, tuple[Merit, Observation]]:
    return {
        record.experiments[seen.source].experiment.hypothesis: (merit, seen)
        for merit, seen in record.merits(scales)
        if seen.source in record.experiments
    }


def _pairs(contender: Contender, verdicts: list[Verdict]) -> list[int]:
    """Return for each measured prediction of a contender 1 where the model was nearer than the surrogate.

    It is -1 where the surrogate was, and 0 where both were equally near.
    """
    if contender.surrogate is None or not contender.became:
        return []
    believed = {p.property: p.expected for p in contender.surrogate.predictions}
    nearer = []
    for v in verdicts:
        if v.hypothesis == contender.became and v.observed is not None and v.property in believed:
            own, other = v.expected, believed[v.property].to(v.expected.unit)
            x = v.observed.to(own.unit).value
            off, other_off = abs(x - own.value), abs(x - other.value)
            nearer.append((off < other_off) - (off > other_off))
    return nearer


def _displaced(record: CampaignRecord) -> tuple[int, tuple[str, ...]]:
    """Return how many candidates gave way to the model's, and the experiments that measured some later."""
    displaced: dict[str, Hypothesis] = {}
    for iteration, d in record.deliberations.items():
        tested = {h.candidate.id for h in record.plans[iteration].hypotheses}
        displaced |= {h.candidate.id: h for h in d.counterfactual if h.candidate.id not in tested}
    later = tuple(
        e.experiment.id
        for e in _explorations(record)
        if e.experiment.candidate.id in displaced
        and e.iteration > displaced[e.experiment.candidate.id].iteration
    )
    return len(displaced), later
