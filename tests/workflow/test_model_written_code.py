"""A model may write code over the campaign's tables; it is on record, and gives no measurement."""

import json

import pytest
import toys
from lives import life
from scripts import opening, parts

from novum.agents.models.base import Reply, ToolUse
from novum.agents.models.scripted import ScriptedModel
from novum.core.calls import CallStatus
from novum.core.digest import digest_bytes
from novum.core.events import Hypothesised, Probed
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.record import CampaignRecord
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.tools.analysis.python import python
from novum.workflows.replay import replay
from novum.workflows.tables import as_offered, tables_of

CODE = "import pandas as pd\nprint(pd.read_csv('in/observations.csv').height.max())"
TOOLS = (toys.survey, toys.level, python)
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
    budget=Budget(experiments=8, batch=4),
    confirmation=Confirmation(method="none"),
    seed=3,
)


def analysing(arguments):
    """A model that wishes for one analysis each iteration, and otherwise answers at random."""

    def experiment(request):
        if any(m.role == "tool" for m in request.messages):
            return "none"
        return Reply(tool_calls=(ToolUse(id="1", name="analysis_python", arguments=arguments),))

    return ScriptedModel(parts(experiment=experiment))


def sandboxed(code="", files=None, **_):
    """Stand in for the sandbox: what the code would print is not ours to say here."""
    return {"properties": {}, "details": {"printed": "9.75"}}


def run(root, model):
    script = {"novum.tools.worker:call": lambda entry, arguments, seed: answer(entry, arguments, seed)}
    with life(root, planners=opening(model), tools=TOOLS, script=script) as one:
        campaign = one.discovery.create(GOAL, planner="scientist", campaign="c")
        record = one.discovery.run(campaign).record
        events = list(one.ledger.events(campaign))
        differences = replay(events, one.registry, opening(model))
    return record, events, differences


def answer(entry, arguments, seed):
    from novum.tools import worker

    if entry == python.spec.entry:
        return sandboxed(**arguments)
    return worker.call(entry, arguments, seed)


def test_the_code_and_the_tables_that_it_saw_are_on_record_and_the_campaign_replays(tmp_path):
    model = analysing({"code": CODE})
    record, events, differences = run(tmp_path / "w", model)
    assert record.finished is not None
    assert differences == []
    probed = [e for e in events if isinstance(e, Probed)]
    assert probed
    for event in probed:
        assert event.result.ok, event.result.message
        assert event.result.call.arguments["code"] == CODE
        before = []
        for e in events:
            if isinstance(e, Hypothesised) and e.iteration == event.iteration:
                break
            before.append(e)
        seen = tables_of(CampaignRecord.from_events(before))
        assert event.result.call.arguments["files"] == {n: digest_bytes(d) for n, d in seen.items()}
    tools = {m.tool for e in record.experiments.values() for m in e.measurements}
    assert tools == {"toy.survey"}, "no number that code printed is a measurement"


def test_the_model_is_told_what_was_printed_as_data(tmp_path):
    model = analysing({"code": CODE})
    run(tmp_path / "w", model)
    told = [m.text for r in model.requests for m in r.messages if m.role == "tool"]
    assert told
    assert all(t.startswith("<data>") and 'printed "9.75"' in t for t in told)


def test_a_model_does_not_choose_the_files(tmp_path):
    model = analysing({"code": CODE, "files": {"x.csv": "0" * 64}})
    record, events, differences = run(tmp_path / "w", model)
    assert differences == []
    assert not [e for e in events if isinstance(e, Probed)]
    refused = [r.said for d in record.deliberations.values() for r in d.rejected]
    assert any("it has no argument 'files'" in said for said in refused)


def test_a_call_that_cannot_be_made_is_told_to_the_model_and_stops_nothing(tmp_path):
    model = analysing({"code": ""})
    record, events, differences = run(tmp_path / "w", model)
    assert record.finished is not None
    assert differences == []
    statuses = {e.result.status for e in events if isinstance(e, Probed)}
    assert statuses == {CallStatus.ERROR}


def test_what_is_offered_names_the_tables_and_not_the_files():
    offer = as_offered(python.spec)
    assert set(offer.parameters["properties"]) == {"code"}
    assert "observations.csv" in offer.description
    assert as_offered(toys.survey.spec) is toys.survey.spec


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    record, _, _ = run(tmp_path_factory.mktemp("tables") / "w", ScriptedModel(lambda request: "none"))
    return record


def test_tables_hold_the_record_and_leave_out_what_must_not_be_told(finished):
    tables = {n: d.decode() for n, d in tables_of(finished).items()}
    head, *rows = tables["observations.csv"].splitlines()
    assert head == "candidate,label,x,y,height [m],height std [m],recalled,failed"
    assert len(rows) == len(finished.observations()) == 8
    seen = finished.observations()[0]
    assert f",{seen.values['height'].value!r}," in rows[0]
    name = seen.candidate.id
    for table in tables_of(finished, withheld={name}).values():
        assert name not in table.decode()
    assert any(name in table for table in tables.values())
    assert len(tables["predictions.csv"].splitlines()) == 1 + len(finished.verdicts)


def test_equal_records_give_equal_tables(finished):
    assert tables_of(finished) == tables_of(finished)
    assert json.dumps(sorted(tables_of(finished))) == (
        '["measurements.csv", "observations.csv", "predictions.csv"]'
    )
