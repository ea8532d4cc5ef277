"""The hull that grows in the knowledge base: what was measured of crystals, as phases."""

from dataclasses import dataclass

from novum.knowledge_base.base import KnowledgeBase

FORMATION_ENERGY = "formation_energy"
"""The property, in eV per atom, that `materials.stability` measures."""


@dataclass(frozen=True, slots=True)
class KnownPhase:
    """The lowest energy of formation that is known of a formula by one method."""

    formula: str
    energy: float
    """Of formation from the elements, in eV per atom."""
    name: str
    """The structure that has it, as its space names it."""
    item: str
    """The knowledge item that says so."""

    def as_argument(self) -> dict[str, str | float]:
        """Return it as the argument `phases` of the tool `materials.hull` takes it."""
        return {"formula": self.formula, "energy": self.energy, "name": self.name}


def known_phases(base: KnowledgeBase, *, method: str = "CHGNet 0.3.0") -> tuple[KnownPhase, ...]:
    """Return the active knowledge about crystals as phases of one hull, the elements at 0 first.

    Energies of formation by one method have one scale, whichever campaign measured them. What is stale,
    retracted or superseded takes no part. Of several structures of one formula the lowest counts.

    Args:
        base: where to look.
        method: whose energies; those of different methods make no hull together.

    Raises:
        StoreError: the knowledge base cannot be read.
    """
    lowest: dict[str, KnownPhase] = {}
    elements: set[str] = set()
    for item in base.measurements(FORMATION_ENERGY, methods=[method]):
        formula = item.arguments.get("formula")
        if not isinstance(formula, str) or item.value is None or item.negative:
            continue
        found = KnownPhase(formula, item.value.to("eV").value, item.subject, item.id)
        elements |= set(map(str, item.arguments.get("elements", ())))
        if formula not in lowest or found.energy < lowest[formula].energy:
            lowest[formula] = found
    own = [KnownPhase(symbol, 0.0, f"element:{symbol}", "") for symbol in sorted(elements)]
    return (*own, *(lowest[formula] for formula in sorted(lowest)))
