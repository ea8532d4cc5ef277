"""Every exchange is on record once, and answers come from the record without asking anybody."""

import json

import pytest
import strategies
from hypothesis import given, settings

from novum.agents.models.base import Image, Message, Reply, Request, Text, TimeSeries, ToolOutput, ToolUse
from novum.agents.models.exchanges import RecordedModel, ReplayModel, answer_of, exchange_of, redacted
from novum.agents.models.scripted import ScriptedModel
from novum.core.access import Destination
from novum.core.conversation import Exchange
from novum.core.errors import (
    ContextOverflowError,
    EvidenceError,
    ModelReplyError,
    ModelUnavailableError,
    NotReleasedError,
)
from novum.core.events import Exchanged, parse_event
from novum.core.knowledge import Access

ERRORS = (
    ModelReplyError("nothing said", kind="empty"),
    ModelUnavailableError("gone", kind="timeout"),
    ContextOverflowError("too long", limit=10, asked=12),
)


def asked(text="Hello", step="one", **how) -> Request:
    return Request(messages=(Message.user(text),), step=step, **how)


def test_what_is_on_record_is_not_asked_again():
    kept = []
    first = RecordedModel(ScriptedModel(["a", "b"]), keep=kept.append)
    said = [first.complete(asked()).text, first.complete(asked("Bye")).text]
    idle = ScriptedModel([])
    again = RecordedModel(idle, known=kept, keep=lambda _: pytest.fail("kept twice"))
    assert [again.complete(asked()).text, again.complete(asked("Bye")).text] == said == ["a", "b"]
    assert idle.requests == []


def test_the_same_question_twice_in_a_step_is_two_exchanges():
    kept = []
    model = RecordedModel(ScriptedModel(["a", "b"]), keep=kept.append)
    assert [model.complete(asked()).text, model.complete(asked()).text] == ["a", "b"]
    assert [exchange.ordinal for exchange in kept] == [0, 1]
    again = ReplayModel(kept)
    assert [again.complete(asked()).text, again.complete(asked()).text] == ["a", "b"]


def test_a_later_step_that_asks_the_same_is_not_answered_from_an_earlier_one():
    kept = []
    RecordedModel(ScriptedModel(["a"]), keep=kept.append).complete(asked(step="one"))
    model = RecordedModel(ScriptedModel(["b"]), known=kept, keep=kept.append)
    assert model.complete(asked(step="two")).text == "b"


def test_a_deadline_is_no_part_of_the_question():
    kept = []
    RecordedModel(ScriptedModel(["a"]), keep=kept.append).complete(asked(deadline_s=9))
    assert ReplayModel(kept).complete(asked(deadline_s=1)).text == "a"


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.kind)
def test_a_recorded_error_is_raised_again(error):
    kept = []
    with pytest.raises(type(error)):
        RecordedModel(ScriptedModel([error]), keep=kept.append).complete(asked())
    with pytest.raises(type(error)) as raised:
        ReplayModel(kept).complete(asked())
    assert type(raised.value) is type(error)
    assert (str(raised.value), raised.value.kind) == (str(error), error.kind)
    assert getattr(raised.value, "limit", None) == getattr(error, "limit", None)


def test_a_miss_in_a_replay_is_an_error_and_no_new_question():
    with pytest.raises(EvidenceError, match="no answer to what step 'one' asks"):
        ReplayModel([]).complete(asked())


def test_what_may_not_go_is_not_on_record_as_asked():
    kept = []
    model = RecordedModel(ScriptedModel(["a"], destination=Destination.REMOTE_MODEL), keep=kept.append)
    assert model.destination is Destination.REMOTE_MODEL
    request = Request(messages=(Message.user("x", access=Access.RESTRICTED),))
    with pytest.raises(NotReleasedError):
        model.complete(request)
    assert kept == []


def test_a_crash_before_the_record_is_durable_asks_again():
    def lost(_):
        raise OSError("disk full")

    model = ScriptedModel(["a"], cycle=True)
    with pytest.raises(OSError, match="disk full"):
        RecordedModel(model, keep=lost).complete(asked())
    kept = []
    assert RecordedModel(model, keep=kept.append).complete(asked()).text == "a"
    assert len(kept) == 1


def test_pictures_series_and_closed_words_are_kept_as_digests():
    request = Request(
        messages=(
            Message.user("public words", Image.from_bytes(b"png", media_type="image/png")),
            Message.user(
                "closed words", TimeSeries(data="AAAA", sampling_rate_hz=1), access=Access.SENSITIVE
            ),
            Message.assistant(
                "", ToolUse(id="1", name="t", arguments={"a": "hidden"}, access=Access.RESTRICTED)
            ),
            Message.tool(ToolOutput(id="1", name="t", text="secret output", access=Access.RESTRICTED)),
        )
    )
    told = json.dumps(redacted(request))
    assert "public words" in told
    for closed in ("closed words", "hidden", "secret output", "cG5n", "AAAA"):
        assert closed not in told
    exchange = exchange_of(request, Reply(text="a"), None, id="0" * 64, ordinal=0, model="m")
    assert exchange.access is Access.SENSITIVE


@settings(max_examples=20, deadline=None)
@given(request=strategies.requests, reply=strategies.replies)
def test_every_exchange_survives_the_ledger(request, reply):
    exchange = exchange_of(request, reply, None, id="0" * 64, ordinal=0, model="m")
    event = parse_event(json.loads(Exchanged(exchange=exchange).model_dump_json()))
    assert isinstance(event, Exchanged)
    assert answer_of(event.exchange) == reply
    assert isinstance(event.exchange, Exchange)


def test_the_digest_of_a_question_sees_every_word_of_it():
    assert asked("a").digest() != asked("b").digest()
    assert asked(seed=1).digest() != asked(seed=2).digest()
    assert asked("a", "one").digest() == asked("a", "two").digest()
    closed = Request(messages=(Message(role="user", parts=(Text(text="a", access="restricted"),)),))
    assert closed.prompt_digest() != asked("a").prompt_digest()
