"""Measurements of objects: physical units, uncertainties, and nothing that is not known."""

import math

import numpy as np
import pytest

from novum.core.errors import ToolFailedError

pytest.importorskip("skimage")

from novum.tools.imaging.measuring import area_std_px, clear_border, measure, measure_objects

Y, X = np.mgrid[:100, :100]
DISC = ((Y - 50) ** 2 + (X - 50) ** 2 < 30**2).astype(np.int32)


def rows(values):
    return np.asarray(values).tolist()


def small(radius=10, n=40):
    y, x = np.mgrid[:n, :n]
    return ((y - n // 2) ** 2 + (x - n // 2) ** 2 < radius**2).astype(np.int32)


def test_a_disc_has_the_area_and_the_shape_of_one():
    (found,) = measure_objects(DISC, np.ones((100, 100), dtype=np.float32))
    assert found["area_px"] == pytest.approx(math.pi * 900, rel=0.01)
    assert found["perimeter_px"] == pytest.approx(2 * math.pi * 30, rel=0.03)
    assert found["eccentricity"] == pytest.approx(0, abs=0.05)
    assert found["centroid_px"] == pytest.approx([50, 50])


def test_measurements_scale_with_the_size_of_a_pixel():
    disc = small()
    one = measure(pixels=rows(disc.astype(float)), mask_labels=rows(disc), pixel_size=1.0)
    half = measure(pixels=rows(disc.astype(float)), mask_labels=rows(disc), pixel_size=0.5)
    assert half.mean_area == pytest.approx(one.mean_area / 4)
    assert half.mean_diameter == pytest.approx(one.mean_diameter / 2)
    assert half.object_density == pytest.approx(4 * one.object_density)
    for name, power in (("mean_area", 2), ("mean_diameter", 1)):
        assert half.std[name] == pytest.approx(one.std[name] / 2**power)


def test_the_uncertainty_of_an_outline_is_that_of_moving_it():
    areas = [small(r).sum() for r in (9.5, 10.5)]
    found = measure(pixels=rows(small(10).astype(float)), mask_labels=rows(small(10)), pixel_size=1.0)
    assert found.std["mean_area"] == pytest.approx((areas[1] - areas[0]) / 2, rel=0.15)
    assert found.std["mean_diameter"] == pytest.approx(1.0, rel=0.1)


def test_the_uncertainty_of_the_pixel_size_enters_areas_twice():
    disc = small()
    found = measure(
        pixels=rows(disc.astype(float)),
        mask_labels=rows(disc),
        pixel_size=2.0,
        pixel_size_std=0.1,
        boundary_std=0.0,
    )
    assert found.std["mean_area"] / found.mean_area == pytest.approx(0.1)
    assert found.std["mean_diameter"] / found.mean_diameter == pytest.approx(0.05)
    assert area_std_px(100, 40, boundary_std=0.3, relative_std=0.02) == pytest.approx(math.hypot(12, 4))


def test_without_a_pixel_size_there_is_no_area():
    disc = small()
    found = measure(pixels=rows(disc.astype(float)), mask_labels=rows(disc))
    assert (found.mean_area, found.mean_diameter, found.object_density) == (None, None, None)
    assert found.n_objects == 1
    assert any("not known" in w for w in found.warnings)
    assert found.details["mean_area_px"] == disc.sum()


def test_an_empty_mask_is_measured_as_nothing():
    found = measure(pixels=[[1.0, 2.0], [3.0, 4.0]], mask_labels=[[0, 0], [0, 0]], pixel_size=1.0)
    assert (found.n_objects, found.area_fraction, found.mean_area) == (0, 0, None)
    assert any("empty" in w for w in found.warnings)


def test_intensities_are_those_of_the_image():
    labels = [[1, 1, 0], [2, 2, 0]]
    found = measure(pixels=[[10.0, 20.0, 4.0], [30.0, 50.0, 6.0]], mask_labels=labels)
    assert found.mean_intensity == pytest.approx((15 + 40) / 2)
    assert found.contrast_to_background == pytest.approx(27.5 / 5)
    assert [o["sum_intensity"] for o in found.details["objects"]] == [30, 80]


def test_what_the_border_cuts_can_be_left_out():
    labels = np.zeros((6, 6), dtype=np.int32)
    labels[0, 1], labels[2:4, 2:4] = 1, 2
    np.testing.assert_array_equal(clear_border(labels), np.where(labels == 2, 2, 0))


def test_the_table_has_every_object(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    measure(pixels=[[1.0, 2.0], [3.0, 4.0]], mask_labels=[[1, 0], [0, 7]], pixel_size=2.0)
    lines = (tmp_path / "out" / "objects.csv").read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("id,y [px],x [px],area [px]")
    assert lines[2].split(",")[0] == "7"
    assert float(lines[1].split(",")[13]) == 4.0


def test_a_measurement_needs_a_mask():
    with pytest.raises(ToolFailedError, match="there is no mask"):
        measure(pixels=[[1.0, 2.0]])


def test_a_region_of_a_large_image_is_measured_with_that_region_of_its_mask(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    shape = (8000, 8000)
    for name in ("large.tif", "mask.tif"):
        plane = tifffile.memmap(tmp_path / "in" / name, shape=shape, dtype=np.uint8)
        plane[5000:5004, 6000:6010] = 3
        plane.flush()
        del plane
    files = {"large.tif": "0" * 64, "mask.tif": "1" * 64}
    with pytest.raises(ToolFailedError, match="64 megapixels"):
        measure(files, image="large.tif", mask="mask.tif")
    found = measure(files, image="large.tif", mask="mask.tif", region=[4990, 5990, 50, 60], pixel_size=1.0)
    assert (found.n_objects, found.mean_area, found.mean_intensity) == (1, 40, 3)
