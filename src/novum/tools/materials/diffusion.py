"""materials.diffusion: how fast atoms of one element move, by a short run of molecular dynamics."""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool
from novum.tools.examples import Example
from novum.tools.materials.calculators import CalculatorName, Family, Method
from novum.tools.materials.relaxation import check_sound, relax
from novum.tools.materials.samples import COPPER
from novum.tools.materials.structures import (
    MOST_ATOMS,
    StructureText,
    formula_of,
    parse_structure,
    reading_warnings,
    to_atoms,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOP = 1.5
"""Root of the mean squared displacement, in angstrom, below which atoms only vibrate."""

SETTLED = 0.15
"""Largest drift of the kinetic temperature between the halves of a run in equilibrium, as a share."""


class DiffusionProperties(Properties):
    """Motion of one element's atoms."""

    diffusion_coefficient: Annotated[
        float | None,
        Unit("cm**2/s"),
        Field(description="tracer diffusion; absent where the run saw none", ge=0, le=1),
    ] = None
    mean_squared_displacement: Annotated[
        float, Unit("angstrom**2"), Field(description="after half the run, without the centre's drift", ge=0)
    ]
    mean_temperature: Annotated[
        float, Unit("K"), Field(description="of the atoms' motion after equilibration", ge=0, le=20000)
    ]


@tool(
    name="materials.diffusion",
    version="1",
    method="CHGNet 0.3.0, molecular dynamics",
    profile="mlip",
    preload=("novum.tools.materials.loaded",),
    libraries=("chgnet", "pymatgen", "ase", "torch"),
    extra="mlip",
    nominal_cost_s=120.0,
    timeout_s=3600,
    memory_mb=4096,
    examples=(
        Example(
            arguments={
                "structure": COPPER,
                "element": "Cu",
                "temperature": 300.0,
                "duration": 0.3,
                "repeats": [3, 3, 3],
                "calculator": "emt",
            },
            expected={"mean_temperature": 300.0},
            rtol=0.3,
            source="the temperature that the thermostat was given",
        ),
    ),
)
def diffusion(
    structure: StructureText,
    *,
    element: str,
    temperature: Annotated[float, Unit("K"), Field(ge=10, le=5000)],
    duration: Annotated[float, Unit("ps"), Field(gt=0, le=100)] = 2.0,
    time_step: Annotated[float, Unit("fs"), Field(ge=0.1, le=5)] = 2.0,
    repeats: tuple[int, int, int] = (1, 1, 1),
    relaxed: bool = True,
    calculator: CalculatorName = "chgnet",
    family: Family = "chgnet",
    checkpoint: str = "",
    seed: int = 0,
) -> DiffusionProperties:
    """Run Langevin dynamics at constant volume and take the slope of the mean squared displacement.

    The first third of the run is for equilibration and is thrown away; a run whose temperature still
    drifts afterwards fails. Where the atoms have not moved further than they vibrate, the coefficient is
    absent: a short run bounds it from above and measures nothing. The standard deviation is that of the
    slopes of four parts of the run. Small cells and picoseconds give orders of magnitude.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        element: whose atoms are followed.
        temperature: of the thermostat.
        duration: of the run after equilibration.
        time_step: of the integration.
        repeats: how often the cell is repeated along its edges.
        relaxed: whether atoms and cell are relaxed first; otherwise the run has the volume as given.
        calculator: the energy surface.
        family: the architecture of the weights, where the calculator is "checkpoint".
        checkpoint: path of the weights as the sandbox sees it, where the calculator is "checkpoint".
        seed: of the velocities and of the thermostat.

    References:
        Einstein's relation; Langevin thermostat as ASE has it: doi:10.1088/1361-648X/aa680e.
    """
    from ase import units
    from ase.constraints import FixCom
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import Stationary, thermalize_momenta

    method = Method(calculator, family, checkpoint)
    start = parse_structure(structure)
    if min(repeats) < 1 or len(start) * int(np.prod(repeats)) > MOST_ATOMS:
        raise ToolFailedError(f"repeats must be 1 or more and make at most {MOST_ATOMS} atoms")
    begun = relax(start, method).structure if relaxed else start
    atoms = to_atoms(begun).repeat(repeats)
    followed = [i for i, symbol in enumerate(atoms.get_chemical_symbols()) if symbol == element]
    if not followed:
        raise ToolFailedError(f"the crystal holds no {element!r}")
    atoms.calc = method.calculator(begun)
    rng = np.random.default_rng(seed)
    thermalize_momenta(atoms, temperature, rng=rng)
    Stationary(atoms)
    atoms.set_constraint(FixCom())
    walk = Langevin(
        atoms,
        time_step * units.fs,
        temperature_K=temperature,
        friction=0.02 / units.fs,
        rng=rng,
        fixcm=False,
    )
    volume = atoms.get_volume()
    n_steps = max(40, round(1000 * duration / time_step))
    walk.run(n_steps // 2)
    positions, temperatures = [], []
    for _ in range(n_steps):
        walk.run(1)
        check_sound(atoms, volume)
        positions.append(atoms.get_positions() - atoms.get_center_of_mass())
        temperatures.append(atoms.get_temperature())
    _check_settled(np.array(temperatures), len(atoms))
    path = np.array(positions)[:, followed]
    spread, slope, error = measure_slope(path, time_step)
    moved = spread**0.5 >= HOP and slope > 0
    still = (
        f"the {element} atoms moved {spread**0.5:.2f} angstrom, which is vibration: no diffusion was "
        f"seen in {duration:g} ps"
    )
    return DiffusionProperties(
        diffusion_coefficient=slope / 6 * 0.1 if moved else None,  # angstrom²/fs is 0.1 cm²/s
        mean_squared_displacement=spread,
        mean_temperature=float(np.mean(temperatures)),
        std={"diffusion_coefficient": error / 6 * 0.1} if moved else {},
        warnings=(*reading_warnings(start), *([] if moved else [still])),
        ran=f"{method.title}, molecular dynamics",
        details={
            "formula": formula_of(begun),
            "atoms": len(atoms),
            "followed": len(followed),
            "steps": n_steps,
            "equilibration_steps": n_steps // 2,
        },
    )


def measure_slope(path: "NDArray[np.float64]", time_step: float) -> tuple[float, float, float]:
    """Return the mean squared displacement over half a path, its slope in time, and the slope's deviation.

    Args:
        path: (n_steps, n_atoms, 3) in angstrom, not wrapped into the cell.
        time_step: between the steps, in fs.
    """
    n = len(path)
    lags = np.unique(np.linspace(n // 8, n // 2, 12).astype(int))
    lags = lags[lags > 0]

    def squared(part: "NDArray[np.float64]", lag: int) -> float:
        return float(np.mean(np.sum((part[lag:] - part[:-lag]) ** 2, axis=2)))

    whole = np.array([squared(path, lag) for lag in lags])
    slope = float(np.polyfit(lags * time_step, whole, 1)[0])
    parts = np.array_split(path, 4)
    short = lags[lags < len(parts[-1])]
    slopes = [
        float(np.polyfit(short * time_step, [squared(part, lag) for lag in short], 1)[0])
        if len(short) > 1
        else slope
        for part in parts
    ]
    return float(whole[-1]), slope, float(np.std(slopes, ddof=1) / 2)


def _check_settled(temperatures: "NDArray[np.float64]", n_atoms: int) -> None:
    first, second = np.array_split(temperatures, 2)
    drift = abs(second.mean() - first.mean()) / temperatures.mean()
    # the temperature of few atoms swings by itself: about sqrt(2 / 3 n) at one moment
    allowed = max(SETTLED, (2 / (3 * n_atoms)) ** 0.5)
    if drift > allowed:
        raise ToolFailedError(
            f"the run is not in equilibrium: its temperature drifts by {drift:.0%} between its halves; ask "
            "for a longer one"
        )
