"""chemistry.identity: one molecule under its canonical names, whatever it was written in."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, tool
from novum.tools.chemistry.molecules import captured_log, parse_mixture, reason
from novum.tools.examples import Example

if TYPE_CHECKING:
    from rdkit.Chem import Mol

Format = Literal["auto", "smiles", "inchi", "selfies", "mol"]

MOST_TAUTOMERS = 200
"""Tautomers looked at; a molecule with more keeps the best of these, and the answer says so."""

EXAMPLES = (
    Example(
        arguments={"molecule": "CC(=O)[O-].[Na+]"},
        expected={"parts": 2, "net_charge": 0, "stereo_unassigned": 0},
        source="sodium acetate: two ions",
    ),
    Example(
        arguments={"molecule": "OC(C(O)C(=O)O)C(=O)O"},
        expected={"stereo_unassigned": 2, "stereo_assigned": 0},
        source="tartaric acid: two stereocentres, J. H. van 't Hoff 1874",
    ),
    Example(
        arguments={
            "molecule": "InChI=1S/C4H6O6/c5-1(3(7)8)2(6)4(9)10/h1-2,5-6H,(H,7,8)(H,9,10)/t1-,2-/m1/s1"
        },
        expected={"stereo_unassigned": 0, "stereo_assigned": 2},
        source="L-tartaric acid, PubChem compound 444305",
    ),
)


class Identity(Properties):
    """What a structure is made of; its names are in the details."""

    parts: Annotated[int, Field(description="separate parts: 1, or more of a salt or mixture", ge=1)]
    net_charge: Annotated[int, Field(description="total charge, in elementary charges", ge=-200, le=200)]
    stereo_assigned: Annotated[
        int, Field(description="stereo centres and double bonds that are stated", ge=0)
    ]
    stereo_unassigned: Annotated[
        int, Field(description="stereo centres and double bonds that are left open", ge=0)
    ]


@tool(
    name="chemistry.identity",
    version="1",
    method="RDKit standardisation",
    profile="chemistry",
    preload=("rdkit.Chem.inchi", "rdkit.Chem.MolStandardize.rdMolStandardize"),
    libraries=("rdkit",),
    nominal_cost_s=0.05,
    timeout_s=120,
    memory_mb=1024,
    examples=EXAMPLES,
)
def identity(
    molecule: Annotated[str, Field(min_length=1, max_length=100_000, examples=["CCO"])],
    *,
    format: Format = "auto",
) -> Identity:
    """Read a molecule in any of four formats and give its canonical names, stereo, parent and tautomer.

    The details hold canonical SMILES, InChI, InChIKey and formula of the structure as written; its parent
    (the largest organic part), the parent without charges, and the canonical tautomer of that, each with its
    InChIKey; each stereo element with its label; SELFIES where the extra `selfies` is installed. The
    canonical tautomer is a name under which tautomers meet, not the most stable one.

    Args:
        molecule: SMILES, InChI, SELFIES or the text of a MOL file.
        format: of the text; `auto` knows all but SELFIES, which can look like SMILES.

    References:
        Tautomer rules: doi:10.1007/s10822-010-9346-4. InChI: doi:10.1186/s13321-015-0068-4.
        CIP labels: doi:10.1021/acs.jcim.8b00324.
    """
    from rdkit import Chem
    from rdkit.Chem.rdMolDescriptors import CalcMolFormula

    read = _read(molecule, format)
    elements = _stereo(read)
    open_ones = [one for one in elements if one["label"] == "unassigned"]
    parent, neutral, tautomer, complete = _standardised(read)
    warnings = []
    if not complete:
        warnings.append(f"it has more than {MOST_TAUTOMERS} tautomers; the canonical one is among the first")
    if open_ones:
        warnings.append(f"{len(open_ones)} stereo elements are left open: this is a set of isomers")
    return Identity(
        parts=len(Chem.GetMolFrags(read)),
        net_charge=Chem.GetFormalCharge(read),
        stereo_assigned=len(elements) - len(open_ones),
        stereo_unassigned=len(open_ones),
        warnings=tuple(warnings),
        details={
            "canonical_smiles": Chem.MolToSmiles(read),
            **_inchi(read),
            "formula": CalcMolFormula(read),
            "parent": _named(parent),
            "neutral_parent": _named(neutral),
            "canonical_tautomer": _named(tautomer),
            "stereo": elements,
            "selfies": _to_selfies(Chem.MolToSmiles(read)),
        },
    )


def _read(text: str, form: Format) -> "Mol":
    from rdkit import Chem

    if form == "auto":
        form = _format_of(text)
    if form == "smiles":
        return parse_mixture(text.strip())
    if form == "selfies":
        return parse_mixture(_from_selfies(text.strip()))
    with captured_log() as log:
        if form == "inchi":
            molecule = Chem.MolFromInchi(text.strip())  # type: ignore[no-untyped-call]
        else:
            molecule = Chem.MolFromMolBlock(text, removeHs=True)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise ToolFailedError(f"this is no molecule in {form} format: {reason(log)}")
    # what RDKit reads from a file may hold placeholders; what it writes is held against the same rules
    return parse_mixture(Chem.MolToSmiles(molecule))


def _format_of(text: str) -> Format:
    if text.strip().startswith("InChI="):
        return "inchi"
    if "M  END" in text:
        return "mol"
    if re.fullmatch(r"(\[[^\[\]]+\]){2,}", text.strip()):
        raise ToolFailedError("this may be SMILES or SELFIES, which differ; say which as format")
    return "smiles"


def _from_selfies(text: str) -> str:
    try:
        import selfies
    except ImportError as error:
        raise ToolFailedError("SELFIES need the extra: pip install 'novum[selfies]'") from error
    try:
        smiles = selfies.decoder(text)
    except selfies.DecoderError as error:
        raise ToolFailedError(f"{text[:100]!r} is no SELFIES: {error}") from error
    if not smiles:
        raise ToolFailedError(f"{text[:100]!r} holds no atoms")
    return str(smiles)


def _to_selfies(smiles: str) -> str | None:
    try:
        import selfies
    except ImportError:
        return None
    try:
        return str(selfies.encoder(smiles))
    except selfies.EncoderError:  # a valence beyond its rules, as of some sulfur and phosphorus compounds
        return None


def _stereo(molecule: "Mol") -> list[dict[str, Any]]:
    """Return every possible stereo element: its place, atoms counted from 1, and its label."""
    from rdkit import Chem
    from rdkit.Chem import rdCIPLabeler

    rdCIPLabeler.AssignCIPLabels(molecule)
    found = []
    for one in Chem.FindPotentialStereo(molecule):
        if one.type == Chem.StereoType.Atom_Tetrahedral:
            owner: Any = molecule.GetAtomWithIdx(one.centeredOn)
            atoms = [one.centeredOn + 1]
        elif one.type == Chem.StereoType.Bond_Double:
            owner = molecule.GetBondWithIdx(one.centeredOn)
            atoms = [owner.GetBeginAtomIdx() + 1, owner.GetEndAtomIdx() + 1]
        else:
            continue
        stated = one.specified == Chem.StereoSpecified.Specified
        label = owner.GetProp("_CIPCode") if owner.HasProp("_CIPCode") else "assigned"
        found.append({"atoms": atoms, "label": label if stated else "unassigned"})
    return found


def _standardised(molecule: "Mol") -> tuple["Mol", "Mol", "Mol", bool]:
    """Return parent, neutral parent, canonical tautomer, and whether all tautomers were looked at."""
    from rdkit import rdBase
    from rdkit.Chem.MolStandardize import rdMolStandardize

    with rdBase.BlockLogs():
        parent = rdMolStandardize.FragmentParent(rdMolStandardize.Cleanup(molecule))
        neutral = rdMolStandardize.Uncharger().uncharge(parent)
        enumerator = rdMolStandardize.TautomerEnumerator()
        enumerator.SetMaxTautomers(MOST_TAUTOMERS)
        found = enumerator.Enumerate(neutral)
        canonical = enumerator.PickCanonical(found)
    return parent, neutral, canonical, found.status == rdMolStandardize.TautomerEnumeratorStatus.Completed


def _named(molecule: "Mol") -> dict[str, Any]:
    from rdkit import Chem

    return {
        "smiles": Chem.MolToSmiles(molecule),
        "inchikey": _inchi(molecule)["inchikey"],
        "charge": Chem.GetFormalCharge(molecule),
    }


def _inchi(molecule: "Mol") -> dict[str, Any]:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        inchi = Chem.MolToInchi(molecule)  # type: ignore[no-untyped-call]
        key = Chem.InchiToInchiKey(inchi) if inchi else None  # type: ignore[no-untyped-call]
    return {"inchi": inchi or None, "inchikey": key}
