"""Crystals as a search space: its limits, its candidates, and what the surrogate sees of them."""

import random

import numpy as np
import pytest
from pydantic import ValidationError

from novum.agents.optimizer.features import tanimoto
from novum.agents.optimizer.generators.crystals import CrystalGenerator
from novum.core.crystals import Prototype, find_prototype
from novum.core.errors import GoalError
from novum.core.spaces import CrystalSpace

METALS = ("Al", "Cu", "Ni", "Ti")


def everything(space: CrystalSpace, seed: int = 0) -> list:
    return list(CrystalGenerator(space).start(random.Random(seed), frozenset()))


def test_a_small_space_is_listed_completely_and_each_crystal_once() -> None:
    space = CrystalSpace(elements=METALS, prototypes=("B2", "L1_2"))
    keys = {p.key for p in everything(space)}
    # six pairs in B2, which its swap makes one, and twelve ordered pairs in L1_2
    assert len(keys) == 6 + 12
    assert "B2:Al,Ni" in keys
    assert "B2:Ni,Al" not in keys
    assert {"L1_2:Al,Ni", "L1_2:Ni,Al"} <= keys


def test_a_candidate_is_found_again_and_a_stranger_is_not() -> None:
    generator = CrystalGenerator(CrystalSpace(elements=METALS))
    other = CrystalGenerator(CrystalSpace(elements=("Al", "Zr")))
    for proposal in generator.start(random.Random(1), frozenset()):
        candidate = generator.candidate(proposal)
        located = generator.locate(candidate)
        assert located is not None
        assert located.key == proposal.key == candidate.id
        assert candidate.arguments["structure"].startswith(candidate.arguments["formula"])
        assert other.locate(candidate) is None


def test_what_is_excluded_is_not_proposed() -> None:
    space = CrystalSpace(elements=METALS, prototypes=("B2",))
    keys = [p.key for p in everything(space)]
    rest = CrystalGenerator(space).start(random.Random(0), frozenset(keys[:2]))
    assert sorted(p.key for p in rest) == sorted(keys[2:])


def test_a_large_space_is_sampled_and_its_offspring_stay_within() -> None:
    elements = ("Al", "Sc", "Ti", "V", "Cr", "Fe", "Co", "Ni", "Cu", "Zn", "Y", "Zr", "Nb", "Mo")
    space = CrystalSpace(elements=elements, min_elements=2, max_elements=3)
    generator = CrystalGenerator(space)
    assert not generator.finite
    parents = [p for p, _ in zip(generator.start(random.Random(2), frozenset()), range(20), strict=False)]
    seen = {p.key for p in parents}
    children = generator.offspring(parents, random.Random(3), 40, seen)
    assert len({c.key for c in children}) == len(children) == 40
    assert not seen & {c.key for c in children}
    names = {p.name for p in space.types()}
    for child in children:
        prototype, chosen = child.point
        assert prototype.name in names
        assert set(chosen) <= set(elements)
        assert child.origin.startswith("change of ")
    again = generator.offspring(parents, random.Random(3), 40, seen)
    assert [c.key for c in again] == [c.key for c in children]


def test_the_surrogate_sees_the_composition_and_not_the_order_of_kinds() -> None:
    space = CrystalSpace(elements=METALS)
    generator = CrystalGenerator(space)
    points = {p.key: p for p in generator.start(random.Random(0), frozenset())}
    chosen = [points[k] for k in ("L1_2:Al,Ni", "D0_22:Ni,Al", "B2:Al,Ni", "B2:Cu,Ti")]
    features = generator.encode(chosen)
    assert features.numeric.min() >= 0
    assert features.numeric.max() <= 1
    likeness = tanimoto(features, features)
    assert likeness[0, 1] == pytest.approx(1.0)  # both are AlNi3
    assert likeness[0, 2] == pytest.approx(0.75 / 1.25)  # shared 0.25 + 0.5 of 1 + 1 - shared
    assert likeness[2, 3] == 0.0
    assert np.allclose(features.numeric[0], features.numeric[1])
    assert features.codes[0, 0] != features.codes[1, 0]


def test_charges_that_must_balance_leave_salts() -> None:
    space = CrystalSpace(elements=("Na", "Cl", "Mg", "O"), charge_balanced=True)
    generator = CrystalGenerator(space)
    formulas = {generator.candidate(p).arguments["formula"] for p in everything(space)}
    assert {"ClNa", "MgO", "Cl2Mg", "Na2O"} <= formulas
    assert "MgNa" not in formulas
    assert "ClMg" not in formulas
    with pytest.raises(GoalError, match="balance its charges"):
        CrystalGenerator(CrystalSpace(elements=("Al", "Ni"), charge_balanced=True))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"elements": ("Al", "Al")}, "named twice"),
        ({"elements": ("Al", "Pu")}, "no crystal volume is known of Pu"),
        ({"elements": METALS, "prototypes": ("B99",)}, "unknown structure type 'B99'"),
        ({"elements": METALS, "min_elements": 3, "max_elements": 2}, "impossible interval"),
        ({"elements": METALS, "max_atoms": 1}, "no structure type here takes"),
    ],
)
def test_an_impossible_space_is_refused(limits, reason) -> None:
    with pytest.raises(ValidationError, match=reason):
        CrystalSpace(**limits)


def test_a_template_of_the_users_is_told_from_another_of_its_name() -> None:
    known = find_prototype("L1_2")
    assert known is not None
    mine = Prototype(name="mine", cell=known.cell, kinds=known.kinds, positions=known.positions)
    moved = mine.model_copy(update={"cell": ((1.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 2.0))})
    first, second = (
        {p.key for p in everything(CrystalSpace(elements=("Al", "Ni"), templates=(t,)))}
        for t in (mine, moved)
    )
    assert len(first) == len(second) == 2
    assert not first & second
