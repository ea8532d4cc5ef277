"""What a campaign writes into the knowledge base, and what the next one makes of it."""

import copy

import pytest
import toys
from lives import life
from test_learning_between_campaigns import goal_of, plane

from novum.core.access import Destination
from novum.core.calls import CallStatus, ToolResult
from novum.core.forecasts import Calibration
from novum.core.goals import Objective
from novum.core.knowledge import EvidenceRole, ItemStatus
from novum.core.record import ExperimentRecord
from novum.core.science import ClaimStatus, Outcome
from novum.workflows.assays import choose_assays
from novum.workflows.learning import CampaignKnowledge, items_of
from novum.workflows.reexamination import SOURCE

HEIGHT = Objective(property="height", kind="maximise", unit="m", tool="toy.survey")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "w"


def run(world, goal, **options):
    return world.discovery.run(world.discovery.create(goal, planner="random", **options)).record


def other_version(tool, version):
    """Return the same tool as if it had been released anew."""
    again = copy.copy(tool)
    again.spec = tool.spec.model_copy(update={"version": version})
    return again


def confidences(world):
    return {item.id: item.confidence for item in world.knowledge.query(has_value=True)}


def outcomes(world):
    return {c.source: (c.held, c.n) for c in world.knowledge.calibration() if isinstance(c, Calibration)}


def test_a_campaign_that_is_run_again_from_the_cache_teaches_nothing_new(root):
    with life(root, tools=(toys.survey, toys.level)) as world:
        first = run(world, goal_of(plane(), HEIGHT))
        world.knowledge.reappraise()  # by what the check taught of the method
        known, judged = confidences(world), outcomes(world)
        assert judged["survey"] == (1, 1)
        again = run(world, goal_of(plane(), HEIGHT), recall=False)
        assert again.observations() == first.observations()
        assert confidences(world) == known
        assert outcomes(world) == judged
        # Another prediction of the same thing is another forecast.
        run(world, goal_of(plane(), HEIGHT, seed=2), recall=False)
        assert outcomes(world)["random"][1] > judged["random"][1]


def test_a_finding_is_no_more_believed_than_the_least_of_the_values_that_it_needs(root):
    with life(root, tools=(toys.survey, toys.noisy)) as world:
        slope = Objective(property="slope", kind="maximise", tool="toy.noisy", low=-50)
        record = run(world, goal_of(plane(), HEIGHT, slope))
        [claim] = world.knowledge.query(relation="meets_goal")
        [stated] = record.claims.values()
        assert stated.status is ClaimStatus.CONFIRMED
        needed = [link for link in claim.evidence if link.role is EvidenceRole.DERIVED_FROM]
        values = [world.knowledge.get(link.target) for link in needed]
        assert {item.relation for item in values} == {"height", "slope"}
        assert {link.weight for link in claim.evidence if link not in needed} <= {0.0}
        least = min(item.confidence for item in values)
        assert claim.confidence < least
        world.knowledge.retract(values[0].id, reason="the wrong hill")
        assert world.knowledge.get(claim.id).status is ItemStatus.STALE


def test_an_independent_confirmation_raises_the_value_that_it_confirms(root):
    def believed(tools, name):
        with life(root / name, tools=tools) as world:
            run(world, goal_of(plane(), HEIGHT))
            [claim] = world.knowledge.query(relation="meets_goal")
            [needed] = [e.target for e in claim.evidence if e.role is EvidenceRole.DERIVED_FROM]
            value = world.knowledge.get(needed)
            supports = {e.target for e in value.evidence if e.role is EvidenceRole.SUPPORTS}
            methods = {world.knowledge.get(id).provenance.method for id in supports}
            return value.confidence, claim.confidence, methods

    root.mkdir()
    alone = believed((toys.survey,), "alone")
    confirmed = believed((toys.survey, toys.level), "confirmed")
    assert (alone[2], confirmed[2]) == (set(), {"levelling"})
    assert confirmed[0] > alone[0]
    assert confirmed[1] > alone[1]


@pytest.mark.parametrize("status", [s for s in CallStatus if s is not CallStatus.OK])
def test_only_what_a_tool_said_itself_is_recalled_as_a_failure(root, status):
    with life(root, tools=(toys.survey,)) as world:
        goal = goal_of(plane(), HEIGHT)
        record = run(world, goal)
        entry = next(iter(record.experiments.values()))
        [call] = entry.experiment.calls
        broken = ToolResult(call=call, key="k", status=status, message="no", tool_version="1")
        failed = ExperimentRecord(entry.experiment, 0, finished=True, failed="no", results=(broken,))
        assays = choose_assays(goal, world.registry)
        knowledge = CampaignKnowledge(world.knowledge, goal, to=Destination.LOCAL)
        knowledge.record(items_of([failed], assays, campaign="c9", space=goal.space))
        [item] = world.knowledge.query(negative=True)
        lasting = status in (CallStatus.ERROR, CallStatus.BAD_RESULT)
        assert item.relation == ("fails" if lasting else "unfinished")
        assert (item in knowledge.recall(assays)) is lasting
        # It may be mended in another version.
        newer = choose_assays(goal, type(world.registry)((other_version(toys.survey, "2"),)))
        assert item not in knowledge.recall(newer)


def test_values_by_another_version_are_neither_mixed_nor_lost_but_measured_again(root):
    goal = goal_of(plane(), HEIGHT)
    with life(root, tools=(toys.survey,)) as world:
        first = run(world, goal)
    old = {o.candidate.id for o in first.observations()}
    with life(root, tools=(other_version(toys.survey, "2"),)) as world:
        second = run(world, goal_of(plane(), HEIGHT, seed=2))
        recalled = second.recalls[0]
        assert recalled.observations == ()
        assert {o.candidate.id for o in recalled.doubted} == old
        tested = [h for h in second.hypotheses.values() if h.source == SOURCE]
        assert len(tested) == 2  # half of the budget
        verdicts = [v for v in second.verdicts if v.hypothesis in {h.id for h in tested}]
        assert {v.outcome for v in verdicts} == {Outcome.SUPPORTED}
        third = run(world, goal_of(plane(), HEIGHT, seed=3)).recalls[0]
        again = {h.candidate.id for h in tested}
        assert {o.candidate.id for o in third.doubted} == old - again
        assert again <= {o.candidate.id for o in third.observations}
        by = {
            (item.subject, item.conditions["tool_version"])
            for item in world.knowledge.query(relation="height")
        }
        assert {(id, version) for id in again for version in ("1", "2")} <= by
