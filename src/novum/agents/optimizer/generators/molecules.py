"""Molecules as a source of proposals: a start set, then crossover, mutation and group moves."""

import random
from collections.abc import Iterator, Sequence, Set
from functools import lru_cache
from pathlib import Path
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import inchi

from novum.agents.optimizer.features import Features
from novum.agents.optimizer.generators.base import Proposal, rank
from novum.agents.optimizer.generators.filters import Filters
from novum.agents.optimizer.generators.fingerprints import descriptors, fingerprints
from novum.agents.optimizer.generators.fragments import library, linkers
from novum.agents.optimizer.generators.operators import Toolbox, closed, crossover, mutate, opened
from novum.agents.optimizer.kernels import Kernel, MoleculeKernel
from novum.core.errors import GoalError
from novum.core.spaces import Candidate, MoleculeSpace

CROSSOVERS = 0.35
"""Share of offspring from two parents."""
SECOND_MUTATION = 0.25
"""Share of mutants that are mutated once more."""
TRIES = 6
"""Attempts per wanted offspring before giving up."""
REMEMBERED = 100_000
"""Verdicts kept."""
OPENED = 2_000
"""Editable molecules kept."""
WANTED = {6: 6, 7: 4, 8: 4, 9: 2, 16: 2, 17: 1}
"""How often a new atom is of an element; 1 for the elements that are not named."""


class MoleculeGenerator:
    """Molecules within a space, by cheap graph operators.

    Offspring is always sanitised, one component, within the limits and free of what no chemist would
    write down. Alerts and the synthetic accessibility score are asked by `admits`.

    Args:
        space: limits, already tightened by the objectives.

    Raises:
        GoalError: a start SMILES that cannot be read.
    """

    finite = False
    cap = 0.85
    survivors = 48

    def __init__(self, space: MoleculeSpace) -> None:
        self.kernel: Kernel = MoleculeKernel()
        self._filters = Filters(space)
        self._given = frozenset(_read(s) for s in space.start)
        self._spellings = sorted(self._given) if space.start else list(_bundled())
        elements = self._filters.elements
        substituents, rings = library(elements)
        self._box = Toolbox(
            elements=tuple(z for z in sorted(elements) for _ in range(WANTED.get(z, 1))),
            substituents=substituents,
            rings=rings,
            linkers=linkers(elements),
            max_atoms=space.max_heavy_atoms,
            max_ring=space.max_ring_size,
        )
        # What follows only saves time: every entry is a pure function of its key and the space.
        self._opened: dict[str, Any] = {}
        self._admitted: dict[str, bool] = {}
        self._quick: dict[str, Proposal | None] = {}

    def start(self, rng: random.Random, exclude: Set[str]) -> Iterator[Proposal]:
        """Yield the start set that the space admits, in random order."""
        order = list(self._spellings)
        rng.shuffle(order)
        seen = set(exclude)
        for spelling in order:
            if spelling not in self._quick:
                read = self._proposal(spelling)
                self._quick[spelling] = read if read is not None and self._is_quick(read.point) else None
            proposal = self._quick[spelling]
            if proposal is not None and proposal.key not in seen:
                seen.add(proposal.key)
                if self.admits(proposal):
                    yield proposal

    def parents(self) -> list[Proposal]:
        """Return the user's start molecules, those outside the limits too: operators may lead back in."""
        made = (self._proposal(s) for s in sorted(self._given))
        return [p for p in made if p is not None]

    def offspring(
        self, parents: Sequence[Proposal], rng: random.Random, n: int, exclude: Set[str]
    ) -> list[Proposal]:
        """Return new molecules from crossover and mutation of good parents."""
        seen = set(exclude)
        made: list[Proposal] = []
        if not parents:
            return made
        with rdBase.BlockLogs():
            for _ in range(TRIES * n):
                if len(made) >= n:
                    break
                proposal = self._child(parents, rng)
                if proposal is not None and proposal.key not in seen:
                    seen.add(proposal.key)
                    made.append(proposal)
        return made

    def admits(self, proposal: Proposal) -> bool:
        """Say whether alerts and synthetic accessibility are in order."""
        verdict = self._admitted.get(proposal.key)
        if verdict is None:
            # The score first: it is ten times quicker than six hundred patterns.
            with rdBase.BlockLogs():
                molecule = Chem.MolFromSmiles(proposal.key)
            verdict = (
                molecule is not None
                and (proposal.key in self._given or self._filters.is_makeable(molecule))
                and self._filters.is_free_of_alerts(molecule)
            )
            if len(self._admitted) >= REMEMBERED:
                self._admitted.clear()
            self._admitted[proposal.key] = verdict
        return verdict

    def why_not(self, proposal: Proposal) -> str:
        """Return in words the first limit that a molecule breaks; empty where it breaks none."""
        return self._filters.why_not(proposal.point, given=proposal.key in self._given)

    def candidate(self, proposal: Proposal) -> Candidate | None:
        """Return the candidate; its id is the standard InChIKey."""
        with rdBase.BlockLogs():
            molecule = Chem.MolFromSmiles(proposal.key)
            key = "" if molecule is None else inchi.MolToInchiKey(molecule)  # type: ignore[no-untyped-call]
        if not key:
            return None
        smiles = Chem.MolToSmiles(molecule)
        return Candidate(id=key, label=smiles, arguments={"smiles": smiles})

    def locate(self, candidate: Candidate) -> Proposal | None:
        """Return the molecule in the candidate's ``smiles`` argument."""
        smiles = candidate.arguments.get("smiles")
        return self._proposal(smiles) if isinstance(smiles, str) else None

    def encode(self, proposals: Sequence[Proposal]) -> Features:
        """Return count fingerprints and whole-molecule descriptors."""
        import numpy as np

        molecules = [p.point for p in proposals]
        codes = np.zeros((len(molecules), 0), dtype=np.int64)
        return Features(descriptors(molecules), codes, fingerprints(molecules))

    def _proposal(self, smiles: str) -> Proposal | None:
        with rdBase.BlockLogs():
            molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or not molecule.GetNumAtoms():
            return None
        return Proposal(Chem.MolToSmiles(molecule), molecule)

    def _child(self, parents: Sequence[Proposal], rng: random.Random) -> Proposal | None:
        first = parents[rank(rng, len(parents))]
        if len(parents) > 1 and rng.random() < CROSSOVERS:
            second = parents[rank(rng, len(parents))]
            raw = crossover(self._open(first), self._open(second), rng, self._box)
            origin = f"crossover of {first.key} and {second.key}"
        else:
            raw = mutate(self._open(first), rng, self._box)
            origin = f"change of {first.key}"
        molecule = None if raw is None else closed(raw)
        if molecule is not None and rng.random() < SECOND_MUTATION:
            raw = mutate(opened(molecule), rng, self._box)
            molecule = (None if raw is None else closed(raw)) or molecule
        if molecule is None or not self._is_quick(molecule):
            return None
        return Proposal(Chem.MolToSmiles(molecule), molecule, origin)

    def _is_quick(self, molecule: Any) -> bool:
        return self._filters.is_within(molecule) and self._filters.is_reasonable(molecule)

    def _open(self, proposal: Proposal) -> Any:
        copy = self._opened.get(proposal.key)
        if copy is None:
            if len(self._opened) >= OPENED:
                self._opened.clear()
            # From the key and not from the molecule at hand, whose order of atoms tells how it was made:
            # a resumed campaign reads it from its spelling and must make the same offspring.
            with rdBase.BlockLogs():
                molecule = Chem.MolFromSmiles(proposal.key)
            copy = self._opened[proposal.key] = opened(molecule or proposal.point)
        return copy


def _read(smiles: str) -> str:
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        raise GoalError(f"cannot read {smiles!r} in the start set; a valid SMILES is expected")
    return str(Chem.MolToSmiles(molecule))


@lru_cache(maxsize=1)
def _bundled() -> tuple[str, ...]:
    """Return the first 5,000 molecules of the NCI open database, as RDKit ships them."""
    from rdkit import RDConfig

    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text(encoding="utf-8").splitlines()
    return tuple(line.split()[0] for line in lines if line.strip())
