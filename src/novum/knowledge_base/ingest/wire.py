"""What travels between us and the process that reads: lines of JSON, and plain bytes; never pickles.

The other side may be run by the file that it reads, so that whatever comes from there is checked.
"""

from dataclasses import fields
from datetime import datetime
from typing import Any

from novum.core.knowledge import Access, DataClass, Interval, Level
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base.ingest.bounds import Bounds
from novum.knowledge_base.ingest.draft import About, Columns, Draft, Shape

_FIELDS = tuple(field.name for field in fields(Draft))
_TEXTS = ("subject", "relation", "text", "label", "object")
_OBJECTS = ("locator", "conditions", "arguments")


def draft_to(draft: Draft) -> dict[str, Any]:
    """Return a draft as JSON data."""
    data = {name: getattr(draft, name) for name in _FIELDS}
    data["value"] = None if draft.value is None else draft.value.model_dump(mode="json")
    data["interval"] = None if draft.interval is None else draft.interval.model_dump(mode="json")
    data["created"] = None if draft.created is None else draft.created.isoformat()
    return data


def draft_from(data: dict[str, Any]) -> Draft:
    """Return a draft from JSON data.

    Raises:
        LookupError: a field is missing.
        TypeError: there is one too many, or one is of another type.
        ValueError: one has a value that it cannot have.
    """
    for names, kind in ((_TEXTS, str), (_OBJECTS, dict)):
        for name in names:
            if not isinstance(data[name], kind):
                raise TypeError(f"{name} is no {kind.__name__}")
    if not isinstance(data["sensitive"], bool):
        raise TypeError("sensitive is neither true nor false")
    changed = {
        "data_class": DataClass(data["data_class"]),
        "level": None if data["level"] is None else Level(data["level"]),
        "value": None if data["value"] is None else Quantity.model_validate(data["value"]),
        "interval": None if data["interval"] is None else Interval.model_validate(data["interval"]),
        "created": None if data["created"] is None else datetime.fromisoformat(data["created"]),
        "flags": tuple(str(flag) for flag in data["flags"]),
    }
    return Draft(**{**data, **changed})


def about_from(data: dict[str, Any]) -> About:
    """Return what a user says, from JSON data."""
    columns = data["columns"]
    conditions = columns["conditions"]
    changed = {
        "origin": Origin(data["origin"]),
        "access": None if data["access"] is None else Access(data["access"]),
        "level": None if data["level"] is None else Level(data["level"]),
        "shape": None if data["shape"] is None else Shape(data["shape"]),
        "columns": Columns(**{**columns, "conditions": None if conditions is None else tuple(conditions)}),
    }
    return About(**{**data, **changed})


def bounds_from(data: dict[str, Any]) -> Bounds:
    """Return bounds from JSON data."""
    return Bounds(**data)
