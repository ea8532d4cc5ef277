"""What is written as JSON is read back as the same value; an event says once, and decides what it decides."""

import json
from itertools import combinations
from typing import get_args

import pytest
import strategies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from novum.core import events
from novum.core.calls import ToolCall
from novum.core.digest import canonical_json, digest
from novum.core.events import parse_event

few = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def through_json(value):
    return json.loads(canonical_json(value.model_dump(mode="json")))


@pytest.mark.parametrize("name", strategies.VALUES)
@few
@given(data=st.data())
def test_every_value_survives_json(name, data):
    value = data.draw(strategies.VALUES[name])
    again = type(value).model_validate(through_json(value))
    assert again == value
    assert canonical_json(again.model_dump(mode="json")) == canonical_json(value.model_dump(mode="json"))


@pytest.mark.parametrize("kind", strategies.EVENTS, ids=lambda k: k.__name__)
@few
@given(data=st.data())
def test_every_event_survives_json_and_keeps_its_key_and_decision(kind, data):
    event = data.draw(strategies.EVENTS[kind])
    again = parse_event(through_json(event))
    assert again == event
    assert type(again) is kind
    assert again.key() == event.key()
    assert again.decision() == event.decision()


def test_the_strategies_cover_every_event():
    union = get_args(get_args(events.Event)[0])
    assert set(union) == set(strategies.EVENTS)


@pytest.mark.parametrize("kind", strategies.EVENTS, ids=lambda k: k.__name__)
@few
@given(data=st.data())
def test_a_decision_has_no_volatile_field_and_all_others(kind, data):
    event = data.draw(strategies.EVENTS[kind])
    decision = event.decision()
    assert kind.volatile <= set(kind.model_fields), "a volatile field that is not there protects nothing"
    if not kind.decisive:
        assert decision is None
        return
    assert set(decision) == set(kind.model_fields) - kind.volatile
    assert json.loads(json.dumps(decision)) == decision


@few
@given(event=strategies.EVENTS[events.Decided], spent=strategies.seconds)
def test_a_clock_changes_no_decision(event, spent):
    assert event.model_copy(update={"spent_s": spent}).decision() == event.decision()


@few
@given(event=strategies.EVENTS[events.CampaignStarted], name=strategies.words)
def test_the_name_of_a_campaign_and_its_machine_change_no_decision(event, name):
    other = event.model_copy(update={"campaign": name, "versions": {"python": name}, "sandbox": {"b": name}})
    assert other.decision() == event.decision()
    assert event.model_copy(update={"planner": event.planner + "x"}).decision() != event.decision()


def keyed(kind, **fields):
    """Return an event of a kind with only the fields that its key is made of."""
    return kind.model_construct(**fields)


def test_keys_are_unique_among_kinds_and_among_the_events_of_a_kind():
    found = {}
    for kind in strategies.EVENTS:
        for number in (0, 1, 11):
            claim = events.Claim.model_construct(id=f"C{number}")
            exchange = events.Exchange.model_construct(id=f"{number:x}")
            fields = {
                "iteration": number,
                "experiment": f"E{number}",
                "ordinal": number,
                "number": 0,
                "claim": claim,
                "exchange": exchange,
            }
            event = keyed(kind, attempt=1, **{k: v for k, v in fields.items() if k in kind.model_fields})
            found.setdefault((kind, event.key()), set()).add(event.key())
    by_kind = {kind: {key for k, key in found if k is kind} for kind in strategies.EVENTS}
    for one, two in combinations(by_kind, 2):
        assert not by_kind[one] & by_kind[two], (one, two)
    single = {
        events.CampaignStarted,
        events.ConfirmationPlanned,
        events.Analysed,
        events.CampaignFinished,
    }
    for kind, keys in by_kind.items():
        assert len(keys) == (1 if kind in single else 3), kind


def test_another_attempt_has_another_key():
    first = events.ExperimentStarted(iteration=0, experiment="E001", attempt=1)
    assert first.key() != first.model_copy(update={"attempt": 2}).key()


@few
@given(event=strategies.events)
def test_an_unknown_field_is_refused(event):
    with pytest.raises(ValidationError):
        parse_event({**event.model_dump(mode="json"), "surprise": 1})


@few
@given(event=strategies.events)
def test_events_are_frozen(event):
    with pytest.raises(ValidationError, match="frozen"):
        event.type = "other"


def test_an_unknown_event_is_refused():
    with pytest.raises(ValidationError):
        parse_event({"type": "invented"})


@few
@given(hypothesis=strategies.hypotheses, number=strategies.numbers)
def test_a_registration_depends_on_the_predictions_and_on_no_prose(hypothesis, number):
    told = hypothesis.model_copy(update={"rationale": "other", "statement": "other", "gain": 7.5})
    assert told.registration() == hypothesis.registration()
    first = hypothesis.predictions[0]
    if number == first.expected.value:
        number += 1
    moved = first.model_copy(update={"expected": first.expected.model_copy(update={"value": number})})
    changed = hypothesis.model_copy(update={"predictions": (moved, *hypothesis.predictions[1:])})
    assert changed.registration() != hypothesis.registration()


@few
@given(call=strategies.tool_calls)
def test_the_key_of_a_call_depends_on_everything_that_changes_its_result(call):
    key = call.key(version="1", code_hash="a")
    again = ToolCall.model_validate(through_json(call)).key(version="1", code_hash="a")
    assert again == key
    others = {
        call.key(version="2", code_hash="a"),
        call.key(version="1", code_hash="b"),
        call.model_copy(update={"seed": call.seed + 1}).key(version="1", code_hash="a"),
        call.model_copy(update={"replicate": call.replicate + 1}).key(version="1", code_hash="a"),
        call.model_copy(update={"arguments": {**call.arguments, "new": 1}}).key(version="1", code_hash="a"),
        call.model_copy(update={"tool": call.tool + "x"}).key(version="1", code_hash="a"),
    }
    assert len(others) == 6
    assert key not in others


@few
@given(value=strategies.json_objects)
def test_canonical_json_does_not_depend_on_the_order_of_keys(value):
    turned = dict(reversed(value.items()))
    assert canonical_json(turned) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value
    assert digest(turned) == digest(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_canonical_json_refuses_what_is_not_a_number(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": [number]})
