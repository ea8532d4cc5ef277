"""Enthalpy, entropy and heat capacity of an ideal gas of rigid rotors and harmonic oscillators.

References:
    Constants: CODATA 2018 (NIST SP 961). Soft modes as free rotors: S. Grimme, doi:10.1002/chem.201200497.
"""

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from novum.tools.chemistry.relaxation import Array

R = 8.314462618
"""In J/(mol K)."""
_K, _H, _C, _DALTON, _AVOGADRO = 1.380649e-23, 6.62607015e-34, 2.99792458e10, 1.66053906660e-27, 6.02214076e23

SOFT = 100.0
"""Wavenumber in 1/cm at which a mode counts half as vibration and half as rotation."""

_MEAN_INERTIA = 1e-44
"""In kg m²: what a soft mode's moment of inertia does not exceed."""

LINEAR = 1e-3
"""A molecule is linear where its smallest moment of inertia is below this share of the largest."""


@dataclass(frozen=True, slots=True)
class Thermal:
    """What heat adds to a molecule's energy, for one mole."""

    enthalpy: float
    """From the electronic energy to the enthalpy, zero-point energy included, in J/mol."""
    entropy: float
    """In J/(mol K)."""
    heat_capacity: float
    """At constant pressure, in J/(mol K)."""


def ideal_gas(
    waves: Array,
    positions: Array,
    masses: NDArray[np.float64],
    *,
    temperature: float,
    pressure: float,
    symmetry: int,
    degeneracy: int,
) -> Thermal:
    """Return the thermal contributions of one molecule.

    Args:
        waves: harmonic wavenumbers in 1/cm, all positive.
        positions: (n_atoms, 3) in angstrom.
        masses: (n_atoms,) in dalton.
        temperature: in K.
        pressure: in Pa.
        symmetry: rotational symmetry number.
        degeneracy: of the electronic ground state.
    """
    mass = float(masses.sum()) * _DALTON
    volume = (2 * pi * mass * _K * temperature / _H**2) ** 1.5 * _K * temperature / pressure
    entropy = R * (log(volume) + 2.5 + log(degeneracy))
    enthalpy, capacity = 2.5 * R * temperature, 2.5 * R
    moments = moments_of_inertia(positions, masses)
    if len(masses) > 1:
        turns = 8 * pi**2 * _K * temperature / _H**2
        if moments[0] < LINEAR * moments[2]:
            entropy += R * (log(turns * moments[2] / symmetry) + 1)
            enthalpy, capacity = enthalpy + R * temperature, capacity + R
        else:
            states = sqrt(pi * float(np.prod(moments)) * turns**3) / symmetry
            entropy += R * (log(states) + 1.5)
            enthalpy, capacity = enthalpy + 1.5 * R * temperature, capacity + 1.5 * R
    for wave in waves.tolist():
        x = _H * _C * wave / (_K * temperature)
        occupied = 1 / np.expm1(min(x, 700.0))
        enthalpy += R * temperature * x * (0.5 + occupied)
        capacity += R * x**2 * occupied * (1 + occupied)
        oscillator = x * occupied - log(-np.expm1(-x))
        inertia = _H / (8 * pi**2 * wave * _C)
        inertia = inertia * _MEAN_INERTIA / (inertia + _MEAN_INERTIA)
        rotor = 0.5 + log(sqrt(8 * pi**3 * inertia * _K * temperature / _H**2))
        share = 1 / (1 + (SOFT / wave) ** 4)
        entropy += R * (share * oscillator + (1 - share) * rotor)
    return Thermal(float(enthalpy), float(entropy), float(capacity))


def moments_of_inertia(positions: Array, masses: NDArray[np.float64]) -> Array:
    """Return the three principal moments in kg m², smallest first."""
    centred = (positions - np.average(positions, axis=0, weights=masses)) * 1e-10
    weighted = centred * (masses * _DALTON)[:, None]
    tensor = np.eye(3) * float((weighted * centred).sum()) - weighted.T @ centred
    found: Array = np.abs(np.linalg.eigvalsh(tensor))
    return found


def symmetry_number(numbers: NDArray[np.int64], positions: Array, masses: NDArray[np.float64]) -> int:
    """Return how many turns of a molecule about itself leave it the same, to 0.1 angstrom.

    References:
        Found by pymatgen's point group analysis: doi:10.1016/j.commatsci.2012.10.028.
    """
    n = len(numbers)
    if n == 1:
        return 1
    moments = moments_of_inertia(positions, masses)
    if moments[0] < LINEAR * moments[2]:
        along = positions @ np.linalg.svd(positions - positions.mean(axis=0))[2][0]
        order, back = np.argsort(along), np.argsort(-along)
        return 2 if np.array_equal(numbers[order], numbers[back]) else 1
    from pymatgen.core import Molecule
    from pymatgen.symmetry.analyzer import PointGroupAnalyzer

    molecule = Molecule(numbers.tolist(), positions)
    return int(PointGroupAnalyzer(molecule, tolerance=0.1).get_rotational_symmetry_number())
