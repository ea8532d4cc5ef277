"""What every model promises, the scripted, the recorded and the replayed one included."""

from collections.abc import Callable
from contextlib import contextmanager

import pytest
from fault_server import FaultServer, fail, say

from novum.agents.models.base import Card, Message, Model, Request, Text
from novum.agents.models.exchanges import RecordedModel, ReplayModel, exchange_of
from novum.agents.models.gateway import Gateway
from novum.agents.models.scripted import ScriptedModel
from novum.core.access import Destination
from novum.core.digest import canonical_json
from novum.core.errors import ModelReplyError, ModelUnavailableError, NotReleasedError
from novum.core.knowledge import Access
from novum.core.model_entry import ModelEntry

ASKED = Request(messages=(Message.user("Is it larger?"),), step="test", deadline_s=60)
GONE = ModelUnavailableError("gone", kind="failed")


@contextmanager
def scripted(*, broken=False, destination=Destination.LOCAL):
    yield ScriptedModel([GONE if broken else "yes"], cycle=True, destination=destination)


@contextmanager
def recorded(*, broken=False, destination=Destination.LOCAL):
    with scripted(broken=broken, destination=destination) as inner:
        yield RecordedModel(inner, keep=lambda _: None)


@contextmanager
def replayed(*, broken=False, destination=Destination.LOCAL):
    model = RecordedModel(ScriptedModel([GONE if broken else "yes"]), keep=(kept := []).append)
    with pytest.raises(ModelUnavailableError) if broken else contextmanager(lambda: iter([None]))():
        model.complete(ASKED)
    yield ReplayModel(kept, destination=destination)


@contextmanager
def served(*, broken=False, destination=Destination.LOCAL):
    with FaultServer(then=fail(500) if broken else say("yes")) as server:
        url = server.url if destination is Destination.LOCAL else "http://192.0.2.1/v1"
        gateway = Gateway("mine", ModelEntry(base_url=url, model="m"), tries=1)
        try:
            yield gateway
        finally:
            gateway.close()


MODELS = [
    pytest.param(scripted, id="scripted"),
    pytest.param(recorded, id="recorded"),
    pytest.param(replayed, id="replayed"),
    pytest.param(served, id="gateway", marks=pytest.mark.slow),
]
every_model = pytest.mark.parametrize("opened", MODELS)


@every_model
def test_it_says_what_it_is_called_where_it_is_and_what_it_can_do(opened):
    with opened() as model:
        asked: Model = model
        assert asked.name
        assert asked.destination is Destination.LOCAL
        assert isinstance(asked.card, Card)


@every_model
def test_it_answers_with_a_value_that_the_ledger_can_hold(opened):
    with opened() as model:
        reply = model.complete(ASKED)
    assert reply.text == "yes"
    assert reply.tries >= 1
    exchange = exchange_of(ASKED, reply, None, id="0" * 64, ordinal=0, model="m")
    assert canonical_json(exchange.model_dump(mode="json")).encode()


@every_model
def test_when_nobody_answers_the_error_is_a_named_one(opened):
    with opened(broken=True) as model, pytest.raises((ModelUnavailableError, ModelReplyError)) as raised:
        model.complete(ASKED)
    assert raised.value.kind == "failed"


# A replay sends nothing, and has nothing to refuse.
@pytest.mark.parametrize("opened", [model for model in MODELS if model.id != "replayed"])
@pytest.mark.parametrize("access", [Access.RESTRICTED, Access.SENSITIVE])
def test_elsewhere_it_is_told_nothing_that_is_not_public(opened: Callable, access):
    closed = Message(role="user", parts=(Text(text="secret", access=access),))
    with opened(destination=Destination.REMOTE_MODEL) as model, pytest.raises(NotReleasedError):
        model.complete(Request(messages=(closed,)))
