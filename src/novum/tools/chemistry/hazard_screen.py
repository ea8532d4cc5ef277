"""Whether a molecule is one that nobody should make without a person's word. Fails closed.

A verdict is never "safe": it is *nothing found*, *flagged*, or *not judged*, and only the first lets work
go on.
"""

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.hazard_patterns import (
    BRETHERICK,
    JUDGED_ELEMENTS,
    LAST_STABLE,
    MOST_ATOMS,
    PATTERNS,
    POISONOUS_ELEMENTS,
    Danger,
    Pattern,
)
from novum.tools.chemistry.molecules import parse_mixture

if TYPE_CHECKING:
    from rdkit.Chem import Mol


class Outcome(StrEnum):
    """What the screen can say."""

    NOTHING_FOUND = "nothing found"
    FLAGGED = "flagged"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to stop."""

    danger: Danger
    name: str
    source: str

    def __str__(self) -> str:
        return f"{self.danger}: {self.name} ({self.source})"


@dataclass(frozen=True, slots=True)
class Screening:
    """What the screen says of one molecule or mixture."""

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why it was not judged."""
    oxygen_balance: float | None = None
    """In %; None where it was not judged."""

    @property
    def may_proceed(self) -> bool:
        """Whether work may go on without a person's word."""
        return self.outcome is Outcome.NOTHING_FOUND

    def __str__(self) -> str:
        return "; ".join([*map(str, self.findings), *([self.reason] if self.reason else [])]) or self.outcome


def screen(smiles: str) -> Screening:
    """Screen a molecule or mixture for explosives, toxic agents and controlled substances.

    Charges, isotopes and stereo do not hide a group: the molecule is looked at as written and with its
    charges removed. What cannot be parsed, is too large, or holds an element that the patterns were not
    written for, is *not judged*.

    Example:
        >>> str(screen("Cc1c(cc(cc1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]").outcome)
        'flagged'
        >>> screen("not a molecule").may_proceed
        False
    """
    from rdkit.Chem import MolSanitizeException

    try:
        return _judge(parse_mixture(smiles))
    except ToolFailedError as error:
        return Screening(Outcome.NOT_JUDGED, reason=f"not judged: {error}")
    except (MolSanitizeException, ValueError, RuntimeError) as error:  # the classes that RDKit raises
        return Screening(Outcome.NOT_JUDGED, reason=f"not judged: RDKit cannot work with it: {error}")


def _judge(molecule: "Mol") -> Screening:
    elements = {atom.GetSymbol() for atom in molecule.GetAtoms()}
    found = dict.fromkeys(_by_element(molecule))
    strange = sorted(elements - JUDGED_ELEMENTS - POISONOUS_ELEMENTS)
    reason = ""
    if strange and not found:
        reason = f"not judged: the screen knows nothing of compounds of {', '.join(strange)}"
    elif molecule.GetNumHeavyAtoms() > MOST_ATOMS:
        reason = f"not judged: {molecule.GetNumHeavyAtoms()} heavy atoms are more than {MOST_ATOMS}"
    balance = oxygen_balance(molecule)
    for form in _forms(molecule):
        found.update(dict.fromkeys(_by_pattern(form, balance)))
        found.update(dict.fromkeys(_by_composition(form)))
    outcome = Outcome.FLAGGED if found else Outcome.NOT_JUDGED if reason else Outcome.NOTHING_FOUND
    return Screening(outcome, tuple(found), reason, balance)


def oxygen_balance(molecule: "Mol") -> float:
    """Return the oxygen balance in %: 0 where carbon and hydrogen just burn to CO2 and water.

    References:
        UN Manual of Tests and Criteria, appendix 6: -1600 (2 x + y/2 - z) / M for C(x)H(y)O(z).
    """
    from rdkit.Chem.Descriptors import MolWt  # type: ignore[attr-defined] # its stubs leave it out

    n: Counter[str] = Counter(atom.GetSymbol() for atom in molecule.GetAtoms())
    hydrogen = n["H"] + sum(atom.GetTotalNumHs() for atom in molecule.GetAtoms())
    return float(-1600 * (2 * n["C"] + hydrogen / 2 - n["O"]) / MolWt(molecule))


def _by_element(molecule: "Mol") -> Iterator[Finding]:
    for atom in molecule.GetAtoms():
        if atom.GetSymbol() in POISONOUS_ELEMENTS:
            yield Finding(
                Danger.AGENT, f"compound of {atom.GetSymbol()}", "regulation (EC) 1272/2008, annex VI"
            )
        if atom.GetAtomicNum() > LAST_STABLE:
            yield Finding(Danger.AGENT, f"radioactive {atom.GetSymbol()}", "no stable isotope (IUPAC)")


def _by_pattern(molecule: "Mol", balance: float) -> Iterator[Finding]:
    for pattern, query in zip(PATTERNS, _queries(), strict=True):
        if pattern.above_balance is not None and balance <= pattern.above_balance:
            continue
        if molecule.HasSubstructMatch(query):
            yield _finding(pattern)


def _by_composition(molecule: "Mol") -> Iterator[Finding]:
    """Yield what no single group shows: azides and nitrogen chains with too little else around."""
    from rdkit import Chem
    from rdkit.Chem.Descriptors import MolWt  # type: ignore[attr-defined]

    for part in Chem.GetMolFrags(molecule, asMols=True):
        n = Counter(atom.GetSymbol() for atom in part.GetAtoms())
        if part.HasSubstructMatch(_query("[#6][NX2]=[NX2+]=[NX1-]")) and n["C"] + n["O"] < 3 * n["N"]:
            yield Finding(Danger.EXPLOSIVE, "azide with (C + O) / N below 3", "doi:10.1002/anie.200400657")
        chained = part.HasSubstructMatch(_query("[#7]~[#7]~[#7]"))
        if chained and 14.007 * n["N"] > 0.5 * MolWt(part):
            yield Finding(Danger.EXPLOSIVE, "half of its mass is chained nitrogen", BRETHERICK)


def _forms(molecule: "Mol") -> Iterator["Mol"]:
    """Yield the molecule without isotopes and stereo, as written and uncharged."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.MolStandardize import rdMolStandardize

    plain = Chem.Mol(molecule)
    for atom in plain.GetAtoms():
        atom.SetIsotope(0)
    Chem.RemoveStereochemistry(plain)
    with rdBase.BlockLogs():
        plain = Chem.RemoveHs(plain)
        yield plain
        yield rdMolStandardize.Uncharger(force=True).uncharge(plain)


def _finding(pattern: Pattern) -> Finding:
    return Finding(pattern.danger, pattern.name, pattern.source)


@functools.cache
def _query(smarts: str) -> "Mol":
    from rdkit import Chem

    query = Chem.MolFromSmarts(smarts)
    if query is None:
        raise ValueError(f"{smarts!r} is no SMARTS")
    return query


def _queries() -> list["Mol"]:
    return [_query(pattern.smarts) for pattern in PATTERNS]
