"""materials.hull and materials.plausibility: stability from energies that are given, or from none."""

from typing import Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool
from novum.tools.examples import Example
from novum.tools.materials.hull import place_on_hull, read_composition
from novum.tools.materials.references import Phase
from novum.tools.materials.stability import GivenPhase

SALT = 0.5
"""Spread of Pauling electronegativities from which charges that balance mean something."""


class PlaceProperties(Properties):
    """Where a compound lies against given phases."""

    energy_above_given_hull: Annotated[
        float,
        Unit("eV"),
        Field(description="per atom; negative where it would be on the hull", ge=-50, le=50),
    ]
    formation_energy_given: Annotated[
        float, Unit("eV"), Field(description="per atom, from the given elements", ge=-50, le=50)
    ]


@tool(
    name="materials.hull",
    version="1",
    method="convex hull",
    profile="crystals",
    preload=("pymatgen.analysis.phase_diagram",),
    libraries=("pymatgen", "scipy"),
    nominal_cost_s=0.1,
    memory_mb=1024,
    examples=(
        Example(
            arguments={
                "formula": "Al3Ni",
                "energy": -0.3,
                "phases": [
                    {"formula": "Al", "energy": 0.0},
                    {"formula": "Ni", "energy": 0.0},
                    {"formula": "AlNi", "energy": -1.0},
                ],
            },
            expected={"energy_above_given_hull": 0.2, "formation_energy_given": -0.3},
            atol=1e-9,
            source="arithmetic: half of the atoms in AlNi, half in Al",
        ),
    ),
)
def hull(
    formula: str,
    *,
    energy: Annotated[float, Unit("eV")],
    phases: Annotated[tuple[GivenPhase, ...], Field(min_length=1, max_length=5000)],
) -> PlaceProperties:
    """Place a compound against the convex hull of phases whose energies are given.

    All energies must come from one method: this is arithmetic and cannot tell. Each element needs a phase
    of its own. Measured formation energies serve as well, with the elements at 0.

    Args:
        formula: of the compound.
        energy: of the compound, per atom.
        phases: what it competes with: formula, and energy in eV per atom.

    References:
        Ong et al., Chem. Mater. 20, 1798 (2008), doi:10.1021/cm702327g.
    """
    place = place_on_hull(
        formula, energy, [Phase(p.name or p.formula, p.formula, p.energy, "given") for p in phases]
    )
    return PlaceProperties(
        energy_above_given_hull=place.above,
        formation_energy_given=place.formation,
        details={
            "decomposition": [
                {"phase": phase.name, "formula": phase.formula, "share_of_atoms": round(share, 6)}
                for phase, share in place.decomposition
            ],
            "n_phases": len(phases),
            "assumed": ["all energies are by one method", "0 K", "nothing but the given phases competes"],
        },
    )


class PlausibilityProperties(Properties):
    """What the formula alone says."""

    n_charge_balances: Annotated[
        int, Field(description="ways in which common oxidation states add up to nothing", ge=0)
    ]
    electronegativity_spread: Annotated[
        float, Field(description="largest less smallest of the elements, on Pauling's scale", ge=0, le=4)
    ]
    tolerance_factor: Annotated[
        float | None, Field(description="Goldschmidt's, of a formula ABX3; absent of others", ge=0, le=3)
    ] = None


@tool(
    name="materials.plausibility",
    version="1",
    method="charge and size rules",
    profile="crystals",
    preload=("pymatgen.core",),
    libraries=("pymatgen",),
    nominal_cost_s=0.1,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"formula": "SrTiO3"},
            expected={"tolerance_factor": 0.910, "electronegativity_spread": 2.49},
            atol=1e-3,
            source="Shannon's sixfold radii 1.18, 0.605 and 1.40 angstrom; Pauling's 0.95 and 3.44",
        ),
    ),
)
def plausibility(formula: str) -> PlausibilityProperties:
    """Say what a formula without an energy lets one expect: "plausible" or "unknown", never "stable".

    A salt is plausible where common oxidation states balance and the more electronegative elements are the
    negative ones. Of metals and of formulas without balance the verdict is unknown: no rule here refutes a
    compound.

    Args:
        formula: of the compound.

    References:
        Charge balance as in SMACT: doi:10.21105/joss.01361. Tolerance factor: Goldschmidt,
        doi:10.1007/BF01507527; radii: Shannon, doi:10.1107/S0567739476001551.
    """
    composition = read_composition(formula)
    elements = sorted(composition.elements, key=lambda e: e.X)
    if any(e.is_noble_gas for e in elements):
        raise ToolFailedError("no rule here speaks of noble gases")
    reduced = composition.reduced_composition
    # a guess in which a more electronegative element is the positive one is no balance
    balances = [
        guess
        for guess in reduced.oxi_state_guesses(max_sites=-50)
        if _ordered([float(guess[e.symbol]) for e in elements])
    ]
    spread = float(elements[-1].X - elements[0].X)
    salt = spread >= SALT and len(elements) > 1
    verdict = "plausible" if balances and salt else "unknown"
    return PlausibilityProperties(
        n_charge_balances=len(balances),
        electronegativity_spread=spread,
        tolerance_factor=_tolerance(reduced, balances[0]) if balances else None,
        details={
            "formula": composition.reduced_formula,
            "verdict": verdict,
            "oxidation_states": [{k: float(v) for k, v in guess.items()} for guess in balances[:5]],
            "assumed": ["common oxidation states alone", "nothing is known of the structure or the energy"],
        },
    )


def _ordered(charges: list[float]) -> bool:
    """Say whether no negative charge stands before a positive one, by rising electronegativity."""
    negative = [i for i, charge in enumerate(charges) if charge < 0]
    positive = [i for i, charge in enumerate(charges) if charge > 0]
    return bool(negative and positive) and min(negative) > max(positive)


def _tolerance(composition: Any, states: dict[str, float]) -> float | None:
    from novum.tools.materials.transforming import _ionic_radius

    amounts = {e: int(n) for e, n in composition.items()}
    anions = [e for e, n in amounts.items() if states[e.symbol] < 0 and n == 3]
    cations = [e for e, n in amounts.items() if states[e.symbol] > 0 and n == 1]
    if len(amounts) != 3 or len(anions) != 1 or len(cations) != 2:
        return None
    x = _ionic_radius(anions[0], states[anions[0].symbol])
    radii = [_ionic_radius(e, states[e.symbol]) for e in cations]
    if x is None or any(r is None for r in radii):
        return None
    large, small = max(r for r in radii if r), min(r for r in radii if r)
    return (large + x) / (2**0.5 * (small + x))
