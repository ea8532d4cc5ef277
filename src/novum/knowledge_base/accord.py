"""What a person found to stand beside each other, however far it is apart."""

import json

from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base.agreement import topic
from novum.knowledge_base.links import Rows


def stands_with(rows: Rows, item: KnowledgeItem) -> frozenset[str]:
    """Return the ids of the items of which a person found last that they stand, and this one with them.

    Args:
        rows: runs a query.
        item: the item.
    """
    found = rows(
        "SELECT winner, members FROM resolutions WHERE conflict = ? ORDER BY seq DESC LIMIT 1", (topic(item),)
    )
    if not found or found[0]["winner"] is not None:
        return frozenset()
    members = frozenset(json.loads(found[0]["members"]))
    return members if item.id in members else frozenset()
