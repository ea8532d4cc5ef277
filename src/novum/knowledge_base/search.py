"""Search: items found by what they mean and by their words, among those that pass the filters."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Unpack

import numpy as np

from novum.core.digest import canonical_json
from novum.core.knowledge import ItemStatus, KnowledgeItem
from novum.knowledge_base.filters import Filters, Where, where
from novum.knowledge_base.index import Index, Reader
from novum.knowledge_base.items import Items
from novum.knowledge_base.vector_file import Compared, Floats, Rows

SELECTIVE = 5_000
"""Versions, as far as can be guessed, up to which filters are applied before the search: only these are
compared, one by one. What passes more is searched first and filtered afterwards."""

MEANING = 0.7
"""Weight of likeness in the relevance; the words have the rest."""

CONFIDENCE = 0.2
"""What certainty adds to a score: an item that is certainly false has so much less of its relevance."""

QUALITY = 0.1
"""What quality adds to a score."""

_SAMPLE = 400
"""Versions that are looked at to guess which share passes the filters."""

_DEPTH = 8
"""How many times more candidates are ranked than are wanted."""


class How(StrEnum):
    """Which search found an item."""

    VECTOR = "vector"
    TEXT = "text"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that a search found."""

    item: KnowledgeItem
    similarity: float
    """Cosine similarity of the item's text to the query, -1 to 1."""
    score: float
    """See `rank`, 0 to 1."""
    how: How


@dataclass(frozen=True, slots=True)
class _Candidate:
    id: str
    version: int
    row: int
    confidence: float
    quality: float


@dataclass(frozen=True, slots=True)
class _Query:
    text: str
    vector: Floats
    n: int
    share: float
    """Share of all versions that passes the filters, roughly; above 0."""


def rank(similarity: float, words: float, confidence: float, quality: float) -> float:
    """Return how high an item stands in an answer, from 0 to 1.

    The relevance is ``0.7 s + 0.3 w``, and the score ``relevance × (0.7 + 0.2 c + 0.1 q)``: an item that
    is doubted, or badly described, must be more relevant than another to come before it, and none comes
    first for its quality alone.

    Args:
        similarity: s, the cosine similarity of text and query; below 0 it counts as 0.
        words: w, BM25 of the words as a share of the best in this answer, 0 to 1.
        confidence: c, the item's, 0 to 1.
        quality: q, the mean of its dimensions, 0 to 1.

    Example:
        >>> round(rank(0.8, 1.0, 0.9, 0.5), 4), round(rank(0.8, 1.0, 0.1, 0.5), 4)
        (0.7998, 0.6622)
    """
    relevance = MEANING * max(0.0, similarity) + (1 - MEANING) * words
    return relevance * (1 - CONFIDENCE - QUALITY + CONFIDENCE * confidence + QUALITY * quality)


class Search:
    """Answers questions in words about items.

    Filters are applied where it costs least. Where they let few items pass, the items' database names
    these first, and they are all compared. Otherwise the best texts are found first, more and more of
    them until enough pass the filters. Either way those are ranked that are nearest, and that have the
    best words, of all that pass: eight times as many of each as are wanted.

    Args:
        items: what is searched.
        index: the index of these items.
    """

    def __init__(self, items: Items, index: Index) -> None:
        self._items = items
        self._index = index

    def find(self, text: str, n: int = 10, **filters: Unpack[Filters]) -> list[Hit]:
        """Return the items that fit `text` best, by meaning and by words, best first.

        `rank` says how they are ordered; items of equal score are ordered by id. Only active items are
        found unless `status` says otherwise. With `as_of`, what is found are the versions of that time.
        Up to `GRAPH_FROM` different texts the answer is exact, and equal items and texts give equal
        answers in every process, so that a campaign that recalls by it can be repeated. Blank text finds
        nothing.

        Raises:
            StoreError: the items or the index cannot be used.
            UsageError: a filter is unknown or cannot be compared with.
        """
        moment = filters.get("as_of")
        condition = where(filters, until=None if moment is None else self._items.position_at(moment))
        if n < 1 or not text.strip():
            return []
        vector = self._index.embedder.embed([text])[0]
        unusual = {name for name, value in filters.items() if value is not None} - {"status", "as_of"}
        if filters.get("status", ItemStatus.ACTIVE) not in (ItemStatus.ACTIVE, None):
            unusual.add("status")

        def ask(reader: Reader) -> list[tuple[_Candidate, float, float, How]]:
            few, share = None, 1.0
            if unusual:
                share = self._share(condition)
                if share * self._items.last_position <= SELECTIVE:
                    few = self._passing(reader, condition, 2 * SELECTIVE)
                    share = share if few is None else 1.0
            return self._answer(reader, _Query(text, vector, n, share), condition, few)

        found = []
        for candidate, similarity, score, how in self._index.ask(ask):
            item = self._items.get(candidate.id, candidate.version)
            found.append(Hit(item=item, similarity=similarity, score=score, how=how))
        return found

    def _passing(self, reader: Reader, condition: Where, limit: int | None) -> Rows | None:
        """Return the rows of the versions that pass a condition, or None for more than `limit` of these."""
        found = self._items.database.rows(
            f"SELECT items.seq FROM items WHERE {condition.sql} LIMIT ?",  # noqa: S608 constants
            [*condition.values, -1 if limit is None else limit + 1],
        )
        if limit is not None and len(found) > limit:
            return None
        return reader.rows_of([entry[0] for entry in found])

    def _share(self, condition: Where) -> float:
        """Guess which share of all versions passes, from some that are drawn, the same ones each time."""
        last = self._items.last_position
        drawn = set(np.random.default_rng(0).integers(1, last + 1, _SAMPLE).tolist()) if last else {0}
        [(n_passing,)] = self._items.database.rows(
            "SELECT count(*) FROM items "  # noqa: S608 constants
            f"WHERE items.seq IN (SELECT value FROM json_each(?)) AND {condition.sql}",
            [canonical_json(sorted(drawn)), *condition.values],
        )
        return max(int(n_passing), 1) / len(drawn)

    def _answer(
        self, reader: Reader, query: "_Query", condition: Where, few: Rows | None
    ) -> list[tuple[_Candidate, float, float, How]]:
        depth = _DEPTH * max(query.n, 8)
        # A little more than should be enough, so that it need not be done twice.
        wanted = int(depth * (1.25 if query.share == 1.0 else 1.5 / query.share))
        compared: Compared | None = None
        while True:
            if compared is None or len(compared) < wanted:
                compared = reader.compare(query.vector, wanted, few)
            near = compared.best(wanted)
            worded = reader.worded(query.text, wanted, few)
            candidates = self._candidates({row for row, _ in near + worded}, reader, condition)
            passing = {candidate.row for candidate in candidates}
            if few is not None:
                break
            shares = [
                sum(row in passing for row, _ in found) / depth if len(found) == wanted else 1.0
                for found in (near, worded)
            ]
            if min(shares) >= 1.0:
                break
            # Too few of the best pass the filters.
            wanted = int(wanted * max(2.0, min(20.0, 1.5 / max(min(shares), 1e-9))))
            if wanted > 2 * SELECTIVE:
                few, compared = self._passing(reader, condition, None), None
        similarity = dict([pair for pair in near if pair[0] in passing][:depth])
        words = dict([pair for pair in worded if pair[0] in passing][:depth])
        best = max(words.values(), default=0.0)
        far = np.array(sorted(words.keys() - similarity.keys()), dtype=np.int64)
        far_similarity = dict(reader.compare(query.vector, len(far), far).best(len(far)))
        scored = []
        for c in candidates:
            if c.row not in similarity and c.row not in words:
                continue
            s = similarity[c.row] if c.row in similarity else far_similarity[c.row]
            w = 0.0 if c.row not in words else words[c.row] / best if best > 0 else 1.0
            how = How.VECTOR if c.row not in words else How.BOTH if c.row in similarity else How.TEXT
            scored.append((c, s, rank(s, w, c.confidence, c.quality), how))
        scored.sort(key=lambda found: (-found[2], found[0].id))
        return scored[: query.n]

    def _candidates(self, rows: set[int], reader: Reader, condition: Where) -> list[_Candidate]:
        """Return the versions in `rows` that pass a condition."""
        row_of = dict(reader.positions_of(rows))
        found = self._items.database.rows(
            "SELECT items.seq, items.id, items.version, items.confidence, items.quality FROM items "  # noqa: S608 constants
            f"WHERE items.seq IN (SELECT value FROM json_each(?)) AND {condition.sql}",
            [canonical_json(sorted(row_of)), *condition.values],
        )
        return [
            _Candidate(row["id"], row["version"], row_of[row["seq"]], row["confidence"], row["quality"])
            for row in found
        ]
