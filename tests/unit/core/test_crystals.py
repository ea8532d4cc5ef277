"""Structure types as values: what they hold, and the crystals that they make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from novum.core.crystal_tables import VOLUMES
from novum.core.crystals import Prototype, find_prototype, prototypes

names = st.sampled_from(sorted(prototypes()))
metals = st.permutations(["Al", "Cu", "Ni", "Ti"])


@given(names, metals)
def test_a_crystal_has_the_volume_of_its_elements(name: str, elements: list[str]) -> None:
    prototype = prototypes()[name]
    chosen = elements[: prototype.n_kinds]
    lines = prototype.crystal(chosen).splitlines()
    a, b, c = ([float(x) for x in line.split()] for line in lines[2:5])
    volume = abs(
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    expected = sum(VOLUMES[e] * n for e, n in zip(chosen, prototype.counts, strict=True))
    assert volume == pytest.approx(expected, rel=1e-4)
    assert lines[5].split() == chosen
    assert len(lines) == 8 + len(prototype.kinds)


@given(names, metals)
def test_all_spellings_of_a_crystal_have_one_canonical_form(name: str, elements: list[str]) -> None:
    prototype = prototypes()[name]
    chosen = elements[: prototype.n_kinds]
    canonical = prototype.canonical(chosen)
    for swap in prototype.swaps:
        assert prototype.canonical([chosen[kind] for kind in swap]) == canonical
    assert sorted(canonical) == sorted(chosen)


def test_formulas_are_reduced_and_alphabetical() -> None:
    b20, l12 = find_prototype("B20"), find_prototype("L1_2")
    assert b20 is not None
    assert l12 is not None
    assert b20.formula(["Pt", "Al"]) == "AlPt"
    assert l12.formula(["Cu", "Au"]) == "Au3Cu"


def test_an_unknown_structure_type_is_none() -> None:
    assert find_prototype("B99") is None


@pytest.mark.parametrize(
    ("kinds", "swaps", "reason"),
    [
        ((0, 0), (), "kinds count from 0, and"),
        ((1, 0), (), "stand together"),
        ((0, 1), ((0, 0),), "names every kind once"),
        ((0,), (), "each site needs"),
    ],
)
def test_an_inconsistent_structure_type_is_refused(kinds, swaps, reason) -> None:
    cell = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 2.0))
    if reason.startswith("kinds count"):
        kinds = (0, 2)
    with pytest.raises(ValidationError, match=reason):
        Prototype(
            name="x",
            cell=cell,
            kinds=kinds,
            positions=((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
            swaps=swaps,
        )
