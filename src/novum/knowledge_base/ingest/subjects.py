"""What a row, a record or a file is about, under an id that means the same in every file."""

from novum.core.text import clean_text
from novum.knowledge_base.ingest.draft import Named, Task
from novum.knowledge_base.ingest.molecules import parse_smiles

_GLOBAL = (
    "smiles",
    "canonical smiles",
    "inchikey",
    "inchi",
    "cas",
    "cas number",
    "material id",
    "mp id",
    "compound",
    "molecule",
    "material",
    "formula",
    "composition",
    "gene",
    "protein",
    "species",
    "star",
    "station",
)
_LOCAL = ("sample id", "sample", "specimen", "compound id", "id", "name", "label", "entry")
SUBJECT_NAMES = (*_GLOBAL, *_LOCAL)
"""Names of columns that say what a row is about, best first, in lower case.

A name of the second half, such as ``sample_id``, means something in its own file only; what it names is
kept apart from a sample of that name in another file, unless the user says that it is the subject.
"""

_MAX_CACHED = 100_000


class Subjects:
    """Turns the cells of a subject column into ids; remembers those that it has seen.

    Args:
        task: the file, and what its user says of it.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._known: dict[str, Named | None] = {}

    def named(self, column: str, cell: str) -> Named | None:
        """Return what a cell names, or None, with a note, for a SMILES that cannot be read."""
        if cell not in self._known:
            if len(self._known) >= _MAX_CACHED:
                self._known.clear()
            self._known[cell] = self._find(column, cell)
        return self._known[cell]

    def _find(self, column: str, cell: str) -> Named | None:
        kind = " ".join(column.casefold().replace("_", " ").split())
        text = clean_text(cell.strip(), limit=500)
        if kind in ("smiles", "canonical smiles"):
            molecule = parse_smiles(cell.strip(), max_atoms=self._task.bounds.max_atoms)
            if isinstance(molecule, str):
                self._task.note(f"rows were left out: {molecule}", place=f"column {column!r}")
                return None
            return Named(molecule.inchikey, molecule.smiles, {"smiles": molecule.smiles}, symbolic=True)
        if kind in _LOCAL and self._task.about.columns.subject != column:
            return Named(f"{self._task.subject}#{text}", text, raw=cell)
        if kind in ("formula", "composition"):
            return Named(text, text, {"formula": text}, raw=cell)
        return Named(text, text, raw=cell)
