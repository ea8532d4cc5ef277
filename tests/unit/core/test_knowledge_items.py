"""What an item of knowledge may and may not say."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from novum.core.errors import UnitError
from novum.core.knowledge import CARRYING, EvidenceRole, Interval, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.core.science import Origin

FIELDS = {
    "id": "K-1",
    "level": Level.FACTUAL,
    "domain": "chemistry",
    "subject": "water",
    "relation": "boils_at",
    "text": "water boils",
    "provenance": Provenance(source="a book", tool="oven", tool_version="2", agent="Ada"),
}


@pytest.mark.parametrize("value", [Quantity(value=373.0), {"value": 373.0}])
def test_a_quantity_without_a_unit_is_refused(value):
    with pytest.raises(UnitError, match="no unit"):
        KnowledgeItem(**FIELDS, value=value)


def test_a_pure_number_says_that_it_is_one():
    item = KnowledgeItem(**FIELDS, value=Quantity(value=0.4, unit="1"))
    assert KnowledgeItem.model_validate_json(item.model_dump_json()) == item


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval": Interval(low=1, high=2)},
        {"contributions": {"K-2": 0.1}},
        {"valid_from": datetime(2026, 1, 2, tzinfo=UTC), "valid_to": datetime(2026, 1, 1, tzinfo=UTC)},
        {"valid_from": datetime(2026, 1, 2)},
    ],
    ids=["an interval of nothing", "contributions to nothing", "an end before the beginning", "no time zone"],
)
def test_what_contradicts_itself_is_refused(wrong):
    with pytest.raises(ValidationError):
        KnowledgeItem(**FIELDS, **wrong)


def test_an_interval_has_its_ends_in_order():
    with pytest.raises(ValidationError, match="impossible interval"):
        Interval(low=2, high=1)


def test_only_what_was_not_measured_was_generated():
    assert KnowledgeItem(**FIELDS, origin=Origin.SIMULATED).generated_by == "oven@2"
    assert KnowledgeItem(**FIELDS, origin=Origin.MEASURED).generated_by == ""


def test_what_refutes_supersedes_or_explains_an_item_does_not_carry_it():
    assert set(EvidenceRole) - CARRYING == {
        EvidenceRole.REFUTES,
        EvidenceRole.SUPERSEDES,
        EvidenceRole.EXPLAINED_BY,
    }
