"""A pool plays the laboratory: what it measured is hidden until the experiment is made."""

import pytest
from lives import life

from novum.agents.choose import open_planner
from novum.core.access import Destination
from novum.core.calls import CallStatus, ToolCall, ToolResult
from novum.core.goals import Budget, Goal, Objective
from novum.core.science import ClaimStatus, Origin, Outcome
from novum.core.spaces import Candidate, PoolSpace
from novum.workflows.replay import check_verdicts, replay

ROWS = 12
SECRET = {f"r{i}": 1000.0 + 37.5 * ((7 * i) % ROWS) for i in range(ROWS)}
MISSING = {"r2", "r5"}
SPACE = PoolSpace(
    source="reactions.csv",
    rows=tuple(
        Candidate(
            id=f"r{i}", label=f"x={i % 4}, y={i // 4}", arguments={"x": float(i % 4), "y": float(i // 4)}
        )
        for i in range(ROWS)
    ),
    measured={"yield": {name: value for name, value in SECRET.items() if name not in MISSING}},
)
YIELD = Objective(property="yield", kind="maximise", unit="g", low=1100, tool="pool")
HEIGHT = Objective(property="height", kind="at_least", low=-60, unit="m", tool="toy.survey")


def goal_of(*objectives, **fields):
    fields.setdefault("budget", Budget(experiments=ROWS + 4, batch=3))
    return Goal(objectives=objectives, space=SPACE, seed=5, **fields)


class Watching:
    """A planner that keeps what it was shown."""

    def __init__(self, name):
        self.name, self.planner, self.contexts = name, open_planner(name), []

    def plan(self, context):
        self.contexts.append(context)
        return self.planner.plan(context)


def run(root, goal, planner="random"):
    watching = Watching(planner)
    with life(root, planners=lambda name: watching) as one:
        campaign = one.discovery.create(goal, planner=planner, campaign="pool")
        outcome = one.discovery.run(campaign)
        items = one.knowledge.items.query()
        events = list(one.ledger.events(campaign))
        differences = replay(events, one.registry, open_planner)
    return outcome, watching, items, differences


@pytest.mark.parametrize("planner", ["random", "optimizer"])
def test_a_hidden_value_is_seen_by_the_planner_only_after_its_experiment(tmp_path, planner):
    outcome, watching, _, differences = run(tmp_path / "w", goal_of(YIELD), planner)
    assert outcome.state == "finished"
    assert differences == []
    made = set()
    for context in watching.contexts:
        seen = {o.candidate.id: o.values["yield"].value for o in context.observations if o.values}
        assert set(seen) <= made, "a value was known before its experiment"
        assert all(value == SECRET[name] for name, value in seen.items())
        shown = repr((context.observations, context.properties, context.costs, context.noise, context.cites))
        for name, value in SECRET.items():
            assert name in made or f"{value:g}" not in shown
        made |= {h.candidate.id for h in outcome.record.plans[context.iteration].hypotheses}
    assert made == set(SECRET)


def test_no_candidate_and_no_prediction_carries_a_hidden_value(tmp_path):
    record = run(tmp_path / "w", goal_of(YIELD))[0].record
    for entry in record.experiments.values():
        assert set(entry.experiment.candidate.arguments) == {"x", "y"}
        assert entry.experiment.calls == ()
    first = record.plans[0].hypotheses
    assert not any(p.expected.value in SECRET.values() for h in first for p in h.predictions)


def test_a_missing_cell_is_a_failed_experiment(tmp_path):
    outcome, _, items, _ = run(tmp_path / "w", goal_of(YIELD))
    failed = {e.experiment.candidate.id: e.failed for e in outcome.record.experiments.values() if e.failed}
    assert failed == {name: f"the pool has no yield for {name}" for name in MISSING}
    assert {i.subject for i in items if i.negative and i.relation == "fails"} == MISSING
    verdicts = [v for v in outcome.record.verdicts if v.observed is None]
    assert {v.outcome for v in verdicts} == {Outcome.INCONCLUSIVE}
    assert len(verdicts) == len(MISSING)


def test_the_campaign_ends_when_the_pool_is_used_up(tmp_path):
    record = run(tmp_path / "w", goal_of(YIELD))[0].record
    assert record.experiments_used == ROWS
    assert record.finished.reason == "the planner has nothing left to propose in this space"
    best = max(SPACE.measured["yield"], key=SPACE.measured["yield"].get)
    assert record.claims["C001"].candidate.id == best


def test_a_measured_cell_is_a_measurement_from_its_table(tmp_path):
    record = run(tmp_path / "w", goal_of(YIELD))[0].record
    (m,) = next(e for e in record.experiments.values() if e.experiment.candidate.id == "r1").measurements
    assert (m.origin, m.tool, m.method) == (Origin.MEASURED, "pool", "table reactions.csv")
    assert (m.quantity.value, m.quantity.unit) == (SECRET["r1"], "g")


@pytest.mark.parametrize("objectives", [(YIELD,), (YIELD, HEIGHT)], ids=["a pool alone", "with a tool"])
def test_a_table_that_is_read_twice_confirms_nothing(tmp_path, objectives):
    record = run(tmp_path / "w", goal_of(*objectives))[0].record
    claim = record.claims["C001"]
    assert claim.status is ClaimStatus.UNCONFIRMED
    assert "yield was not measured again" in claim.reason
    (value,) = [v for v in claim.values if v.property == "yield"]
    assert (value.confirmed, value.independent, value.holds) == (None, False, None)
    sealed = [m for e in record.experiments.values() if e.experiment.sealed for m in e.measurements]
    assert {m.property for m in sealed} <= {"height"}
    assert check_verdicts(record) == []


def test_a_column_with_another_name_is_the_smiles_of_a_tool_and_is_recalled(tmp_path):
    from novum.core.quantity import Quantity
    from novum.core.record import ExperimentRecord
    from novum.core.science import Experiment, Measurement
    from novum.knowledge_base import KnowledgeBase
    from novum.tools.registry import Registry
    from novum.workflows.assays import choose_assays
    from novum.workflows.learning import CampaignKnowledge, items_of

    row = Candidate(id="1", label="CCO", arguments={"SMILES": "CCO"})
    space = PoolSpace(source="m.csv", rows=(row,), smiles="SMILES")
    goal = Goal(objectives=(Objective(property="qed", kind="maximise"),), space=space)
    assays = choose_assays(goal, Registry.load())
    call = ToolCall(tool="chemistry.descriptors", arguments={"smiles": "CCO"})
    measured = Measurement(
        experiment="E001",
        candidate="1",
        property="qed",
        quantity=Quantity(value=0.4, unit="1"),
        tool="chemistry.descriptors",
        method="RDKit",
        call_key="k",
    )
    experiment = Experiment(id="E001", hypothesis="H001", candidate=row, calls=(call,))
    version = Registry.load().get("chemistry.descriptors").spec.version
    result = ToolResult(call=call, key="k", status=CallStatus.OK, tool_version=version)
    entry = ExperimentRecord(experiment, 0, finished=True, results=(result,), measurements=(measured,))
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as base:
        knowledge = CampaignKnowledge(base, goal, to=Destination.LOCAL)
        knowledge.record(items_of([entry], assays, campaign="c", space=space))
        assert [i.subject for i in knowledge.recall(assays)] == ["1"]
