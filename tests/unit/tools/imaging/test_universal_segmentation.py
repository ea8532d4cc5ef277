"""Universal segmentation: regions in pixels, their scores, parents and classes, and the files left."""

import json

import numpy as np
import pytest

from novum.core.errors import ToolFailedError
from novum.sandbox.files.arrays import load_arrays

pytest.importorskip("skimage")

from novum.tools.imaging.masks import read_mask, write_mask
from novum.tools.imaging.metrics import iou
from novum.tools.imaging.regions import score_regions, snap, to_pixels
from novum.tools.imaging.universal import SQUARE, segment_universal

RNG = np.random.default_rng(2)
Y, X = np.mgrid[:128, :128]
DISCS = np.zeros((128, 128), dtype=np.int32)
DISCS[(Y - 36) ** 2 + (X - 40) ** 2 < 22**2] = 1
DISCS[(Y - 90) ** 2 + (X - 88) ** 2 < 22**2] = 2


@pytest.fixture
def call(tmp_path, monkeypatch):
    """The folders of a call, with two noisy discs and their mask."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    grey = ((DISCS > 0) * 0.6 + 0.2 + RNG.normal(0, 0.03, DISCS.shape)).clip(0, 1)
    Image.fromarray((grey * 255).astype(np.uint8)).save(tmp_path / "in" / "a.png")
    write_mask(tmp_path / "in" / "a_mask.tif", DISCS)
    return tmp_path


FILES = {"a.png": "0" * 64, "a_mask.tif": "1" * 64}


def test_two_discs_are_found_with_their_outlines_and_are_one_class(call):
    found = segment_universal(FILES, image="a.png", patch=4, mask="a_mask.tif", pixel_size=0.5)
    assert found.mean_best_iou > 0.9
    assert found.ran == "UniAP, embedded"
    level = load_arrays(call / "out" / "levels.npz")["labels"].values[-1]
    labels = [level[36, 40], level[90, 88]]
    assert all(iou(np.equal(DISCS, i + 1), level == labels[i]) > 0.9 for i in range(2))
    assert labels[0] != labels[1]
    told = {r["id"]: r for r in found.details["levels"][-1]["regions"]}
    assert told[labels[0]]["class"] == told[labels[1]]["class"] != told[level[0, 0]]["class"]
    assert told[labels[0]]["area_um2"] == pytest.approx(told[labels[0]]["area_px"] / 4)
    json.dumps(found.model_dump(mode="json"))


def test_the_maps_hold_what_is_told_of_them(call):
    found = segment_universal(FILES, image="a.png", patch=4)
    arrays = load_arrays(call / "out" / "levels.npz")
    maps = arrays["labels"]
    assert maps.axes == ("level", "y", "x")
    for number, level in enumerate(found.details["levels"]):
        labels = maps.values[number]
        assert labels.max() == level["n_regions"] == len(np.unique(labels))
        np.testing.assert_array_equal(read_mask(call / "out" / f"level_{number + 1}.png"), labels)
        scores = arrays[f"scores_{number + 1}"].values
        assert len(scores) == level["n_regions"]
        for region in level["regions"]:
            assert region["score"] == pytest.approx(scores[region["id"] - 1], abs=1e-4)
            assert (labels == region["id"]).sum() == region["area_px"]
    sizes = [level["n_regions"] for level in found.details["levels"]]
    assert sizes == sorted(sizes, reverse=True)
    assert (call / "out" / "overlay.png").stat().st_size > 100


def test_without_refinement_levels_are_nested_as_their_parents_say(call):
    found = segment_universal(FILES, image="a.png", patch=4, refine=False)
    maps = load_arrays(call / "out" / "levels.npz")["labels"].values
    for number, level in enumerate(found.details["levels"][:-1]):
        for region in level["regions"]:
            above = np.unique(maps[number + 1][maps[number] == region["id"]])
            assert above.tolist() == [region["parent"]]


def test_refinement_moves_outlines_to_edges(call):
    coarse = segment_universal(FILES, image="a.png", mask="a_mask.tif", patch=8, refine=False)
    fine = segment_universal(FILES, image="a.png", mask="a_mask.tif", patch=8)
    assert fine.mean_best_iou > coarse.mean_best_iou + 0.02


def test_equal_calls_are_equal_and_other_seeds_are_other_frequencies(call):
    one, again = (segment_universal(FILES, image="a.png", patch=4, seed=4) for _ in range(2))
    assert one == again
    other = segment_universal(FILES, image="a.png", patch=4, seed=5)
    assert other.best_region_score != one.best_region_score


def test_a_model_among_the_files_gives_the_features_and_is_named(call):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, patch_size=8, image_size=32
    )
    transformers.Dinov2Model(config).save_pretrained(call / "model")
    (call / "model" / "config.json").rename(call / "in" / "config.json")
    (call / "model" / "model.safetensors").rename(call / "in" / "model.st")
    files = {**FILES, "config.json": "2" * 64, "model.st": "3" * 64}
    found = segment_universal(files, image="a.png")
    assert found.ran == "UniAP, checkpoint"
    assert found.details["grid"] == [16, 16]
    assert segment_universal(files, image="a.png", patch=4, backend="embedded").ran == "UniAP, embedded"
    with pytest.raises(ToolFailedError, match=r"needs config\.json"):
        segment_universal(FILES, image="a.png", patch=4, backend="checkpoint")


def test_an_empty_mask_is_said_and_not_scored():
    found = segment_universal(pixels=SQUARE, mask_labels=[[0] * 12] * 12, patch=1)
    assert found.mean_best_iou is None
    assert any("empty" in w for w in found.warnings)


def test_thresholds_must_decrease():
    with pytest.raises(ToolFailedError, match="must decrease"):
        segment_universal(pixels=SQUARE, thresholds=(0.5, 0.6))


def test_scores_are_of_what_coheres_and_stands_out():
    features = np.zeros((16, 2), dtype=np.float32)
    labels = np.zeros((4, 4), dtype=np.int32)
    labels[:, 2:] = 1
    features[labels.ravel() == 0, 0] = features[labels.ravel() == 1, 1] = 1
    coherence, contrast = score_regions(labels, features)
    np.testing.assert_allclose(coherence, 1)
    np.testing.assert_allclose(contrast, 1)
    coherence, contrast = score_regions(np.zeros((4, 4), dtype=np.int32), features)
    assert coherence == pytest.approx(np.sqrt(0.5))
    assert contrast == 0


def test_patches_cover_pixels_and_none_vanishes():
    labels = np.arange(6, dtype=np.int32).reshape(2, 3) + 1
    assert np.unique(to_pixels(labels, 4, (7, 11))).tolist() == [1, 2, 3, 4, 5, 6]
    assert np.unique(to_pixels(labels, 4, (20, 30))).tolist() == [1, 2, 3, 4, 5, 6]
    pixels = to_pixels(labels, 4, (7, 9))
    moved = snap(pixels, RNG.random((7, 9)).astype(np.float32), patch=4)
    assert np.unique(moved).tolist() == [1, 2, 3, 4, 5, 6]
