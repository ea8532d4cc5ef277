"""Whether two items about one thing agree: arithmetic on what they say."""

import math
from dataclasses import dataclass

from novum.core.digest import digest
from novum.core.knowledge import KnowledgeItem
from novum.core.quantity import base_units
from novum.knowledge_base.rows import tool_of

SIGMAS = 3.0
"""Two values conflict where they differ by more standard deviations of their difference than this."""

ASSUMED_SPREAD = 0.05
"""Relative standard deviation of a value that states none: a choice, so that no value counts as exact
because somebody left its uncertainty out."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What decides whether two items agree, in base units."""

    value: float | None
    std: float | None
    unit: str | None
    source: tuple[str, str]
    """Method and tool."""
    negative: bool

    @property
    def spread(self) -> float:
        """The standard deviation, or what is assumed of a value that states none; 0 without a value."""
        return 0.0 if self.value is None else _spread(self.value, self.std, None)


def topic(item: KnowledgeItem) -> str:
    """Return the id of what an item speaks of: its subject, relation, object and conditions."""
    return f"X-{digest([item.subject, item.relation, item.object, item.conditions])[:16]}"


def reading(item: KnowledgeItem) -> Reading:
    """Return what decides whether an item agrees with others."""
    base = None if item.value is None else base_units(item.value, item.std)
    value, std, unit = base or (None, None, None)
    p = item.provenance
    return Reading(value, std, unit, (p.method, tool_of(p.tool, p.tool_version)), item.negative)


def difference(
    one: KnowledgeItem, other: KnowledgeItem, *, replicates: bool = True, noise: float | None = None
) -> float | None:
    """Return by how many standard deviations two items about one thing differ.

    Infinite where one denies what the other states. None where they cannot be compared: a number and no
    number, another dimension, or validities that do not meet. Results of one method and tool that state no
    spread are replicates: their difference is the spread, so that it is 0.

    Args:
        one: an item.
        other: another item with the same subject, relation, object and conditions.
        replicates: whether results of one method and tool are replicates. They are none where one of them
            is in doubt and the other is its test; then `noise` holds for them, or `ASSUMED_SPREAD`.
        noise: the standard deviation of results of one method and tool that state none, in base units; see
            `novum.knowledge_base.topics.Topics.replicate_spread`. None where it is not known.
    """
    if not _meet(one, other):
        return None
    return apart(reading(one), reading(other), replicates=replicates, noise=noise)


def apart(
    one: Reading, other: Reading, *, replicates: bool = True, noise: float | None = None
) -> float | None:
    """Return what `difference` does, for items that hold at the same time."""
    if one.value is None and other.value is None:
        return math.inf if one.negative is not other.negative else 0.0
    if one.value is None or other.value is None or one.unit != other.unit:
        return None
    same_source = one.source == other.source and any(one.source)
    if replicates and same_source and one.std is None and other.std is None:
        return 0.0
    distance = abs(one.value - other.value)
    if distance == 0:
        return 0.0
    known = noise if same_source else None
    spread = math.hypot(_spread(one.value, one.std, known), _spread(other.value, other.std, known))
    return distance / spread if spread else math.inf


def agree(one: Reading, other: Reading) -> bool:
    """Say whether both state the same: within `SIGMAS`, replicates held against each other like others."""
    if one.negative is not other.negative:
        return False
    distance = apart(one, other, replicates=False)
    return distance is not None and distance <= SIGMAS


def _spread(value: float, std: float | None, noise: float | None) -> float:
    if std is not None:
        return std
    return abs(value) * ASSUMED_SPREAD if noise is None else noise


def _meet(one: KnowledgeItem, other: KnowledgeItem) -> bool:
    """Say whether the times at which two items are true overlap."""
    return not any(
        a.valid_to is not None and b.valid_from is not None and a.valid_to <= b.valid_from
        for a, b in ((one, other), (other, one))
    )
