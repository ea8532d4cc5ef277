"""materials.equation_of_state: energy against volume, and the bulk modulus."""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import MethodError, Properties, Unit, Usual, tool
from novum.tools.examples import Example
from novum.tools.materials.calculators import CalculatorName, Family, Method
from novum.tools.materials.relaxation import energy_of, relax
from novum.tools.materials.samples import COPPER
from novum.tools.materials.structures import (
    StructureText,
    formula_of,
    parse_structure,
    reading_warnings,
    to_atoms,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST_FIT = 2e-3
"""Largest residual, in eV for each atom, of energies that one equation of state describes."""


USUAL_DERIVATIVES = (2.0, 8.0)
"""Derivatives of the bulk modulus by pressure that crystals usually have."""

ROUGH = 0.05
"""Residual of a fit, as a share of the range of the energies, that is told."""

MODULUS_ERROR = 31.0
"""Standard deviation, in GPa, of CHGNet's bulk moduli of 49 elements from those of WIEN2k (PBE).

The table is Lejaeghere's, doi:10.1080/10408436.2013.772503; the median deviation is 13 %, and iron and cobalt
come out half as stiff.
"""


class CompressionProperties(Properties):
    """The equation of state of a crystal."""

    bulk_modulus: Annotated[
        float,
        Unit("GPa"),
        MethodError(MODULUS_ERROR),
        Usual(20, 300),
        Field(description="resistance to compression at 0 K and no pressure", gt=0, le=1000),
    ]
    bulk_modulus_pressure_derivative: Annotated[
        float, Field(description="of the bulk modulus, at no pressure", ge=-20, le=40)
    ]
    equilibrium_volume_per_atom: Annotated[
        float, Unit("angstrom**3"), Field(description="volume per atom at no pressure", gt=0, le=500)
    ]


@tool(
    name="materials.equation_of_state",
    version="1",
    method="CHGNet 0.3.0, equation of state",
    profile="mlip",
    preload=("novum.tools.materials.loaded",),
    libraries=("chgnet", "pymatgen", "ase", "torch", "scipy"),
    extra="mlip",
    nominal_cost_s=2.0,
    timeout_s=900,
    memory_mb=3072,
    examples=(
        Example(
            arguments={"structure": COPPER, "calculator": "emt"},
            expected={"bulk_modulus": 141.3, "equilibrium_volume_per_atom": 11.95},
            rtol=0.15,
            source="WIEN2k (PBE), doi:10.1080/10408436.2013.772503",
        ),
    ),
)
def equation_of_state(
    structure: StructureText,
    *,
    calculator: CalculatorName = "chgnet",
    family: Family = "chgnet",
    checkpoint: str = "",
    strain: Annotated[float, Field(ge=0.01, le=0.2)] = 0.06,
    points: Annotated[int, Field(ge=6, le=41)] = 9,
) -> CompressionProperties:
    """Fit the third-order Birch-Murnaghan equation of state to energies around the relaxed volume.

    The shape of the cell is kept at each volume and the atoms relax. Standard deviations are those of the
    fit. It fails where the minimum lies outside the volumes, or the energies follow no such equation.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        calculator: the energy surface.
        family: the architecture of the weights, where the calculator is "checkpoint".
        checkpoint: path of the weights as the sandbox sees it, where the calculator is "checkpoint".
        strain: largest change of the volume, as a share of it.
        points: volumes.

    References:
        Birch, Phys. Rev. 71, 809 (1947), doi:10.1103/PhysRev.71.809.
    """
    from ase.units import GPa

    method = Method(calculator, family, checkpoint)
    given = parse_structure(structure)
    relaxed = relax(given, method)
    start = to_atoms(relaxed.structure)
    volumes, energies = [], []
    for factor in np.linspace(1 - strain, 1 + strain, points):
        atoms = start.copy()
        atoms.set_cell(start.cell * factor ** (1 / 3), scale_atoms=True)
        atoms.calc = method.calculator(relaxed.structure)
        _settle(atoms)
        volumes.append(atoms.get_volume() / len(atoms))
        energies.append(energy_of(atoms))
    fit = fit_birch_murnaghan(np.array(volumes), np.array(energies))
    return CompressionProperties(
        bulk_modulus=fit[2] / GPa,
        bulk_modulus_pressure_derivative=fit[3],
        equilibrium_volume_per_atom=fit[1],
        std={
            "bulk_modulus": fit[6] / GPa,
            "bulk_modulus_pressure_derivative": fit[7],
            "equilibrium_volume_per_atom": fit[5],
        },
        warnings=(*reading_warnings(given), *doubts(fit[3], np.array(volumes), np.array(energies), fit[:4])),
        ran=f"{method.title}, equation of state",
        details={
            "formula": formula_of(relaxed.structure),
            "volumes_angstrom3": [round(v, 5) for v in volumes],
            "energies_ev": [round(e, 6) for e in energies],
        },
    )


def doubts(
    derivative: float,
    volumes: "NDArray[np.float64]",
    energies: "NDArray[np.float64]",
    best: tuple[float, ...],
) -> tuple[str, ...]:
    """Return why a fitted equation of state should not be trusted.

    Args:
        derivative: that of the bulk modulus by pressure.
        volumes: in cubic angstrom for each atom.
        energies: in eV for each atom.
        best: energy, volume, bulk modulus and its derivative at the minimum.
    """
    found = []
    if not USUAL_DERIVATIVES[0] <= derivative <= USUAL_DERIVATIVES[1]:
        found.append(
            f"the derivative of the bulk modulus is {derivative:.1f}, where crystals have 2 to 8: the energy "
            "surface is not smooth here, and neither it nor the modulus should be used"
        )
    miss = float(np.abs(_birch_murnaghan(volumes, *best) - energies).max() / np.ptp(energies))
    if miss > ROUGH:
        found.append(f"the fit misses an energy by {miss:.0%} of their range: the bulk modulus is rough")
    return tuple(found)


def fit_birch_murnaghan(volumes: "NDArray[np.float64]", energies: "NDArray[np.float64]") -> tuple[float, ...]:
    """Return energy, volume, bulk modulus and its derivative at the minimum, then their deviations.

    Args:
        volumes: in cubic angstrom for each atom.
        energies: in eV for each atom.

    Raises:
        ToolFailedError: the minimum lies outside, or the fit is bad.
    """
    from scipy.optimize import curve_fit

    a, b, c = np.polyfit(volumes, energies, 2)
    centre = -b / (2 * a) if a > 0 else 0.0
    if not volumes.min() < centre < volumes.max():
        raise ToolFailedError("the energy has no minimum between the volumes: this is no state at rest")
    first = (c - b * b / (4 * a), centre, 2 * a * centre, 4.0)
    try:
        best, spread = curve_fit(_birch_murnaghan, volumes, energies, p0=first, maxfev=10_000)
    except RuntimeError as error:
        raise ToolFailedError(f"no equation of state fits the energies: {error}") from error
    worst = float(np.abs(_birch_murnaghan(volumes, *best) - energies).max())
    if worst > WORST_FIT or not np.isfinite(spread).all():
        raise ToolFailedError(
            f"the energies follow no equation of state: {1000 * worst:.1f} meV per atom off; the structure "
            "may change with the volume, so try a smaller strain"
        )
    return (*map(float, best), *map(float, np.sqrt(np.diag(spread))))


def _birch_murnaghan(
    volume: "NDArray[np.float64]", e0: float, v0: float, b0: float, b1: float
) -> "NDArray[np.float64]":
    eta = (v0 / volume) ** (2 / 3)
    energy: NDArray[np.float64] = e0 + 9 * b0 * v0 / 16 * (
        b1 * (eta - 1) ** 3 + (eta - 1) ** 2 * (6 - 4 * eta)
    )
    return energy


def _settle(atoms: object) -> None:
    import contextlib
    import io

    from ase.optimize import BFGS

    with contextlib.redirect_stdout(io.StringIO()):
        if not BFGS(atoms, logfile=None).run(fmax=0.02, steps=200):
            raise ToolFailedError("the atoms reached no minimum at one of the volumes")
