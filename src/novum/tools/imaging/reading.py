"""Images from files: PNG and JPEG by Pillow, TIFF by tifffile, arrays as tools write them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from novum.core.errors import NovumError, ToolFailedError
from novum.sandbox.files.arrays import load_arrays
from novum.tools.imaging.images import AXES, LARGEST_BYTES, MOST_PIXELS, Image
from novum.tools.imaging.tiff import DAMAGED, Region, in_order, read_tiff

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TIFF: Final = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_JPEG: Final = b"\xff\xd8\xff"
_ZIP: Final = b"PK\x03\x04"


def read_image(path: Path, *, axes: str = "", region: Region | None = None) -> Image:
    """Return an image; its format is that of its content, whatever it is called.

    The resolution that a PNG, a JPEG or a plain TIFF states is that of its printing, and is not taken for
    the size of what it shows. An array is the member ``image`` of an ``.npz``, with its axes.

    Args:
        path: the file.
        axes: what the axes are, as ``zyx`` or ``yxc``, where the file does not know it or is wrong.
        region: first row, first column, rows and columns; of large TIFFs only.

    Raises:
        ToolFailedError: there is no such file, or it is damaged, cut off, too large, of another format, or
            its axes are not understood.
    """
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise ToolFailedError(f"{path.name!r} cannot be read: {error.strerror}") from error
    if head.startswith(_TIFF):
        found = read_tiff(path, region=region)
    elif head.startswith((_PNG, _JPEG)):
        found = _cut(_read_pillow(path, head), region, path.name)
    elif head.startswith(_ZIP):
        found = _cut(_read_npz(path, axes), region, path.name)
    else:
        raise ToolFailedError(f"{path.name!r} is no PNG, JPEG, TIFF or npz")
    return _renamed(found, axes) if axes else found


def regions(shape: tuple[int, int], *, size: int, overlap: int = 0) -> Iterator[Region]:
    """Yield regions that cover an image, row by row.

    Args:
        shape: rows and columns.
        size: of a region, in pixels.
        overlap: pixels that neighbours share.

    Raises:
        ValueError: the overlap is as large as a region.

    Example:
        >>> list(regions((3, 5), size=3, overlap=1))
        [(0, 0, 3, 3), (0, 2, 3, 3)]
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} pixels does not fit regions of {size}")
    for y in range(0, max(1, shape[0] - overlap), size - overlap):
        for x in range(0, max(1, shape[1] - overlap), size - overlap):
            yield y, x, min(size, shape[0] - y), min(size, shape[1] - x)


def _read_pillow(path: Path, head: bytes) -> Image:
    import warnings

    import numpy as np
    from PIL import Image as Pillow

    if head.startswith(_PNG) and head[24] == 16 and head[25] != 0:  # Pillow would halve the bits unasked
        raise ToolFailedError(
            f"{path.name} has colours of 16 bits, which PNG readers cut to 8; save it as TIFF"
        )
    try:
        with warnings.catch_warnings(), Pillow.open(path, formats=("PNG", "JPEG")) as image:
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # the size is checked here
            _check_size(image.size[1], image.size[0], path.name)
            image.load()
            if image.mode == "P":
                image = image.convert("RGB")  # type: ignore[assignment] # both are images
            values: NDArray[Any] = np.asarray(image)
    except (*DAMAGED, SyntaxError, Pillow.DecompressionBombError) as error:
        raise ToolFailedError(f"{path.name} cannot be read: {error}") from error
    return Image(values, ("y", "x") if values.ndim == 2 else ("y", "x", "channel"))


def _read_npz(path: Path, axes: str) -> Image:
    try:
        arrays = load_arrays(path, limit_bytes=LARGEST_BYTES)
    except NovumError as error:
        raise ToolFailedError(str(error)) from error
    name = "image" if "image" in arrays else next(iter(arrays), "")
    if not name or (name != "image" and len(arrays) > 1):
        raise ToolFailedError(f"which array of {path.name} is the image? call it 'image'")
    found = arrays[name]
    stated = tuple(found.axes or _spelt(axes) or (("y", "x") if found.values.ndim == 2 else ()))
    if found.values.ndim == 2:
        _check_size(found.values.shape[0], found.values.shape[1], path.name)
    return Image(found.values, stated)


def _check_size(height: int, width: int, name: str) -> None:
    if height * width > MOST_PIXELS:
        raise ToolFailedError(
            f"{name} has {height} × {width} pixels, {height * width / 1e6:.0f} megapixels; at most "
            f"{MOST_PIXELS / 1e6:.0f} are read: save it as TIFF, of which regions are read"
        )


def _cut(image: Image, region: Region | None, name: str) -> Image:
    if region is None:
        return image
    y, x, rows, columns = region
    h, w = image.shape
    if min(y, x) < 0 or min(rows, columns) < 1 or y + rows > h or x + columns > w:
        raise ToolFailedError(f"the region {list(region)} is not within the {h} × {w} pixels of {name}")
    where: list[slice] = [slice(None)] * image.values.ndim
    where[image.axes.index("y")] = slice(y, y + rows)
    where[image.axes.index("x")] = slice(x, x + columns)
    return Image(image.values[tuple(where)], image.axes, image.pixel_size, image.channels, (y, x))


def _renamed(image: Image, axes: str) -> Image:
    names = _spelt(axes)
    if len(names) != image.values.ndim:
        raise ToolFailedError(f"axes {axes!r} name {len(names)} axes; the image has {image.values.ndim}")
    values, ordered = in_order(image.values, names)
    return Image(values, ordered, image.pixel_size, image.channels, image.origin, image.warnings)


def _spelt(axes: str) -> tuple[str, ...]:
    known = {name[0]: name for name in AXES}
    unknown = sorted(set(axes.lower()) - set(known))
    if unknown:
        raise ToolFailedError(f"axes {axes!r}: {unknown[0]!r} is none of {', '.join(known)}")
    return tuple(known[letter] for letter in axes.lower())
