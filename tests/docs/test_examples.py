"""The examples load, and their data are what they are said to be."""

import subprocess
import sys

import pytest
from doc_blocks import EXAMPLES

from novum.core.spaces import CrystalSpace, MoleculeSpace, ParameterSpace, PoolSpace
from novum.workflows.assays import choose_assays
from novum.workflows.goal_files import load_goal

GOALS = sorted(EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("path", GOALS, ids=[p.name for p in GOALS])
def test_an_example_loads_and_can_be_measured_here(path, registry):
    goal = load_goal(str(path), registry)
    assert goal.title
    assert set(choose_assays(goal, registry)) == {o.property for o in goal.objectives}


def test_the_examples_cover_every_kind_of_space(registry):
    kinds = {type(load_goal(str(path), registry).space) for path in GOALS}
    assert kinds == {CrystalSpace, MoleculeSpace, ParameterSpace, PoolSpace}


def test_the_pool_of_reactions_is_what_its_formula_gives():
    made = subprocess.run(
        [sys.executable, str(EXAMPLES / "make_reaction_pool.py")], capture_output=True, text=True, check=True
    )
    assert made.stdout == (EXAMPLES / "reaction_conditions.csv").read_text(encoding="utf-8")


def test_the_goal_of_the_pool_can_be_met(registry):
    goal = load_goal(str(EXAMPLES / "reaction_conditions.yaml"), registry)
    assert isinstance(goal.space, PoolSpace)
    yields, impurities = goal.space.measured["yield"], goal.space.measured["impurity"]
    met = [row for row, value in yields.items() if value >= 80 and impurities[row] <= 5]
    assert 1 <= len(met) < 0.02 * len(goal.space.rows)


def test_the_published_couplings_are_all_there_and_of_one_reaction(registry):
    from novum.tools.chemistry.retrosynthesis import reaction_class, split_reaction

    goal = load_goal(str(EXAMPLES / "cross_coupling.yaml"), registry)
    assert isinstance(goal.space, PoolSpace)
    yields = goal.space.measured["yield"]
    assert len(goal.space.rows) == len(yields) == 792
    assert sum(value >= 65.9 for value in yields.values()) == 7
    for written in {str(row.arguments["reaction"]) for row in goal.space.rows}:
        reactants, (product,) = split_reaction(written)
        template = reaction_class(reactants, product)
        assert (template is None) == ("Cl" in written)  # the templates know bromides and iodides
        assert template is None or template.name == "Buchwald-Hartwig amination"


@pytest.mark.slow
@pytest.mark.sandbox
def test_the_solvation_example_runs_in_the_solvent_that_it_names(tmp_path):
    from novum.core.settings import load_settings
    from novum.runtime import Workspace

    with Workspace(load_settings(workspace=tmp_path, embedder="hashing", workers=2)) as workspace:
        goal = workspace.load_goal(str(EXAMPLES / "solvation.yaml"), experiments=4)
        campaign = workspace.discovery.create(goal, planner="random")
        record = workspace.discovery.run(campaign).record
    calls = [r.call for e in record.experiments.values() for r in e.results if r.call.tool == "chemistry.xtb"]
    assert calls
    assert all(call.arguments["solvent"] == "water" for call in calls)
    measured = [
        m.quantity
        for e in record.experiments.values()
        for m in e.measurements
        if m.property == "solvation_free_energy"
    ]
    assert measured
    assert all(q.unit == "kcal/mol" and -30 < q.value < 10 for q in measured)
