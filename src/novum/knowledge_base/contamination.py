"""Contamination: what of an evaluation is known already, so that passing it shows nothing."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from novum.core.digest import digest_bytes
from novum.core.errors import NotFoundError, UsageError
from novum.core.frozen import Frozen
from novum.core.knowledge import KnowledgeItem

WORDS = 8
"""Length of the runs of words that are compared."""

SHARE = 0.7
"""Share of an example's runs that must be known for it to count as known."""

_INCHIKEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")


class Example(Frozen):
    """One example of an evaluation set."""

    id: str
    text: str = ""
    smiles: str = ""
    inchikey: str = ""


class By(StrEnum):
    """How an example was found among the items."""

    HASH = "hash"
    """The same text, but for spelling of spaces and capitals."""
    MOLECULE = "molecule"
    """The same molecule, by its InChIKey."""
    WORDS = "words"
    """Most of its runs of words."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """An example that an item gives away."""

    example: str
    item: str
    by: By
    share: float
    """Share of the example's runs of words that the item holds; 1 for the other two."""


@dataclass(frozen=True, slots=True)
class Contamination:
    """What of an evaluation set is known."""

    n_examples: int
    n_known: int
    """Examples with an overlap."""
    overlaps: tuple[Overlap, ...]

    @property
    def share(self) -> float:
        """Share of the examples that are known."""
        return self.n_known / self.n_examples if self.n_examples else 0.0


def read_examples(path: Path, *, columns: Mapping[str, str] | None = None) -> list[Example]:
    """Return the examples in a file of an evaluation set, named by the file and their place in it.

    CSV, TSV and JSON lines have ``text``, ``smiles``, ``inchikey`` and ``id``, each where it is there; in a
    ``.smi`` file each line begins with a SMILES, and in any other text each line is an example.

    Args:
        path: the file, in UTF-8.
        columns: what the file calls ``text``, ``smiles``, ``inchikey`` or ``id``, where it is something else.

    Raises:
        NotFoundError: there is no such file.
        UsageError: it is no text, holds no example, or a line is no JSON object.
    """
    names = {name: name for name in ("id", "text", "smiles", "inchikey")} | dict(columns or {})
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {str(path)!r}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(path)!r} cannot be read as text: {error}") from error
    suffix = path.suffix.lower()
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    found = []
    if suffix in (".csv", ".tsv"):
        rows: list[tuple[int, Mapping[str, Any]]] = list(
            enumerate(csv.DictReader(io.StringIO(text), delimiter="," if suffix == ".csv" else "\t"), 2)
        )
    elif suffix in (".jsonl", ".ndjson"):
        rows = [(number, _object(line, f"{path.name}:{number}")) for number, line in lines]
    elif suffix in (".smi", ".smiles"):
        rows = [(n, {names["smiles"]: line.split()[0]}) for n, line in lines if not line.startswith("#")]
    else:
        rows = [(number, {names["text"]: line}) for number, line in lines]
    for number, row in rows:
        said = {name: str(row.get(column) or "").strip() for name, column in names.items()}
        if said["text"] or said["smiles"] or said["inchikey"]:
            found.append(Example(**{**said, "id": said["id"] or f"{path.name}:{number}"}))
    if not found:
        raise UsageError(
            f"{path.name} holds no example: it needs a column {names['text']!r}, {names['smiles']!r} or "
            f"{names['inchikey']!r}"
        )
    return found


def _object(line: str, place: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{place} is no JSON object")
    return found


def find_overlaps(examples: Iterable[Example], items: Iterable[KnowledgeItem]) -> Contamination:
    """Return which examples overlap with which items, by hash, by molecule and by runs of words.

    A text of fewer than `WORDS` words is compared as a whole.

    Raises:
        UsageError: the SMILES of an example is none.

    References:
        Chowdhery et al., J. Mach. Learn. Res. 24, 1 (2023), section 8, for 8-grams and the share of 70 %.
    """
    texts: dict[str, list[str]] = {}
    molecules: dict[str, list[str]] = {}
    runs: dict[str, set[str]] = {}
    lengths: dict[str, int] = {}
    n = 0
    for example in examples:
        n += 1
        words = _words(example.text)
        if words:
            texts.setdefault(_hash(words), []).append(example.id)
            own = set(_runs(words))
            lengths[example.id] = len(own)
            for run in own:
                runs.setdefault(run, set()).add(example.id)
        key = example.inchikey or (inchikey(example.smiles) if example.smiles else "")
        if key:
            molecules.setdefault(key, []).append(example.id)
    overlaps = [o for item in items for o in _overlaps(item, texts, molecules, runs, lengths)]
    return Contamination(n, len({o.example for o in overlaps}), tuple(overlaps))


def inchikey(smiles: str) -> str:
    """Return the InChIKey of a molecule.

    Raises:
        UsageError: it is no SMILES.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            raise UsageError(f"{smiles!r} is no SMILES")
        return str(Chem.MolToInchiKey(molecule))  # type: ignore[no-untyped-call]


def _overlaps(
    item: KnowledgeItem,
    texts: Mapping[str, list[str]],
    molecules: Mapping[str, list[str]],
    runs: Mapping[str, set[str]],
    lengths: Mapping[str, int],
) -> Iterator[Overlap]:
    for key in set(_INCHIKEY.findall(f"{item.subject} {item.object}")):
        for example in molecules.get(key, ()):
            yield Overlap(example, item.id, By.MOLECULE, 1.0)
    words = _words(item.text)
    same = texts.get(_hash(words), ()) if words else ()
    for example in same:
        yield Overlap(example, item.id, By.HASH, 1.0)
    known: dict[str, int] = {}
    for run in set(_runs(words)):
        for example in runs.get(run, ()):
            known[example] = known.get(example, 0) + 1
    for example, n in known.items():
        if n >= SHARE * lengths[example] and example not in same:
            yield Overlap(example, item.id, By.WORDS, n / lengths[example])


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _hash(words: list[str]) -> str:
    return digest_bytes(" ".join(words).encode(errors="surrogatepass"))


def _runs(words: list[str]) -> Iterator[str]:
    if 0 < len(words) < WORDS:
        yield " ".join(words)
    for start in range(len(words) - WORDS + 1):
        yield " ".join(words[start : start + WORDS])
