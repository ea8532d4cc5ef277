"""chemistry.alerts: structural alerts of three published collections, each with its names."""

from typing import Annotated

from pydantic import Field

from novum.tools.base import Properties, Usual, tool
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.examples import Example

EXAMPLES = (
    Example(
        arguments={"smiles": "O=C1C(=Cc2ccccc2)SC(=S)N1C"},
        expected={"pains_alerts": 1},
        source="ene_rhodanine_A, doi:10.1021/jm901137j",
    ),
    Example(
        arguments={"smiles": "CCO"},
        expected={"pains_alerts": 0, "brenk_alerts": 0, "nih_alerts": 0},
        source="ethanol has none of the groups",
    ),
)


class Alerts(Properties):
    """How many alerts of each collection a molecule matches."""

    pains_alerts: Annotated[
        int, Usual(0, 1), Field(description="alerts of groups that disturb assays (PAINS)", ge=0)
    ]
    brenk_alerts: Annotated[
        int, Usual(0, 3), Field(description="alerts of groups unwanted in leads (BRENK)", ge=0)
    ]
    nih_alerts: Annotated[
        int, Usual(0, 2), Field(description="alerts of reactive or unwanted groups (NIH)", ge=0)
    ]


@tool(
    name="chemistry.alerts",
    version="1",
    method="RDKit filter catalogues",
    profile="chemistry",
    preload=("novum.tools.chemistry.alert_tables",),
    libraries=("rdkit",),
    nominal_cost_s=0.01,
    timeout_s=60,
    memory_mb=1024,
    examples=EXAMPLES,
)
def alerts(smiles: Smiles) -> Alerts:
    """Count the structural alerts of a molecule: PAINS, BRENK and NIH, as RDKit carries them.

    An alert is a reason to look, and not a verdict: approved drugs match them too. Names, and atoms
    counted from 1, are in the details. Dangers to people are the matter of chemistry.hazards.

    Args:
        smiles: the molecule.

    References:
        PAINS: doi:10.1021/jm901137j. BRENK: doi:10.1002/cmdc.200700139. NIH: doi:10.1021/jm901070c,
        doi:10.1039/c4ob02287d.
    """
    from novum.tools.chemistry.alert_tables import COLLECTIONS

    molecule = parse_smiles(smiles)
    found = {}
    for name, catalog in COLLECTIONS.items():
        found[name] = [
            {
                "alert": entry.GetDescription(),
                "atoms": sorted(
                    int(pair[1]) + 1 for match in entry.GetFilterMatches(molecule) for pair in match.atomPairs
                ),
            }
            for entry in catalog.GetMatches(molecule)
        ]
        found[name].sort(key=lambda one: str(one["alert"]))
    return Alerts(
        pains_alerts=len(found["PAINS"]),
        brenk_alerts=len(found["BRENK"]),
        nih_alerts=len(found["NIH"]),
        details=found,
    )
