"""Whether two items about one thing agree: arithmetic on what they say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from novum.core.digest import digest
from novum.core.goals import POOL
from novum.core.knowledge import KnowledgeItem
from novum.core.quantity import Quantity, base_units, has_offset
from novum.knowledge_base.rows import tool_of

SIGMAS = 3.0
"""Two values conflict where they differ by more standard deviations of their difference than this."""

ASSUMED_KELVIN = 1.0
"""Standard deviation of a temperature on a scale with an arbitrary zero that states none: a choice."""

ASSUMED_SPREAD = 0.05
"""Relative standard deviation of a value that states none: a choice, so that no value counts as exact
because somebody left its uncertainty out."""


@dataclass(frozen=True, slots=True)
class Maker:
    """What decides whether two results are replicates."""

    method: str
    tool: str
    """The tool, with its version, that a call ran; empty for what read a file."""
    bytes: str
    """The hash of the bytes that it was read from."""
    campaign: str

    def repeats(self, other: "Maker") -> bool:
        """Say whether results of both are replicates: by one method, and made in one place by one tool.

        What two files say, or two people, are two statements, whatever read them.
        """
        if self.method != other.method or self.tool != other.tool:
            return False
        if not self.tool:
            together = (self.bytes and self.bytes == other.bytes) or (
                self.campaign and self.campaign == other.campaign
            )
            return bool(self.method and together)
        return True


def maker(made: Mapping[str, Any]) -> Maker:
    """Return what made a result.

    Args:
        made: the fields of a `Provenance`, which are not checked again.
    """
    name = made.get("tool", "") if made.get("call_key") else ""
    # Who looks a value up in a table has not measured it.
    tool = "" if name == POOL else tool_of(name, made.get("tool_version", ""))
    return Maker(made.get("method", ""), tool, made.get("content_hash", ""), made.get("campaign") or "")


@dataclass(frozen=True, slots=True)
class Reading:
    """What decides whether two items agree, in base units."""

    value: float | None
    std: float | None
    unit: str | None
    maker: Maker
    negative: bool
    rounding: float | None = None
    """The standard deviation of rounding, in a unit whose zero is arbitrary: nothing is relative to it."""

    @property
    def spread(self) -> float:
        """The standard deviation, or what is assumed of a value that states none; 0 without a value."""
        return 0.0 if self.value is None else _spread(self, None)


def topic(item: KnowledgeItem) -> str:
    """Return the id of what an item speaks of: its subject, relation, object and conditions."""
    return f"X-{digest([item.subject, item.relation, item.object, item.conditions])[:16]}"


def reading(item: KnowledgeItem) -> Reading:
    """Return what decides whether an item agrees with others."""
    base = None if item.value is None else base_units(item.value, item.std)
    value, std, unit = base or (None, None, None)
    stated = None if std is not None else item.value
    rounding = None if stated is None else rounding_of(stated.value, stated.unit)
    return Reading(value, std, unit, maker(dict(item.provenance)), item.negative, rounding)


def rounding_of(value: float, unit: str) -> float | None:
    """Return what is assumed of a value in a unit whose zero is arbitrary, in base units.

    None for a unit with a true zero. `ASSUMED_KELVIN`, or the standard deviation that rounding to the last
    digit written leaves, where that is more.
    """
    if not has_offset(unit):
        return None
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    digit = 10.0 ** min(0, exponent if isinstance(exponent, int) else 0)
    base = base_units(Quantity(value=value, unit=unit), digit / math.sqrt(12))
    return None if base is None or base[1] is None else max(base[1], ASSUMED_KELVIN)


def difference(
    one: KnowledgeItem, other: KnowledgeItem, *, replicates: bool = True, noise: float | None = None
) -> float | None:
    """Return by how many standard deviations two items about one thing differ.

    Infinite where one denies what the other states. None where they cannot be compared: a number and no
    number, another dimension, or validities that do not meet. Results that state no spread are replicates
    where one method and one tool's calls gave them, or one method in one campaign or file: their difference
    is the spread, so that it is 0.

    Args:
        one: an item.
        other: another item with the same subject, relation, object and conditions.
        replicates: whether such results are replicates. They are none where one of them
            is in doubt and the other is its test; then `noise` holds for them, or `ASSUMED_SPREAD`.
        noise: the standard deviation of replicates that state none, in base units; see
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
    same_source = one.maker.repeats(other.maker)
    if replicates and same_source and one.std is None and other.std is None:
        return 0.0
    distance = abs(one.value - other.value)
    if distance == 0:
        return 0.0
    known = noise if same_source else None
    spread = math.hypot(_spread(one, known), _spread(other, known))
    return distance / spread if spread else math.inf


def agree(one: Reading, other: Reading) -> bool:
    """Say whether both state the same: within `SIGMAS`, replicates held against each other like others."""
    if one.negative is not other.negative:
        return False
    distance = apart(one, other, replicates=False)
    return distance is not None and distance <= SIGMAS


def contradict(one: Reading, other: Reading) -> bool:
    """Say whether two that hold at the same time cannot both be true; replicates can."""
    distance = apart(one, other)
    return distance is not None and distance > SIGMAS


def _spread(said: Reading, noise: float | None) -> float:
    if said.std is not None:
        return said.std
    if noise is not None:
        return noise
    return said.rounding if said.rounding is not None else abs(said.value or 0.0) * ASSUMED_SPREAD


def _meet(one: KnowledgeItem, other: KnowledgeItem) -> bool:
    """Say whether the times at which two items are true overlap."""
    return not any(
        a.valid_to is not None and b.valid_from is not None and a.valid_to <= b.valid_from
        for a, b in ((one, other), (other, one))
    )
