"""What a model planned is decided again from the ledger alone; what is missing there is an error."""

import pytest
import toys
from lives import life
from scripts import opening, parts
from test_model_written_code import CODE, GOAL, analysing, answer

from novum.agents.models.base import Reply, ToolUse
from novum.agents.models.scripted import ScriptedModel
from novum.core.events import Exchanged, Probed
from novum.tools.analysis.python import python
from novum.workflows.replay import replay

TOOLS = (toys.survey, toys.level, toys.weigh, python)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """The events of a finished campaign in which a model had code run, and the tools that it knew."""
    model = analysing({"code": CODE})
    script = {"novum.tools.worker:call": lambda entry, arguments, seed: answer(entry, arguments, seed)}
    root = tmp_path_factory.mktemp("replay") / "w"
    with life(root, planners=opening(model), tools=TOOLS, script=script) as one:
        name = one.discovery.create(GOAL, planner="scientist", campaign="c")
        one.discovery.run(name)
        yield list(one.ledger.events(name)), one.registry


def again(events, registry):
    """Decide again with a model that must not be asked."""
    model = ScriptedModel([])
    found = replay(events, registry, opening(model))
    assert model.requests == []
    return found


def test_nothing_is_asked_and_nothing_runs(campaign):
    events, registry = campaign
    assert any(isinstance(e, Probed) for e in events)
    assert again(events, registry) == []


@pytest.mark.parametrize("kind", [Exchanged, Probed])
def test_what_is_missing_from_the_record_is_an_error_and_never_a_new_call(campaign, kind):
    events, registry = campaign
    lost = next(i for i, e in enumerate(events) if isinstance(e, kind))
    found = again([*events[:lost], *events[lost + 1 :]], registry)
    assert found
    assert "record" in found[0].found


@pytest.mark.parametrize("kind", [Exchanged, Probed])
def test_each_of_them_is_missed(campaign, kind):
    events, registry = campaign
    kept = [e for e in events if not isinstance(e, kind)]
    assert len(kept) < len(events)
    assert again(kept, registry)


def test_what_a_tool_printed_cannot_be_changed_afterwards(campaign):
    events, registry = campaign
    changed = [
        e.model_copy(update={"result": e.result.model_copy(update={"details": {"printed": "9999"}})})
        if isinstance(e, Probed)
        else e
        for e in events
    ]
    assert again(changed, registry), "what the model was told next is not what the record answers"


def test_questions_about_something_else_are_passed_over(campaign):
    events, registry = campaign
    exchanged = next(e for e in events if isinstance(e, Exchanged))
    other = exchanged.exchange.model_copy(update={"id": "other", "step": "chat/c/0"})
    assert again([*events[:-1], Exchanged(exchange=other), events[-1]], registry) == []


def test_arguments_that_hold_objects_are_told_in_one_order_before_and_after(tmp_path):
    def experiment(request):
        if any(m.role == "tool" for m in request.messages):
            return "none"
        wished = {"y": {"value": 1.0, "unit": "1"}, "x": {"value": 2.0, "unit": "1"}}
        return Reply(tool_calls=(ToolUse(id="1", name="toy_weigh", arguments=wished),))

    model = ScriptedModel(parts(experiment=experiment))
    with life(tmp_path / "w", planners=opening(model), tools=TOOLS) as one:
        name = one.discovery.create(GOAL, planner="scientist", campaign="c")
        record = one.discovery.run(name).record
        events = list(one.ledger.events(name))
        assert record.probes
        assert again(events, one.registry) == []
