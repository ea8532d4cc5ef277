"""Best-first search over AND/OR trees: any one reaction makes a molecule, a reaction needs all precursors.

References:
    Retro*: doi:10.48550/arXiv.2006.15820. The leaf that is opened next is the one on the cheapest route that
    is still possible; what a closed leaf will cost is a guess from its size and rings.
"""

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import product
from math import inf
from typing import Any

from novum.tools.chemistry.retrosynthesis import Disconnection, Disconnector

BROADEN = 1.5
"""Routes up to this multiple of the cheapest one's cost are looked for."""


@dataclass(slots=True)
class _Molecule:
    smiles: str
    above: tuple[str, ...]
    """The molecules that it is to make, so that no route runs in a circle."""
    parent: "_Step | None"
    in_stock: bool
    value: float
    steps: "list[_Step] | None" = None
    solved: bool = False


@dataclass(slots=True)
class _Step:
    made_by: Disconnection
    parent: _Molecule
    needs: list[_Molecule] = field(default_factory=list)

    @property
    def value(self) -> float:
        return self.made_by.cost + sum(one.value for one in self.needs)

    @property
    def solved(self) -> bool:
        return all(one.solved for one in self.needs)


@dataclass(frozen=True, slots=True)
class Route:
    """A tree of steps from a molecule down to what is bought, or to what could not be made."""

    smiles: str
    in_stock: bool
    step: Disconnection | None = None
    needs: "tuple[Route, ...]" = ()

    @property
    def cost(self) -> float:
        """Sum of the costs of all steps."""
        return (self.step.cost if self.step else 0.0) + sum(one.cost for one in self.needs)

    @property
    def steps(self) -> int:
        """Number of reactions."""
        return (1 if self.step else 0) + sum(one.steps for one in self.needs)

    @property
    def depth(self) -> int:
        """Reactions in the longest sequence."""
        return (1 if self.step else 0) + max((one.depth for one in self.needs), default=0)

    def leaves(self) -> "Iterator[Route]":
        """Yield what the route starts from."""
        if self.step is None:
            yield self
        for one in self.needs:
            yield from one.leaves()

    def to_dict(self) -> dict[str, Any]:
        """Return the route as JSON data."""
        told: dict[str, Any] = {"smiles": self.smiles, "in_stock": self.in_stock}
        if self.step:
            told["reaction"] = {
                "name": self.step.template.name,
                "family": self.step.template.family,
                "reagents": self.step.template.reagents,
                "cost": round(self.step.cost, 2),
                "verified_forward": True,
                "other_products": list(self.step.others),
                "stereo": self.step.stereo,
                "proposed": self.step.proposed,
            }
            told["precursors"] = [one.to_dict() for one in self.needs]
        return told


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found."""

    routes: tuple[Route, ...]
    """Complete routes, cheapest first."""
    partial: Route
    """The most promising tree; the first route where there is one."""
    expansions: int
    exhausted: bool
    """Whether there was nothing left to open."""


def search_routes(
    target: str,
    stock: Collection[str],
    *,
    disconnector: Disconnector,
    max_depth: int,
    max_expansions: int,
    n_routes: int,
) -> Search:
    """Search for routes from `stock` to `target`; the answer depends on nothing but the arguments.

    Args:
        target: canonical SMILES.
        stock: canonical SMILES of what can be bought; the target itself is not looked up.
        disconnector: what a molecule can be made from.
        max_depth: reactions in the longest sequence.
        max_expansions: molecules that are opened.
        n_routes: routes returned at most.
    """
    root = _Molecule(target, (), None, in_stock=False, value=guess(target))
    opened, leaf = 0, _next_leaf(root, max_depth)
    while leaf is not None and opened < max_expansions:
        _open(leaf[1], stock, disconnector)
        opened += 1
        leaf = _next_leaf(root, max_depth)
        if root.solved and leaf is not None:
            best = _best(root, 1)[0].cost
            if leaf[0] > BROADEN * best:
                break
    routes = _best(root, n_routes) if root.solved else []
    return Search(tuple(routes), routes[0] if routes else _promising(root), opened, exhausted=leaf is None)


def guess(smiles: str) -> float:
    """Return what a molecule that is not in stock may cost to make, in plain couplings; a rule of thumb."""
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    return 0.5 + 0.04 * float(molecule.GetNumHeavyAtoms()) + 0.15 * float(molecule.GetRingInfo().NumRings())


def _open(node: _Molecule, stock: Collection[str], disconnector: Disconnector) -> None:
    node.steps = []
    path = (*node.above, node.smiles)
    for found in disconnector.of(node.smiles):
        if any(precursor in path for precursor in found.precursors):
            continue
        step = _Step(found, node)
        for precursor in found.precursors:
            bought = precursor in stock
            value = 0.0 if bought else guess(precursor)
            step.needs.append(_Molecule(precursor, path, step, bought, value, solved=bought))
        node.steps.append(step)
    above: _Molecule | None = node
    while above is not None:
        assert above.steps is not None
        above.value = min((step.value for step in above.steps), default=inf)
        above.solved = any(step.solved for step in above.steps)
        above = above.parent.parent if above.parent else None


def _next_leaf(root: _Molecule, max_depth: int) -> tuple[float, _Molecule] | None:
    """Return the closed leaf of the cheapest possible route, with that route's cost."""
    best: tuple[float, _Molecule] | None = None
    pending = [(root.value, root)]
    while pending:
        through, node = pending.pop()
        if through == inf or node.in_stock:
            continue
        if node.steps is None:
            # equal routes: the largest leaf first, since it decides whether the route holds
            if len(node.above) < max_depth and (
                best is None
                or (through, -node.value, node.smiles) < (best[0], -best[1].value, best[1].smiles)
            ):
                best = (through, node)
            continue
        for step in node.steps:
            cost = step.value if node is root else through - node.value + step.value
            pending.extend((cost, one) for one in step.needs)
    return best


def _best(node: _Molecule, n: int) -> list[Route]:
    """Return the `n` cheapest complete routes to a molecule."""
    if node.in_stock:
        return [Route(node.smiles, in_stock=True)]
    found = []
    for step in node.steps or ():
        if step.solved:
            for needs in product(*(_best(one, n) for one in step.needs)):
                found.append(Route(node.smiles, in_stock=False, step=step.made_by, needs=tuple(needs)))
    return heapq.nsmallest(n, found, key=lambda route: (route.cost, route.steps))


def _promising(node: _Molecule) -> Route:
    """Return the cheapest tree, its leaves as far as they were opened."""
    possible = [step for step in node.steps or () if step.value < inf]
    if not possible:
        return Route(node.smiles, in_stock=node.in_stock)
    step = min(possible, key=lambda one: (not one.solved, one.value))
    return Route(
        node.smiles, in_stock=False, step=step.made_by, needs=tuple(_promising(one) for one in step.needs)
    )
