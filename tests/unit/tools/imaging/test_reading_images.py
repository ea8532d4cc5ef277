"""Images keep their axes, pixel size and bits; what is broken or too large is an error in words."""

import io
import json
import zipfile
import zlib

import numpy as np
import pytest

from novum.core.errors import ToolFailedError
from novum.sandbox.files.arrays import LabelledArray, save_arrays
from novum.tools.imaging.images import Image, edge
from novum.tools.imaging.masks import from_coco, read_mask, to_coco, write_mask
from novum.tools.imaging.reading import read_image, regions

pytest.importorskip("skimage")
tifffile = pytest.importorskip("tifffile")
Pillow = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (48, 40)).astype(np.uint16)


def test_an_ome_tiff_keeps_axes_channels_pixel_size_and_16_bits(tmp_path):
    values = RNG.integers(0, 65536, (3, 2, 20, 24)).astype(np.uint16)
    path = tmp_path / "stack.ome.tif"
    tifffile.imwrite(
        path,
        values,
        metadata={
            "axes": "ZCYX",
            "PhysicalSizeX": 650,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.65,
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZ": 2,
            "PhysicalSizeZUnit": "µm",
            "Channel": {"Name": ["DAPI", "GFP"]},
        },
    )
    found = read_image(path)
    assert found.axes == ("z", "y", "x", "channel")
    assert found.values.dtype == np.uint16
    np.testing.assert_array_equal(found.values, values.transpose(0, 2, 3, 1))
    assert [found.edge_um(axis) for axis in "xyz"] == pytest.approx([0.65, 0.65, 2])
    assert found.channels == ("DAPI", "GFP")
    np.testing.assert_array_equal(found.plane(z=1).grey(1), values[1, 1])
    with pytest.raises(ToolFailedError, match="3 planes along z"):
        found.plane()
    with pytest.raises(ToolFailedError, match="no z=7"):
        found.plane(z=7)


def test_imagej_says_its_pixel_size_and_a_plain_tiff_does_not(tmp_path):
    tifffile.imwrite(tmp_path / "ij.tif", DEEP, imagej=True, resolution=(2, 4), metadata={"unit": "um"})
    found = read_image(tmp_path / "ij.tif")
    assert (found.edge_um("x"), found.edge_um("y")) == pytest.approx((0.5, 0.25))
    tifffile.imwrite(tmp_path / "plain.tif", DEEP, resolution=(300, 300), resolutionunit="INCH")
    assert read_image(tmp_path / "plain.tif").pixel_size == {}


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("colours", [False, True])
def test_a_region_of_a_tiff_is_that_part_of_the_whole(tmp_path, compression, tile, colours):
    values = RNG.integers(0, 256, (50, 70, 3) if colours else (50, 70)).astype(np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, tile=tile, compression=compression, photometric="rgb" if colours else None)
    np.testing.assert_array_equal(read_image(path).values, values)
    part = read_image(path, region=(7, 11, 30, 41))
    np.testing.assert_array_equal(part.values, values[7:37, 11:52])
    assert part.origin == (7, 11)
    with pytest.raises(ToolFailedError, match="not within"):
        read_image(path, region=(40, 0, 20, 20))


def test_lzw_is_read_as_well(tmp_path):
    Pillow.fromarray(DEEP).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").values, DEEP)


def test_a_hundred_megapixels_are_read_by_regions(tmp_path):
    path = tmp_path / "large.tif"
    plane = tifffile.memmap(path, shape=(10_000, 10_000), dtype=np.uint8)
    plane[5000:5003, 6000:6002] = 9
    plane.flush()
    del plane
    with pytest.raises(ToolFailedError, match=r"100 megapixels.*give a region"):
        read_image(path)
    assert read_image(path, region=(4990, 5990, 64, 64)).values.sum() == 6 * 9


def test_regions_cover_every_pixel():
    seen = np.zeros((130, 75), dtype=int)
    for y, x, rows, columns in regions((130, 75), size=40, overlap=8):
        seen[y : y + rows, x : x + columns] += 1
    assert seen.min() >= 1


def test_png_and_jpeg(tmp_path):
    Pillow.fromarray(DEEP).save(tmp_path / "deep.png")
    found = read_image(tmp_path / "deep.png")
    assert found.values.dtype == np.uint16
    np.testing.assert_array_equal(found.values, DEEP)
    Pillow.fromarray(np.full((8, 9, 3), 120, dtype=np.uint8)).save(tmp_path / "a.jpg")
    found = read_image(tmp_path / "a.jpg")
    assert found.axes == ("y", "x", "channel")
    assert found.grey().mean() == pytest.approx(120, abs=1)


def test_a_colour_png_of_16_bits_is_refused_and_not_cut_to_8(tmp_path):
    head = b"\x00\x00\x00\x02\x00\x00\x00\x02\x10\x02\x00\x00\x00"
    raw = zlib.compress(b"".join(b"\x00" + b"\x12\x34" * 6 for _ in range(2)))

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", raw) + chunk(b"IEND", b""))
    with pytest.raises(ToolFailedError, match="16 bits"):
        read_image(path)


def test_what_is_cut_off_is_an_error(tmp_path):
    whole = tmp_path / "whole.tif"
    tifffile.imwrite(whole, DEEP, compression="zlib", rowsperstrip=8)
    raw = whole.read_bytes()
    cut = tmp_path / "cut.tif"
    for length in (4, 20, 200, len(raw) // 2, len(raw) - 40):
        cut.write_bytes(raw[:length])
        with pytest.raises(ToolFailedError):
            read_image(cut)
    Pillow.fromarray(DEEP).save(tmp_path / "a.png")
    cut.write_bytes((tmp_path / "a.png").read_bytes()[:900])
    with pytest.raises(ToolFailedError):
        read_image(cut)


def test_what_unfolds_too_far_is_an_error(tmp_path):
    bomb = zlib.compress(bytes(40_000_000), 9)
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((16, 16), dtype=np.uint8), compression="zlib")
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags["StripByteCounts"], file.pages[0].tags["StripOffsets"]
        places = [t.valueoffset for t in tag]
    raw = bytearray(path.read_bytes())
    start = len(raw)
    raw[places[0] : places[0] + 4] = len(bomb).to_bytes(4, "little")
    raw[places[1] : places[1] + 4] = start.to_bytes(4, "little")
    path.write_bytes(bytes(raw) + bomb)
    with pytest.raises(ToolFailedError, match="unfolds to more"):
        read_image(path)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (60_000, 60_000)}
    )
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", head.getvalue() + bytes(1000))
    with pytest.raises(ToolFailedError, match="declares"):
        read_image(tmp_path / "bomb.npz")


def test_axes_are_those_of_the_array_or_those_that_are_said(tmp_path):
    values = RNG.normal(size=(4, 6, 5)).astype(np.float32)
    save_arrays(tmp_path / "a.npz", {"image": LabelledArray(values, "1", ("z", "y", "x"))})
    assert read_image(tmp_path / "a.npz").axes == ("z", "y", "x")
    found = read_image(tmp_path / "a.npz", axes="cyx")
    assert found.axes == ("y", "x", "channel")
    np.testing.assert_array_equal(found.values, values.transpose(1, 2, 0))
    for wrong in ("yx", "qyx", "yyx"):
        with pytest.raises(ToolFailedError, match="axes"):
            read_image(tmp_path / "a.npz", axes=wrong)


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a" + bytes(40)])
def test_another_format_is_an_error(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ToolFailedError, match="is no PNG"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ToolFailedError, match="cannot be read"):
        read_image(tmp_path / "missing.png")


def test_the_edge_of_a_pixel_is_a_positive_length():
    assert edge("650", "nm").to("um").value == pytest.approx(0.65)
    assert [edge(*pair) for pair in (("x", "um"), (0, "um"), (-1, "um"), ("nan", "um"), (1, "s"))] == [
        None
    ] * 5


def test_an_image_without_finite_pixels_is_not_computed_with():
    values = np.ones((3, 3), dtype=np.float32)
    values[1, 1] = np.nan
    with pytest.raises(ToolFailedError, match="not finite"):
        Image(values, ("y", "x")).grey()
    with pytest.raises(ToolFailedError, match="empty"):
        Image(np.zeros((0, 3)), ("y", "x"))


LABELS = np.zeros((9, 7), dtype=np.int32)
LABELS[1:4, 2:6], LABELS[5:, 0], LABELS[8, 6] = 1, 2, 3


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.npz", "m.json"])
def test_masks_come_back_as_they_were_written(tmp_path, name):
    write_mask(tmp_path / name, LABELS)
    np.testing.assert_array_equal(read_mask(tmp_path / name, shape=(9, 7)), LABELS)
    part = read_mask(tmp_path / name, region=(2, 1, 6, 3))
    np.testing.assert_array_equal(part, LABELS[2:8, 1:4])
    with pytest.raises(ToolFailedError, match="region"):
        read_mask(tmp_path / name, region=(5, 5, 9, 9))
    with pytest.raises(ToolFailedError, match="9 × 7 pixels, the image 7 × 9"):
        read_mask(tmp_path / name, shape=(7, 9))


def test_the_parts_of_a_mask_of_two_values_are_the_objects(tmp_path):
    Pillow.fromarray(((LABELS > 0) * 255).astype(np.uint8)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png") > 0, LABELS > 0)
    assert read_mask(tmp_path / "m.png").max() == 3


def test_an_empty_mask_holds_no_object(tmp_path):
    write_mask(tmp_path / "m.tif", np.zeros((4, 4), dtype=np.int32))
    assert read_mask(tmp_path / "m.tif").max() == 0


def test_cocos_compressed_text_is_read():
    # 5 bits a character, low ones first; the fourth number on is a difference to the one two before it
    assert from_coco([{"size": [3, 3], "counts": "612"}]).T.ravel().tolist() == [0] * 6 + [1] + [0] * 2
    assert from_coco([{"size": [3, 3], "counts": "6110"}]).T.ravel().tolist() == [0] * 6 + [1, 0, 1]
    assert from_coco([{"size": [3, 40], "counts": "8X1X2"}]).sum() == 40


def test_what_is_no_mask_is_an_error(tmp_path):
    Pillow.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(tmp_path / "colour.png")
    save_arrays(tmp_path / "half.npz", {"labels": LabelledArray(np.full((2, 2), 0.5), "1", ("y", "x"))})
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text(json.dumps({"annotations": []}))
    runs = [{"segmentation": {"size": [3, 3], "counts": [4, 9]}}]
    (tmp_path / "c.json").write_text(json.dumps(runs))
    for name in ("colour.png", "half.npz", "a.json", "b.json", "c.json"):
        with pytest.raises(ToolFailedError):
            read_mask(tmp_path / name)
    assert to_coco(np.zeros((2, 2), dtype=np.int32)) == []
