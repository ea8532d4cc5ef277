"""An item of knowledge as rows of SQLite, and back."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from novum.core.digest import canonical_json, digest
from novum.core.errors import StoreError, UsageError
from novum.core.knowledge import KnowledgeItem
from novum.core.quality import score
from novum.core.quantity import Quantity, base_units

FACETS = (
    "id",
    "version",
    "recorded_at",
    "level",
    "data_class",
    "domain",
    "subject",
    "subject_label",
    "relation",
    "object",
    "conditions",
    "method",
    "tool",
    "source",
    "language",
    "campaign",
    "origin",
    "negative",
    "base_value",
    "base_std",
    "base_unit",
    "has_value",
    "status",
    "access",
    "valid_from",
    "valid_to",
    "review_by",
    "confidence",
    "quality",
)
"""The columns of `items` that repeat what an item says, so that it can be found by them."""

COMPUTED = ("version", "confidence", "quality", "status", "status_reason")
"""What the knowledge base says of an item, and not the item itself."""

_NOTHING: tuple[Any, ...] = (None, "", {}, [])


def facets(item: KnowledgeItem, recorded_at: str) -> tuple[Any, ...]:
    """Return the values of `FACETS` for an item."""
    p = item.provenance
    base = None if item.value is None else base_units(item.value, item.std)
    return (
        item.id,
        item.version,
        recorded_at,
        item.level.value,
        item.data_class.value,
        item.domain,
        item.subject,
        item.subject_label,
        item.relation,
        item.object,
        canonical_json(item.conditions),
        p.method,
        tool_of(p.tool, p.tool_version),
        p.source,
        p.language,
        p.campaign,
        item.origin.value,
        int(item.negative),
        *(base or (None, None, None)),
        int(item.value is not None),
        item.status.value,
        item.access.value,
        timestamp(item.valid_from),
        timestamp(item.valid_to),
        timestamp(item.review_by),
        item.confidence,
        score(item.quality),
    )


def content_of(fields: Mapping[str, Any]) -> str:
    """Return the digest of what was found, out of an item in JSON terms.

    What is empty does not take part, so that a field which items get later changes no digest.
    """
    said = {name: _said(value) for name, value in fields.items() if name not in COMPUTED}
    return digest({name: value for name, value in said.items() if value not in _NOTHING})


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: said for name, said in value.items() if said not in _NOTHING}
    return value


def tool_of(name: str, version: str) -> str:
    """Return a tool with its version; empty without a tool."""
    return f"{name}@{version}" if name else ""


def to_item(row: sqlite3.Row) -> KnowledgeItem:
    """Return the item of a row with `id`, `version` and `payload`.

    Raises:
        StoreError: this novum cannot read it.
    """
    try:
        return KnowledgeItem.model_validate_json(row["payload"])
    except ValidationError as error:
        raise StoreError(
            f"item {row['id']} in version {row['version']} cannot be read by this novum: {error}. "
            f"Use the novum that wrote it, or a later one"
        ) from error


def timestamp(moment: datetime | None) -> str | None:
    """Return a moment as text, so that the order of texts is the order of times.

    Raises:
        UsageError: it has no time zone.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise UsageError(f"the time {moment.isoformat()} has no time zone; state one, as 'Z' or '+01:00'")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def bound(quantity: Quantity) -> tuple[float, str]:
    """Return value and unit of a bound in base units.

    Raises:
        UsageError: it is not finite in them.
    """
    base = base_units(quantity)
    if base is None:
        raise UsageError(f"{quantity} is too large to be compared with")
    return base[0], base[2]
