"""What a person is asked, and what becomes of the answers."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.core.calls import ToolCall
from novum.core.errors import UsageError
from novum.core.events import CampaignStarted, Designed, Gated, Hypothesised
from novum.core.goals import Goal, Objective
from novum.core.judgement import interval_prediction
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord
from novum.core.science import Experiment, Hypothesis, Origin
from novum.core.spaces import Candidate
from novum.workflows.worklist import open_tasks, parse_answers, tasks_to_csv

UNITS = {"yield": "%", "melting_point": "K", "colour": "1"}


def record_of(n=2, properties=("yield",)):
    """Return a campaign that waits for `n` experiments."""
    goal = Goal(
        objectives=tuple(
            Objective(property=p, kind="maximise", unit=UNITS[p], tool="manual") for p in properties
        )
    )
    started = CampaignStarted(
        campaign="c", goal=goal, planner="random", tools=dict.fromkeys(properties, "manual")
    )
    hypotheses, experiments = [], []
    for i in range(1, n + 1):
        candidate = Candidate(id=f"p{i}", label=f"x={i}", arguments={"x": i, "base": "NaOH, dry"})
        predictions = tuple(
            interval_prediction(p, Quantity(value=50, unit=UNITS[p], std=10)) for p in properties
        )
        hypotheses.append(
            Hypothesis(
                id=f"H{i:03d}",
                iteration=0,
                statement="",
                source="t",
                candidate=candidate,
                predictions=predictions,
            )
        )
        experiments.append(
            Experiment(
                id=f"E{i:03d}",
                hypothesis=f"H{i:03d}",
                candidate=candidate,
                calls=(),
                manual=tuple(properties),
            )
        )
    # A tool's experiment is on nobody's list.
    call = ToolCall(tool="toy", arguments={})
    experiments.append(experiments[0].model_copy(update={"id": "E999", "calls": (call,), "manual": ()}))
    return CampaignRecord.from_events(
        [
            started,
            Hypothesised(iteration=0, hypotheses=tuple(hypotheses), registrations={}),
            Designed(iteration=0, experiments=tuple(experiments)),
            Gated(iteration=0, allowed=tuple(e.id for e in experiments)),
        ]
    )


def answer(text, record=None, by="Ada"):
    return parse_answers(text, record or record_of(), by=by)


def test_the_tasks_name_what_is_asked_and_what_was_predicted():
    tasks = open_tasks(record_of(2, ("yield", "melting_point")))
    assert [(t.experiment, t.property, t.unit) for t in tasks] == [
        ("E001", "yield", "%"),
        ("E001", "melting_point", "K"),
        ("E002", "yield", "%"),
        ("E002", "melting_point", "K"),
    ]
    assert tasks[0].predicted.std == 10
    assert tasks[0].arguments == {"x": 1, "base": "NaOH, dry"}


def test_a_filled_table_comes_back_whole():
    record = record_of(2, ("yield", "melting_point"))
    rows = list(csv.DictReader(io.StringIO(tasks_to_csv(open_tasks(record)))))
    assert rows[0]["base"] == "NaOH, dry"
    for number, row in enumerate(rows):
        row["value"], row["std"] = str(10.5 + number), "0.5"
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    told = answer(out.getvalue(), record)
    assert [t.experiment for t in told] == ["E001", "E002"]
    values = {(m.experiment, m.property): m.quantity for t in told for m in t.measurements}
    assert values[("E002", "melting_point")].value == 13.5
    assert values[("E001", "yield")].std == 0.5
    assert {m.origin for t in told for m in t.measurements} == {Origin.MEASURED}
    assert {m.method for t in told for m in t.measurements} == {"measured by Ada"}
    assert {t.by for t in told} == {"Ada"}


def test_json_and_csv_say_the_same():
    row = {"experiment": "E001", "property": "yield", "value": 81.5, "unit": "%", "std": 1}
    table = "experiment,property,value,unit,std\nE001,yield,81.5,%,1\n"
    assert answer(json.dumps([row])) == answer(json.dumps(row)) == answer(table)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_from_a_spreadsheet_is_read(mark, end):
    (told,) = answer(mark + end.join(["experiment,property,value,unit", "E001,yield,5,%", ""]))
    assert told.measurements[0].quantity.value == 5


@pytest.mark.parametrize(
    ("value", "unit", "found"),
    [
        ("81.5", "%", 81.5),
        ("81.5 %", "", 81.5),
        ("81.5%", "", 81.5),
        ("0.815", "1", 81.5),
        ("815000", "ppm", 81.5),
        ("8.15e1 %", "", 81.5),
        ("−5", "%", -5.0),
        (" 7 ", " % ", 7.0),
        ("7 %", "K", 7.0),
    ],
)
def test_a_value_is_turned_into_the_unit_of_the_goal(value, unit, found):
    (told,) = answer(f"experiment,value,unit\nE001,{value},{unit}\n")
    quantity = told.measurements[0].quantity
    assert quantity.unit == "%"
    assert quantity.value == pytest.approx(found)


def test_an_uncertainty_is_turned_with_its_value():
    record = record_of(1, ("melting_point",))
    (told,) = answer("experiment,value,unit,std\nE001,80,degC,2\n", record)
    quantity = told.measurements[0].quantity
    assert (quantity.unit, quantity.value, quantity.std) == ("K", pytest.approx(353.15), pytest.approx(2))


def test_a_pure_number_needs_no_unit():
    (told,) = answer("experiment,value\nE001,7\n", record_of(1, ("colour",)))
    assert told.measurements[0].quantity == Quantity(value=7, unit="1", kind="measurement")


def test_a_failed_run_is_an_answer():
    (told,) = answer("experiment,value,failed\nE002,,the flask broke\nE001,,\n")
    assert (told.experiment, told.failed, told.measurements) == ("E002", "the flask broke", ())


def test_a_part_of_the_list_can_be_answered_and_the_rest_stays_open():
    record = record_of(3)
    for event in answer("experiment,value,unit\nE002,5,%\nE001,,%\n", record):
        record.apply(event)
    assert [t.experiment for t in open_tasks(record)] == ["E001", "E003"]
    with pytest.raises(UsageError, match="line 2: 'E002' '' is not asked for; asked for: E001 yield, E003"):
        answer("experiment,value,unit\nE002,5,%\n", record)


HEADER = "experiment,property,value,unit,std,failed\n"
FINE = "E001,yield,5,%,,\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEADER + FINE + "E007,yield,5,%,,\n",
            "line 3: 'E007' 'yield' is not asked for; asked for: E001 yield",
        ),
        (HEADER + FINE + "E999,yield,5,%,,\n", "line 3: 'E999'"),
        (HEADER + FINE + "E002,colour,5,%,,\n", "line 3: 'E002' 'colour' is not asked for"),
        (HEADER + FINE + ",,5,%,,\n", "line 3: '' ''"),
        (HEADER + FINE + "E002,yield,much,%,,\n", "line 3: 'much' is not a number"),
        (HEADER + FINE + "E002,yield,nan,%,,\n", "line 3: 'nan' is not a number"),
        (HEADER + FINE + "E002,yield,inf,%,,\n", "line 3: 'inf' is not a number"),
        (HEADER + FINE + "E002,yield,1e999,%,,\n", "line 3: value and std must be finite"),
        (HEADER + FINE + 'E002,yield,"1,5",%,,\n', "line 3: unknown unit ',5'"),
        (HEADER + FINE + "E002,yield,1 000 %,,,\n", "line 3: unknown unit '000 %'"),
        (HEADER + FINE + "E002,yield,5,,,\n", "line 3: yield needs a unit, as '5 %'"),
        (HEADER + FINE + "E002,yield,5,K,,\n", "line 3: cannot turn 'K' into '%'"),
        (HEADER + FINE + "E002,yield,5,foo,,\n", "line 3: unknown unit 'foo'"),
        (HEADER + FINE + "E002,yield,5,%,wide,\n", "line 3: std 'wide' is not a number"),
        (
            HEADER + FINE + "E002,yield,5,%,-1,\n",
            "line 3: value and std must be finite numbers, std not below 0",
        ),
        (HEADER + FINE + "E002,yield,5,%,nan,\n", "line 3: value and std"),
        (HEADER + FINE + FINE, "line 3: E001 yield is answered twice"),
        (HEADER, "no row has a value or a failure"),
        (HEADER + "E001,yield,,%,,\n", "no row has a value or a failure"),
        ("run,value\nE001,5\n", "line 1: the header needs a column 'experiment'"),
        ("experiment;value\nE001;5\n", "line 1: the header needs a column 'experiment'"),
        ("", "line 1"),
        ('experiment,value\nE001,"5 \n', "yield needs a unit"),
        ("experiment,value\nE001," + "9" * 200_000 + "\n", "not valid CSV: field larger than field limit"),
        ('[{"experiment": "E001"', "line 1: not valid JSON"),
        ("[1]", "entry 1: expected an object"),
        (
            '[{"experiment": "E001", "value": 5}, {"experiment": "E009", "value": 1}]',
            "entry 1: yield needs a unit",
        ),
        ('[{"experiment": "E001", "value": true, "unit": "%"}]', "entry 1: True is not a number"),
        ('[{"experiment": "E001", "value": [5], "unit": "%"}]', "entry 1: [5] is not a number"),
        ('[{"experiment": "E001", "value": 5, "unit": "%", "std": "x"}]', "entry 1: std 'x'"),
        ('[{"experiment": "E001", "value": 5, "unit": "%", "std": []}]', "entry 1: std []"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_nothing_is_taken(text, said):
    record = record_of()
    with pytest.raises(UsageError) as caught:
        answer(text, record)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
    assert record.told == {}


def test_an_experiment_is_answered_completely_or_not_at_all():
    record = record_of(1, ("yield", "colour"))
    with pytest.raises(UsageError, match="E001: colour is missing"):
        answer("experiment,property,value,unit\nE001,yield,5,%\n", record)
    with pytest.raises(UsageError, match="line 2: 'E001' '' is not asked for"):
        answer("experiment,value,unit\nE001,5,%\n", record)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60) | st.text('experiment,valu\n"E0015%[]{}:', max_size=60))
def test_any_text_is_answers_or_a_usage_error(text):
    for whole in (text, "experiment,value,unit\n" + text, '[{"experiment": "E001", "value": ' + text):
        try:
            told = answer(whole)
        except UsageError:
            continue
        assert told
