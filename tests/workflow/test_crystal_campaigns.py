"""A campaign over crystals, in the sandbox, from its goal file to its findings."""

import pytest

pytest.importorskip("chgnet", reason="needs novum[mlip]")

from novum.core.errors import SandboxUnavailableError
from novum.core.settings import load_settings
from novum.runtime import Workspace

GOAL = """
title: aluminides
objectives:
  - wish: minimise formation_energy to -0.6 eV
    tool: materials.stability
  - wish: energy_above_hull <= 0.03 eV
    tool: materials.stability
space:
  kind: crystals
  elements: [Al, Cu, Ni]
  prototypes: [B1, B2, B3, L1_2, D0_3]
budget: {experiments: 12, batch: 4}
confirmation:
  method: materials.stability_r2scan
  options: {competing: elements}
  wishes: [formation_energy <= -0.5 eV]
seed: 1
"""


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_campaign_finds_the_compound_that_everybody_knows(tmp_path) -> None:
    # NiAl in B2 is the most strongly bound of these: -0.64 eV per atom by calorimetry, and 27 are listed.
    (tmp_path / "goal.yaml").write_text(GOAL)
    try:
        opened = Workspace(load_settings(workspace=tmp_path / "ws", embedder="hashing"))
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    with opened as workspace:
        goal = workspace.load_goal(str(tmp_path / "goal.yaml"))
        campaign = workspace.discovery.create(goal, planner="optimizer")
        record = workspace.discovery.run(campaign).record
        best = max(
            (o for o in record.observations() if o.values),
            key=lambda o: -o.values["formation_energy"].to("eV").value,
        )
        assert best.candidate.id == "B2:Al,Ni"
        assert best.values["formation_energy"].to("eV").value == pytest.approx(-0.64, abs=0.17)
        claim = next(iter(record.claims.values()))
        assert claim.candidate.id == "B2:Al,Ni"
        methods = {r.method for e in record.experiments.values() for r in e.results}
        assert methods == {"CHGNet 0.3.0", "CHGNet r2SCAN"}
