import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novum.core.errors import UsageError
from novum.core.knowledge import ItemStatus, KnowledgeItem
from novum.knowledge_base.items import Items
from novum.knowledge_base.structures import Alike, Structures

Make = Callable[..., KnowledgeItem]

MOLECULES = {
    "benzene": "c1ccccc1",
    "toluene": "Cc1ccccc1",
    "phenol": "Oc1ccccc1",
    "ethanol": "CCO",
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
}


@pytest.fixture
def items(tmp_path: Path) -> Iterator[Items]:
    with Items(tmp_path / "items.sqlite3") as items:
        yield items


@pytest.fixture
def structures(tmp_path: Path, items: Items, item: Make) -> Iterator[Structures]:
    items.put_many(
        item(f"says of {name}", id=f"K-{name}", subject=name, arguments={"smiles": smiles})
        for name, smiles in MOLECULES.items()
    )
    items.put_many(
        [
            item("no molecule", id="K-wrong", arguments={"smiles": "not a molecule"}),
            item("no text", id="K-number", arguments={"smiles": 3, "formula": "Xx9"}),
            item("about nothing", id="K-nothing"),
        ]
    )
    with Structures(tmp_path / "structures.sqlite3", items) as structures:
        yield structures


def names(found: list[Alike]) -> list[str]:
    return [alike.item.id.removeprefix("K-") for alike in found]


def test_similar_molecules_come_in_the_order_of_tanimoto(structures: Structures) -> None:
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    found = structures.similar("C1=CC=CC=C1C")  # toluene, spelt otherwise
    assert (names(found)[0], found[0].similarity) == ("toluene", 1.0)
    assert set(names(found)) == set(MOLECULES)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = {name: generator.GetFingerprint(Chem.MolFromSmiles(s)) for name, s in MOLECULES.items()}
    for alike in found:
        name = alike.item.id.removeprefix("K-")
        assert alike.similarity == pytest.approx(
            DataStructs.TanimotoSimilarity(prints["toluene"], prints[name]), abs=1e-5
        )
    assert names(structures.similar("CCO", 1)) == ["ethanol"]
    assert structures.similar("CCO", 0) == []


@pytest.mark.parametrize(
    ("smarts", "expected"),
    [
        ("c1ccccc1", {"benzene", "toluene", "phenol", "aspirin"}),
        ("[OX2H]", {"phenol", "ethanol", "aspirin"}),
        ("C(=O)[OX2H]", {"aspirin"}),
        ("[CH3]c", {"toluene"}),
        ("[#7]", set()),
    ],
)
def test_a_group_is_found_in_the_molecules_that_contain_it(
    structures: Structures, smarts: str, expected: set[str]
) -> None:
    assert set(names(structures.containing(smarts))) == expected


def test_filters_and_time_are_kept_to(structures: Structures, items: Items) -> None:
    items.revise(items.get("K-phenol").model_copy(update={"status": ItemStatus.RETRACTED}))
    assert "phenol" not in names(structures.similar("Oc1ccccc1"))
    (found,) = structures.similar("Oc1ccccc1", status=ItemStatus.RETRACTED)
    assert (found.item.version, found.similarity) == (2, 1.0)
    assert names(structures.containing("c1ccccc1", subjects=["aspirin"])) == ["aspirin"]
    before = items.history("K-phenol")[0][0]
    assert structures.similar("Oc1ccccc1", 1, as_of=before)[0].item.version == 1
    with pytest.raises(UsageError, match="colour"):
        structures.similar("CCO", colour="red")


@pytest.mark.parametrize("wrong", ["", "not a molecule", "C" * 3000, "c1ccccc"])
def test_what_is_no_molecule_or_pattern_is_a_usage_error(structures: Structures, wrong: str) -> None:
    with pytest.raises(UsageError, match="no molecule"):
        structures.similar(wrong)
    if wrong != "c1ccccc":
        with pytest.raises(UsageError, match="no pattern"):
            structures.containing(wrong)


def crystal(shift: float = 0.0, scale: float = 1.0, cells: int = 1) -> dict[str, Any]:
    from pymatgen.core import Lattice, Structure

    salt = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64 * scale), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3]
    )
    salt.make_supercell([cells, 1, 1])
    salt.translate_sites(list(range(len(salt))), [shift] * 3)
    return salt.as_dict()


def test_crystals_match_up_to_cell_and_setting(tmp_path: Path, items: Items, item: Make) -> None:
    from pymatgen.core import Lattice, Structure

    other = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.3), ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3])
    packed = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.3), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3])
    items.put_many(
        [
            item("salt", id="K-salt", arguments={"structure": crystal()}),
            item("CsCl", id="K-CsCl", arguments={"structure": other.as_dict()}),
            item("salt, packed otherwise", id="K-packed", arguments={"structure": packed.as_dict()}),
            item("salt, by formula", id="K-formula", arguments={"formula": "NaCl"}),
        ]
    )
    with Structures(tmp_path / "structures.sqlite3", items) as structures:
        (found,) = structures.matching(crystal(shift=0.25, scale=1.01, cells=2))
        assert found.item.id == "K-salt"
        assert found.similarity > 0.99
        assert set(names(structures.of_composition("Na4Cl4"))) == {"salt", "packed", "formula"}
        found = structures.of_composition("NaCl", tolerance=0.5)
        assert names(found)[-1] == "CsCl"
        assert found[-1].similarity == pytest.approx(0.5)
        assert structures.of_composition("NaCl", tolerance=0.4)[-1].similarity == 1.0
        with pytest.raises(UsageError, match="no formula"):
            structures.of_composition("not a formula")
        with pytest.raises(UsageError, match="no crystal structure"):
            structures.matching({"lattice": {}})


def test_a_structure_that_names_code_runs_none(tmp_path: Path, items: Items, item: Make) -> None:
    marker = tmp_path / "ran"
    written = crystal()
    evil = {"@module": "pathlib", "@class": "Path", "@callable": "touch", "path": str(marker)}
    for site in written["sites"]:
        site["properties"] = {"x": evil}
    items.put(item("evil", id="K-evil", arguments={"structure": written}))
    with Structures(tmp_path / "structures.sqlite3", items) as structures:
        assert names(structures.matching(crystal())) == ["evil"]
    assert not marker.exists()


def test_the_view_follows_what_is_recorded_and_is_made_anew_when_it_does_not_fit(
    tmp_path: Path, structures: Structures, items: Items, item: Make, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(structures.similar("CCO", 99)) == 5
    items.put(item("propanol", id="K-propanol", arguments={"smiles": "CCCO"}))
    before = structures.similar("CCO", 99)
    assert len(before) == 6
    structures.close()
    (tmp_path / "structures.sqlite3").write_bytes(b"garbage" * 1000)
    assert structures.similar("CCO", 99) == before
    assert "read anew" in caplog.text
    structures.close()
    with Items(tmp_path / "others.sqlite3") as others:
        others.put(item("methanol", id="K-methanol", arguments={"smiles": "CO"}))
        with Structures(tmp_path / "structures.sqlite3", others) as other:
            assert names(other.similar("CO")) == ["methanol"]


def test_screening_loses_no_molecule(tmp_path: Path, items: Items, item: Make) -> None:
    """Against looking into every molecule, for groups cut out of the molecules themselves."""
    from rdkit import Chem

    smiles = [
        *("CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "OCC1OC(O)C(O)C(O)C1O"),
        *("C1CCCCC1", "c1ccc2ccccc2c1", "CC(=O)Nc1ccc(O)cc1", "C#CCN", "FC(F)(F)c1ccccc1Br", "CS(=O)(=O)C"),
    ]
    items.put_many(item(s, id=f"K-{i}", arguments={"smiles": s}) for i, s in enumerate(smiles))
    molecules = [Chem.MolFromSmiles(s) for s in smiles]
    random = np.random.default_rng(0)
    with Structures(tmp_path / "structures.sqlite3", items) as structures:
        for _ in range(40):
            whole = molecules[random.integers(len(molecules))]
            start = int(random.integers(whole.GetNumAtoms()))
            bonds = Chem.FindAtomEnvironmentOfRadiusN(whole, 2, start) or Chem.FindAtomEnvironmentOfRadiusN(
                whole, 1, start
            )
            smarts = Chem.MolToSmarts(Chem.PathToSubmol(whole, bonds))
            pattern = Chem.MolFromSmarts(smarts)
            expected = {str(i) for i, m in enumerate(molecules) if m.HasSubstructMatch(pattern)}
            assert set(names(structures.containing(smarts, 99))) == expected


def test_searching_by_text_loads_no_chemistry(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "import novum.knowledge_base, novum.knowledge_base.structures\n"
        "print({'rdkit', 'pymatgen'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"
