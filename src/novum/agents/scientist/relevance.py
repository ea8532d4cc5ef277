"""Relevance: which of many texts speak of what is asked, by their words. Pure."""

import math
import re
from collections import Counter
from collections.abc import Sequence

SATURATION = 1.2
"""How soon more of the same word counts less: k1 of BM25."""
LENGTH = 0.75
"""How much a long text has to say more: b of BM25."""
BEGINNING = 4
"""Letters of a word's beginning that count as well, so that "melting" finds "melt"…"""
BEGINNING_WEIGHT = 0.4
"""…for so much of a whole word."""

_WORD = re.compile(r"[A-Za-zµμΩÅ°]+|\d+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LITTLE = """
a about all an and any are as at be by can do does find for from give had has have how i if in into is it
its me my of on or so than that the their them then there these this those to us use was we were what when
where which who why will with you your
"""
_PASSED_OVER = frozenset(_LITTLE.split())


def words_of(text: str) -> list[str]:
    """Return the words of a text or a name, in lower case and the singular, without those that say nothing.

    Example:
        >>> words_of("Which molecules have large homo_lumo_gaps?")
        ['molecule', 'large', 'homo', 'lumo', 'gap']
    """
    found = (word.lower() for word in _WORD.findall(_HUMP.sub(" ", text.replace("_", " "))))
    return [_singular(word) for word in found if word not in _PASSED_OVER]


class Relevance:
    """A set of texts that can be asked which of them speak of something.

    The score is BM25 over words, and over the beginnings of words at a lower weight.

    Args:
        texts: what is searched, each with weights: a pair (text, weight) counts its words so often.

    References:
        Robertson and Zaragoza, 2009, doi:10.1561/1500000019.

    Example:
        >>> Relevance(["melting point of a crystal", "gap of a molecule"]).rank("molecular gaps")
        [1, 0]
    """

    def __init__(self, texts: Sequence[str | Sequence[tuple[str, float]]]) -> None:
        self._counts = [_terms([(text, 1.0)] if isinstance(text, str) else text) for text in texts]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean = (sum(self._lengths) / len(texts)) if texts else 0.0
        seen: Counter[str] = Counter(term for counts in self._counts for term in counts)
        n = len(texts)
        self._rarity = {term: math.log(1 + (n - k + 0.5) / (k + 0.5)) for term, k in seen.items()}

    def scores(self, question: str) -> list[float]:
        """Return how much each text speaks of a question; 0 where no word fits."""
        asked = _terms([(question, 1.0)])
        return [
            self._score(counts, length, asked)
            for counts, length in zip(self._counts, self._lengths, strict=True)
        ]

    def rank(self, question: str) -> list[int]:
        """Return the places of the texts, the most relevant first; equal ones keep their order."""
        scores = self.scores(question)
        return sorted(range(len(scores)), key=lambda i: (-scores[i], i))

    def _score(self, counts: dict[str, float], length: float, asked: dict[str, float]) -> float:
        if not length:
            return 0.0
        size = 1 - LENGTH + LENGTH * length / self._mean
        return sum(
            min(weight, 1.0) * self._rarity[term] * n * (SATURATION + 1) / (n + SATURATION * size)
            for term, weight in asked.items()
            if (n := counts.get(term, 0.0))
        )


def _terms(texts: Sequence[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text, weight in texts:
        for word in words_of(text):
            found[word] = found.get(word, 0.0) + weight
            if len(word) >= BEGINNING:
                start = f"{word[:BEGINNING]}…"
                found[start] = found.get(start, 0.0) + weight * BEGINNING_WEIGHT
    return found


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
