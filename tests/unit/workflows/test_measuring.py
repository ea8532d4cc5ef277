"""From results to measurements: each property by its own tool, asked in its own way, in the goal's unit."""

import pytest

from novum.core.calls import CallStatus, PropertySpec, ToolCall, ToolResult, ToolSpec
from novum.core.goals import Objective
from novum.core.quantity import Quantity
from novum.core.science import Experiment, Purpose
from novum.core.spaces import Candidate, MoleculeSpace, PoolSpace
from novum.workflows.assays import Assay, scale_of, tool_call
from novum.workflows.measuring import measurements_of

XTB = ToolSpec(
    name="toy.xtb",
    version="1",
    description="",
    entry="a:b",
    parameters={"properties": {"smiles": {}, "solvent": {}}, "required": ["smiles"]},
    properties=(
        PropertySpec(name="gap", unit="eV", description="", low=0, high=20),
        PropertySpec(name="dipole", unit="debye", description=""),
    ),
    method="GFN2",
)
ETHANOL = Candidate(id="a", label="CCO", arguments={"smiles": "CCO"})


def assay(name, unit, tool=XTB, **options):
    objective = Objective(property=name, kind="maximise", unit=unit, options=options)
    return Assay(objective, "tool", tool, tool.find_property(name))


def result(call, **values):
    properties = {n: Quantity(value=v, unit={"gap": "eV", "dipole": "debye"}[n]) for n, v in values.items()}
    return ToolResult(call=call, key="k", status=CallStatus.OK, properties=properties, method="GFN2")


def experiment(*calls, purpose=Purpose.EXPLORE):
    return Experiment(id="E001", hypothesis="H001", candidate=ETHANOL, calls=calls, purpose=purpose)


def test_a_result_is_turned_into_the_unit_of_the_goal():
    assays = {"gap": assay("gap", "meV")}
    call = tool_call(XTB, ETHANOL, {}, space=MoleculeSpace())
    (m,) = measurements_of(experiment(call), [result(call, gap=4.0, dipole=1.0)], assays)
    assert (m.property, m.quantity.value, m.quantity.unit) == ("gap", 4000.0, "meV")


@pytest.mark.parametrize("purpose", [Purpose.EXPLORE, Purpose.CONFIRM])
def test_one_tool_asked_in_two_ways_measures_each_property_in_its_own(purpose):
    assays = {"gap": assay("gap", "eV"), "dipole": assay("dipole", "debye", solvent="water")}
    dry, wet = (
        tool_call(XTB, ETHANOL, {}, space=MoleculeSpace()),
        tool_call(XTB, ETHANOL, {"solvent": "water"}, space=MoleculeSpace()),
    )
    results = [result(dry, gap=4.0, dipole=1.0), result(wet, gap=3.0, dipole=2.0)]
    found = measurements_of(experiment(dry, wet, purpose=purpose), results, assays)
    assert {m.property: m.quantity.value for m in found} == {"gap": 4.0, "dipole": 2.0}
    assert len(found) == 2


def test_another_tool_counts_only_when_it_confirms():
    other = XTB.model_copy(update={"name": "toy.dft", "method": "PBE0"})
    call = tool_call(other, ETHANOL, {}, space=MoleculeSpace())
    assays = {"gap": assay("gap", "eV")}
    assert measurements_of(experiment(call), [result(call, gap=4.0)], assays) == ()
    sealed = experiment(call, purpose=Purpose.CONFIRM)
    (m,) = measurements_of(sealed, [result(call, gap=4.0)], assays)
    assert (m.tool, m.sealed) == ("toy.dft", True)


def test_a_failed_call_measures_nothing():
    call = tool_call(XTB, ETHANOL, {}, space=MoleculeSpace())
    broken = result(call, gap=4.0).model_copy(update={"status": CallStatus.CRASH})
    assert measurements_of(experiment(call), [broken], {"gap": assay("gap", "eV")}) == ()


def test_the_smiles_of_a_pool_reach_the_tool_under_its_own_name():
    row = Candidate(id="1", label="CCO", arguments={"SMILES": "CCO", "price": 3})
    space = PoolSpace(source="t.csv", rows=(row,), smiles="SMILES")
    call = tool_call(XTB, row, {"solvent": "water"}, space=space, seed=2, replicate=1)
    assert call == ToolCall(
        tool="toy.xtb", arguments={"smiles": "CCO", "solvent": "water"}, seed=2, replicate=1
    )


@pytest.mark.parametrize(
    ("fields", "scale"),
    [
        ({"kind": "interval", "low": 1, "high": 3, "unit": "eV"}, 2),
        ({"kind": "maximise", "unit": "eV"}, 5),
        ({"kind": "at_least", "low": 4, "unit": "eV"}, 5),
    ],
)
def test_the_scale_is_the_width_of_the_wish_or_of_what_can_occur(fields, scale):
    objective = Objective(property="gap", **fields)
    assert scale_of(Assay(objective, "tool", XTB, XTB.find_property("gap"))) == scale


def test_a_scale_is_never_zero():
    for bound in (0.0, 1e-300, -5.0):
        objective = Objective(property="dipole", kind="at_least", low=bound, unit="debye")
        assert scale_of(Assay(objective, "tool", XTB, XTB.find_property("dipole"))) > 0
