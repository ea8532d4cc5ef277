"""The findings of a campaign as items of the knowledge base, with what they rest on."""

from collections.abc import Iterable, Mapping, Sequence

from novum.core.judgement import meets
from novum.core.knowledge import Evidence, EvidenceRole, KnowledgeItem, Level, Provenance, item_id
from novum.core.record import CampaignRecord
from novum.core.science import Claim, ClaimStatus, Origin
from novum.knowledge_base.agreement import SIGMAS
from novum.workflows.forecasting import residual
from novum.workflows.learning import domain_of

MEETS_GOAL = "meets_goal"
"""The relation of an item that holds a finding."""

METHOD = "sealed confirmation"


def items_of_claims(
    record: CampaignRecord, measured: Iterable[KnowledgeItem], *, campaign: str
) -> list[KnowledgeItem]:
    """Return the campaign's findings as items of the level *insight*, after the values that they rest on.

    - A finding that holds needs the value of every property that the goal names: it is derived from all of
      them. Where an independent method came to an agreeing value, this supports the campaign's own.
    - One that does not hold, or falls short, is shown by each value alone that breaks a wish.
    - One that nobody confirmed is shown by nothing yet.

    Whatever else took part carries the finding without weight, so that its retraction is felt.

    Args:
        record: the campaign.
        measured: what its experiments taught, as `items_of` returns it: what the findings rest on.
        campaign: its id.
    """
    taught: dict[str, list[KnowledgeItem]] = {}
    for item in measured:
        for link in item.evidence:
            taught.setdefault(link.target, []).append(item)
    items: list[KnowledgeItem] = []
    for claim in record.claims.values():
        evidence = _Evidence(claim, record, taught, campaign)
        items += [*evidence.supported(), _claim_item(claim, evidence, record, campaign)]
    return items


class _Evidence:
    """The items that a claim's experiments gave."""

    def __init__(
        self,
        claim: Claim,
        record: CampaignRecord,
        taught: Mapping[str, Sequence[KnowledgeItem]],
        campaign: str,
    ) -> None:
        self._claim = claim
        self._record = record
        self._taught = taught
        self._campaign = campaign
        source, *_ = claim.evidence
        wished = [o.property for o in record.goal.objectives]
        self._won = {item.relation: item for item in self._of([source]) if item.relation in wished}

    def items(self) -> list[KnowledgeItem]:
        """Return all of them, each once."""
        return list({item.id: item for item in self._of(self._claim.evidence)}.values())

    def supported(self) -> list[KnowledgeItem]:
        """Return the values that won and that another method came to as well, with its values as support."""
        found: dict[str, KnowledgeItem] = {}
        for value in self._claim.values:
            won = found.get(value.property, self._won.get(value.property))
            if won is None or not value.independent or value.confirmed is None:
                continue
            if abs(residual(value)) <= SIGMAS:
                links = [
                    Evidence(target=item.id, role=EvidenceRole.SUPPORTS)
                    for item in self._of(value.evidence)
                    if (item.relation, item.provenance.method) == (value.property, value.method)
                ]
                evidence = tuple(dict.fromkeys((*won.evidence, *links)))
                found[value.property] = won.model_copy(update={"evidence": evidence})
        return list(found.values())

    def links(self) -> tuple[Evidence, ...]:
        """Return the evidence of the claim."""
        found: dict[str, Evidence] = {}
        match self._claim.status:
            case ClaimStatus.CONFIRMED:
                for item in self._won.values():
                    found[item.id] = Evidence(target=item.id, role=EvidenceRole.DERIVED_FROM)
            case ClaimStatus.NOT_CONFIRMED | ClaimStatus.SHORT:
                for item in self._breaking():
                    found[item.id] = Evidence(target=item.id, role=EvidenceRole.SUPPORTS)
        targets = [item.id for item in self.items()]
        records = (self._target(name) for name in self._claim.evidence)
        targets += [target for target in records if target not in self._taught]
        for target in targets:
            found.setdefault(target, Evidence(target=target, role=EvidenceRole.SUPPORTS, weight=0.0))
        return tuple(found.values())

    def _breaking(self) -> list[KnowledgeItem]:
        """Return the values that break a wish of the goal."""
        if self._claim.status is ClaimStatus.SHORT:
            objectives = self._record.goal.objectives
            won = [(o, self._won[o.property]) for o in objectives if o.property in self._won]
            return [i for o, i in won if i.value and not meets(o, i.value.to(o.unit).value)]
        return [
            item
            for value in self._claim.values
            if value.holds is False
            for item in self._of(value.evidence)
            if (item.relation, item.provenance.method) == (value.property, value.method)
        ]

    def _of(self, experiments: Iterable[str]) -> list[KnowledgeItem]:
        return [item for name in experiments for item in self._taught.get(self._target(name), [])]

    def _target(self, experiment: str) -> str:
        return f"ledger:{self._campaign}/{experiment}"


def _claim_item(claim: Claim, evidence: _Evidence, record: CampaignRecord, campaign: str) -> KnowledgeItem:
    conditions = {"goal": str(record.goal)}
    return KnowledgeItem(
        id=item_id(
            subject=claim.candidate.id,
            relation=MEETS_GOAL,
            conditions=conditions,
            method=METHOD,
            value=None,
            text=claim.statement,
        ),
        level=Level.INSIGHT,
        domain=domain_of(record.goal.space),
        subject=claim.candidate.id,
        subject_label=claim.candidate.label,
        relation=MEETS_GOAL,
        conditions=conditions,
        text=claim.statement,
        arguments=claim.candidate.arguments,
        evidence=evidence.links(),
        provenance=Provenance(source=f"campaign {campaign}", campaign=campaign, method=METHOD),
        # Only as real as the least real of what it rests on.
        origin=max(
            (item.origin for item in evidence.items()), key=list(Origin).index, default=Origin.SIMULATED
        ),
        negative=claim.status in (ClaimStatus.NOT_CONFIRMED, ClaimStatus.SHORT),
    )
