"""Where a campaign looks: molecules, crystals, a pool of given candidates, or parameters."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from novum.core.crystal_tables import VOLUMES
from novum.core.crystals import Prototype, find_prototype, prototypes
from novum.core.frozen import Frozen
from novum.core.quantity import DIMENSIONLESS


class Candidate(Frozen):
    """One point of a search space.

    `id` names it within its space, whatever its spelling: the InChIKey of a molecule, the row of a
    pool, the digest of a setting of parameters. `arguments` are what tools receive, by name.
    """

    id: str
    label: str
    """For people: a SMILES, a row's name, a list of settings."""
    arguments: dict[str, Any]


class MoleculeSpace(Frozen):
    """Molecules that graph operators reach from a start set.

    Limits are inclusive. Candidates that break them are never proposed.
    """

    kind: Literal["molecules"] = "molecules"
    start: tuple[str, ...] = ()
    """SMILES to start from; empty takes the molecules that ship with RDKit."""
    elements: tuple[str, ...] = ("C", "N", "O", "F", "S", "Cl", "Br", "P")
    """Symbols of the heavy atoms allowed."""
    min_heavy_atoms: int = Field(default=4, ge=1)
    max_heavy_atoms: int = Field(default=40, ge=1)
    min_charge: int = 0
    """Lowest total charge, in elementary charges."""
    max_charge: int = 0
    max_ring_size: int = Field(default=8, ge=3)
    alerts: bool = True
    """Leave out molecules with structural alerts (BRENK and PAINS, as RDKit lists them)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_heavy_atoms > self.max_heavy_atoms:
            raise ValueError("impossible interval: min_heavy_atoms is above max_heavy_atoms")
        if self.min_charge > self.max_charge:
            raise ValueError("impossible interval: min_charge is above max_charge")
        return self


class CrystalSpace(Frozen):
    """Crystals made by putting elements onto the sites of structure types: type × composition.

    Each kind of site of a structure type takes another element. Limits are inclusive.
    """

    kind: Literal["crystals"] = "crystals"
    elements: tuple[str, ...] = Field(min_length=2)
    """Symbols of the elements allowed."""
    prototypes: tuple[str, ...] = ()
    """Structure types by Strukturbericht designation; empty takes all that novum knows and that fit."""
    templates: tuple[Prototype, ...] = ()
    """Structure types of the user's own, whose sites are substituted in the same way."""
    min_elements: int = Field(default=2, ge=1)
    max_elements: int = Field(default=2, ge=1)
    max_atoms: int = Field(default=12, ge=1)
    """Atoms in the primitive cell."""
    charge_balanced: bool = False
    """Take only compositions whose common oxidation states can balance: for salts, not for metals."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.elements)) != len(self.elements):
            raise ValueError("an element is named twice")
        strangers = sorted(set(self.elements) - set(VOLUMES))
        if strangers:
            raise ValueError(f"no crystal volume is known of {', '.join(strangers)}")
        unknown = [name for name in self.prototypes if find_prototype(name) is None]
        if unknown:
            raise ValueError(f"unknown structure type {unknown[0]!r}; known are {', '.join(prototypes())}")
        names = [p.name for p in self.templates]
        if len(set(names)) != len(names) or set(names) & set(prototypes()):
            raise ValueError("two structure types have one name")
        if self.min_elements > self.max_elements:
            raise ValueError("impossible interval: min_elements is above max_elements")
        if not self.types():
            raise ValueError(
                f"no structure type here takes {self.min_elements} to {self.max_elements} elements "
                f"in at most {self.max_atoms} atoms"
            )
        return self

    def types(self) -> tuple[Prototype, ...]:
        """Return the structure types that fit the limits."""
        known = prototypes()
        named = [known[name] for name in self.prototypes]
        offered = [*(named or ([] if self.templates else known.values())), *self.templates]
        most = min(self.max_elements, len(self.elements))
        return tuple(
            p for p in offered if self.min_elements <= p.n_kinds <= most and len(p.kinds) <= self.max_atoms
        )


class PoolSpace(Frozen):
    """A finite list of candidates, each with descriptors for the surrogate and arguments for tools.

    Columns that the goal measures with ``tool: pool`` are hidden from the planner until the
    experiment is "run": the pool then plays the part of the laboratory.
    """

    kind: Literal["pool"] = "pool"
    source: str = ""
    """Where the rows came from, for people."""
    rows: tuple[Candidate, ...] = Field(min_length=1)
    features: tuple[str, ...] = ()
    """Argument names that describe a row; empty takes all that are not measured."""
    smiles: str | None = None
    """The argument that holds a SMILES, if there is one."""
    measured: dict[str, dict[str, float]] = {}
    """Hidden results: property → row id → value, in the objective's unit."""


class ContinuousParameter(Frozen):
    """A real number in a closed interval."""

    kind: Literal["continuous"] = "continuous"
    name: str
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    unit: str = DIMENSIONLESS
    log: bool = False
    """Search on a logarithmic scale."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"impossible interval: {self.low:g} is not below {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic parameter needs a lower bound above zero")
        return self


class IntegerParameter(Frozen):
    """A whole number in a closed interval."""

    kind: Literal["integer"] = "integer"
    name: str
    low: int
    high: int
    unit: str = DIMENSIONLESS

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"impossible interval: {self.low} is not below {self.high}")
        return self


class ChoiceParameter(Frozen):
    """One of several named options, without an order."""

    kind: Literal["choice"] = "choice"
    name: str
    options: tuple[str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"options of {self.name!r} repeat")
        return self


Parameter = Annotated[ContinuousParameter | IntegerParameter | ChoiceParameter, Field(discriminator="kind")]


class LinearConstraint(Frozen):
    """sum(coefficients[name] * parameter) <= bound, over numeric parameters."""

    coefficients: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(min_length=1)
    bound: float = Field(allow_inf_nan=False)


class ParameterSpace(Frozen):
    """Settings of a process or an instrument."""

    kind: Literal["parameters"] = "parameters"
    parameters: tuple[Parameter, ...] = Field(min_length=1)
    constraints: tuple[LinearConstraint, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [p.name for p in self.parameters]
        if len(set(names)) != len(names):
            raise ValueError("two parameters have one name")
        numeric = {p.name for p in self.parameters if p.kind != "choice"}
        for constraint in self.constraints:
            unknown = set(constraint.coefficients) - numeric
            if unknown:
                raise ValueError(f"constraint names no numeric parameter: {sorted(unknown)}")
        return self


Space = Annotated[MoleculeSpace | CrystalSpace | PoolSpace | ParameterSpace, Field(discriminator="kind")]
