"""On whose belief it bears when something is said about a thing of which much is known already."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator

from novum.core.belief import MOST
from novum.core.knowledge import EvidenceRole
from novum.knowledge_base.agreement import SIGMAS, agree, contradict
from novum.knowledge_base.ancestry import Ancestor
from novum.knowledge_base.appraisal import MOVED
from novum.knowledge_base.grounds import NEEDED, NOTHING_SAID, Grounds
from novum.knowledge_base.topics import PEERS_OF_A_METHOD, Side, Statement
from novum.knowledge_base.track import TrackRecord
from novum.knowledge_base.writer import Writer

_VOICES = 10
"""So many methods are asked at most whether they make a belief certain: fewer than are always weighed."""


class Bearing:
    """Finds the items that have to be appraised because others about the same thing came or fell.

    Those are left out whose belief an appraisal would leave as it is; see `_Company`.

    Args:
        writer: the transaction.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._grounds = Grounds(writer.web, TrackRecord(writer.connection))

    def companions(self, ids: Collection[str], *, new: Collection[str] = ()) -> list[str]:
        """Return the active items that speak of the same as any of `ids`, these included where several do.

        What agrees with an item bears on its belief, so that all of them feel it when one comes or falls.

        Args:
            ids: items that came, and were appraised then, or that changed or fell.
            new: those of them that came and were not known before.
        """
        found: dict[str, None] = {}
        for side in self._writer.topics.sides(ids):
            active = [one.id for one in side.said]
            # Rows of one file say nothing about each other.
            elsewhere = len({one.origin for one in side.said}) > 1
            among = side.changed.intersection(active)
            if len(among) == len(active) and (len(active) == 1 or not elsewhere):
                continue
            # A single one was appraised when all the others were there.
            feeling = active if len(among) > 1 else [id for id in active if id not in among]
            if side.changed <= set(new) and side.even and len(active) > PEERS_OF_A_METHOD:
                unmoved = set(_Company(self._writer, self._grounds, side).unmoved())
                feeling = [id for id in feeling if id not in unmoved]
            found.update(dict.fromkeys(feeling))
        return list(found)


class _Company:
    """What is said about one thing, and what it rests on; something new has come to it.

    The belief in what was there before is known to stay as it is,

    - where other methods that agree make it certain already, or
    - where as many results of the new one's method count as before, and they are as good: of one method,
      `PEERS_OF_A_METHOD` do.

    Both need that nothing that is said rests on anything else that is, and that nothing that came or went
    contradicts it.
    """

    def __init__(self, writer: Writer, grounds: Grounds, side: Side) -> None:
        self._side = side
        members = {one.id: one for one in (*side.said, *side.fallen)}
        self._items = writer.web.read(members)
        behind = {id: writer.web.behind(id) for id in members}
        self._rested_on = Counter(root for roots in behind.values() for root in roots or ())
        linked = {target for item in self._items.values() for target, _ in item.evidence}
        self._is_tangled = None in behind.values() or not members.keys().isdisjoint(
            linked.union(self._rested_on)
        )
        self._needed = writer.web.read(
            {t for item in self._items.values() for t, role in item.evidence if role in NEEDED}
        )
        self._right = {id: grounds.alone(item) for id, item in self._items.items()}
        self._by_voice: dict[str, list[Statement]] = {}
        for id in sorted(members, key=lambda id: (-self._right[id], id)):
            self._by_voice.setdefault(self._items[id].voice, []).append(members[id])
        said_by = Counter(one.origin for one in members.values())
        self._heard_once = {id for id in members if said_by[members[id].origin] == 1}
        self._narrowest = min((one.reading.spread for one in members.values()), default=0.0)
        self._ordered = sorted(members.values(), key=_value)
        self._alone = {
            id for id in self._heard_once if all(self._rested_on[root] == 1 for root in behind[id] or ())
        }

    def unmoved(self) -> Iterator[str]:
        """Yield what was known before and is believed as before, whatever came or is compared no more."""
        if self._is_tangled:
            return
        fallen = {one.id for one in self._side.fallen}
        moving = fallen | self._side.changed
        if not moving <= self._items.keys():
            return  # what came has gone elsewhere again
        voices = {self._items[id].voice for id in moving}
        certain = self._certain_voices(moving)
        for one in self._side.said:
            if one.id in self._side.changed:
                continue
            against = {other.id for other in self._against(one)}
            if against & moving:
                continue
            if (not against and self._is_certain(one, certain)) or (
                self._heard_once.issuperset(moving)
                and all(self._stays(one, voice, self._side.changed, fallen) for voice in voices)
            ):
                yield one.id

    def _certain_voices(self, moving: Collection[str]) -> list[tuple[float, list[Statement]]]:
        """Return by how much each method raises the log odds at least, the most first, and its results."""
        found = []
        for said in self._by_voice.values():
            right = min(self._right[one.id] for one in said)
            steady = [one for one in said if one.id not in moving]
            if right > NOTHING_SAID and steady and all(one.id in self._alone for one in said):
                found.append((_log_odds(min(right, MOST)), steady))
        return sorted(found, key=lambda pair: -pair[0])[:_VOICES]

    def _is_certain(self, one: Statement, voices: list[tuple[float, list[Statement]]]) -> bool:
        """Say whether an item is believed as far as anything can be, and would be again."""
        item = self._items[one.id]
        if item.confidence <= MOST - MOVED or _is_judged(item) or self._is_doubtful(item):
            return False
        enough, total = _log_odds(item.confidence - MOVED) + 1e-9, 0.0
        for weight, said in voices:
            if any(_bears(other, one) and agree(one.reading, other.reading) for other in said):
                total += weight
                if total > enough:
                    return True
        return False

    def _against(self, one: Statement) -> Iterator[Statement]:
        """Yield what contradicts an item."""
        if one.reading.value is None:
            near = self._ordered
        else:
            # What lies nearer than the narrowest that is said could contradict it is not looked at.
            width = SIGMAS * math.hypot(one.reading.spread, self._narrowest)
            low = bisect_left(self._ordered, one.reading.value - width, key=_value)
            high = bisect_right(self._ordered, one.reading.value + width, key=_value)
            near = self._ordered[:low] + self._ordered[high:]
        for other in near:
            if _bears(other, one) and contradict(one.reading, other.reading):
                yield other

    def _is_doubtful(self, item: Ancestor) -> bool:
        """Say whether anything that an item needs is more probably false than true."""
        needed = (self._needed.get(target) for target, role in item.evidence if role in NEEDED)
        return any(found is not None and found.standing < NOTHING_SAID for found in needed)

    def _stays(self, one: Statement, voice: str, came: Collection[str], went: Collection[str]) -> bool:
        """Say whether the results of one method weigh as much for an item as before."""
        before, after = self._counted(one, voice, came), self._counted(one, voice, went)
        if before == after:
            return True
        apart = all(n == 1 for n in self._rested_on.values()) and self._heard_once.issuperset(
            set(before).symmetric_difference(after)
        )
        return apart and not _is_judged(self._items[one.id]) and self._good(before) == self._good(after)

    def _good(self, ids: list[str]) -> list[float]:
        return sorted(self._right[id] for id in ids)

    def _counted(self, one: Statement, voice: str, without: Collection[str]) -> list[str]:
        """Return which results of one method count for an item, if there were none of `without`."""
        heard, counted = {one.origin}, list[str]()
        for other in self._by_voice[voice]:
            if not _bears(other, one) or other.id in without or other.origin in heard:
                continue
            if agree(one.reading, other.reading):
                heard.add(other.origin)
                counted.append(other.id)
                if len(counted) == PEERS_OF_A_METHOD:
                    break
        return counted


def _bears(other: Statement, one: Statement) -> bool:
    """Say whether another one may bear on the belief in one."""
    return other.id != one.id and other.is_open_to(one.access)


def _value(one: Statement) -> float:
    return -math.inf if one.reading.value is None else one.reading.value


def _is_judged(item: Ancestor) -> bool:
    return any(role in (EvidenceRole.SUPPORTS, EvidenceRole.REFUTES) for _, role in item.evidence)


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
