"""Quality of an item as data, on four dimensions, each measured from what the item says. Pure arithmetic.

References:
    The dimensions and their proxies: arXiv 2508.21148, section II-D.
"""

from datetime import datetime, timedelta

from novum.core.knowledge import DataClass, KnowledgeItem, Level, Quality
from novum.core.science import Origin

UNKNOWN = 0.5
"""What a dimension that nobody measured counts as."""

HALF_LIFE = timedelta(days=5 * 365.25)
"""Age of a source at which its timeliness has halved, where the item names no review date."""


def score(quality: Quality) -> float:
    """Return one number from 0 to 1 for ranking: the mean of the four dimensions.

    Example:
        >>> score(Quality()), score(Quality(accuracy=1, completeness=1, timeliness=1, traceability=0))
        (0.5, 0.75)
    """
    parts = (quality.accuracy, quality.completeness, quality.timeliness, quality.traceability)
    return sum(UNKNOWN if part is None else part for part in parts) / len(parts)


def assess(item: KnowledgeItem, *, now: datetime, deviation: float | None = None) -> Quality:
    """Return the quality of an item as it stands at `now`.

    - Accuracy: 1 / (1 + r² + z²/4), with r the standard deviation relative to the value (an inverse
      signal-to-noise ratio) and z the deviation from reference values in standard deviations; None for a
      value that says nothing of its uncertainty and has no reference, and for an item without a value.
    - Completeness: the share of the fields that an item of its kind should fill, and does.
    - Timeliness: halves with every `HALF_LIFE` between the making of the source and `now`; from its
      review date on, 0; None where neither is known.
    - Traceability: the share of source, exact place or call, version, agent or tool, licence or campaign,
      and evidence that are stated.

    Args:
        item: the item.
        now: the present.
        deviation: root mean square of its standardised differences from independent items about the
            same thing, where there are any.
    """
    return Quality(
        accuracy=_accuracy(item, deviation),
        completeness=_share(_expected(item)),
        timeliness=_timeliness(item, now),
        traceability=_share(_traces(item)),
    )


def _accuracy(item: KnowledgeItem, deviation: float | None) -> float | None:
    if item.value is None or (item.std is None and deviation is None):
        return None
    std = item.std or 0.0
    # A small value with a large spread has no signal at all; the limit for value → 0 is 0.
    noise = 0.0 if std == 0 else (std / abs(item.value.value)) ** 2 if item.value.value else float("inf")
    return 1 / (1 + noise + (deviation or 0.0) ** 2 / 4)


def _timeliness(item: KnowledgeItem, now: datetime) -> float | None:
    if item.review_by is not None and item.review_by <= now:
        return 0.0
    created = item.provenance.created
    if created is None:
        return None if item.review_by is None else 1.0
    return float(0.5 ** max(0.0, (now - created) / HALF_LIFE))


def _expected(item: KnowledgeItem) -> list[bool]:
    filled = [
        bool(item.subject and item.relation and item.text),
        bool(item.domain),
        bool(item.subject_label),
        bool(item.conditions),
        item.value is not None or bool(item.object) or item.negative or item.level is Level.INSIGHT,
    ]
    if item.value is not None:
        filled += [item.std is not None, item.value.kind is not None]
    if item.level in (Level.FACTUAL, Level.MODELLING):
        filled.append(bool(item.provenance.method or item.provenance.instrument))
    if item.level in (Level.THEORETICAL, Level.INSIGHT):
        filled.append(bool(item.evidence))
    if item.data_class is DataClass.TEXT:
        filled.append(bool(item.provenance.language))
    return filled


def _traces(item: KnowledgeItem) -> list[bool]:
    p = item.provenance
    made = p.tool or p.agent or p.instrument
    return [
        bool(p.source),
        bool(p.content_hash or p.call_key),
        bool(p.tool_version or (item.origin is Origin.MEASURED and p.instrument)),
        bool(made),
        bool(p.licence or p.campaign),
        bool(item.evidence),
    ]


def _share(filled: list[bool]) -> float:
    return sum(filled) / len(filled)
