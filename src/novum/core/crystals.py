"""Crystals as values: structure types, the volumes of the elements, and cells made of both."""

from collections.abc import Sequence
from functools import cache
from math import gcd
from typing import Self

from pydantic import Field, model_validator

from novum.core.crystal_tables import PROTOTYPES, VOLUMES
from novum.core.frozen import Frozen

Vector = tuple[float, float, float]


class Prototype(Frozen):
    """A structure type: a primitive cell whose sites belong to kinds, for elements to stand on.

    The cell holds one cubic angstrom for each site; `crystal` scales it to the volumes of the elements.
    """

    name: str
    """The Strukturbericht designation, or a name of its own."""
    example: str = ""
    """The compound after which it is called."""
    cell: tuple[Vector, Vector, Vector]
    """Lattice vectors by row."""
    kinds: tuple[int, ...] = Field(min_length=1)
    """The kind of each site, counted from 0; sites of one kind stand together."""
    positions: tuple[Vector, ...]
    """Fractional coordinates of each site."""
    swaps: tuple[tuple[int, ...], ...] = ()
    """Exchanges of kinds that give the same crystal again."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.kinds) != len(self.positions):
            raise ValueError("each site needs a kind and a position")
        if list(self.kinds) != sorted(self.kinds) or set(self.kinds) != set(range(self.n_kinds)):
            raise ValueError("kinds count from 0, and the sites of one kind stand together")
        if any(sorted(swap) != list(range(self.n_kinds)) for swap in self.swaps):
            raise ValueError("a swap names every kind once")
        return self

    @property
    def n_kinds(self) -> int:
        """How many elements it takes."""
        return max(self.kinds) + 1

    @property
    def counts(self) -> tuple[int, ...]:
        """The sites of each kind."""
        return tuple(self.kinds.count(kind) for kind in range(self.n_kinds))

    def canonical(self, elements: Sequence[str]) -> tuple[str, ...]:
        """Return the elements by kind, the alphabetically first of the spellings of one crystal.

        Example:
            >>> find_prototype("B2").canonical(["Ni", "Al"])
            ('Al', 'Ni')
            >>> find_prototype("L1_2").canonical(["Ni", "Al"])
            ('Ni', 'Al')
        """
        spellings = [tuple(elements), *(tuple(elements[kind] for kind in swap) for swap in self.swaps)]
        return min(spellings)

    def formula(self, elements: Sequence[str]) -> str:
        """Return the formula with these elements, in alphabetical order.

        Example:
            >>> find_prototype("L1_2").formula(["Au", "Cu"])
            'AuCu3'
        """
        amounts: dict[str, int] = {}
        for element, count in zip(elements, self.counts, strict=True):
            amounts[element] = amounts.get(element, 0) + count
        divisor = gcd(*amounts.values())
        return "".join(
            f"{element}{amounts[element] // divisor if amounts[element] > divisor else ''}"
            for element in sorted(amounts)
        )

    def crystal(self, elements: Sequence[str]) -> str:
        """Return the crystal with these elements by kind, as POSCAR text.

        Its volume is the sum of the volumes of the elements in their own crystals (Zen's law): where to
        start a relaxation from, not a prediction.

        Raises:
            KeyError: the volume of an element is not known.
        """
        volume = sum(VOLUMES[e] * n for e, n in zip(elements, self.counts, strict=True))
        scale = (volume / len(self.kinds)) ** (1 / 3)
        lines = [f"{self.formula(elements)} {self.name}", "1.0"]
        lines += [" ".join(f"{scale * x:.6f}" for x in vector) for vector in self.cell]
        lines += [" ".join(elements), " ".join(map(str, self.counts)), "direct"]
        lines += [" ".join(f"{x:.7f}" for x in position) for position in self.positions]
        return "\n".join(lines) + "\n"


def find_prototype(name: str) -> Prototype | None:
    """Return the structure type that novum knows under a Strukturbericht designation, or None."""
    return prototypes().get(name)


@cache
def prototypes() -> dict[str, Prototype]:
    """Return the structure types that novum knows, by Strukturbericht designation.

    References:
        Mehl et al., Comput. Mater. Sci. 136, S1 (2017), doi:10.1016/j.commatsci.2017.01.017 (AFLOW).
    """
    found: dict[str, Prototype] = {}
    for block in PROTOTYPES.strip().split("\n\n"):
        (name, example, swaps), cell, *sites = (line.split() for line in block.splitlines())
        numbers = [float(x) for x in cell]
        found[name] = Prototype(
            name=name,
            example=example,
            cell=(_vector(numbers[:3]), _vector(numbers[3:6]), _vector(numbers[6:])),
            kinds=tuple(ord(kind) - ord("A") for kind, *_ in sites),
            positions=tuple(_vector([float(x) for x in position]) for _, *position in sites),
            swaps=() if swaps == "-" else (tuple(ord(kind) - ord("A") for kind in swaps),),
        )
    return found


def _vector(numbers: Sequence[float]) -> Vector:
    x, y, z = numbers
    return (x, y, z)
