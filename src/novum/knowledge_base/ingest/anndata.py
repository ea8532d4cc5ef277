"""AnnData (h5ad) and MuData (h5mu) files, read as their format is specified.

References:
    The on-disk format of AnnData: https://anndata.readthedocs.io/en/latest/fileformat-prose.html
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError
from novum.core.text import clean_text
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.hdf5 import attribute, dataset_bytes, open_hdf5
from novum.knowledge_base.ingest.omics import MAX_ANNOTATIONS, Matrix, matrix_drafts
from novum.knowledge_base.ingest.parsing import parsing

if TYPE_CHECKING:
    import h5py
    import numpy

_ORGANISMS = ("organism", "species", "organism_ontology_term_id")


def is_anndata(task: Task) -> bool:
    """Say whether an HDF5 file is an AnnData or MuData file.

    Raises:
        IngestError: it is damaged.
        MissingExtraError: h5py is not installed.
    """
    with open_hdf5(task) as file, parsing("HDF5"):
        return attribute(file, "encoding-type") in ("anndata", "mudata") or {"obs", "var"} <= set(file)


def read_anndata(task: Task) -> Iterator[Draft]:
    """Yield a draft for the matrix ``X`` of each modality, and one for each of its samples.

    Annotations of samples become conditions, without those whose name may identify a person.

    Raises:
        IngestError: it is damaged or too large, or a matrix has no unit.
        MissingExtraError: h5py is not installed.
    """
    with open_hdf5(task) as file:
        with parsing("AnnData"):
            inside = file.get("mod")
            names = list(inside) if inside is not None else []
        if not names:
            yield from matrix_drafts(task, _matrix(task, file, "omics"))
        for name in names:
            with parsing("MuData"):
                group = _member(inside, name)
                matrix = _matrix(task, group, clean_text(name, limit=80))
            yield from matrix_drafts(task, matrix)


def _matrix(task: Task, group: "h5py.Group", modality: str) -> Matrix:
    import h5py
    import numpy as np

    with parsing("AnnData"):
        if "X" not in group:
            raise IngestError("it has no matrix X")
        samples, features = (_index(task, _member(group, axis)) for axis in ("obs", "var"))
        content = _member(group, "X")
        if isinstance(content, h5py.Dataset):
            dataset_bytes(content, task.bounds)
            arrays = {"values": np.asarray(content[()])}
            shape = content.shape
        else:
            arrays, shape = _sparse(task, content)
        if shape != (len(samples), len(features)):
            raise IngestError(
                f"X has the shape {shape}, with {len(samples)} samples and {len(features)} features"
            )
        annotations = _annotations(task, _member(group, "obs"))
        unstructured = group.get("uns")
        conditions = {}
        if unstructured is not None and "log1p" in unstructured:
            conditions["transformation"] = "log1p"
        organism = ""
        for key in _ORGANISMS:
            named = {str(cell) for cell in annotations.get(key, ()) if cell is not None}
            if unstructured is not None and key in unstructured and not named:
                named = set(_texts(task, _member(unstructured, key)))
            organism = organism or ", ".join(sorted(named))
    return Matrix(
        samples=samples,
        features=features,
        arrays=arrays,
        modality=modality,
        organism=clean_text(organism, limit=200),
        unit="1" if conditions else None,
        conditions=conditions,
        annotations={k: v for k, v in annotations.items() if k not in _ORGANISMS},
    )


def _sparse(
    task: Task, content: "h5py.Group"
) -> "tuple[dict[str, numpy.ndarray[Any, Any]], tuple[int, ...]]":
    """Return a sparse matrix by rows, and its shape."""
    import numpy as np
    from scipy import sparse

    kind = attribute(content, "encoding-type") or attribute(content, "h5sparse_format")
    shape = tuple(int(n) for n in content.attrs.get("shape", content.attrs.get("h5sparse_shape", ())))
    if str(kind)[:3] not in ("csr", "csc") or len(shape) != 2:
        raise IngestError(f"X is stored as {kind!r}, which is not known")
    parts = {}
    for name in ("data", "indices", "indptr"):
        part = _member(content, name)
        dataset_bytes(part, task.bounds)
        parts[name] = np.asarray(part[()])
    make = sparse.csr_matrix if str(kind).startswith("csr") else sparse.csc_matrix
    matrix = make((parts["data"], parts["indices"], parts["indptr"]), shape=shape)
    matrix.check_format(full_check=True)
    rows = matrix.tocsr()
    return {"data": rows.data, "indices": rows.indices, "indptr": rows.indptr}, shape


def _index(task: Task, frame: "h5py.Group | h5py.Dataset") -> list[str]:
    import h5py

    if isinstance(frame, h5py.Dataset):
        raise IngestError("it was written by anndata before 0.7; open and save it with a newer one")
    name = attribute(frame, "_index") or "_index"
    return _texts(task, _member(frame, name))


def _annotations(task: Task, frame: "h5py.Group") -> dict[str, list[Any]]:
    """Return the columns of texts of a data frame."""
    import h5py

    index = attribute(frame, "_index")
    found: dict[str, list[Any]] = {}
    for name in list(frame)[:MAX_ANNOTATIONS]:
        if name in (index, "__categories"):
            continue
        member = _member(frame, name)
        label = clean_text(name, limit=80)
        if isinstance(member, h5py.Group) and {"categories", "codes"} <= set(member):
            codes = _member(member, "codes")
            dataset_bytes(codes, task.bounds)
            categories = _texts(task, _member(member, "categories"))
            found[label] = [categories[c] if 0 <= c < len(categories) else None for c in codes[()]]
        elif isinstance(member, h5py.Dataset) and h5py.check_string_dtype(member.dtype):
            found[label] = list(_texts(task, member))
    return found


def _texts(task: Task, dataset: "h5py.Dataset") -> list[str]:
    """Return the texts of a data set, clean; an array of numbers becomes texts as well."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise IngestError("ids are stored in a way that is not known")
    if not h5py.check_string_dtype(dataset.dtype):
        dataset_bytes(dataset, task.bounds)
        values = dataset[()]
        return [str(values)] if dataset.shape == () else [str(value) for value in values]
    if dataset.shape == ():
        return [clean_text(dataset.asstr(errors="replace")[()], limit=200)]
    # Any number of texts may point at one long one, which no size in the file tells.
    step = max(1, min(10_000, task.bounds.max_held_bytes // task.source.size))
    found: list[str] = []
    length = 0
    for start in range(0, dataset.shape[0], step):
        for text in dataset.asstr(errors="replace")[start : start + step]:
            found.append(clean_text(text, limit=200))
            length += len(found[-1]) + 50
        if length > task.bounds.max_held_bytes:
            raise IngestError("its ids are too long to be held")
    return found


def _member(group: "h5py.Group", name: str) -> Any:
    """Return a member that lies in the file itself.

    Raises:
        IngestError: there is none, or it lies in another file.
    """
    import h5py

    if name not in group:
        raise IngestError(f"it has no {clean_text(name, limit=80)!r}")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise IngestError(f"{clean_text(name, limit=80)!r} in it is a link")
    member = group[name]
    if isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
        raise IngestError(f"the data of {clean_text(name, limit=80)!r} lie in another file")
    return member
