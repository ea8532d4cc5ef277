"""From a file or a folder to items."""

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from novum.core.errors import IngestError, MissingExtraError, NotFoundError
from novum.core.knowledge import KnowledgeItem
from novum.core.text import clean_text
from novum.knowledge_base.ingest import (
    crystals,
    documents,
    images,
    medical,
    molecules,
    sampled,
    sequences,
    tables,
)
from novum.knowledge_base.ingest.apart import apart
from novum.knowledge_base.ingest.bounds import DEFAULT_BOUNDS, Bounds
from novum.knowledge_base.ingest.draft import About, Draft, Keep, Reader, Task
from novum.knowledge_base.ingest.formats import Format, find_format
from novum.knowledge_base.ingest.items import ItemMaker
from novum.knowledge_base.ingest.parsing import BAD_INPUT, version_of
from novum.knowledge_base.ingest.report import OnProgress, Progress, Refused, Report, Taken
from novum.knowledge_base.ingest.source import kind_of_file, open_source

_READERS: dict[Format, tuple[Reader, str]] = {
    Format.PDF: (documents.read_pdf, "pypdf"),
    Format.MARKDOWN: (documents.read_markdown, "markdown-it-py"),
    Format.HTML: (documents.read_html, "beautifulsoup4"),
    Format.TEXT: (documents.read_text, "novum"),
    Format.CSV: (tables.read_csv, "novum"),
    Format.JSON: (tables.read_json, "novum"),
    Format.JSON_LINES: (tables.read_json_lines, "novum"),
    Format.PARQUET: (tables.read_parquet, "pyarrow"),
    Format.SMILES: (molecules.read_smiles, "rdkit"),
    Format.MOLFILE: (molecules.read_molfile, "rdkit"),
    Format.CIF: (crystals.read_cif, "pymatgen"),
    Format.POSCAR: (crystals.read_poscar, "pymatgen"),
    Format.EXTXYZ: (crystals.read_extxyz, "ase"),
    Format.FASTA: (sequences.read_fasta, "biopython"),
    Format.PNG: (images.read_png, "pillow"),
    Format.TIFF: (images.read_tiff, "tifffile"),
    Format.DICOM: (medical.read_dicom, "pydicom"),
    Format.NIFTI: (medical.read_nifti, "nibabel"),
    Format.NPZ: (sampled.read_npz, "numpy"),
    Format.HDF5: (apart(Format.HDF5, module="h5py", extra="ingest-series"), "h5py"),
}
"""How each format is read, and the distribution that does it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of a walk."""

    path: Path
    label: str


def ingest(
    path: str | Path,
    about: About,
    *,
    keep: Keep | None = None,
    report: Report | None = None,
    on_progress: OnProgress | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> Iterator[KnowledgeItem]:
    """Return the items in a file, or in all files of a folder and its folders, in the order of their names.

    What a file holds is found by its content and its name, which must agree. The first item of a file stands
    for the file itself, and all others are derived from it. The same file gives the same items each time, so
    that recording them again adds nothing.

    In a folder, links, devices and files with a dot before their name are not touched, and of files with
    equal content the first is taken.

    Args:
        path: a file or a folder.
        about: what no file says of itself.
        keep: stores images, arrays and large structures under their hash, as `Artifacts.put` does. Without
            it, items name the hash of bytes that are nowhere kept.
        report: gets to know what was taken and what was not, and why. Without one, the first file that
            cannot be taken raises.
        on_progress: is called before each file and after the last.
        bounds: how much one file may ask for.

    Raises:
        IngestError: on iteration and without a `report`, a file that cannot be taken.
        MissingExtraError: on iteration and without a `report`, a file whose reader is not installed.
        NotFoundError: there is nothing at `path`.
        StoreError: on iteration, `keep` could not store something.
    """
    try:
        root = Path(path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:  # also a null in it, or a circle of links
        raise NotFoundError(f"there is no file or folder {clean_text(str(path), limit=200)!r}") from error
    return _ingest(root, about, keep, report, on_progress, bounds)


def _ingest(
    root: Path,
    about: About,
    keep: Keep | None,
    report: Report | None,
    on_progress: OnProgress | None,
    bounds: Bounds,
) -> Iterator[KnowledgeItem]:
    told = Report() if report is None else report
    found = list(_walk(root, told, bounds)) if root.is_dir() else [_Found(root, root.name)]
    n_items = 0
    hashes: dict[str, str] = {}
    for n_done, file in enumerate(found):
        if on_progress is not None:
            on_progress(Progress(n_done, len(found), clean_text(file.label), n_items))
        reader = _File(file, about, keep, told, bounds, hashes)
        try:
            for item in reader.items():
                n_items += 1
                yield item
        except (IngestError, MissingExtraError) as error:
            if report is None:
                raise
            after = f"after {reader.n_items} items: " if reader.n_items else ""
            report.refused.append(Refused(clean_text(file.label), f"{after}{error}"))
    if on_progress is not None:
        on_progress(Progress(len(found), len(found), "", n_items))


def _walk(root: Path, report: Report, bounds: Bounds) -> Iterator[_Found]:
    """Yield the regular files below a folder, in the order of their names; the others are refused."""
    n_found = 0
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            label = _label(folder, root)
            report.refused.append(Refused(label, f"the folder cannot be read: {error.strerror}"))
            continue
        deeper = []
        for entry in inside:
            label = _label(Path(entry.path), root)
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError as error:
                report.refused.append(Refused(label, f"it cannot be looked at: {error.strerror}"))
                continue
            if entry.name.startswith("."):
                report.note(_label(folder, root), "files and folders that begin with a dot were left out")
            elif stat.S_ISDIR(mode):
                if depth >= bounds.max_depth:
                    report.refused.append(Refused(label, f"it lies deeper than {bounds.max_depth} folders"))
                else:
                    deeper.append((Path(entry.path), depth + 1))
            elif not stat.S_ISREG(mode):
                report.refused.append(Refused(label, f"it is {kind_of_file(mode)}, and no regular file"))
            elif n_found >= bounds.max_files:
                report.refused.append(Refused(label, f"there are more than {bounds.max_files} files"))
                return
            else:
                n_found += 1
                yield _Found(Path(entry.path), label)
        folders += reversed(deeper)


def _label(path: Path, root: Path) -> str:
    return clean_text(str(path.relative_to(root)), limit=500)


class _File:
    """One file on its way to items."""

    def __init__(
        self,
        found: _Found,
        about: About,
        keep: Keep | None,
        report: Report,
        bounds: Bounds,
        hashes: dict[str, str],
    ) -> None:
        self._found = found
        self._about = about
        self._keep = keep
        self._report = report
        self._bounds = bounds
        self._hashes = hashes
        self.n_items = 0

    def items(self) -> Iterator[KnowledgeItem]:
        """Yield the item of the file, and those in it; what is in it twice only once.

        Raises:
            IngestError: it cannot be taken, or not to its end.
            MissingExtraError: its reader is not installed.
        """
        with open_source(self._found.path, self._bounds, label=self._found.label) as source:
            if source.sha256 in self._hashes:
                other = self._hashes[source.sha256]
                self._report.note(source.label, f"left out: it has the same content as {other}")
                return
            format = find_format(source)
            deadline = time.monotonic() + self._bounds.max_seconds
            task = Task(source, self._about, self._bounds, self._report, self._keep, deadline)
            read, distribution = _READERS[format]
            drafts = read(task)
            first = self._next(drafts, format)
            if first is None:
                raise IngestError("there is nothing in it that could be taken")
            maker = ItemMaker(
                task,
                format=format,
                data_class=first.data_class,
                tool=distribution,
                version=version_of(distribution),
                private=first.sensitive,
            )
            yield self._counted(maker.file_item(sensitive=first.sensitive))
            known: set[str] = set()
            draft: Draft | None = first
            while draft is not None:
                item = self._item(maker, draft, source.label)
                if item is not None and item.id not in known:
                    known.add(item.id)
                    yield self._counted(item)
                task.check_time()
                draft = self._next(drafts, format)
            source.check_unchanged()
        self._hashes[source.sha256] = source.label
        self._report.taken.append(Taken(source.label, source.sha256, format.value, self.n_items))

    def _next(self, drafts: Iterator[Draft], format: Format) -> Draft | None:
        """Return the next draft; what a reader did not expect refuses the file, and stops nothing else."""
        try:
            return next(drafts, None)
        except BAD_INPUT as error:
            why = clean_text(str(error) or type(error).__name__, limit=300)
            raise IngestError(f"it cannot be read as {format}: {why}") from error
        except MemoryError as error:
            raise IngestError(f"it needs more memory than there is to be read as {format}") from error

    def _item(self, maker: ItemMaker, draft: Draft, label: str) -> KnowledgeItem | None:
        try:
            return maker.item(draft)
        except ValueError as error:  # a condition that is not finite
            self._report.note(label, f"left out: {clean_text(str(error), limit=200)}")
            return None

    def _counted(self, item: KnowledgeItem) -> KnowledgeItem:
        self.n_items += 1
        if self.n_items > self._bounds.max_items:
            raise IngestError(f"it gives more than {self._bounds.max_items} items")
        return item
