"""Candidates from the user's files: tables, structure files, lists of SMILES."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novum.core.crystals import Prototype
from novum.core.errors import GoalError
from novum.core.spaces import Candidate, PoolSpace

if TYPE_CHECKING:
    import pandas


def load_start_molecules(path: Path) -> tuple[str, ...]:
    """Return the SMILES of a file that has one a line, optionally followed by a name.

    Empty lines and lines that begin with ``#`` are skipped.

    Raises:
        GoalError: the file is missing or empty, or a SMILES cannot be read; names its line.
    """
    lines = _read_text(path).splitlines()
    rows = [(n, line.split()[0]) for n, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    if not rows:
        raise GoalError(f"{str(path)!r} holds no molecule")
    for number, smiles in rows:
        _check(smiles, f"{path}, line {number}")
    return tuple(smiles for _, smiles in rows)


def check_smiles(smiles: Iterable[str], *, first: int = 1) -> tuple[str, ...]:
    """Return `smiles` if each can be read; `first` is the number of the first one.

    Raises:
        GoalError: one cannot; names its position.
    """
    checked = tuple(smiles)
    for number, one in enumerate(checked, first):
        _check(one, f"entry {number}")
    return checked


def check_elements(symbols: Iterable[str]) -> None:
    """Hold element symbols against the periodic table.

    Raises:
        GoalError: one is not in it.
    """
    from rdkit import Chem, rdBase

    table = Chem.GetPeriodicTable()
    known = {table.GetElementSymbol(number) for number in range(1, 119)}
    with rdBase.BlockLogs():
        for symbol in symbols:
            if symbol not in known:
                near = difflib.get_close_matches(symbol, known, n=1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                raise GoalError(f"{symbol!r} is no element{hint}; write symbols as 'C' or 'Cl'")


def load_template(path: Path) -> Prototype:
    """Return the structure type of a crystal in a file (CIF, POSCAR and what else pymatgen reads).

    Its primitive cell is taken, and each of its elements becomes a kind of site. The type is called after
    the file.

    Raises:
        GoalError: the file is missing, holds no crystal, or one whose sites are occupied in part.
    """
    import warnings

    from pymatgen.core import Structure

    text = _read_text(path)
    form = "cif" if path.suffix.lower() in (".cif", ".mcif") else "poscar"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pymatgen mends in a CIF it may mend
            found = Structure.from_str(text, fmt=form, primitive=False).get_primitive_structure()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
        raise GoalError(f"{str(path)!r} cannot be read as a crystal ({form}): {error}") from error
    if not found.is_ordered:
        raise GoalError(f"{str(path)!r} has a site that is occupied in part; order it first")
    found.remove_oxidation_states()
    symbols = sorted({site.specie.symbol for site in found})
    sites = sorted(found, key=lambda site: symbols.index(site.specie.symbol))
    scale = (len(found) / found.volume) ** (1 / 3)
    return Prototype(
        name=path.stem,
        example=found.composition.reduced_formula,
        cell=tuple(tuple(round(float(x), 7) for x in row) for row in found.lattice.matrix * scale),
        kinds=tuple(symbols.index(site.specie.symbol) for site in sites),
        positions=tuple(tuple(round(float(x), 7) for x in site.frac_coords) for site in sites),
    )


def load_pool(
    path: Path,
    *,
    id_column: str | None = None,
    smiles: str | None = None,
    features: Sequence[str] = (),
    measured: Mapping[str, str] | None = None,
) -> PoolSpace:
    """Return the pool that a table (CSV, Parquet) or an SDF holds.

    Args:
        path: the file.
        id_column: the column that names a row; rows are numbered from 1 without one.
        smiles: the column that holds SMILES; an SDF always has one, "smiles".
        features: the columns that describe a row; all that are not measured by default.
        measured: property → unit of the columns that the planner may not see.

    Raises:
        GoalError: no such file or column, no rows, a value that is no number, a SMILES that cannot be
            read; names the row.
    """
    try:
        if not path.is_file():
            raise GoalError(f"{str(path)!r} is {'a directory' if path.is_dir() else 'not there'}")
    except OSError as error:  # a name that is too long
        raise GoalError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if path.suffix.lower() == ".sdf":
        table, smiles = _read_sdf(path), smiles or "smiles"
    else:
        table = _read_table(path)
    if table.empty:
        raise GoalError(f"the pool is empty: {str(path)!r} has no rows")
    hidden = dict(measured or {})
    for column in [c for c in (id_column, smiles, *features, *hidden) if c]:
        if column not in table.columns:
            raise GoalError(
                f"{str(path)!r} has no column {column!r}; it has {', '.join(map(str, table.columns))}"
            )
    for column in hidden:
        if column in (id_column, smiles, *features):
            raise GoalError(f"column {column!r} is to be measured: it cannot name or describe a row as well")
    ids = [str(v) for v in table[id_column]] if id_column else [str(i + 1) for i in range(len(table))]
    repeated = next((name for name in ids if ids.count(name) > 1), None) if len(set(ids)) < len(ids) else None
    if repeated is not None:
        raise GoalError(f"column {id_column!r} names two rows {repeated!r}")
    described = {smiles, *features}
    shown = [str(c) for c in table.columns if (c != id_column or c in described) and c not in hidden]
    rows = []
    for name, (_, row) in zip(ids, table.iterrows(), strict=True):
        arguments = {c: _plain(row[c]) for c in shown}
        if smiles:
            _check(str(arguments[smiles]), f"{path}, row {name}")
        label = str(arguments[smiles]) if smiles else ", ".join(f"{c}={arguments[c]}" for c in shown)
        rows.append(Candidate(id=name, label=label or name, arguments=arguments))
    values: dict[str, dict[str, float]] = {}
    for column in hidden:
        values[column] = {}
        for name, value in zip(ids, table[column], strict=True):
            number = _number(value, f"{path}, row {name}, column {column!r}")
            if number is not None:
                values[column][name] = number
    return PoolSpace(
        source=path.name, rows=tuple(rows), features=tuple(features), smiles=smiles, measured=values
    )


def _read_table(path: Path) -> "pandas.DataFrame":
    import pandas

    try:
        if path.suffix.lower() == ".parquet":
            return pandas.read_parquet(path)
        return pandas.read_csv(path)
    except pandas.errors.EmptyDataError as error:
        raise GoalError(f"the pool is empty: {str(path)!r} has no rows") from error
    except (pandas.errors.ParserError, UnicodeDecodeError, OSError, ValueError) as error:
        raise GoalError(f"{str(path)!r} cannot be read as a table: {error}") from error


def _read_sdf(path: Path) -> "pandas.DataFrame":
    import pandas
    from rdkit import Chem, rdBase

    rows = []
    with rdBase.BlockLogs():
        try:
            supplier = Chem.SDMolSupplier(str(path))
        except OSError as error:  # RDKit's word for a file without a record
            raise GoalError(f"the pool is empty: {str(path)!r} has no molecules") from error
        for number, molecule in enumerate(supplier, 1):
            if molecule is None:
                raise GoalError(f"{path}: record {number} cannot be read")
            rows.append({"smiles": Chem.MolToSmiles(molecule), **molecule.GetPropsAsDict()})
    return pandas.DataFrame(rows)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise GoalError(f"there is no file {str(path)!r}") from error
    except IsADirectoryError as error:
        raise GoalError(f"{str(path)!r} is a directory") from error
    except OSError as error:
        raise GoalError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise GoalError(f"{str(path)!r} is not UTF-8 text (byte {error.start})") from error
    except ValueError as error:  # a null character
        raise GoalError(f"{str(path)!r} is no file name: {error}") from error


def _check(smiles: str, where: str) -> None:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        if not smiles or Chem.MolFromSmiles(smiles) is None:
            raise GoalError(f"{where}: unreadable SMILES {smiles!r}")


def _plain(value: Any) -> Any:
    import pandas

    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, str | bool | int) or (isinstance(plain, float) and math.isfinite(plain)):
        return plain
    if isinstance(plain, float) or plain is None or plain is pandas.NA or plain is pandas.NaT:
        return None
    return str(plain)  # a date, a decimal, a list: what a ledger can hold and read back


def _number(value: Any, where: str) -> float | None:
    """Return the number, or None for an empty cell: that experiment was never made."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise GoalError(f"{where}: {value!r} is not a number") from error
    if math.isinf(number):
        raise GoalError(f"{where}: {value!r} is not a finite number")
    return None if math.isnan(number) else number
