# ruff: noqa: ARG001 - every operator has one signature, and not every one attaches something
"""Graph operators: one molecule or two in, one raw molecule out, without reaction patterns.

Operators work on `opened` molecules (kekulised, hydrogens implicit, no stereochemistry) and return an
RWMol that may be nonsense, or None where nothing fits. `closed` sanitises it or says no. What they
make has no assigned stereochemistry.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rdkit import Chem

VALENCE = {5: 3, 6: 4, 7: 3, 8: 2, 9: 1, 14: 4, 15: 3, 16: 2, 17: 1, 35: 1, 53: 1}
"""Bonds that an operator gives a neutral atom at most; higher valences come with fragments only."""
SINGLE, DOUBLE, TRIPLE = Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What operators may attach and how large molecules may become."""

    elements: tuple[int, ...]
    """Atomic numbers that new atoms may have, repeated by how often they are wanted."""
    substituents: tuple[Any, ...]
    rings: tuple[Any, ...]
    linkers: tuple[tuple[Any, int], ...]
    max_atoms: int
    max_ring: int


Operator = Callable[[Any, random.Random, Toolbox], Any | None]


def opened(molecule: Any) -> Any:
    """Return an editable copy: kekulised, hydrogens implicit, stereochemistry removed."""
    copy = Chem.RWMol(molecule)
    Chem.RemoveStereochemistry(copy)
    Chem.Kekulize(copy, clearAromaticFlags=True)
    for atom in copy.GetAtoms():
        if not atom.GetFormalCharge():
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    copy.UpdatePropertyCache(strict=False)
    return copy


def closed(raw: Any) -> Any | None:
    """Return the sanitised molecule, or None if it cannot be one."""
    if Chem.SanitizeMol(raw, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return None
    return raw


def free(atom: Any) -> int:
    """Return how many bonds an atom of an opened molecule can still take."""
    number = VALENCE.get(atom.GetAtomicNum())
    if number is None or atom.GetFormalCharge():
        return 0
    return max(0, number - int(atom.GetTotalValence() - atom.GetTotalNumHs()))


def join(a: Any, i: int, b: Any, j: int) -> Any:
    """Return both molecules with a single bond from atom `i` of `a` to atom `j` of `b`."""
    n = a.GetNumAtoms()
    both = Chem.RWMol(a)
    both.InsertMol(b)
    both.AddBond(i, n + j, SINGLE)
    return both


def cuts(molecule: Any) -> list[tuple[int, int]]:
    """Return the single bonds outside rings, each in both directions as (kept atom, lost atom)."""
    ends = []
    for bond in molecule.GetBonds():
        if bond.GetBondType() == SINGLE and not bond.IsInRing():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            ends += [(i, j), (j, i)]
    return ends


def part(molecule: Any, keep: int, lose: int) -> tuple[Any, int]:
    """Return the side of `keep` after cutting its bond to `lose`, and the new index of `keep`."""
    inside = {keep}
    stack = [keep]
    while stack:
        here = stack.pop()
        for neighbour in molecule.GetAtomWithIdx(here).GetNeighbors():
            there = neighbour.GetIdx()
            if there not in inside and not (here == keep and there == lose):
                inside.add(there)
                stack.append(there)
    kept = Chem.RWMol(molecule)
    kept.BeginBatchEdit()
    for i in range(molecule.GetNumAtoms()):
        if i not in inside:
            kept.RemoveAtom(i)
    kept.CommitBatchEdit()
    return kept, sum(1 for i in inside if i < keep)


def crossover(a: Any, b: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Return a part of `a` bonded to a part of `b`, each cut at a single bond outside rings."""
    cuts_a, cuts_b = cuts(a), cuts(b)
    if not cuts_a or not cuts_b:
        return None
    for _ in range(3):
        left, i = part(a, *rng.choice(cuts_a))
        right, j = part(b, *rng.choice(cuts_b))
        if 3 <= left.GetNumAtoms() + right.GetNumAtoms() <= box.max_atoms:
            return join(left, i, right, j)
    return None


def change_atom(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Replace one neutral atom by another element."""
    i = rng.randrange(m.GetNumAtoms())
    atom = m.GetAtomWithIdx(i)
    used = int(atom.GetTotalValence() - atom.GetTotalNumHs())
    old = atom.GetAtomicNum()
    choices = [z for z in box.elements if z != old and VALENCE.get(z, 0) >= used]
    if atom.GetFormalCharge() or not choices:
        return None
    new = Chem.RWMol(m)
    new.GetAtomWithIdx(i).SetAtomicNum(rng.choice(choices))
    return new


def append_atom(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Put one atom on an atom with a free valence, by a single or sometimes a double bond."""
    sites = _sites(m)
    if not sites or not box.elements or m.GetNumAtoms() >= box.max_atoms:
        return None
    i, z = rng.choice(sites), rng.choice(box.elements)
    new = Chem.RWMol(m)
    j = new.AddAtom(Chem.Atom(z))
    double = VALENCE.get(z, 0) >= 2 and free(m.GetAtomWithIdx(i)) >= 2 and rng.random() < 0.3
    new.AddBond(i, j, DOUBLE if double else SINGLE)
    return new


def append_group(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Put a substituent or a ring on an atom with a free valence."""
    sites = _sites(m)
    group = _group(rng, box)
    if not sites or group is None or m.GetNumAtoms() + group.GetNumAtoms() > box.max_atoms:
        return None
    return join(m, rng.choice(sites), group, 0)


def swap_group(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Cut a single bond, keep the larger part, and put another group there."""
    ends = cuts(m)
    group = _group(rng, box)
    if not ends or group is None:
        return None
    kept, i = _larger(m, rng.choice(ends))
    if kept.GetNumAtoms() + group.GetNumAtoms() > box.max_atoms:
        return None
    return join(kept, i, group, 0)


def drop_group(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Cut a single bond and keep the larger part."""
    ends = cuts(m)
    return _larger(m, rng.choice(ends))[0] if ends else None


def move_group(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Cut a single bond and put the smaller part elsewhere on the larger one."""
    ends = cuts(m)
    if not ends:
        return None
    i, j = rng.choice(ends)
    left, right = part(m, i, j), part(m, j, i)
    if left[0].GetNumAtoms() < right[0].GetNumAtoms():
        left, right = right, left
    left[0].UpdatePropertyCache(strict=False)
    sites = [s for s in _sites(left[0]) if s != left[1]]
    return join(left[0], rng.choice(sites), right[0], right[1]) if sites else None


def insert_linker(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Put a linker into a single bond outside rings."""
    ends = cuts(m)
    if not ends or not box.linkers:
        return None
    i, j = rng.choice(ends)
    linker, last = rng.choice(box.linkers)
    if m.GetNumAtoms() + linker.GetNumAtoms() > box.max_atoms:
        return None
    n = m.GetNumAtoms()
    new = Chem.RWMol(m)
    new.RemoveBond(i, j)
    new.InsertMol(linker)
    new.AddBond(i, n, SINGLE)
    new.AddBond(j, n + last, SINGLE)
    return new


def delete_atom(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Take out an atom with one or two neighbours; two are then bonded to each other."""
    i = rng.randrange(m.GetNumAtoms())
    neighbours = [a.GetIdx() for a in m.GetAtomWithIdx(i).GetNeighbors()]
    if not 1 <= len(neighbours) <= 2:
        return None
    new = Chem.RWMol(m)
    if len(neighbours) == 2:
        if m.GetBondBetweenAtoms(*neighbours) is not None:
            return None
        new.AddBond(neighbours[0], neighbours[1], SINGLE)
    new.RemoveAtom(i)
    return new


def insert_atom(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Put an atom into a single bond; a ring grows by one."""
    bonds = [b for b in m.GetBonds() if b.GetBondType() == SINGLE]
    choices = [z for z in box.elements if VALENCE.get(z, 0) >= 2]
    if not bonds or not choices or m.GetNumAtoms() >= box.max_atoms:
        return None
    bond = rng.choice(bonds)
    i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    new = Chem.RWMol(m)
    new.RemoveBond(i, j)
    k = new.AddAtom(Chem.Atom(rng.choice(choices)))
    new.AddBond(i, k, SINGLE)
    new.AddBond(k, j, SINGLE)
    return new


def change_bond(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Raise or lower the order of one bond."""
    if not m.GetNumBonds():
        return None
    bond = m.GetBondWithIdx(rng.randrange(m.GetNumBonds()))
    kind = bond.GetBondType()
    room = min(free(bond.GetBeginAtom()), free(bond.GetEndAtom()))
    choices = {
        SINGLE: [DOUBLE, TRIPLE][:room],
        DOUBLE: [SINGLE, TRIPLE][: 1 + room],
        TRIPLE: [SINGLE, DOUBLE],
    }
    options = choices.get(kind, [])
    if not options:
        return None
    new = Chem.RWMol(m)
    new.GetBondWithIdx(bond.GetIdx()).SetBondType(rng.choice(options))
    return new


def close_ring(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Bond two atoms with free valences so that a ring of 3 to 7, mostly 5 or 6, closes."""
    sites = _sites(m)
    if len(sites) < 2:
        return None
    sizes = [s for s in (3, 5, 5, 5, 6, 6, 6, 6, 7) if s <= box.max_ring]
    if not sizes:
        return None
    start, size = rng.choice(sites), rng.choice(sizes)
    shell, seen = {start}, {start}
    for _ in range(size - 1):
        shell = {a.GetIdx() for i in shell for a in m.GetAtomWithIdx(i).GetNeighbors()} - seen
        seen |= shell
    ends = sorted(shell.intersection(sites))
    if not ends:
        return None
    new = Chem.RWMol(m)
    new.AddBond(start, rng.choice(ends), SINGLE)
    return new


def open_ring(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Take out a single bond of a ring."""
    bonds = [b for b in m.GetBonds() if b.IsInRing() and b.GetBondType() == SINGLE]
    if not bonds:
        return None
    bond = rng.choice(bonds)
    new = Chem.RWMol(m)
    new.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return new


def fuse_ring(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Fuse a benzo ring on a double bond of a ring, or a five-membered one on a single bond."""
    bonds = [
        b
        for b in m.GetBonds()
        if b.IsInRing()
        and b.GetBondType() in (SINGLE, DOUBLE)
        and free(b.GetBeginAtom()) >= 1
        and free(b.GetEndAtom()) >= 1
    ]
    if not bonds:
        return None
    bond = rng.choice(bonds)
    orders = [SINGLE, DOUBLE, SINGLE, DOUBLE, SINGLE] if bond.GetBondType() == DOUBLE else [SINGLE] * 4
    if m.GetNumAtoms() + len(orders) - 1 > box.max_atoms or 6 not in box.elements:
        return None
    new = Chem.RWMol(m)
    here = bond.GetBeginAtomIdx()
    for order in orders[:-1]:
        there = new.AddAtom(Chem.Atom(6))
        new.AddBond(here, there, order)
        here = there
    new.AddBond(here, bond.GetEndAtomIdx(), orders[-1])
    return new


MUTATIONS: tuple[tuple[Operator, float], ...] = (
    (change_atom, 3.0),
    (append_atom, 2.0),
    (append_group, 2.5),
    (swap_group, 3.0),
    (drop_group, 1.5),
    (move_group, 1.5),
    (insert_linker, 1.5),
    (delete_atom, 1.5),
    (insert_atom, 1.0),
    (change_bond, 1.5),
    (close_ring, 1.0),
    (open_ring, 0.5),
    (fuse_ring, 0.7),
)
"""Operators on one molecule, with how often each is tried."""


def mutate(m: Any, rng: random.Random, box: Toolbox) -> Any | None:
    """Apply one operator, chosen by its weight."""
    operator = rng.choices(_OPERATORS, cum_weights=_CUMULATED)[0]
    return operator(m, rng, box)


_OPERATORS = [operator for operator, _ in MUTATIONS]
_CUMULATED = [sum(w for _, w in MUTATIONS[: i + 1]) for i in range(len(MUTATIONS))]


def _sites(m: Any) -> list[int]:
    return [a.GetIdx() for a in m.GetAtoms() if free(a) >= 1]


def _group(rng: random.Random, box: Toolbox) -> Any | None:
    groups = box.rings if rng.random() < 0.4 else box.substituents
    return rng.choice(groups) if groups else None


def _larger(m: Any, ends: tuple[int, int]) -> tuple[Any, int]:
    one, other = part(m, *ends), part(m, ends[1], ends[0])
    return one if one[0].GetNumAtoms() >= other[0].GetNumAtoms() else other
