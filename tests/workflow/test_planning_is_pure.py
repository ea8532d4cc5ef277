"""A plan depends on its context alone: a resumed process plans what the first one would have planned."""

import pytest

from novum.agents.base import PlanningContext
from novum.agents.choose import open_planner
from novum.agents.optimizer.generators.choose import molecule_generator
from novum.core.events import Hypothesised
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.record import CampaignRecord
from novum.core.spaces import MoleculeSpace
from novum.tools.chemistry.descriptors import descriptors
from novum.workflows.assays import choose_assays


@pytest.mark.slow
@pytest.mark.parametrize("planner", ["optimizer", "random"])
def test_every_iteration_is_planned_alike_by_a_process_without_a_past(workshop, planner):
    workshop.registry.register(descriptors)
    goal = Goal(
        objectives=(
            Objective(property="qed", kind=ObjectiveKind.MAXIMISE),
            Objective(property="logp", kind=ObjectiveKind.INTERVAL, low=0.5, high=2),
        ),
        space=MoleculeSpace(max_heavy_atoms=16),
        budget=Budget(experiments=20, batch=5),
        confirmation=Confirmation(method="none"),
        seed=5,
    )
    campaign = workshop.discovery.create(goal, planner=planner)
    workshop.discovery.run(campaign)
    events = list(workshop.ledger.events(campaign))
    plans = 0
    for position, event in enumerate(events):
        if not isinstance(event, Hypothesised):
            continue
        before = CampaignRecord.from_events(events[:position])
        assays = choose_assays(goal, workshop.registry)
        molecule_generator.cache_clear()
        again = open_planner(planner).plan(
            PlanningContext(
                goal=goal,
                iteration=event.iteration,
                n=len(event.hypotheses),
                observations=before.observations(),
                properties={name: assay.measured for name, assay in assays.items()},
                costs={name: assay.cost_s for name, assay in assays.items()},
                noise=before.noise,
                first_id=len(before.hypotheses) + 1,
                cites={},
            )
        )
        assert again.hypotheses == event.hypotheses
        plans += 1
    assert plans >= 4  # one more where the hazard screen stops a proposal
