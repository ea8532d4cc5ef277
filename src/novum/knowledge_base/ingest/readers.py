"""Which reader reads a format; for the process that reads, and for no other."""

from collections.abc import Iterator

from novum.knowledge_base.ingest import (
    anndata,
    crystals,
    documents,
    images,
    medical,
    molecules,
    sampled,
    sequences,
    tables,
)
from novum.knowledge_base.ingest.draft import Draft, Reader, Shape, Task
from novum.knowledge_base.ingest.formats import Format


def _read_hdf5(task: Task) -> Iterator[Draft]:
    shape = task.about.shape
    if shape is Shape.OMICS or (shape is None and anndata.is_anndata(task)):
        yield from anndata.read_anndata(task)
    else:
        yield from sampled.read_hdf5(task)


READERS: dict[Format, Reader] = {
    Format.PDF: documents.read_pdf,
    Format.MARKDOWN: documents.read_markdown,
    Format.HTML: documents.read_html,
    Format.TEXT: documents.read_text,
    Format.CSV: tables.read_csv,
    Format.JSON: tables.read_json,
    Format.JSON_LINES: tables.read_json_lines,
    Format.PARQUET: tables.read_parquet,
    Format.SMILES: molecules.read_smiles,
    Format.MOLFILE: molecules.read_molfile,
    Format.CIF: crystals.read_cif,
    Format.POSCAR: crystals.read_poscar,
    Format.EXTXYZ: crystals.read_extxyz,
    Format.FASTA: sequences.read_fasta,
    Format.PNG: images.read_png,
    Format.TIFF: images.read_tiff,
    Format.DICOM: medical.read_dicom,
    Format.NIFTI: medical.read_nifti,
    Format.NPZ: sampled.read_npz,
    Format.HDF5: _read_hdf5,
}
