"""chemistry.xtb: relaxed geometry, frontier orbitals, dipole and solvation by tight binding."""

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, Usual, tool
from novum.tools.chemistry.constants import BOHR_ANGSTROM, HARTREE_KCAL, WAVENUMBER_KCAL
from novum.tools.chemistry.geometry import Geometry, changed_bonds, embed, with_hydrogens
from novum.tools.chemistry.gfn2 import Gfn2, hessian, lowest, wavenumbers
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.examples import Example

if TYPE_CHECKING:
    from rdkit.Chem import Mol

Solvent = Literal[
    "none",
    "acetone",
    "acetonitrile",
    "benzene",
    "ch2cl2",
    "chcl3",
    "dmf",
    "dmso",
    "ethanol",
    "ether",
    "ethylacetate",
    "hexane",
    "methanol",
    "octanol",
    "thf",
    "toluene",
    "water",
]
"""An implicit solvent, or none for the gas."""

IMAGINARY_BELOW = -20.0
"""Wavenumber in 1/cm under which a mode is imaginary, and not a soft one with numerical noise."""

TIGHT = 5e-5
"""Largest gradient component, in hartree/bohr, of a geometry that frequencies are computed at."""


EXAMPLES = (
    Example(
        arguments={"smiles": "O"},
        expected={"total_energy_gfn2": -5.070544},
        atol=2e-6,
        source="xtb 6, documentation of 'xtb water.xyz --opt'",
    ),
    Example(
        arguments={"smiles": "c1ccccc1"},
        expected={"dipole_moment": 0.0},
        atol=0.01,
        source="symmetry of benzene",
    ),
    Example(
        arguments={"smiles": "O=C=O", "frequencies": True},
        expected={"lowest_frequency": 667.0, "n_imaginary": 0},
        rtol=0.15,
        source="measured bending mode of CO2, NIST Chemistry WebBook; GFN2-xTB's usual error",
    ),
)


class XtbProperties(Properties):
    """What GFN2-xTB says of a relaxed molecule.

    The usual ranges are the central 95 % over 138 of the NCI molecules that RDKit ships, rounded.
    """

    # Orbital energies and gap carry no method error: GFN2-xTB was fitted to geometries, frequencies
    # and interactions, and its distance from a hybrid's gap is a shift that depends on the bonding
    # (GFN2-xTB less PBE0/def2-SVP: from -3.4 eV for pyridine to +4.3 eV for water), not a spread.
    total_energy_gfn2: Annotated[
        float, Unit("hartree"), Field(description="total energy, on GFN2-xTB's own scale", le=0)
    ]
    homo_lumo_gap: Annotated[
        float | None,
        Unit("eV"),
        Usual(1.2, 11.7),
        Field(description="gap of the frontier orbitals; absent without an empty orbital", ge=0, le=40),
    ] = None
    homo_energy: Annotated[
        float,
        Unit("eV"),
        Usual(-12.2, -9.3),
        Field(description="highest occupied orbital energy", ge=-60, le=40),
    ]
    lumo_energy: Annotated[
        float | None,
        Unit("eV"),
        Usual(-9.4, 0.7),
        Field(description="lowest empty orbital energy", ge=-60, le=60),
    ] = None
    dipole_moment: Annotated[
        float,
        Unit("debye"),
        Usual(0, 8.5),
        Field(description="dipole moment; of an ion about its centre of nuclear charge", ge=0, le=1000),
    ]
    solvation_free_energy: Annotated[
        float | None,
        Unit("kcal/mol"),
        Field(description="1 M gas to 1 M solution, at the relaxed geometry", ge=-1000, le=1000),
    ] = None
    zero_point_energy: Annotated[
        float | None, Unit("kcal/mol"), Field(description="harmonic zero-point energy", ge=0)
    ] = None
    lowest_frequency: Annotated[
        float | None,
        Unit("1/cm"),
        Field(description="lowest harmonic wavenumber; negative if imaginary", ge=-5000, le=6000),
    ] = None
    n_imaginary: Annotated[
        int | None, Field(description="imaginary modes; 0 says that the geometry is a minimum", ge=0)
    ] = None


@tool(
    name="chemistry.xtb",
    version="1",
    method="GFN2-xTB",
    profile="xtb",
    preload=("rdkit.Chem.rdForceFieldHelpers", "rdkit.Chem.rdDistGeom", "tblite.interface"),
    libraries=("rdkit", "tblite"),
    extra="xtb",
    nominal_cost_s=0.5,
    timeout_s=300,
    memory_mb=2048,
    examples=EXAMPLES,
)
def xtb(
    smiles: Smiles,
    *,
    solvent: Solvent = "none",
    n_conformers: Annotated[int, Field(ge=1, le=100)] = 16,
    frequencies: bool = False,
    seed: int = 0,
) -> XtbProperties:
    """Relax a molecule with GFN2-xTB and give its frontier orbitals, dipole moment and energies.

    Of the conformers of lowest force-field energy, the one of lowest GFN2-xTB energy is relaxed; another
    seed may find another, so that replicates measure that noise. Charge and unpaired electrons are those
    of the SMILES. A molecule whose bonds change on the way fails.

    The gap is one of orbital energies in a minimal basis: compare it with other GFN2-xTB gaps. A hybrid
    functional gives unsaturated molecules a gap some 2 to 3.5 eV larger, and saturated ones a smaller one.
    The relaxed geometry is in the details as XYZ text, in the atom order of the SMILES, hydrogens last.

    Args:
        smiles: the molecule.
        solvent: implicit solvent (ALPB) for relaxation and all properties.
        n_conformers: conformers to choose from.
        frequencies: whether to compute harmonic frequencies as well, at several times the cost.
        seed: of the conformers.

    References:
        GFN2-xTB: doi:10.1021/acs.jctc.8b01176. ALPB: doi:10.1021/acs.jctc.1c00471.
        ETKDGv3: doi:10.1021/acs.jcim.0c00025.
    """
    molecule = with_hydrogens(parse_smiles(smiles))
    conformers, field = embed(molecule, n_conformers=n_conformers, seed=seed)
    implicit = None if solvent == "none" else solvent
    start = lowest(conformers, solvent=implicit)
    model = Gfn2(start, solvent=implicit)
    geometry, relaxed = model.relax(force=TIGHT if frequencies else 3e-4)
    changes = changed_bonds(molecule, geometry)
    if changes:
        raise ToolFailedError(f"the molecule did not survive relaxation: {'; '.join(changes[:5])}")
    found = model.electrons(geometry)
    if found.homo is None:
        raise ToolFailedError(f"{smiles!r} has no valence electrons")
    solvation = None
    if implicit:
        gas = Gfn2(geometry).electrons(geometry)
        solvation = (found.energy - gas.energy) * HARTREE_KCAL
    modes = _modes(model, geometry, molecule) if frequencies else None
    warnings = []
    if start.unpaired:
        warnings.append(
            f"open shell with {start.unpaired} unpaired electrons: "
            f"the gap is between the highest one and the next orbital"
        )
    if field == "none":
        warnings.append("no force field knows all atoms: the first conformer was taken, unranked")
    return XtbProperties(
        total_energy_gfn2=found.energy,
        homo_lumo_gap=None if found.lumo is None else found.lumo - found.homo,
        homo_energy=found.homo,
        lumo_energy=found.lumo,
        dipole_moment=found.dipole,
        solvation_free_energy=solvation,
        **(modes or {}),
        warnings=tuple(warnings),
        details={
            "xyz": geometry.to_xyz(f"GFN2-xTB energy={found.energy:.8f} hartree"),
            "connectivity_kept": True,
            "steps": relaxed.steps,
            "force_field": field,
            "charge": start.charge,
            "unpaired_electrons": start.unpaired,
            "partial_charges": [round(q, 5) for q in found.charges],
        },
    )


def _modes(model: Gfn2, geometry: Geometry, molecule: "Mol") -> dict[str, float]:
    if len(geometry.numbers) == 1:
        raise ToolFailedError("a single atom has no vibrations; ask for it without frequencies")
    positions = geometry.positions / BOHR_ANGSTROM
    masses = np.array([atom.GetMass() for atom in molecule.GetAtoms()])
    waves = wavenumbers(hessian(model, positions), positions, masses)
    real = waves[waves > 0]
    return {
        "zero_point_energy": float(real.sum()) / 2 * WAVENUMBER_KCAL,
        "lowest_frequency": float(waves[0]),
        "n_imaginary": int((waves < IMAGINARY_BELOW).sum()),
    }
