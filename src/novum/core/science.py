"""Hypotheses, predictions, experiments, measurements, verdicts and claims."""

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from novum.core.calls import ToolCall
from novum.core.digest import digest
from novum.core.frozen import Frozen
from novum.core.quantity import DIMENSIONLESS, Quantity
from novum.core.spaces import Candidate


class FalsificationKind(StrEnum):
    """The shape of the set of outcomes that a prediction allows."""

    INTERVAL = "interval"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class FalsificationRule(Frozen):
    """The outcomes that a prediction allows, fixed before the experiment; bounds in `unit`.

    `level` is the probability that the predictor itself gives to the allowed outcomes.
    """

    kind: FalsificationKind = FalsificationKind.INTERVAL
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    unit: str
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind is not FalsificationKind.AT_MOST and self.low is None:
            raise ValueError(f"rule {self.kind.value!r} needs a lower bound")
        if self.kind is not FalsificationKind.AT_LEAST and self.high is None:
            raise ValueError(f"rule {self.kind.value!r} needs an upper bound")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"impossible interval: {self.low:g} is above {self.high:g}")
        return self

    def __str__(self) -> str:
        unit = "" if self.unit == DIMENSIONLESS else f" {self.unit}"
        match self.kind:
            case FalsificationKind.INTERVAL:
                return f"refuted outside {self.low:.4g} to {self.high:.4g}{unit}"
            case FalsificationKind.AT_LEAST:
                return f"refuted below {self.low:.4g}{unit}"
            case FalsificationKind.AT_MOST:
                return f"refuted above {self.high:.4g}{unit}"


class Prediction(Frozen):
    """What one property will be, as a normal distribution, and what would refute it."""

    property: str
    expected: Quantity
    """Mean and standard deviation of the predictive distribution."""
    rule: FalsificationRule
    tool: str | None = None
    """The tool that must measure it; None for the goal's own."""


class HypothesisKind(StrEnum):
    """What a hypothesis is about."""

    CANDIDATE = "candidate"
    RELATION = "relation"


class Hypothesis(Frozen):
    """A statement that an experiment can refute, with the predictions that make it so.

    `gain` is the expected gain in merit per unit of declared cost, on the planner's own scale;
    `p_goal` is the predicted probability that the candidate meets every objective.
    """

    id: str
    kind: HypothesisKind = HypothesisKind.CANDIDATE
    iteration: int = Field(ge=0)
    statement: str
    rationale: str = ""
    source: str
    """Who proposed it: the name of a planner."""
    candidate: Candidate
    predictions: tuple[Prediction, ...] = Field(min_length=1)
    p_goal: float | None = Field(default=None, ge=0, le=1)
    gain: float = 0.0
    cites: tuple[str, ...] = ()
    """Ids of the knowledge items that it rests on."""

    def registration(self) -> str:
        """Return the digest that pre-registers the predictions, written before anything runs."""
        return digest(self.model_dump(mode="json", include={"id", "candidate", "predictions"}))


class Purpose(StrEnum):
    """Why an experiment is run."""

    EXPLORE = "explore"
    REPLICATE = "replicate"
    """Measures the noise floor."""
    CONFIRM = "confirm"
    """Sealed: the planner never sees it."""


class Experiment(Frozen):
    """The calls planned for one hypothesis."""

    id: str
    hypothesis: str
    candidate: Candidate
    purpose: Purpose = Purpose.EXPLORE
    calls: tuple[ToolCall, ...]
    manual: tuple[str, ...] = ()
    """Properties that a person measures."""
    nominal_cost_s: float = Field(default=0.0, ge=0)
    fresh: bool = False
    """What it measures is in doubt: kept answers of its calls do not count."""

    @property
    def sealed(self) -> bool:
        """Whether its results are hidden from the planner."""
        return self.purpose is Purpose.CONFIRM


class Origin(StrEnum):
    """Where a number comes from. A simulated number is never returned as a measured one."""

    MEASURED = "measured"
    SIMULATED = "simulated"
    SYNTHETIC = "synthetic"
    """Made up on purpose, for a test or a benchmark."""


class Measurement(Frozen):
    """One property of one candidate, with where it came from."""

    experiment: str
    candidate: str
    property: str
    quantity: Quantity
    tool: str
    method: str
    call_key: str
    origin: Origin = Origin.SIMULATED
    sealed: bool = False


class Observation(Frozen):
    """Everything measured on one candidate, as the planner sees it; or its failure.

    `values` holds one quantity per property, replicates averaged.
    """

    candidate: Candidate
    values: dict[str, Quantity] = {}
    failed: str = ""
    """Why nothing was measured; empty when something was."""
    recalled: bool = False
    """It comes from an earlier campaign, through the knowledge base."""
    source: str = ""
    """The experiment or knowledge item that it comes from."""


class Outcome(StrEnum):
    """What a verdict says."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    OUT_OF_DOMAIN = "out_of_domain"


class Verdict(Frozen):
    """Arithmetic's answer to one prediction.

    `statistic` is the standardised residual (observed - expected) / sqrt(predicted² + noise²);
    `threshold` is the value of |statistic| at the rule's level.
    """

    hypothesis: str
    experiment: str
    property: str
    tool: str | None = None
    """The tool of the prediction; None for the goal's own."""
    outcome: Outcome
    expected: Quantity
    observed: Quantity | None = None
    statistic: float | None = None
    threshold: float | None = None
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise floor used, in the unit of `expected`."""
    reason: str


class ClaimStatus(StrEnum):
    """How far a claim has been carried."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    """The independent check disagrees with what won."""
    SHORT = "short"
    """The best that was found keeps every constraint, but does not reach what the goal calls success."""
    UNCONFIRMED = "unconfirmed"
    """No independent check was possible; the reason says why."""


class ConfirmedValue(Frozen):
    """A property as it won, and as the sealed check found it."""

    property: str
    winning: Quantity
    confirmed: Quantity | None
    method: str
    independent: bool
    """Another method checked it, not a repetition of the same one."""
    holds: bool | None
    """Whether the objective is met by the confirmed value; None where nothing was confirmed."""
    shrinkage: float | None = None
    """confirmed - winning, in the unit of `winning`."""
    evidence: tuple[str, ...] = ()


class Claim(Frozen):
    """A finding: what was found, how it was checked, and the records that carry it."""

    id: str
    statement: str
    status: ClaimStatus
    hypothesis: str
    candidate: Candidate
    values: tuple[ConfirmedValue, ...]
    evidence: tuple[str, ...] = Field(min_length=1)
    sanity: dict[str, bool] = {}
    reason: str
    domain: dict[str, Any] = {}
