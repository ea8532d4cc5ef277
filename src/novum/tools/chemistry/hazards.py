"""chemistry.hazards: explosive, toxic-agent and controlled classes that a molecule belongs to."""

from typing import Annotated

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, Usual, tool
from novum.tools.chemistry.hazard_patterns import Danger
from novum.tools.chemistry.hazard_screen import Outcome, screen
from novum.tools.chemistry.molecules import Smiles
from novum.tools.examples import Example

EXAMPLES = (
    Example(
        arguments={"smiles": "Cc1c(cc(cc1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]"},
        expected={"explosive_classes": 2, "oxygen_balance": -73.97},
        atol=0.05,
        source="oxygen balance of TNT, -74 %: doi:10.1002/9783527617043 (Meyer, Explosives), 6th edition",
    ),
    Example(
        arguments={"smiles": "CC(=O)Oc1ccccc1C(=O)O"},
        expected={"explosive_classes": 0, "agent_classes": 0, "controlled_classes": 0},
        source="acetylsalicylic acid is on none of the lists",
    ),
    Example(
        arguments={"smiles": "OCCSCCO"},
        expected={"agent_classes": 1},
        source="thiodiglycol: CWC schedule 2.B.13",
    ),
)


class Hazards(Properties):
    """How many hazardous classes a molecule belongs to. None is not a promise that it is harmless."""

    explosive_classes: Annotated[
        int, Usual(0, 1), Field(description="explosive or self-reactive classes matched", ge=0)
    ]
    agent_classes: Annotated[
        int, Usual(0, 1), Field(description="classes of toxic agents and their precursors matched", ge=0)
    ]
    controlled_classes: Annotated[
        int, Usual(0, 1), Field(description="classes of controlled substances matched", ge=0)
    ]
    oxygen_balance: Annotated[
        float,
        Unit("percent"),
        Usual(-300, -50),
        Field(description="oxygen left when all burns to CO2 and water", ge=-800, le=100),
    ]


@tool(
    name="chemistry.hazards",
    version="1",
    method="substructure patterns",
    profile="chemistry",
    preload=("rdkit.Chem.Descriptors", "rdkit.Chem.MolStandardize.rdMolStandardize"),
    libraries=("rdkit",),
    nominal_cost_s=0.02,
    timeout_s=60,
    memory_mb=1024,
    examples=EXAMPLES,
)
def hazards(smiles: Smiles) -> Hazards:
    """Screen a molecule for explosive, toxic-agent and controlled classes, without ever calling it safe.

    The classes come from public lists and do not exhaust them: nothing found is no proof of safety, and
    toxicity in general is not predicted. A molecule or mixture that cannot be judged is a failure, and to be
    treated as hazardous. The reasons, with their sources, are in the details.

    Args:
        smiles: the molecule; a salt or mixture is judged as a whole.

    References:
        UN Manual of Tests and Criteria, appendix 6. Chemical Weapons Convention, annex on chemicals. Single
        Convention on Narcotic Drugs 1961. Convention on Psychotropic Substances 1971.
    """
    found = screen(smiles)
    if found.outcome is Outcome.NOT_JUDGED or found.oxygen_balance is None:
        raise ToolFailedError(f"{found}; treat it as hazardous until a person has judged it")
    counts = {danger: sum(f.danger is danger for f in found.findings) for danger in Danger}
    return Hazards(
        explosive_classes=counts[Danger.EXPLOSIVE],
        agent_classes=counts[Danger.AGENT],
        controlled_classes=counts[Danger.CONTROLLED],
        oxygen_balance=found.oxygen_balance,
        warnings=(f"only a person may let work on it go on: {found}",) if found.findings else (),
        details={
            "verdict": found.outcome.value,
            "findings": [
                {"danger": f.danger.value, "class": f.name, "source": f.source} for f in found.findings
            ],
        },
    )
