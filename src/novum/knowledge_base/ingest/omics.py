"""Multi-omics matrices: samples by features, from a table or from AnnData and MuData files."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError, UnitError
from novum.core.knowledge import DataClass
from novum.core.text import clean_text
from novum.knowledge_base.ingest.arrays import store_array, store_arrays
from novum.knowledge_base.ingest.cells import is_missing, parse_number
from novum.knowledge_base.ingest.columns import is_numeric
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.rows import Row, Table
from novum.knowledge_base.ingest.units import Header, parse_header, parse_unit

if TYPE_CHECKING:
    import numpy

_SAMPLES = re.compile(r"sample[ _]?(?:id|name)?|cell(?:[ _]?id)?|barcode|library", re.IGNORECASE)
_FEATURES = re.compile(
    r"(?:gene|feature|protein|transcript|metabolite|probe|otu|asv|taxon)(?:[ _]?(?:id|name|symbol))?|"
    r"ensembl(?:[ _]?id)?|symbol",
    re.IGNORECASE,
)
IDENTIFYING = re.compile(
    r"(?:^|_)(?:name|first_?name|surname|birth|dob|address|zip|mrn|ssn|patient|donor|subject|participant|email|"
    r"phone|hospital|date)",
    re.IGNORECASE,
)
"""Names of sample annotations that may identify a person; they are not taken."""

MAX_ANNOTATIONS = 50


@dataclass(frozen=True, slots=True)
class Matrix:
    """Samples by features."""

    samples: Sequence[str]
    features: Sequence[str]
    arrays: "dict[str, numpy.ndarray[Any, Any]]"
    """``{"values": (n_samples, n_features)}``, or the ``data``, ``indices``, ``indptr`` of rows (CSR)."""
    modality: str = "omics"
    organism: str = ""
    unit: str | None = None
    conditions: dict[str, Any] = field(default_factory=dict)
    """What holds for all samples."""
    annotations: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """What is known of each sample."""


def is_matrix(task: Task, table: Table, first: Sequence[Row]) -> bool:
    """Say whether a table is a matrix: its first column names samples or features, the others are numbers.

    As soon as one of them has a unit in its header, it is an ordinary table.
    """
    head, rest = table.headers[0], table.headers[1:]
    if len(rest) < 2 or not (_SAMPLES.fullmatch(head) or _FEATURES.fullmatch(head)):
        return False
    if any(parse_header(name).unit is not None for name in rest):
        return False
    n = sum(_is_numeric(task, name, first, i) for i, name in enumerate(rest, 1))
    return n >= 2 and n > len(rest) / 2


def read_matrix(task: Task, table: Table) -> Iterator[Draft]:
    """Yield a draft for a matrix in a table, and one for each sample.

    Rows are samples, unless the first header names features, as ``gene_id``. Text columns annotate samples.

    Raises:
        IngestError: it is too large to hold, it has no unit, or ids are missing or double.
    """
    import numpy as np

    first, table = table.peek()
    rows_are_features = bool(_FEATURES.fullmatch(table.headers[0]))
    numeric = [i for i, name in enumerate(table.headers) if i and _is_numeric(task, name, first, i)]
    texts = [i for i in range(1, len(table.headers)) if i not in set(numeric)]
    most = task.bounds.max_held_bytes // (8 * max(1, len(numeric)))
    names: list[str] = []
    values: list[list[float]] = []
    annotations: dict[str, list[Any]] = {} if rows_are_features else {table.headers[i]: [] for i in texts}
    n_missing = 0
    for row in table.rows:
        if len(values) >= most:
            raise IngestError(f"it has more than {most} rows of {len(numeric)} numbers; it is held whole")
        names.append(clean_text(str(row.cells[0] or "").strip(), limit=200))
        line = []
        for i in numeric:
            number = None if is_missing(row.cells[i]) else parse_number(row.cells[i])
            n_missing += number is None
            line.append(math.nan if number is None else number.value)
        values.append(line)
        for i in texts:
            if table.headers[i] in annotations:
                annotations[table.headers[i]].append(row.cells[i])
    if texts and rows_are_features:
        task.note("columns of text were left out", place=f"column {table.headers[texts[0]]!r}")
    if n_missing:
        task.note(f"{n_missing} values are missing")
    array = np.asarray(values, dtype=np.float64).reshape(len(names), len(numeric))
    columns = [table.headers[i] for i in numeric]
    samples, features = (columns, names) if rows_are_features else (names, columns)
    yield from matrix_drafts(
        task,
        Matrix(
            samples=samples,
            features=features,
            arrays={"values": array.T if rows_are_features else array},
            annotations=annotations,
        ),
    )


def matrix_drafts(task: Task, matrix: Matrix) -> Iterator[Draft]:
    """Yield a draft for a matrix, and one for each of its samples.

    Unless it is said to come from another species, it counts as coming from people, and is sensitive.

    Raises:
        IngestError: it has no unit, or ids are missing or double.
        StoreError: it could not be stored.
    """
    import numpy as np

    n_samples, n_features = len(matrix.samples), len(matrix.features)
    for what, ids in (("sample", matrix.samples), ("feature", matrix.features)):
        if not ids or not all(ids):
            raise IngestError(f"a {what} has no id")
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if list(ids).count(i) > 1)
            raise IngestError(f"two {what}s have the id {twice!r}")
    unit = _unit(task, matrix)
    organism = task.about.organism or matrix.organism
    sensitive = may_be_human(organism)
    axes = ("sample", "feature")
    if "values" in matrix.arrays:
        array = store_array(task, matrix.arrays["values"], axes=axes, unit=unit, name="matrix")
        dense = matrix.arrays["values"]
        n_found = np.count_nonzero(np.nan_to_num(dense), axis=1)
        totals = np.nansum(dense, axis=1)
    else:
        indptr = matrix.arrays["indptr"].astype(np.int64)
        data = matrix.arrays["data"].astype(np.float64)
        array = {
            **store_arrays(task, matrix.arrays, name="matrix"),
            "shape": [n_samples, n_features],
            "dtype": matrix.arrays["data"].dtype.str,
            "axes": list(axes),
            "unit": unit,
            "layout": "csr",
        }
        sums = np.concatenate([[0.0], np.cumsum(data)])
        n_found, totals = np.diff(indptr), sums[indptr[1:]] - sums[indptr[:-1]]
    ids = json.dumps({"samples": list(matrix.samples), "features": list(matrix.features)}, ensure_ascii=False)
    arguments = {"array": array, "ids": task.store(ids.encode(), "ids.json", "application/json")}
    conditions = {**matrix.conditions, **({"organism": organism} if organism else {})}
    said = f" of {organism}" if organism else ""
    yield Draft(
        data_class=DataClass.MULTI_OMICS,
        subject=task.subject,
        label=task.about.subject or f"{matrix.modality} matrix",
        relation=f"{matrix.modality} matrix",
        object=f"sha256:{array['sha256']}",
        text=(
            f"Multi-omics matrix ({matrix.modality}){said}: {n_samples} samples by {n_features} features, "
            f"in {'counts' if unit == 'count' else unit}."
        ),
        conditions=conditions,
        arguments=arguments,
        flags=flags_of("\n".join([*matrix.samples[:1000], *matrix.features[:1000]])),
        sensitive=sensitive,
    )
    if n_samples > task.bounds.max_samples:
        task.note(f"{n_samples} samples, more than {task.bounds.max_samples}: only the whole became an item")
        return
    for i, sample in enumerate(matrix.samples):
        notes = {name: cells[i] for name, cells in matrix.annotations.items() if not IDENTIFYING.search(name)}
        notes = {name: _plain(cell) for name, cell in notes.items() if not is_missing(cell)}
        yield Draft(
            data_class=DataClass.MULTI_OMICS,
            subject=f"{task.subject}#{sample}",
            label=sample,
            relation=f"{matrix.modality} profile",
            text=(
                f"Sample {sample}{said}: {int(n_found[i])} of {n_features} features ({matrix.modality}) "
                f"above zero, {float(totals[i]):.6g} in all."
            ),
            conditions={**conditions, **notes},
            arguments={"array": array, "row": i},
            locator={"row": i + 1},
            flags=flags_of("\n".join([sample, *(str(cell) for cell in notes.values())])),
            sensitive=sensitive,
        )


def may_be_human(organism: str) -> bool:
    """Say whether samples may come from people: so they do unless another species is named.

    Example:
        >>> may_be_human(""), may_be_human("Homo sapiens"), may_be_human("Mus musculus")
        (True, True, False)
    """
    return not organism.strip() or bool(
        re.search(r"human|sapiens|9606|unknown|mixed|patient", organism, re.IGNORECASE)
    )


def _unit(task: Task, matrix: Matrix) -> str:
    """Return the unit: as it is said, or counts where all values are whole and none is negative."""
    import numpy as np

    said = task.about.columns.units.get("*", matrix.unit)
    if said is not None:
        try:
            return parse_unit(said)
        except UnitError as error:
            # Units such as TPM are normalised counts: pure numbers with a name.
            if re.fullmatch(r"[A-Za-z0-9]{1,20}", said):
                return said
            raise IngestError(str(error)) from error
    values = matrix.arrays["values"] if "values" in matrix.arrays else matrix.arrays["data"]
    if values.dtype.kind in "biuf" and bool(np.all(values >= 0)) and bool(np.all(values == np.floor(values))):
        return "count"
    raise IngestError("the matrix has no unit; say it for all columns, as 'TPM', or '1' for pure numbers")


def _plain(cell: Any) -> Any:
    return clean_text(cell.strip(), limit=200) if isinstance(cell, str) else cell


def _is_numeric(task: Task, name: str, first: Sequence[Row], at: int) -> bool:
    return is_numeric(task, Header(name, name, None), (row.cells[at] for row in first))
