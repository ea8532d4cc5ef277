"""Typed events: the schema of the ledger, of the log and of the live display.

An event has a decisive part, which the same goal with the same seed repeats to the last digit, and
a volatile part: clocks, durations, what came from a cache. `Event.decision` leaves the second out.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from novum.core.calls import ToolResult
from novum.core.conversation import Exchange
from novum.core.deliberation import Deliberation, Passage
from novum.core.frozen import Frozen
from novum.core.goals import Goal
from novum.core.prose import Analysis
from novum.core.quantity import Quantity
from novum.core.science import Claim, Experiment, Hypothesis, Measurement, Observation, Verdict


class _Event(Frozen):
    decisive: ClassVar[bool] = True
    """Whether the event takes part in the digest of decisions."""
    volatile: ClassVar[frozenset[str]] = frozenset()
    """Top-level fields that may differ between two equal runs."""

    key_template: ClassVar[str]
    """The name under which a campaign records the event once, with the fields that make it so."""

    def key(self) -> str:
        """Return the name under which a campaign records this event once."""
        return self.key_template.format_map(dict(self))

    def decision(self) -> dict[str, Any] | None:
        """Return the decisive part as JSON-able data, or None if there is none."""
        if not self.decisive:
            return None
        return self.model_dump(mode="json", exclude=set(self.volatile))


class ModelUsed(Frozen):
    """The language model that a campaign's planner asks."""

    name: str
    """What the user calls it."""
    remote: bool
    """Whether what it is told leaves this machine."""
    card: dict[str, Any] = {}
    """What it was seen to be able to do when the campaign began; it shapes what is asked."""


class CampaignStarted(_Event):
    """A goal is being pursued."""

    key_template = "campaign"
    # Whether it may recall, or asks a person, shows in what it recalls and what it is allowed to run.
    # What a model is called and where it is shows in nothing but its answers.
    volatile = frozenset({"campaign", "parent", "versions", "sandbox", "recall", "approve", "model"})
    type: Literal["campaign_started"] = "campaign_started"
    campaign: str
    goal: Goal
    planner: str
    tools: dict[str, str]
    """Tool chosen for each property, as ``name@version``."""
    recall: bool = True
    """Whether it may start from what earlier campaigns learned."""
    approve: bool = False
    """Whether a person approves each batch before it runs."""
    parent: str | None = None
    """The campaign whose control arm this is."""
    model: ModelUsed | None = None
    """Whom the planner asks, where it asks a model."""
    versions: dict[str, str] = {}
    sandbox: dict[str, Any] = {}
    """Backend and what it was seen to enforce."""


class Recalled(_Event):
    """What was already known when an iteration began."""

    key_template = "recall/{iteration}"
    type: Literal["recalled"] = "recalled"
    iteration: int
    query: str
    items: tuple[str, ...]
    """Ids of the knowledge items found, best first."""
    observations: tuple[Observation, ...] = ()
    """What they say about candidates of this space, in the goal's units."""
    doubted: tuple[Observation, ...] = ()
    """What stale items say about candidates: nothing to build on, but to be measured again."""
    passages: tuple[Passage, ...] = ()
    """What the planner is told of the items, where it asks a model."""
    withheld: tuple[str, ...] = ()
    """Ids of the candidates of which that model is not told."""


class Hypothesised(_Event):
    """Predictions, registered before anything runs."""

    key_template = "hypothesise/{iteration}"
    type: Literal["hypothesised"] = "hypothesised"
    iteration: int
    hypotheses: tuple[Hypothesis, ...]
    registrations: dict[str, str]
    """Hypothesis id → digest of its predictions."""
    notes: dict[str, Any] = {}
    """What the planner reports of itself."""
    deliberation: Deliberation | None = None
    """How the plan came about, where a model was asked."""


class Probed(_Event):
    """A tool was called beside the experiments, because a planner that asks a model wished for it.

    What it gave is told to the model. It is no measurement of the campaign.
    """

    key_template = "probe/{iteration}/{number}"
    decisive = False
    type: Literal["probed"] = "probed"
    iteration: int
    number: int
    """Counted from 0 within the iteration."""
    result: ToolResult


class Designed(_Event):
    """The experiments that test the hypotheses."""

    key_template = "design/{iteration}"
    type: Literal["designed"] = "designed"
    iteration: int
    experiments: tuple[Experiment, ...]


class Gated(_Event):
    """Which experiments may run, and who decided."""

    key_template = "gate/{iteration}"
    type: Literal["gated"] = "gated"
    iteration: int
    allowed: tuple[str, ...]
    refused: dict[str, str] = {}
    """Experiment id → reason."""
    refused_by_person: tuple[str, ...] = ()
    """Those of them that a person refused."""
    hazards: dict[str, str] = {}
    """Experiment id → what the hazard screen said; one that is allowed all the same, a person let through."""
    by: str = "budget"


class ExperimentStarted(_Event):
    """A call is about to run. Its absence of an answer after a crash makes it run again."""

    key_template = "start/{experiment}/{attempt}"
    decisive = False
    type: Literal["experiment_started"] = "experiment_started"
    iteration: int
    experiment: str
    attempt: int


class ExperimentFinished(_Event):
    """What came of an experiment: one result for each call, failures included."""

    key_template = "finish/{experiment}"
    decisive = False
    type: Literal["experiment_finished"] = "experiment_finished"
    iteration: int
    experiment: str
    results: tuple[ToolResult, ...]
    measurements: tuple[Measurement, ...]
    failed: str = ""
    """Why the experiment gave nothing usable; empty when it did."""


class Asked(_Event):
    """A person is asked for results."""

    key_template = "ask/{iteration}"
    decisive = False
    type: Literal["asked"] = "asked"
    iteration: int
    experiments: tuple[str, ...]


class Told(_Event):
    """A person gave the results of one experiment."""

    key_template = "tell/{experiment}"
    decisive = False
    type: Literal["told"] = "told"
    experiment: str
    measurements: tuple[Measurement, ...] = ()
    failed: str = ""
    by: str = ""


class Judged(_Event):
    """Verdicts on the predictions of one iteration, and the noise floor that they used."""

    key_template = "judge/{iteration}"
    type: Literal["judged"] = "judged"
    iteration: int
    verdicts: tuple[Verdict, ...]
    noise: dict[str, Quantity] = {}
    """Property → noise floor: `value` is the standard deviation itself."""


class KnowledgeHead(Frozen):
    """Where the chain of the knowledge base ended when an event was written.

    It stands in the ledger, so that a knowledge base whose end was cut off, or that was exchanged for another
    one, is found out.
    """

    position: int
    """How many versions of items there were."""
    hash: str
    """Hash of the last of them, which names all before it."""


class Recorded(_Event):
    """What an iteration added to the knowledge base."""

    key_template = "record/{iteration}"
    volatile = frozenset({"head"})
    type: Literal["recorded"] = "recorded"
    iteration: int
    items: tuple[str, ...]
    head: KnowledgeHead | None = None
    """The knowledge base afterwards, with what others recorded meanwhile."""


class Decided(_Event):
    """Whether the campaign goes on, and why, in words."""

    key_template = "decide/{iteration}"
    volatile = frozenset({"spent_s"})
    type: Literal["decided"] = "decided"
    iteration: int
    action: Literal["continue", "confirm"]
    reason: str
    best: str | None = None
    """Candidate id of the best so far."""
    experiments_used: int
    spent_s: float = 0.0


class ConfirmationPlanned(_Event):
    """The sealed check of the winners, registered before it runs. `iteration` follows the last one."""

    key_template = "confirmation"
    type: Literal["confirmation_planned"] = "confirmation_planned"
    iteration: int
    hypotheses: tuple[Hypothesis, ...]
    registrations: dict[str, str]
    experiments: tuple[Experiment, ...]
    reason: str


class Claimed(_Event):
    """A finding and the sealed check of it."""

    key_template = "claim/{claim.id}"
    type: Literal["claimed"] = "claimed"
    claim: Claim


class Analysed(_Event):
    """What a model wrote about the finished search, each sentence checked."""

    key_template = "analysis"
    type: Literal["analysed"] = "analysed"
    analysis: Analysis


class CampaignFinished(_Event):
    """The campaign ended in order."""

    key_template = "finished"
    volatile = frozenset({"spent_s", "head"})
    type: Literal["campaign_finished"] = "campaign_finished"
    reason: str
    claims: tuple[str, ...]
    spent_s: float
    head: KnowledgeHead | None = None
    """The knowledge base after what was claimed had been recorded."""


class Exchanged(_Event):
    """A language model was asked. What was decided with its answer is in the decision's own event."""

    key_template = "exchange/{exchange.id}"
    decisive = False
    type: Literal["exchanged"] = "exchanged"
    exchange: Exchange


class Interrupted(_Event):
    """A person or a signal stopped the campaign; it can be resumed."""

    key_template = "interrupt/{ordinal}"
    decisive = False
    type: Literal["interrupted"] = "interrupted"
    ordinal: int
    reason: str


class Resumed(_Event):
    """A stopped campaign goes on."""

    key_template = "resume/{ordinal}"
    decisive = False
    type: Literal["resumed"] = "resumed"
    ordinal: int


Event = Annotated[
    CampaignStarted
    | Recalled
    | Hypothesised
    | Probed
    | Designed
    | Gated
    | ExperimentStarted
    | ExperimentFinished
    | Asked
    | Told
    | Judged
    | Recorded
    | Decided
    | ConfirmationPlanned
    | Claimed
    | Analysed
    | CampaignFinished
    | Exchanged
    | Interrupted
    | Resumed,
    Field(discriminator="type"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(payload: dict[str, Any]) -> Event:
    """Return the event that `payload`, as `model_dump(mode="json")` gave it, stands for.

    Raises:
        pydantic.ValidationError: not an event of this version.
    """
    return _ADAPTER.validate_python(payload)
