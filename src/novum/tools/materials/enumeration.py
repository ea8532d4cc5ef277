"""materials.prototypes: the crystals that elements make on the sites of known structure types."""

from typing import Annotated, Any

from pydantic import Field

from novum.core.crystal_tables import VOLUMES
from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, tool
from novum.tools.examples import Example
from novum.tools.materials.references import decorations


class EnumeratedProperties(Properties):
    """How many crystals there are; they are in the details."""

    n_structures: Annotated[int, Field(description="crystals, each counted once", ge=1)]


@tool(
    name="materials.prototypes",
    version="1",
    method="AFLOW structure types",
    profile="crystals",
    preload=("pymatgen.symmetry.analyzer",),
    libraries=("pymatgen",),
    nominal_cost_s=0.1,
    memory_mb=1024,
    examples=(
        Example(
            arguments={"elements": ["Al", "Ni"], "types": ["B2", "L1_2"]},
            expected={"n_structures": 3},
            source="arithmetic: B2 is its own mirror, L1_2 has two ways",
        ),
    ),
)
def prototypes(
    elements: tuple[str, ...],
    *,
    types: tuple[str, ...] = (),
    most_atoms: Annotated[int, Field(ge=1, le=100)] = 12,
    most: Annotated[int, Field(ge=1, le=500)] = 100,
) -> EnumeratedProperties:
    """List the crystals that elements make on novum's structure types, as POSCAR text.

    Two ways of putting elements on sites that give one crystal are one. Volumes are the sums of the
    elements' own, a start for a relaxation.

    Args:
        elements: two or more symbols; each structure type takes as many of them as it has kinds of sites.
        types: Strukturbericht designations; all by default.
        most_atoms: atoms in the primitive cell.
        most: crystals to return; more are counted.

    References:
        AFLOW library: doi:10.1016/j.commatsci.2017.01.017.
    """
    strangers = sorted(set(elements) - set(VOLUMES))
    if strangers or len(set(elements)) < 2:
        raise ToolFailedError(
            f"no crystal volume is known of {', '.join(strangers)}" if strangers else "give two elements"
        )
    found: list[dict[str, Any]] = []
    n = 0
    for prototype, order in decorations(sorted(set(elements))):
        if (types and prototype.name not in types) or len(prototype.kinds) > most_atoms:
            continue
        n += 1
        if len(found) < most:
            found.append(
                {
                    "prototype": prototype.name,
                    "elements": list(order),
                    "formula": prototype.formula(order),
                    "structure": prototype.crystal(order),
                }
            )
    if not n:
        raise ToolFailedError("no structure type fits what was asked for")
    return EnumeratedProperties(n_structures=n, details={"structures": found})
