"""materials.phonons: lattice vibrations, and whether the crystal withstands small displacements."""

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, Usual, tool
from novum.tools.examples import Example
from novum.tools.materials.calculators import CalculatorName, Family, Method
from novum.tools.materials.relaxation import relax
from novum.tools.materials.samples import COPPER
from novum.tools.materials.structures import (
    MOST_ATOMS,
    StructureText,
    formula_of,
    parse_structure,
    reading_warnings,
)

if TYPE_CHECKING:
    from phonopy import Phonopy
    from pymatgen.core import Structure

IMAGINARY_BELOW = -0.3
"""Frequency in THz under which a mode is imaginary, and not numerical noise near the acoustic origin."""

KJ_PER_EV = 96.48533212


class PhononProperties(Properties):
    """Harmonic vibrations of a crystal."""

    lowest_phonon_frequency: Annotated[
        float,
        Unit("THz"),
        Usual(-2, 0.5),
        Field(description="lowest over the mesh; negative where imaginary", ge=-100, le=200),
    ]
    highest_phonon_frequency: Annotated[
        float, Unit("THz"), Usual(3, 30), Field(description="highest over the mesh", ge=0, le=200)
    ]
    zero_point_energy_per_atom: Annotated[
        float, Unit("eV"), Field(description="of the real modes", ge=0, le=1)
    ]
    heat_capacity_per_atom: Annotated[
        float,
        Unit("J/(mol*K)"),
        Field(description="at constant volume, per mole of atoms", ge=0, le=25),
    ]
    vibrational_entropy_per_atom: Annotated[
        float, Unit("J/(mol*K)"), Field(description="harmonic, per mole of atoms", ge=0, le=200)
    ]


@tool(
    name="materials.phonons",
    version="1",
    method="CHGNet 0.3.0, finite displacements",
    profile="mlip",
    preload=("novum.tools.materials.loaded",),
    libraries=("phonopy", "chgnet", "pymatgen", "ase", "torch"),
    extra="phonon",
    nominal_cost_s=10.0,
    timeout_s=1800,
    memory_mb=4096,
    examples=(
        Example(
            arguments={"structure": COPPER, "calculator": "emt", "temperature": 1000.0},
            expected={"highest_phonon_frequency": 7.4},
            rtol=0.15,
            source="neutron scattering: Svensson et al., doi:10.1103/PhysRev.155.619",
        ),
    ),
)
def phonons(
    structure: StructureText,
    *,
    calculator: CalculatorName = "chgnet",
    family: Family = "chgnet",
    checkpoint: str = "",
    length: Annotated[float, Unit("angstrom"), Field(ge=4, le=30)] = 9.0,
    displacement: Annotated[float, Unit("angstrom"), Field(ge=1e-3, le=0.1)] = 0.03,
    temperature: Annotated[float, Unit("K"), Field(ge=1, le=3000)] = 300.0,
    mesh: Annotated[float, Field(ge=5, le=200)] = 40.0,
) -> PhononProperties:
    """Compute harmonic phonons of the relaxed crystal by finite displacements (phonopy).

    The verdict "dynamically stable" says that no mode over the mesh lies below -0.3 THz; modes between
    that and zero are noise of the method and are mentioned. Forces reach as far as half the supercell:
    a short one can hide or invent instabilities. Electric fields of polar crystals are left out.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ; its primitive cell is taken.
        calculator: the energy surface.
        family: the architecture of the weights, where the calculator is "checkpoint".
        checkpoint: path of the weights as the sandbox sees it, where the calculator is "checkpoint".
        length: least length of each edge of the supercell.
        displacement: of an atom.
        temperature: for heat capacity and entropy.
        mesh: fineness of the mesh of wave vectors, as phonopy counts it: about the length in angstrom.

    References:
        phonopy: Togo et al., J. Phys. Condens. Matter 35, 353001 (2023), doi:10.1088/1361-648X/acd831.
    """
    method = Method(calculator, family, checkpoint)
    given = parse_structure(structure)
    start = given.get_primitive_structure()
    relaxed = relax(start, method, force=0.002, steps=500)
    work = _supercell(relaxed.structure, length)
    _displace(work, method, displacement)
    grid = work.run_mesh(mesh)
    frequencies = np.asarray(grid.frequencies)
    thermal = work.run_thermal_properties(temperatures=[temperature], cutoff_frequency=1e-3)
    n_atoms = len(work.primitive)
    lowest = float(frequencies.min())
    weights = np.asarray(grid.weights)
    soft = float(((frequencies < IMAGINARY_BELOW).any(axis=1) * weights).sum() / weights.sum())
    real = np.where(frequencies > 0, frequencies, 0.0)
    planck = 4.135667696e-3  # eV / THz
    zero_point = float((real.sum(axis=1) * weights).sum() / weights.sum()) * planck / 2 / n_atoms
    stable = lowest >= IMAGINARY_BELOW
    warnings = [*reading_warnings(given)]
    if not stable:
        warnings.append(f"imaginary modes down to {lowest:.2f} THz: dynamically unstable as it is")
    elif lowest < -0.05:
        warnings.append(f"modes down to {lowest:.2f} THz are within the noise of the method")
    return PhononProperties(
        lowest_phonon_frequency=lowest,
        highest_phonon_frequency=float(frequencies.max()),
        zero_point_energy_per_atom=zero_point,
        heat_capacity_per_atom=float(thermal.heat_capacity[0]) / n_atoms,
        vibrational_entropy_per_atom=float(thermal.entropy[0]) / n_atoms,
        warnings=tuple(warnings),
        ran=f"{method.title}, finite displacements",
        details={
            "formula": formula_of(relaxed.structure),
            "dynamically_stable": stable,
            "share_of_wave_vectors_with_imaginary_modes": round(soft, 4),
            "supercell": np.asarray(work.supercell_matrix).tolist(),
            "atoms_in_supercell": len(work.supercell),
            "displacements": len(work.supercells_with_displacements),
            "frequencies_at_gamma_thz": [
                round(float(f), 4) for f in work.run_qpoints([[0, 0, 0]]).frequencies[0]
            ],
        },
    )


def _supercell(structure: "Structure", length: float) -> "Phonopy":
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    repeats = [max(1, math.ceil(length / edge)) for edge in structure.lattice.abc]
    if len(structure) * math.prod(repeats) > MOST_ATOMS:
        raise ToolFailedError(
            f"a supercell of {length:g} angstrom has {len(structure) * math.prod(repeats)} atoms, more than "
            f"{MOST_ATOMS}; ask for a shorter one"
        )
    cell = PhonopyAtoms(
        symbols=[site.specie.symbol for site in structure],
        cell=structure.lattice.matrix,
        scaled_positions=structure.frac_coords,
    )
    return Phonopy(cell, supercell_matrix=np.diag(repeats), primitive_matrix="P", symprec=1e-3)


def _displace(work: "Phonopy", method: Method, distance: float) -> None:
    from ase import Atoms

    from novum.tools.materials.structures import from_atoms

    work.generate_displacements(distance=distance)
    forces = []
    calculator = None
    for moved in work.supercells_with_displacements:
        atoms = Atoms(moved.symbols, cell=moved.cell, scaled_positions=moved.scaled_positions, pbc=True)
        calculator = calculator or method.calculator(from_atoms(atoms))
        atoms.calc = calculator
        found = atoms.get_forces()
        forces.append(found - found.mean(axis=0))  # the noise of a net force is no vibration
    work.forces = forces
    work.produce_force_constants()
    work.symmetrize_force_constants()
