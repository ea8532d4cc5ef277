"""Search by structure: molecules that are alike or contain a group, materials of a composition or crystal.

A view of the items, as the search index is: it is kept beside them, follows what is recorded, and may be
deleted at any time. RDKit and pymatgen are imported when they are used.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import numpy as np
import numpy.typing as npt

from novum.core.digest import canonical_json, digest
from novum.core.errors import StoreError, UsageError
from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base.filters import Filters, where
from novum.knowledge_base.items import Items, Recorded
from novum.storage import Database

RADIUS = 2
"""Bonds around an atom that a Morgan fingerprint sees: ECFP4."""

N_BITS = 2048

MAX_SMILES = 2_000
"""Characters of a SMILES or SMARTS."""

MAX_MATCHED = 2_000
"""Crystals of one formula that are compared with another; each takes milliseconds."""

MAX_SITES = 1_000

_BATCH = 1000
_FORMAT = 1
_log = logging.getLogger(__name__)

T = TypeVar("T")
Bits = npt.NDArray[np.uint64]

_MIGRATIONS = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID",
        """
        CREATE TABLE molecules (
            row INTEGER PRIMARY KEY,
            smiles TEXT NOT NULL UNIQUE,
            morgan BLOB NOT NULL,
            pattern BLOB NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE materials (
            row INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            formula TEXT NOT NULL,
            fractions TEXT NOT NULL,
            structure TEXT
        ) STRICT
        """,
        "CREATE INDEX by_formula ON materials (formula)",
        "CREATE TABLE holders (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, row INTEGER NOT NULL) STRICT",
        "CREATE INDEX by_row ON holders (kind, row)",
        "INSERT INTO meta VALUES ('position', 0), ('content', ''), ('made_with', '')",
    ),
)


@dataclass(frozen=True, slots=True)
class Alike:
    """An item about something that is like what was asked for."""

    item: KnowledgeItem
    similarity: float
    """From 0 to 1; what it means depends on the question."""


class Structures:
    """What items are about, as structures: `arguments` with ``smiles``, ``formula`` or ``structure``.

    Args:
        path: a database file, made where it is missing.
        items: the items.

    Raises:
        StoreError: the file can neither be used nor made anew.
    """

    def __init__(self, path: Path, items: Items) -> None:
        self._path = path
        self._items = items
        self._lock = RLock()
        self._database: Database | None = None
        self._loaded: tuple[int, Bits, Bits] | None = None

    def similar(self, smiles: str, n: int = 10, **filters: Unpack[Filters]) -> list[Alike]:
        """Return the items about the molecules most like one, the most similar first.

        The similarity is Tanimoto's, of Morgan fingerprints of radius 2 and 2048 bits.

        Raises:
            StoreError: the items cannot be read.
            UsageError: `smiles` is no molecule, or a filter is unknown.

        References:
            Rogers and Hahn, J. Chem. Inf. Model. 2010, doi:10.1021/ci100050t.
        """
        query = _words(_fingerprints(_molecule(smiles))[0])

        def ask() -> list[tuple[int, float]]:
            morgan, _ = self._fingerprints()
            if not len(morgan):
                return []
            common = np.bitwise_count(morgan & query).sum(axis=1, dtype=np.int64)
            either = np.bitwise_count(morgan | query).sum(axis=1, dtype=np.int64)
            tanimoto = np.where(either > 0, common / np.maximum(either, 1), 1.0)
            return _ordered(range(1, len(tanimoto) + 1), tanimoto)

        return self._find("molecule", ask, n, filters)

    def containing(self, smarts: str, n: int = 10, **filters: Unpack[Filters]) -> list[Alike]:
        """Return items about molecules that contain a group, the smallest molecules first.

        The similarity is the share of a molecule's bits of substructure that the group explains.

        Raises:
            StoreError: the items cannot be read.
            UsageError: `smarts` is no pattern, or a filter is unknown.
        """
        pattern = _pattern(smarts)
        query = _words(_screen(pattern))

        def ask() -> list[tuple[int, float]]:
            from rdkit import Chem

            _, patterns = self._fingerprints()
            # What lacks a bit of the group cannot contain it; what has them all is looked at.
            rows = np.flatnonzero(((patterns & query) == query).all(axis=1)) + 1
            found = []
            for entry in self._rows(
                "SELECT row, smiles FROM molecules WHERE row IN (SELECT value FROM json_each(?))",
                (json.dumps(rows.tolist()),),
            ):
                if Chem.MolFromSmiles(entry["smiles"]).HasSubstructMatch(pattern):
                    found.append(entry["row"])
            own = max(1, int(np.bitwise_count(query).sum()))
            shares = [own / max(own, int(np.bitwise_count(patterns[row - 1]).sum())) for row in found]
            return _ordered(found, np.array(shares))

        return self._find("molecule", ask, n, filters)

    def of_composition(
        self, formula: str, n: int = 10, *, tolerance: float = 0.0, **filters: Unpack[Filters]
    ) -> list[Alike]:
        """Return the items about materials of a composition, the nearest first.

        The similarity is the share of atoms that both have in common: one minus half the sum of the
        differences of atomic fractions. It is 1 for the same formula in any number of units.

        Args:
            formula: as ``"Fe2O3"``.
            n: items at most.
            tolerance: by how much the similarity may be below 1.
            filters: which items are meant.

        Raises:
            StoreError: the items cannot be read.
            UsageError: `formula` is none, or a filter is unknown.
        """
        wanted, reduced = _composition(formula)

        def ask() -> list[tuple[int, float]]:
            if tolerance <= 0:
                rows = self._rows("SELECT row FROM materials WHERE formula = ?", (reduced,))
                return [(row["row"], 1.0) for row in rows]
            found = {}
            for row in self._rows("SELECT row, fractions FROM materials"):
                has: dict[str, float] = json.loads(row["fractions"])
                apart = sum(abs(wanted.get(e, 0.0) - has.get(e, 0.0)) for e in wanted.keys() | has.keys()) / 2
                if apart <= tolerance + 1e-9:
                    found[row["row"]] = 1.0 - apart
            return _ordered(list(found), np.array(list(found.values())))

        return self._find("material", ask, n, filters)

    def matching(self, structure: Any, n: int = 10, **filters: Unpack[Filters]) -> list[Alike]:
        """Return the items about crystals that are the same as one, up to cell, setting and small shifts.

        The similarity is one minus the root mean square displacement of the sites, as a share of the
        length that each has to itself.

        Args:
            structure: a pymatgen ``Structure``, or its dictionary.
            n: items at most.
            filters: which items are meant.

        Raises:
            StoreError: the items cannot be read.
            UsageError: `structure` is none, or a filter is unknown.

        References:
            Ong et al., Comput. Mater. Sci. 2013, doi:10.1016/j.commatsci.2012.10.028.
        """
        wanted = _structure(structure)

        def ask() -> list[tuple[int, float]]:
            from pymatgen.analysis.structure_matcher import StructureMatcher

            matcher = StructureMatcher()
            found = {}
            for row in self._rows(
                "SELECT row, structure FROM materials WHERE formula = ? AND structure IS NOT NULL "
                "ORDER BY row LIMIT ?",
                (wanted.composition.reduced_formula, MAX_MATCHED),
            ):
                apart = matcher.get_rms_dist(wanted, _structure(json.loads(row["structure"])))
                if apart is not None:
                    found[row["row"]] = 1.0 - float(apart[0])
            return _ordered(list(found), np.array(list(found.values())))

        return self._find("material", ask, n, filters)

    def close(self) -> None:
        """Close the view. Closing twice does nothing; using it opens it again."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = self._loaded = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _find(
        self, kind: str, ask: Callable[[], list[tuple[int, float]]], n: int, filters: Filters
    ) -> list[Alike]:
        moment = filters.get("as_of")
        condition = where(filters, until=None if moment is None else self._items.position_at(moment))
        if n < 1:
            return []
        with self._lock:
            self._follow()
            found: list[Alike] = []
            ranked = ask()
            for start in range(0, len(ranked), _BATCH):
                some = dict(ranked[start : start + _BATCH])
                row_of = {
                    entry["seq"]: entry["row"]
                    for entry in self._rows(
                        "SELECT seq, row FROM holders "
                        "WHERE kind = ? AND row IN (SELECT value FROM json_each(?))",
                        (kind, json.dumps(list(some))),
                    )
                }
                passing = self._items.database.rows(
                    "SELECT items.seq, items.id, items.version FROM items "  # noqa: S608 constants
                    f"WHERE items.seq IN (SELECT value FROM json_each(?)) AND {condition.sql}",
                    [canonical_json(sorted(row_of)), *condition.values],
                )
                scored = [(some[row_of[row["seq"]]], row["id"], row["version"]) for row in passing]
                for similarity, id, version in sorted(scored, key=lambda hit: (-hit[0], hit[1])):
                    found.append(Alike(self._items.get(id, version), round(similarity, 5)))
                    if len(found) == n:
                        return found
            return found

    def _follow(self) -> None:
        """See what was recorded since the last time; begin anew where that does not fit."""
        try:
            database = self._open()
            position, content, made_with = (self._meta(name) for name in ("position", "content", "made_with"))
            if position and (made_with != _made_with() or self._items.content_at(int(position)) != content):
                raise StoreError("it is of other items, or made by another version of RDKit")
        except StoreError as error:
            _log.warning("the structures in %s are read anew: %s", self._path, error)
            self._drop()
            database = self._open()
            position = 0
        batch: list[Recorded] = []
        for recorded in self._items.versions(since=int(position)):
            batch.append(recorded)
            if len(batch) == _BATCH:
                self._add(database, batch)
                batch = []
        if batch:
            self._add(database, batch)

    def _add(self, database: Database, batch: Sequence[Recorded]) -> None:
        molecules, materials = dict[int, tuple[Any, ...]](), dict[int, tuple[Any, ...]]()
        for recorded in batch:
            arguments = recorded.fields.get("arguments") or {}
            if (molecule := _read_molecule(arguments)) is not None:
                molecules[recorded.position] = molecule
            elif (material := _read_material(arguments)) is not None:
                materials[recorded.position] = material
        last = batch[-1]
        with database.transaction() as connection:
            for kind, table, columns, found in (
                ("molecule", "molecules", "smiles, morgan, pattern", molecules),
                ("material", "materials", "key, formula, fractions, structure", materials),
            ):
                name, slots = columns.split(",")[0], ", ".join("?" * len(columns.split(",")))
                # Another process may have been faster: what is there already stays.
                connection.executemany(
                    f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({slots})",  # noqa: S608 constants
                    found.values(),
                )
                connection.executemany(
                    f"INSERT OR IGNORE INTO holders SELECT ?, ?, row FROM {table} WHERE {name} = ?",  # noqa: S608 constants
                    [(position, kind, values[0]) for position, values in found.items()],
                )
            connection.executemany(
                "UPDATE meta SET value = ? WHERE name = ?",
                [(last.position, "position"), (last.content, "content"), (_made_with(), "made_with")],
            )

    def _fingerprints(self) -> tuple[Bits, Bits]:
        """Return Morgan and pattern fingerprints of all molecules, shape ``(n, N_BITS / 64)``."""
        n = int(self._rows("SELECT coalesce(max(row), 0) FROM molecules")[0][0])
        if self._loaded is None or self._loaded[0] != n:
            rows = self._rows("SELECT morgan, pattern FROM molecules ORDER BY row")
            if len(rows) != n:  # rows are numbered without gaps, so that they can be counted off
                raise StoreError(f"{self._path} has lost molecules; it may be deleted, and is made anew")
            morgan, pattern = (
                np.frombuffer(b"".join(row[i] for row in rows), dtype="<u8").reshape(-1, N_BITS // 64)
                for i in (0, 1)
            )
            self._loaded = n, morgan, pattern
        return self._loaded[1], self._loaded[2]

    def _open(self) -> Database:
        if self._database is None:
            self._database = Database(
                self._path, what="view of structures", application_id=0x6E6F7636, migrations=_MIGRATIONS
            )
        return self._database

    def _drop(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _meta(self, name: str) -> Any:
        found = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        if not found:
            raise StoreError("it was never finished")
        return found[0]["value"]

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._open().rows(sql, parameters)


def _made_with() -> str:
    from rdkit import rdBase

    return f"{_FORMAT} rdkit {rdBase.rdkitVersion}"


def _ordered(rows: Iterable[int], similarities: npt.NDArray[np.float64]) -> list[tuple[int, float]]:
    rows = np.fromiter(rows, dtype=np.int64)
    order = np.lexsort((rows, -similarities))
    return [(int(rows[i]), float(similarities[i])) for i in order]


def _read_molecule(arguments: dict[str, Any]) -> tuple[str, bytes, bytes] | None:
    smiles = arguments.get("smiles")
    if not isinstance(smiles, str):
        return None
    try:
        molecule = _molecule(smiles)
    except UsageError:
        return None  # what an item says need not be a molecule
    from rdkit import Chem

    return Chem.MolToSmiles(molecule), *_fingerprints(molecule)


def _read_material(arguments: dict[str, Any]) -> tuple[str, str, str, str | None] | None:
    written = arguments.get("structure")
    formula = arguments.get("formula", arguments.get("composition"))
    try:
        if isinstance(written, dict):
            structure = _structure(written)
            fractions = _fractions(structure.composition)
            text = canonical_json(written)
            return digest(written), structure.composition.reduced_formula, json.dumps(fractions), text
        if isinstance(formula, str):
            fractions, reduced = _composition(formula)
            return f"formula {reduced}", reduced, json.dumps(fractions), None
    except (UsageError, ValueError):
        pass  # what an item says need not be a material
    return None


def _molecule(smiles: str) -> Any:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if 0 < len(smiles) <= MAX_SMILES else None
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise UsageError(f"{smiles[:80]!r} is no molecule; write it as SMILES, as 'c1ccccc1O'")
    return molecule


def _pattern(smarts: str) -> Any:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        pattern = Chem.MolFromSmarts(smarts) if 0 < len(smarts) <= MAX_SMILES else None
    if pattern is None or pattern.GetNumAtoms() == 0:
        raise UsageError(f"{smarts[:80]!r} is no pattern; write it as SMARTS, as '[OX2H]' or 'c1ccccc1'")
    # Whoever asks for a ring asks for one that is perceived as such.
    pattern.UpdatePropertyCache(strict=False)
    return pattern


def _fingerprints(molecule: Any) -> tuple[bytes, bytes]:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=N_BITS)
    return _packed(generator.GetFingerprint(molecule)), _screen(molecule)


def _screen(molecule: Any) -> bytes:
    from rdkit import Chem

    return _packed(Chem.PatternFingerprint(molecule, fpSize=N_BITS))


def _packed(bits: Any) -> bytes:
    from rdkit import DataStructs

    whole: bytes = DataStructs.BitVectToBinaryText(bits)
    return whole


def _words(packed: bytes) -> Bits:
    return np.frombuffer(packed, dtype="<u8")


def _composition(formula: str) -> tuple[dict[str, float], str]:
    """Return atomic fractions and the reduced formula."""
    from pymatgen.core import Composition

    try:
        composition = Composition(formula, strict=True) if len(formula) <= MAX_SMILES else None
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{formula[:80]!r} is no formula; write it as 'Fe2O3'") from error
    if not composition:
        raise UsageError(f"{formula[:80]!r} is no formula; write it as 'Fe2O3'")
    return _fractions(composition), str(composition.reduced_formula)


def _fractions(composition: Any) -> dict[str, float]:
    return {str(element): float(part) for element, part in composition.fractional_composition.items()}


def _structure(structure: Any) -> Any:
    from pymatgen.core import Lattice, Structure

    if isinstance(structure, Structure):
        return structure
    # Cell and sites only: pymatgen's own reader would import what a dictionary names.
    try:
        sites = structure["sites"]
        if not 0 < len(sites) <= MAX_SITES:
            raise ValueError(f"it has {len(sites)} sites; from 1 to {MAX_SITES} are compared")
        species = [{str(part["element"]): float(part["occu"]) for part in site["species"]} for site in sites]
        places = np.array([site["abc"] for site in sites], dtype=float)
        matrix = np.array(structure["lattice"]["matrix"], dtype=float)
        if places.shape != (len(sites), 3) or matrix.shape != (3, 3) or abs(np.linalg.det(matrix)) < 1e-3:
            raise ValueError("its cell or its sites do not lie in space")
        return Structure(Lattice(matrix), species, places)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"this is no crystal structure as pymatgen writes it: {error!r}") from error
