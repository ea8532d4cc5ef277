"""chemistry.plan_synthesis: routes to a molecule from what can be bought, each step checked forwards."""

from typing import Annotated

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Usual, tool
from novum.tools.chemistry.hazard_screen import screen
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.chemistry.retro_templates import TEMPLATES
from novum.tools.chemistry.retrosynthesis import Disconnector
from novum.tools.chemistry.route_search import search_routes
from novum.tools.chemistry.stock import COMMODITIES
from novum.tools.examples import Example

EXAMPLES = (
    Example(
        arguments={"smiles": "CC(=O)Nc1ccc(O)cc1"},
        expected={"solved": 1, "steps": 1, "unsolved_leaves": 0},
        source="paracetamol from 4-aminophenol and acetic anhydride: Ullmann's Encyclopedia, Analgesics",
    ),
    Example(
        arguments={"smiles": "CCN(CC)CC(=O)Nc1c(C)cccc1C"},
        expected={"solved": 1, "steps": 2},
        source="lidocaine from 2,6-xylidine, chloroacetyl chloride and diethylamine: US patent 2,441,498",
    ),
)


class Plan(Properties):
    """What a search for routes gave. The routes are in the details."""

    solved: Annotated[int, Field(description="1 where a route from the stock was found, else 0", ge=0, le=1)]
    routes: Annotated[int, Field(description="complete routes found and kept", ge=0)]
    steps: Annotated[
        int | None,
        Usual(1, 8),
        Field(description="reactions of the cheapest route; absent without one", ge=0),
    ] = None
    longest_sequence: Annotated[
        int | None,
        Usual(1, 6),
        Field(description="reactions one after the other in that route; absent without one", ge=0),
    ] = None
    route_cost: Annotated[
        float | None,
        Usual(0.5, 10),
        Field(description="sum of step costs, a plain coupling being 1; absent without a route", ge=0),
    ] = None
    unsolved_leaves: Annotated[
        int, Field(description="molecules that the most promising route could neither buy nor make", ge=0)
    ]


@tool(
    name="chemistry.plan_synthesis",
    version="1",
    method="reaction templates",
    profile="chemistry",
    preload=(
        "rdkit.Chem.rdChemReactions",
        "rdkit.Chem.Descriptors",
        "rdkit.Chem.inchi",
        "rdkit.Chem.MolStandardize.rdMolStandardize",
    ),
    libraries=("rdkit",),
    nominal_cost_s=10.0,
    timeout_s=600,
    memory_mb=1024,
    examples=EXAMPLES,
)
def plan_synthesis(
    smiles: Smiles,
    *,
    stock: Annotated[list[Smiles], Field(max_length=50_000)] = [],  # noqa: B006 - read only
    proposals: Annotated[list[str], Field(max_length=1000)] = [],  # noqa: B006
    max_depth: Annotated[int, Field(ge=1, le=10)] = 5,
    n_routes: Annotated[int, Field(ge=1, le=20)] = 3,
    max_expansions: Annotated[int, Field(ge=1, le=2000)] = 60,
) -> Plan:
    """Search for ways to make a molecule from a stock, by reaction templates of novum's own.

    Each step is run forwards and has to give the molecule that it is for; what else the same reaction would
    make of the precursors is listed and raises the step's cost. Costs are a chemist's rule of thumb, and no
    yields: a route is a suggestion to be judged. Not known are protecting-group strategy, most
    conditions that other groups do not survive, and every reaction outside the templates: "no route" says
    little.

    A target that the hazard screen flags or cannot judge is refused, and no route goes over such a molecule;
    what was left out for it is in the details.

    Args:
        smiles: what to make.
        stock: what can be bought, as SMILES; empty takes novum's list of about two hundred common chemicals.
        proposals: steps that somebody believes in, as reaction SMILES `precursors>>product`; those that a
            template confirms forwards join the search.
        max_depth: reactions in the longest sequence.
        n_routes: routes returned at most.
        max_expansions: molecules that are taken apart.

    References:
        Search after Retro*: doi:10.48550/arXiv.2006.15820. Families: doi:10.1021/acs.jmedchem.5b01409.
    """
    from rdkit import Chem

    target = parse_smiles(smiles)
    screened = screen(smiles)
    if not screened.may_proceed:
        raise ToolFailedError(f"no plan is made for this molecule; a person has to decide: {screened}")
    names = {Chem.MolToSmiles(Chem.MolFromSmiles(s)): name for name, s in COMMODITIES.items()}
    if stock:
        names = {Chem.MolToSmiles(parse_smiles(one)): "" for one in stock}
    disconnector = Disconnector(proposals)
    canonical = Chem.MolToSmiles(target)
    found = search_routes(
        canonical,
        names.keys() - {canonical},
        disconnector=disconnector,
        max_depth=max_depth,
        max_expansions=max_expansions,
        n_routes=n_routes,
    )
    best = found.routes[0] if found.routes else None
    leaves = [leaf.smiles for leaf in found.partial.leaves() if not leaf.in_stock]
    warnings = []
    if canonical in names:
        warnings.append("the target itself is in the stock; the routes make it all the same")
    if not found.routes:
        why = (
            "nothing is left to try" if found.exhausted else f"{found.expansions} molecules were taken apart"
        )
        warnings.append(f"no complete route was found: {why}")
    if disconnector.refused:
        warnings.append(f"{len(disconnector.refused)} precursors were left out as hazardous")
    return Plan(
        solved=int(bool(found.routes)),
        routes=len(found.routes),
        steps=best.steps if best else None,
        longest_sequence=best.depth if best else None,
        route_cost=best.cost if best else None,
        unsolved_leaves=len(leaves),
        ran=f"{len(TEMPLATES)} templates, best-first AND/OR search",
        warnings=tuple(warnings),
        details={
            "target": canonical,
            "routes": [route.to_dict() for route in found.routes],
            "most_promising": None if found.routes else found.partial.to_dict(),
            "unsolved": leaves,
            "bought": {leaf.smiles: names[leaf.smiles] for route in found.routes for leaf in route.leaves()},
            "expansions": found.expansions,
            "exhausted": found.exhausted,
            "left_out_as_hazardous": sorted(disconnector.refused),
        },
    )
