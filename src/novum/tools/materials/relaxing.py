"""materials.relax: a crystal at the minimum of an energy surface."""

from typing import Annotated

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool
from novum.tools.examples import Example
from novum.tools.materials.calculators import CalculatorName, Family, Method
from novum.tools.materials.relaxation import energy_of, pressure_of, relax
from novum.tools.materials.samples import ALUMINIDE
from novum.tools.materials.structures import (
    Format,
    StructureText,
    formula_of,
    parse_structure,
    reading_warnings,
    to_atoms,
    write_structure,
)


class RelaxedProperties(Properties):
    """A crystal as a method sees it."""

    energy_per_atom: Annotated[
        float, Unit("eV"), Field(description="energy per atom, on the method's own scale", ge=-1000, le=100)
    ]
    volume_per_atom: Annotated[float, Unit("angstrom**3"), Field(description="volume per atom", gt=0, le=500)]
    density: Annotated[float, Unit("g/cm**3"), Field(description="mass density", gt=0, le=50)]
    max_force: Annotated[
        float, Unit("eV/angstrom"), Field(description="largest force component on an atom", ge=0, le=1e4)
    ]
    pressure: Annotated[
        float, Unit("GPa"), Field(description="a third of the trace of the stress", ge=-1e4, le=1e5)
    ]


@tool(
    name="materials.relax",
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
            arguments={"structure": ALUMINIDE},
            expected={"volume_per_atom": 12.03},
            rtol=0.02,
            source="lattice constant of NiAl 2.887 angstrom: Villars, Pearson's Handbook",
        ),
    ),
)
def relaxing(
    structure: StructureText,
    *,
    calculator: CalculatorName = "chgnet",
    family: Family = "chgnet",
    checkpoint: str = "",
    relaxed: bool = True,
    cell: bool = True,
    force: Annotated[float, Unit("eV/angstrom"), Field(gt=0, le=1)] = 0.02,
    steps: Annotated[int, Field(ge=1, le=5000)] = 300,
    output: Format = "cif",
) -> RelaxedProperties:
    """Relax a crystal, or compute its energy as it is, and return the structure in the details.

    The energy is on the method's own scale: compare it with other energies of the same method alone.
    "emt" is fast and knows Al, Ni, Cu, Pd, Ag, Pt and Au; it was fitted to the metals and describes their
    compounds badly (it makes NiAl unstable), so that it serves for the metals, tests and teaching.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        calculator: the energy surface.
        family: the architecture of the weights, where the calculator is "checkpoint".
        checkpoint: path of the weights as the sandbox sees it, where the calculator is "checkpoint".
        relaxed: whether to relax; otherwise the structure is computed as it is.
        cell: whether the cell relaxes too.
        force: largest force of a relaxed structure; of the cell, the derivative by its strain counts.
        steps: steps after which the relaxation has failed.
        output: the format of the relaxed structure in the details.

    References:
        CHGNet: doi:10.1038/s42256-023-00716-3. EMT: doi:10.1016/0039-6028(96)00816-3.
    """
    method = Method(calculator, family, checkpoint)
    start = parse_structure(structure)
    if relaxed:
        done = relax(start, method, cell=cell, force=force, steps=steps)
        found, energy, largest, pressure = done.structure, done.energy, done.force, done.pressure
        n_steps = done.steps
    else:
        atoms = to_atoms(start)
        atoms.calc = method.calculator(start)
        found, energy, n_steps = start, energy_of(atoms), 0
        largest, pressure = float(abs(atoms.get_forces()).max()), pressure_of(atoms)
    if not largest < float("inf"):
        raise ToolFailedError("a force is not a finite number")
    return RelaxedProperties(
        energy_per_atom=energy,
        volume_per_atom=found.volume / len(found),
        density=float(found.density),
        max_force=largest,
        pressure=pressure,
        warnings=reading_warnings(start),
        ran=method.title,
        details={
            "formula": formula_of(found),
            "backend": method.backend,
            "space_group": "{} ({})".format(*found.get_space_group_info(symprec=0.05)),
            "steps": n_steps,
            "structure": write_structure(found, output),
        },
    )
