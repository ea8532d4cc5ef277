"""Items that are computed from other items: value, uncertainty and origin follow from these."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from novum.core.errors import UsageError
from novum.core.knowledge import Evidence, EvidenceRole, KnowledgeItem, Level, Provenance, item_id
from novum.core.quantity import Quantity, propagate_from
from novum.core.science import Origin

_FURTHEST = (Origin.MEASURED, Origin.SIMULATED, Origin.SYNTHETIC)
"""From the world itself to what was made up."""


def derive(
    function: Callable[..., Any],
    parents: Sequence[KnowledgeItem],
    *,
    relation: str,
    method: str,
    text: str = "",
    subject: str | None = None,
    unit: str | None = None,
    conditions: Mapping[str, Any] | None = None,
    level: Level = Level.THEORETICAL,
) -> KnowledgeItem:
    """Return the item that `function` makes of the values of `parents`.

    Its uncertainty is propagated to first order; what two parents have in common is counted as shared. It
    is only as real as the least real of them: what was computed from a simulation is no measurement.

    Args:
        function: from their values, in order, to the new one. See `novum.core.quantity.propagate`.
        parents: items with values.
        relation: what the new value is called.
        method: what was done, as "difference of orbital energies".
        text: one sentence about it; made from the rest where there is none.
        subject: what it is about; that of the parents where these have one in common.
        unit: its unit; what the arithmetic gives without.
        conditions: under which it holds; those that all parents have without.
        level: its level of knowledge.

    Raises:
        UnitError: the arithmetic mixes dimensions, or `unit` is of another one.
        UsageError: a parent has no value, or there is no subject.
    """
    if not parents:
        raise UsageError("nothing is derived from nothing; name the items that it comes from")
    values: list[tuple[Quantity, Mapping[str, float]]] = []
    for parent in parents:
        if parent.value is None:
            raise UsageError(f"{parent.id} has no value to derive anything from")
        own = {parent.id: parent.std} if parent.std else {}
        values.append((parent.value, parent.contributions or own))
    value, contributions = propagate_from(function, *values)
    if unit is not None:
        shifted = value.to(unit)
        factor = shifted.std / value.std if value.std and shifted.std is not None else 1.0
        value = shifted
        contributions = {name: factor * share for name, share in contributions.items()}
    kinds = {quantity.kind for quantity, _ in values}
    value = value.model_copy(update={"kind": kinds.pop() if len(kinds) == 1 else None})
    subjects = {parent.subject for parent in parents}
    if subject is None:
        if len(subjects) > 1:
            raise UsageError(f"the items are about {len(subjects)} things; say what the result is about")
        subject = parents[0].subject
    held = dict(conditions) if conditions is not None else _shared(parents)
    names = dict.fromkeys(parent.id for parent in parents)
    labels = {parent.subject_label for parent in parents if parent.subject == subject}
    label = labels.pop() if len(labels) == 1 else ""
    return KnowledgeItem(
        id=item_id(subject=subject, relation=relation, conditions=held, method=method, value=value),
        level=level,
        data_class=parents[0].data_class,
        domain=parents[0].domain,
        subject=subject,
        subject_label=label,
        relation=relation,
        value=value,
        contributions=contributions,
        conditions=held,
        text=text or f"{label or subject}: {relation} = {value} by {method}.",
        evidence=tuple(Evidence(target=name, role=EvidenceRole.DERIVED_FROM) for name in names),
        provenance=Provenance(source="derived from items", method=method),
        origin=max((parent.origin for parent in parents), key=_FURTHEST.index),
    )


def _shared(parents: Sequence[KnowledgeItem]) -> dict[str, Any]:
    first, *others = (parent.conditions for parent in parents)
    return {k: v for k, v in first.items() if all(k in other and other[k] == v for other in others)}
