"""imaging.measure: how many objects there are, how large and how bright, and how well that is known.

An object's area is the number of its pixels times the area of a pixel. Two things make it uncertain:

- the boundary: each boundary pixel may lie on either side. Independent halves would average out, an edge
  that was drawn too far out does not: the standard deviation of the area is taken as the boundary's length
  times `boundary_std`, a shift of the whole outline.
- the size of a pixel: its relative standard deviation enters lengths once and areas twice.

References:
    Perimeter: Benkrid and Crookes, "Design and FPGA Implementation of a Perimeter Estimator", as
    scikit-image has it. Moments and axes: Burger and Burge 2009, doi:10.1007/978-1-84800-195-4.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.sandbox.base import OUT_DIRECTORY
from novum.tools.base import Properties, Unit, Usual, tool
from novum.tools.examples import Example
from novum.tools.files import Files
from novum.tools.imaging.images import Image
from novum.tools.imaging.inputs import Labels, Pixels, RegionArgument, image_of, mask_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TOLD: Final = 500
"""Objects whose numbers are in the details; the table holds all."""

TWO_SQUARES: Final = [
    [1 if y < 4 and x < 4 else 2 if y >= 8 and x >= 6 else 0 for x in range(12)] for y in range(12)
]
"""Squares of 16 and 24 pixels."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a pixel and how well it is known."""

    y_um: float
    x_um: float
    relative_std: float = 0.0

    @property
    def area_um2(self) -> float:
        """Of a pixel."""
        return self.y_um * self.x_um

    @property
    def edge_um(self) -> float:
        """Of a square pixel of the same area."""
        return math.sqrt(self.area_um2)


class Measured(Properties):
    """Objects of an image, in physical units."""

    n_objects: Annotated[int, Field(description="objects in the mask", ge=0)]
    object_density: Annotated[
        float | None, Unit("1/um**2"), Field(description="objects for each area of the image", ge=0)
    ] = None
    area_fraction: Annotated[float, Field(description="part of the image that is object", ge=0, le=1)]
    mean_area: Annotated[float | None, Unit("um**2"), Field(description="mean area of an object", ge=0)] = (
        None
    )
    median_area: Annotated[
        float | None, Unit("um**2"), Field(description="median area of an object", ge=0)
    ] = None
    mean_diameter: Annotated[
        float | None,
        Unit("um"),
        Field(description="mean diameter of the circle that has an object's area", ge=0),
    ] = None
    mean_eccentricity: Annotated[
        float | None, Field(description="of the ellipse with an object's moments, 0 a circle", ge=0, le=1)
    ] = None
    mean_intensity: Annotated[
        float | None,
        Usual(0, 65_535),
        Field(description="mean over objects of their mean intensity, in the image's units"),
    ] = None
    contrast_to_background: Annotated[
        float | None, Field(description="mean intensity of objects over that of the rest", ge=0)
    ] = None


@tool(
    name="imaging.measure",
    version="1",
    method="region properties",
    profile="imaging",
    preload=("numpy", "scipy.ndimage", "skimage.measure", "PIL.Image", "tifffile"),
    libraries=("scikit-image", "scipy", "numpy", "pillow", "tifffile", "defusedxml"),
    extra="imaging",
    nominal_cost_s=0.5,
    memory_mb=2048,
    examples=(
        Example(
            arguments={
                "pixels": [[float(label) for label in row] for row in TWO_SQUARES],
                "mask_labels": TWO_SQUARES,
                "pixel_size": 0.5,
            },
            expected={"n_objects": 2, "mean_area": 5.0, "area_fraction": 40 / 144},
            atol=1e-9,
            source="areas of rectangles",
        ),
    ),
)
def measure(
    files: Files = {},  # noqa: B006 - pydantic copies it
    *,
    image: str = "",
    pixels: Pixels = [],  # noqa: B006
    mask: str = "",
    mask_labels: Labels = [],  # noqa: B006
    axes: str = "",
    z: Annotated[int | None, Field(ge=0)] = None,
    time: Annotated[int | None, Field(ge=0)] = None,
    region: RegionArgument = [],  # noqa: B006
    channel: Annotated[int | None, Field(ge=0)] = None,
    pixel_size: Annotated[float | None, Unit("um"), Field(gt=0)] = None,
    pixel_size_std: Annotated[float, Unit("um"), Field(ge=0)] = 0.0,
    boundary_std: Annotated[float, Field(ge=0, le=10)] = 0.5,
    without_border: bool = False,
) -> Measured:
    """Measure the objects of a mask: count, area, diameter, shape, intensity, with uncertainties.

    Standard deviations are those of the measurement, by boundary and pixel size, not the spread of objects,
    which is in the details. An outline that is off by `boundary_std` is taken to be off for all objects
    alike, so that more objects do not make a mean area better known. Without a pixel size there is no area,
    and none is made up; areas in pixels are in the details. The file ``objects.csv`` has every object.

    Args:
        files: the image and the mask: name, and SHA-256 of the artifact.
        image: which of the files is the image.
        pixels: instead of a file, the rows of a small grey image.
        mask: which of the files has the objects' labels: PNG, TIFF, npz, or COCO's JSON.
        mask_labels: instead of a file, the rows of their labels.
        axes: what the image's axes are, as ``zyx`` or ``yxc``, where the file does not know.
        z: which plane of a stack.
        time: which frame of a series.
        region: first row, first column, rows and columns, for images too large to be taken as a whole.
        channel: whose intensities are measured, from 0; where it is not said, the luminance or mean of all.
        pixel_size: edge of a pixel, where the file does not know.
        pixel_size_std: standard deviation of that edge.
        boundary_std: standard deviation of the outline's place, in pixels.
        without_border: whether objects that touch the border, and are cut by it, are left out.

    References:
        scikit-image: doi:10.7717/peerj.453.
    """
    found = image_of(pixels, files, image, axes=axes, region=region, pixel_size=pixel_size, z=z, time=time)
    labels = mask_of(mask_labels, files, mask, found, cut=bool(region))
    if labels is None:
        raise ToolFailedError("there is no mask: say by 'mask' which file has the objects")
    warnings = list(found.warnings)
    if without_border:
        labels = clear_border(labels)
    scale = _scale(found, pixel_size_std)
    if scale is None:
        warnings.append("the size of a pixel is not known: areas are in pixels, in the details")
    elif abs(scale.y_um - scale.x_um) > 1e-6 * scale.x_um:
        warnings.append(
            "pixels are not square: perimeters and shapes are those of square pixels of that area"
        )
    grey = found.grey(channel)
    objects = measure_objects(labels, grey)
    _write(objects, scale, boundary_std)
    if not objects:
        warnings.append("the mask is empty: there is no object to be measured")
        return Measured(
            n_objects=0,
            area_fraction=0.0,
            object_density=None if scale is None else 0.0,
            warnings=tuple(warnings),
            details={"pixel_size_um": None if scale is None else [scale.y_um, scale.x_um]},
        )
    areas = np.array([o["area_px"] for o in objects])
    inside = labels > 0
    outside_mean = float(grey[~inside].mean()) if not inside.all() else 0.0
    mean_in = float(np.mean([o["mean_intensity"] for o in objects]))
    physical, std = _physical(objects, areas, scale, boundary_std, n_pixels=labels.size)
    return Measured(
        n_objects=len(objects),
        area_fraction=float(inside.mean()),
        mean_eccentricity=float(np.mean([o["eccentricity"] for o in objects])),
        mean_intensity=mean_in,
        contrast_to_background=mean_in / outside_mean if outside_mean > 0 and mean_in >= 0 else None,
        **physical,
        std=std,
        warnings=tuple(warnings),
        details={
            "pixel_size_um": None if scale is None else [scale.y_um, scale.x_um],
            "boundary_std_px": boundary_std,
            "mean_area_px": float(areas.mean()),
            "spread": {"area_px": float(areas.std(ddof=1)) if len(areas) > 1 else None},
            "channel": channel,
            "objects": objects[:MOST_TOLD],
        },
    )


def measure_objects(labels: "NDArray[np.int32]", grey: "NDArray[np.float32]") -> list[dict[str, Any]]:
    """Return what is known of each object, in pixels and the image's own intensities, in order of labels."""
    from skimage.measure import regionprops

    found = []
    for region in regionprops(labels, intensity_image=grey):
        values = region.image_intensity[region.image]
        y, x = region.centroid
        found.append(
            {
                "id": int(region.label),
                "area_px": float(region.area),
                "perimeter_px": float(region.perimeter_crofton if region.area > 8 else region.perimeter),
                "centroid_px": [float(y), float(x)],
                "bbox": [int(n) for n in region.bbox],
                "major_axis_px": float(region.axis_major_length),
                "minor_axis_px": float(region.axis_minor_length),
                "eccentricity": float(region.eccentricity),
                "solidity": float(min(1.0, region.solidity)) if region.area > 3 else 1.0,
                "mean_intensity": float(values.mean(dtype=np.float64)),
                "std_intensity": float(values.std(dtype=np.float64)),
                "sum_intensity": float(values.sum(dtype=np.float64)),
                "max_intensity": float(values.max()),
            }
        )
    return found


def clear_border(labels: "NDArray[np.int32]") -> "NDArray[np.int32]":
    """Return labels without the objects that touch the border."""
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.where(np.isin(labels, touching), 0, labels)


def area_std_px(area: float, perimeter: float, *, boundary_std: float, relative_std: float) -> float:
    """Return the standard deviation of an area in pixels.

    Example:
        >>> area_std_px(100.0, 40.0, boundary_std=0.5, relative_std=0.0)
        20.0
    """
    return math.hypot(perimeter * boundary_std, 2 * area * relative_std)


def _scale(image: Image, std_um: float) -> Scale | None:
    y, x = image.edge_um("y"), image.edge_um("x")
    if y is None or x is None:
        return None
    return Scale(y, x, relative_std=std_um / math.sqrt(y * x))


def _physical(
    objects: list[dict[str, Any]],
    areas: "NDArray[np.float64]",
    scale: Scale | None,
    boundary_std: float,
    *,
    n_pixels: int,
) -> tuple[dict[str, float], dict[str, float]]:
    """Return properties in physical units and their standard deviations."""
    if scale is None:
        return {}, {}
    perimeters = np.array([o["perimeter_px"] for o in objects])
    diameters = 2 * np.sqrt(areas / math.pi)
    mean = float(areas.mean())
    shift = area_std_px(
        mean, float(perimeters.mean()), boundary_std=boundary_std, relative_std=scale.relative_std
    )
    # dD = 2 dA / (π D): by the boundary, about twice its shift for a round object
    by_boundary = float((2 * perimeters * boundary_std / (math.pi * diameters)).mean())
    diameter = float(diameters.mean())
    density = len(objects) / (n_pixels * scale.area_um2)
    middle = float(np.median(areas))
    at = int(np.argmin(np.abs(areas - middle)))
    values = {
        "object_density": density,
        "mean_area": mean * scale.area_um2,
        "median_area": middle * scale.area_um2,
        "mean_diameter": diameter * scale.edge_um,
    }
    std = {
        "object_density": 2 * density * scale.relative_std,
        "mean_area": shift * scale.area_um2,
        "median_area": area_std_px(
            middle, float(perimeters[at]), boundary_std=boundary_std, relative_std=scale.relative_std
        )
        * scale.area_um2,
        "mean_diameter": math.hypot(by_boundary, diameter * scale.relative_std) * scale.edge_um,
    }
    return values, std


def _write(objects: list[dict[str, Any]], scale: Scale | None, boundary_std: float) -> None:
    import csv

    out = Path(OUT_DIRECTORY)
    if not out.is_dir():
        return
    plain = [
        "area_px",
        "perimeter_px",
        "major_axis_px",
        "minor_axis_px",
        "eccentricity",
        "solidity",
        "mean_intensity",
        "std_intensity",
        "sum_intensity",
        "max_intensity",
    ]
    with (out / "objects.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            [
                "id",
                "y [px]",
                "x [px]",
                *(name.replace("_px", " [px]") for name in plain),
                "area [um**2]",
                "area std [um**2]",
                "diameter [um]",
            ]
        )
        for o in objects:
            physical: list[float | str] = ["", "", ""]
            if scale is not None:
                std = area_std_px(
                    o["area_px"],
                    o["perimeter_px"],
                    boundary_std=boundary_std,
                    relative_std=scale.relative_std,
                )
                physical = [
                    o["area_px"] * scale.area_um2,
                    std * scale.area_um2,
                    2 * math.sqrt(o["area_px"] / math.pi) * scale.edge_um,
                ]
            table.writerow([o["id"], *o["centroid_px"], *(o[name] for name in plain), *physical])
