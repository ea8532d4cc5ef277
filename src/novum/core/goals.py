"""What a campaign pursues: objectives, constraints, budget."""

import builtins
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from novum.core.frozen import Frozen
from novum.core.quantity import DIMENSIONLESS, canonical_unit
from novum.core.spaces import MoleculeSpace, Space

MANUAL = "manual"
"""The tool name of a property that a person measures."""

POOL = "pool"
"""The tool name of a property whose values stand in the pool itself."""


class ObjectiveKind(StrEnum):
    """What is wanted of a property."""

    MAXIMISE = "maximise"
    MINIMISE = "minimise"
    TARGET = "target"
    """As close as possible to a value, within a tolerance."""
    INTERVAL = "interval"
    """Between two values."""
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


OPTIMISED = frozenset({ObjectiveKind.MAXIMISE, ObjectiveKind.MINIMISE, ObjectiveKind.TARGET})
"""The kinds in which more can always be wanted; the others are met or not."""


class Objective(Frozen):
    """One wish about one property; all numbers in `unit`.

    `low` and `high` bound the acceptable values. For maximise and minimise they are optional and
    say what counts as success; for target they are value ± tolerance, and `target` is set.
    """

    property: str
    kind: ObjectiveKind
    unit: str = DIMENSIONLESS
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    target: float | None = Field(default=None, allow_inf_nan=False)
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    tool: str | None = None
    """The tool that measures it; None lets the registry choose; "manual" asks a person."""
    options: dict[str, Any] = {}
    """Further arguments for the tool, as ``{"solvent": "water"}``."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        kind = self.kind
        if kind is ObjectiveKind.TARGET and (self.target is None or self.low is None or self.high is None):
            raise ValueError("a target needs a value and a tolerance")
        if kind is ObjectiveKind.INTERVAL and (self.low is None or self.high is None):
            raise ValueError("an interval needs two bounds")
        if kind is ObjectiveKind.AT_LEAST and self.low is None:
            raise ValueError("at_least needs a bound")
        if kind is ObjectiveKind.AT_MOST and self.high is None:
            raise ValueError("at_most needs a bound")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"impossible interval: {self.low:g} is not below {self.high:g}")
        return self

    @field_validator("unit")
    @classmethod
    def _canonical_unit(cls, unit: str) -> str:
        return canonical_unit(unit)

    @builtins.property
    def is_optimised(self) -> bool:
        """Whether more of it can always be wanted."""
        return self.kind in OPTIMISED

    def __str__(self) -> str:
        unit = "" if self.unit == DIMENSIONLESS else f" {self.unit}"
        match self.kind:
            case ObjectiveKind.MAXIMISE:
                goal = "" if self.low is None else f" to {self.low:g}{unit}"
                return f"maximise {self.property}{goal}"
            case ObjectiveKind.MINIMISE:
                goal = "" if self.high is None else f" to {self.high:g}{unit}"
                return f"minimise {self.property}{goal}"
            case ObjectiveKind.TARGET:
                assert self.target is not None
                assert self.high is not None
                return f"{self.property} = {self.target:g} ± {self.high - self.target:g}{unit}"
            case ObjectiveKind.INTERVAL:
                return f"{self.property} between {self.low:g} and {self.high:g}{unit}"
            case ObjectiveKind.AT_LEAST:
                return f"{self.property} >= {self.low:g}{unit}"
            case ObjectiveKind.AT_MOST:
                return f"{self.property} <= {self.high:g}{unit}"


class Budget(Frozen):
    """What a campaign may spend. The first limit reached ends it in order."""

    experiments: int = Field(default=60, gt=0)
    """Candidates examined, replicates and cached ones included; confirmation is on top."""
    batch: int = Field(default=6, gt=0)
    """Experiments planned together in one iteration."""
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Wall-clock seconds, summed over interruptions."""


class Confirmation(Frozen):
    """How the winner is confirmed, on data that the planner never sees."""

    method: Literal["auto", "none"] | str = "auto"
    """"auto" takes an independent tool where one measures the property, else fresh replicates."""
    replicates: int = Field(default=3, ge=1)
    """Repetitions under new seeds, where the tool is stochastic."""
    candidates: int = Field(default=1, ge=1)
    """How many of the best are confirmed, best first."""
    options: dict[str, Any] = {}
    """Further arguments for the confirming tool."""
    objectives: tuple[Objective, ...] = ()
    """What the independent method must show, where its scale is not that of the goal's own method."""

    def objective(self, wish: Objective) -> Objective:
        """Return what the independent method must show of the property of `wish`."""
        return next((o for o in self.objectives if o.property == wish.property), wish)


class Goal(Frozen):
    """What a campaign pursues, complete: with its space, budget and seed it fixes every decision.

    Example:
        >>> goal = Goal(objectives=(Objective(property="qed", kind=ObjectiveKind.MAXIMISE),))
        >>> str(goal)
        'maximise qed'
    """

    title: str = ""
    objectives: tuple[Objective, ...] = Field(min_length=1)
    space: Space = Field(default_factory=MoleculeSpace)
    budget: Budget = Budget()
    confirmation: Confirmation = Confirmation()
    seed: int = Field(default=0, ge=0)
    stop_when_met: bool = False
    """End as soon as a candidate meets every objective, success values included."""
    noise_replicates: int = Field(default=3, ge=0)
    """Early candidates that run once more under another seed, to measure the noise floor.

    Unless it is 0, a new leader runs once more as well before more is built on it.
    """

    @model_validator(mode="after")
    def _one_wish_per_property(self) -> Self:
        names = [o.property for o in self.objectives]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"property {name!r} has two objectives; merge them into one")
        return self

    @property
    def optimised(self) -> tuple[Objective, ...]:
        """The objectives to push as far as they go."""
        return tuple(o for o in self.objectives if o.is_optimised)

    @property
    def constraints(self) -> tuple[Objective, ...]:
        """The objectives that are met or not."""
        return tuple(o for o in self.objectives if not o.is_optimised)

    def __str__(self) -> str:
        return "; ".join(map(str, self.objectives))
