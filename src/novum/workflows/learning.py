"""Between a campaign and the knowledge base: what an iteration teaches, and what is known already."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from novum.core.access import Destination, release, strictest
from novum.core.events import KnowledgeHead
from novum.core.forecasts import Forecast
from novum.core.goals import Goal
from novum.core.judgement import two_sided
from novum.core.knowledge import (
    Access,
    DataClass,
    Evidence,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
    Level,
    Provenance,
    item_id,
)
from novum.core.quantity import Quantity, UncertaintyKind, canonical_unit
from novum.core.record import CampaignRecord, ExperimentRecord, mean
from novum.core.science import (
    Claim,
    ClaimStatus,
    ConfirmedValue,
    Experiment,
    Hypothesis,
    Measurement,
    Observation,
    Origin,
    Outcome,
    Verdict,
)
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    CrystalSpace,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
    Space,
)
from novum.knowledge_base.agreement import ASSUMED_SPREAD
from novum.knowledge_base.base import KnowledgeBase
from novum.workflows.assays import Assay, argument_names

FAILS = "fails"
"""The relation of an item that tells of a failed experiment."""

MEETS_GOAL = "meets_goal"
"""The relation of an item that holds a finding."""

MAX_RECALLED = 1000
"""Candidates taken over from earlier campaigns; the most recently learned ones."""


class CampaignKnowledge:
    """The knowledge base as one campaign's nodes see it.

    Args:
        base: the knowledge base.
        goal: what the campaign pursues.
        to: where the planner is that sees what is recalled. Whoever composes says so: there is no default.
    """

    def __init__(self, base: KnowledgeBase, goal: Goal, *, to: Destination) -> None:
        self._base = base
        self._goal = goal
        self._to = to

    def relevant(self, text: str, n: int) -> tuple[str, ...]:
        """Return the ids of the items nearest to `text`, best first; nothing is loaded for an empty base."""
        if self._base.items.count() == 0:
            return ()
        found = [hit.item for hit in self._base.search(text, n)]
        return tuple(item.id for item in release(found, to=self._to).items)

    def recall(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:
        """Return what the goal's own assays measured before in a space of the same kind, and what failed.

        What is out of date becomes stale first. What is stale or taken back is left out, and so is what
        may not go where the planner is.
        """
        self._base.expire()
        return self._recall(assays, ItemStatus.ACTIVE)

    def doubted(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:
        """Return what `recall` leaves out because it is stale: to be measured again."""
        return self._recall(assays, ItemStatus.STALE)

    def _recall(self, assays: Mapping[str, Assay], status: ItemStatus) -> tuple[KnowledgeItem, ...]:
        found: list[KnowledgeItem] = []
        now = self._base.items.now
        for name, assay in assays.items():
            found += self._base.query(
                relation=name,
                conditions=conditions_of(assay, self._goal.space),
                negative=False,
                has_value=True,
                status=status,
                valid_at=now,
            )
        for tool in dict.fromkeys(a.tool.name for a in assays.values() if a.tool):
            found += self._base.query(relation=FAILS, conditions={"tool": tool}, status=status, valid_at=now)
        found = list(release(found, to=self._to).items)
        space = self._goal.space
        names = set(space.rows[0].arguments if isinstance(space, PoolSpace) else argument_names(space))
        known = tuple(item for item in found if names <= set(item.arguments))
        if isinstance(space, PoolSpace):  # another table of that name has other rows
            rows = {row.id: row.arguments for row in space.rows}
            known = tuple(item for item in known if rows.get(item.subject) == item.arguments)
        return known

    def record(self, items: Iterable[KnowledgeItem]) -> tuple[str, ...]:
        """Store what was just found durably; return the ids.

        What is stale about the same thing is reinstated or superseded by it. What is found out about a
        subject is as closed to readers as the closest of what is known about it, active or stale.
        """
        return tuple(self._base.record(self._closed(list(items)), measured_again=True))

    def head(self) -> KnowledgeHead | None:
        """Return where the chain of what is known ends now."""
        position, hash = self._base.head
        return KnowledgeHead(position=position, hash=hash) if position else None

    def _closed(self, items: Sequence[KnowledgeItem]) -> list[KnowledgeItem]:
        tiers: dict[str, Access] = {}
        subjects = {item.subject for item in items}
        for status in (ItemStatus.ACTIVE, ItemStatus.STALE):
            for known in self._base.query(
                subjects=subjects, status=status, access=(Access.RESTRICTED, Access.SENSITIVE)
            ):
                tiers[known.subject] = strictest(known.access, tiers.get(known.subject, Access.PUBLIC))
        return [
            item.model_copy(update={"access": strictest(item.access, tiers.get(item.subject, Access.PUBLIC))})
            for item in items
        ]

    def learn(self, forecasts: Iterable[Forecast]) -> None:
        """Store what was said to come, and whether it did, durably."""
        self._base.learn(forecasts)


def items_of(
    entries: Sequence[ExperimentRecord],
    assays: Mapping[str, Assay],
    *,
    campaign: str,
    space: Space,
    verdicts: Sequence[Verdict] = (),
) -> list[KnowledgeItem]:
    """Return what experiments teach: a value for each measurement, and each failure."""
    judged = {(v.experiment, v.property): v for v in verdicts}
    items = []
    for entry in entries:
        items += [
            _value_item(
                m,
                entry.experiment,
                {**conditions_of(assays[m.property], space), **_asked(m, entry.experiment)},
                campaign,
                space,
                judged.get((m.experiment, m.property)),
                version=_version(m, entry),
            )
            for m in entry.measurements
        ]
        if entry.finished and entry.failed:
            items.append(_failure_item(entry, campaign, domain_of(space)))
    return items


def items_of_claims(
    record: CampaignRecord, measured: Iterable[KnowledgeItem], *, campaign: str
) -> list[KnowledgeItem]:
    """Return the campaign's findings as items of the level *insight*.

    Args:
        record: the campaign.
        measured: what its experiments taught, as `items_of` returns it: what the findings rest on.
        campaign: its id.
    """
    domain = domain_of(record.goal.space)
    taught: dict[str, list[str]] = {}
    origins: dict[str, Origin] = {}
    for item in measured:
        origins[item.id] = item.origin
        for link in item.evidence:
            taught.setdefault(link.target, []).append(item.id)
    return [
        _claim_item(claim, str(record.goal), campaign, domain, taught, origins)
        for claim in record.claims.values()
    ]


def forecasts_of_verdicts(
    verdicts: Iterable[Verdict], hypotheses: Mapping[str, Hypothesis], *, campaign: str
) -> list[Forecast]:
    """Return how the predictions of whoever made them have held; what was not decided teaches nothing."""
    return [
        Forecast(
            source=hypotheses[v.hypothesis].source,
            key=f"{campaign}/{v.experiment}/{v.property}",
            held=v.outcome is Outcome.SUPPORTED,
            probability=next(
                p.rule.level
                for p in hypotheses[v.hypothesis].predictions
                if (p.property, p.tool) == (v.property, v.tool)
            ),
            statistic=v.statistic,
        )
        for v in verdicts
        if v.outcome in (Outcome.SUPPORTED, Outcome.REFUTED)
    ]


def forecasts_of_claims(
    claims: Iterable[Claim], assays: Mapping[str, Assay], *, campaign: str
) -> list[Forecast]:
    """Return whether what each method measured has held when another one checked it.

    It has where the two values agree within the central interval of their difference at `LEVEL`.
    """
    checked = (
        (f"{campaign}/{claim.id}/{value.property}", value)
        for claim in claims
        for value in claim.values
        if value.independent and value.confirmed is not None and value.property in assays
    )
    return [_forecast(assays[value.property].method, key, value) for key, value in checked]


def _forecast(method: str, key: str, value: ConfirmedValue) -> Forecast:
    assert value.confirmed is not None
    winning, confirmed = value.winning, value.confirmed.to(value.winning.unit)
    spreads = [abs(q.value) * ASSUMED_SPREAD if q.std is None else q.std for q in (winning, confirmed)]
    spread, apart = math.hypot(*spreads), confirmed.value - winning.value
    z = apart / spread if spread else 0.0 if apart == 0 else math.inf
    stated = winning.std is not None and spread > 0
    return Forecast(source=method, key=key, held=abs(z) <= two_sided(), statistic=z if stated else None)


def recalled_observations(
    items: Iterable[KnowledgeItem], assays: Mapping[str, Assay]
) -> tuple[Observation, ...]:
    """Return what knowledge items say about candidates, in the goal's units.

    Several values of one property of one candidate are averaged. A candidate that failed before, and of
    which a property is still unknown, is a failed observation: it would fail again.
    """
    subjects: dict[str, list[KnowledgeItem]] = {}
    for item in items:
        subjects.setdefault(item.subject, []).append(item)
    observations = []
    for subject, group in list(subjects.items())[-MAX_RECALLED:]:
        values: dict[str, list[Quantity]] = {}
        for item in group:
            if item.value is not None and item.relation in assays:
                unit = assays[item.relation].objective.unit
                values.setdefault(item.relation, []).append(item.value.to(unit))
        failures = [item.text for item in group if item.relation == FAILS]
        observations.append(
            Observation(
                candidate=Candidate(
                    id=subject, label=group[0].subject_label or subject, arguments=group[0].arguments
                ),
                values={name: mean(quantities) for name, quantities in values.items()},
                failed=failures[0] if failures and set(assays) - set(values) else "",
                recalled=True,
                source=",".join(item.id for item in group),
            )
        )
    return tuple(observations)


def domain_of(space: Space) -> str:
    """Return the scientific domain of a space, as items name it."""
    if isinstance(space, MoleculeSpace) or (isinstance(space, PoolSpace) and space.smiles):
        return "chemistry"
    if isinstance(space, CrystalSpace):
        return "materials"
    return "process"


def conditions_of(assay: Assay, space: Space) -> dict[str, Any]:
    """Return the conditions under which an assay's values hold: the tool, its options, and the space.

    A molecule or a crystal means the same everywhere; a row of a table and a setting of parameters do not.
    """
    conditions = {"tool": assay.tool.name if assay.tool else assay.source, **assay.objective.options}
    if isinstance(space, PoolSpace):
        conditions["pool"] = space.source
    elif isinstance(space, ParameterSpace):
        conditions["parameters"] = sorted(
            p.name if isinstance(p, ChoiceParameter) else f"{p.name} [{canonical_unit(p.unit)}]"
            for p in space.parameters
        )
    return conditions


def _asked(m: Measurement, experiment: Experiment) -> dict[str, Any]:
    """Return the tool that measured, and the options that it was called with."""
    call = next((c for c in experiment.calls if c.tool == m.tool), None)
    own = {*experiment.candidate.arguments, "smiles"}
    options = {} if call is None else {k: v for k, v in call.arguments.items() if k not in own}
    return {"tool": m.tool, **options}


def _version(m: Measurement, entry: ExperimentRecord) -> str:
    return next((r.tool_version for r in entry.results if r.key == m.call_key), "")


def _value_item(
    m: Measurement,
    experiment: Experiment,
    conditions: dict[str, Any],
    campaign: str,
    space: Space,
    verdict: Verdict | None,
    *,
    version: str,
) -> KnowledgeItem:
    candidate = experiment.candidate
    evidence = [
        Evidence(
            target=f"ledger:{campaign}/{m.experiment}",
            role=EvidenceRole.MEASURED_BY if m.origin is Origin.MEASURED else EvidenceRole.SIMULATED_BY,
        )
    ]
    said = ""
    if verdict is not None and verdict.outcome in (Outcome.SUPPORTED, Outcome.REFUTED):
        said = f" The prediction before it, {verdict.expected}, was {verdict.outcome.value}."
    quantity = m.quantity
    if quantity.std is not None and quantity.kind is None:
        kind = UncertaintyKind.MEASUREMENT if m.origin is Origin.MEASURED else UncertaintyKind.MODEL
        quantity = quantity.model_copy(update={"kind": kind})
    return KnowledgeItem(
        id=item_id(
            subject=m.candidate, relation=m.property, conditions=conditions, method=m.method, value=quantity
        ),
        level=Level.FACTUAL if m.origin is Origin.MEASURED else Level.MODELLING,
        data_class=DataClass.SYMBOLIC if domain_of(space) == "chemistry" else DataClass.STRUCTURED,
        domain=domain_of(space),
        subject=m.candidate,
        subject_label=candidate.label,
        relation=m.property,
        value=quantity,
        conditions=conditions,
        text=f"{candidate.label}: {m.property} = {m.quantity} by {m.method}.{said}",
        arguments=candidate.arguments,
        evidence=tuple(evidence),
        provenance=Provenance(
            source=f"campaign {campaign}",
            campaign=campaign,
            tool=m.tool,
            tool_version=version,
            method=m.method,
            call_key=m.call_key,
        ),
        origin=m.origin,
    )


def _failure_item(entry: ExperimentRecord, campaign: str, domain: str) -> KnowledgeItem:
    candidate = entry.experiment.candidate
    broken = next((r for r in entry.results if not r.ok), None)
    tool = broken.call.tool if broken else ""
    conditions = {"tool": tool or "person"}
    text = f"{candidate.label}: the experiment failed: {entry.failed}"
    return KnowledgeItem(
        id=item_id(
            subject=candidate.id, relation=FAILS, conditions=conditions, method=tool, value=None, text=text
        ),
        level=Level.FACTUAL,
        domain=domain,
        subject=candidate.id,
        subject_label=candidate.label,
        relation=FAILS,
        conditions=conditions,
        text=text,
        arguments=candidate.arguments,
        evidence=(
            Evidence(target=f"ledger:{campaign}/{entry.experiment.id}", role=EvidenceRole.MEASURED_BY),
        ),
        provenance=Provenance(source=f"campaign {campaign}", campaign=campaign, tool=tool),
        negative=True,
    )


def _claim_item(
    claim: Claim,
    goal: str,
    campaign: str,
    domain: str,
    taught: Mapping[str, Sequence[str]],
    origins: Mapping[str, Origin],
) -> KnowledgeItem:
    conditions = {"goal": goal}
    records = (f"ledger:{campaign}/{name}" for name in claim.evidence)
    targets = dict.fromkeys(target for record in records for target in taught.get(record, [record]))
    negative = claim.status in (ClaimStatus.NOT_CONFIRMED, ClaimStatus.SHORT)
    return KnowledgeItem(
        id=item_id(
            subject=claim.candidate.id,
            relation=MEETS_GOAL,
            conditions=conditions,
            method="sealed confirmation",
            value=None,
            text=claim.statement,
        ),
        level=Level.INSIGHT,
        domain=domain,
        subject=claim.candidate.id,
        subject_label=claim.candidate.label,
        relation=MEETS_GOAL,
        conditions=conditions,
        text=claim.statement,
        arguments=claim.candidate.arguments,
        # By the items that the experiments gave, so that retracting one of these is felt here. What shows
        # that a candidate falls short supports an item that says so.
        evidence=tuple(
            Evidence(
                target=target,
                role=EvidenceRole.SUPPORTS,
                weight=0.0 if claim.status is ClaimStatus.UNCONFIRMED else 1.0,
            )
            for target in targets
        ),
        provenance=Provenance(source=f"campaign {campaign}", campaign=campaign, method="sealed confirmation"),
        # Only as real as the least real of what it rests on.
        origin=max(
            (origins.get(t, Origin.SIMULATED) for t in targets),
            key=list(Origin).index,
            default=Origin.SIMULATED,
        ),
        negative=negative,
    )
