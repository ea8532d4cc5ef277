"""Images: pixels with their size, and nothing that names a patient."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
import science_files as files

from novum.core.knowledge import DataClass
from novum.knowledge_base.ingest import Bounds
from novum.knowledge_base.ingest.medical import DICOM_CODES, DICOM_NUMBERS, MAY_SHOW_IDENTITY


def test_the_size_of_pixels_is_taken_from_ome_xml(take, kept):
    (item,) = take("cells.ome.tif", files.ome_tiff())
    assert item.data_class is DataClass.VISUAL
    assert item.conditions == {
        "pixel_size_x [µm]": 0.65,
        "pixel_size_y [µm]": 0.65,
        "channels": ["DAPI", "GFP"],
    }
    array = item.arguments["array"]
    assert (array["shape"], array["dtype"]) == ([2, 3, 8, 16], "<u2")
    assert array["axes"] == ["channel", "z", "y", "x"]
    assert kept.blobs[array["sha256"]].startswith(b"II*\x00")
    assert "0.65 × 0.65 µm a pixel" in item.text


def test_the_size_of_pixels_is_taken_from_imagej(take):
    (item,) = take("cells.tif", files.imagej_tiff())
    assert item.conditions == {"pixel_size_x [µm]": 0.25, "pixel_size_y [µm]": 0.25}


def test_the_resolution_of_printing_is_no_size_of_pixels(take, report):
    (item,) = take("a.tif", files.tiff(resolution=(300, 300), resolutionunit="INCH"))
    assert item.conditions == {}
    assert report.notes[0].message.startswith("the size of its pixels is not known")
    (item,) = take("a.tif", files.tiff(), pixel_size_um=0.5)
    assert item.conditions == {"pixel_size_x [µm]": 0.5, "pixel_size_y [µm]": 0.5}


BOMB = """<?xml version="1.0"?>
<!DOCTYPE OME [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0" Name="&b;">
<Pixels ID="Pixels:0" SizeX="16" SizeY="8" SizeC="1" SizeZ="1" SizeT="1" Type="uint16" \
DimensionOrder="XYCZT"/>
</Image></OME>"""


@pytest.mark.parametrize("document", [BOMB, BOMB.replace('"ha"', 'SYSTEM "file:///etc/passwd"')])
def test_ome_xml_that_defines_entities_is_refused(refuse, document):
    assert refuse("a.ome.tif", files.tiff(document)) == "its OME-XML defines entities, which none needs"


def test_ome_xml_that_names_another_file_leaves_it_unread(take, tmp_path, monkeypatch):
    (tmp_path / "other.ome.tif").write_bytes(b"II*\x00 not to be read")
    monkeypatch.chdir(tmp_path)
    document = (
        BOMB.split("\n", 2)[2]
        .replace('Name="&b;"', "")
        .replace(
            "/>\n</Image>",
            '><TiffData><UUID FileName="other.ome.tif">urn:uuid:1</UUID></TiffData></Pixels>\n</Image>',
        )
    )
    (item,) = take("a.ome.tif", files.tiff(document))
    assert item.arguments["array"]["shape"] == [8, 16]


def test_an_image_that_is_cut_off_is_refused(refuse):
    assert "cannot be read as PNG" in refuse("a.png", files.png(64, 64)[:-30])
    content = files.tiff()
    assert refuse("a.tif", content[: len(content) - 50])


def png_header(width, height):
    body = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", body), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    out = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return out


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (65_000, 65_000)])
def test_a_hundred_megapixels_are_refused_before_they_are_unpacked(refuse, width, height):
    assert f"{width * height / 1e6:.0f} megapixels" in refuse("a.png", png_header(width, height)) or (
        "exceeds limit" in refuse("b.png", png_header(width, height))
    )


def test_a_large_plane_of_a_tiff_is_refused(refuse):
    assert "at most 0 are taken" in refuse("a.tif", files.tiff(), bounds=Bounds(max_pixels=100))


def text_of(items, kept):
    """All that became of a file, as one text."""
    blobs = "".join(blob.decode("latin-1") for blob in kept.blobs.values())
    return "\n".join(item.model_dump_json() for item in items) + blobs


def test_nothing_that_the_confidentiality_profile_removes_survives(take, kept):
    """Every attribute of PS3.15 table E.1-1 that can hold a text gets a mark, and no mark is left."""
    dicomfields = pytest.importorskip("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
    import pydicom
    from pydicom.datadict import dictionary_keyword, dictionary_VR

    planted = {}
    for tag in dicomfields.ALL_TAGS:
        if len(tag) != 2 or tag[0] % 2 or tag[0] in (0x0000, 0x0002, 0x0028):
            continue
        try:
            keyword, kind = dictionary_keyword(tag), dictionary_VR(tag)
        except KeyError:
            continue
        mark = {
            "PN": "JANEDOE^MARK", "LO": "MARK LO", "SH": "MARK SH", "ST": "MARK ST", "LT": "MARK LT",
            "UT": "MARK UT", "UC": "MARK UC", "CS": "MARK", "DA": "19700203", "TM": "040506", "AS": "053Y",
            "DT": "19700203040506", "UI": "1.2.840.777.31337",
        }.get(kind)  # fmt: skip
        if mark and keyword and keyword not in ("SOPClassUID",):
            planted[keyword] = mark
    assert len(planted) > 250
    content = files.dicom(**planted)
    assert b"JANEDOE" in content
    assert str(pydicom.dcmread(io.BytesIO(content)).PatientName) == "JANEDOE^MARK"
    left = text_of(take("DOE_JANE.dcm", content), kept)
    for trace in ("JANEDOE", "MARK", "19700203", "040506", "053Y", "31337", "DOE_JANE"):
        assert trace not in left


def test_no_attribute_that_is_taken_is_one_that_the_profile_removes():
    dicomfields = pytest.importorskip("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
    from pydicom.datadict import tag_for_keyword

    removed = {tag[0] << 16 | tag[1] for tag in dicomfields.ALL_TAGS if len(tag) == 2}
    assert len(removed) > 400
    taken = {tag_for_keyword(keyword) for keyword in (*DICOM_NUMBERS, *DICOM_CODES)}
    assert None not in taken
    assert taken & removed == set()


def test_private_attributes_overlays_and_odd_codes_are_left_out(take, kept):
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(files.dicom(BodyPartExamined="JANEDOE", PatientComments="JANEDOE")))
    block = dataset.private_block(0x0011, "JANEDOE VENDOR", create=True)
    block.add_new(0x01, "LO", "JANEDOE")
    dataset.add_new(0x60000010, "US", 4)
    dataset.add_new(0x60003000, "OW", b"JANEDOE ")
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    items = take("scan.dcm", out.getvalue())
    assert "JANEDOE" not in text_of(items, kept)
    assert items[0].conditions["modality"] == "CT"
    assert "body_part" not in items[0].conditions


def test_the_pixels_of_dicom_are_kept_without_pickle(take, kept):
    (item,) = take("scan.dcm", files.dicom())
    array = item.arguments["array"]
    pixels = np.load(io.BytesIO(kept.blobs[array["sha256"]]), allow_pickle=False)
    assert pixels.tolist() == np.arange(20).reshape(4, 5).tolist()
    assert array["axes"] == ["y", "x"]
    assert item.conditions["pixel_spacing [mm]"] == [0.7, 0.7]
    assert item.conditions["body_part"] == "CHEST"


def test_a_name_that_is_written_into_the_pixels_refuses_them(take, refuse):
    assert "show who the patient is" in refuse("a.dcm", files.dicom(BurnedInAnnotation="YES"))
    assert take("b.dcm", files.dicom(BurnedInAnnotation="NO"))[0].flags == ()
    assert take("c.dcm", files.dicom())[0].flags == (MAY_SHOW_IDENTITY,)


def test_dicom_that_cannot_be_trusted_is_refused(refuse):
    assert refuse("a.dcm", files.dicom()[:300])
    assert "unfold without limit" in refuse(
        "b.dcm", files.dicom().replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.1.99")
    )
    assert "at most" in refuse("c.dcm", files.dicom(Rows=60_000, Columns=60_000))
    assert refuse("d.dcm", files.dicom(NumberOfFrames="2000000000"))
    assert refuse("e.dcm", files.dicom(Rows=0))


def test_a_volume_has_voxels_and_none_of_its_texts(take, kept):
    content = files.nifti(descrip=b"JANEDOE", db_name=b"JANEDOE", aux_file=b"JANEDOE")
    items = take("DOE_JANE.nii", content)
    assert "JANEDOE" not in text_of(items, kept)
    assert "DOE_JANE" not in text_of(items, kept)
    assert items[0].conditions == {"voxel_size [mm]": [1.0, 1.0, 2.0]}
    assert items[0].arguments["array"]["axes"] == ["x", "y", "z"]
    assert json.loads(items[0].model_dump_json())["arguments"]["affine"][2] == [0.0, 0.0, 2.0, 0.0]


def test_a_packed_volume_is_the_same_volume(take):
    import gzip

    (plain,) = take("a.nii", files.nifti())
    (packed,) = take("b.nii.gz", gzip.compress(files.nifti()))
    assert plain.object == packed.object


def test_volumes_that_lie_about_their_size_are_refused(refuse):
    import gzip

    small = Bounds(max_held_bytes=100_000)
    bomb = gzip.compress(files.nifti() + bytes(10**6))
    assert "unfolds to more than" in refuse("a.nii.gz", bomb, bounds=small)
    assert "cut off" in refuse("b.nii.gz", gzip.compress(files.nifti() + bytes(range(256)))[:-100])
    assert "cut off" in refuse("c.nii", files.nifti()[:-20])
    lying = bytearray(files.nifti())
    lying[40:56] = struct.pack("<8h", 3, 30_000, 30_000, 30_000, 1, 1, 1, 1)
    assert "at most" in refuse("d.nii", bytes(lying))
    assert "one half of a pair" in refuse("e.nii", files.nifti().replace(b"n+1\x00", b"ni1\x00"))
