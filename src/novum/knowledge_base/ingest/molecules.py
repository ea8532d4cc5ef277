"""Molecules: lists of SMILES, and MDL files (SDF, MOL) with their data items."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novum.core.errors import IngestError
from novum.core.knowledge import DataClass
from novum.core.text import clean_text
from novum.knowledge_base.ingest.draft import Draft, Named, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.lines import bounded_lines

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MAX_SMILES_CHARS = 10_000
MAX_RECORD_CHARS = 10_000_000
"""Characters of one record of an SDF."""


@dataclass(frozen=True, slots=True)
class Molecule:
    """A molecule as RDKit understands it."""

    inchikey: str
    smiles: str
    """Canonical, with stereochemistry."""
    formula: str
    n_atoms: int
    """With hydrogen."""
    charge: int
    """In elementary charges."""


def parse_smiles(smiles: str, *, max_atoms: int) -> Molecule | str:
    """Return the molecule of a SMILES, or why there is none.

    Example:
        >>> parse_smiles("OCC", max_atoms=100).inchikey
        'LFQSCWFLJHTTHZ-UHFFFAOYSA-N'
        >>> parse_smiles("C(", max_atoms=100)
        'the SMILES cannot be read'
    """
    from rdkit import Chem, rdBase

    if len(smiles) > MAX_SMILES_CHARS:
        return f"the SMILES is longer than {MAX_SMILES_CHARS} characters"
    with rdBase.BlockLogs():
        found = Chem.MolFromSmiles(smiles) if smiles else None
    return "the SMILES cannot be read" if found is None else _molecule(found, max_atoms)


def read_smiles(task: Task) -> Iterator[Draft]:
    """Yield a draft for each line ``SMILES name``; ``#`` begins a comment, and a line of headers is skipped.

    Raises:
        IngestError: it is no text, or no line holds a molecule.
    """
    n_taken = 0
    with task.source.lines(task.about.encoding) as stream:
        for number, line in enumerate(bounded_lines(stream), 1):
            words = line.split(maxsplit=1)
            if not words or words[0].startswith("#") or (number == 1 and words[0].casefold() == "smiles"):
                continue
            molecule = parse_smiles(words[0], max_atoms=task.bounds.max_atoms)
            if isinstance(molecule, str):
                task.note(f"left out: {molecule}", place=f"line {number}")
                continue
            n_taken += 1
            yield _draft(molecule, words[1].strip() if len(words) > 1 else "", {"line": number})
    if not n_taken:
        raise IngestError("no line holds a SMILES that can be read")


def read_molfile(task: Task) -> Iterator[Draft]:
    """Yield a draft for each record of an SDF or MOL file, and for each value in its data items.

    Data items are named as the columns of a table are, as ``yield (%)``; which there are is taken from the
    first thousand records. A record that cannot be read is noted.

    Raises:
        IngestError: it is no text, or no record can be read.
    """
    from novum.knowledge_base.ingest.rows import PEEK_ROWS, Row, Table, findings

    pending: list[Draft] = []
    records = _molecules(task, pending)
    first = list(itertools.islice(records, PEEK_ROWS))
    if not first:
        raise IngestError("no record can be read")
    headers = list(dict.fromkeys(name for record in first for name in record.data))

    def rows() -> Iterator[Row]:
        for record in itertools.chain(first, records):
            yield Row(record.number, [record.data.get(name) for name in headers], record.named)

    stream = rows()
    if headers:
        table = Table.checked(headers, stream, max_columns=task.bounds.max_columns, row_name="record")
        try:
            for draft in findings(task, table):
                while pending:
                    yield pending.pop(0)
                yield draft
        except IngestError as error:
            task.note(f"data items were left out: {error}")
    while True:
        while pending:
            yield pending.pop(0)
        if next(stream, None) is None:
            return


@dataclass(frozen=True, slots=True)
class _Record:
    number: int
    named: Named
    data: dict[str, str]


def _molecules(task: Task, drafts: list[Draft]) -> Iterator[_Record]:
    """Yield the data items of each record that can be read; its molecule is added to `drafts`."""
    for number, block in _blocks(task):
        found = _parse_block(block)
        molecule = "the record cannot be read" if found is None else _molecule(found, task.bounds.max_atoms)
        if found is None or isinstance(molecule, str):
            task.note(f"left out: {molecule}", place=f"record {number}")
            continue
        name = found.GetProp("_Name").strip() if found.HasProp("_Name") else ""
        data = {str(key): str(found.GetProp(key)) for key in found.GetPropNames()}
        drafts.append(_draft(molecule, name, {"record": number}))
        label = clean_text(name, limit=200) or molecule.smiles
        arguments = {"smiles": molecule.smiles}
        yield _Record(number, Named(molecule.inchikey, label, arguments, symbolic=True, raw=name), data)


def _blocks(task: Task) -> Iterator[tuple[int, str]]:
    """Yield each record's number and text."""
    number, lines, length = 1, [], 0
    with task.source.lines(task.about.encoding) as stream:
        for line in bounded_lines(stream):
            lines.append(line)
            length += len(line)
            if length > MAX_RECORD_CHARS:
                raise IngestError(f"record {number} is longer than {MAX_RECORD_CHARS} characters")
            if line.startswith("$$$$"):
                yield number, "".join(lines)
                number, lines, length = number + 1, [], 0
    if any(line.strip() for line in lines):
        yield number, "".join(lines)


def _parse_block(block: str) -> "Mol | None":
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        supplier = Chem.SDMolSupplier()
        supplier.SetData(block, removeHs=False)
        return supplier[0] if len(supplier) else None


def _molecule(found: "Mol", max_atoms: int) -> Molecule | str:
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdMolDescriptors

    if found.GetNumAtoms() == 0:
        return "there is no atom in it"
    if found.GetNumAtoms() > max_atoms:
        return f"it has {found.GetNumAtoms()} atoms; at most {max_atoms} are taken"
    with rdBase.BlockLogs():
        found = Chem.RemoveHs(found)
        inchikey = str(Chem.MolToInchiKey(found))  # type: ignore[no-untyped-call]
        if not inchikey:
            return "it has no InChI"
        return Molecule(
            inchikey=inchikey,
            smiles=Chem.MolToSmiles(found),
            formula=rdMolDescriptors.CalcMolFormula(found),
            n_atoms=Chem.AddHs(found).GetNumAtoms(),
            charge=Chem.GetFormalCharge(found),
        )


def _draft(molecule: Molecule, name: str, locator: dict[str, Any]) -> Draft:
    label = clean_text(name, limit=200) or molecule.smiles
    return Draft(
        data_class=DataClass.SYMBOLIC,
        subject=molecule.inchikey,
        label=label,
        relation="structure",
        object=molecule.smiles,
        text=f"{label}: molecule {molecule.formula}, SMILES {molecule.smiles}.",
        arguments={"smiles": molecule.smiles},
        locator=locator,
        flags=flags_of(name),
    )
