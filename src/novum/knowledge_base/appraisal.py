"""What the knowledge base says of an item: how far to believe it, and how good it is as data."""

import math
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from novum.core.access import strictest
from novum.core.belief import Piece, attenuated, confidence
from novum.core.digest import canonical_json
from novum.core.errors import EvidenceError
from novum.core.knowledge import (
    CARRYING,
    LEDGER,
    Access,
    DataClass,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
)
from novum.core.quality import assess
from novum.core.science import Origin
from novum.knowledge_base.agreement import peers
from novum.knowledge_base.track import TrackRecord

PRIORS = {Origin.MEASURED: 0.9, Origin.SIMULATED: 0.8, Origin.SYNTHETIC: 0.5}
"""How often a method of each kind is expected to hold before it has a record: choices, soon outweighed by
the record itself (`novum.core.belief.PRIOR_STRENGTH`)."""

TEXT_PRIOR = 0.7
"""The same for what a text asserts."""

MOVED = 0.005
"""Change of a confidence that is worth a new version."""

NEEDED = frozenset({EvidenceRole.DERIVED_FROM, EvidenceRole.ANALYSED_WITH})
"""Evidence without which an item says nothing: what it is made of, and with."""


class Appraiser:
    """Computes confidence and quality of items, within one transaction.

    - What measured or simulated an item is a piece of evidence for it, as reliable as its method.
    - What supports or refutes it is a piece that is right as probably as it is true itself.
    - What is derived, or analysed with something, is right where its method is, and all that is true.
    - What has no other evidence is one piece for itself, as reliable as its method or source.

    What is stale, superseded or retracted says nothing. `novum.core.belief` combines the pieces.

    Args:
        connection: the transaction.
        now: the present.
    """

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._track = TrackRecord(connection)

    def __call__(self, item: KnowledgeItem) -> KnowledgeItem:
        """Return the item as it stands with what it rests on.

        It is as closed to readers as the closest of that, and stale where any of it has fallen.

        Raises:
            EvidenceError: it claims to be measured, and rests on what was not.
        """
        known = self._known(item)
        carrying = [known[e.target] for e in item.evidence if e.role in CARRYING and e.target in known]
        if item.origin is Origin.MEASURED:
            _check_origin(item, known)
        update: dict[str, Any] = {
            "confidence": self._confidence(item, known),
            "quality": assess(item, now=self._now, deviation=self._deviation(item)),
            "access": strictest(item.access, *(Access(row["access"]) for row in carrying)),
        }
        fallen = [row["id"] for row in carrying if row["status"] != ItemStatus.ACTIVE]
        if fallen and item.status is ItemStatus.ACTIVE:
            reason = f"it rests on {fallen[0]}, which has fallen"
            update |= {"status": ItemStatus.STALE, "status_reason": reason}
        return item.model_copy(update=update)

    def _deviation(self, item: KnowledgeItem) -> float | None:
        """Return by how many standard deviations an item differs from others about the same, if any."""
        if item.value is None:
            return None
        apart = [z for _, z in peers(self._connection, item)]
        return math.sqrt(math.fsum(z * z for z in apart) / len(apart)) if apart else None

    def _confidence(self, item: KnowledgeItem, known: dict[str, sqlite3.Row]) -> float:
        method = item.provenance.method or item.provenance.source
        own = self._track.reliability(method, prior=prior(item.origin, item.data_class)).mean
        needed = [
            _standing(known[link.target])
            for link in item.evidence
            if link.role in NEEDED and link.target in known
        ]
        own = attenuated(own, *needed)
        pieces: list[Piece] = []
        for link in item.evidence:
            supports = link.role is not EvidenceRole.REFUTES
            row = known.get(link.target)
            if link.role in (EvidenceRole.MEASURED_BY, EvidenceRole.SIMULATED_BY):
                held = own if row is None else attenuated(own, _standing(row))
                pieces.append(Piece(method, held, link.weight))
            elif link.role in (EvidenceRole.SUPPORTS, EvidenceRole.REFUTES):
                if row is None:
                    if link.target.startswith(LEDGER):
                        pieces.append(Piece(method, own, link.weight, supports))
                    continue  # an item of somewhere else, about which nothing is known
                pieces.append(Piece(row["method"] or row["source"], _standing(row), link.weight, supports))
        if not pieces or needed:
            pieces.append(Piece(method, own))
        return confidence(pieces)

    def _known(self, item: KnowledgeItem) -> dict[str, sqlite3.Row]:
        targets = sorted({e.target for e in item.evidence if not e.target.startswith(LEDGER)} - {item.id})
        if not targets:
            return {}
        rows = self._connection.execute(
            "SELECT id, method, source, origin, data_class, confidence, status, access FROM items "
            "WHERE until IS NULL AND id IN (SELECT value FROM json_each(?))",
            (canonical_json(targets),),
        )
        return {row["id"]: row for row in rows}


def prior(origin: Origin, data_class: DataClass) -> float:
    """Return how reliable a method of a kind is expected to be before it has a record."""
    if data_class is DataClass.TEXT:
        return min(TEXT_PRIOR, PRIORS[origin])
    return PRIORS[origin]


def moved(before: KnowledgeItem, after: KnowledgeItem) -> bool:
    """Say whether an appraisal came out so differently that it is worth a new version."""
    return shut(before, after) or abs(before.confidence - after.confidence) >= MOVED


def shut(before: KnowledgeItem, after: KnowledgeItem) -> bool:
    """Say whether an appraisal closed an item to readers, or made it stale; it never does the contrary."""
    return (before.status, before.access) != (after.status, after.access)


def _standing(row: sqlite3.Row) -> float:
    """Return how probably another item is true, as evidence for this one."""
    return float(row["confidence"]) if row["status"] == ItemStatus.ACTIVE else 0.0


def _check_origin(item: KnowledgeItem, known: Mapping[str, sqlite3.Row]) -> None:
    """Refuse a measurement that was computed from what is none."""
    for link in item.evidence:
        if link.role is EvidenceRole.SIMULATED_BY:
            raise EvidenceError(f"{item.id} ({item.text}) is called measured, and was simulated")
        row = known.get(link.target)
        if link.role is EvidenceRole.DERIVED_FROM and row is not None and row["origin"] != Origin.MEASURED:
            raise EvidenceError(
                f"{item.id} ({item.text}) is called measured, and is derived from {link.target}, which is "
                f"{row['origin']}"
            )
