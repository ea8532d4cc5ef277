"""Files of scientists as items of the knowledge base.

`ingest` takes a file or a folder. Six classes of data are read, each by its field's library:

| Class | Formats |
|---|---|
| text | PDF, Markdown, HTML, plain text: passages with page and place |
| structured | CSV, JSON, JSON lines, Parquet with units in the headers; graphs in JSON |
| symbolic | SMILES, SDF, MOL, CIF, POSCAR, extxyz, FASTA |
| visual | PNG, TIFF, OME-TIFF, DICOM, NIfTI |
| time series | CSV with a time, npz, HDF5 with a sampling rate |
| multi-omics | AnnData (h5ad), MuData (h5mu), CSV with ids of samples |

The level of an item is what the user says; else, of passages, what the heading above them suggests
(*methodological*, *theoretical*, else *factual*: that a text says so is a fact); else *factual* for what was
measured, and *modelling* for the rest. Where it was measured is never guessed: `About.origin` has no default.

Texts are data. Characters that act are made visible, and what looks like an instruction to a model is
flagged; see `novum.knowledge_base.ingest.instructions`.

A file that is damaged, unfolds too far, hides code, or says one thing by its name and another by its content
is refused, with the reason. Numbers without a unit are left out, with a note.
"""

from novum.knowledge_base.ingest.apart import ReaderProcess
from novum.knowledge_base.ingest.bounds import Bounds
from novum.knowledge_base.ingest.draft import About, Columns, Keep, Shape
from novum.knowledge_base.ingest.entry import ingest
from novum.knowledge_base.ingest.formats import Format
from novum.knowledge_base.ingest.report import Note, OnProgress, Progress, Refused, Report, Taken

__all__ = [
    "About",
    "Bounds",
    "Columns",
    "Format",
    "Keep",
    "Note",
    "OnProgress",
    "Progress",
    "ReaderProcess",
    "Refused",
    "Report",
    "Shape",
    "Taken",
    "ingest",
]
