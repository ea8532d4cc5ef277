"""Pictures of segmentations: the image with the outlines of its regions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST: Final = 1600
"""Pixels of a picture's longer side; of a larger image, every n-th pixel is shown."""


def stretched(colours: "NDArray[np.float32]") -> "NDArray[np.uint8]":
    """Return an image as it is looked at, shape (h, w, 3): the 1st to 99.8th percentile, from 0 to 255.

    Of other than three channels the mean is shown.
    """
    import numpy as np

    shown = colours if colours.shape[2] == 3 else colours.mean(axis=2, keepdims=True)
    low, high = np.percentile(shown, (1, 99.8))
    scaled = ((shown - low) / max(float(high - low), 1e-12)).clip(0, 1) * 255
    return np.broadcast_to(scaled.astype(np.uint8), (*shown.shape[:2], 3)).copy()


def outlined(
    colours: "NDArray[np.float32]", labels: "NDArray[Any]", *, colour: tuple[int, int, int] = (255, 220, 0)
) -> "NDArray[np.uint8]":
    """Return an image with the outlines of regions, shape (h, w, 3)."""
    from skimage.segmentation import find_boundaries

    shown = stretched(colours)
    shown[find_boundaries(labels, mode="inner")] = colour
    return shown


def write_overlay(
    path: Path,
    colours: "NDArray[np.float32]",
    labels: "NDArray[Any]",
    *,
    truth: "NDArray[Any] | None" = None,
) -> None:
    """Write a PNG of an image with outlines: of the regions in yellow, of the truth in blue."""
    import numpy as np
    from PIL import Image as Pillow
    from skimage.segmentation import find_boundaries

    step = -(-max(labels.shape) // LONGEST)
    small = labels[::step, ::step]
    shown = outlined(colours[::step, ::step], small)
    if truth is not None:
        shown[find_boundaries(np.asarray(truth)[::step, ::step], mode="inner")] = (70, 130, 255)
    Pillow.fromarray(shown).save(path)
