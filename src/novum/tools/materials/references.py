"""Reference phases: what a compound competes with, each at the energy that the same method gives it.

Energies that were computed once are kept in `reference_energies.json` beside this module, by method and
phase. What is not there is computed in the call that needs it.
"""

import itertools
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from novum.core.crystal_tables import VOLUMES
from novum.core.crystals import Prototype, prototypes
from novum.core.errors import ToolFailedError
from novum.tools.materials.calculators import Method
from novum.tools.materials.relaxation import relax
from novum.tools.materials.structures import from_atoms, parse_structure

if TYPE_CHECKING:
    from pymatgen.core import Structure

KEPT = Path(__file__).with_name("reference_energies.json")
"""Energies in eV for each atom: method → phase → energy, null where the relaxation failed."""

MOST_ELEMENTS = 4
"""Elements of a compound whose competing phases are still computed."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase with its energy by one method."""

    name: str
    """An element's own crystal as ``element:Al``, a structure type with its elements as ``B2:Al,Ni``."""
    formula: str
    energy: float
    """In eV for each atom, on the method's own scale."""
    origin: str = "kept"
    """"kept" in the package, "computed" in this call, or "given" by the caller."""


def elemental_phase(symbol: str, method: Method) -> Phase:
    """Return an element in its most stable crystal: of its own at low temperature, fcc, bcc and hcp.

    Raises:
        ToolFailedError: its own crystal is not known, or no crystal of it could be relaxed.
    """
    name = f"element:{symbol}"
    kept = kept_energies(method).get(name)
    if kept is not None:
        return Phase(name, symbol, kept)
    energies = [e for e in (_energy(s, method) for s in _elemental_structures(symbol)) if e is not None]
    if not energies:
        raise ToolFailedError(f"no crystal of the element {symbol} could be relaxed by {method.title}")
    return Phase(name, symbol, min(energies), "computed")


def competing_phases(elements: Sequence[str], method: Method) -> list[Phase]:
    """Return what novum's structure types make of every two and every three of the elements.

    A structure whose relaxation fails competes with nothing and is left out.

    Raises:
        ToolFailedError: there are too many elements to compute all.
    """
    if len(elements) > MOST_ELEMENTS:
        raise ToolFailedError(
            f"the competing phases of {len(elements)} elements cannot be computed in one call; ask for "
            "competing='elements', or give the phases"
        )
    kept = kept_energies(method)
    found = []
    for prototype, order in decorations(elements):
        name = f"{prototype.name}:{','.join(order)}"
        if name in kept:
            energy, origin = kept[name], "kept"
        else:
            energy, origin = _energy(_decorated(prototype, order), method), "computed"
        if energy is not None:
            found.append(Phase(name, prototype.formula(order), energy, origin))
    return found


def decorations(elements: Sequence[str]) -> Iterator[tuple[Prototype, tuple[str, ...]]]:
    """Yield every structure type with every different way of putting two or more of the elements on it."""
    for prototype in prototypes().values():
        seen = set()
        for order in itertools.permutations(sorted(elements), prototype.n_kinds):
            spelling = prototype.canonical(order)
            if spelling not in seen:
                seen.add(spelling)
                yield prototype, spelling


def kept_energies(method: Method) -> Mapping[str, float | None]:
    """Return the energies that were computed by a method before, by the name of the phase."""
    return _kept().get(method.title, {})


@cache
def _kept() -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def _elemental_structures(symbol: str) -> Iterator["Structure"]:
    from ase.build import bulk
    from ase.collections import dcdft

    if symbol not in dcdft.names:
        raise ToolFailedError(
            f"the crystal of the element {symbol} is not among the references; give the compound's "
            "competing phases with their energies instead"
        )
    yield from_atoms(dcdft[symbol])
    volume = VOLUMES[symbol]
    yield from_atoms(bulk(symbol, "fcc", a=(4 * volume) ** (1 / 3)))
    yield from_atoms(bulk(symbol, "bcc", a=(2 * volume) ** (1 / 3)))
    side = (volume * 2 / (3**0.5 / 2 * 1.633)) ** (1 / 3)
    yield from_atoms(bulk(symbol, "hcp", a=side, c=1.633 * side))


def _decorated(prototype: Prototype, order: Sequence[str]) -> "Structure":
    try:
        return parse_structure(prototype.crystal(order))
    except KeyError as error:
        raise ToolFailedError(f"the volume of the element {error} is not known") from error


def _energy(structure: "Structure", method: Method) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return round(relax(structure, method).energy, 6)
        except ToolFailedError:
            return None
