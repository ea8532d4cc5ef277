"""Which items are meant: filters, and the condition that they put on rows."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, TypedDict

from novum.core.digest import canonical_json
from novum.core.errors import UsageError
from novum.core.knowledge import Access, DataClass, ItemStatus, Level
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base.rows import bound, timestamp

ROUNDING = 1e-12
"""Share of a bound by which a value may miss it: what converting a unit costs."""


class Filters(TypedDict, total=False):
    """Which items are meant. What is left out, or None, does not restrict; except `status`."""

    subjects: Collection[str] | None
    """Any of these subjects."""
    relation: str | None
    object: str | None
    level: Level | None
    data_class: DataClass | None
    domain: str | None
    status: ItemStatus | None
    """Left out, it means active items only; None means items of every status."""
    negative: bool | None
    conditions: Mapping[str, Any] | None
    """Exactly these conditions."""
    methods: Collection[str] | None
    """Any of these methods of measurement."""
    source: str | None
    """Taken from this source, as `Provenance.source` names it."""
    origin: Origin | None
    access: Collection[Access] | None
    """Any of these tiers."""
    campaign: str | None
    """Recorded, in any version, by this campaign."""
    has_value: bool | None
    at_least: Quantity | None
    """With a value of the same dimension that is not below."""
    at_most: Quantity | None
    """With a value of the same dimension that is not above."""
    as_of: datetime | None
    """As the knowledge base stood then: what it had learned by that time, status included. None for now."""
    valid_at: datetime | None
    """True at that time, as far as its validity is stated."""
    review_by: datetime | None
    """To be reviewed by then, or before."""


class Where:
    """A condition on rows of `items`, grown clause by clause."""

    def __init__(self) -> None:
        self.clauses: list[str] = []
        self.values: list[Any] = []

    def add(self, clause: str, *values: Any) -> None:
        """Add a clause, unless its only value is None."""
        if values != (None,):
            self.clauses.append(clause)
            self.values += values

    @property
    def sql(self) -> str:
        """The condition, with a ``?`` for each of `values`."""
        return " AND ".join(self.clauses) or "TRUE"


def where(filters: Filters, *, until: int | None) -> Where:
    """Return the condition that `filters` put on a row of `items`.

    Args:
        filters: which items are meant.
        until: the last place in the order of recording that counts; None for all.

    Raises:
        UsageError: there is no such filter, or a time or a bound cannot be compared with.
    """
    unknown = set(filters) - set(Filters.__annotations__)
    if unknown:
        raise UsageError(f"unknown filter {sorted(unknown)}; there are {sorted(Filters.__annotations__)}")
    found = Where()
    if until is None:
        # The plus keeps SQLite from walking the index of the heads, which is in the order of ids.
        found.add("+items.until IS NULL")
    else:
        found.add("items.seq <= ? AND (items.until IS NULL OR items.until > ?)", until, until)
    status = filters.get("status", ItemStatus.ACTIVE)
    found.add("items.status = ?", status)
    # Spelt out where few items are meant, because SQLite uses a partial index for constants only.
    if status not in (ItemStatus.ACTIVE, None):
        found.add("items.status <> 'active'")
    if filters.get("negative"):
        found.add("items.negative = 1")
    found.add("items.subject IN (SELECT value FROM json_each(?))", _listed(filters.get("subjects")))
    for name in ("relation", "object", "level", "data_class", "domain", "source", "origin"):
        found.add(f"items.{name} = ?", filters.get(name))
    for flag in ("negative", "has_value"):
        found.add(f"items.{flag} = ?", filters.get(flag))
    conditions = filters.get("conditions")
    found.add("items.conditions = ?", None if conditions is None else canonical_json(dict(conditions)))
    found.add("items.method IN (SELECT value FROM json_each(?))", _listed(filters.get("methods")))
    found.add("items.access IN (SELECT value FROM json_each(?))", _listed(filters.get("access")))
    campaign = filters.get("campaign")
    if campaign is not None:
        learned = "" if until is None else " AND other.seq <= ?"
        found.add(
            f"items.id IN (SELECT id FROM items AS other WHERE other.campaign = ?{learned})",  # noqa: S608
            campaign,
            *([] if until is None else [until]),
        )
    for limit, sign, side in ((filters.get("at_least"), ">=", -1), (filters.get("at_most"), "<=", 1)):
        if limit is not None:
            value, unit = bound(limit)
            slack = side * ROUNDING * abs(value)
            found.add(f"items.base_unit = ? AND items.base_value {sign} ?", unit, value + slack)
    moment = timestamp(filters.get("valid_at"))
    if moment is not None:
        found.add("(items.valid_from IS NULL OR items.valid_from <= ?)", moment)
        found.add("(items.valid_to IS NULL OR items.valid_to > ?)", moment)
    found.add("items.review_by <= ?", timestamp(filters.get("review_by")))
    return found


def _listed(names: Collection[str] | None) -> str | None:
    # As one JSON array, because SQLite limits the number of parameters.
    return None if names is None else canonical_json(sorted(names))
