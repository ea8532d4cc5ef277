"""chemistry.descriptors: what RDKit says of a molecule from its graph alone."""

from typing import Annotated

from pydantic import Field

from novum.tools.base import MethodError, Properties, Unit, Usual, tool
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.examples import Example

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"

EXAMPLES = (
    Example(
        arguments={"smiles": ASPIRIN},
        expected={"molecular_weight": 180.16, "exact_mass": 180.04225873},
        atol=0.01,
        source="PubChem, compound 2244",
    ),
    Example(
        arguments={"smiles": ASPIRIN},
        expected={"tpsa": 63.6},
        atol=0.05,
        source="PubChem, compound 2244",
    ),
    Example(
        arguments={"smiles": "N=C(CCSCc1csc(N=C(N)N)n1)NS(N)(=O)=O"},
        expected={"qed": 0.253},
        atol=1e-3,
        source="worked example of QED's authors, in RDKit's module QED",
    ),
    Example(
        arguments={"smiles": "C"},
        expected={"logp": 0.1441 + 4 * 0.1230, "molar_refractivity": 2.503 + 4 * 1.057},
        atol=1e-3,
        source="sum of the contributions in table 1 of doi:10.1021/ci990307l",
    ),
)


class Descriptors(Properties):
    """Properties of a molecular graph.

    The usual ranges are the central 95 % over 1,200 of the NCI molecules that RDKit ships, rounded.
    """

    qed: Annotated[
        float, Usual(0.15, 0.85), Field(description="quantitative estimate of drug-likeness", ge=0, le=1)
    ]
    # 0.677 is the standard deviation of the fit to 9,920 measured values (Wildman and Crippen 1999).
    logp: Annotated[
        float,
        Usual(-2, 7),
        MethodError(0.677),
        Field(description="octanol/water partition coefficient, decadic logarithm", ge=-100, le=100),
    ]
    tpsa: Annotated[
        float,
        Usual(0, 150),
        Unit("angstrom**2"),
        Field(description="topological polar surface area, N and O only", ge=0),
    ]
    molecular_weight: Annotated[
        float,
        Usual(100, 540),
        Unit("g/mol"),
        Field(description="molar mass, natural isotopes unless labelled", ge=0),
    ]
    exact_mass: Annotated[
        float,
        Usual(100, 540),
        Unit("dalton"),
        Field(description="mass of the molecule of the commonest isotopes", ge=0),
    ]
    heavy_atoms: Annotated[int, Usual(6, 34), Field(description="atoms other than hydrogen", ge=0)]
    hbond_donors: Annotated[
        int, Usual(0, 4), Field(description="N and O atoms that carry hydrogen (RDKit)", ge=0)
    ]
    hbond_acceptors: Annotated[int, Usual(0, 9), Field(description="hydrogen-bond acceptors (RDKit)", ge=0)]
    rotatable_bonds: Annotated[int, Usual(0, 16), Field(description="rotatable bonds, amides left out", ge=0)]
    rings: Annotated[int, Usual(0, 4), Field(description="rings of the smallest set", ge=0)]
    aromatic_rings: Annotated[int, Usual(0, 3), Field(description="aromatic rings of the smallest set", ge=0)]
    fraction_csp3: Annotated[
        float | None,
        Usual(0, 1),
        Field(description="sp3 share of the carbon atoms; absent without carbon", ge=0, le=1),
    ] = None
    formal_charge: Annotated[int, Field(description="total charge, in elementary charges", ge=-50, le=50)]
    sa_score: Annotated[
        float,
        Usual(1.4, 4.6),
        Field(description="synthetic accessibility, 1 easy to 10 hard (Ertl)", ge=1, le=10),
    ]
    alerts: Annotated[int, Usual(0, 4), Field(description="structural alerts matched, BRENK and PAINS", ge=0)]
    molar_refractivity: Annotated[
        float,
        Usual(24, 133),
        Unit("cm**3/mol"),
        Field(description="molar refractivity (Crippen)", ge=-100, le=10_000),
    ]


@tool(
    name="chemistry.descriptors",
    version="1",
    method="RDKit",
    profile="chemistry",
    preload=("rdkit.Chem.QED", "rdkit.Chem.Descriptors", "novum.tools.chemistry.descriptor_tables"),
    libraries=("rdkit",),
    nominal_cost_s=0.01,
    timeout_s=60,
    memory_mb=1024,
    examples=EXAMPLES,
)
def descriptors(smiles: Smiles) -> Descriptors:
    """Calculate drug-likeness, lipophilicity, size, polarity and structural alerts of a molecule.

    All come from the molecular graph as it is written: its protonation and tautomer are kept. A salt or
    a mixture is refused. The names of the alerts are in the details.

    Args:
        smiles: the molecule.

    References:
        QED: doi:10.1038/nchem.1243. Crippen logP and refractivity: doi:10.1021/ci990307l.
        TPSA: doi:10.1021/jm000942e. Synthetic accessibility: doi:10.1186/1758-2946-1-8.
        BRENK: doi:10.1002/cmdc.200700139. PAINS: doi:10.1021/jm901137j.
    """
    from rdkit import Chem
    from rdkit.Chem import QED, rdMolDescriptors
    from rdkit.Chem.Descriptors import MolWt  # type: ignore[attr-defined] # its stubs leave it out

    from novum.tools.chemistry.descriptor_tables import find_alerts, sa_score

    molecule = parse_smiles(smiles)
    has_carbon = any(atom.GetAtomicNum() == 6 for atom in molecule.GetAtoms())
    alerts = find_alerts(molecule)
    logp, refractivity = rdMolDescriptors.CalcCrippenDescriptors(molecule)
    return Descriptors(
        qed=QED.qed(molecule),  # type: ignore[no-untyped-call]
        logp=logp,
        tpsa=rdMolDescriptors.CalcTPSA(molecule),
        molecular_weight=MolWt(molecule),
        exact_mass=rdMolDescriptors.CalcExactMolWt(molecule),
        heavy_atoms=molecule.GetNumHeavyAtoms(),
        hbond_donors=rdMolDescriptors.CalcNumHBD(molecule),
        hbond_acceptors=rdMolDescriptors.CalcNumHBA(molecule),
        rotatable_bonds=rdMolDescriptors.CalcNumRotatableBonds(molecule),
        rings=rdMolDescriptors.CalcNumRings(molecule),
        aromatic_rings=rdMolDescriptors.CalcNumAromaticRings(molecule),
        fraction_csp3=rdMolDescriptors.CalcFractionCSP3(molecule) if has_carbon else None,
        formal_charge=Chem.GetFormalCharge(molecule),
        sa_score=sa_score(molecule),
        alerts=len(alerts),
        molar_refractivity=refractivity,
        details={"canonical_smiles": Chem.MolToSmiles(molecule), "alerts": alerts},
    )
