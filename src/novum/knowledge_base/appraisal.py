"""What the knowledge base says of an item: how far to believe it, and how good it is as data."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from novum.core.access import strictest
from novum.core.belief import REPEATED, Piece, confidence, derived, log_odds, strongest
from novum.core.errors import EvidenceError
from novum.core.knowledge import (
    CARRYING,
    LEDGER,
    Access,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
    Level,
)
from novum.core.quality import assess
from novum.core.science import Origin
from novum.knowledge_base.accord import stands_with
from novum.knowledge_base.ancestry import Ancestor, Ancestry, ancestor
from novum.knowledge_base.grounds import NEEDED, NOTHING_SAID, SHOWN, Grounds
from novum.knowledge_base.topics import PEERS_OF_A_METHOD, Peer, is_calculated, origin_of
from novum.knowledge_base.track import TrackRecord
from novum.knowledge_base.writer import Writer

MOVED = 0.005
"""Change of a confidence that is worth a new version."""

FARTHEST = 1e6
"""Standard deviations beyond which a difference is not told apart."""


class Appraiser:
    """Computes confidence and quality of items, within one transaction.

    - What measured or simulated an item is a piece of evidence for it, as reliable as its method. The same
      call of a tool, found again, is no further piece.
    - An active item about the same thing that agrees, and comes from another source, is a piece: as reliable
      as its own method made it, whatever is believed of it, so that two that agree do not lift each other
      in turns.
    - One that contradicts it, and comes from another source, is a piece against it, as reliable as its own
      method made it. Where a person found that both stand, it is none.
    - What is more closed to readers than the item bears on nothing that is shown of it.
    - What supports or refutes it is a piece that is right as probably as it is true itself.
    - What is derived, or analysed with something, is right where its method is, and all that is true; it is
      never more probable by that than the least of it.
    - What has no other evidence is one piece for itself, as reliable as its method or source. An insight
      that is supported is believed for its support alone.

    What is stale, superseded or retracted says nothing, and so does a link that closes a circle: what rests
    on an item cannot carry it. `novum.core.belief` combines the pieces; those that rest on one thing share
    its errors.

    Args:
        writer: the transaction.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._grounds = Grounds(writer.web, TrackRecord(writer.connection))

    def prepare(self, items: Collection[KnowledgeItem]) -> None:
        """Read in one go what appraising these takes."""
        self._writer.web.read({link.target for item in items for link in item.evidence})
        self._writer.web.carry([item.id for item in items])
        self._writer.topics.load(items)

    def __call__(self, item: KnowledgeItem) -> KnowledgeItem:
        """Return the item as it stands with what it rests on.

        It is as closed to readers as the closest of that, and stale where any of it has fallen.

        Raises:
            EvidenceError: it claims to be measured, and rests on what was not.
        """
        writer = self._writer
        behind = Ancestry(writer.web, ancestor(item))
        known = behind.read({e.target for e in item.evidence} - {item.id})
        carrying = [known[e.target] for e in item.evidence if e.role in CARRYING and e.target in known]
        if item.origin is Origin.MEASURED:
            _check_origin(item, known)
        closed = strictest(item.access, *(Access(found.access) for found in carrying))
        item = item.model_copy(update={"access": closed})
        peers = list(writer.topics.compared(item))
        update: dict[str, Any] = {
            "confidence": confidence(_Weighing(writer, self._grounds, item, behind, known)(peers)),
            "quality": assess(item, now=writer.now, deviation=_deviation(item, peers)),
        }
        fallen = [found.id for found in carrying if found.status is not ItemStatus.ACTIVE]
        if fallen and item.status is ItemStatus.ACTIVE:
            reason = f"it rests on {fallen[0]}, which has fallen"
            update |= {"status": ItemStatus.STALE, "status_reason": reason}
        return item.model_copy(update=update)


class _Weighing:
    """Finds the pieces of evidence for and against one item."""

    def __init__(
        self,
        writer: Writer,
        grounds: Grounds,
        item: KnowledgeItem,
        behind: Ancestry,
        known: Mapping[str, Ancestor],
    ) -> None:
        self._writer = writer
        self._grounds = grounds
        self._item = item
        self._own = ancestor(item)
        self._behind = behind
        self._known = known
        self._circular = behind.circular(known)

    def __call__(self, peers: Collection[Peer]) -> list[Piece]:
        """Return the pieces; only the strongest, where there are many."""
        own, others = strongest(self._results()), [*self._linked(), *self._elsewhere(peers)]
        if len(own) + len(others) < 2:
            return [*own, *others]
        sides = ([p for p in others if p.supports], [p for p in others if not p.supports])
        carrying = {
            root
            for target, role in self._own.evidence
            if role in CARRYING and role is not EvidenceRole.SUPPORTS
            for root in (target, *self._behind.behind(target))
        }
        mine = frozenset({self._item.id, *carrying}) if others else frozenset[str]()
        return [_rooted(piece, mine) for piece in own] + [
            _rooted(piece, self._behind.behind(piece.name) | {piece.name})
            for side in sides
            for piece in strongest(side)
        ]

    def _results(self) -> list[Piece]:
        """Return what the item says for itself: its results, or its own word."""
        item, voice = self._item, self._own.voice
        needed = [e.target for e in item.evidence if e.role in NEEDED and e.target in self._known]
        conditions = [self._known[target].standing for target in needed]
        right = self._grounds.reliability(self._own)
        if self._circular.intersection(needed) or not all(conditions):
            right = NOTHING_SAID
        elif min(conditions, default=1.0) < NOTHING_SAID:
            # What is made of something that is probably false is probably false itself.
            return [Piece(voice, 1 - min(conditions), supports=False, name=item.id)]
        else:
            right = derived(right, *conditions)
        shown = [e for e in item.evidence if e.role in SHOWN]
        pieces = []
        repeated = self._repeated()
        for link in shown:
            found = self._known.get(link.target)
            p = right
            if found is not None:
                p = NOTHING_SAID if link.target in self._circular else derived(right, found.standing)
            weight = 0.0 if link.target in repeated else link.weight
            pieces.append(Piece(voice, p, weight, name=item.id))
        judged = any(e.role in (EvidenceRole.SUPPORTS, EvidenceRole.REFUTES) for e in item.evidence)
        if not shown and (needed or not (judged and item.level is Level.INSIGHT)):
            pieces.append(Piece(voice, right, name=item.id))
        return pieces

    def _linked(self) -> Iterator[Piece]:
        """Yield what others say of the item."""
        for link in self._item.evidence:
            if link.role not in (EvidenceRole.SUPPORTS, EvidenceRole.REFUTES):
                continue
            supports = link.role is EvidenceRole.SUPPORTS
            found = self._known.get(link.target)
            if found is not None:
                p = found.standing
                if link.target in self._circular:
                    # It may still doubt by its own word what it rests on, but not carry it.
                    p = NOTHING_SAID if supports else self._grounds.of(found, self._behind)
                yield Piece(found.voice, p, link.weight, supports, name=found.id)
            elif link.target.startswith(LEDGER):
                p = self._grounds.reliability(self._own)
                yield Piece(self._own.voice, p, link.weight, supports, name=link.target)

    def _elsewhere(self, peers: Collection[Peer]) -> Iterator[Piece]:
        """Yield what was found out about the same thing elsewhere, and agrees or contradicts."""
        linked = {link.target for link in self._item.evidence}
        own = origin_of(dict(self._item.provenance), self._item.origin)
        others = {peer.id: peer for peer in peers if peer.id not in linked and peer.origin != own}
        if against := {id for id, peer in others.items() if peer.contradicts}:
            against -= stands_with(self._writer.rows, self._item)
        agreeing = {id for id, peer in others.items() if peer.agrees}
        if not agreeing and not against:
            return
        below = self._behind.behind(self._item.id)
        found = self._behind.read(sorted(agreeing | against))
        apart = {id for id in found if id not in below and self._item.id not in self._behind.behind(id)}
        for supports, ids in ((True, agreeing & apart), (False, against & apart)):
            pieces = [
                Piece(found[id].voice, self._grounds.of(found[id], self._behind), 1.0, supports, name=id)
                for id in ids
            ]
            heard, n = set[str](), Counter[str]()
            # Of what has one origin, that counts which adds the most.
            counted = self._own.voice if supports else ""
            for piece in sorted(pieces, key=partial(_turn, counted=counted)):
                where = others[piece.name].origin
                if where not in heard and n[piece.group] < PEERS_OF_A_METHOD:
                    heard.add(where)
                    n[piece.group] += 1
                    yield piece

    def _repeated(self) -> set[str]:
        """Return the records of ledgers that hold a call which another one holds already.

        Every version of the item names the call that it was found by.
        """
        item = self._item
        records = [e for e in item.evidence if e.role in SHOWN and e.target.startswith(LEDGER)]
        if len(records) < 2 or not is_calculated(dict(item.provenance), item.origin):
            return set()
        calls: dict[str, str] = {}
        versions = self._writer.connection.execute(
            "SELECT json_extract(payload, '$.provenance.call_key') AS call, "
            "json_extract(payload, '$.evidence') AS evidence "
            "FROM items JOIN bodies USING (seq) WHERE id = ? ORDER BY seq",
            (item.id,),
        )
        for row in versions:
            for link in json.loads(row["evidence"]):
                calls.setdefault(link["target"], row["call"])
        seen: set[str] = set()
        repeated: set[str] = set()
        for link in sorted(records, key=lambda e: -e.weight):
            call = calls.get(link.target, item.provenance.call_key)
            if call and call in seen:
                repeated.add(link.target)
            seen.add(call)
        return repeated


def _turn(piece: Piece, counted: str) -> tuple[float, str, str]:
    """Return the place of a piece among others: what adds the most comes first.

    Args:
        piece: the piece.
        counted: the method of a piece that counts already.
    """
    odds = log_odds(piece.probability)
    return (-odds * (REPEATED if piece.group == counted else 1.0), piece.group, piece.name)


def _rooted(piece: Piece, roots: frozenset[str]) -> Piece:
    return Piece(piece.group, piece.probability, piece.weight, piece.supports, roots, piece.name)


def moved(before: KnowledgeItem, after: KnowledgeItem) -> bool:
    """Say whether an appraisal came out so differently that it is worth a new version."""
    return shut(before, after) or abs(before.confidence - after.confidence) >= MOVED


def shut(before: KnowledgeItem, after: KnowledgeItem) -> bool:
    """Say whether an appraisal closed an item to readers, or made it stale; it never does the contrary."""
    return (before.status, before.access) != (after.status, after.access)


def _deviation(item: KnowledgeItem, peers: Collection[Peer]) -> float | None:
    """Return by how many standard deviations an item differs from others about the same, if any."""
    if item.value is None or not peers:
        return None
    return math.sqrt(math.fsum(min(peer.apart, FARTHEST) ** 2 for peer in peers) / len(peers))


def _check_origin(item: KnowledgeItem, known: Mapping[str, Ancestor]) -> None:
    """Refuse a measurement that was computed from what is none."""
    for link in item.evidence:
        if link.role is EvidenceRole.SIMULATED_BY:
            raise EvidenceError(f"{item.id} ({item.text}) is called measured, and was simulated")
        found = known.get(link.target)
        if link.role is EvidenceRole.DERIVED_FROM and found and found.origin is not Origin.MEASURED:
            raise EvidenceError(
                f"{item.id} ({item.text}) is called measured, and is derived from {link.target}, which is "
                f"{found.origin}"
            )
