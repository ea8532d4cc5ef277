"""Medical images: DICOM by pydicom and NIfTI by nibabel, without what identifies a person.

Nothing of a DICOM file is copied but its pixels and the attributes of a short list: numbers that describe the
acquisition, and codes with fixed terms. Every attribute that the Basic Application Level Confidentiality
Profile removes, empties or replaces is therefore absent, with all private ones, overlays, comments and
unique identifiers, and so is whatever attribute a later edition adds. Of a NIfTI file only geometry and
voxels are copied, none of its texts and extensions.

References:
    DICOM PS3.15, annex E, table E.1-1.
"""

import io
import math
import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError
from novum.core.knowledge import DataClass
from novum.core.quantity import DIMENSIONLESS
from novum.knowledge_base.ingest.arrays import check_array, store_array
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.parsing import need, parsing

if TYPE_CHECKING:
    from pydicom import Dataset

MAY_SHOW_IDENTITY = "may-show-identity"
"""The flag of an image of which nobody has said that no name is written into its pixels."""

DICOM_NUMBERS = {
    "PixelSpacing": "pixel_spacing [mm]",
    "ImagerPixelSpacing": "imager_pixel_spacing [mm]",
    "SliceThickness": "slice_thickness [mm]",
    "SpacingBetweenSlices": "slice_spacing [mm]",
    "KVP": "peak_voltage [kV]",
    "ExposureTime": "exposure_time [ms]",
    "XRayTubeCurrent": "tube_current [mA]",
    "MagneticFieldStrength": "field [T]",
    "EchoTime": "echo_time [ms]",
    "RepetitionTime": "repetition_time [ms]",
    "InversionTime": "inversion_time [ms]",
    "FlipAngle": "flip_angle [deg]",
    "RescaleSlope": "rescale_slope",
    "RescaleIntercept": "rescale_intercept",
    "BitsStored": "bits_stored",
}
"""Attributes that are numbers, and how they are called with their unit."""

_MODALITIES = "AR BMD CR CT DX ES GM IO IVOCT IVUS MG MR NM OCT OP OPT PT PX RF RG SC SM US XA XC"
_COLOURS = "MONOCHROME1,MONOCHROME2,PALETTE COLOR,RGB,YBR_FULL,YBR_FULL_422,YBR_ICT,YBR_RCT"
_BODY_PARTS = (
    "ABDOMEN ANKLE ARM BLADDER BRAIN BREAST CALF CAROTID CHEST CLAVICLE COLON CSPINE ELBOW EYE FEMUR FINGER "
    "FOOT FOREARM HAND HEAD HEART HIP HUMERUS KIDNEY KNEE LEG LIVER LSPINE LUNG MANDIBLE NECK ORBIT OVARY "
    "PANCREAS PELVIS PROSTATE RIB SHOULDER SKULL SPINE SPLEEN STERNUM STOMACH TESTIS THIGH THYROID TIBIA "
    "TOE TSPINE UTERUS VERTEBRA WHOLEBODY WRIST"
)
DICOM_CODES = {
    "Modality": _MODALITIES.split(),
    "PhotometricInterpretation": _COLOURS.split(","),
    "RescaleType": ["HU", "OD", "US", "MGML", "Z_EFF", "ED"],
    "BodyPartExamined": _BODY_PARTS.split(),
}
"""Attributes that are codes, and the terms that are taken; anything else may be a name."""

_DEFLATED = b"1.2.840.10008.1.2.1.99"


def read_dicom(task: Task) -> Iterator[Draft]:
    """Yield a draft for the image of a DICOM file: its pixels as they are stored, without a name.

    Raises:
        IngestError: it is damaged, has no pixels or too many, says that a name is written into them, or is
            compressed in a way that is not read.
        MissingExtraError: pydicom is not installed.
    """
    need("pydicom", feature="reading DICOM", extra="ingest-imaging")
    import pydicom
    from pydicom.errors import BytesLengthException, InvalidDicomError

    data = task.source.read(task.bounds.max_held_bytes)
    if _DEFLATED in data[: 2**20]:
        raise IngestError("it is deflated as a whole, and might unfold without limit; save it uncompressed")
    with parsing("DICOM", InvalidDicomError, BytesLengthException, logger="pydicom"):
        dataset = pydicom.dcmread(io.BytesIO(data))
        if "PixelData" not in dataset:
            raise IngestError("it has no pixels")
        if str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "YES":
            raise IngestError("it says that its pixels show who the patient is; black that out first")
        shape = tuple(
            int(n)
            for n in (
                dataset.get("NumberOfFrames") or 1,
                dataset.get("Rows") or 0,
                dataset.get("Columns") or 0,
                dataset.get("SamplesPerPixel") or 1,
            )
        )
        import numpy as np

        if min(shape) < 1:
            raise IngestError("it has no pixels")
        _check_plane(shape[1], shape[2], task)
        check_array(shape, np.dtype(f"u{max(1, int(dataset.BitsAllocated) // 8)}"), task.bounds)
        pixels = dataset.pixel_array
        conditions = dicom_conditions(dataset)
        clean = str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "NO"
        several, coloured = shape[0] > 1, shape[3] > 1
    axes = (*(("frame",) if several else ()), "y", "x", *(("channel",) if coloured else ()))
    if pixels.ndim != len(axes):
        raise IngestError(f"its pixels have the shape {pixels.shape}, and it says {shape}")
    array = store_array(task, pixels, axes=axes, unit=DIMENSIONLESS, name="pixels")
    modality = conditions.get("modality", "")
    part = conditions.get("body_part", "")
    frames = f", {shape[0]} frames" if several else ""
    spacing = conditions.get("pixel_spacing [mm]")
    size = f", {' × '.join(f'{x:.6g}' for x in spacing)} mm a pixel" if isinstance(spacing, list) else ""
    yield Draft(
        data_class=DataClass.VISUAL,
        subject=task.subject,
        label=task.about.subject or f"{modality or 'medical'} image",
        relation="image",
        object=f"sha256:{array['sha256']}",
        text=(
            f"{modality or 'Medical'} image{f' of {part.lower()}' if part else ''}: {shape[2]} × {shape[1]} "
            f"pixels{frames}{size}."
        ),
        conditions=conditions,
        arguments={"array": array},
        flags=() if clean else (MAY_SHOW_IDENTITY,),
        sensitive=True,
    )


def dicom_conditions(dataset: "Dataset") -> dict[str, Any]:
    """Return the attributes of a data set that cannot name anybody, under names with units."""
    found: dict[str, Any] = {}
    for keyword, terms in DICOM_CODES.items():
        value = str(dataset.get(keyword) or "").strip().upper()
        if value in terms:
            found[_snake(keyword)] = value
    if "body_part_examined" in found:
        found["body_part"] = found.pop("body_part_examined")
    for keyword, name in DICOM_NUMBERS.items():
        value = dataset.get(keyword)
        if value is None or value == "":
            continue
        several = not isinstance(value, str | int | float) and hasattr(value, "__iter__")
        try:
            numbers = [float(one) for one in (value if several else [value])]
        except (TypeError, ValueError):
            continue
        if numbers and all(math.isfinite(one) for one in numbers):
            found[name] = numbers if len(numbers) > 1 else numbers[0]
    return found


def read_nifti(task: Task) -> Iterator[Draft]:
    """Yield a draft for the volume of a NIfTI file: voxels as they are stored, and their place in space.

    Raises:
        IngestError: it is damaged, cut off, unfolds too far, or is one half of a pair of files.
        MissingExtraError: nibabel is not installed.
    """
    need("nibabel", feature="reading NIfTI", extra="ingest-imaging")
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    data = task.source.read(task.bounds.max_held_bytes)
    if data[:2] == b"\x1f\x8b":
        data = _unzip(data, task)
    if b"ni1\x00" in data[344:348] or data[4:8] == b"ni2\x00":
        raise IngestError("it is one half of a pair (hdr and img); save it as one .nii file")
    kind = nibabel.Nifti2Image if data[4:8] == b"n+2\x00" else nibabel.Nifti1Image
    with parsing("NIfTI", ImageFileError, HeaderDataError, logger="nibabel.global"):
        image = kind.from_bytes(data)
        header = image.header
        shape = tuple(int(n) for n in image.shape)
        n_bytes = check_array(shape, header.get_data_dtype(), task.bounds)
        if not shape or min(shape) < 1:
            raise IngestError("it has no voxels")
        if int(image.dataobj.offset) + n_bytes > len(data):
            raise IngestError(f"it is cut off: {n_bytes} bytes of voxels are announced")
        voxels = image.dataobj.get_unscaled()
        scale = [None if x is None or math.isnan(x) else float(x) for x in header.get_slope_inter()]
        space, time = header.get_xyzt_units()
        zooms = [float(f"{float(z):.7g}") for z in header.get_zooms()]
        affine = [[float(f"{float(x):.9g}") for x in row] for row in image.affine]
    axes = ("x", "y", "z", "time", *(f"axis_{i}" for i in range(5, 8)))[: len(shape)]
    array = store_array(task, voxels, axes=axes, unit=DIMENSIONLESS, name="voxels")
    unit = {"meter": "m", "mm": "mm", "micron": "µm"}.get(space, "")
    if not unit:
        task.note("it does not say the unit of its voxels' size")
    conditions: dict[str, Any] = {}
    if unit:
        conditions[f"voxel_size [{unit}]"] = zooms[:3]
    if len(zooms) > 3 and time in ("sec", "msec", "usec"):
        conditions[f"repetition_time [{time.replace('sec', 's')}]"] = zooms[3]
    if scale[0] is not None and scale != [1.0, 0.0]:
        conditions |= {"rescale_slope": scale[0], "rescale_intercept": scale[1] or 0.0}
    size = f", {' × '.join(f'{z:.6g}' for z in zooms[:3])} {unit} a voxel" if unit else ""
    yield Draft(
        data_class=DataClass.VISUAL,
        subject=task.subject,
        label=task.about.subject or "volume",
        relation="image",
        object=f"sha256:{array['sha256']}",
        text=f"Volume of {' × '.join(map(str, shape))} voxels{size}.",
        conditions=conditions,
        arguments={"array": array, "affine": affine},
        sensitive=True,
    )


def _check_plane(rows: int, columns: int, task: Task) -> None:
    if rows * columns > task.bounds.max_pixels:
        raise IngestError(f"it has {columns} × {rows} pixels; at most {task.bounds.max_pixels} are taken")


def _unzip(data: bytes, task: Task) -> bytes:
    with parsing("gzip"):
        inflater = zlib.decompressobj(wbits=31)
        found = inflater.decompress(data, task.bounds.max_held_bytes)
    if inflater.unconsumed_tail:
        raise IngestError(f"it unfolds to more than {task.bounds.max_held_bytes} bytes")
    if not inflater.eof:
        raise IngestError("it is cut off: the end of its compressed data is missing")
    return found


def _snake(keyword: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", keyword).lower()
