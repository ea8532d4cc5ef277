"""The id of a knowledge item names its content, whatever it is called by."""

from hypothesis import given, settings
from strategies import json_objects, maybe, quantities, texts, words

from novum.core.knowledge import item_id


@settings(max_examples=30, deadline=None)
@given(subject=words, relation=words, conditions=json_objects, value=maybe(quantities()), text=texts)
def test_equal_content_has_one_id_and_other_content_another(subject, relation, conditions, value, text):
    fields = {
        "subject": subject,
        "relation": relation,
        "conditions": conditions,
        "method": "m",
        "value": value,
    }
    one = item_id(**fields, text=text)
    assert one == item_id(**{**fields, "conditions": dict(reversed(conditions.items()))}, text=text)
    assert one.startswith("K-")
    assert len(one) == 18
    assert one != item_id(**{**fields, "subject": subject + "x"}, text=text)
    assert one != item_id(**{**fields, "conditions": {**conditions, "new": 1}}, text=text)
    assert (one == item_id(**fields, text=text + "x")) == (value is not None)
