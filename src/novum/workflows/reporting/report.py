"""Report: everything that a campaign's report says, before it is Markdown or HTML."""

from dataclasses import dataclass
from typing import Literal

from novum.core.judgement import Calibration
from novum.core.science import ClaimStatus, Outcome, Purpose


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence, with the records that it rests on.

    `kind` says what its numbers are: in "prose" there are none but the goal's own; those of a "value"
    stand in the cited records; "derived" ones were counted or subtracted here, from records; a "label"
    (a candidate, a method) and what is "quoted" from a record are names and words, not numbers.
    """

    text: str
    cites: tuple[str, ...] = ()
    kind: Literal["prose", "value", "derived", "label", "quoted"] = "prose"


Sentence = tuple[Piece, ...]


def to_plain_text(sentence: Sentence) -> str:
    """Return a sentence with its citations in brackets."""
    return "".join(p.text + (f" [{', '.join(p.cites)}]" if p.cites else "") for p in sentence)


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One wish, and how it was measured."""

    property: str
    wish: str
    unit: str
    tool: str
    methods: tuple[str, ...]
    role: Literal["optimised", "constraint"]


@dataclass(frozen=True, slots=True)
class CandidateValue:
    """One measured property of one candidate."""

    property: str
    text: str
    met: bool | None
    """None where it was not measured, or where the wish has no bound."""


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate that was measured completely."""

    rank: int
    label: str
    smiles: str | None
    settings: tuple[tuple[str, str], ...]
    values: tuple[CandidateValue, ...]
    feasible: bool
    meets_goal: bool
    pareto: bool
    hypothesis: str
    experiments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One experiment in a progress curve."""

    number: int
    """Counts the experiments of the budget, from 1."""
    experiment: str
    value: float | None
    """None where nothing complete was measured."""
    feasible: bool


@dataclass(frozen=True, slots=True)
class Series:
    """How a campaign got on: every experiment, and the best up to it."""

    planner: str
    points: tuple[Point, ...]
    best: tuple[Point, ...]
    """The improvements alone, in order."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What a progress curve shows."""

    label: str
    unit: str
    kind: Literal["property", "desirability", "met"]
    low: float | None = None
    high: float | None = None
    """Success values, in `unit`."""


@dataclass(frozen=True, slots=True)
class PredictedPoint:
    """A prediction and what was observed, in the property's unit."""

    hypothesis: str
    experiment: str
    expected: float
    std: float
    observed: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the predictions of one property held."""

    property: str
    unit: str
    points: tuple[PredictedPoint, ...]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class FindingValue:
    """One property of a finding: as it won, as it was predicted, as it was checked."""

    property: str
    wish: str
    won: str
    won_cites: tuple[str, ...]
    predicted: str
    outcome: str
    confirmed: str
    method: str
    independent: bool
    change: str
    confirmed_cites: tuple[str, ...]
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim, in sentences that cite their records."""

    id: str
    status: ClaimStatus
    label: str
    smiles: str | None
    settings: tuple[tuple[str, str], ...]
    hypothesis: str
    headline: Sentence
    sentences: tuple[Sentence, ...]
    values: tuple[FindingValue, ...]
    sanity: tuple[tuple[str, bool], ...]
    reason: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControlArm:
    """What the planner was worth: the same budget without it."""

    campaign: str
    series: Series
    sentences: tuple[Sentence, ...]
    steps: tuple[tuple[str, str, str], ...]
    """Anchor, candidate and value of each improvement, so that citations of the control have a place."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An experiment that gave nothing usable, or was not allowed."""

    experiment: str
    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """What one tool cost."""

    tool: str
    calls: int
    cached: int
    failed: int
    seconds: float
    """Of the calls that ran here; what came from the cache cost nothing."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What the campaign used of its budget."""

    used: int
    allowed: int
    seconds: float
    seconds_allowed: float | None
    measured: int
    failed: int
    open: int
    """Allowed, without a result yet."""
    refused: int
    cached: int
    """Experiments of which every call was answered from the cache."""
    confirmation: int
    """Sealed experiments, on top of the budget."""
    tools: tuple[ToolUse, ...]


@dataclass(frozen=True, slots=True)
class IterationRow:
    """One turn of the loop."""

    iteration: int
    hypotheses: int
    experiments: int
    supported: int
    refuted: int
    undecided: int
    best: str
    decision: str


@dataclass(frozen=True, slots=True)
class Recall:
    """What the campaign started from."""

    allowed: bool
    items: int
    candidates: int
    cached_calls: int
    best: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """One registered prediction and its verdict."""

    property: str
    expected: str
    rule: str
    experiment: str
    outcome: str
    observed: str
    statistic: str
    reason: str


@dataclass(frozen=True, slots=True)
class HypothesisRow:
    """A hypothesis, for the appendix."""

    id: str
    iteration: int
    source: str
    label: str
    statement: str
    rationale: str
    p_goal: str
    registration: str
    cites: tuple[str, ...]
    predictions: tuple[PredictionRow, ...]


@dataclass(frozen=True, slots=True)
class CallRow:
    """One tool call, for the appendix."""

    tool: str
    arguments: str
    seed: int
    status: str
    seconds: str
    cached: bool
    message: str


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """An experiment, for the appendix."""

    id: str
    purpose: Purpose
    hypothesis: str
    label: str
    state: str
    reason: str
    measurements: tuple[tuple[str, str, str], ...]
    """Property, value, and the method with the origin of the number."""
    calls: tuple[CallRow, ...]
    by: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Where and with what the numbers were made."""

    backend: str
    checks: tuple[tuple[str, bool], ...]
    mechanisms: tuple[tuple[str, str], ...]
    degraded: tuple[tuple[str, str], ...]
    """What the sandbox did not promise, and why."""
    used: tuple[str, ...]
    """What the results themselves say they ran in."""
    versions: tuple[tuple[str, str], ...]
    verification: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What one source of hypotheses gave."""

    source: str
    proposed: int
    ran: int
    failed: int
    held: int
    refuted: int
    undecided: int
    best: str
    """Values of its best candidate; empty where none was measured completely."""
    best_label: str
    best_cites: tuple[str, ...]
    reward: str | None
    """Where it stood when the last batch was divided, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class TurnRow:
    """What became of asking the model in one iteration."""

    iteration: int
    turn: str
    slots: tuple[tuple[str, int], ...]
    filled: int
    note: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence that a model wrote, with what code finds wrong with it."""

    text: str
    cites: tuple[str, ...]
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelSection:
    """What the model did, and what the optimiser would have done."""

    model: str
    remote: bool
    sentences: tuple[Sentence, ...]
    rows: tuple[SourceRow, ...]
    turns: tuple[TurnRow, ...]
    analysis: tuple[Remark, ...]
    silence: str
    """Why the model wrote nothing; empty where it did, or was not asked."""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    campaign: str
    title: str
    goal: str
    space: str
    parameters: tuple[tuple[str, str], ...]
    planner: str
    seed: int
    parent: str
    warning: str
    """Says at the top that the campaign is not finished; empty when it is."""
    outcome: Sentence
    stopped: str
    objectives: tuple[ObjectiveRow, ...]
    findings: tuple[Finding, ...]
    nearest: tuple[Sentence, ...]
    """The candidates that come closest, where none keeps every constraint."""
    candidates: tuple[CandidateRow, ...]
    n_candidates: int
    setting_names: tuple[str, ...]
    labelled: bool
    """Whether a label says more than the settings do."""
    optimised: tuple[str, ...]
    axis: Axis
    series: Series
    fronts: tuple["Scatter", ...]
    agreements: tuple[Agreement, ...]
    calibration: Calibration | None
    verdicts: tuple[tuple[str, int, int], ...]
    """Outcome, count among the planner's predictions, count in the sealed check."""
    noise: tuple[tuple[str, str], ...]
    failures: tuple[Failure, ...]
    refusals: tuple[Failure, ...]
    recall: Recall
    spending: Spending
    iterations: tuple[IterationRow, ...]
    model: ModelSection | None
    """None where the planner asks no model."""
    control: ControlArm | None
    interruptions: int
    resumptions: int
    environment: Environment
    hypotheses: tuple[HypothesisRow, ...]
    experiments: tuple[ExperimentRow, ...]


@dataclass(frozen=True, slots=True)
class ScatterPoint:
    """One candidate in the plane of two properties."""

    x: float
    y: float
    feasible: bool
    pareto: bool


@dataclass(frozen=True, slots=True)
class Scatter:
    """Two optimised properties against each other."""

    x: str
    x_unit: str
    y: str
    y_unit: str
    points: tuple[ScatterPoint, ...]
