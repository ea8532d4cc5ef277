"""Features of an image's patches: made by hand, or by a vision transformer from a local directory.

The hand-made ones are, for each patch: the mean of each colour, the standard deviation and the gradient's
energy of the luminance, and each colour's mean in two surroundings; each is brought to mean 0 and standard
deviation 1 over the image. They are lifted by random Fourier features, whose cosine is an RBF kernel of the
features' distance: without it the cosine of raw colours is near 1 for everything.

References:
    Rahimi, Recht, "Random features for large-scale kernel machines", NIPS 2007.
    Caron et al. 2021, doi:10.1109/ICCV48922.2021.00951 (DINO); Oquab et al. 2024, arXiv:2304.07193 (DINOv2).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from novum.core.errors import ToolFailedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Backend = Literal["embedded", "checkpoint"]

N_FREQUENCIES: Final = 64
"""Random frequencies; each gives a cosine and a sine."""

MOST_TOKENS: Final = 20_000
"""Patches of one image."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchFeatures:
    """What is known of each patch."""

    values: "NDArray[np.float32]"
    """Of unit length, shape (h * w, d), row by row."""
    shape: tuple[int, int]
    """(h, w), the grid of patches."""
    patch: int
    """Edge of a patch in pixels; patches at the right and lower edges may be smaller."""
    backend: Backend
    source: str
    """What ran, in words."""


def hand_made_features(
    colours: "NDArray[np.float32]",
    *,
    patch: int,
    bandwidth: float = 1.0,
    surroundings: tuple[float, float] = (1.0, 3.0),
    seed: int = 0,
) -> PatchFeatures:
    """Return the hand-made features of an image, lifted.

    Args:
        colours: intensities, shape (h, w, n_channels), in any unit: features do not depend on it.
        patch: edge of a patch in pixels.
        bandwidth: of the kernel, as the root mean square over features of the difference, in standard
            deviations, at which the cosine has fallen to exp(-1/2) = 0.61.
        surroundings: standard deviations of the two blurs, in patches.
        seed: of the random frequencies.

    Raises:
        ToolFailedError: there are too many patches.
    """
    import numpy as np

    raw, shape = raw_features(colours, patch=patch, surroundings=surroundings)
    return PatchFeatures(
        values=fourier_lift(standardised(raw), bandwidth=bandwidth * np.sqrt(raw.shape[1]), seed=seed),
        shape=shape,
        patch=patch,
        backend="embedded",
        source="hand-made features with a random Fourier lift",
    )


def raw_features(
    colours: "NDArray[np.float32]", *, patch: int, surroundings: tuple[float, float] = (1.0, 3.0)
) -> tuple["NDArray[np.float32]", tuple[int, int]]:
    """Return the hand-made features before they are standardised, shape (n_patches, d), and the grid.

    Raises:
        ToolFailedError: there are too many patches.
    """
    import numpy as np
    from scipy.ndimage import gaussian_filter, sobel

    height, width, n_channels = colours.shape
    h, w = -(-height // patch), -(-width // patch)
    if h * w > MOST_TOKENS:
        raise ToolFailedError(f"{h * w} patches; at most {MOST_TOKENS}: take larger patches, or a region")
    padded = np.pad(colours, ((0, h * patch - height), (0, w * patch - width), (0, 0)), mode="edge")
    grey = padded.mean(axis=2)
    energy = np.hypot(sobel(grey, axis=0), sobel(grey, axis=1))

    def mean(values: "NDArray[np.float32]") -> "NDArray[np.float32]":
        return np.asarray(values.reshape(h, patch, w, patch).mean(axis=(1, 3)), dtype=np.float32)

    means = [mean(padded[..., channel]) for channel in range(n_channels)]
    centred = grey - np.repeat(np.repeat(mean(grey), patch, axis=0), patch, axis=1)
    planes = [*means, np.sqrt(mean(centred**2)), mean(energy)]
    planes += [gaussian_filter(plane, sigma) for sigma in surroundings for plane in means]
    return np.stack([plane.ravel() for plane in planes], axis=1).astype(np.float32), (h, w)


def standardised(features: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return features of mean 0 and standard deviation 1; what does not vary becomes 0."""
    import numpy as np

    spread = features.std(axis=0)
    scale = np.maximum(np.abs(features).max(axis=0), 1e-12)
    varies = spread > 1e-6 * scale
    found = (features - features.mean(axis=0)) / np.where(varies, spread, 1)
    return np.asarray(np.where(varies, found, 0), dtype=np.float32)


def fourier_lift(
    features: "NDArray[np.float32]", *, bandwidth: float, seed: int, n_frequencies: int = N_FREQUENCIES
) -> "NDArray[np.float32]":
    """Return vectors of unit length whose cosine is about exp(-|x - y|² / (2 bandwidth²)).

    The error of the cosine is about 1 / √n_frequencies; frequencies are orthogonal in blocks, which makes it
    smaller.

    References:
        Yu et al., "Orthogonal random features", NIPS 2016.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    d = features.shape[1]
    blocks = []
    for _ in range(-(-n_frequencies // d)):
        directions, _ = np.linalg.qr(rng.normal(size=(d, d)))
        lengths = np.linalg.norm(rng.normal(size=(d, d)), axis=1)
        blocks.append(directions.T * lengths[:, None])
    frequencies = np.concatenate(blocks)[:n_frequencies].astype(np.float32)
    angles = features @ frequencies.T / np.float32(bandwidth)
    lifted = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(lifted / np.sqrt(n_frequencies), dtype=np.float32)


def checkpoint_features(
    colours: "NDArray[np.float32]", directory: Path, *, longest: int = 512
) -> PatchFeatures:
    """Return the features of a DINO or DINOv2 vision transformer in a local directory.

    The directory is one as transformers writes it: ``config.json`` and weights as safetensors. Nothing is
    downloaded, and no code of the directory runs. Features are those of the last layer's patches.

    Args:
        colours: intensities, shape (h, w, n_channels); the darkest becomes 0, the brightest 1.
        directory: with the model.
        longest: pixels of the longer side that the model is shown.

    Raises:
        ToolFailedError: there is no such model, or it is none of patches.
    """
    import numpy as np
    import torch
    import transformers

    if not (directory / "config.json").is_file():
        raise ToolFailedError(f"{str(directory)!r} holds no model: there is no config.json")
    try:
        model: Any = transformers.AutoModel.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ToolFailedError(f"the model in {str(directory)!r} cannot be loaded: {error}") from error
    patch = getattr(model.config, "patch_size", None)
    if not isinstance(patch, int) or not hasattr(model.config, "hidden_size"):
        raise ToolFailedError(f"the model in {str(directory)!r} is no vision transformer of patches")
    height, width, n_channels = colours.shape
    scale = min(1.0, longest / max(height, width))
    rows, columns = (max(1, round(n * scale / patch)) for n in (height, width))
    if rows * columns > MOST_TOKENS:
        raise ToolFailedError(f"{rows * columns} patches; at most {MOST_TOKENS}")
    span = float(np.ptp(colours)) or 1.0
    pixels = torch.from_numpy((colours - colours.min()) / span).permute(2, 0, 1)[None]
    if n_channels != 3:
        pixels = pixels.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    pixels = torch.nn.functional.interpolate(
        pixels, size=(rows * patch, columns * patch), mode="bilinear", antialias=True, align_corners=False
    )
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    own_size = getattr(model.config, "image_size", rows * patch)
    extra = {} if own_size == rows * patch == columns * patch else {"interpolate_pos_encoding": True}
    if model.config.model_type.startswith("dinov2"):
        extra = {}  # it interpolates by itself
    with torch.inference_mode():
        found = model.eval()(pixel_values=(pixels - mean) / std, **extra).last_hidden_state[0]
    tokens = found[-rows * columns :].float().numpy()
    if len(tokens) != rows * columns:
        raise ToolFailedError(f"the model gives {len(found)} tokens for {rows * columns} patches")
    length = np.linalg.norm(tokens, axis=1, keepdims=True)
    return PatchFeatures(
        values=np.asarray(tokens / np.maximum(length, 1e-12), dtype=np.float32),
        shape=(rows, columns),
        patch=max(1, round(patch / scale)),
        backend="checkpoint",
        source=f"{model.config.model_type} from {directory.name}",
    )
