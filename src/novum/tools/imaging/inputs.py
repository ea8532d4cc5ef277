"""The image of a call: one of its files, or its pixels in the call itself; and the mask beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.sandbox.base import IN_DIRECTORY
from novum.tools.imaging.images import Image
from novum.tools.imaging.masks import read_mask
from novum.tools.imaging.reading import read_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = Annotated[list[float], Field(max_length=128)]

Pixels = Annotated[list[Row], Field(max_length=128)]
"""The rows of a small grey image."""

LabelRow = Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=128)]

Labels = Annotated[list[LabelRow], Field(max_length=128)]
"""The rows of a small label image; 0 is no object."""

RegionArgument = Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=4)]
"""First row, first column, rows and columns; empty for all."""


def image_of(
    pixels: list[list[float]],
    files: Mapping[str, str],
    name: str,
    *,
    axes: str = "",
    region: list[int] | None = None,
    pixel_size: float | None = None,
    z: int | None = None,
    time: int | None = None,
) -> Image:
    """Return the plane that a call is about.

    Raises:
        ToolFailedError: there is no image, or more than one, or it cannot be read.
    """
    import numpy as np

    if pixels and (axes or region):
        raise ToolFailedError("'axes' and 'region' are for images in files; 'pixels' are rows of one plane")
    if pixels and name:
        raise ToolFailedError("give the image by 'pixels' or by 'image', not by both")
    if pixels:
        if len({len(row) for row in pixels}) != 1 or not pixels[0]:
            raise ToolFailedError("the rows of 'pixels' differ in length, or are empty")
        found = Image(np.array(pixels, dtype=np.float64), ("y", "x"))
    elif not name:
        raise ToolFailedError("there is no image: give 'files' and say by 'image' which, or give 'pixels'")
    else:
        path = _place(files, name)
        if region and len(region) != 4:
            raise ToolFailedError("a region is first row, first column, rows and columns")
        where = (region[0], region[1], region[2], region[3]) if region else None
        found = read_image(path, axes=axes, region=where)
    return found.plane(z=z, time=time).with_pixel_size(pixel_size)


def mask_of(
    labels: list[list[int]], files: Mapping[str, str], name: str, image: Image, *, cut: bool = False
) -> "NDArray[np.int32] | None":
    """Return the true objects that a call names; None where it names none.

    Args:
        labels: the mask itself.
        files: of the call.
        name: of the mask among them.
        image: that it belongs to.
        cut: whether the image is a region of the one that the mask belongs to.

    Raises:
        ToolFailedError: it cannot be read, or has another size than the image.
    """
    import numpy as np

    if labels and name:
        raise ToolFailedError("give the mask by 'mask_labels' or by 'mask', not by both")
    if labels:
        if len({len(row) for row in labels}) != 1:
            raise ToolFailedError("the rows of 'mask_labels' differ in length")
        found = np.array(labels, dtype=np.int32)
        if found.shape != image.shape:
            raise ToolFailedError(
                f"the mask has {found.shape[0]} × {found.shape[1]} pixels, "
                f"the image {image.shape[0]} × {image.shape[1]}"
            )
        return found
    if not name:
        return None
    region = (*image.origin, *image.shape) if cut else None
    return read_mask(_place(files, name), shape=image.shape, region=region)


def _place(files: Mapping[str, str], name: str) -> Path:
    if name not in files:
        raise ToolFailedError(f"no file is {name!r}; the files are {', '.join(sorted(files)) or 'none'}")
    return Path(IN_DIRECTORY, name)
