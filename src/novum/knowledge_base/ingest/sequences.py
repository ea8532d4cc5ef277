"""Sequences of nucleotides and amino acids: FASTA."""

from collections.abc import Iterator

from novum.core.digest import digest_bytes
from novum.core.errors import IngestError
from novum.core.knowledge import DataClass
from novum.core.text import clean_text
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.instructions import flags_of
from novum.knowledge_base.ingest.lines import bounded_lines
from novum.knowledge_base.ingest.parsing import need, parsing

_NUCLEOTIDES = frozenset("ACGTUNRYKMSWBDHV")
_AMINO_ACIDS = frozenset("ABCDEFGHIKLMNPQRSTVWXYZUOJ")
_PLAIN = frozenset("ACGTUN")


def read_fasta(task: Task) -> Iterator[Draft]:
    """Yield a draft for each record of a FASTA file; one that is no sequence is noted.

    A record of which at least 90 % are A, C, G, T, U or N counts as DNA, or as RNA with U and without T.

    Raises:
        IngestError: it is no text, or no record is a sequence.
        MissingExtraError: Biopython is not installed.
    """
    need("Bio", feature="reading FASTA", extra="ingest-sequences")
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    if task.source.size > task.bounds.max_held_bytes:
        raise IngestError(f"it has {task.source.size} bytes; at most {task.bounds.max_held_bytes} are read")
    n_taken = number = 0
    with task.source.lines(task.about.encoding) as stream:
        records = SimpleFastaParser(bounded_lines(stream))
        while True:
            with parsing("FASTA"):
                title, residues = next(records, (None, ""))
            if title is None:
                break
            number += 1
            name, _, description = title.partition(" ")
            sequence = "".join(residues.split()).upper()
            kind = kind_of(sequence)
            if kind is None:
                task.note("left out: it is no sequence of residues", place=f"record {number}")
                continue
            n_taken += 1
            yield _draft(task, clean_text(name, limit=200), description.strip(), sequence, kind, number)
    if not n_taken:
        raise IngestError("no record holds a sequence")


def kind_of(sequence: str) -> str | None:
    """Return what an upper-case sequence is made of: DNA, RNA or protein; None if it is none of them.

    Example:
        >>> kind_of("ACGTACGT"), kind_of("MKTAYIAK*"), kind_of("HELLO WORLD!")
        ('DNA', 'protein', None)
    """
    letters = set(sequence) - set("-.*")
    if not letters:
        return None
    n_plain = sum(sequence.count(letter) for letter in _PLAIN)
    if letters <= _NUCLEOTIDES and n_plain >= 0.9 * len(sequence.translate({45: None, 46: None, 42: None})):
        return "RNA" if "U" in letters and "T" not in letters else "DNA"
    return "protein" if letters <= _AMINO_ACIDS else None


def _draft(task: Task, name: str, description: str, sequence: str, kind: str, number: int) -> Draft:
    unit = "residues" if kind == "protein" else "bases"
    arguments: dict[str, object] = {"kind": kind, "length": len(sequence)}
    if len(sequence) <= task.bounds.max_residues:
        arguments["sequence"] = sequence
    else:
        arguments["file"] = task.store(sequence.encode(), "sequence.txt", "text/plain")
    said = clean_text(description, limit=500)
    return Draft(
        data_class=DataClass.SYMBOLIC,
        subject=f"sequence:{digest_bytes(sequence.encode())[:32]}",
        label=name,
        relation="sequence",
        object=kind,
        text=f"{name}: {kind} of {len(sequence)} {unit}{f': {said}' if said else ''}.",
        arguments=arguments,
        locator={"record": number},
        flags=flags_of(f"{name} {description}"),
    )
