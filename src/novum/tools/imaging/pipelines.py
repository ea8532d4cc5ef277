"""Classical segmentation as steps, each with its parameters: denoise, background, threshold, split, tidy.

The steps are fixed in their order and free in their methods and numbers, so that an ordinary space of
parameters composes and tunes them. Lengths are in pixels.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Denoise = Literal["none", "gaussian", "median", "bilateral"]
Background = Literal["none", "gaussian", "tophat"]
Threshold = Literal["otsu", "li", "triangle", "yen", "isodata", "mean", "local"]
Split = Literal["none", "distance", "intensity"]
Foreground = Literal["auto", "bright", "dark"]

Floats = "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What each step does.

    Attributes:
        foreground: whether objects are brighter or darker than the ground; ``auto`` takes what covers less
            than half of the image by Otsu's threshold.
        denoise: the filter.
        denoise_size: its standard deviation or radius.
        background: what is subtracted: a wide blur, or all that is wider than the size (top hat).
        background_size: its standard deviation, or half its width.
        threshold: by which rule objects are told from the ground.
        threshold_factor: moves the threshold: 1 leaves it, 0 is the darkest value.
        local_size: half the width of the neighbourhood of the local threshold.
        split: what touching objects are parted by: their distance to the ground, or their intensity.
        split_sigma: blur before maxima are sought.
        split_distance: least distance of two objects' middles.
        opening: radius by which thin bridges and spots are taken away.
        fill_holes: whether holes are filled.
        grow: pixels by which outlines move out, or in where negative.
        min_area: of an object.
        max_area: of an object; 0 sets no limit.
    """

    foreground: Foreground = "auto"
    denoise: Denoise = "gaussian"
    denoise_size: float = 1.0
    background: Background = "none"
    background_size: float = 40.0
    threshold: Threshold = "otsu"
    threshold_factor: float = 1.0
    local_size: int = 25
    split: Split = "distance"
    split_sigma: float = 1.0
    split_distance: int = 5
    opening: int = 1
    fill_holes: bool = True
    grow: int = 0
    min_area: int = 20
    max_area: int = 0

    def run(self, grey: "NDArray[np.float32]") -> "NDArray[np.int32]":
        """Return the objects of an image: labels from 1, 0 is ground, shape (h, w)."""
        values = self.denoised(self.oriented(grey))
        values = self.without_background(values)
        mask = self.tidied(self.foreground_of(values))
        return self.filtered(self.moved(self.parted(mask, values)))

    def oriented(self, grey: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return the image scaled to 0 to 1, objects bright."""
        from skimage.filters import threshold_otsu

        low, high = float(grey.min()), float(grey.max())
        if low == high:
            return np.zeros_like(grey)
        scaled = (grey - low) / (high - low)
        dark = self.foreground == "dark" or (
            self.foreground == "auto" and float((scaled > threshold_otsu(scaled)).mean()) > 0.5
        )
        return 1 - scaled if dark else scaled

    def denoised(self, values: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return the image filtered."""
        from scipy.ndimage import gaussian_filter, median_filter
        from skimage.restoration import denoise_bilateral

        if self.denoise_size <= 0:
            return values
        match self.denoise:
            case "gaussian":
                return np.asarray(gaussian_filter(values, self.denoise_size))
            case "median":
                return np.asarray(median_filter(values, 2 * max(1, round(self.denoise_size)) + 1))
            case "bilateral":
                found = denoise_bilateral(values, sigma_color=0.1, sigma_spatial=self.denoise_size)
                return np.asarray(found, dtype=np.float32)
            case "none":
                return values

    def without_background(self, values: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return the image with what varies slowly taken off."""
        from scipy.ndimage import gaussian_filter, white_tophat

        match self.background:
            case "gaussian":
                return np.asarray(np.maximum(values - gaussian_filter(values, self.background_size), 0))
            case "tophat":
                return np.asarray(white_tophat(values, size=2 * round(self.background_size) + 1))
            case "none":
                return values

    def foreground_of(self, values: "NDArray[np.float32]") -> "NDArray[np.bool_]":
        """Return which pixels are above the threshold."""
        from skimage import filters

        low = float(values.min())
        if low == float(values.max()):
            return np.zeros(values.shape, dtype=bool)
        level: Any
        if self.threshold == "local":
            level = filters.threshold_local(values, 2 * self.local_size + 1, method="gaussian")
        else:
            level = getattr(filters, f"threshold_{self.threshold}")(values)
        return np.asarray(values > low + (level - low) * self.threshold_factor)

    def tidied(self, mask: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
        """Return the mask opened, its holes filled."""
        from scipy.ndimage import binary_fill_holes, binary_opening
        from skimage.morphology import disk

        if self.opening:
            mask = binary_opening(mask, disk(self.opening))
        return np.asarray(binary_fill_holes(mask) if self.fill_holes else mask, dtype=bool)

    def parted(self, mask: "NDArray[np.bool_]", values: "NDArray[np.float32]") -> "NDArray[np.int32]":
        """Return the objects of the mask, touching ones parted by a watershed."""
        from scipy.ndimage import distance_transform_edt, gaussian_filter, label
        from skimage.feature import peak_local_max
        from skimage.segmentation import watershed

        parts = np.asarray(label(mask)[0], dtype=np.int32)
        if self.split == "none" or not mask.any():
            return parts
        height = distance_transform_edt(mask) if self.split == "distance" else values
        smooth = gaussian_filter(height, self.split_sigma) if self.split_sigma > 0 else height
        peaks = peak_local_max(
            smooth, min_distance=max(1, self.split_distance), labels=parts, exclude_border=False
        )
        markers = np.zeros(mask.shape, dtype=np.int32)
        markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        return np.asarray(watershed(-smooth, markers, mask=mask), dtype=np.int32)

    def moved(self, labels: "NDArray[np.int32]") -> "NDArray[np.int32]":
        """Return labels with their outlines moved."""
        from scipy.ndimage import distance_transform_edt
        from skimage.segmentation import expand_labels, find_boundaries

        if self.grow > 0:
            return np.asarray(expand_labels(labels, self.grow), dtype=np.int32)
        if self.grow < 0:
            inside = distance_transform_edt(~find_boundaries(labels, mode="inner"))
            return np.where(inside >= -self.grow, labels, 0)
        return labels

    def filtered(self, labels: "NDArray[np.int32]") -> "NDArray[np.int32]":
        """Return the objects of fitting area, numbered from 1."""
        areas = np.bincount(labels.ravel())
        fits = (areas >= max(1, self.min_area)) & ((areas <= self.max_area) | (not self.max_area))
        fits[0] = False
        numbers = np.cumsum(fits) * fits
        return np.asarray(numbers[labels], dtype=np.int32)
