"""The convex hull of phases: how far above it a compound lies, and into what it would decompose."""

from collections.abc import Sequence
from dataclasses import dataclass

from novum.core.errors import ToolFailedError
from novum.tools.materials.references import Phase


@dataclass(frozen=True, slots=True)
class Place:
    """Where a compound lies against the hull of other phases."""

    above: float
    """In eV for each atom; negative where it would be a corner of the hull itself."""
    formation: float
    """From the elements, in eV for each atom."""
    decomposition: tuple[tuple[Phase, float], ...]
    """The phases below it, with the share of the atoms that each takes."""


def place_on_hull(formula: str, energy: float, phases: Sequence[Phase]) -> Place:
    """Return where a compound of this energy, in eV for each atom, lies against the hull of `phases`.

    The hull is made of `phases` alone, so that a new stable compound comes out below it.

    Raises:
        ToolFailedError: the formula cannot be read, or an element has no phase of its own.

    References:
        Ong et al., Chem. Mater. 20, 1798 (2008), doi:10.1021/cm702327g.
    """
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    compound = read_composition(formula)
    entries = {}
    for phase in phases:
        composition = read_composition(phase.formula)
        if set(composition.elements) <= set(compound.elements):
            entries[PDEntry(composition, phase.energy * composition.num_atoms, name=phase.name)] = phase
    bare = {e.symbol for e in compound.elements} - {
        e.composition.elements[0].symbol for e in entries if e.composition.is_element
    }
    if bare:
        raise ToolFailedError(
            f"no phase of the element {', '.join(sorted(bare))} is given: there is no hull without it"
        )
    diagram = PhaseDiagram(list(entries))
    entry = PDEntry(Composition(compound), energy * compound.num_atoms, name="compound")
    parts, above = diagram.get_decomp_and_e_above_hull(entry, allow_negative=True)
    return Place(
        above=float(above),
        formation=float(diagram.get_form_energy_per_atom(entry)),
        decomposition=tuple(
            (entries[part], float(share)) for part, share in sorted(parts.items(), key=lambda p: -p[1])
        ),
    )


def read_composition(formula: str) -> "Composition":  # type: ignore[name-defined] # noqa: F821
    """Return the composition that a formula states.

    Raises:
        ToolFailedError: it cannot be read, or names what is no element.
    """
    from pymatgen.core import Composition
    from pymatgen.core.periodic_table import DummySpecies

    try:
        found = Composition(formula)
    except (ValueError, KeyError, TypeError) as error:
        raise ToolFailedError(f"{formula!r} is no formula: {error}") from error
    if not found or any(isinstance(e, DummySpecies) for e in found.elements):
        raise ToolFailedError(f"{formula!r} is no formula of elements")
    return found
