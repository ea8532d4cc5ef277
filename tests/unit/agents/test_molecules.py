import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from novum.agents.optimizer.generators import operators as ops
from novum.agents.optimizer.generators.filters import Filters
from novum.agents.optimizer.generators.fragments import library, linkers
from novum.agents.optimizer.generators.limits import tightened
from novum.agents.optimizer.generators.molecules import MoleculeGenerator
from novum.core.errors import GoalError
from novum.core.goals import Objective, ObjectiveKind
from novum.core.spaces import Candidate, MoleculeSpace

PARENTS = [
    "CCO",
    "c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "O=[N+]([O-])c1ccc(N2CCOCC2)cc1",
    "C[C@H](N)C(=O)NCc1c[nH]c2ccccc12",
    "CS(=O)(=O)c1ccc(F)cc1",
    "C1CC2CCC1C2",
    "N#CC=Cc1cccs1",
]
SPACE = MoleculeSpace(max_heavy_atoms=25)
ELEMENTS = frozenset({6, 7, 8, 9, 15, 16, 17, 35})


def toolbox(space: MoleculeSpace = SPACE) -> ops.Toolbox:
    substituents, rings = library(ELEMENTS)
    return ops.Toolbox(
        tuple(sorted(ELEMENTS)),
        substituents,
        rings,
        linkers(ELEMENTS),
        space.max_heavy_atoms,
        space.max_ring_size,
    )


@pytest.mark.parametrize("operator", [operator for operator, _ in ops.MUTATIONS], ids=lambda f: f.__name__)
def test_an_operator_leaves_its_parent_alone_and_what_it_closes_is_valid(operator: ops.Operator) -> None:
    box, made = toolbox(), 0
    for smiles in PARENTS:
        parent = ops.opened(Chem.MolFromSmiles(smiles))
        before = Chem.MolToSmiles(parent)
        for seed in range(25):
            raw = operator(parent, random.Random(seed), box)
            child = None if raw is None else ops.closed(raw)
            assert Chem.MolToSmiles(parent) == before
            if child is not None:
                made += 1
                assert child.GetNumHeavyAtoms() <= max(box.max_atoms, parent.GetNumHeavyAtoms())
                spelling = Chem.MolToSmiles(child)
                again = Chem.MolFromSmiles(spelling)
                assert again is not None
                assert Chem.MolToSmiles(again) == spelling or Chem.MolFromSmiles(Chem.MolToSmiles(again))
    assert made >= 20


@given(
    pair=st.tuples(st.sampled_from(PARENTS), st.sampled_from(PARENTS)),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=60)
def test_offspring_is_valid_whole_and_within_the_space(pair: tuple[str, str], seed: int) -> None:
    generator, filters = MoleculeGenerator(SPACE), Filters(SPACE)
    parents = [p for s in pair if (p := generator.locate(Candidate(id=s, label=s, arguments={"smiles": s})))]
    for child in generator.offspring(parents, random.Random(seed), 8, set()):
        molecule = Chem.MolFromSmiles(child.key)
        assert molecule is not None
        assert "." not in child.key
        assert 4 <= molecule.GetNumHeavyAtoms() <= 25
        assert filters.is_within(molecule)
        assert Chem.GetFormalCharge(molecule) == 0
        assert all(a.GetAtomicNum() in ELEMENTS for a in molecule.GetAtoms())
        assert max((len(r) for r in molecule.GetRingInfo().AtomRings()), default=0) <= 8
        assert not any(a.GetNumRadicalElectrons() for a in molecule.GetAtoms())


@pytest.mark.parametrize(
    ("smiles", "within"),
    [
        ("CCCCO", True),
        ("CCC", False),
        ("CCCC.O", False),
        ("C1CCCC1.C1CCCC1", False),
        ("CCC[O-]", False),
        ("CCC[CH2]", False),
        ("C[Si](C)(C)C", False),
        ("C1CCCCCCCC1", False),
        ("[13CH3]CCCO", False),
    ],
)
def test_limits_of_the_space(smiles: str, within: bool) -> None:
    assert Filters(MoleculeSpace()).is_within(Chem.MolFromSmiles(smiles)) is within


@pytest.mark.parametrize(
    ("smiles", "reasonable"),
    [
        ("CC(=O)Oc1ccccc1C(=O)O", True),
        ("CS(=O)(=O)Nc1ccc(F)cc1", True),
        ("O=[N+]([O-])c1ccccc1", True),
        ("c1nnn[nH]1", True),
        ("OC(C(F)(F)F)(C(F)(F)F)c1ccccc1", True),
        ("COOC", False),
        ("C=C=CC", False),
        ("C1CCC#CCC1", False),
        ("C1=CC1C", False),
        ("CN(Cl)CC", False),
        ("CC(O)(O)CC", False),
        ("CC(O)=CC", False),
        ("CCNNNC", False),
    ],
)
def test_common_sense(smiles: str, reasonable: bool) -> None:
    assert Filters(MoleculeSpace()).is_reasonable(Chem.MolFromSmiles(smiles)) is reasonable


def test_alerts_and_synthetic_accessibility_are_asked_of_what_is_made() -> None:
    strict, lenient = MoleculeGenerator(MoleculeSpace()), MoleculeGenerator(MoleculeSpace(alerts=False))
    nitro = Candidate(id="x", label="", arguments={"smiles": "O=[N+]([O-])c1ccccc1"})
    hard = "C1CC23CC4C5C6C(C2)(C13)C46C5"
    for generator, expected in ((strict, False), (lenient, True)):
        proposal = generator.locate(nitro)
        assert proposal is not None
        assert generator.admits(proposal) is expected
    proposal = lenient.locate(Candidate(id="y", label="", arguments={"smiles": hard}))
    assert proposal is not None
    assert not lenient.admits(proposal)
    given_ = MoleculeGenerator(MoleculeSpace(alerts=False, start=(hard,)))
    assert given_.admits(proposal)


def test_the_start_set_is_the_users_or_rdkits() -> None:
    own = MoleculeGenerator(MoleculeSpace(start=("OCC", "CCCCO", "C(C)CCO")))
    assert [p.key for p in own.start(random.Random(0), set())] == ["CCCCO"]
    bundled = MoleculeGenerator(MoleculeSpace())
    drawn = [p.key for p in islice(bundled.start(random.Random(0), set()), 30)]
    assert len(set(drawn)) == 30
    assert drawn == [p.key for p in islice(bundled.start(random.Random(0), set()), 30)]
    assert drawn != [p.key for p in islice(bundled.start(random.Random(1), set()), 30)]
    assert drawn[0] not in {p.key for p in islice(bundled.start(random.Random(0), {drawn[0]}), 30)}


def test_an_unreadable_start_molecule_is_an_error() -> None:
    with pytest.raises(GoalError, match="cannot read 'C1CC'"):
        MoleculeGenerator(MoleculeSpace(start=("C1CC",)))


def test_one_molecule_has_one_id_whatever_its_spelling() -> None:
    generator = MoleculeGenerator(MoleculeSpace())
    ids = set()
    for smiles in ("OCCCC", "CCCCO", "C(CCC)O"):
        proposal = generator.locate(Candidate(id="", label="", arguments={"smiles": smiles}))
        assert proposal is not None
        candidate = generator.candidate(proposal)
        assert candidate is not None
        ids.add((candidate.id, candidate.label))
    assert ids == {("LRHPLDYGYMQRHN-UHFFFAOYSA-N", "CCCCO")}


def test_bounds_on_heavy_atoms_tighten_the_space() -> None:
    def wish(low: float | None, high: float | None) -> Objective:
        kind = ObjectiveKind.INTERVAL if low and high else ObjectiveKind.AT_MOST
        return Objective(property="heavy_atoms", kind=kind, low=low, high=high)

    space = MoleculeSpace(min_heavy_atoms=5, max_heavy_atoms=30)
    narrow = tightened(space, [wish(8.5, 20.5)])
    assert (narrow.min_heavy_atoms, narrow.max_heavy_atoms) == (9, 20)
    assert tightened(space, [wish(None, 99)]) == space
    with pytest.raises(GoalError, match="at least 5 and at most 3"):
        tightened(space, [wish(None, 3)])
