"""Quality is measured from what an item says."""

from datetime import UTC, datetime, timedelta

import pytest
from knowledge_items import make_item

from novum.core.knowledge import Interval, Provenance
from novum.core.quality import HALF_LIFE, assess, score
from novum.core.quantity import Quantity, UncertaintyKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def quality(**changes):
    deviation = changes.pop("deviation", None)
    return assess(make_item(**changes), now=NOW, deviation=deviation)


def value(x, std=None):
    return Quantity(value=x, unit="eV", std=std, kind=UncertaintyKind.MEASUREMENT)


def test_accuracy_falls_with_noise_and_with_distance_from_references():
    assert quality(value=value(4.0)).accuracy is None
    assert quality(value=None).accuracy is None
    assert quality(value=value(4.0, 0.0)).accuracy == 1.0
    assert quality(value=value(4.0, 4.0)).accuracy == 0.5
    assert quality(value=value(0.0, 0.1)).accuracy == 0.0
    assert quality(value=value(4.0, 0.0), deviation=2.0).accuracy == 0.5
    assert quality(value=value(4.0), deviation=0.0).accuracy == 1.0
    # 95 % within ± 1.96 is one standard deviation of 1.
    interval = Interval(low=4 - 1.959964, high=4 + 1.959964)
    assert quality(value=value(1.0), interval=interval).accuracy == pytest.approx(0.5, abs=1e-6)


def test_timeliness_halves_and_ends_at_the_review_date():
    def made(before):
        return Provenance(source="a", created=NOW - before)

    assert quality().timeliness is None
    assert quality(provenance=made(timedelta())).timeliness == 1.0
    assert quality(provenance=made(HALF_LIFE)).timeliness == pytest.approx(0.5)
    assert quality(provenance=made(-timedelta(days=1))).timeliness == 1.0
    assert quality(review_by=NOW + timedelta(days=1)).timeliness == 1.0
    assert quality(review_by=NOW, provenance=made(timedelta())).timeliness == 0.0


def test_dropping_half_the_fields_lowers_completeness_and_traceability():
    full = quality(
        conditions={"T": 1},
        value=value(4.0, 0.1),
        provenance=Provenance(
            source="a", tool="t", tool_version="1", content_hash="0", licence="CC0", method="m"
        ),
    )
    half = quality(subject_label="", value=Quantity(value=4.0, unit="eV"), provenance=Provenance(source="a"))
    assert full.completeness == 1.0
    assert half.completeness < 0.6
    assert full.traceability > 0.8 > 0.2 > half.traceability
    assert score(full) > score(half)
