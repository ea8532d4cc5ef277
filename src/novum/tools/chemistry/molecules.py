"""SMILES → molecule, with the reason in words where there is none."""

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from novum.core.errors import ToolFailedError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

Smiles = Annotated[str, Field(min_length=1, max_length=2000, examples=["CCO"])]
"""One molecule as a SMILES."""


def parse_smiles(smiles: str) -> "Mol":
    """Return the one molecule that `smiles` describes, sanitised, without explicit hydrogens.

    A salt, a mixture or a pattern is refused: which part is meant is for the caller to say.

    Raises:
        ToolFailedError: it is no SMILES, breaks valence or aromaticity, or is not one whole molecule.

    Example:
        >>> parse_smiles("OCC").GetNumAtoms()
        3
    """
    from rdkit import Chem

    molecule = parse_mixture(smiles)
    parts = Chem.GetMolFrags(molecule)
    if len(parts) > 1:
        raise ToolFailedError(
            f"{smiles!r} holds {len(parts)} separate parts (a salt or a mixture); give the one that is meant"
        )
    return molecule


def parse_mixture(smiles: str) -> "Mol":
    """Return what `smiles` describes, sanitised; salts and mixtures stay together.

    Raises:
        ToolFailedError: it is no SMILES, breaks valence or aromaticity, or holds a placeholder.
    """
    from rdkit import Chem

    # RDKit reads up to a space, a zero byte or an unknown letter and drops the rest in silence.
    if not smiles.isascii() or not smiles.isprintable() or " " in smiles:
        raise ToolFailedError(
            f"{smiles!r} is not a molecule: SMILES hold neither spaces nor letters with marks"
        )
    with captured_log() as log:
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise ToolFailedError(f"{smiles!r} is not a molecule: {reason(log)}")
    if molecule.GetNumAtoms() == 0:
        raise ToolFailedError(f"{smiles!r} holds no atoms")
    if any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()):
        raise ToolFailedError(f"{smiles!r} holds a placeholder atom (*); give a whole molecule")
    return molecule


def reason(log: list[str]) -> str:
    """Return why RDKit refused a structure, from what it said."""
    lines = [line.partition("] ")[2] or line for line in log]
    said = [line for line in lines if line.strip(" ~^") and "check for mistakes" not in line]
    first = said[0].removeprefix("SMILES Parse Error: ") if said else "it cannot be read"
    return first.partition(" while parsing")[0].partition(" for input")[0]


@contextlib.contextmanager
def captured_log() -> Iterator[list[str]]:
    """Give what RDKit says in the block, instead of writing it to standard error."""
    from rdkit import rdBase

    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger = logging.getLogger("rdkit")
    handlers, logger.handlers = logger.handlers, [Collect()]
    rdBase.LogToPythonLogger()
    try:
        yield lines
    finally:
        rdBase.LogToCppStreams()
        logger.handlers = handlers
