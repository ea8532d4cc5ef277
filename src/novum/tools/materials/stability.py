"""materials.stability: energy above the convex hull, every phase of it by one method."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from novum.core.digest import digest
from novum.tools.base import MethodError, Properties, Unit, Usual, tool
from novum.tools.examples import Example
from novum.tools.materials.calculators import Method
from novum.tools.materials.hull import place_on_hull
from novum.tools.materials.references import Phase, competing_phases, elemental_phase
from novum.tools.materials.relaxation import relax
from novum.tools.materials.samples import ALUMINIDE
from novum.tools.materials.structures import (
    StructureText,
    formula_of,
    parse_structure,
    reading_warnings,
    write_structure,
)

ERROR = 0.08
"""Standard deviation, in eV for each atom, of a formation energy against the measured one.

Found for CHGNet 0.3.0 over 40 compounds of Al, Cu, Hf, Ni, Pd, Pt, Ti and Zr, the most stable structure
type of novum at their composition, against the calorimetry that pymatgen collects (mean error 0.055).
"""

ERROR_BEYOND_METALS = 0.13
"""The same where an element is no metal: 0.10 root mean square, 0.25 at worst, over 18 oxides, fluorides,
nitrides, carbides and sulphides against their enthalpies of formation at 298 K; a cautious value.
"""

STABLE = 0.005
"""Energy above the hull, in eV for each atom, that is the noise of a relaxation and not a distance."""


class GivenPhase(BaseModel):
    """A phase that the caller adds to the hull, with its energy by the same method."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formula: str
    energy: float = Field(allow_inf_nan=False)
    """In eV for each atom, on the method's own scale, as an earlier call reports it."""
    name: str = ""


class StabilityProperties(Properties):
    """What one method says of a compound against what it competes with, for each atom."""

    energy_above_hull: Annotated[
        float,
        Unit("eV"),
        MethodError(ERROR),
        Usual(-0.05, 0.6),
        Field(description="energy per atom above the hull of the reference phases", ge=-5, le=20),
    ]
    formation_energy: Annotated[
        float,
        Unit("eV"),
        MethodError(ERROR),
        Usual(-1.0, 0.5),
        Field(description="energy per atom of formation from the elements, at 0 K", ge=-8, le=20),
    ]
    energy_per_atom: Annotated[
        float, Unit("eV"), Field(description="energy per atom, on the method's own scale", ge=-1000, le=100)
    ]
    volume_per_atom: Annotated[
        float, Unit("angstrom**3"), Field(description="volume per atom after relaxation", gt=0, le=500)
    ]


@tool(
    name="materials.stability",
    version="1",
    method="CHGNet 0.3.0",
    profile="mlip",
    preload=("novum.tools.materials.loaded",),
    libraries=("chgnet", "pymatgen", "ase", "torch"),
    extra="mlip",
    nominal_cost_s=1.0,
    timeout_s=600,
    memory_mb=3072,
    examples=(
        Example(
            arguments={"structure": ALUMINIDE, "competing": "elements"},
            expected={"formation_energy": -0.640},
            atol=2 * ERROR,
            source="calorimetry, as pymatgen's exp_compounds.json.gz collects it (mp-1487)",
        ),
    ),
)
def stability(
    structure: StructureText,
    *,
    competing: Literal["prototypes", "elements"] = "prototypes",
    phases: tuple[GivenPhase, ...] = (),
) -> StabilityProperties:
    """Relax a crystal with CHGNet and place it against the convex hull of what it competes with.

    The hull holds the elements in their most stable crystals, with "prototypes" also every structure type
    of novum with every two and three of the elements, and the phases that are given. All energies come
    from the same method; energies that were computed before are kept with the package, the others are
    computed in the call, which takes about 20 s for each new pair of elements. The compound itself is no
    part of the hull: a compound more stable than all its competitors has a negative energy above it.

    "Stable" says that nothing among the references lies lower; phases that nobody listed may. Energies are
    for 0 K, without zero-point motion, and within the error that the result states.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        competing: what is on the hull beside the elements and the given phases.
        phases: further phases with their energies in eV for each atom by CHGNet 0.3.0, as the details of
            earlier results list them.

    References:
        CHGNet: doi:10.1038/s42256-023-00716-3. Hull: doi:10.1021/cm702327g. Its error against
        density-functional theory is 0.063 eV per atom: Matbench Discovery, doi:10.1038/s42256-025-01055-1.
    """
    return examine(Method("chgnet"), structure, competing=competing, phases=phases)


@tool(
    name="materials.stability_r2scan",
    version="1",
    method="CHGNet r2SCAN",
    profile="mlip",
    preload=("novum.tools.materials.loaded",),
    libraries=("chgnet", "pymatgen", "ase", "torch"),
    extra="mlip",
    nominal_cost_s=2.0,
    timeout_s=600,
    memory_mb=3072,
    examples=(
        Example(
            arguments={"structure": ALUMINIDE, "competing": "elements"},
            expected={"formation_energy": -0.640},
            atol=0.2,
            source="calorimetry, as pymatgen's exp_compounds.json.gz collects it (mp-1487)",
        ),
    ),
)
def stability_r2scan(
    structure: StructureText,
    *,
    competing: Literal["prototypes", "elements"] = "prototypes",
    phases: tuple[GivenPhase, ...] = (),
) -> StabilityProperties:
    """Do as 'materials.stability' does, with the CHGNet that learnt from the functional r2SCAN.

    It checks the first model's data and training, for its labels come from another functional; it does
    not check the architecture, which is the same.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        competing: what is on the hull beside the elements and the given phases.
        phases: further phases with their energies in eV for each atom by CHGNet r2SCAN.

    References:
        CHGNet: doi:10.1038/s42256-023-00716-3. r2SCAN: doi:10.1021/acs.jpclett.0c02405.
    """
    return examine(Method("chgnet-r2scan"), structure, competing=competing, phases=phases)


def examine(
    method: Method, text: str, *, competing: str, phases: tuple[GivenPhase, ...] = ()
) -> StabilityProperties:
    """Return what `method` says of the crystal in `text`.

    Raises:
        ToolFailedError: the structure cannot be read or relaxed, or an element has no reference.
    """
    start = parse_structure(text)
    relaxed = relax(start, method)
    energy = round(relaxed.energy, 6)  # as the references are: a phase lies at exactly 0 above itself
    formula = formula_of(start)
    elements = sorted(e.symbol for e in start.composition.elements)
    on_hull = [elemental_phase(symbol, method) for symbol in elements]
    if competing == "prototypes":
        on_hull += competing_phases(elements, method)
    on_hull += [Phase(p.name or f"given:{p.formula}", p.formula, p.energy, "given") for p in phases]
    place = place_on_hull(formula, energy, on_hull)
    metals = all(e.is_metal for e in start.composition.elements)
    error = ERROR if metals else ERROR_BEYOND_METALS
    before, after = _group(start), _group(relaxed.structure)
    warnings = [*reading_warnings(start)]
    if before != after:
        warnings.append(f"the space group changed on relaxation: {before} became {after}")
    return StabilityProperties(
        energy_above_hull=place.above,
        formation_energy=place.formation,
        energy_per_atom=energy,
        volume_per_atom=relaxed.structure.volume / len(relaxed.structure),
        warnings=tuple(warnings),
        std=dict.fromkeys(("energy_above_hull", "formation_energy"), error),
        ran=method.title,
        details={
            "formula": formula,
            "verdict": _verdict(place.above, error),
            "decomposition": [
                {"phase": phase.name, "formula": phase.formula, "share_of_atoms": round(share, 6)}
                for phase, share in place.decomposition
            ],
            "phase": _listed(Phase("this", formula, energy, "computed")),
            "references": [_listed(phase) for phase in on_hull if phase.origin != "kept"],
            "n_references": len(on_hull),
            "reference_set": digest([[p.name, p.formula, p.energy] for p in on_hull])[:16],
            "assumed": [
                "0 K, no zero-point energy, no pressure",
                f"the hull of {len(on_hull)} phases by {method.title}; others were not considered",
                "one ordered cell; no disorder, no magnetic order but what the model knows",
            ],
            "space_group": after,
            "steps": relaxed.steps,
            "max_force_ev_per_angstrom": round(relaxed.force, 5),
            "structure": write_structure(relaxed.structure, "poscar"),
        },
    )


def _verdict(above: float, error: float) -> str:
    if above <= STABLE:
        return "stable among the references"
    if above <= error:
        return "above the hull by less than the method's error"
    return "unstable"


def _listed(phase: Phase) -> dict[str, Any]:
    return {"name": phase.name, "formula": phase.formula, "energy": round(phase.energy, 6)}


def _group(structure: Any) -> str:
    symbol, number = structure.get_space_group_info(symprec=0.05)
    return f"{symbol} ({number})"
