"""Reactions that were run, out of the knowledge base: the table that predictions of conditions grow from."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from novum.knowledge_base.base import KnowledgeBase


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A reaction that was run, with its conditions and its yield."""

    reaction: str
    """Reaction SMILES."""
    conditions: dict[str, str]
    yield_percent: float
    item: str
    """The knowledge item that says so."""

    def as_argument(self) -> dict[str, Any]:
        """Return it as the argument `known` of the tool `chemistry.predict_conditions` takes it."""
        return {
            "reaction": self.reaction,
            "conditions": self.conditions,
            "yield_percent": self.yield_percent,
            "source": self.item,
        }


def known_reactions(
    base: KnowledgeBase, conditions: Collection[str], *, reaction: str = "reaction", measured: str = "yield"
) -> tuple[KnownRun, ...]:
    """Return the active knowledge about reactions that were run, oldest first.

    What is stale, retracted or superseded takes no part, and neither does what lacks the reaction or one of
    the conditions.

    Args:
        base: where to look.
        conditions: the arguments that are conditions: catalyst, base, solvent.
        reaction: the argument that holds the reaction SMILES.
        measured: the property that is the yield.

    Raises:
        StoreError: the knowledge base cannot be read.
    """
    found = []
    for item in base.measurements(measured):
        written = item.arguments.get(reaction)
        if item.value is None or item.negative or not isinstance(written, str):
            continue
        if not all(name in item.arguments for name in conditions):
            continue
        chosen = {name: str(item.arguments[name]) for name in sorted(conditions)}
        share = item.value.to("percent").value
        if 0 <= share <= 100:
            found.append(KnownRun(written, chosen, share, item.id))
    return tuple(found)
