"""What may leave this machine."""

import pytest

from novum.core.access import Destination, release, strictest
from novum.core.errors import UsageError
from novum.core.knowledge import Access, KnowledgeItem, Level, Provenance


def an_item(access):
    return KnowledgeItem(
        id=f"K-{access.value}",
        level=Level.FACTUAL,
        domain="life",
        subject="a patient",
        relation="age",
        text="of age",
        provenance=Provenance(source="a record"),
        access=access,
    )


ITEMS = [an_item(access) for access in Access]
EVERYTHING = {item.access for item in ITEMS}


def went(**options):
    released = release(ITEMS, **options)
    assert {item.id for item in released.items}.isdisjoint(released.withheld)
    assert len(released.items) + len(released.withheld) == len(ITEMS)
    return {item.access for item in released.items}


def test_only_public_items_leave_by_themselves():
    assert went(to=Destination.LOCAL) == EVERYTHING
    assert went(to=Destination.EXPORT) == {Access.PUBLIC}
    assert went(to=Destination.REMOTE_MODEL) == {Access.PUBLIC}


def test_a_flag_opens_an_export():
    assert went(to=Destination.EXPORT, allow=[Access.SENSITIVE]) == {Access.PUBLIC, Access.SENSITIVE}
    assert went(to=Destination.EXPORT, allow=[Access.RESTRICTED, Access.SENSITIVE]) == EVERYTHING
    assert went(to=Destination.REMOTE_MODEL, allow=[Access.RESTRICTED]) == {Access.PUBLIC, Access.RESTRICTED}


def test_no_flag_sends_a_sensitive_item_to_a_remote_model():
    with pytest.raises(UsageError, match="never go to a remote model"):
        release(ITEMS, to=Destination.REMOTE_MODEL, allow=[Access.SENSITIVE])


def test_the_closest_tier_wins():
    assert strictest() is Access.PUBLIC
    assert strictest(Access.RESTRICTED, Access.SENSITIVE, Access.PUBLIC) is Access.SENSITIVE
