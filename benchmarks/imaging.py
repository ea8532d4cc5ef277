"""Images: how long UniAP takes, how that grows, and how well its regions cover real nuclei.

    python benchmarks/imaging.py [--quick] [--data FOLDER]

Quality is measured on images with label images beside them (NAME.png, NAME_labels.png). The first half, in
order of names, is for development: the peers are tuned on it, each method by its mean best IoU, and so were
the defaults of segment_universal. The second half is reported. All methods are scored as class-agnostic
proposals; SLIC, Felzenszwalb and watershed propose their segments, UniAP the distinct regions of its levels.
AR@100 needs a ranking: every method is ranked by the same score of a region, from the same features.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import sobel
from skimage.segmentation import felzenszwalb, slic, watershed

from novum.tools.imaging.features import PatchFeatures, hand_made_features
from novum.tools.imaging.images import Image
from novum.tools.imaging.masks import read_mask
from novum.tools.imaging.metrics import average_precision, average_recall, mean_best_iou, object_ious
from novum.tools.imaging.pipelines import Pipeline
from novum.tools.imaging.reading import read_image
from novum.tools.imaging.regions import proposals, score_regions, to_layers
from novum.tools.imaging.uniap import agglomerate
from novum.tools.imaging.universal import BANDWIDTH, LEVELS, SURROUNDINGS, patch_for

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "nuclei"
TARGETS_MS = {1024: 60, 4096: 400}

Labels = NDArray[np.int32]
Sample = tuple[Image, Labels, PatchFeatures]


def scene(edge: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Four discs in noise."""
    y, x = np.mgrid[:edge, :edge] / edge
    grey = rng.normal(0.2, 0.06, (edge, edge))
    for i, (a, b) in enumerate(((0.25, 0.3), (0.3, 0.75), (0.72, 0.28), (0.7, 0.7))):
        grey[(y - a) ** 2 + (x - b) ** 2 < 0.12**2] += 0.3 + 0.1 * i
    return np.repeat(grey[..., None], 3, axis=2).astype(np.float32)


def timings(repeats: int) -> None:
    print("UniAP with features given, five levels and classes; ms, best of", repeats)
    print(f"{'tokens':>7} {'CPU':>8} {'wall':>8} {'instances: CPU':>15}  target (wall)")
    rng = np.random.default_rng(0)
    before: tuple[int, float] | None = None
    for edge in (32, 64, 96, 128):
        features = hand_made_features(scene(edge * 8, rng), patch=8)
        full = best(partial(agglomerate, features.values, features.shape), repeats)
        only = best(partial(agglomerate, features.values, features.shape, semantic=False), repeats)
        n = edge * edge
        said = (
            f"{TARGETS_MS[n]} ms: {'met' if full[1] <= TARGETS_MS[n] else 'missed'}"
            if n in TARGETS_MS
            else ""
        )
        print(f"{n:>7} {full[0]:>8.1f} {full[1]:>8.1f} {only[0]:>15.1f}  {said}", flush=True)
        if before is not None:
            power = np.log(only[0] / before[1]) / np.log(n / before[0])
            print(f"        instances grow with tokens to the power of {power:.2f}")
        before = n, only[0]


def best(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return the least CPU and wall time in ms."""
    run()
    found = []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu_s, wall_s = np.min(found, axis=0) * 1000
    return float(cpu_s), float(wall_s)


def samples(folder: Path) -> list[Sample]:
    found = []
    for labels in sorted(folder.glob("*_labels.png")):
        image = read_image(labels.with_name(labels.name.replace("_labels", "")))
        features = hand_made_features(
            image.colours(), patch=patch_for(image.shape), bandwidth=BANDWIDTH, surroundings=SURROUNDINGS
        )
        found.append((image, read_mask(labels, shape=image.shape), features))
    return found


def scaled(image: Image) -> NDArray[np.float32]:
    colours = image.colours()
    span = float(np.ptp(colours)) or 1.0
    return np.asarray((colours - colours.min()) / span)


def by_slic(image: Image, n_segments: int, compactness: float) -> Labels:
    return np.asarray(
        slic(scaled(image), n_segments=n_segments, compactness=compactness, channel_axis=-1, start_label=1)
    )


def by_felzenszwalb(image: Image, scale: float, sigma: float, min_size: int) -> Labels:
    found = felzenszwalb(scaled(image), scale=scale, sigma=sigma, min_size=min_size, channel_axis=-1)
    return np.asarray(found + 1)


def by_watershed(image: Image, sigma: float, distance: int) -> Labels:
    """Flood the gradient from its minima: no threshold, as the objects' class is not known."""
    gradient = sobel(ndimage.gaussian_filter(image.grey(), sigma))
    low = peak_local_max(
        -ndimage.gaussian_filter(gradient, sigma), min_distance=distance, exclude_border=False
    )
    markers = np.zeros(image.shape, dtype=np.int32)
    markers[tuple(low.T)] = np.arange(1, len(low) + 1)
    return np.asarray(watershed(gradient, markers))


def by_otsu_watershed(image: Image, factor: float, sigma: float, distance: int) -> Labels:
    """The specialist: bright or dark round objects on an even ground."""
    return Pipeline(threshold_factor=factor, split_sigma=sigma, split_distance=distance).run(image.grey())


PEERS: dict[str, tuple[Callable[..., Labels], tuple[tuple[Any, ...], ...]]] = {
    "SLIC": (by_slic, ((200, 400, 800, 1600), (0.05, 0.2, 1.0))),
    "Felzenszwalb": (by_felzenszwalb, ((50, 100, 200, 400), (0.5, 0.8), (10, 30, 60))),
    "watershed of the gradient": (by_watershed, ((1.0, 2.0, 3.0), (2, 3, 6))),
    "Otsu and watershed": (by_otsu_watershed, ((0.7, 0.85, 1.0), (1.0, 2.0), (5, 8))),
}


def peer_scores(labels: Labels, features: PatchFeatures) -> NDArray[np.float32]:
    """Score segments as regions are scored: by the patches that lie in them for the most part."""
    patch, (h, w) = features.patch, features.shape
    middles = labels[
        np.minimum(np.arange(h) * patch + patch // 2, labels.shape[0] - 1)[:, None],
        np.minimum(np.arange(w) * patch + patch // 2, labels.shape[1] - 1)[None],
    ]
    present, compact = np.unique(middles, return_inverse=True)
    compact = compact.reshape(middles.shape).astype(np.int32)
    coherence, contrast = score_regions(compact, features.values)
    n = np.bincount(compact.ravel())
    by_label = dict(zip(present.tolist(), (coherence * contrast * n / (n + 10)).tolist(), strict=True))
    return np.array([by_label.get(i, 0.0) for i in np.unique(labels[labels > 0]).tolist()], dtype=np.float32)


def evaluate(method: Callable[[Sample], tuple[Any, Any]], data: list[Sample]) -> dict[str, float]:
    rows, cpu = [], time.process_time()
    for sample in data:
        ious, scores = method(sample)
        rows.append(
            (
                mean_best_iou(ious),
                average_recall(ious, scores, k=100),
                average_recall(ious, scores, k=10_000),
                len(scores),
            )
        )
    spent = (time.process_time() - cpu) / len(data)
    values = np.array(rows)
    means = values.mean(axis=0)
    error = values[:, 0].std(ddof=1) / len(rows) ** 0.5 if len(rows) > 1 else float("nan")
    return dict(zip(("iou", "ar100", "ar", "n", "se", "cpu_s"), (*means, error, spent), strict=True))


def of_labels(find: Callable[[Image], Labels]) -> Callable[[Sample], tuple[Any, Any]]:
    def run(sample: Sample) -> tuple[Any, Any]:
        image, truth, features = sample
        labels = find(image)
        return object_ious(truth, labels), peer_scores(labels, features)

    return run


def by_uniap(sample: Sample) -> tuple[Any, Any]:
    image, truth, features = sample
    levels = agglomerate(features.values, features.shape, thresholds=LEVELS, semantic=False)
    return proposals(to_layers(levels, features, image.grey()), truth)


def quality(folder: Path, *, quick: bool) -> None:
    data = samples(folder) if folder.is_dir() else []
    if len(data) < 4:
        print(f"quality: no images with masks in {folder}; give them by --data")
        return
    half = len(data) // 2
    development, reported = data[:half], data[half:]
    if quick:
        development, reported = development[::4], reported[::4]
    print(f"\n{len(development)} images for development, {len(reported)} reported; mean over images")
    print(f"{'method':<26} {'best IoU':>15} {'AR@100':>7} {'AR':>6} {'proposals':>9} {'CPU s':>6}  settings")
    show("UniAP", evaluate(by_uniap, reported), "defaults")
    for name, (function, ranges) in PEERS.items():
        tried = ((setting, with_setting(function, setting)) for setting in settings(ranges, quick))
        setting, method = max(tried, key=lambda pair: evaluate(pair[1], development)["iou"])
        show(name, evaluate(method, reported), str(setting))
    pipeline(development, reported)


def settings(ranges: tuple[tuple[Any, ...], ...], quick: bool) -> Iterator[tuple[Any, ...]]:
    return itertools.product(*((values[::2] if quick else values) for values in ranges))


def with_setting(
    function: Callable[..., Labels], setting: tuple[Any, ...]
) -> Callable[[Sample], tuple[Any, Any]]:
    return of_labels(lambda image: function(image, *setting))


def show(name: str, found: dict[str, float], setting: str) -> None:
    print(
        f"{name:<26} {found['iou']:>7.3f} ± {found['se']:.3f} {found['ar100']:>7.3f} {found['ar']:>6.3f} "
        f"{found['n']:>9.0f} {found['cpu_s']:>6.2f}  {setting}",
        flush=True,
    )


def pipeline(development: list[Sample], reported: list[Sample]) -> None:
    """The score of the Data Science Bowl 2018 by the pipeline of segment_nuclei at its defaults."""
    for name, part in (("development", development), ("reported", reported)):
        scores = [average_precision(truth, Pipeline().run(image.grey())) for image, truth, _ in part]
        error = np.std(scores, ddof=1) / len(scores) ** 0.5
        print(f"segment_nuclei at its defaults, {name}: DSB score {np.mean(scores):.3f} ± {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, settings and images")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of NAME.png and NAME_labels.png")
    asked = parser.parse_args()
    timings(3 if asked.quick else 9)
    quality(asked.data, quick=asked.quick)


if __name__ == "__main__":
    main()
