"""chemistry.thermochemistry and chemistry.reaction_energy: enthalpies and free energies by tight binding."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import MethodError, Properties, Unit, Usual, installed_version, tool
from novum.tools.chemistry.constants import BOHR_ANGSTROM, HARTREE_KCAL, WAVENUMBER_KCAL
from novum.tools.chemistry.geometry import Geometry, changed_bonds, embed, with_hydrogens
from novum.tools.chemistry.gfn2 import Gfn2, hessian, lowest, wavenumbers
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.chemistry.relaxation import Array
from novum.tools.chemistry.retrosynthesis import split_reaction
from novum.tools.chemistry.statistical import Thermal, ideal_gas, symmetry_number
from novum.tools.chemistry.xtb import IMAGINARY_BELOW, TIGHT, Solvent
from novum.tools.examples import Example

if TYPE_CHECKING:
    from rdkit.Chem import Mol

HARTREE_J = 2625499.6394799
"""J/mol in one hartree."""

Energies = Literal["gfn2", "pbe0"]

ERRORS: dict[Energies, float] = {"gfn2": 23.0, "pbe0": 4.5}
"""Standard deviation of reaction enthalpies in kcal/mol: root mean square over the reactions of the tests."""

SHAKEN = 3
"""Times that a geometry which is no minimum is pushed and relaxed again."""

BAR = 1e5
"""Pa in one bar, the standard pressure."""

Temperature = Annotated[float, Unit("K"), Field(ge=50, le=3000)]

EXAMPLES = (
    Example(
        arguments={"smiles": "O"},
        expected={"entropy": 188.83, "heat_capacity": 33.59},
        atol=1.0,
        source="NIST-JANAF tables, water as a gas at 298.15 K and 1 bar",
    ),
    Example(
        arguments={"smiles": "C"},
        expected={"entropy": 186.25},
        atol=1.0,
        source="NIST-JANAF tables, methane at 298.15 K and 1 bar",
    ),
)
REACTIONS = (
    Example(
        arguments={"reaction": "C=C.[HH]>>CC"},
        expected={"reaction_enthalpy": -32.6},
        atol=23.0,
        source="measured enthalpies of formation, NIST Chemistry WebBook; the method's error",
    ),
)


@dataclass(frozen=True, slots=True)
class _Species:
    energy: float
    """Electronic, in hartree."""
    thermal: Thermal
    waves: tuple[float, ...]
    symmetry: int
    geometry: Geometry

    @property
    def xyz(self) -> str:
        """The geometry as XYZ text."""
        return self.geometry.to_xyz(f"GFN2-xTB energy={self.energy:.8f} hartree")


class Thermochemistry(Properties):
    """What heat does to a molecule."""

    enthalpy_gfn2: Annotated[
        float,
        Unit("hartree"),
        Field(description="electronic energy with zero-point and thermal energy", le=0),
    ]
    gibbs_energy_gfn2: Annotated[
        float, Unit("hartree"), Field(description="enthalpy less temperature times entropy", le=0)
    ]
    # 1.5 J/(mol K): ten molecules of up to six heavy atoms, tests/science/test_thermochemistry.py
    entropy: Annotated[
        float,
        Unit("J/mol/K"),
        Usual(180, 500),
        MethodError(1.5),
        Field(description="molar entropy of the ideal gas", ge=0, le=10_000),
    ]
    heat_capacity: Annotated[
        float,
        Unit("J/mol/K"),
        Usual(25, 300),
        Field(description="molar heat capacity at constant pressure", ge=20, le=10_000),
    ]
    zero_point_energy: Annotated[
        float, Unit("kcal/mol"), Usual(5, 250), Field(description="harmonic zero-point energy", ge=0)
    ]


class ReactionEnergy(Properties):
    """What a reaction gives off or takes up, for one turn of the equation as it is written."""

    reaction_energy: Annotated[
        float,
        Unit("kcal/mol"),
        Usual(-60, 40),
        Field(description="electronic energy of products less reactants", ge=-5000, le=5000),
    ]
    reaction_enthalpy: Annotated[
        float,
        Unit("kcal/mol"),
        Usual(-60, 40),
        Field(description="enthalpy of products less reactants", ge=-5000, le=5000),
    ]
    reaction_gibbs_energy: Annotated[
        float,
        Unit("kcal/mol"),
        Usual(-60, 40),
        Field(description="Gibbs energy of products less reactants, all at 1 bar", ge=-5000, le=5000),
    ]


@tool(
    name="chemistry.thermochemistry",
    version="1",
    method="GFN2-xTB",
    profile="xtb",
    preload=("rdkit.Chem.rdForceFieldHelpers", "rdkit.Chem.rdDistGeom", "tblite.interface"),
    libraries=("rdkit", "tblite", "pymatgen"),
    extra="xtb",
    nominal_cost_s=5.0,
    timeout_s=900,
    memory_mb=2048,
    examples=EXAMPLES,
)
def thermochemistry(
    smiles: Smiles,
    *,
    temperature: Temperature = 298.15,
    pressure: Annotated[float, Unit("bar"), Field(gt=0, le=1000)] = 1.0,
    solvent: Solvent = "none",
    n_conformers: Annotated[int, Field(ge=1, le=100)] = 16,
    seed: int = 0,
) -> Thermochemistry:
    """Compute enthalpy, entropy and Gibbs energy of a molecule by GFN2-xTB, as an ideal gas.

    One conformer, the lowest that is found, as a rigid rotor with harmonic vibrations; modes below about
    100 per cm count partly as rotations. Several conformers would add entropy, which is left out: 1 to 15
    J/mol/K for flexible molecules. A geometry that is no minimum fails.

    Args:
        smiles: the molecule.
        temperature: of the gas.
        pressure: of the gas.
        solvent: implicit solvent (ALPB) for energy and vibrations; entropy and pressure stay those of a gas.
        n_conformers: conformers to choose from.
        seed: of the conformers.

    References:
        GFN2-xTB: doi:10.1021/acs.jctc.8b01176. Soft modes: doi:10.1002/chem.201200497.
    """
    found = _species(
        smiles,
        temperature=temperature,
        pressure=pressure * BAR,
        solvent=solvent,
        n_conformers=n_conformers,
        seed=seed,
    )
    enthalpy = found.energy + found.thermal.enthalpy / HARTREE_J
    return Thermochemistry(
        enthalpy_gfn2=enthalpy,
        gibbs_energy_gfn2=enthalpy - temperature * found.thermal.entropy / HARTREE_J,
        entropy=found.thermal.entropy,
        heat_capacity=found.thermal.heat_capacity,
        zero_point_energy=sum(found.waves) / 2 * WAVENUMBER_KCAL,
        details={
            "total_energy_gfn2_hartree": found.energy,
            "symmetry_number": found.symmetry,
            "wavenumbers_per_cm": [round(wave, 2) for wave in found.waves],
            "xyz": found.xyz,
        },
    )


@tool(
    name="chemistry.reaction_energy",
    version="1",
    method="GFN2-xTB",
    profile="xtb",
    preload=("rdkit.Chem.rdForceFieldHelpers", "rdkit.Chem.rdDistGeom", "tblite.interface"),
    libraries=("rdkit", "tblite", "pymatgen"),
    extra="xtb",
    nominal_cost_s=20.0,
    timeout_s=1800,
    memory_mb=4096,
    examples=REACTIONS,
)
def reaction_energy(
    reaction: Annotated[str, Field(min_length=3, max_length=4000)],
    *,
    energies: Energies = "gfn2",
    temperature: Temperature = 298.15,
    solvent: Solvent = "none",
    n_conformers: Annotated[int, Field(ge=1, le=100)] = 16,
    seed: int = 0,
) -> ReactionEnergy:
    """Compute energy, enthalpy and Gibbs energy of a balanced reaction by GFN2-xTB.

    Every molecule is relaxed alone, at 1 bar. GFN2-xTB was not made for reaction energies: over ten
    reactions of small molecules its enthalpies are off by 22.6 kcal/mol (root mean square), mostly towards
    products with fewer multiple bonds, and the one with CO by 55. With energies of PBE0 it is 4.2 kcal/mol
    over all ten. Barriers are not computed.

    Args:
        reaction: reaction SMILES, `reactants>>products`, balanced: a molecule that counts twice is written
            twice.
        energies: the electronic energies: those of GFN2-xTB, or of PBE0/def2-TZVP at its geometries, in the
            gas, which needs the extra `dft`.
        temperature: of all molecules.
        solvent: implicit solvent (ALPB).
        n_conformers: conformers to choose from.
        seed: of the conformers.

    References:
        GFN2-xTB: doi:10.1021/acs.jctc.8b01176. Soft modes: doi:10.1002/chem.201200497.
    """
    reactants, products = split_reaction(reaction)
    missing = _imbalance(reactants, products)
    if missing:
        raise ToolFailedError(f"the reaction is not balanced: {missing}")
    found = {
        smiles: _species(
            smiles,
            temperature=temperature,
            pressure=BAR,
            solvent=solvent,
            n_conformers=n_conformers,
            seed=seed,
        )
        for smiles in sorted({*reactants, *products})
    }
    signs = Counter(products)
    signs.subtract(reactants)
    electronic = {smiles: one.energy for smiles, one in found.items()}
    if energies == "pbe0":
        if solvent != "none":
            raise ToolFailedError("PBE0 energies are those of the gas; ask for them without a solvent")
        electronic = {s: _pbe0(one.geometry) for s, one in found.items() if signs[s]}
    energy = sum(n * electronic[s] for s, n in signs.items() if n) * HARTREE_KCAL
    heat = sum(n * found[s].thermal.enthalpy for s, n in signs.items()) / 4184
    entropy = sum(n * found[s].thermal.entropy for s, n in signs.items()) / 4184
    return ReactionEnergy(
        reaction_energy=energy,
        reaction_enthalpy=energy + heat,
        reaction_gibbs_energy=energy + heat - temperature * entropy,
        std=dict.fromkeys(("reaction_enthalpy", "reaction_gibbs_energy"), ERRORS[energies]),
        ran="GFN2-xTB" if energies == "gfn2" else "PBE0/def2-TZVP//GFN2-xTB",
        details={
            "molecules": {
                smiles: {"energy_hartree": one.energy, "symmetry_number": one.symmetry, "xyz": one.xyz}
                for smiles, one in found.items()
            }
        },
    )


def _species(
    smiles: str, *, temperature: float, pressure: float, solvent: Solvent, n_conformers: int, seed: int
) -> _Species:
    molecule = with_hydrogens(parse_smiles(smiles))
    conformers, _ = embed(molecule, n_conformers=n_conformers, seed=seed)
    implicit = None if solvent == "none" else solvent
    start = lowest(conformers, solvent=implicit)
    model = Gfn2(start, solvent=implicit)
    masses = np.array([atom.GetMass() for atom in molecule.GetAtoms()])
    if len(start.numbers) == 1:
        geometry, energy, waves = start, model.electrons(start).energy, np.array([])
    else:
        geometry, relaxed = model.relax(force=TIGHT)
        energy, waves = relaxed.energy, _waves(model, geometry, masses)
        random = np.random.default_rng(seed)
        for _ in range(SHAKEN):
            if waves.min() >= IMAGINARY_BELOW:
                break
            # it can end on a saddle, or far out on a flat slope: a push and tighter forces lead down
            pushed = geometry.moved(geometry.positions + random.normal(0, 0.1, geometry.positions.shape))
            geometry, relaxed = Gfn2(pushed, solvent=implicit).relax(force=TIGHT / 5)
            energy, waves = relaxed.energy, _waves(model, geometry, masses)
        changes = changed_bonds(molecule, geometry)
        if changes:
            raise ToolFailedError(f"{smiles!r} did not survive relaxation: {'; '.join(changes[:5])}")
        if waves.min() < IMAGINARY_BELOW:
            raise ToolFailedError(
                f"the geometry of {smiles!r} is no minimum: a mode has {waves.min():.0f} per cm; "
                "another seed may find one"
            )
        waves = np.maximum(np.abs(waves), 1.0)
    symmetry = symmetry_number(geometry.numbers, geometry.positions, masses)
    thermal = ideal_gas(
        waves,
        geometry.positions,
        masses,
        temperature=temperature,
        pressure=pressure,
        symmetry=symmetry,
        degeneracy=geometry.unpaired + 1,
    )
    return _Species(energy, thermal, tuple(waves.tolist()), symmetry, geometry)


def _pbe0(geometry: Geometry) -> float:
    """Return the energy in hartree."""
    if installed_version("pyscf") is None:
        raise ToolFailedError("PBE0 energies need the extra: pip install 'novum[dft]'")
    from novum.tools.chemistry.dft import single_point

    return float(single_point(geometry, functional="pbe0", basis="def2-tzvp")["energy"])


def _waves(model: Gfn2, geometry: Geometry, masses: NDArray[np.float64]) -> Array:
    bohr = geometry.positions / BOHR_ANGSTROM
    return wavenumbers(hessian(model, bohr), bohr, masses)


def _imbalance(reactants: list[str], products: list[str]) -> str:
    """Return what the products have more (+) or less (-) than the reactants, in words; empty if nothing."""
    count: Counter[str] = Counter()
    for sign, side in ((-1, reactants), (1, products)):
        for smiles in side:
            for symbol, n in _atoms(with_hydrogens(parse_smiles(smiles))).items():
                count[symbol] += sign * n
    return ", ".join(f"{n:+d} {symbol}" for symbol, n in sorted(count.items()) if n)


def _atoms(molecule: "Mol") -> Counter[str]:
    from rdkit import Chem

    found = Counter(atom.GetSymbol() for atom in molecule.GetAtoms())
    found["charge"] = Chem.GetFormalCharge(molecule)
    return found
