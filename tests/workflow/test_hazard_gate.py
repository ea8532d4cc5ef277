"""The gate stops what the hazard screen stops; a person's override is named and recorded."""

import pytest

from novum.agents.choose import open_planner
from novum.cli.approval import parse_choice
from novum.core.goals import POOL, Budget, Goal, Objective, ObjectiveKind
from novum.core.spaces import Candidate, PoolSpace
from novum.workflows.replay import replay

TNT = "Cc1c(cc(cc1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]"
ROWS = {"ethanol": "CCO", "TNT": TNT, "propanol": "CCCO", "nonsense": "not a molecule", "water": "O"}


@pytest.fixture
def goal():
    return Goal(
        title="most dense of a shelf",
        objectives=(Objective(property="density", kind=ObjectiveKind.MAXIMISE, unit="g/cm**3", tool=POOL),),
        space=PoolSpace(
            rows=tuple(
                Candidate(id=name, label=name, arguments={"structure": smiles, "row": float(number)})
                for number, (name, smiles) in enumerate(ROWS.items())
            ),
            features=("row",),
            smiles="structure",
            measured={"density": {name: 0.8 + number / 10 for number, name in enumerate(ROWS)}},
        ),
        budget=Budget(experiments=5, batch=5),
        noise_replicates=0,
    )


def test_a_flagged_molecule_is_refused_with_the_reason_and_the_rest_runs(open_workshop, goal):
    workshop = open_workshop()
    campaign = workshop.discovery.create(goal, planner="random")
    record = workshop.discovery.run(campaign).record
    refused = {
        e.experiment.candidate.id: e.refused for e in record.experiments.values() if e.refused_as_hazard
    }
    assert set(refused) == {"TNT", "nonsense"}
    assert "explosive: three nitro groups" in refused["TNT"]
    assert "not judged" in refused["nonsense"]
    ran = {e.experiment.candidate.id for e in record.experiments.values() if e.finished}
    assert ran == {"ethanol", "propanol", "water"}
    assert record.finished is not None
    assert replay(list(workshop.ledger.events(campaign)), workshop.registry, open_planner) == []


def test_a_person_overrides_by_naming_it_and_the_ledger_says_so(open_workshop, goal):
    workshop = open_workshop()
    campaign = workshop.discovery.create(goal, planner="random", approve=True)
    outcome = workshop.discovery.run(campaign)
    assert outcome.state == "approval"
    hazards = outcome.request["hazards"]
    stopped = {outcome.record.experiments[n].experiment.candidate.id: n for n in hazards}
    assert set(stopped) == {"TNT", "nonsense"}
    assert not set(parse_choice("all", outcome.request["experiments"], hazards)) & set(hazards)
    named = parse_choice(stopped["TNT"], outcome.request["experiments"], hazards)
    assert named == [stopped["TNT"]]
    gate = workshop.discovery.run(campaign, answer={"allowed": named, "by": "Ada"}).record.gates[0]
    assert gate.allowed == (stopped["TNT"],)
    assert gate.by == "Ada"
    assert gate.hazards[stopped["TNT"]].startswith("explosive")
    assert "not judged" in gate.refused[stopped["nonsense"]]
