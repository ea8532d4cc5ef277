"""Masks: which object each pixel belongs to, as label images and as COCO's run lengths."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from novum.core.errors import ToolFailedError
from novum.sandbox.files.arrays import LabelledArray, save_arrays
from novum.tools.imaging.images import MOST_PIXELS
from novum.tools.imaging.reading import read_image
from novum.tools.imaging.tiff import Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_JSON: Final = 64_000_000


def read_mask(
    path: Path, *, shape: tuple[int, int] | None = None, region: Region | None = None
) -> "NDArray[np.int32]":
    """Return the label of each pixel, 0 where there is no object, shape (h, w).

    A label image is a PNG, TIFF or npz of whole numbers; one of two values is a mask, whose connected parts
    become the objects. COCO annotations are JSON: a list of ``{"segmentation": {"size": …, "counts": …}}``,
    or an object that has it as ``annotations``.

    Args:
        path: the file.
        shape: of the image that it belongs to.
        region: first row, first column, rows and columns, where only they are wanted.

    Raises:
        ToolFailedError: it cannot be read, is no mask, does not cover the region, or has another size than
            the image.
    """
    labels = _read_coco(path, region) if path.suffix == ".json" else _read_label_image(path, region)
    if shape is not None and labels.shape != shape:
        raise ToolFailedError(
            f"the mask {path.name} has {labels.shape[0]} × {labels.shape[1]} pixels, "
            f"the image {shape[0]} × {shape[1]}"
        )
    return labels


def write_mask(path: Path, labels: "NDArray[Any]") -> None:
    """Write labels: as a 16-bit PNG, a TIFF, an npz, or COCO annotations, by the ending of the name.

    Raises:
        ToolFailedError: the ending is another, or a PNG cannot hold that many labels.
    """
    import numpy as np

    found = np.asarray(labels)
    match path.suffix:
        case ".png":
            from PIL import Image as Pillow

            if found.max(initial=0) > 0xFFFF:
                raise ToolFailedError("a PNG holds 65,535 labels at most; write a TIFF")
            Pillow.fromarray(found.astype(np.uint16)).save(path)
        case ".tif" | ".tiff":
            import tifffile

            tifffile.imwrite(path, found.astype(np.int32), compression="zlib", metadata={"axes": "YX"})
        case ".npz":
            save_arrays(path, {"labels": LabelledArray(found.astype(np.int32), "1", ("y", "x"))})
        case ".json":
            path.write_text(json.dumps({"annotations": to_coco(found)}))
        case _:
            raise ToolFailedError(f"{path.name!r}: masks are written as png, tif, npz or json")


def to_coco(labels: "NDArray[Any]") -> list[dict[str, Any]]:
    """Return each object as an annotation with uncompressed run lengths, column by column as COCO has them.

    Example:
        >>> import numpy as np
        >>> to_coco(np.array([[0, 1], [0, 1]]))[0]["segmentation"]
        {'size': [2, 2], 'counts': [2, 2]}
    """
    import numpy as np
    from scipy.ndimage import find_objects

    found = []
    for label, box in enumerate(find_objects(labels), 1):
        if box is None:
            continue
        mask = labels == label
        rows, columns = box
        found.append(
            {
                "id": label,
                "area": int(np.count_nonzero(mask)),
                "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                "iscrowd": 0,
                "segmentation": {"size": list(labels.shape), "counts": _runs(mask)},
            }
        )
    return found


def from_coco(segmentations: Sequence[Mapping[str, Any]]) -> "NDArray[np.int32]":
    """Return labels of segmentations with run lengths, as numbers or as COCO's compressed text.

    Where objects overlap, the later one is on top.

    Raises:
        ToolFailedError: there is none, they differ in size, or run past their end.
    """
    import numpy as np

    if not segmentations:
        raise ToolFailedError("there is no segmentation")
    size = segmentations[0].get("size")
    if (
        not isinstance(size, list)
        or len(size) != 2
        or not all(isinstance(n, int) and n > 0 for n in size)
        or size[0] * size[1] > MOST_PIXELS
    ):
        raise ToolFailedError(f"a segmentation of size {size!r} is none")
    flat = np.zeros(size[0] * size[1], dtype=np.int32)
    for label, item in enumerate(segmentations, 1):
        counts = item.get("counts")
        runs = _uncompressed(counts) if isinstance(counts, str) else counts
        if item.get("size") != size or not isinstance(runs, list):
            raise ToolFailedError(f"segmentation {label} has another size, or no run lengths")
        if not all(isinstance(n, int) and n >= 0 for n in runs) or sum(runs) != len(flat):
            raise ToolFailedError(
                f"the run lengths of segmentation {label} do not cover its {len(flat)} pixels"
            )
        ends = np.cumsum(runs)
        for start, end in zip(ends[0::2], ends[1::2], strict=False):
            flat[start:end] = label
    return np.ascontiguousarray(flat.reshape(size[1], size[0]).T)


def _runs(mask: "NDArray[np.bool_]") -> list[int]:
    import numpy as np

    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    edges = np.concatenate([[0], changes, [len(flat)]])
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if flat[0] else runs


def _uncompressed(text: str) -> list[int]:
    """Return run lengths of COCO's text: 5 bits a character; the fourth on is told by its difference."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        piece = ord(character) - 48
        if not 0 <= piece < 64:
            raise ToolFailedError("the run lengths are no COCO text")
        value |= (piece & 0x1F) << shift
        shift += 5
        if not piece & 0x20:
            if piece & 0x10:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def _read_coco(path: Path, region: Region | None) -> "NDArray[np.int32]":
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ToolFailedError(f"{path.name} is larger than {LARGEST_JSON / 1e6:.0f} MB")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ToolFailedError(f"{path.name} cannot be read as COCO annotations: {error}") from error
    items = data.get("annotations") if isinstance(data, dict) else data
    parts = [item.get("segmentation") for item in items or () if isinstance(item, dict)]
    found = [item for item in parts if isinstance(item, dict)]
    if not found or len(found) < len(parts):
        raise ToolFailedError(f"{path.name} holds no annotations with run lengths")
    labels = from_coco(found)
    if region is None:
        return labels
    y, x, rows, columns = region
    cut = labels[y : y + rows, x : x + columns]
    if cut.shape != (rows, columns):
        raise ToolFailedError(f"the mask {path.name} of {labels.shape} does not cover the region")
    return cut


def _read_label_image(path: Path, region: Region | None) -> "NDArray[np.int32]":
    import numpy as np
    from scipy.ndimage import label

    found = read_image(path, region=region).plane()
    if found.values.ndim != 2:
        raise ToolFailedError(f"{path.name} has colours; a mask has one number for each pixel")
    values = found.values
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise ToolFailedError(f"{path.name} holds fractions; a mask has whole numbers")
    if values.min() < 0 or values.max() > np.iinfo(np.int32).max:
        raise ToolFailedError(f"{path.name} holds numbers that are no labels")
    kinds = np.unique(values)
    if values.dtype.kind == "b" or (len(kinds) == 2 and kinds[0] == 0 and kinds[1] in (1, 255)):
        return np.asarray(label(values > 0)[0], dtype=np.int32)
    return np.asarray(values, dtype=np.int32)
