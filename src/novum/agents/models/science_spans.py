"""Molecules, sequences and formulas in a text: found, checked, and marked as Intern-S1 reads them.

Intern-S1 has a vocabulary of its own for molecules. It switches to it between ``<SMILES>`` and
``</SMILES>``, and by itself where it recognises a molecule, by the rules that are followed here: those of its
released tokenizer (`tokenization_interns1.py` in transformers, d0e60dd5). A chemical formula such as C6H12O6
could be taken for a molecule; ``<MOLFORMULA>`` keeps it from that.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["SMILES", "SELFIES", "IUPAC", "MOLFORMULA", "FASTA"]
IsMolecule = Callable[[str], bool | None]
"""Says whether a text is the SMILES of a molecule; None where nobody can tell."""

LEAST_UNITS = 10
"""SMILES units from which a run may be a molecule."""
LEAST_LETTERS = 5
LEAST_RESIDUES = 27
"""Capital letters in a row that are a sequence."""

_ELEMENTS = (
    "He|Li|Be|Ne|Na|Mg|Al|Si|Cl|Ar|Ca|Sc|Ti|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Zr|Nb|Mo|Tc|Ru|Rh|Pd|"
    "Ag|Cd|In|Sn|Sb|Te|Xe|Cs|Ba|La|Hf|Ta|Re|Os|Ir|Pt|Au|Hg|Tl|Pb|Bi|B|C|N|O|P|S|F|I|H|K|b|c|n|o|p|s"
)
_UNIT = rf"(?:\[[^\[\]\s]{{1,40}}\]|{_ELEMENTS}|%\d\d|[0-9]|[-=#$:/\\.~@+()*])"
# No body holds another tag, so that each character is looked at once, however many tags are left open.
_TAGGED = re.compile(r"<(?P<kind>SMILES|SELFIES|IUPAC|MOLFORMULA|FASTA)>(?P<body>[^<]{0,65536})</(?P=kind)>")
_SMILES = re.compile(rf"(?<![A-Za-z]){_UNIT}{{{LEAST_UNITS},}}(?![A-Za-z])")
_FASTA = re.compile(rf"(?<![A-Za-z])[A-Z]{{{LEAST_RESIDUES},}}(?![A-Za-z])")
_FORMULA = re.compile(r"(?<![A-Za-z0-9(\[])(?:[A-Z][a-z]?\d*){2,}(?![A-Za-z0-9)\]=#(])")
_ORGANIC = re.compile(r"\A[BCNOPSFIHKbcnops0-9\[\]()=#$:/\\.~@+\-*%lraeiutgdMZ]+\Z")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text that is science."""

    kind: Kind
    start: int
    end: int
    """``text[start:end]`` is the content, without tags."""
    text: str
    tagged: bool
    """Whether its author marked it."""
    valid: bool | None = None
    """Whether it is a molecule, for SMILES; None where nobody could tell, and for other kinds."""


def find_spans(text: str, *, is_molecule: IsMolecule | None = None) -> tuple[Span, ...]:
    """Return the scientific spans of `text`, in their order.

    Marked spans come as they are marked. Outside of them a run of SMILES units is a molecule if it has at
    least `LEAST_UNITS` units and `LEAST_LETTERS` letters, is not glued to a letter, does not begin or end
    with ``:``, ``.`` or ``=``, and passes the check. `LEAST_RESIDUES` capital letters in a row are a
    sequence.

    Args:
        text: what to look at.
        is_molecule: checks a candidate, as `is_molecule_by_rdkit`; without it, or where it cannot tell, the
            published rules of syntax decide.

    Example:
        >>> [(s.kind, s.text) for s in find_spans("Aspirin is CC(=O)Oc1ccccc1C(=O)O, as you know.")]
        [('SMILES', 'CC(=O)Oc1ccccc1C(=O)O')]
    """
    found: list[Span] = []
    for marked in _TAGGED.finditer(text):
        body = marked["body"]
        kind: Kind = marked["kind"]  # type: ignore[assignment]  # the pattern allows no other
        valid = _check(body.strip(), is_molecule) if kind == "SMILES" else None
        found.append(Span(kind, marked.start("body"), marked.end("body"), body, True, valid))
    taken = [(m.start(), m.end()) for m in _TAGGED.finditer(text)]

    def free(start: int, end: int) -> bool:
        return all(end <= low or start >= high for low, high in taken)

    for one in _SMILES.finditer(text):
        start, end = _trimmed(text, one.start(), one.end())
        run = text[start:end]
        if free(start, end) and _may_be_smiles(run) and _check(run, is_molecule):
            found.append(Span("SMILES", start, end, run, False, True))
            taken.append((start, end))
    for one in _FASTA.finditer(text):
        if free(one.start(), one.end()):
            found.append(Span("FASTA", one.start(), one.end(), one.group(), False))
            taken.append((one.start(), one.end()))
    return tuple(sorted(found, key=lambda span: span.start))


def tag_spans(text: str, *, is_molecule: IsMolecule | None = None) -> str:
    """Return `text` with its molecules between tags, for a model that knows them.

    What is marked already stays as it is. Sequences are left alone: the tokenizer finds them by itself, and
    knows no tag for them.

    Example:
        >>> tag_spans("Is CC(=O)Oc1ccccc1C(=O)O a drug?")
        'Is <SMILES>CC(=O)Oc1ccccc1C(=O)O</SMILES> a drug?'
    """
    pieces: list[str] = []
    at = 0
    for span in find_spans(text, is_molecule=is_molecule):
        if span.tagged or span.kind != "SMILES":
            continue
        pieces += [text[at : span.start], f"<SMILES>{span.text}</SMILES>"]
        at = span.end
    return "".join([*pieces, text[at:]])


def protect_formula(formula: str) -> str:
    """Return a chemical formula marked so that it is not read as a molecule.

    Example:
        >>> protect_formula("C6H12O6")
        '<MOLFORMULA>C6H12O6</MOLFORMULA>'
    """
    if not _FORMULA.fullmatch(formula):
        raise ValueError(f"{formula!r} is no chemical formula, such as C6H12O6")
    return f"<MOLFORMULA>{formula}</MOLFORMULA>"


def untag_spans(text: str) -> str:
    """Return `text` without the tags, their content kept.

    Example:
        >>> untag_spans("<SMILES>CCO</SMILES> it is")
        'CCO it is'
    """
    return _TAGGED.sub(lambda found: found["body"], text)


def untag_values(value: Any) -> Any:
    """Return JSON data with the tags taken out of every text in it.

    Example:
        >>> untag_values({"smiles": ["<SMILES>CCO</SMILES>"]})
        {'smiles': ['CCO']}
    """
    match value:
        case str():
            return untag_spans(value)
        case list():
            return [untag_values(one) for one in value]
        case dict():
            return {key: untag_values(one) for key, one in value.items()}
    return value


def is_molecule_by_rdkit(smiles: str) -> bool | None:
    """Say whether RDKit can read and sanitise a SMILES; None where RDKit is not installed."""
    try:
        from rdkit import Chem, rdBase
    except ImportError:
        return None
    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(smiles) is not None


def is_smiles_by_rules(run: str) -> bool:
    """Say whether a text may be a SMILES, by the rules that the tokenizer follows without RDKit.

    No bond at its beginning or end, no two bonds in a row, brackets balanced, each ring opened and closed, no
    bracket with three letters other than H in a row or a number of four digits, two digits at least where all
    is lower case, and only characters of the organic subset.

    Example:
        >>> is_smiles_by_rules("c1ccccc1CCCCO"), is_smiles_by_rules("c1ccccc2CCCCO")
        (True, False)
    """
    outside = re.sub(r"\[[^\]]*\]", "*", run)
    if not run or run[0] in "=#$:/\\~-" or run[-1] in "=#$:/\\~-" or re.search(r"[=#$:~]{2}", outside):
        return False
    if not _is_balanced(run) or not _ORGANIC.match(outside):
        return False
    for bracket in re.findall(r"\[([^\]]*)\]", run):
        if re.search(r"[A-GI-Za-z]{3}", bracket) or re.search(r"\d{4}", bracket):
            return False
    letters = [c for c in outside if c.isalpha()]
    if letters and all(c.islower() for c in letters) and sum(c.isdigit() for c in outside) < 2:
        return False
    return _rings_close(outside)


def _check(run: str, is_molecule: IsMolecule | None) -> bool:
    told = is_molecule(run) if is_molecule is not None else None
    return is_smiles_by_rules(run) if told is None else told


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out brackets and stops that belong to the sentence around a run."""
    while start < end and (text[start] in ")*-+~/\\@" or (text[start] == "(" and text[end - 1] == ")")):
        if text[start] == "(":
            end -= 1
        start += 1
    while start < end and text[end - 1] in ".-":
        end -= 1
    while start < end and text[end - 1] == ")" and text[start:end].count(")") > text[start:end].count("("):
        end -= 1
    return start, end


def _may_be_smiles(run: str) -> bool:
    units = len(re.findall(_UNIT, run))
    letters = sum(c.isalpha() for c in run)
    return units >= LEAST_UNITS and letters >= LEAST_LETTERS and run[0] not in ":.=" and run[-1] not in ":.="


def _is_balanced(run: str) -> bool:
    depth, inside = 0, False
    for c in run:
        if inside:
            if c == "[":
                return False
            inside = c != "]"
        elif c == "[":
            inside = True
        elif c == "]":
            return False
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
            if depth < 0:
                return False
    return depth == 0 and not inside


def _rings_close(outside: str) -> bool:
    open_: set[str] = set()
    for ring in re.findall(r"%\d\d|\d", outside):
        open_ ^= {ring.lstrip("%").lstrip("0") or "0"}
    return not open_
