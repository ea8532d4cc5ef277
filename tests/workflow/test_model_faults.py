"""Whatever a model or its server does wrong, through the gateway, a campaign ends in order with a report."""

import json

import pytest
import toys
from fault_server import FAULTS, INJECTION, FaultServer, call, say
from lives import life
from scripts import draw, opening

from novum.agents.models.gateway import Gateway
from novum.agents.scientist.asking import Patience
from novum.core.deliberation import Turn
from novum.core.events import Exchanged
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.model_entry import ModelEntry
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.workflows.replay import replay
from novum.workflows.reporting import build_report
from novum.workflows.reporting.html import to_html
from novum.workflows.reporting.markdown import to_markdown

pytestmark = pytest.mark.slow

GOAL = Goal(
    objectives=(
        Objective(property="height", kind=ObjectiveKind.MAXIMISE, unit="m", low=5, tool="toy.survey"),
    ),
    space=ParameterSpace(
        parameters=(
            ContinuousParameter(name="x", low=-5, high=4),
            ContinuousParameter(name="y", low=-5, high=5),
        )
    ),
    budget=Budget(experiments=6, batch=3),
    confirmation=Confirmation(method="none"),
    seed=3,
)
QUICK = Patience(step_s=0.7)
TOYS = (toys.survey, toys.weigh)


def run(root, server, *, tools=TOYS, patience=QUICK):
    entry = ModelEntry(base_url=server.url, model="faulty-1")
    model = Gateway("faulty", entry, sleep=lambda seconds: None)
    opener = opening(model, patience=patience)
    try:
        with life(root, planners=opener, tools=tools) as one:
            campaign = one.discovery.create(GOAL, planner="scientist", campaign="c")
            record = one.discovery.run(campaign).record
            assert one.ledger.verify(campaign).ok
            events = list(one.ledger.events(campaign))
            asked = len(server.requests)
            assert replay(events, one.registry, opener) == []
            assert len(server.requests) == asked
    finally:
        model.close()
    return record, events


def in_order(record):
    assert record.finished is not None
    assert record.experiments_used == 6
    measured = {m.tool for e in record.experiments.values() for m in e.measurements}
    assert measured == {"toy.survey"}
    report = build_report(record)
    assert "The model and the optimiser" in to_markdown(report)
    assert to_html(report).rstrip().endswith("</html>")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_campaign_ends_with_a_report_whatever_its_model_does(tmp_path, fault):
    with FaultServer(then=FAULTS[fault]) as server:
        record, events = run(tmp_path / "w", server)
        assert server.bodies, "the model was asked"
    in_order(record)
    first = record.deliberations[0]
    assert first.turn.failed
    assert first.note
    assert {h.source for h in record.hypotheses.values()} == {"optimizer"}
    assert first.filled == first.slots["scientist"] > 0
    assert any(
        h.rationale.startswith("In place of a proposal of the model") for h in record.hypotheses.values()
    )
    exchanges = [e.exchange for e in events if isinstance(e, Exchanged)]
    assert exchanges
    assert len(exchanges) <= 4 * len(record.deliberations) + 3, "bounded"


def good(body, **changes):
    """Return a proposal in order, in the form in which this question wants it."""
    hypotheses = [
        {
            "candidate": {"x": 1 + 0.1 * i, "y": 2 - 0.1 * i},
            "predictions": {"height": {"value": 9.9, "std": 0.5, "unit": "m"}},
            "rationale": "near the top",
            "cites": [],
            **changes,
        }
        for i in range(3)
    ]
    return {"hypotheses": hypotheses}


def answering(first, *, after=good):
    """Return a scene: `first` for the first question about hypotheses, then what is in order."""
    asked = []

    def scene(body, stage):
        said = json.dumps(body)
        if "objections" in said and "Object to what deserves it" in said:
            return say('{"objections": []}')(body, stage)
        if "what the campaign found" in said:
            return say('{"sentences": [{"text": "It ended well.", "cites": []}]}')(body, stage)
        if "Before you propose hypotheses" in said:
            return say("none")(body, stage)
        asked.append(body)
        if len(asked) == 1:
            return first(body, stage)
        reply = after(body)
        if body.get("tool_choice"):
            return say(tool_calls=[call(body["tools"][0]["function"]["name"], reply)])(body, stage)
        return say(json.dumps(reply))(body, stage)

    scene.asked = asked
    return scene


ONCE = {
    "prose around JSON": say("Sure!\n```json\n" + json.dumps(good({})) + "\n```\nHope that helps."),
    "trailing comma": say(json.dumps(good({}))[:-1] + ",}"),
    "wrong units": say(json.dumps(good({})).replace('"m"', '"kg"')),
    "missing predictions": say(json.dumps(good({}, predictions={}))),
    "extra keys": say(json.dumps(good({}, truth=42))),
    "an id that nobody knows": say(json.dumps(good({}, cites=["K-made-up"]))),
    "a call of a tool in the text": say(
        "<tool_call>" + json.dumps({"name": "reply", "arguments": good({})}) + "</tool_call>"
    ),
    "invalid JSON": FAULTS["invalid JSON"],
    "empty reply": FAULTS["empty reply"],
    "truncated stream": FAULTS["truncated stream"],
    "thinking without end": FAULTS["thinking without end"],
    "endless repetition": FAULTS["endless repetition"],
    "429": FAULTS["429"],
    "500": FAULTS["500"],
    "dropped connection": FAULTS["dropped connection"],
    "context overflow": FAULTS["context overflow"],
    "injected instructions": say(json.dumps(good({}, rationale=INJECTION))),
}


@pytest.mark.parametrize("fault", ONCE)
def test_a_model_that_slips_once_is_heard_the_second_time(tmp_path, fault):
    with FaultServer(then=answering(ONCE[fault])) as server:
        record, _ = run(tmp_path / "w", server, patience=Patience(step_s=20))
    in_order(record)
    first = record.deliberations[0]
    assert first.turn is Turn.ANSWERED
    assert "scientist" in {h.source for h in record.plans[0].hypotheses}
    values = [m.quantity.value for e in record.experiments.values() for m in e.measurements]
    assert 42 not in values


def test_a_server_that_keeps_to_schemas_is_asked_with_them(tmp_path):
    import random

    def scene(body, stage):
        if body.get("tools") and not body.get("response_format"):
            return say("none")(body, stage)
        schema = body["response_format"]["json_schema"]["schema"]
        said = draw(schema, random.Random(json.dumps(body, sort_keys=True)))
        for one in said.get("hypotheses", ()):
            one["cites"] = []
        return say(json.dumps(said))(body, stage)

    with FaultServer(then=scene) as server:
        record, _ = run(tmp_path / "w", server, patience=Patience(step_s=20))
    in_order(record)
    assert record.deliberations[0].turn is Turn.ANSWERED
