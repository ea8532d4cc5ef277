"""Patch features: the cosine of the lift is a kernel, and a model of a local directory can stand in."""

import numpy as np
import pytest

from novum.core.errors import ToolFailedError
from novum.tools.imaging.features import (
    checkpoint_features,
    fourier_lift,
    hand_made_features,
    raw_features,
    standardised,
)

RNG = np.random.default_rng(3)


def test_the_cosine_of_the_lift_is_the_kernel():
    x = RNG.normal(size=(60, 7)).astype(np.float32)
    squares = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    lifted = fourier_lift(x, bandwidth=2.0, seed=1, n_frequencies=4096)
    np.testing.assert_allclose(lifted @ lifted.T, np.exp(-squares / 8), atol=0.06)
    np.testing.assert_allclose(np.linalg.norm(lifted, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(lifted, fourier_lift(x, bandwidth=2.0, seed=1, n_frequencies=4096))
    assert not np.allclose(lifted, fourier_lift(x, bandwidth=2.0, seed=2, n_frequencies=4096))


def test_a_plain_patch_has_its_colour_and_neither_texture_nor_edge():
    colours = np.zeros((8, 8, 3), dtype=np.float32) + np.array([1, 2, 3], dtype=np.float32)
    raw, shape = raw_features(colours, patch=4)
    assert shape == (2, 2)
    np.testing.assert_allclose(raw, np.tile([1, 2, 3, 0, 0, 1, 2, 3, 1, 2, 3], (4, 1)), atol=1e-5)
    assert (standardised(raw) == 0).all()


def test_features_do_not_depend_on_the_unit_of_intensity():
    colours = RNG.random((32, 40, 1)).astype(np.float32)
    a = hand_made_features(colours, patch=4)
    b = hand_made_features(colours * 65535 + 100, patch=4)
    np.testing.assert_allclose(a.values, b.values, atol=2e-3)
    assert a.backend == "embedded"


def test_an_image_that_its_patches_do_not_divide_is_covered():
    assert hand_made_features(np.ones((33, 17, 1), dtype=np.float32), patch=8).shape == (5, 3)


def test_too_many_patches_are_an_error():
    with pytest.raises(ToolFailedError, match="larger patches"):
        hand_made_features(np.ones((400, 400, 1), dtype=np.float32), patch=2)


@pytest.mark.parametrize("family", ["ViT", "Dinov2"])
def test_a_transformer_from_a_local_directory_gives_a_feature_for_each_patch(tmp_path, family):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8}
    config = getattr(transformers, f"{family}Config")(**sizes, image_size=32)
    getattr(transformers, f"{family}Model")(config).save_pretrained(tmp_path)
    colours = np.zeros((48, 64, 3), dtype=np.float32)
    colours[:, 32:] = 1
    found = checkpoint_features(colours, tmp_path)
    assert (found.shape, found.values.shape, found.backend) == ((6, 8), (48, 16), "checkpoint")
    np.testing.assert_allclose(np.linalg.norm(found.values, axis=1), 1, atol=1e-5)
    tokens = found.values.reshape(6, 8, 16)
    assert np.linalg.norm(tokens[3, 1] - tokens[3, 6]) > 1e-3


def test_a_directory_without_a_model_is_an_error(tmp_path):
    with pytest.raises(ToolFailedError, match=r"no config\.json"):
        checkpoint_features(np.ones((8, 8, 3), dtype=np.float32), tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(ToolFailedError, match="cannot be loaded"):
        checkpoint_features(np.ones((8, 8, 3), dtype=np.float32), tmp_path)
