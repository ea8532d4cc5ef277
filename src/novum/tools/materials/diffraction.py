"""materials.xrd: the powder diffraction pattern of a crystal, and how well it explains a measured one."""

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool
from novum.tools.examples import Example
from novum.tools.materials.samples import COPPER
from novum.tools.materials.structures import StructureText, formula_of, parse_structure, reading_warnings

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRETCHES = np.linspace(0.97, 1.03, 61)
"""Factors on the edges of the cell that a comparison may take: errors of a theory's lattice."""


class PatternProperties(Properties):
    """A powder pattern."""

    n_peaks: Annotated[int, Field(description="peaks of at least 1 % of the strongest", ge=1)]
    strongest_peak: Annotated[float, Unit("degree"), Field(description="its angle 2θ", ge=0, le=180)]
    pattern_similarity: Annotated[
        float | None,
        Field(description="overlap with the measured pattern, 0 to 1, at the best stretch", ge=0, le=1),
    ] = None
    lattice_stretch: Annotated[
        float | None,
        Field(description="factor on the cell's edges that fits the measured pattern best", ge=0.9, le=1.1),
    ] = None


@tool(
    name="materials.xrd",
    version="1",
    method="kinematic diffraction",
    profile="crystals",
    preload=("pymatgen.analysis.diffraction.xrd", "pymatgen.io.cif", "pymatgen.io.vasp"),
    libraries=("pymatgen",),
    nominal_cost_s=0.3,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"structure": COPPER, "radiation": "CuKa1"},
            expected={"strongest_peak": 43.297},
            atol=0.05,
            source="ICDD 04-0836",
        ),
    ),
)
def xrd(
    structure: StructureText,
    *,
    radiation: Literal["CuKa", "CuKa1", "MoKa", "CoKa", "FeKa", "CrKa", "AgKa"] = "CuKa",
    low: Annotated[float, Unit("degree"), Field(ge=0, lt=180)] = 10.0,
    high: Annotated[float, Unit("degree"), Field(gt=0, le=180)] = 90.0,
    width: Annotated[float, Unit("degree"), Field(gt=0, le=5)] = 0.3,
    measured_angles: Annotated[tuple[float, ...], Field(max_length=20_000)] = (),
    measured_intensities: Annotated[tuple[float, ...], Field(max_length=20_000)] = (),
) -> PatternProperties:
    """Compute a powder pattern; where a measured one is given, say how well it is explained.

    Both patterns become sums of Gaussians, and the similarity is the cosine between them, over the angles
    that were measured, at the best isotropic stretch of the cell within 3 %. Texture, absorption,
    background and thermal motion are left out: similarity ranks candidates, it identifies nothing alone.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        radiation: of the source.
        low: least angle 2θ.
        high: largest angle 2θ.
        width: full width of a peak at half its height.
        measured_angles: angles 2θ of the measured pattern, in degree: a list of peaks, or every step.
        measured_intensities: as many, in any unit, background taken off.

    References:
        International Tables for Crystallography, volume C, as pymatgen computes it:
        doi:10.1016/j.commatsci.2012.10.028.
    """
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    if low >= high:
        raise ToolFailedError("the angles must rise: low is not below high")
    found = parse_structure(structure)
    calculator = XRDCalculator(wavelength=radiation)
    try:
        pattern = calculator.get_pattern(found, two_theta_range=(low, high))
    except ValueError as error:  # the largest intensity of none
        raise ToolFailedError(f"no peak lies between {low:g} and {high:g} degree") from error
    if not len(pattern.x):
        raise ToolFailedError(f"no peak lies between {low:g} and {high:g} degree")
    angles, heights = np.asarray(pattern.x), np.asarray(pattern.y)
    similarity = stretch = None
    if measured_angles or measured_intensities:
        similarity, stretch = compare_patterns(
            angles,
            heights,
            np.array(measured_angles),
            np.array(measured_intensities),
            width=width,
        )
    strong = [i for i in np.argsort(-heights) if heights[i] >= 0.01 * heights.max()]
    return PatternProperties(
        n_peaks=len(strong),
        strongest_peak=float(angles[strong[0]]),
        pattern_similarity=similarity,
        lattice_stretch=stretch,
        warnings=reading_warnings(found),
        details={
            "formula": formula_of(found),
            "radiation": radiation,
            "peaks": [
                {
                    "two_theta": round(float(angles[i]), 4),
                    "intensity": round(float(heights[i] / heights.max() * 100), 3),
                    "hkl": [list(map(int, h["hkl"])) for h in pattern.hkls[i]],
                    "spacing_angstrom": round(float(pattern.d_hkls[i]), 5),
                }
                for i in sorted(strong)[:500]
            ],
        },
    )


def compare_patterns(
    angles: "NDArray[np.float64]",
    heights: "NDArray[np.float64]",
    measured_angles: "NDArray[np.float64]",
    measured_heights: "NDArray[np.float64]",
    *,
    width: float,
) -> tuple[float, float]:
    """Return the cosine between two patterns and the stretch of the cell at which it is largest.

    Args:
        angles: 2θ of the computed peaks, in degree.
        heights: their intensities.
        measured_angles: 2θ of the measured points.
        measured_heights: their intensities.
        width: full width at half height, in degree.

    Raises:
        ToolFailedError: the measured pattern is not one.
    """
    if len(measured_angles) != len(measured_heights) or len(measured_angles) < 3:
        raise ToolFailedError("a measured pattern needs as many intensities as angles, and three at least")
    if not np.isfinite(measured_heights).all() or measured_heights.max() <= 0:
        raise ToolFailedError("the measured intensities must be finite, and one above zero")
    grid = np.arange(measured_angles.min() - 3 * width, measured_angles.max() + 3 * width, width / 6)
    spacing = np.median(np.diff(np.sort(measured_angles)))
    if spacing <= width / 2:  # a profile already, step by step
        order = np.argsort(measured_angles)
        seen = np.interp(
            grid, measured_angles[order], np.maximum(measured_heights[order], 0), left=0, right=0
        )
    else:
        seen = _profile(grid, measured_angles, np.maximum(measured_heights, 0), width)
    best, at = 0.0, 1.0
    sines = np.sin(np.radians(angles / 2))
    for stretch in STRETCHES:
        moved = sines / stretch
        keep = moved < 1
        computed = _profile(grid, 2 * np.degrees(np.arcsin(moved[keep])), heights[keep], width)
        size = float(np.linalg.norm(computed) * np.linalg.norm(seen))
        overlap = float(computed @ seen) / size if size > 0 else 0.0
        if overlap > best + 1e-12:
            best, at = overlap, float(stretch)
    return min(1.0, best), at


def _profile(
    grid: "NDArray[np.float64]", angles: "NDArray[np.float64]", heights: "NDArray[np.float64]", width: float
) -> "NDArray[np.float64]":
    sigma = width / 2.3548
    sums: NDArray[np.float64] = np.exp(-0.5 * ((grid[:, None] - angles[None, :]) / sigma) ** 2) @ heights
    return sums
