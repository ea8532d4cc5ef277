"""imaging.segment_universal: everything in an image, at several levels, without training or clicks."""

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.sandbox.base import IN_DIRECTORY, OUT_DIRECTORY
from novum.sandbox.files.arrays import LabelledArray, save_arrays
from novum.tools.base import Properties, Unit, tool
from novum.tools.examples import Example
from novum.tools.files import Files
from novum.tools.imaging.features import PatchFeatures, checkpoint_features, hand_made_features
from novum.tools.imaging.inputs import Labels, Pixels, RegionArgument, image_of, mask_of
from novum.tools.imaging.masks import write_mask
from novum.tools.imaging.metrics import average_recall, mean_best_iou
from novum.tools.imaging.overlays import write_overlay
from novum.tools.imaging.regions import Layer, proposals, to_layers
from novum.tools.imaging.uniap import FEATURE_WEIGHT, TEMPERATURE, agglomerate

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS: Final = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""The paper's thresholds, one finer and one coarser."""

USUAL_TOKENS: Final = 4096
"""Patches that an image is cut into where their size is not said."""

MOST_TOLD: Final = 25
"""Regions of a level whose numbers are in the details; the maps hold all."""

BANDWIDTH: Final = 0.9
SURROUNDINGS: Final = (0.5, 1.0)
"""Of the hand-made features: best on a development half of images of nuclei (`benchmarks/imaging.py`)."""

SQUARE: Final = [[9.0 if 3 <= y < 9 and 3 <= x < 9 else 1.0 for x in range(12)] for y in range(12)]
"""A bright square of 36 pixels on a dark ground."""


class Segmented(Properties):
    """What an image was divided into."""

    n_regions: Annotated[int, Field(description="regions of the finest level", ge=1)]
    n_regions_last: Annotated[int, Field(description="regions of the coarsest level", ge=1)]
    best_region_score: Annotated[
        float, Field(description="score of the region that stands out most", ge=0, le=1)
    ]
    mean_best_iou: Annotated[
        float | None,
        Field(description="mean IoU of the mask's objects with the region that fits each best", ge=0, le=1),
    ] = None
    average_recall: Annotated[
        float | None, Field(description="AR@100 of the mask's objects, IoU 0.5 to 0.95", ge=0, le=1)
    ] = None


@tool(
    name="imaging.segment_universal",
    version="1",
    method="UniAP",
    profile="imaging",
    preload=(
        "numpy",
        "scipy.ndimage",
        "scipy.sparse.csgraph",
        "skimage.segmentation",
        "skimage.filters",
        "PIL.Image",
        "tifffile",
    ),
    libraries=("scikit-image", "scipy", "numpy", "pillow", "tifffile", "defusedxml"),
    extra="imaging",
    nominal_cost_s=1.0,
    timeout_s=300,
    memory_mb=4096,
    examples=(
        Example(
            arguments={"pixels": SQUARE, "patch": 1, "bandwidth": 1.0},
            expected={"n_regions_last": 2},
            atol=0,
            source="a square and the ground around it, by construction",
        ),
    ),
)
def segment_universal(
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
    pixel_size: Annotated[float | None, Unit("um"), Field(gt=0)] = None,
    patch: Annotated[int, Field(ge=0, le=64)] = 0,
    thresholds: Annotated[
        tuple[Annotated[float, Field(ge=-1, le=1)], ...], Field(min_length=1, max_length=20)
    ] = LEVELS,
    feature_weight: Annotated[float, Field(ge=0, le=1)] = FEATURE_WEIGHT,
    temperature: Annotated[float, Field(gt=0, le=10)] = TEMPERATURE,
    bandwidth: Annotated[float, Field(gt=0, le=10)] = BANDWIDTH,
    backend: Literal["auto", "embedded", "checkpoint"] = "auto",
    refine: bool = True,
    seed: int = 0,
) -> Segmented:
    """Divide an image into regions at several levels, with scores, parents and classes.

    Patches merge with neighbours that are like them, by their own features and by how alike the whole image
    finds them, at decreasing thresholds (UniAP). Features are made by hand (``embedded``), or those of a
    vision transformer (``checkpoint``) whose ``config.json`` and weights, as ``model.st`` in safetensors, are
    among the files. The hand-made ones are no published model's, and neither are the scores.

    The files left are ``levels.npz`` (labels of each level, and scores, parents and classes of all regions),
    ``level_N.png`` or ``.tif`` (labels, 0 never occurs), and ``overlay.png``. Objects smaller than a patch
    are not found.

    Args:
        files: the image, and the mask where there is one: name, and SHA-256 of the artifact.
        image: which of the files: PNG, JPEG, TIFF, OME-TIFF, or npz with the array ``image``.
        pixels: instead of a file, the rows of a small grey image.
        mask: which of the files has the true objects, to say how well the regions cover them.
        mask_labels: instead of a file, the rows of their labels.
        axes: what the axes are, as ``zyx`` or ``yxc``, where the file does not know.
        z: which plane of a stack.
        time: which frame of a series.
        region: first row, first column, rows and columns; for images too large to be taken as a whole.
        pixel_size: edge of a pixel, where the file does not know.
        patch: edge of a patch in pixels; 0 takes the least that gives 4,096 patches at most.
        thresholds: similarities at which regions merge, decreasing: one level each.
        feature_weight: weight of the features, against that of the whole image's votes.
        temperature: of the softmax by which regions pool features.
        bandwidth: of the hand-made features: how different patches may be and still be alike.
        backend: which features; ``auto`` takes the model where one is among the files.
        refine: whether boundaries are moved to edges of the image within a patch.
        seed: of the hand-made features' random frequencies.

    References:
        UniAP: Li et al., AAAI 2026, doi:10.48550/arXiv.2508.06995.
    """
    found = image_of(pixels, files, image, axes=axes, region=region, pixel_size=pixel_size, z=z, time=time)
    truth = mask_of(mask_labels, files, mask, found, cut=bool(region))
    colours, warnings = found.colours(), list(found.warnings)
    features = _features(colours, files, backend=backend, patch=patch, bandwidth=bandwidth, seed=seed)
    try:
        levels = agglomerate(
            features.values,
            features.shape,
            thresholds=thresholds,
            feature_weight=feature_weight,
            vote_weight=1 - feature_weight,
            temperature=temperature,
        )
    except ValueError as error:
        raise ToolFailedError(str(error)) from error
    layers = to_layers(levels, features, found.grey(), refine=refine)
    recall = fit = None
    if truth is not None:
        if not truth.any():
            warnings.append("the mask is empty: there is no object to be found")
        else:
            ious, scores = proposals(layers, truth)
            recall, fit = average_recall(ious, scores, k=100), mean_best_iou(ious)
    _write(layers, colours)
    size = {axis: found.edge_um(axis) for axis in ("y", "x")}
    if None in size.values():
        warnings.append("the size of a pixel is not known: areas are in pixels")
    return Segmented(
        n_regions=len(layers[0].scores),
        n_regions_last=len(layers[-1].scores),
        best_region_score=float(max(layer.scores.max() for layer in layers)),
        mean_best_iou=fit,
        average_recall=recall,
        ran=f"UniAP, {features.backend}",
        warnings=tuple(warnings),
        details={
            "backend": features.backend,
            "features": features.source,
            "patch": features.patch,
            "grid": list(features.shape),
            "pixel_size_um": size,
            "origin": list(found.origin),
            "levels": [_told(layer, size) for layer in layers],
        },
    )


def patch_for(shape: tuple[int, int], *, tokens: int = USUAL_TOKENS) -> int:
    """Return the least edge of a patch that cuts an image into so many patches at most.

    Example:
        >>> patch_for((256, 256)), patch_for((520, 696)), patch_for((8, 8))
        (4, 10, 1)
    """
    patch = max(1, math.isqrt(shape[0] * shape[1] // tokens))
    while -(-shape[0] // patch) * -(-shape[1] // patch) > tokens:
        patch += 1
    return patch


def _features(
    colours: "NDArray[np.float32]",
    files: Mapping[str, str],
    *,
    backend: str,
    patch: int,
    bandwidth: float,
    seed: int,
) -> PatchFeatures:
    has_model = {"config.json", "model.st"} <= set(files)
    if backend == "checkpoint" and not has_model:
        raise ToolFailedError("the backend 'checkpoint' needs config.json and model.st among the files")
    if has_model and backend != "embedded":
        with TemporaryDirectory() as folder:
            for name, as_ in (("config.json", "config.json"), ("model.st", "model.safetensors")):
                Path(folder, as_).symlink_to(Path(IN_DIRECTORY, name).resolve())
            return checkpoint_features(colours, Path(folder))
    height, width, _ = colours.shape
    return hand_made_features(
        colours,
        patch=patch or patch_for((height, width)),
        bandwidth=bandwidth,
        surroundings=SURROUNDINGS,
        seed=seed,
    )


def _write(layers: list[Layer], colours: "NDArray[np.float32]") -> None:
    """Write the maps, where there is a place for files."""
    out = Path(OUT_DIRECTORY)
    if not out.is_dir():
        return
    labels = np.stack([layer.labels for layer in layers])
    arrays = {"labels": LabelledArray(labels, "1", ("level", "y", "x"))}
    for number, layer in enumerate(layers, 1):
        for name in ("scores", "parents", "classes"):
            arrays[f"{name}_{number}"] = LabelledArray(getattr(layer, name), "1", ("region",))
    save_arrays(out / "levels.npz", arrays)
    for number, layer in enumerate(layers, 1):
        write_mask(out / f"level_{number}.{'png' if len(layer.scores) < 65_536 else 'tif'}", layer.labels)
    write_overlay(out / "overlay.png", colours, layers[len(layers) // 2].labels)


def _told(layer: Layer, size: Mapping[str, float | None]) -> dict[str, Any]:
    from scipy.ndimage import find_objects

    y_edge, x_edge = size["y"], size["x"]
    areas = np.bincount(layer.labels.ravel(), minlength=len(layer.scores) + 1)
    places = find_objects(layer.labels)
    best = np.argsort(-layer.scores, kind="stable")[:MOST_TOLD]
    regions = []
    for i in map(int, best):
        rows, columns = places[i]
        told: dict[str, Any] = {
            "id": i + 1,
            "area_px": int(areas[i + 1]),
            "bbox": [rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start],
            "score": round(float(layer.scores[i]), 4),
            "coherence": round(float(layer.coherence[i]), 4),
            "contrast": round(float(layer.contrast[i]), 4),
        }
        if y_edge is not None and x_edge is not None:
            told["area_um2"] = round(float(areas[i + 1]) * y_edge * x_edge, 6)
        if len(layer.parents):
            told["parent"] = int(layer.parents[i])
        if len(layer.classes):
            told["class"] = int(layer.classes[i])
        regions.append(told)
    return {
        "threshold": layer.threshold,
        "n_regions": len(layer.scores),
        "n_classes": int(layer.classes.max()) if len(layer.classes) else None,
        "regions": regions,
    }
