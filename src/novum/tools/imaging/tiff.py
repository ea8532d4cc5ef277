"""TIFF, OME-TIFF and ImageJ's: planes and regions of them, within bounded memory.

tifffile tells what is where. Segments are decoded here one at a time, after it is known that they unfold to
no more than they should; what tifffile cannot decode alone (LZW, JPEG) is decoded by Pillow.
"""

import io
import logging
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from novum.core.errors import ToolFailedError
from novum.core.quantity import Quantity
from novum.tools.imaging.images import AXES, LARGEST_BYTES, MOST_PIXELS, Image, edge

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

DAMAGED: Final = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError, EOFError,
                  AttributeError, struct.error, zlib.error)  # fmt: skip
"""What the parsers raise on bytes that they did not expect."""

Region = tuple[int, int, int, int]
"""First row, first column, rows, columns."""

MOST_PLANES: Final = 10_000
_NAMES: Final = {
    "T": "time",
    "Z": "z",
    "Y": "y",
    "X": "x",
    "C": "channel",
    "S": "channel",
    "I": "z",
    "Q": "z",
}
_NONE, _DEFLATE, _ADOBE = 1, 32946, 8
_LONGEST_XML: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class _About:
    """What a description says."""

    pixel_size: Mapping[str, Quantity]
    channels: tuple[str, ...]


def read_tiff(path: Path, *, region: Region | None = None) -> Image:
    """Return the first image of a TIFF, or a region of it.

    Args:
        path: the file.
        region: what to read, in pixels; only the strips or tiles that it touches are decoded.

    Raises:
        ToolFailedError: it is damaged, cut off, too large, lies outside, or has axes that are not understood.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its findings become errors here
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            return _read(file, path, region)
    except ToolFailedError:
        raise
    except DAMAGED as error:
        raise ToolFailedError(f"{path.name} cannot be read as TIFF: {str(error)[:200]}") from error


def _read(file: "TiffFile", path: Path, region: Region | None) -> Image:
    import numpy as np

    series = file.series[0]
    axes, warnings = _axes(series.axes, series.shape)
    pages = [page.aspage() for page in series.pages if page is not None]
    if not pages or len(pages) > MOST_PLANES:
        raise ToolFailedError(f"{path.name} has {len(pages)} planes; 1 to {MOST_PLANES} are read")
    size = path.stat().st_size
    for number, page in enumerate(pages, 1):
        ends = [a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > size:
            raise ToolFailedError(f"{path.name} is cut off: the pixels of plane {number} lie behind its end")
    height, width = pages[0].imagelength, pages[0].imagewidth
    y, x, rows, columns = _checked(region, height, width, path.name)
    wanted = len(pages) * rows * columns * pages[0].samplesperpixel * series.dtype.itemsize
    if wanted > LARGEST_BYTES:
        raise ToolFailedError(f"{path.name} unfolds to {wanted / 2**30:.1f} GB; at most 1 is read")
    if math.prod(series.shape) != len(pages) * math.prod(pages[0].shape):
        raise ToolFailedError(f"{path.name} announces {series.shape}, and holds {len(pages)} planes")
    planes = [_decode(page, path, (y, x, rows, columns)) for page in pages]
    cut = {"Y": rows, "X": columns}
    shape = [cut.get(name, n) for name, n in zip(series.axes, series.shape, strict=True)]
    values = np.stack(planes).reshape(shape)
    about = _about(file)
    values, axes = in_order(values, axes)
    return Image(
        values,
        axes,
        pixel_size=about.pixel_size,
        channels=about.channels if len(about.channels) > 1 else (),
        origin=(y, x),
        warnings=tuple(warnings),
    )


def _axes(stated: str, shape: tuple[int, ...]) -> tuple[tuple[str, ...], list[str]]:
    warnings = []
    names = []
    for letter, n in zip(stated, shape, strict=True):
        if letter not in _NAMES:
            raise ToolFailedError(f"the TIFF has an axis {letter!r} of {n}; known are T, Z, C, Y, X and S")
        if letter in "IQ":
            warnings.append(f"{n} planes without a name are taken as z")
        names.append(_NAMES[letter])
    if len(set(names)) < len(names):
        raise ToolFailedError(f"the TIFF's axes {stated!r} are not understood: two of one kind")
    return tuple(names), warnings


def in_order(values: "NDArray[Any]", axes: tuple[str, ...]) -> tuple["NDArray[Any]", tuple[str, ...]]:
    """Return an array with its axes in the order of `AXES`."""
    order = sorted(range(len(axes)), key=lambda i: AXES.index(axes[i]))
    return values.transpose(order), tuple(axes[i] for i in order)


def _checked(region: Region | None, height: int, width: int, name: str) -> Region:
    if region is None:
        if height * width > MOST_PIXELS:
            raise ToolFailedError(
                f"{name} has {height} × {width} pixels, {height * width / 1e6:.0f} megapixels; "
                f"at most {MOST_PIXELS / 1e6:.0f} are read at once: give a region"
            )
        return 0, 0, height, width
    y, x, rows, columns = region
    if min(y, x) < 0 or min(rows, columns) < 1 or y + rows > height or x + columns > width:
        raise ToolFailedError(
            f"the region {list(region)} is not within the {height} × {width} pixels of {name}"
        )
    if rows * columns > MOST_PIXELS:
        raise ToolFailedError(f"the region has {rows * columns / 1e6:.0f} megapixels; take smaller ones")
    return region


def _decode(page: "TiffPage", path: Path, region: Region) -> "NDArray[Any]":
    """Return a region of a plane, segment by segment."""
    import numpy as np

    y, x, rows, columns = region
    if int(page.compression) not in (_NONE, _DEFLATE, _ADOBE):
        return _by_pillow(page, path)[y : y + rows, x : x + columns]
    samples, planar = page.samplesperpixel, int(page.planarconfig) == 2
    out = np.zeros((samples if planar else 1, rows, columns, 1 if planar else samples), dtype=page.dtype)
    tall = page.tilelength if page.is_tiled else page.rowsperstrip
    wide = page.tilewidth if page.is_tiled else page.imagewidth
    most = tall * wide * (1 if planar else samples) * page.dtype.itemsize
    if most > LARGEST_BYTES:
        raise ToolFailedError(f"{path.name} is stored in one piece of {most / 2**30:.1f} GB")
    across = -(-page.imagewidth // wide)
    down = -(-page.imagelength // tall)
    handle = page.parent.filehandle
    for index, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        row, column = divmod(index % (across * down), across)
        if row * tall >= y + rows or (row + 1) * tall <= y or column * wide >= x + columns or (
            column + 1
        ) * wide <= x:  # fmt: skip
            continue
        if not count:
            continue
        handle.seek(offset)
        raw = handle.read(count)
        if len(raw) != count:
            raise ToolFailedError(f"{path.name} is cut off")
        if int(page.compression) != _NONE:
            _check_unfolding(raw, most, path.name)
        segment, (_, s, top, left, _), shape = page.decode(raw, index)
        if segment is None or shape is None:
            continue
        segment = segment[0, : shape[1], : shape[2]]
        a, b = max(y, top), min(y + rows, top + shape[1])
        c, d = max(x, left), min(x + columns, left + shape[2])
        if a < b and c < d:
            out[s if planar else 0, a - y : b - y, c - x : d - x] = segment[
                a - top : b - top, c - left : d - left
            ]
    found = out if planar else out[0]
    return found[..., 0] if planar or samples == 1 else found


def _check_unfolding(raw: bytes, most: int, name: str) -> None:
    unfolding = zlib.decompressobj()
    unfolding.decompress(raw, most + 1024)
    if unfolding.unconsumed_tail:
        raise ToolFailedError(f"{name} unfolds to more than its {most} bytes a piece")


def _by_pillow(page: "TiffPage", path: Path) -> "NDArray[Any]":
    import numpy as np
    from PIL import Image as Pillow

    if page.imagewidth * page.imagelength > MOST_PIXELS:
        raise ToolFailedError(
            f"{path.name} is compressed as {page.compression.name}, of which regions are not read; "
            f"save it with deflate, or uncompressed"
        )
    with Pillow.open(io.BytesIO(path.read_bytes()), formats=("TIFF",)) as image:
        image.seek(page.index)
        values = np.asarray(image)
    if values.dtype.itemsize < page.dtype.itemsize or values.shape != page.shape:
        raise ToolFailedError(
            f"{path.name} is compressed as {page.compression.name}, of which {page.dtype} pixels are "
            f"not read; save it with deflate, or uncompressed"
        )
    return values


def _about(file: "TiffFile") -> _About:
    """Return pixel size and channels. The resolution of a plain TIFF is that of its printing."""
    if file.is_ome:
        return _from_ome(file.pages.first.description)
    told = file.imagej_metadata or {}
    unit = str(told.get("unit", ""))
    size = {}
    tags = file.pages.first.aspage().tags
    for axis, tag in (("y", "YResolution"), ("x", "XResolution")):
        per = tags[tag].value if tag in tags else (0, 1)
        found = edge(per[1] / per[0], unit) if unit and unit not in ("inch", "cm") and per[0] else None
        if found is not None:
            size[axis] = found
    depth = edge(told.get("spacing", 0), unit)
    if depth is not None:
        size["z"] = depth
    return _About(size, tuple(str(name) for name in told.get("Labels", ()) if told.get("channels", 1) > 1))


def _from_ome(description: str) -> _About:
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    if len(description) > _LONGEST_XML:
        raise ToolFailedError(f"the OME-XML has {len(description)} characters")
    try:
        root = ElementTree.fromstring(description, forbid_dtd=True)
    except (DefusedXmlException, ElementTree.ParseError) as error:
        raise ToolFailedError(f"the OME-XML cannot be read: {error}") from error
    pixels = next((item for item in root.iter() if item.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return _About({}, ())
    size = {}
    for axis in ("x", "y", "z"):
        stated = pixels.get(f"PhysicalSize{axis.upper()}")
        found = edge(stated, pixels.get(f"PhysicalSize{axis.upper()}Unit", "um")) if stated else None
        if found is not None:
            size[axis] = found
    names = (item.get("Name", "") for item in pixels.iter() if item.tag.rpartition("}")[2] == "Channel")
    return _About(size, tuple(name[:80] for name in names if name))
