"""chemistry.similarity: how alike two molecules are, and whether they share a scaffold."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from novum.tools.base import Properties, Usual, tool
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.examples import Example

if TYPE_CHECKING:
    from rdkit.Chem import Mol

Fingerprint = Literal["morgan", "rdkit", "atom-pairs", "torsions", "maccs"]

EXAMPLES = (
    Example(
        arguments={"smiles": "CCOC", "reference": "CCO", "fingerprint": "rdkit"},
        expected={"similarity": 0.6},
        atol=1e-9,
        source="RDKit, Getting Started in Python, section on fingerprints",
    ),
    Example(
        arguments={"smiles": "Cc1ccccc1", "reference": "c1ccccc1O"},
        expected={"same_scaffold": 1},
        source="both are a benzene ring with one group: doi:10.1021/jm9602928",
    ),
)


class Similarity(Properties):
    """How alike two molecules are."""

    similarity: Annotated[
        float, Usual(0.05, 0.7), Field(description="Tanimoto coefficient of the fingerprints", ge=0, le=1)
    ]
    same_scaffold: Annotated[
        int, Field(description="1 where both have the same ring systems and linkers, else 0", ge=0, le=1)
    ]


@tool(
    name="chemistry.similarity",
    version="1",
    method="RDKit fingerprints",
    profile="chemistry",
    preload=("rdkit.Chem.rdFingerprintGenerator", "rdkit.Chem.Scaffolds.MurckoScaffold"),
    libraries=("rdkit",),
    nominal_cost_s=0.01,
    timeout_s=60,
    memory_mb=1024,
    examples=EXAMPLES,
)
def similarity(smiles: Smiles, *, reference: Smiles, fingerprint: Fingerprint = "morgan") -> Similarity:
    """Compare a molecule with a reference by fingerprints and by Bemis-Murcko scaffold.

    Values of different fingerprints do not compare: two unrelated drugs have about 0.1 to 0.2 with `morgan`,
    and 0.3 to 0.5 with `maccs`. Scaffolds, and those of all atoms alike, are in the details; a molecule
    without rings has none.

    Args:
        smiles: the molecule.
        reference: what it is compared with.
        fingerprint: morgan has radius 2 and 2048 bits; the others are RDKit's defaults.

    References:
        Morgan: doi:10.1021/ci100050t. Scaffolds: doi:10.1021/jm9602928. Atom pairs: doi:10.1021/ci00046a002.
        Torsions: doi:10.1021/ci00054a008.
    """
    from rdkit import DataStructs

    first, second = parse_smiles(smiles), parse_smiles(reference)
    one, other = scaffolds(first), scaffolds(second)
    return Similarity(
        similarity=DataStructs.TanimotoSimilarity(bits(first, fingerprint), bits(second, fingerprint)),
        same_scaffold=int(bool(one["scaffold"]) and one["scaffold"] == other["scaffold"]),
        ran=fingerprint,
        details={"molecule": one, "reference": other},
    )


def bits(molecule: "Mol", fingerprint: Fingerprint = "morgan") -> Any:
    """Return the fingerprint of a molecule, as RDKit's bit vector."""
    from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

    if fingerprint == "maccs":
        return rdMolDescriptors.GetMACCSKeysFingerprint(molecule)
    if fingerprint == "morgan":
        return rdFingerprintGenerator.GetMorganGenerator(radius=2).GetFingerprint(molecule)
    if fingerprint == "rdkit":
        return rdFingerprintGenerator.GetRDKitFPGenerator().GetFingerprint(molecule)
    if fingerprint == "atom-pairs":
        return rdFingerprintGenerator.GetAtomPairGenerator().GetFingerprint(molecule)
    return rdFingerprintGenerator.GetTopologicalTorsionGenerator().GetFingerprint(molecule)


def scaffolds(molecule: "Mol") -> dict[str, str]:
    """Return the Bemis-Murcko scaffold, and the same with all atoms carbon; empty without rings."""
    from rdkit import Chem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    plain = Chem.Mol(molecule)
    Chem.RemoveStereochemistry(plain)
    core = MurckoScaffold.GetScaffoldForMol(plain)  # type: ignore[no-untyped-call]
    framework = MurckoScaffold.MakeScaffoldGeneric(core)  # type: ignore[no-untyped-call]
    return {"scaffold": Chem.MolToSmiles(core), "framework": Chem.MolToSmiles(framework)}
