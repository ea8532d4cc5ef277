"""One step backwards: which precursors give a molecule by a known reaction, checked forwards.

Every disconnection that comes out of here has been run forwards, and gave the molecule that it was made for.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

from novum.tools.chemistry.hazard_screen import screen
from novum.tools.chemistry.retro_templates import TEMPLATES, Template

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MOST_PRODUCTS = 40
"""Products of one template on one set of molecules that are looked at."""

SIDE_PRODUCT_COST = 0.3
"""What each other product of the same reaction adds to the cost of a step."""

MOST_COUNTED = 5
"""Other products that count."""


@dataclass(frozen=True, slots=True)
class Disconnection:
    """One way to make a molecule."""

    product: str
    precursors: tuple[str, ...]
    template: Template
    others: tuple[str, ...]
    """What else the same reaction makes of these precursors, alone or together."""
    stereo: str
    """``kept``, or ``open`` where the molecule leaves its stereo open and the reaction may give either."""
    proposed: bool = False
    """Whether somebody proposed it, and not a pattern."""

    @property
    def cost(self) -> float:
        """Cost of the step: that of its reaction, and more where other products come with it."""
        return self.template.cost + SIDE_PRODUCT_COST * min(len(self.others), MOST_COUNTED)


class Disconnector:
    """Finds the disconnections of molecules, and remembers them.

    Args:
        proposals: reactions as ``precursors>>product`` that somebody believes in; they are checked by the
            same forward reactions as the rest, and left out where none makes the product.
    """

    def __init__(self, proposals: Iterable[str] = ()) -> None:
        self._known: dict[str, tuple[Disconnection, ...]] = {}
        self._proposals: dict[str, list[tuple[str, ...]]] = {}
        self.refused: set[str] = set()
        """Precursors that the hazard screen stopped."""
        for proposal in proposals:
            precursors, target = split_reaction(proposal)
            if len(target) == 1:
                self._proposals.setdefault(target[0], []).append(tuple(precursors))

    def of(self, smiles: str) -> tuple[Disconnection, ...]:
        """Return the disconnections of a molecule, cheapest first.

        Args:
            smiles: canonical, of one molecule.
        """
        if smiles not in self._known:
            found = {(d.template.name, d.precursors): d for d in self._find(smiles)}
            self._known[smiles] = tuple(
                sorted(found.values(), key=lambda d: (d.cost, d.template.name, d.precursors))
            )
        return self._known[smiles]

    def _find(self, smiles: str) -> Iterable[Disconnection]:
        from rdkit import Chem

        target = Chem.MolFromSmiles(smiles)
        for precursors in self._proposals.get(smiles, ()):
            for template in TEMPLATES:
                for order in permutations(precursors):
                    checked = self._checked(smiles, target, order, template)
                    if checked:
                        yield Disconnection(smiles, *checked, proposed=True)
        for template in TEMPLATES:
            backwards = _reaction(template.retro)
            if template.racemises and _cuts_stated_stereo(target, backwards):
                continue
            for precursors in sorted(set(_run(backwards, (target,)))):
                checked = self._checked(smiles, target, precursors, template)
                if checked:
                    yield Disconnection(smiles, *checked)

    def _checked(
        self, smiles: str, target: "Mol", precursors: Sequence[str], template: Template
    ) -> tuple[tuple[str, ...], Template, tuple[str, ...], str] | None:
        if smiles in precursors or any("." in p for p in precursors):
            return None
        if template.spoilt_by and any(_holds(p, template.spoilt_by) for p in precursors):
            return None
        forward = check_forward(template, precursors, target)
        if forward is None:
            return None
        stopped = [p for p in precursors if not screen(p).may_proceed]
        if stopped:
            self.refused.update(stopped)
            return None
        others, stereo = forward
        return tuple(precursors), template, others, stereo


def check_forward(
    template: Template, precursors: Sequence[str], target: "Mol"
) -> tuple[tuple[str, ...], str] | None:
    """Run a reaction forwards; return its other products and what becomes of stereo, or None.

    None says that the reaction does not make `target` from `precursors`, in this order. Other products
    are those of the precursors together in either order, and of each with itself: what a flask would hold.
    """
    from rdkit import Chem

    reaction = _reaction(template.forward)
    n = reaction.GetNumReactantTemplates()
    if n != len(precursors):
        return None
    molecules = [Chem.MolFromSmiles(p) for p in precursors]
    made = {p for products in _run(reaction, tuple(molecules)) for p in products}
    wanted = Chem.MolToSmiles(target)
    stereo = "kept"
    if wanted not in made:
        if any(_key(p) == _key(wanted) for p in made):
            wanted = next(p for p in sorted(made) if _key(p) == _key(wanted))
        else:
            plain = {_without_stereo(p): p for p in sorted(made)}
            if _without_stereo(wanted) != wanted or wanted not in plain:
                return None
            wanted, stereo = plain[wanted], "open"
    for chosen in product(molecules, repeat=n):
        made.update(p for products in _run(reaction, chosen) for p in products)
    made.discard(wanted)
    return tuple(sorted(made)), stereo


def reaction_class(precursors: Sequence[str], target: str) -> Template | None:
    """Return the first known reaction that makes `target` of some of `precursors`; None if none does.

    Reagents, bases and solvents among the precursors are passed over.

    Args:
        precursors: canonical SMILES.
        target: canonical SMILES.
    """
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(target)
    for template in TEMPLATES:
        n = _reaction(template.forward).GetNumReactantTemplates()
        for chosen in permutations(precursors, n):
            if check_forward(template, chosen, molecule):
                return template
    return None


def split_reaction(text: str) -> tuple[list[str], list[str]]:
    """Return canonical reactants and products of a reaction SMILES; agents between the arrows are left out.

    Raises:
        ToolFailedError: it is no reaction, or a part of it is no molecule.

    Example:
        >>> split_reaction("OCC.CC(=O)O>>CCOC(C)=O")
        (['CCO', 'CC(=O)O'], ['CCOC(C)=O'])
    """
    from rdkit import Chem

    from novum.core.errors import ToolFailedError
    from novum.tools.chemistry.molecules import parse_mixture

    parts = text.strip().split(">")
    if len(parts) != 3 or not parts[0] or not parts[2]:
        raise ToolFailedError(f"{text!r} is no reaction; write reactants>>products")
    sides = []
    for part in (parts[0], parts[2]):
        molecules = [parse_mixture(one) for one in part.split(".")]
        for molecule in molecules:
            for atom in molecule.GetAtoms():
                atom.SetAtomMapNum(0)
        sides.append([Chem.MolToSmiles(molecule) for molecule in molecules])
    return sides[0], sides[1]


def _run(reaction: Any, molecules: tuple["Mol", ...]) -> list[tuple[str, ...]]:
    """Return the products of a reaction as canonical SMILES; what breaks valence is left out."""
    from rdkit import Chem, rdBase

    found = []
    with rdBase.BlockLogs():
        for products in reaction.RunReactants(molecules, maxProducts=MOST_PRODUCTS):
            try:
                for one in products:
                    Chem.SanitizeMol(one)
                # written and read again: hydrogens and stereo then are those of a molecule of its own
                written = [Chem.MolFromSmiles(Chem.MolToSmiles(one)) for one in products]
            except (Chem.AtomValenceException, Chem.KekulizeException, Chem.AtomKekulizeException):
                continue
            if all(one is not None and not _has_radicals(one) for one in written):
                found.append(tuple(Chem.MolToSmiles(one) for one in written))
    return found


def _holds(smiles: str, smarts: str) -> bool:
    from rdkit import Chem

    return bool(Chem.MolFromSmiles(smiles).HasSubstructMatch(_pattern(smarts)))


@functools.cache
def _pattern(smarts: str) -> "Mol":
    from rdkit import Chem

    return Chem.MolFromSmarts(smarts)


def _has_radicals(molecule: "Mol") -> bool:
    return any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms())


def _cuts_stated_stereo(target: "Mol", backwards: Any) -> bool:
    from rdkit import Chem

    pattern = backwards.GetReactantTemplate(0)
    centre = next((a.GetIdx() for a in pattern.GetAtoms() if a.GetAtomMapNum() == 3), None)
    if centre is None:
        return False
    return any(
        target.GetAtomWithIdx(match[centre]).GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED
        for match in target.GetSubstructMatches(pattern)
    )


@functools.cache
def _reaction(smarts: str) -> Any:
    from rdkit import rdBase
    from rdkit.Chem import rdChemReactions

    with rdBase.BlockLogs():
        made = rdChemReactions.ReactionFromSmarts(smarts)
        made.Initialize()
    return made


@functools.lru_cache(maxsize=4096)
def _key(smiles: str) -> str:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        return str(Chem.MolToInchiKey(Chem.MolFromSmiles(smiles)))  # type: ignore[no-untyped-call]


@functools.lru_cache(maxsize=4096)
def _without_stereo(smiles: str) -> str:
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    Chem.RemoveStereochemistry(molecule)
    return Chem.MolToSmiles(molecule)
