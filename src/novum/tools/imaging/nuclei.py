"""imaging.segment_nuclei: a classical pipeline, its steps as parameters, scored against masks."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.sandbox.base import OUT_DIRECTORY
from novum.tools.base import Properties, tool
from novum.tools.examples import Example
from novum.tools.files import Files
from novum.tools.imaging.images import Image
from novum.tools.imaging.inputs import Labels, Pixels, image_of, mask_of
from novum.tools.imaging.masks import write_mask
from novum.tools.imaging.metrics import average_precision, dice, panoptic_quality
from novum.tools.imaging.overlays import write_overlay
from novum.tools.imaging.pipelines import Background, Denoise, Foreground, Pipeline, Split, Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASK_ENDINGS: Final = ("_labels", "_mask", "_masks")
"""What the name of a mask adds to that of its image, before the ending."""

DISCS: Final = [
    [
        1.0 if (y - 10) ** 2 + (x - 10) ** 2 < 30 or (y - 22) ** 2 + (x - 21) ** 2 < 30 else 0.0
        for x in range(32)
    ]
    for y in range(32)
]
"""Two bright discs."""


class Nuclei(Properties):
    """The objects that a pipeline finds, and how well they fit the masks."""

    n_objects: Annotated[int, Field(description="objects found, in all images", ge=0)]
    dsb_score: Annotated[
        float | None,
        Field(
            description="score of the Data Science Bowl 2018: TP / (TP + FP + FN), mean over IoU 0.5 to 0.95 "
            "and over images",
            ge=0,
            le=1,
        ),
    ] = None
    f1_at_50: Annotated[
        float | None, Field(description="F1 of objects at an IoU of 0.5, mean over images", ge=0, le=1)
    ] = None
    panoptic_quality: Annotated[
        float | None, Field(description="panoptic quality, mean over images", ge=0, le=1)
    ] = None
    dice_score: Annotated[
        float | None, Field(description="Dice of all objects together, mean over images", ge=0, le=1)
    ] = None


@tool(
    name="imaging.segment_nuclei",
    version="1",
    method="threshold and watershed",
    profile="imaging",
    preload=(
        "numpy",
        "scipy.ndimage",
        "skimage.feature",
        "skimage.filters",
        "skimage.morphology",
        "skimage.restoration",
        "skimage.segmentation",
        "PIL.Image",
        "tifffile",
    ),
    libraries=("scikit-image", "scipy", "numpy", "pillow", "tifffile", "defusedxml"),
    extra="imaging",
    nominal_cost_s=1.0,
    memory_mb=2048,
    examples=(
        Example(
            arguments={
                "pixels": DISCS,
                "mask_labels": [[int(v) * (1 if y < 16 else 2) for v in row] for y, row in enumerate(DISCS)],
                "denoise": "none",
                "opening": 0,
            },
            expected={"n_objects": 2, "dsb_score": 1.0, "dice_score": 1.0},
            atol=1e-9,
            source="two discs without noise, by construction",
        ),
    ),
)
def segment_nuclei(
    files: Files = {},  # noqa: B006 - pydantic copies it
    *,
    image: str = "",
    pixels: Pixels = [],  # noqa: B006
    mask: str = "",
    mask_labels: Labels = [],  # noqa: B006
    channel: Annotated[int | None, Field(ge=0)] = None,
    foreground: Foreground = "auto",
    denoise: Denoise = "gaussian",
    denoise_size: Annotated[float, Field(ge=0, le=10)] = 1.0,
    background: Background = "none",
    background_size: Annotated[float, Field(ge=2, le=200)] = 40.0,
    threshold: Threshold = "otsu",
    threshold_factor: Annotated[float, Field(ge=0.2, le=2)] = 1.0,
    local_size: Annotated[int, Field(ge=3, le=200)] = 25,
    split: Split = "distance",
    split_sigma: Annotated[float, Field(ge=0, le=10)] = 1.0,
    split_distance: Annotated[int, Field(ge=1, le=60)] = 5,
    opening: Annotated[int, Field(ge=0, le=10)] = 1,
    fill_holes: bool = True,
    grow: Annotated[int, Field(ge=-5, le=5)] = 0,
    min_area: Annotated[int, Field(ge=0, le=5000)] = 20,
    max_area: Annotated[int, Field(ge=0)] = 0,
) -> Nuclei:
    """Segment nuclei, cells or other roundish objects: denoise, background, threshold, watershed, size.

    Every step is a parameter, so that a search over parameters composes and tunes the pipeline. Without the
    name of an image all images among the files are taken that have a mask beside them (``a.png`` and
    ``a_labels.png`` or ``a_mask.png``), and scores are means over images; their standard deviations are the
    standard errors of those means. Lengths are in pixels.

    The files left are ``NAME_objects.png`` and ``NAME_overlay.png`` of up to eight images; in the overlay the
    objects are yellow, those of the mask blue.

    Args:
        files: images and masks: name, and SHA-256 of the artifact.
        image: which of the files, if only one.
        pixels: instead of a file, the rows of a small grey image.
        mask: which of the files has the true objects of that image.
        mask_labels: instead of a file, the rows of their labels.
        channel: which, from 0; where it is not said, the luminance or the mean of all.
        foreground: whether objects are brighter or darker than the ground; ``auto`` takes what covers less.
        denoise: the filter.
        denoise_size: its standard deviation or radius.
        background: what is subtracted: a wide blur, or all that is wider than the size.
        background_size: standard deviation of that blur, or half that width.
        threshold: the rule that tells objects from the ground.
        threshold_factor: moves the threshold; 1 leaves it.
        local_size: half the width of the neighbourhood of the local threshold.
        split: what touching objects are parted by.
        split_sigma: blur before middles of objects are sought.
        split_distance: least distance of two middles.
        opening: radius by which thin bridges and spots are taken away.
        fill_holes: whether holes are filled.
        grow: pixels by which outlines move out, or in.
        min_area: least area of an object.
        max_area: largest area of an object; 0 sets no limit.

    References:
        Otsu: doi:10.1109/TSMC.1979.4310076. Watershed: doi:10.1109/34.87344. scikit-image:
        doi:10.7717/peerj.453. Score: doi:10.1038/s41592-019-0612-7.
    """
    pipeline = Pipeline(
        foreground=foreground,
        denoise=denoise,
        denoise_size=denoise_size,
        background=background,
        background_size=background_size,
        threshold=threshold,
        threshold_factor=threshold_factor,
        local_size=local_size,
        split=split,
        split_sigma=split_sigma,
        split_distance=split_distance,
        opening=opening,
        fill_holes=fill_holes,
        grow=grow,
        min_area=min_area,
        max_area=max_area,
    )
    pairs = {image: mask} if image or pixels else pairs_of(files)
    if not pairs:
        raise ToolFailedError(
            "there is no image: name one, or give images with their masks, a.png and a_mask.png"
        )
    n_objects, warnings = 0, []
    scores: list[dict[str, float]] = []
    told: dict[str, Any] = {}
    for number, (name, mask_name) in enumerate(pairs.items()):
        found = image_of(pixels, files, name)
        truth = mask_of(mask_labels, files, mask_name, found)
        labels = pipeline.run(found.grey(channel))
        n = int(labels.max())
        n_objects += n
        one: dict[str, Any] = {"n_objects": n}
        if truth is not None:
            if not truth.any():
                warnings.append(f"the mask of {name or 'the image'} is empty: only finding nothing is right")
            scores.append(_scores(truth, labels))
            one |= {key: round(value, 5) for key, value in scores[-1].items()}
        told[name or "pixels"] = one
        if number < 8:
            _write(name, found, labels, truth)
    means, errors = _means(scores)
    return Nuclei(
        n_objects=n_objects,
        **means,
        std=errors,
        warnings=tuple(warnings),
        details={"images": told, "pipeline": {f: getattr(pipeline, f) for f in Pipeline.__slots__}},
    )


def pairs_of(files: Mapping[str, str]) -> dict[str, str]:
    """Return the images that have a mask beside them: image → mask.

    Example:
        >>> pairs_of({"a.png": "", "a_mask.tif": "", "b.png": ""})
        {'a.png': 'a_mask.tif'}
    """
    stems = {Path(name).stem: name for name in sorted(files)}
    return {
        name: stems[stem + ending]
        for stem, name in stems.items()
        for ending in MASK_ENDINGS
        if stem + ending in stems
    }


def _scores(truth: "NDArray[np.int32]", labels: "NDArray[np.int32]") -> dict[str, float]:
    quality = panoptic_quality(truth, labels)
    return {
        "dsb_score": average_precision(truth, labels),
        "f1_at_50": quality.recognition,
        "panoptic_quality": quality.quality,
        "dice_score": dice(truth, labels),
    }


def _means(scores: list[dict[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return means over images and, of two or more, their standard errors."""
    if not scores:
        return {}, {}
    columns = {key: np.array([one[key] for one in scores]) for key in scores[0]}
    n = len(scores)
    means = {key: float(values.mean()) for key, values in columns.items()}
    if n < 2:
        return means, {}
    return means, {key: float(values.std(ddof=1)) / math.sqrt(n) for key, values in columns.items()}


def _write(name: str, image: Image, labels: "NDArray[np.int32]", truth: "NDArray[np.int32] | None") -> None:
    out = Path(OUT_DIRECTORY)
    if not out.is_dir():
        return
    stem = Path(name).stem or "image"
    ending = "png" if labels.max(initial=0) < 65_536 else "tif"
    write_mask(out / f"{stem}_objects.{ending}", labels)
    write_overlay(out / f"{stem}_overlay.png", image.colours(), labels, truth=truth)
