"""The planner's interface: core values in, core values out."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

from novum.agents.models.base import Model
from novum.core.calls import PropertySpec, ToolCall, ToolResult, ToolSpec
from novum.core.deliberation import Deliberation, Fact, Passage
from novum.core.goals import Goal
from novum.core.prose import Analysis
from novum.core.quantity import Quantity
from novum.core.science import Hypothesis, Observation, Verdict


@dataclass(frozen=True, slots=True)
class Briefing:
    """What a planner that reasons in words may know and use, beside the numbers."""

    hypotheses: tuple[Hypothesis, ...] = ()
    """The campaign's earlier ones, as they were registered."""
    verdicts: tuple[Verdict, ...] = ()
    """What became of their predictions."""
    deliberations: Mapping[int, Deliberation] = field(default_factory=dict)
    """Iteration → how its plan came about."""
    passages: tuple[Passage, ...] = ()
    """Recalled items that may go where the planner is, the most relevant first."""
    withheld: frozenset[str] = frozenset()
    """Ids of the candidates of which the model must not be told."""
    tools: tuple[ToolSpec, ...] = ()
    """What may be called beside the experiments."""


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
    briefing: Briefing = Briefing()


@dataclass(frozen=True, slots=True)
class Plan:
    """A planner's answer: hypotheses in the order in which they should run, and notes on itself."""

    hypotheses: tuple[Hypothesis, ...]
    notes: dict[str, Any]
    """JSON data: surrogate fitted or not, number of candidates considered…"""
    deliberation: Deliberation | None = None
    """How it came about, where a model was asked."""


class Planner(Protocol):
    """Chooses what to test next. Deterministic: equal contexts give equal plans."""

    name: str

    def plan(self, context: PlanningContext) -> Plan:
        """Return at most `context.n` hypotheses about candidates not yet observed.

        An empty plan says that the space is exhausted.
        """
        ...


Deliberating = Generator[tuple[ToolCall, ...], tuple[ToolResult, ...], Plan]
"""A plan in the making: yields the calls that it wants made, is sent their results, returns the plan."""


@runtime_checkable
class ModelPlanner(Protocol):
    """A planner that asks a language model, and may want tools called before it decides."""

    name: str

    @property
    def model(self) -> Model:
        """Whom it asks."""
        ...

    def asking(self, model: Model) -> Self:
        """Return the same planner, asking another model."""
        ...

    def plan(self, context: PlanningContext) -> Plan:
        """Return the plan of `deliberate`, where no tool answers."""
        ...

    def deliberate(self, context: PlanningContext) -> Deliberating:
        """Return the plan in the making.

        Deterministic in the context, in what the model answers, and in the results that it is sent.
        """
        ...

    def analyse(
        self,
        goal: Goal,
        facts: Sequence[Fact],
        *,
        names: Sequence[str] = (),
        deliberations: Mapping[int, Deliberation] | None = None,
    ) -> Analysis:
        """Return what the model says about a finished search, each sentence checked.

        A model that is silent, or of no use, gives an analysis that says so.

        Args:
            goal: what was pursued.
            facts: the records, the most important first.
            names: labels of candidates, whose digits are not numbers.
            deliberations: how the plans came about; one that failed to the last is not asked again.
        """
        ...
