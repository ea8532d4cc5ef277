"""The planner's interface: core values in, core values out."""

from dataclasses import dataclass
from typing import Any, Protocol

from novum.core.calls import PropertySpec
from novum.core.goals import Goal
from novum.core.quantity import Quantity
from novum.core.science import Hypothesis, Observation


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """Everything a planner may know when it plans one iteration. Sealed results are not in it."""

    goal: Goal
    iteration: int
    """Counted from 0."""
    n: int
    """How many hypotheses are wanted."""
    observations: tuple[Observation, ...]
    """This campaign's own and recalled ones, in the order in which they became known."""
    properties: dict[str, PropertySpec]
    """Objective property → what its tool says of it (unit, bounds, method error)."""
    costs: dict[str, float]
    """Objective property → declared seconds of its call."""
    noise: dict[str, Quantity]
    """Objective property → noise floor, in the objective's unit; `value` is a standard deviation."""
    first_id: int
    """Number of the first hypothesis: ids are ``H001``, ``H002``…"""
    cites: dict[str, tuple[str, ...]]
    """Candidate id → ids of the knowledge items that speak of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A planner's answer: hypotheses in the order in which they should run, and notes on itself."""

    hypotheses: tuple[Hypothesis, ...]
    notes: dict[str, Any]
    """JSON data: surrogate fitted or not, number of candidates considered…"""


class Planner(Protocol):
    """Chooses what to test next. Deterministic: equal contexts give equal plans."""

    name: str

    def plan(self, context: PlanningContext) -> Plan:
        """Return at most `context.n` hypotheses about candidates not yet observed.

        An empty plan says that the space is exhausted.
        """
        ...
