"""Items with what most tests do not care about filled in."""

from typing import Any

from novum.core.knowledge import KnowledgeItem, Level, Provenance, item_id
from novum.core.quantity import Quantity


def make_item(text: str = "a fact", **changes: Any) -> KnowledgeItem:
    """Return an item with what most tests do not care about filled in."""
    fields: dict[str, Any] = {
        "level": Level.FACTUAL,
        "domain": "chemistry",
        "subject": "LFQSCWFLJHTTHZ-UHFFFAOYSA-N",
        "subject_label": "CCO",
        "relation": "gap",
        "conditions": {},
        "value": Quantity(value=4.0, unit="eV"),
        "text": text,
        "provenance": Provenance(source="test", campaign="c1", method="GFN2-xTB"),
    } | changes
    if "id" not in fields:
        named = {name: fields[name] for name in ("subject", "relation", "conditions", "value", "text")}
        fields["id"] = item_id(method=fields["provenance"].method, **named)
    return KnowledgeItem(**fields)
