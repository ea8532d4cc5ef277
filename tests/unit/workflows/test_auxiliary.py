"""Which tools a model may call beside the experiments."""

from types import SimpleNamespace

import pytest
from many_tools import many_tools

from novum.core.calls import PropertySpec, ToolSpec
from novum.core.goals import Objective, ObjectiveKind
from novum.core.spaces import MoleculeSpace
from novum.workflows.assays import Assay
from novum.workflows.auxiliary import MOST_TOOLS, auxiliary_tools


class Shelf:
    """As much of a registry as is looked at."""

    def __init__(self, specs):
        self._specs = specs

    def tools(self):
        return [SimpleNamespace(spec=spec) for spec in self._specs]

    def is_available(self, spec):
        return True


@pytest.fixture
def assays():
    wish = Objective(property="flash_point", kind=ObjectiveKind.MAXIMISE, unit="K", tool="manual")
    measured = PropertySpec(name="flash_point", unit="K", description="when its vapour can be lit")
    return {"flash_point": Assay(wish, "manual", None, measured)}


def offered(specs, assays):
    return [spec.name for spec in auxiliary_tools(assays, MoleculeSpace(), Shelf(specs))]


def test_of_many_tools_those_come_that_speak_of_the_goal(assays):
    chosen = offered(many_tools(), assays)
    assert len(chosen) == MOST_TOOLS
    assert "lab.molecule.vapour_pressure" in chosen
    assert all(name.startswith("lab.molecule.") for name in chosen), "the others take no SMILES"


def test_few_tools_all_come_the_cheapest_first(assays):
    specs = many_tools()[:3]
    specs[0] = specs[0].model_copy(update={"nominal_cost_s": 99.0})
    assert offered(specs, assays) == [specs[1].name, specs[2].name, specs[0].name]


def test_what_measures_the_goal_or_asks_for_the_network_is_not_on_offer(assays):
    one, two, three = many_tools()[:3]
    one = one.model_copy(update={"hosts": ("db.example.org",)})
    two = two.model_copy(update={"properties": (assays["flash_point"].measured,)})
    assert offered([one, two, three], assays) == [three.name]


def made(name, gives, takes, unit="m"):
    return ToolSpec(
        name=name,
        version="1",
        description=f"Computes {gives}.",
        entry="lab:run",
        parameters={
            "properties": {n: {"type": kind, "x-unit": unit} for n, kind in takes.items()},
            "required": [*takes],
        },
        properties=(PropertySpec(name=gives, unit=unit, description=gives),),
        method="law",
    )


def test_a_tool_that_takes_what_another_gives_comes_with_it(assays):
    length = made("lab.length", "chain_length", {"smiles": "string"})
    speed = made("lab.speed", "speed", {"chain_length": "number"})
    lost = made("lab.lost", "loss", {"height": "number"})
    assert offered([length, speed, lost], assays) == ["lab.length", "lab.speed"]
    assert offered([speed, lost], assays) == []


def test_of_many_a_relevant_tool_comes_with_what_feeds_it(assays):
    specs = [
        made("lab.size", "chain_length", {"smiles": "string"}),
        made("lab.flash", "flash_vapour", {"chain_length": "number"}),
        *(made(f"lab.other{n}", f"thing_{n}", {"smiles": "string"}) for n in range(20)),
    ]
    chosen = offered(specs, assays)
    assert len(chosen) == MOST_TOOLS
    assert {"lab.size", "lab.flash"} <= set(chosen)
