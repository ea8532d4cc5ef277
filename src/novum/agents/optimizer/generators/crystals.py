"""Crystals as a source of proposals: structure types with elements on their sites."""

import itertools
import random
from collections.abc import Iterator, Sequence, Set
from functools import lru_cache
from math import perm

import numpy as np
from numpy.typing import NDArray

from novum.agents.optimizer.features import Array, Features
from novum.agents.optimizer.generators.base import Proposal, rank
from novum.agents.optimizer.kernels import ArdKernel, Kernel
from novum.core.crystal_tables import VOLUMES
from novum.core.crystals import Prototype, find_prototype
from novum.core.digest import digest
from novum.core.errors import GoalError
from novum.core.spaces import Candidate, CrystalSpace

LISTED = 4096
"""Spaces up to this many ways of putting elements on sites are listed completely."""
SAMPLED = 4096
"""Draws from a larger space that make its start set."""
PARTS = 60
"""Shares of the atoms are counted in this many parts, so that all common ratios are whole."""

Crystal = tuple[Prototype, tuple[str, ...]]


class CrystalGenerator:
    """Structure types × elements. Two spellings of one crystal are one proposal.

    The surrogate sees the structure type as a category, the composition as counts of elements, and mean
    and mean absolute deviation over the atoms of the elements' size, electronegativity and column.

    Raises:
        GoalError: no composition of the space can balance its charges.
    """

    cap = 0.999
    survivors = 160

    def __init__(self, space: CrystalSpace) -> None:
        self.kernel: Kernel = ArdKernel()
        self._elements = tuple(sorted(space.elements))
        self._types = space.types()
        self._names = {p.name: i for i, p in enumerate(self._types)}
        self._balanced = space.charge_balanced
        self.finite = sum(perm(len(self._elements), p.n_kinds) for p in self._types) <= LISTED
        known = np.array([element_traits(symbol) for symbol in self._elements])
        span = np.ptp(known, axis=0)
        self._traits = (known - known.min(axis=0)) / np.where(span > 0, span, 1.0)
        if self.finite and next(iter(self.start(random.Random(0), frozenset())), None) is None:  # noqa: S311
            raise GoalError("no composition of the space can balance its charges; change its elements")

    def start(self, rng: random.Random, exclude: Set[str]) -> Iterator[Proposal]:
        """Yield the whole space where it is small, else random crystals."""
        seen = set(exclude)
        for crystal in self._listed(rng) if self.finite else (self._drawn(rng) for _ in range(SAMPLED)):
            proposal = self._proposal(crystal)
            if proposal is not None and proposal.key not in seen:
                seen.add(proposal.key)
                yield proposal

    def parents(self) -> list[Proposal]:
        """Return nothing: every parent is a candidate too."""
        return []

    def offspring(
        self, parents: Sequence[Proposal], rng: random.Random, n: int, exclude: Set[str]
    ) -> list[Proposal]:
        """Return crystals with one element replaced, roles exchanged, or another structure type."""
        if self.finite or not parents:
            return []
        seen = set(exclude)
        made: list[Proposal] = []
        for _ in range(4 * n):
            if len(made) == n:
                break
            parent = parents[rank(rng, len(parents))]
            changed = self._changed(parent.point, rng)
            proposal = self._proposal(changed, f"change of {_label(parent.point)}")
            if proposal is not None and proposal.key not in seen:
                seen.add(proposal.key)
                made.append(proposal)
        return made

    def admits(self, proposal: Proposal) -> bool:  # noqa: ARG002
        """Say yes: every check is cheap and was made."""
        return True

    def why_not(self, proposal: Proposal) -> str:  # noqa: ARG002
        """Say nothing: what can be located is a crystal of the space."""
        return ""

    def candidate(self, proposal: Proposal) -> Candidate | None:
        """Return the candidate; its id tells the structure type and the elements on its kinds of sites."""
        prototype, elements = proposal.point
        return Candidate(
            id=proposal.key,
            label=_label(proposal.point),
            arguments={
                "structure": prototype.crystal(elements),
                "formula": prototype.formula(elements),
                "prototype": prototype.name,
                "elements": list(elements),
            },
        )

    def locate(self, candidate: Candidate) -> Proposal | None:
        """Return the proposal of a candidate; None where its type or an element is not of this space."""
        elements = candidate.arguments.get("elements")
        index = self._names.get(str(candidate.arguments.get("prototype")))
        if index is None or not isinstance(elements, list | tuple):
            return None
        prototype = self._types[index]
        if len(elements) != prototype.n_kinds or not set(elements) <= set(self._elements):
            return None
        found = self._proposal((prototype, tuple(map(str, elements))))
        return found if found is not None and found.key == candidate.id else None

    def encode(self, proposals: Sequence[Proposal]) -> Features:
        """Return numbers of the composition, the structure type's number, and counts of elements."""
        from scipy import sparse

        n, m = len(proposals), len(self._elements)
        shares = np.zeros((n, m))
        for row, proposal in enumerate(proposals):
            prototype, elements = proposal.point
            for element, count in zip(elements, prototype.counts, strict=True):
                shares[row, self._elements.index(element)] += count / len(prototype.kinds)
        mean = shares @ self._traits
        apart = np.abs(self._traits[None, :, :] - mean[:, None, :])
        spread = 2.0 * np.einsum("ne,net->nt", shares, apart)  # of halves as far apart as can be, 1
        codes = np.array([[self._names[p.point[0].name]] for p in proposals], dtype=np.int64).reshape(n, 1)
        bits = sparse.csr_matrix(_ones(np.rint(shares * PARTS).astype(np.int64)))
        return Features(np.concatenate([mean, spread], axis=1), codes, bits)

    def _listed(self, rng: random.Random) -> list[Crystal]:
        crystals = [
            (prototype, order)
            for prototype in self._types
            for order in itertools.permutations(self._elements, prototype.n_kinds)
        ]
        rng.shuffle(crystals)
        return crystals

    def _drawn(self, rng: random.Random) -> Crystal:
        prototype = rng.choice(self._types)
        return prototype, tuple(rng.sample(self._elements, prototype.n_kinds))

    def _changed(self, parent: Crystal, rng: random.Random) -> Crystal:
        prototype, elements = parent
        kind = rng.random()
        if kind < 0.5 and len(elements) < len(self._elements):
            place = rng.randrange(len(elements))
            near = self._neighbours(elements[place])
            others = [e for e in near if e not in elements]
            new = others[rank(rng, len(others))]
            return prototype, (*elements[:place], new, *elements[place + 1 :])
        if kind < 0.6:
            return prototype, tuple(rng.sample(elements, len(elements)))
        same = [p for p in self._types if p.n_kinds == len(elements)]
        return rng.choice(same), elements

    def _neighbours(self, element: str) -> list[str]:
        """Return the other elements, the most similar first."""
        own = self._traits[self._elements.index(element)]
        order = np.argsort(np.abs(self._traits - own).sum(axis=1), kind="stable").tolist()
        return [self._elements[i] for i in order if self._elements[i] != element]

    def _proposal(self, crystal: Crystal, origin: str = "") -> Proposal | None:
        prototype, elements = crystal
        spelling = prototype.canonical(elements)
        if self._balanced and not can_balance(prototype.formula(spelling)):
            return None
        return Proposal(_key(prototype, spelling), (prototype, spelling), origin)


def element_traits(symbol: str) -> Array:
    """Return an element's size, Pauling electronegativity and column of the periodic table."""
    from pymatgen.core import Element

    element = Element(symbol)
    electronegativity = 0.0 if element.is_noble_gas else float(element.X)
    return np.array([VOLUMES[symbol] ** (1 / 3), electronegativity, float(element.group)])


@lru_cache(maxsize=20_000)
def can_balance(formula: str) -> bool:
    """Say whether common oxidation states of the elements can add up to nothing."""
    from pymatgen.core import Composition

    return bool(Composition(formula).oxi_state_guesses(max_sites=-50))


def _ones(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return counts as that many ones: an inner product is then the sum of the smaller counts."""
    n, m = counts.shape
    below: NDArray[np.bool_] = np.arange(PARTS)[None, None, :] < counts[:, :, None]
    return below.astype(np.int32).reshape(n, m * PARTS)


def _key(prototype: Prototype, elements: Sequence[str]) -> str:
    name = prototype.name
    if find_prototype(name) is None:  # another file of that name may hold another structure
        name = f"{name}-{digest([prototype.cell, prototype.kinds, prototype.positions])[:8]}"
    return f"{name}:{','.join(elements)}"


def _label(crystal: Crystal) -> str:
    prototype, elements = crystal
    if prototype.n_kinds == 1 or prototype.swaps:
        return f"{prototype.formula(elements)} ({prototype.name})"
    sites = ",".join(elements)
    return f"{prototype.formula(elements)} ({prototype.name}: {sites})"
