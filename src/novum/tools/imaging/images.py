"""An image with its physics: what each axis is, how large a pixel is, and the intensities as stored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from novum.core.errors import ToolFailedError, UnitError
from novum.core.quantity import Quantity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AXES: Final = ("time", "z", "y", "x", "channel")
"""The names that an axis can have, in the order in which arrays hold them."""

MOST_PIXELS: Final = 36_000_000
"""Pixels of a plane that are read as a whole; of a larger TIFF, regions are read."""

LARGEST_BYTES: Final = 1 << 30
"""Bytes of an unpacked image."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """An image as it was stored.

    Attributes:
        values: with the type of the file; 16 bits stay 16 bits.
        axes: one name of `AXES` for each axis, in their order; x and y are always there.
        pixel_size: the edge of a pixel along x, y and z, where it is known, in the unit of the file.
        channels: their names, where the file gives them.
        origin: (y, x) of the first pixel in the whole image; not zero where a region was read.
        warnings: what a reader should know.
    """

    values: "NDArray[Any]"
    axes: tuple[str, ...]
    pixel_size: Mapping[str, Quantity] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    origin: tuple[int, int] = (0, 0)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_axes(self.axes, self.values.shape)
        if self.values.dtype.kind not in "buif":
            raise ToolFailedError(f"pixels of type {self.values.dtype} are no intensities")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[self.axes.index("y")], self.values.shape[self.axes.index("x")]

    def edge_um(self, axis: str) -> float | None:
        """Return the edge of a pixel along an axis in micrometres; None where nobody knows it."""
        size = self.pixel_size.get(axis)
        return None if size is None else size.to("um").value

    def with_pixel_size(self, edge_um: float | None) -> "Image":
        """Return the image with square pixels of a given edge; as it is, where none is given."""
        if edge_um is None:
            return self
        size = Quantity(value=edge_um, unit="um")
        return replace(self, pixel_size={**self.pixel_size, "y": size, "x": size})

    def plane(self, *, z: int | None = None, time: int | None = None) -> "Image":
        """Return one plane: the axes y and x, and the channels where there are any.

        Args:
            z: which plane along z, from 0; needed where there is more than one.
            time: which frame, from 0; needed where there is more than one.

        Raises:
            ToolFailedError: it is not said which plane, or there is none of that number.
        """
        found = self
        for axis, index in (("time", time), ("z", z)):
            if axis not in found.axes:
                if index:
                    raise ToolFailedError(f"there is no {axis}={index}: the image has no axis {axis!r}")
                continue
            place = found.axes.index(axis)
            n = found.values.shape[place]
            if index is None and n > 1:
                raise ToolFailedError(f"the image has {n} planes along {axis}: say which, 0 to {n - 1}")
            if not 0 <= (index or 0) < n:
                raise ToolFailedError(f"there is no {axis}={index}: it has 0 to {n - 1}")
            values = found.values.take(index or 0, axis=place)
            axes = tuple(name for name in found.axes if name != axis)
            found = replace(found, values=values, axes=axes)
        return found

    def colours(self) -> "NDArray[np.float32]":
        """Return a plane as shape (h, w, n_channels), without an opacity.

        Raises:
            ToolFailedError: it is no plane, or a pixel is not finite.
        """
        import numpy as np

        if set(self.axes) - {"y", "x", "channel"}:
            raise ToolFailedError("take a plane of the stack first")
        values = self.values if "channel" in self.axes else self.values[..., None]
        if values.shape[2] in (2, 4) and not self.channels:  # grey or colour, and opacity
            values = values[..., :-1]
        found: NDArray[np.float32] = values.astype(np.float32)
        if not np.isfinite(found).all():
            raise ToolFailedError("the image has pixels that are not finite; mask or fill them first")
        return found

    def grey(self, channel: int | None = None) -> "NDArray[np.float32]":
        """Return one intensity for each pixel of a plane, in the file's own units, shape (h, w).

        Args:
            channel: which, from 0; where it is not said, the luminance of a colour image, and the mean of
                other channels.

        Raises:
            ToolFailedError: there is no such channel, it is no plane, or a pixel is not finite.

        References:
            Luminance: ITU-R BT.709, as scikit-image weighs it.
        """
        import numpy as np

        colours = self.colours()
        n = colours.shape[2]
        if channel is not None:
            if not 0 <= channel < n:
                raise ToolFailedError(f"there is no channel {channel}: the image has 0 to {n - 1}")
            return colours[..., channel]
        if n == 3 and not self.channels:
            return np.asarray(colours @ np.array([0.2125, 0.7154, 0.0721], dtype=np.float32))
        return np.asarray(colours.mean(axis=2), dtype=np.float32)


def check_axes(axes: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Find out whether names fit an array.

    Raises:
        ToolFailedError: an axis has no name, an unknown or a second one, the order is another than that of
            `AXES`, x or y is missing, or there is nothing along one.
    """
    if len(axes) != len(shape):
        raise ToolFailedError(f"{len(axes)} axes are named ({', '.join(axes)}), the image has {len(shape)}")
    places = [AXES.index(axis) if axis in AXES else -1 for axis in axes]
    if -1 in places or sorted(set(places)) != places or not {"y", "x"} <= set(axes):
        raise ToolFailedError(
            f"the axes are {', '.join(axes)}; they must be {', '.join(AXES)} in this order, "
            f"x and y among them"
        )
    if not math.prod(shape):
        raise ToolFailedError(f"the image is empty: its shape is {shape}")


def edge(value: object, unit: str) -> Quantity | None:
    """Return the edge of a pixel; None where it is no length, or not positive and finite.

    Example:
        >>> str(edge(0.65, "µm")), edge(0, "µm"), edge(1, "pixel")
        ('0.65 µm', None, None)
    """
    spelt = {"micron": "um", "microns": "um", "\\u00B5m": "um", "µm": "um", "\u03bcm": "um", "Å": "angstrom"}
    try:
        number = float(str(value))
        found = Quantity(value=number, unit=spelt.get(unit, unit))
        found.to("um")
    except (ValueError, UnitError):
        return None
    return found if math.isfinite(number) and number > 0 else None
