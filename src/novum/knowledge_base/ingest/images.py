"""Images: PNG by Pillow, TIFF and OME-TIFF by tifffile, with the size of their pixels."""

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError, UnitError
from novum.core.knowledge import DataClass
from novum.core.quantity import DIMENSIONLESS, convert
from novum.core.text import clean_text
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.parsing import need, parsing
from novum.knowledge_base.ingest.units import parse_unit

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from tifffile import TiffFile

MAX_OME_XML_CHARS = 5_000_000
MAX_PLANES = 100_000
"""Planes of one TIFF."""

_MODES = {"1": "|b1", "L": "|u1", "P": "|u1", "I;16": "<u2", "I": "<i4", "F": "<f4"}


def read_png(task: Task) -> Iterator[Draft]:
    """Yield a draft for a PNG; the file itself is kept.

    The resolution that a PNG states is that of its printing, and says nothing of what it shows.

    Raises:
        IngestError: it is damaged, cut off, or has too many pixels.
    """
    from PIL import Image

    data = task.source.read(task.bounds.max_held_bytes)
    with (
        parsing("PNG", Image.DecompressionBombError),
        Image.open(io.BytesIO(data), formats=("PNG",)) as image,
    ):
        width, height = image.size
        _check_pixels(width, height, task)
        image.load()  # so that a file that is cut off does not pass
        bands, mode, n_frames = image.getbands(), image.mode, getattr(image, "n_frames", 1)
    if n_frames > 1:
        task.note(f"it is animated: {n_frames} frames, of which the first is described")
    shape = [height, width] if len(bands) == 1 else [height, width, len(bands)]
    axes = ["y", "x"] if len(bands) == 1 else ["y", "x", "channel"]
    array = {
        **task.store(data, "image.png", "image/png"),
        "shape": shape,
        "dtype": _MODES.get(mode, "|u1"),
        "axes": axes,
        "unit": DIMENSIONLESS,
    }
    yield _draft(task, array, _asked_size(task))


def read_tiff(task: Task) -> Iterator[Draft]:
    """Yield a draft for each image of a TIFF; the file itself is kept, and its pixels are not unpacked.

    The size of pixels is taken from OME-XML or ImageJ's description. The resolution that any TIFF states is
    that of its printing, and says nothing of what it shows.

    Raises:
        IngestError: it is damaged, cut off, has too many pixels, or its OME-XML defines entities.
        MissingExtraError: tifffile or defusedxml is not installed.
    """
    need("tifffile", feature="reading TIFF", extra="ingest-imaging")
    import tifffile

    data = task.source.read(task.bounds.max_held_bytes)
    with (
        parsing("TIFF", logger="tifffile") as said,
        tifffile.TiffFile(io.BytesIO(data), name="", _multifile=False) as file,
    ):
        _check_pages(file, task)
        if said.errors:
            raise IngestError(f"it is damaged: {said.errors[0]}")
        description = file.pages.first.description
        if len(description) > MAX_OME_XML_CHARS:
            raise IngestError(f"its description has {len(description)} characters")
        images = (_ome_images(description, n_pages=len(file.pages)) if file.is_ome else []) or [
            _plain_image(file)
        ]
    stored = task.store(data, "image.tiff", "image/tiff")
    for number, (facts, size) in enumerate(images, 1):
        locator = {"image": number} if len(images) > 1 else {}
        yield _draft(task, {**stored, **facts}, size or _asked_size(task), locator=locator)


def _draft(
    task: Task, array: dict[str, Any], size: dict[str, float], *, locator: dict[str, Any] | None = None
) -> Draft:
    """Return the draft of an image; `size` is the edge of a pixel in micrometres along each axis."""
    named = dict(zip(array["axes"], array["shape"], strict=True))
    others = ", ".join(f"{n} along {axis}" for axis, n in named.items() if axis not in ("x", "y"))
    if not size:
        task.note("the size of its pixels is not known; say it as pixel_size_um")
    said = " × ".join(f"{edge:.6g}" for edge in size.values())
    names = [clean_text(str(name), limit=80) for name in array.pop("channels", [])]
    conditions: dict[str, Any] = {f"pixel_size_{axis} [µm]": edge for axis, edge in size.items()}
    if names:
        conditions["channels"] = names
    return Draft(
        data_class=DataClass.VISUAL,
        subject=task.subject,
        label=task.about.subject or task.source.name,
        relation="image",
        object=f"sha256:{array['sha256']}",
        text=(
            f"Image of {named.get('x', 0)} × {named.get('y', 0)} pixels{f', {others}' if others else ''}, "
            f"{f'{said} µm a pixel' if size else 'pixel size unknown'}"
            f"{', channels ' + ', '.join(names) if names else ''}."
        ),
        conditions=conditions,
        arguments={"array": array},
        locator=locator or {},
        flags=flags_of(" ".join(names)),
    )


def _check_pixels(width: int, height: int, task: Task) -> None:
    if width * height > task.bounds.max_pixels:
        raise IngestError(
            f"it has {width} × {height} pixels, {width * height / 1e6:.0f} megapixels; at most "
            f"{task.bounds.max_pixels / 1e6:.0f} are taken"
        )


def _check_pages(file: "TiffFile", task: Task) -> None:
    """Hold every page against the limits and against the end of the file."""
    n_planes = 0
    for page in file.pages:
        n_planes += 1
        if n_planes > MAX_PLANES:
            raise IngestError(f"it has more than {MAX_PLANES} planes")
        page = page.aspage()
        _check_pixels(page.imagewidth, page.imagelength, task)
        ends = [start + n for start, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > task.source.size:
            raise IngestError(f"it is cut off: the pixels of plane {n_planes} lie behind its end")
    if not n_planes:
        raise IngestError("it holds no image")


def _plain_image(file: "TiffFile") -> tuple[dict[str, Any], dict[str, float]]:
    series = file.series[0]
    names = {"S": "channel", "C": "channel", "Z": "z", "T": "time", "Y": "y", "X": "x"}
    axes = [names.get(axis, axis.lower()) for axis in series.axes]
    if len(set(axes)) < len(axes):  # channels and samples
        axes = [f"{axis}_{i}" if axes.count(axis) > 1 else axis for i, axis in enumerate(axes)]
    facts = {
        "shape": [int(n) for n in series.shape],
        "dtype": series.dtype.str,
        "axes": axes,
        "unit": DIMENSIONLESS,
    }
    about = file.imagej_metadata or {}
    unit = {"micron": "um", "\\u00B5m": "um"}.get(str(about.get("unit", "")), str(about.get("unit", "")))
    if not unit or unit in ("pixel", "inch"):
        return facts, {}
    tags = file.pages.first.aspage().tags
    size = {}
    for axis, tag in (("y", "YResolution"), ("x", "XResolution")):
        per_unit = tags[tag].value if tag in tags else (0, 1)
        if per_unit[0]:
            edge = _micrometres(per_unit[1] / per_unit[0], unit)
            if edge is not None:
                size[axis] = edge
    return facts, size


def _ome_images(description: str, *, n_pages: int) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """Return shape and pixel size of each image that an OME-XML describes.

    Raises:
        IngestError: it defines entities, is no XML, or announces more planes than there are.
        MissingExtraError: defusedxml is not installed.
    """
    need("defusedxml", feature="reading OME-TIFF", extra="ingest-imaging")
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.fromstring(description, forbid_dtd=True)
    except DefusedXmlException as error:
        raise IngestError("its OME-XML defines entities, which none needs") from error
    except ElementTree.ParseError as error:
        raise IngestError(f"its OME-XML cannot be read: {error}") from error
    n_planes = 0
    elsewhere = any(element.tag.endswith("UUID") and element.get("FileName") for element in root.iter())
    images = []
    for pixels in root.iter():
        if pixels.tag.rpartition("}")[2] == "Pixels":
            images.append(_ome_image(pixels))
            n_planes += math.prod(int(pixels.get(f"Size{axis}", "1")) for axis in "ZT")
    if n_planes > n_pages and not elsewhere:
        raise IngestError(f"it is cut off: {n_planes} planes are announced, and {n_pages} are there")
    return images


def _ome_image(pixels: "Element") -> tuple[dict[str, Any], dict[str, float]]:
    order = pixels.get("DimensionOrder", "XYCZT")[::-1]
    names = {"X": "x", "Y": "y", "Z": "z", "C": "channel", "T": "time"}
    known = [axis for axis in order if axis in names]
    kept = [axis for axis in known if int(pixels.get(f"Size{axis}", "1")) > 1 or axis in "XY"]
    kinds = {
        "int8": "|i1", "int16": "<i2", "int32": "<i4", "uint8": "|u1", "uint16": "<u2", "uint32": "<u4",
        "float": "<f4", "double": "<f8", "bit": "|b1",
    }  # fmt: skip
    channels = [c.get("Name", "") for c in pixels.iter() if c.tag.rpartition("}")[2] == "Channel"]
    facts = {
        "shape": [int(pixels.get(f"Size{axis}", "1")) for axis in kept],
        "dtype": kinds.get(pixels.get("Type", ""), ""),
        "axes": [names[axis] for axis in kept],
        "unit": DIMENSIONLESS,
        "channels": [name for name in channels if name],
    }
    size = {}
    for axis in reversed(kept):
        stated = pixels.get(f"PhysicalSize{axis}")
        if stated is not None:
            edge = _micrometres(float(stated), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
            if edge is not None:
                size[names[axis]] = edge
    return facts, size


def _asked_size(task: Task) -> dict[str, float]:
    edge = task.about.pixel_size_um
    return {} if edge is None else {"x": edge, "y": edge}


def _micrometres(value: float, unit: str) -> float | None:
    """Return a length in micrometres; None if it is none, or not positive."""
    try:
        edge = convert(value, parse_unit(unit), "um")
    except UnitError:
        return None
    return float(f"{edge:.9g}") if math.isfinite(edge) and edge > 0 else None
