"""How probably an item is right by its own method and what it is made of, whatever others say of it."""

from novum.core.belief import derived
from novum.core.knowledge import DataClass, EvidenceRole, ItemStatus
from novum.core.science import Origin
from novum.knowledge_base.ancestry import REACH, Ancestor, Ancestry, Web
from novum.knowledge_base.track import TrackRecord

PRIORS = {Origin.MEASURED: 0.9, Origin.SIMULATED: 0.8, Origin.SYNTHETIC: 0.5}
"""How often a method of each kind is expected to hold before it has a record: choices, soon outweighed by
the record itself (`novum.core.belief.PRIOR_STRENGTH`)."""

TEXT_PRIOR = 0.7
"""The same for what a text asserts."""

NEEDED = frozenset({EvidenceRole.DERIVED_FROM, EvidenceRole.ANALYSED_WITH})
"""Evidence without which an item says nothing: what it is made of, and with."""

SHOWN = frozenset({EvidenceRole.MEASURED_BY, EvidenceRole.SIMULATED_BY})
"""Evidence that an item is a result of."""

NOTHING_SAID = 0.5


def prior(origin: Origin, data_class: DataClass) -> float:
    """Return how reliable a method of a kind is expected to be before it has a record."""
    if data_class is DataClass.TEXT:
        return min(TEXT_PRIOR, PRIORS[origin])
    return PRIORS[origin]


class Grounds:
    """Computes how probably items are right by themselves, within one transaction.

    Args:
        web: the items.
        track: how far each method has kept its word.
    """

    def __init__(self, web: Web, track: TrackRecord) -> None:
        self._web = web
        self._track = track
        self._generation = web.generation
        self._known: dict[str, float | None] = {}

    def reliability(self, found: Ancestor) -> float:
        """Return how reliable the method or source of an item is."""
        expected = prior(found.origin, found.data_class)
        return self._track.reliability(found.voice, prior=expected).mean

    def alone(self, found: Ancestor) -> float:
        """Return how probably an item is right that is in no circle; 0 for what is."""
        return self._of(found) or 0.0

    def of(self, found: Ancestor, behind: Ancestry) -> float:
        """Return how probably an item is right, for one that is appraised.

        Args:
            found: the item.
            behind: what lies behind it, as the one that is appraised sees it.
        """
        if behind.is_apart(found.id):
            right = self._of(found)
            if right is not None:
                return right
        return self._seen(found, behind, {})

    def _of(self, found: Ancestor) -> float | None:
        """Return how probably an item is right, whatever is appraised; None for one in a circle."""
        if self._generation != self._web.generation:
            self._known.clear()
            self._generation = self._web.generation
        if found.status is not ItemStatus.ACTIVE:
            return 0.0
        if found.id not in self._known:
            self._known[found.id] = None  # what is met again within itself
            conditions: list[float | None] = []
            for part in self._web.read(_made_of(found)).values():
                conditions.append(self._of(part))
            known = [p for p in conditions if p is not None]
            self._known[found.id] = self._made(found, known) if len(known) == len(conditions) else None
        return self._known[found.id]

    def _seen(self, found: Ancestor, behind: Ancestry, grounds: dict[str, float]) -> float:
        if found.status is not ItemStatus.ACTIVE:
            return 0.0
        if found.id not in grounds:
            # What is made of itself says nothing, and no more does what is made of far too much.
            grounds[found.id] = NOTHING_SAID
            conditions: list[float] = []
            if len(grounds) < REACH:
                for part in behind.read(_made_of(found)).values():
                    conditions.append(self._seen(part, behind, grounds))
            grounds[found.id] = self._made(found, conditions)
        return grounds[found.id]

    def _made(self, found: Ancestor, conditions: list[float]) -> float:
        return derived(self.reliability(found), *conditions) if all(conditions) else NOTHING_SAID


def _made_of(found: Ancestor) -> list[str]:
    return [target for target, role in found.evidence if role in NEEDED or role in SHOWN]
