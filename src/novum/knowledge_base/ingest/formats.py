"""Which format a file has, by its content and its name; both must agree."""

import re
import zlib
from enum import StrEnum

from novum.core.errors import IngestError
from novum.knowledge_base.ingest.source import Source


class Format(StrEnum):
    """The formats that can be taken."""

    PDF = "PDF"
    MARKDOWN = "Markdown"
    HTML = "HTML"
    TEXT = "plain text"
    CSV = "CSV"
    JSON = "JSON"
    JSON_LINES = "JSON lines"
    PARQUET = "Parquet"
    SMILES = "SMILES"
    MOLFILE = "SDF or MOL"
    CIF = "CIF"
    POSCAR = "POSCAR"
    EXTXYZ = "extxyz"
    FASTA = "FASTA"
    PNG = "PNG"
    TIFF = "TIFF"
    DICOM = "DICOM"
    NIFTI = "NIfTI"
    NPZ = "npz"
    HDF5 = "HDF5"


LIBRARIES: dict[Format, str] = {
    Format.PDF: "pypdf",
    Format.MARKDOWN: "markdown-it-py",
    Format.HTML: "beautifulsoup4",
    Format.TEXT: "novum",
    Format.CSV: "novum",
    Format.JSON: "novum",
    Format.JSON_LINES: "novum",
    Format.PARQUET: "pyarrow",
    Format.SMILES: "rdkit",
    Format.MOLFILE: "rdkit",
    Format.CIF: "pymatgen",
    Format.POSCAR: "pymatgen",
    Format.EXTXYZ: "ase",
    Format.FASTA: "biopython",
    Format.PNG: "pillow",
    Format.TIFF: "tifffile",
    Format.DICOM: "pydicom",
    Format.NIFTI: "nibabel",
    Format.NPZ: "numpy",
    Format.HDF5: "h5py",
}
"""The distribution that reads each format."""

_TEXTS = {
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".tab": Format.CSV,
    ".json": Format.JSON,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".smi": Format.SMILES,
    ".smiles": Format.SMILES,
    ".sdf": Format.MOLFILE,
    ".sd": Format.MOLFILE,
    ".mol": Format.MOLFILE,
    ".cif": Format.CIF,
    ".poscar": Format.POSCAR,
    ".vasp": Format.POSCAR,
    ".xyz": Format.EXTXYZ,
    ".extxyz": Format.EXTXYZ,
    ".fa": Format.FASTA,
    ".fasta": Format.FASTA,
    ".faa": Format.FASTA,
    ".fna": Format.FASTA,
    ".ffn": Format.FASTA,
}
_BINARIES = {
    ".pdf": Format.PDF,
    ".parquet": Format.PARQUET,
    ".png": Format.PNG,
    ".tif": Format.TIFF,
    ".tiff": Format.TIFF,
    ".dcm": Format.DICOM,
    ".dicom": Format.DICOM,
    ".nii": Format.NIFTI,
    ".nii.gz": Format.NIFTI,
    ".npz": Format.NPZ,
    ".h5": Format.HDF5,
    ".hdf5": Format.HDF5,
    ".h5ad": Format.HDF5,
    ".h5mu": Format.HDF5,
}
_MAGIC = (
    (b"%PDF-", Format.PDF),
    (b"PAR1", Format.PARQUET),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"II*\x00", Format.TIFF),
    (b"MM\x00*", Format.TIFF),
    (b"II+\x00", Format.TIFF),
    (b"MM\x00+", Format.TIFF),
    (b"\x89HDF\r\n\x1a\n", Format.HDF5),
)
_REFUSED = (
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle, which can run code when it is opened; save arrays as npz"),
    (re.compile(rb"\x93NUMPY"), "a single array without names; save it as npz, with its time or rate"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old office document; export it as CSV or PDF"),
    (re.compile(rb"\x7fELF|MZ"), "a program"),
    (re.compile(rb"\xff\xd8\xff"), "a JPEG image, which has lost detail; use PNG or TIFF"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!"), "an archive; unpack it first"),
)
_OFFICE = {".xlsx", ".xlsm", ".docx", ".pptx", ".ods", ".odt", ".odp"}


def find_format(source: Source) -> Format:
    """Return the format of a file.

    Raises:
        IngestError: it is unknown or not taken, or name and content contradict each other.
    """
    named = _TEXTS.get(source.suffix) or _BINARIES.get(source.suffix)
    if source.name.upper() in ("POSCAR", "CONTCAR"):
        named = Format.POSCAR
    found = _by_content(source, named)
    if named is None:
        if found is None and source.is_binary:
            raise IngestError("its format is unknown")
        return found or _by_words(source)
    if found not in (named, None):
        raise IngestError(f"its name says {named}, and its content is {found}")
    if found is None and (source.is_binary or named in _BINARIES.values()):
        raise IngestError(f"its name says {named}, and its content is something else")
    return named


def _by_content(source: Source, named: Format | None) -> Format | None:
    """Return what the first bytes say, or None if they say nothing."""
    head = source.head
    if head[128:132] == b"DICM":  # before these, a DICOM file may begin as another
        return Format.DICOM
    for magic, format in _MAGIC:
        if head.startswith(magic):
            return format
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        if source.suffix in _OFFICE:
            raise IngestError("it is an office document; export its tables as CSV, its text as PDF")
        if named is Format.NPZ:
            return Format.NPZ
        raise IngestError("it is an archive; unpack it first")
    if head.startswith(b"\x1f\x8b") and _is_nifti(_unzipped(head)):
        return Format.NIFTI
    if _is_nifti(head):
        return Format.NIFTI
    for pattern, what in _REFUSED:
        if pattern.match(head) and (source.is_binary or not head[:4].isascii()):
            raise IngestError(f"it is {what}")
    return None


def _is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\x00", b"ni1\x00") or head[4:12] in (
        b"n+2\x00\r\n\x1a\n",
        b"ni2\x00\r\n\x1a\n",
    )


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 512)
    except zlib.error:
        return b""


def _by_words(source: Source) -> Format:
    """Return the format of a text whose name says nothing."""
    text = source.head.decode(source.encoding("utf-8"), errors="replace").lstrip("\ufeff \t\r\n")
    if re.match(r"<(!doctype html|html)\b", text, re.IGNORECASE):
        return Format.HTML
    if re.match(r">\S+.*\n[A-Za-z*-]{5,}\s", text):
        return Format.FASTA
    if re.match(r"(#[^\n]*\n|\s)*data_\S", text) and "_cell_length_a" in text:
        return Format.CIF
    if re.search(r"^M  END\s*$", text, re.MULTILINE):
        return Format.MOLFILE
    if re.match(r"\d+\s*\n[^\n]*\bLattice=", text):
        return Format.EXTXYZ
    return Format.TEXT
