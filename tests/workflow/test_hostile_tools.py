"""A tool that misbehaves costs an experiment, never the campaign."""

import math

import pytest
from lives import TOOLS, life

from novum.core.calls import CallStatus
from novum.core.errors import InfrastructureError
from novum.core.goals import Budget
from novum.core.science import Outcome
from novum.sandbox.base import SandboxResult
from novum.sandbox.fake import FakeSandbox
from novum.tools import worker
from novum.workflows.replay import check_verdicts


def answer(height=None, **fields):
    return {"properties": {"height": height}, "details": {}, "warnings": [], "method": "survey", **fields}


def raising(error):
    def act(*_):
        raise error

    return act


DEEDS = {
    "crash": (SandboxResult(CallStatus.CRASH, message="signal 11"), "crash: signal 11"),
    "timeout": (SandboxResult(CallStatus.TIMEOUT, message="300 s are over"), "timeout: 300 s are over"),
    "oom": (SandboxResult(CallStatus.OUT_OF_MEMORY, message="2048 MiB"), "oom: 2048 MiB"),
    "output limit": (SandboxResult(CallStatus.OUTPUT_LIMIT, message="1 GB"), "output-limit: 1 GB"),
    "exception": (raising(RuntimeError("it broke")), "error: RuntimeError: it broke"),
    "a gigabyte": ({"text": "x" * 2_000_000}, "output-limit"),
    "nothing": (None, "bad-result: the answer holds no properties"),
    "a word": ("fine", "bad-result: the answer holds no properties"),
    "empty": (answer(), "bad-result: the answer is empty"),
    "no property": ({"properties": {}}, "bad-result: the answer lacks height"),
    "another property": (
        {"properties": {"height": {"value": 1, "unit": "m"}, "qed": {"value": 1, "unit": "1"}}},
        "adds qed",
    ),
    "NaN": (answer({"value": math.nan, "unit": "m"}), "bad-result"),
    "infinity": (answer({"value": math.inf, "unit": "m"}), "bad-result"),
    "text": (answer({"value": "5", "unit": "m"}), "bad-result: height is"),
    "true": (answer({"value": True, "unit": "m"}), "bad-result: height is"),
    "wrong unit": (answer({"value": 5, "unit": "kg"}), "bad-result: height: cannot turn 'kg' into 'm'"),
    "no unit": (answer({"value": 5}), "not a value with a unit"),
    "invented unit": (answer({"value": 5, "unit": "smoot("}), "bad-result: height: unknown unit"),
    "out of range": (answer({"value": 5, "unit": "km"}), "is above 100"),
    "overflow": (answer({"value": 1e308, "unit": "km"}), "bad-result: height"),
    "negative spread": (answer({"value": 5, "unit": "m", "std": -1}), "negative standard deviation"),
}


def script_of(deed, every=2):
    """Return a sandbox's script: every n-th survey goes wrong, all else is real."""
    calls = []

    def call(entry, arguments, seed):
        if not entry.endswith("survey"):
            return worker.call(entry, arguments, seed)
        calls.append(entry)
        if len(calls) % every:
            return worker.call(entry, arguments, seed)
        return deed(entry, arguments, seed) if callable(deed) else deed

    return {worker.ENTRY: call}


class EndingSandbox(FakeSandbox):
    """Ends every n-th survey as a supervisor would."""

    def __init__(self, end, every):
        super().__init__()
        self.end, self.every, self.surveys = end, every, 0

    def run(self, request):
        if request.arguments["entry"].endswith("survey"):
            self.surveys += 1
            if self.surveys % self.every == 0:
                return self.end
        return super().run(request)


@pytest.fixture
def small(goal):
    x = goal.space.parameters[0].model_copy(update={"high": 4.0})  # no lake here
    space = goal.space.model_copy(update={"parameters": (x, goal.space.parameters[1])})
    budget = Budget(experiments=6, batch=3)
    return goal.model_copy(update={"space": space, "budget": budget, "noise_replicates": 0})


def run(root, goal, deed, every):
    options = (
        {"sandbox": EndingSandbox(deed, every)}
        if isinstance(deed, SandboxResult)
        else {"script": script_of(deed, every)}
    )
    with life(root, **options) as one:
        outcome = one.discovery.run(one.discovery.create(goal, planner="optimizer"))
        return outcome, [i for i in one.knowledge.items.query() if i.negative]


@pytest.mark.parametrize("name", DEEDS)
def test_what_goes_wrong_is_a_failed_experiment_with_its_reason_and_is_learned(tmp_path, small, name):
    deed, reason = DEEDS[name]
    outcome, negative = run(tmp_path / "w", small, deed, every=3)
    record = outcome.record
    assert outcome.state == "finished"
    explored = [e for e in record.experiments.values() if not e.experiment.sealed]
    failed = [e for e in explored if e.failed]
    assert len(failed) == 2
    for entry in failed:
        assert reason in entry.failed, entry.failed
        assert entry.failed.startswith("toy.survey: ")
        assert len(entry.failed) < 3000
        assert not [m for m in entry.measurements if m.property == "height"]
        assert any(entry.experiment.candidate.id == i.subject and reason in i.text for i in negative)
        found = [v for v in record.verdicts if v.experiment == entry.experiment.id and v.property == "height"]
        assert [(v.outcome, v.reason) for v in found] == [(Outcome.INCONCLUSIVE, entry.failed)]
    assert len(explored) == 6, "the campaign goes on to its end"
    assert len([e for e in explored if not e.failed]) == 4
    assert record.claims
    assert check_verdicts(record) == []
    candidates = [e.experiment.candidate.id for e in explored]
    assert len(set(candidates)) == 6, "what failed is not proposed again"


@pytest.mark.parametrize("name", ["crash", "NaN", "exception"])
def test_a_campaign_in_which_everything_fails_ends_without_a_claim(tmp_path, small, name):
    deed, reason = DEEDS[name]
    outcome, negative = run(tmp_path / "w", small, deed, every=1)
    record = outcome.record
    assert outcome.state == "finished"
    assert record.claims == {}
    assert record.finished.claims == ()
    assert record.confirmation.reason == "no candidate of this campaign keeps every constraint"
    assert record.experiments_used == 6
    assert all(reason in e.failed for e in record.experiments.values())
    assert len({i.subject for i in negative}) == 6
    assert {v.outcome for v in record.verdicts if v.property == "height"} == {Outcome.INCONCLUSIVE}


def test_what_failed_before_is_known_to_the_next_campaign(tmp_path, small):
    root = tmp_path / "w"
    first, negative = run(root, small, DEEDS["exception"][0], every=3)
    failed = {i.subject for i in negative if i.relation == "fails"}
    with life(root) as one:
        second = one.discovery.run(one.discovery.create(small, planner="optimizer")).record
    assert failed
    known = {o.candidate.id for o in second.recalls[0].observations if o.failed}
    assert known == failed
    assert not failed & {e.experiment.candidate.id for e in second.experiments.values()}
    assert first.state == "finished"


def test_a_tool_that_is_gone_when_the_campaign_resumes_is_named(tmp_path, small):
    root = tmp_path / "w"
    with life(root) as one:
        campaign = one.discovery.create(small, planner="random")
    with life(root, tools=TOOLS[1:]) as two, pytest.raises(Exception, match=r"toy\.survey") as caught:
        two.discovery.run(campaign)
    assert not isinstance(caught.value, InfrastructureError)
    assert caught.value.exit_code == 2
