"""A real model behind a real server plans a whole campaign: random weights, constrained decoding."""

import pytest
import toys
from lives import life
from scripts import opening

from novum.agents.models.base import Card
from novum.agents.models.gateway import Gateway
from novum.agents.scientist.asking import Patience
from novum.core.conversation import Mechanism
from novum.core.deliberation import Turn
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.model_entry import ModelEntry
from novum.core.spaces import ContinuousParameter, ParameterSpace
from novum.workflows.replay import check_verdicts, replay
from novum.workflows.reporting import build_report
from novum.workflows.reporting.markdown import to_markdown

pytest_plugins = ["tiny_model"]

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
    budget=Budget(experiments=30, batch=5),
    confirmation=Confirmation(method="none"),
    seed=3,
)


@pytest.mark.slow
def test_a_tiny_model_plans_a_campaign_and_the_mix_learns_to_rely_on_the_optimiser(
    tmp_path, tiny_server: ModelEntry
):
    card = Card(model="tiny", json_schema=True, context_tokens=8192)
    model = Gateway("tiny", tiny_server, card=card)
    opener = opening(model, patience=Patience(step_s=120))
    try:
        with life(tmp_path / "w", planners=opener, tools=(toys.survey,)) as one:
            campaign = one.discovery.create(GOAL, planner="scientist", campaign="c")
            record = one.discovery.run(campaign).record
            assert replay(one.ledger.events(campaign), one.registry, opener) == []
    finally:
        model.close()
    assert record.finished is not None
    assert record.experiments_used == 30
    assert check_verdicts(record) == []
    turns = [d.turn for d in record.deliberations.values()]
    assert Turn.ANSWERED in turns
    used = {e.reply.mechanism for e in record.exchanges.values() if e.reply is not None}
    assert used == {Mechanism.JSON_SCHEMA} or Mechanism.TEXT in used
    assert all(e.reply is not None for e in record.exchanges.values())
    last = record.deliberations[max(record.deliberations)]
    rewards = {s.source: s.reward for s in last.standings}
    assert rewards["optimizer"] > rewards["scientist"]
    slots = [d.slots["scientist"] for d in record.deliberations.values()]
    assert sum(slots[3:]) < sum(slots[:3])
    best = record.merits({"height": 5.0})[0][1]
    winner = record.hypotheses[record.experiments[best.source].experiment.hypothesis]
    assert winner.source == "optimizer"
    assert "The model `tiny`" in to_markdown(build_report(record))
