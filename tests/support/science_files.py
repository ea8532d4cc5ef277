"""Small real files of the formats that scientists use, as bytes."""

import io
from typing import Any

import numpy as np

POSCAR = """NaCl
1.0
5.64 0 0
0 5.64 0
0 0 5.64
Na Cl
4 4
direct
0 0 0
.5 .5 0
.5 0 .5
0 .5 .5
.5 0 0
0 .5 0
0 0 .5
.5 .5 .5
"""

CIF = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
_diffrn_ambient_temperature 293(2)
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""


def pdf(*pages: str, title: str = "") -> bytes:
    """A PDF with one page for each text; each line stands on its own."""
    objects: list[bytes] = []
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for i, text in enumerate(pages):
        lines = (
            text.encode("cp1252")
            .replace(b"\\", b"\\\\")
            .replace(b"(", b"\\(")
            .replace(b")", b"\\)")
            .split(b"\n")
        )
        shown = b"\n".join(b"(" + line + b") Tj T*" for line in lines)
        content = b"BT /F1 11 Tf 14 TL 40 780 Td\n" + shown + b"\nET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * i} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    objects.append(f"<< /Title ({title}) /CreationDate (D:20240301120000Z) >>".encode())
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for place in places:
        out.write(b"%010d 00000 n \n" % place)
    out.write(
        b"trailer << /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF"
        % (len(objects) + 1, len(objects), start)
    )
    return out.getvalue()


def png(height: int = 4, width: int = 6) -> bytes:
    """A grey ramp."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.arange(height * width, dtype=np.uint8).reshape(height, width)).save(out, "PNG")
    return out.getvalue()


def ome_tiff(**metadata: Any) -> bytes:
    """Two channels of three planes of 8 × 16 pixels, of 0.65 µm."""
    import tifffile

    out = io.BytesIO()
    about = {
        "axes": "CZYX",
        "PhysicalSizeX": 0.65,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 650.0,
        "PhysicalSizeYUnit": "nm",
        "Channel": {"Name": ["DAPI", "GFP"]},
        **metadata,
    }
    tifffile.imwrite(out, np.zeros((2, 3, 8, 16), np.uint16), ome=True, metadata=about)
    return out.getvalue()


def tiff(description: str | None = None, **rest: Any) -> bytes:
    """A TIFF of 8 × 16 pixels, with any description."""
    import tifffile

    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((8, 16), np.uint16), description=description, metadata=None, **rest)
    return out.getvalue()


def imagej_tiff() -> bytes:
    """As ImageJ writes it, with 4 pixels in a micrometre."""
    import tifffile

    out = io.BytesIO()
    pixels = np.zeros((8, 16), np.uint16)
    tifffile.imwrite(out, pixels, imagej=True, resolution=(4.0, 4.0), metadata={"unit": "um"})
    return out.getvalue()


def dicom(**attributes: Any) -> bytes:
    """A CT slice of 4 × 5 pixels, with whatever else is said of it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    about = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.3.4",
        "Modality": "CT",
        "BodyPartExamined": "CHEST",
        "Rows": 4,
        "Columns": 5,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelSpacing": [0.7, 0.7],
        "SliceThickness": 5,
        "PixelData": np.arange(20, dtype="<u2").tobytes(),
        **attributes,
    }
    for name, value in about.items():
        setattr(dataset, name, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def nifti(shape: tuple[int, ...] = (3, 4, 5), **header: Any) -> bytes:
    """A volume of voxels of 1 × 1 × 2 mm, uncompressed."""
    import nibabel

    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), np.diag([1.0, 1.0, 2.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    for name, value in header.items():
        image.header[name] = value
    return image.to_bytes()


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def hdf5(build: Any) -> bytes:
    """An HDF5 file that `build` fills."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        build(file)
    return out.getvalue()


def h5ad(*, sparse: bool = True, organism: str | None = None, values: Any = None) -> bytes:
    """Three cells by four genes, laid out as anndata 0.12 does."""

    def build(file: Any) -> None:
        fill_anndata(file, sparse=sparse, organism=organism, values=values)

    return hdf5(build)


def fill_anndata(group: Any, *, sparse: bool = True, organism: str | None = None, values: Any = None) -> None:
    """Write three cells by four genes into an HDF5 group."""
    import h5py
    from scipy.sparse import csr_matrix

    text = h5py.string_dtype()
    group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    matrix = np.array([[1, 0, 2, 0], [0, 3, 0, 0], [0, 0, 0, 4]], np.float32) if values is None else values
    if sparse:
        x = group.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": matrix.shape})
        rows = csr_matrix(matrix)
        for name in ("data", "indices", "indptr"):
            x[name] = getattr(rows, name)
    else:
        group["X"] = matrix
    frames = {"obs": ["cell1", "cell2", "cell3"], "var": ["ENSG01", "ENSG02", "ENSG03", "ENSG04"]}
    for axis, names in frames.items():
        frame = group.create_group(axis)
        frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "ids"})
        frame.attrs.create("column-order", [], dtype=text)
        frame.create_dataset("ids", data=names, dtype=text)
    kind = group["obs"].create_group("cell_type")
    kind.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False})
    kind.create_dataset("categories", data=["B cell", "T cell"], dtype=text)
    kind["codes"] = np.array([0, 1, -1], np.int8)
    group["obs"].create_dataset("patient_id", data=["P-1", "P-2", "P-3"], dtype=text)
    if organism is not None:
        group.create_group("uns").create_dataset("organism", data=organism, dtype=text)
