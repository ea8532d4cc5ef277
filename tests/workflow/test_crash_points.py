"""A campaign may die after any single write, and goes on as if it had not."""

from collections import Counter

import pytest
from lives import PowerCut, life

from novum.agents.choose import open_planner
from novum.core.errors import InfrastructureError, SandboxBrokenError
from novum.core.events import ExperimentFinished
from novum.core.goals import Budget
from novum.core.record import CampaignRecord
from novum.sandbox.fake import FakeSandbox
from novum.workflows.replay import check_registrations, check_verdicts, replay

NAME = "torn"


@pytest.fixture
def small(goal):
    return goal.model_copy(update={"budget": Budget(experiments=5, batch=2), "noise_replicates": 1})


def begin_and_run(one, goal):
    if not one.ledger.exists(NAME):
        one.discovery.create(goal, planner="random", campaign=NAME)
    return one.discovery.run(NAME)


@pytest.fixture
def whole(tmp_path, small):
    """Return the number of writes of an undisturbed campaign, its decisions, and its record."""
    with life(tmp_path / "whole") as one:
        outcome = begin_and_run(one, small)
        assert outcome.state == "finished"
        return one.ledger.writes, one.ledger.decision_digest(NAME), outcome.record


def check_end(one, record, digest):
    """Check that the campaign of a life ended as the undisturbed one did."""
    events = list(one.ledger.events(NAME))
    again = CampaignRecord.from_events(events)
    finished = Counter(e.experiment for e in events if isinstance(e, ExperimentFinished))
    assert finished == Counter(record.experiments.keys())
    assert one.ledger.decision_digest(NAME) == digest
    assert one.ledger.verify(NAME).ok
    assert again.claims == record.claims
    assert check_registrations(again) == []
    assert check_verdicts(again) == []


def test_a_campaign_that_dies_once_after_any_write_ends_the_same(tmp_path, small, whole):
    writes, digest, record = whole
    assert writes > 20
    for number in range(1, writes + 1):
        root = tmp_path / f"torn-{number}"
        with life(root, dies_after=number) as one, pytest.raises(PowerCut):
            begin_and_run(one, small)
        with life(root) as two:
            assert begin_and_run(two, small).state == "finished"
            check_end(two, record, digest)
            known = {item.id: item.version for item in two.knowledge.items.query()}
        if number == 1:
            first = known
        assert known == first, f"what was learned depends on where it died (write {number})"


def test_a_campaign_that_dies_after_every_write_ends_the_same(tmp_path, small, whole):
    writes, digest, record = whole
    lives = 0
    while True:
        lives += 1
        assert lives < 2 * writes
        # A life writes its resumption, at most that experiments start, and one step more.
        try:
            with life(tmp_path / "torn", dies_after=3) as one:
                state = begin_and_run(one, small).state
        except PowerCut:
            continue
        break
    with life(tmp_path / "torn") as last:
        assert begin_and_run(last, small).state == "finished"
        check_end(last, record, digest)
        events = list(last.ledger.events(NAME))
        assert replay(events, last.registry, open_planner) == []
    assert state == "finished"
    assert lives > writes // 3


def test_an_experiment_whose_result_was_written_is_not_run_again(tmp_path, small, whole):
    _, _, record = whole
    sandbox = FakeSandbox()
    root, number = tmp_path / "torn", 0
    while True:
        number += 1
        try:
            with life(root, dies_after=3, sandbox=sandbox) as one:
                begin_and_run(one, small)
        except PowerCut:
            continue
        break
    asked = Counter(
        (r.arguments["entry"], str(sorted(r.arguments["arguments"].items())), r.seed)
        for r in sandbox.requests
    )
    calls = [r.call for e in record.experiments.values() for r in e.results]
    # The cache answers what was in flight at a death; sealed calls are always fresh: at each
    # death the one being written and the next one, already begun, may repeat.
    sealed = sum(len(e.results) for e in record.experiments.values() if e.experiment.sealed)
    assert sum(asked.values()) <= len(calls) + 2 * sealed


class FailingPlanner:
    """Plans well until its turn comes."""

    name = "random"

    def __init__(self, error, turn):
        self.error, self.turn, self.planner = error, turn, open_planner("random")

    def plan(self, context):
        if context.iteration == self.turn:
            raise self.error
        return self.planner.plan(context)


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), InfrastructureError("no server"), PowerCut()], ids=repr
)
def test_a_planner_that_fails_is_asked_again_and_nothing_is_lost(tmp_path, small, whole, turn, error):
    _, digest, record = whole
    with (
        life(tmp_path / "torn", planners=lambda name: FailingPlanner(error, turn)) as one,
        pytest.raises(type(error)),
    ):
        begin_and_run(one, small)
    with life(tmp_path / "torn") as two:
        assert begin_and_run(two, small).state == "finished"
        check_end(two, record, digest)


class FragileSandbox(FakeSandbox):
    """Breaks from a number of calls on."""

    def __init__(self, breaks_at):
        super().__init__()
        self.breaks_at = breaks_at

    def run(self, request):
        if len(self.requests) >= self.breaks_at:
            raise SandboxBrokenError("the zygote is gone")
        return super().run(request)


@pytest.mark.parametrize("breaks_at", [0, 3, 9])
def test_a_broken_sandbox_stops_the_campaign_and_judges_nothing(tmp_path, small, whole, breaks_at):
    _, digest, record = whole
    root = tmp_path / "torn"
    with life(root, sandbox=FragileSandbox(breaks_at), workers=2) as one:
        with pytest.raises(InfrastructureError, match="the zygote is gone") as caught:
            begin_and_run(one, small)
        assert caught.value.exit_code == 4
        so_far = CampaignRecord.from_events(one.ledger.events(NAME))
        assert so_far.finished is None
        assert all(not e.failed for e in so_far.experiments.values())
        assert not [i for i in one.knowledge.items.query() if "zygote" in i.text]
    with life(root) as two:
        assert begin_and_run(two, small).state == "finished"
        check_end(two, record, digest)


def test_a_sandbox_that_breaks_once_is_tried_again_without_a_word(tmp_path, small, whole):
    _, digest, record = whole
    broken = []

    class Hiccup(FakeSandbox):
        def run(self, request):
            if not broken:
                broken.append(request)
                raise SandboxBrokenError("once")
            return super().run(request)

    with life(tmp_path / "torn", sandbox=Hiccup()) as one:
        assert begin_and_run(one, small).state == "finished"
        check_end(one, record, digest)


def test_ctrl_c_ends_in_order_and_is_resumed(tmp_path, small, whole):
    _, digest, record = whole
    pressed = []

    class Impatient:
        name = "random"

        def plan(self, context):
            if context.iteration == 1 and not pressed:
                pressed.append(True)
                raise KeyboardInterrupt
            return open_planner("random").plan(context)

    with life(tmp_path / "torn", planners=lambda name: Impatient()) as one:
        outcome = begin_and_run(one, small)
        assert outcome.state == "interrupted"
        assert outcome.record.interruptions == 1
        assert [c.state for c in one.ledger.campaigns()] == ["interrupted"]
        outcome = begin_and_run(one, small)
        assert outcome.state == "finished"
        assert outcome.record.resumptions == 1
        check_end(one, record, digest)


def test_a_finished_campaign_is_finished_and_writes_no_more(tmp_path, small):
    with life(tmp_path / "w") as one:
        begin_and_run(one, small)
        events = list(one.ledger.events(NAME))
        assert begin_and_run(one, small).state == "finished"
        assert list(one.ledger.events(NAME)) == events
