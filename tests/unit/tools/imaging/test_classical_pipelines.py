"""Classical pipelines: each step does what it says, on images whose objects are known."""

import numpy as np
import pytest

from novum.core.errors import ToolFailedError

pytest.importorskip("skimage")

from novum.tools.imaging.metrics import average_precision
from novum.tools.imaging.nuclei import DISCS, pairs_of, segment_nuclei
from novum.tools.imaging.pipelines import Pipeline

RNG = np.random.default_rng(5)
Y, X = np.mgrid[:96, :96]


def discs(*middles, radius=8):
    labels = np.zeros((96, 96), dtype=np.int32)
    for number, (y, x) in enumerate(middles, 1):
        labels[(Y - y) ** 2 + (X - x) ** 2 < radius**2] = number
    return labels


APART = discs((20, 20), (20, 60), (70, 40))
TOUCHING = discs((40, 40), (40, 54))


def picture(labels, noise=0.05):
    return ((labels > 0) + RNG.normal(0, noise, labels.shape)).astype(np.float32)


def test_objects_that_lie_apart_are_found():
    found = Pipeline().run(picture(APART))
    assert found.max() == 3
    assert average_precision(APART, found) > 0.9


def test_intensities_may_be_of_any_scale_and_dark_objects_are_found_as_well():
    grey = picture(APART)
    found = Pipeline().run(grey)
    np.testing.assert_array_equal(Pipeline().run((1000 - 500 * grey).astype(np.float32)), found)
    bright = Pipeline(foreground="bright").run(-grey)
    assert average_precision(APART, bright) < 0.1


@pytest.mark.parametrize("split", ["distance", "intensity"])
def test_touching_objects_are_parted(split):
    smooth = sum(np.exp(-((Y - y) ** 2 + (X - x) ** 2) / 60) for y, x in ((40, 40), (40, 54))).astype(
        np.float32
    )
    grey = picture(TOUCHING, 0.01) if split == "distance" else smooth
    assert Pipeline(split="none").run(grey).max() == 1
    assert Pipeline(split=split).run(grey).max() == 2


def test_an_uneven_ground_is_taken_off():
    grey = picture(APART, 0.02) + (2 * X / 96).astype(np.float32)
    bare = average_precision(APART, Pipeline(foreground="bright").run(grey))
    for background in ("gaussian", "tophat"):
        pipeline = Pipeline(foreground="bright", background=background, background_size=10)
        assert average_precision(APART, pipeline.run(grey)) > bare + 0.3


@pytest.mark.parametrize("denoise", ["gaussian", "median", "bilateral", "none"])
def test_denoising_lowers_noise_and_keeps_the_mean(denoise):
    flat = RNG.normal(0.5, 0.05, (64, 64)).astype(np.float32)
    found = Pipeline(denoise=denoise, denoise_size=1.5).denoised(flat)
    assert found.mean() == pytest.approx(flat.mean(), abs=0.01)
    assert (found.std() < 0.9 * flat.std()) == (denoise != "none")


@pytest.mark.parametrize("threshold", ["otsu", "li", "triangle", "yen", "isodata", "mean", "local"])
def test_every_threshold_finds_bright_objects(threshold):
    pipeline = Pipeline(threshold=threshold, local_size=20, opening=2)
    mask = pipeline.tidied(pipeline.foreground_of(pipeline.denoised(picture(APART))))
    assert mask[APART > 0].mean() > 0.9


def test_a_higher_threshold_leaves_less_and_growing_more():
    grey = picture(APART)
    sizes = [int((Pipeline(threshold_factor=f, denoise_size=3).run(grey) > 0).sum()) for f in (0.6, 1, 1.5)]
    assert sizes == sorted(sizes, reverse=True)
    grown = [int((Pipeline(grow=g).run(grey) > 0).sum()) for g in (-2, -1, 0, 1, 2)]
    assert grown == sorted(grown)
    assert len(set(grown)) == 5


def test_objects_of_other_sizes_are_left_out():
    labels = np.zeros((40, 40), dtype=np.int32)
    labels[2:4, 2:4], labels[10:20, 10:20], labels[25:, 25:] = 3, 5, 9
    found = Pipeline(min_area=10, max_area=150).filtered(labels)
    np.testing.assert_array_equal(found, labels == 5)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_even_image_has_no_object(value):
    assert Pipeline().run(np.full((30, 30), value, dtype=np.float32)).max() == 0


def test_the_tool_scores_all_pairs_with_a_standard_error(tmp_path, monkeypatch):
    from PIL import Image

    from novum.tools.imaging.masks import write_mask

    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    files = {}
    for name, labels in (("a", APART), ("b", TOUCHING), ("c", np.zeros_like(APART))):
        grey = picture(labels, 0.02)
        Image.fromarray((grey.clip(0, 1) * 255).astype(np.uint8)).save(tmp_path / "in" / f"{name}.png")
        write_mask(tmp_path / "in" / f"{name}_mask.png", labels)
        files |= {f"{name}.png": "0" * 64, f"{name}_mask.png": "0" * 64}
    found = segment_nuclei(files)
    each = [one["dsb_score"] for one in found.details["images"].values()]
    assert len(each) == 3
    assert found.dsb_score == pytest.approx(np.mean(each), abs=1e-4)
    assert found.std["dsb_score"] == pytest.approx(np.std(each, ddof=1) / 3**0.5, abs=1e-4)
    assert any("c.png is empty" in w for w in found.warnings)
    assert sorted(p.name for p in (tmp_path / "out").iterdir())[:2] == ["a_objects.png", "a_overlay.png"]
    with pytest.raises(ToolFailedError, match="no file is"):
        segment_nuclei(files, image="d.png")


def test_a_mask_of_another_size_is_an_error():
    with pytest.raises(ToolFailedError, match="2 × 2 pixels, the image 32 × 32"):
        segment_nuclei(pixels=DISCS, mask_labels=[[0, 1], [0, 1]])
    with pytest.raises(ToolFailedError, match="there is no image"):
        segment_nuclei()


def test_two_masks_or_two_images_are_an_error():
    with pytest.raises(ToolFailedError, match="not by both"):
        segment_nuclei(pixels=DISCS, mask_labels=[[0, 1]], mask="m.png")
    with pytest.raises(ToolFailedError, match="not by both"):
        segment_nuclei({"a.png": "0" * 64}, pixels=DISCS, image="a.png")


def test_images_are_paired_with_their_masks():
    files = dict.fromkeys(("a.png", "a_labels.png", "b.tif", "c.png", "c_mask.npz"), "")
    assert pairs_of(files) == {"a.png": "a_labels.png", "c.png": "c_mask.npz"}
