"""The hull that grows in the knowledge base."""

import pytest
from knowledge_items import make_item

from novum.core.knowledge import Provenance
from novum.core.quantity import Quantity
from novum.knowledge_base import KnowledgeBase
from novum.tools.materials.phase_diagrams import hull
from novum.tools.materials.stability import GivenPhase
from novum.workflows.phases import known_phases


def crystal(name: str, formula: str, energy: float, method: str = "CHGNet 0.3.0", unit: str = "eV"):
    return make_item(
        f"{name} has a formation energy of {energy} {unit}",
        domain="materials",
        subject=name,
        subject_label=formula,
        relation="formation_energy",
        value=Quantity(value=energy, unit=unit),
        arguments={"formula": formula, "elements": name.partition(":")[2].split(",")},
        provenance=Provenance(source="test", campaign="c1", method=method),
    )


@pytest.fixture
def base(tmp_path):
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as opened:
        opened.record(
            [
                crystal("B2:Al,Ni", "AlNi", -700, unit="meV"),
                crystal("B1:Al,Ni", "AlNi", 0.4),
                crystal("L1_2:Al,Ni", "AlNi3", -0.47),
                crystal("B20:Al,Pt", "AlPt", -9.9, method="a guess"),
            ]
        )
        yield opened


def test_the_lowest_structure_of_each_formula_counts_and_elements_are_at_zero(base) -> None:
    found = {p.formula: (p.energy, p.name) for p in known_phases(base)}
    assert found == {
        "Al": (0.0, "element:Al"),
        "Ni": (0.0, "element:Ni"),
        "AlNi": (pytest.approx(-0.7), "B2:Al,Ni"),
        "AlNi3": (-0.47, "L1_2:Al,Ni"),
    }


def test_energies_of_another_method_make_another_hull(base) -> None:
    assert [p.formula for p in known_phases(base, method="a guess")] == ["Al", "Pt", "AlPt"]


def test_what_is_learnt_raises_the_bar_and_what_is_retracted_lowers_it(base) -> None:
    def above() -> float:
        phases = tuple(GivenPhase(**p.as_argument()) for p in known_phases(base))
        return hull("Al3Ni", energy=-0.2, phases=phases).energy_above_given_hull

    assert above() == pytest.approx(0.15)  # half of it would become AlNi
    base.record([crystal("D0_3:Ni,Al", "Al3Ni", -0.4)])
    assert above() == pytest.approx(0.2)
    item = next(p.item for p in known_phases(base) if p.formula == "Al3Ni")
    base.retract(item, reason="the cell was wrong")
    assert above() == pytest.approx(0.15)
