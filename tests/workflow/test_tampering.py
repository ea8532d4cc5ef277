"""Whoever changes a number in a record is found out, by name."""

import copy
import json
import sqlite3

import pytest
from lives import TOOLS, life

from novum.agents.choose import open_planner
from novum.core.errors import EvidenceError
from novum.core.events import (
    CampaignFinished,
    Claimed,
    ConfirmationPlanned,
    Decided,
    Designed,
    ExperimentFinished,
    Gated,
    Hypothesised,
    Judged,
    Recorded,
)
from novum.core.goals import Budget, Goal, Objective
from novum.core.record import CampaignRecord
from novum.core.science import Outcome
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.tools.registry import Registry
from novum.workflows.replay import check_registrations, check_verdicts, replay


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    goal = Goal(
        objectives=(
            Objective(property="height", kind="maximise", unit="m", low=5, tool="toy.survey"),
            Objective(property="slope", kind="at_least", low=0.5),
        ),
        space=ParameterSpace(
            parameters=tuple(ContinuousParameter(name=name, low=-5, high=5) for name in "xy")
        ),
        budget=Budget(experiments=10, batch=3),
        noise_replicates=1,
        seed=3,
    )
    with life(tmp_path_factory.mktemp("whole") / "w") as one:
        outcome = one.discovery.run(one.discovery.create(goal, planner="random", campaign="c"))
        assert outcome.state == "finished"
        return tuple(one.ledger.events("c"))


@pytest.fixture(scope="module")
def registry():
    return Registry(TOOLS)


def with_change(events, kind, change, *, n=0):
    """Return the events with the n-th of a kind changed by `change(data)` on its JSON data."""
    changed, seen = [], -1
    for event in events:
        if isinstance(event, kind):
            seen += 1
            if seen == n:
                data = copy.deepcopy(event.model_dump(mode="json"))
                change(data)
                event = kind.model_validate(data)
        changed.append(event)
    assert seen >= n
    return changed


def nudge(data, *path):
    """Add a little to the number at `path`."""
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] += 0.125


def places(differences):
    return [d.where for d in differences]


def test_an_untouched_record_has_no_difference(events, registry):
    record = CampaignRecord.from_events(events)
    assert check_registrations(record) == []
    assert check_verdicts(record) == []
    assert replay(events, registry, open_planner) == []


@pytest.mark.parametrize("kind", [Hypothesised, ConfirmationPlanned])
@pytest.mark.parametrize("field", [("expected", "value"), ("expected", "std"), ("rule", "low")])
def test_a_prediction_changed_afterwards_is_not_the_registered_one(events, kind, field):
    changed = with_change(events, kind, lambda d: nudge(d, "hypotheses", 0, "predictions", 1, *field))
    record = CampaignRecord.from_events(changed)
    hypothesis = next(e for e in events if isinstance(e, kind)).hypotheses[0]
    (found,) = check_registrations(record)
    assert found.where == hypothesis.id
    assert found.recorded == hypothesis.registration()
    assert found.found != found.recorded


def test_a_registration_that_is_missing_is_found(events):
    changed = with_change(events, Hypothesised, lambda d: d["registrations"].pop("H001"))
    (found,) = check_registrations(CampaignRecord.from_events(changed))
    assert (found.where, found.recorded) == ("H001", "nothing")


def test_a_measurement_changed_afterwards_gives_another_verdict(events):
    changed = with_change(
        events, ExperimentFinished, lambda d: nudge(d, "measurements", 0, "quantity", "value")
    )
    entry = next(e for e in changed if isinstance(e, ExperimentFinished))
    m = entry.measurements[0]
    hypothesis = CampaignRecord.from_events(changed).experiments[entry.experiment].experiment.hypothesis
    (found,) = check_verdicts(CampaignRecord.from_events(changed))
    assert found.where == f"{hypothesis} {m.property}"
    assert f"{m.quantity.value:.12g}"[:10] in found.found
    assert found.recorded != found.found


@pytest.mark.parametrize(
    "field", [("statistic",), ("threshold",), ("noise",), ("observed", "value"), ("expected", "value")]
)
def test_a_number_changed_in_a_verdict_is_found(events, field):
    changed = with_change(events, Judged, lambda d: nudge(d, "verdicts", 0, *field))
    verdict = next(e for e in events if isinstance(e, Judged)).verdicts[0]
    (found,) = check_verdicts(CampaignRecord.from_events(changed))
    assert found.where == f"{verdict.hypothesis} {verdict.property}"
    assert found.recorded != found.found


def test_an_outcome_changed_in_a_sealed_verdict_is_found(events):
    n = sum(isinstance(e, Judged) for e in events) - 1

    def turn(data):
        data["verdicts"][0]["outcome"] = Outcome.REFUTED.value

    (found,) = check_verdicts(CampaignRecord.from_events(with_change(events, Judged, turn, n=n)))
    assert '"refuted"' in found.recorded
    assert '"supported"' in found.found


def test_a_noise_floor_written_to_fit_its_verdicts_is_found_by_the_replay(events, registry):
    def widen(data):
        data["noise"]["slope"] = {"value": 50.0, "unit": "1", "std": None, "kind": None}

    changed = with_change(events, Judged, widen, n=2)
    assert "judge/2" in places(replay(changed, registry, open_planner))
    assert check_verdicts(CampaignRecord.from_events(changed)) != []


CHANGES = {
    "a prediction": (
        Hypothesised,
        1,
        lambda d: nudge(d, "hypotheses", 0, "predictions", 0, "expected", "value"),
    ),
    "a candidate": (Hypothesised, 0, lambda d: nudge(d, "hypotheses", 0, "candidate", "arguments", "x")),
    "a call": (Designed, 0, lambda d: d["experiments"][0]["calls"][0].update(seed=99)),
    "a gate": (Gated, 1, lambda d: d.update(by="nobody")),
    "a verdict": (Judged, 0, lambda d: nudge(d, "verdicts", 0, "statistic")),
    "a noise floor": (Judged, 1, lambda d: nudge(d, "noise", "slope", "value")),
    "an item": (Recorded, 0, lambda d: d.update(items=[*d["items"], "K-invented"])),
    "a reason": (Decided, 0, lambda d: d.update(reason="because")),
    "a count": (Decided, 0, lambda d: d.update(experiments_used=d["experiments_used"] + 1)),
    "a sealed prediction": (
        ConfirmationPlanned,
        0,
        lambda d: nudge(d, "hypotheses", 0, "predictions", 0, "rule", "low"),
    ),
    "a claim": (Claimed, 0, lambda d: d["claim"].update(statement="it is gold")),
    "a confirmed value": (
        Claimed,
        0,
        lambda d: nudge(d, "claim", "values", 0, "confirmed", "value"),
    ),
    "the end": (CampaignFinished, 0, lambda d: d.update(claims=[])),
}


@pytest.mark.parametrize("name", CHANGES)
def test_deciding_again_finds_a_changed_decision_and_names_its_record(events, registry, name):
    kind, n, change = CHANGES[name]
    changed = with_change(events, kind, change, n=n)
    key = [e.key() for e in changed if isinstance(e, kind)][n]
    differences = replay(changed, registry, open_planner)
    assert key in places(differences)
    found = next(d for d in differences if d.where == key)
    assert found.recorded != found.found


def test_deciding_again_finds_a_changed_result(events, registry):
    changed = with_change(
        events, ExperimentFinished, lambda d: nudge(d, "results", 0, "properties", "height", "value")
    )
    assert "judge/0" in places(replay(changed, registry, open_planner))


def test_deciding_again_finds_a_result_of_another_call(events, registry):
    def change(data):
        data["results"][0]["call"]["arguments"]["x"] += 1

    (found, *_) = [
        d
        for d in replay(with_change(events, ExperimentFinished, change), registry, open_planner)
        if d.where == "experiments"
    ]
    assert "made other calls in the record" in found.found


def test_deciding_again_finds_a_claim_that_was_added(events, registry):
    claimed = next(e for e in events if isinstance(e, Claimed))
    forged = claimed.model_copy(update={"claim": claimed.claim.model_copy(update={"id": "C777"})})
    (found,) = replay([*events, forged], registry, open_planner)
    assert (found.where, found.found) == ("claim/C777", "nothing")


def test_deciding_again_finds_a_claim_that_was_taken_out(events, registry):
    differences = replay([e for e in events if not isinstance(e, Claimed)], registry, open_planner)
    assert [(d.where, d.recorded) for d in differences] == [("claim/C001", "nothing")]


def test_a_lost_result_is_a_difference_and_never_a_new_call(events, registry):
    first = next(e for e in events if isinstance(e, ExperimentFinished))
    differences = replay([e for e in events if e is not first], registry, open_planner)
    assert any(f"experiment {first.experiment} is not in the record" in d.found for d in differences)


def test_only_a_finished_campaign_is_decided_again(events, registry):
    with pytest.raises(EvidenceError, match="only a finished campaign"):
        replay(events[:-1], registry, open_planner)
    with pytest.raises(EvidenceError):
        replay([], registry, open_planner)


def test_a_byte_changed_in_the_file_breaks_the_chain_at_its_record(tmp_path, events):
    with life(tmp_path / "w") as one:
        one.ledger.append_many("c", events)
        assert one.ledger.verify("c").ok
        digest = one.ledger.decision_digest("c")
    with sqlite3.connect(tmp_path / "w" / "ledger.sqlite3") as raw:
        raw.execute("DROP TRIGGER events_are_not_updated")
        row = raw.execute("SELECT ordinal, payload FROM events WHERE type = 'judged'").fetchone()
        data = json.loads(row[1])
        nudge(data, "verdicts", 0, "statistic")
        raw.execute("UPDATE events SET payload = ? WHERE ordinal = ?", (json.dumps(data), row[0]))
    raw.close()
    with life(tmp_path / "w") as one:
        found = one.ledger.verify("c")
        assert (found.ok, found.bad) == (False, row[0])
        assert one.ledger.decision_digest("c") != digest
