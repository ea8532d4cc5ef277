"""Between a campaign and the knowledge base: what an iteration teaches, and what is known already."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from novum.core.access import Destination, open_tiers, release, strictest
from novum.core.calls import CallStatus
from novum.core.deliberation import Fact
from novum.core.digest import canonical_json
from novum.core.events import KnowledgeHead
from novum.core.forecasts import Forecast
from novum.core.goals import Goal
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
from novum.core.record import ExperimentRecord, mean
from novum.core.science import Experiment, Measurement, Observation, Origin, Outcome, Verdict
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    CrystalSpace,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
    Space,
)
from novum.knowledge_base.base import KnowledgeBase
from novum.workflows.assays import Assay, argument_names

FAILS = "fails"
"""The relation of an item that tells of an experiment that cannot succeed: the tool, or a person, said so."""

UNFINISHED = "unfinished"
"""The relation of an item that tells of an experiment that was stopped: by a limit, or by what went wrong
around it. With another limit, or on another day, it may succeed."""

TOOL_VERSION = "tool_version"
"""The condition that names the version of a tool: what another version gives is another fact."""

_SAID_SO = frozenset({CallStatus.ERROR, CallStatus.BAD_RESULT})
"""How a call ends that would end so again."""

_PREDICTED = re.compile(r" The prediction before it, (.*?), was (?:supported|refuted)\.")
"""The sentence by which an item tells what was expected of its value."""

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

    def relevant(self, text: str, n: int) -> tuple[KnowledgeItem, ...]:
        """Return the items nearest to `text`, best first; nothing is loaded for an empty base."""
        if self._base.items.count() == 0:
            return ()
        # by tier before the limit: what is closed takes no place of what may be told
        return tuple(hit.item for hit in self._base.search(text, n, access=tuple(open_tiers(self._to))))

    def named(self, ids: Collection[str]) -> tuple[KnowledgeItem, ...]:
        """Return the items of these ids, as far as there are any and they may be told."""
        found = (self._base.find(name) for name in ids)
        return release((item for item in found if item is not None), to=self._to).items

    def withheld(self, subjects: Collection[str], *, to: Destination) -> frozenset[str]:
        """Return those of `subjects` of which something is known that may not go to a destination."""
        closed = tuple(tier for tier in Access if tier not in open_tiers(to))
        if not closed or not subjects:
            return frozenset()
        return frozenset(
            item.subject
            for status in (ItemStatus.ACTIVE, ItemStatus.STALE)
            for item in self._base.query(subjects=set(subjects), status=status, access=closed)
        )

    def recall(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:
        """Return what the goal's own assays measured before in a space of the same kind, and what failed.

        By the very versions of the tools that measure now. What is out of date becomes stale first. What is
        stale or taken back is left out, and so is what may not go where the planner is.
        """
        self._base.expire()
        return self._fitting(self._measured(assays, ItemStatus.ACTIVE) + self._failed(assays))

    def doubted(self, assays: Mapping[str, Assay]) -> tuple[KnowledgeItem, ...]:
        """Return what `recall` leaves out and may be measured again.

        That is what is stale, and what another version of a tool measured where the present one has not: the
        latest such version alone, since values of several versions are not to be mixed.
        """
        stale = self._measured(assays, ItemStatus.STALE)
        return self._fitting(stale + self._of_other_versions(assays))

    def _measured(self, assays: Mapping[str, Assay], status: ItemStatus) -> list[KnowledgeItem]:
        return [
            item
            for name, assay in assays.items()
            for item in self._values(name, assay, status)
            if _measured_by(item) == _present(assay)
        ]

    def _of_other_versions(self, assays: Mapping[str, Assay]) -> list[KnowledgeItem]:
        latest: dict[tuple[str, str], list[KnowledgeItem]] = {}
        for name, assay in assays.items():
            found = self._values(name, assay, ItemStatus.ACTIVE)
            known = {item.subject for item in found if _measured_by(item) == _present(assay)}
            for item in found:
                if item.subject in known:
                    continue
                group = latest.setdefault((item.subject, name), [])
                if group and _measured_by(group[0]) != _measured_by(item):
                    group.clear()
                group.append(item)
        return [item for group in latest.values() for item in group]

    def _values(self, name: str, assay: Assay, status: ItemStatus) -> list[KnowledgeItem]:
        """Return the values of a property by an assay, by any version of its tool, as they were recorded."""
        wanted = canonical_json(_unversioned(conditions_of(assay, self._goal.space)))
        return [
            item
            for conditions in self._base.items.conditions(name)
            if canonical_json(_unversioned(conditions)) == wanted
            for item in self._base.query(
                relation=name,
                conditions=conditions,
                negative=False,
                has_value=True,
                status=status,
                valid_at=self._base.items.now,
            )
        ]

    def _failed(self, assays: Mapping[str, Assay]) -> list[KnowledgeItem]:
        tools = {a.tool.name: a.tool.version for a in assays.values() if a.tool}
        return [
            item
            for tool, version in tools.items()
            for item in self._base.query(
                relation=FAILS,
                conditions={"tool": tool, TOOL_VERSION: version},
                valid_at=self._base.items.now,
            )
        ]

    def _fitting(self, found: Sequence[KnowledgeItem]) -> tuple[KnowledgeItem, ...]:
        """Return the items that may go where the planner is, and are about what the space is made of."""
        known = release(list(found), to=self._to).items
        space = self._goal.space
        names = set(space.rows[0].arguments if isinstance(space, PoolSpace) else argument_names(space))
        fitting = tuple(item for item in known if names <= set(item.arguments))
        if isinstance(space, PoolSpace):  # another table of that name has other rows
            rows = {row.id: row.arguments for row in space.rows}
            fitting = tuple(item for item in fitting if rows.get(item.subject) == item.arguments)
        return fitting

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
                _conditions(m, entry, assays[m.property], space),
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


def fact_of(item: KnowledgeItem) -> Fact:
    """Return an item in words, with what it tells of a prediction apart from what was measured."""
    held, predicted = _PREDICTED.sub("", item.text), ", ".join(_PREDICTED.findall(item.text))
    return Fact(
        id=item.id, text=item.text, flags=item.flags, access=item.access, held=held, predicted=predicted
    )


def domain_of(space: Space) -> str:
    """Return the scientific domain of a space, as items name it."""
    if isinstance(space, MoleculeSpace) or (isinstance(space, PoolSpace) and space.smiles):
        return "chemistry"
    if isinstance(space, CrystalSpace):
        return "materials"
    return "process"


def conditions_of(assay: Assay, space: Space) -> dict[str, Any]:
    """Return the conditions under which an assay's values hold: tool, version, options, and the space.

    A molecule or a crystal means the same everywhere; a row of a table and a setting of parameters do not.
    """
    conditions = {"tool": assay.tool.name if assay.tool else assay.source, **assay.objective.options}
    if assay.tool:
        conditions[TOOL_VERSION] = assay.tool.version
    if isinstance(space, PoolSpace):
        conditions["pool"] = space.source
    elif isinstance(space, ParameterSpace):
        conditions["parameters"] = sorted(
            p.name if isinstance(p, ChoiceParameter) else f"{p.name} [{canonical_unit(p.unit)}]"
            for p in space.parameters
        )
    return conditions


def _conditions(m: Measurement, entry: ExperimentRecord, assay: Assay, space: Space) -> dict[str, Any]:
    """Return the conditions of a measurement: those of the assay, by the tool and options that were used."""
    experiment, version = entry.experiment, _version(m, entry)
    call = next((c for c in experiment.calls if c.tool == m.tool), None)
    own = {*experiment.candidate.arguments, "smiles"}
    options = {} if call is None else {k: v for k, v in call.arguments.items() if k not in own}
    used = {"tool": m.tool, **({TOOL_VERSION: version} if version else {})}
    return {**_unversioned(conditions_of(assay, space)), **options, **used}


def _unversioned(conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in conditions.items() if name != TOOL_VERSION}


def _measured_by(item: KnowledgeItem) -> str:
    """Return the version of the tool that gave an item; older items name it in their provenance only."""
    return str(item.conditions.get(TOOL_VERSION, item.provenance.tool_version))


def _present(assay: Assay) -> str:
    return assay.tool.version if assay.tool else ""


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
    tool, version = (broken.call.tool, broken.tool_version) if broken else ("", "")
    conditions = {"tool": tool or "person", **({TOOL_VERSION: version} if version else {})}
    lasting = broken is None or broken.status in _SAID_SO
    relation = FAILS if lasting else UNFINISHED
    said = "failed" if lasting else "did not come to its end"
    text = f"{candidate.label}: the experiment {said}: {entry.failed}"
    return KnowledgeItem(
        id=item_id(
            subject=candidate.id, relation=relation, conditions=conditions, method=tool, value=None, text=text
        ),
        level=Level.FACTUAL,
        domain=domain,
        subject=candidate.id,
        subject_label=candidate.label,
        relation=relation,
        conditions=conditions,
        text=text,
        arguments=candidate.arguments,
        evidence=(
            Evidence(target=f"ledger:{campaign}/{entry.experiment.id}", role=EvidenceRole.MEASURED_BY),
        ),
        provenance=Provenance(
            source=f"campaign {campaign}", campaign=campaign, tool=tool, tool_version=version
        ),
        negative=True,
    )
