"""What a planner that asks a model is told, and what it considers before it chooses."""

from enum import StrEnum

from pydantic import Field

from novum.core.frozen import Frozen
from novum.core.knowledge import Access, KnowledgeItem
from novum.core.science import Hypothesis


class Passage(Frozen):
    """What a planner that asks a model is told of a knowledge item: its sentence, as data."""

    id: str
    text: str
    flags: tuple[str, ...] = ()
    access: Access = Access.PUBLIC

    @classmethod
    def of(cls, item: KnowledgeItem) -> "Passage":
        """Return the passage of an item."""
        return cls(id=item.id, text=item.text, flags=item.flags, access=item.access)


class Fact(Passage):
    """A record in words: all that a model is told of it, and which of that was found."""

    held: str
    """What was measured, counted or decided by code: a number of an answer must stand here."""
    predicted: str = ""
    """What was expected. What a model gave as its reason stands in neither."""

    @classmethod
    def plain(cls, id: str, text: str) -> "Fact":
        """Return a record of which every word was found."""
        return cls(id=id, text=text, held=text)


class Turn(StrEnum):
    """What became of asking the model for one iteration."""

    ANSWERED = "answered"
    """It proposed something that can be tested."""
    UNUSABLE = "unusable"
    """It answered, and nothing that it proposed can be tested."""
    UNAVAILABLE = "unavailable"
    """It did not answer in time."""
    RESTING = "resting"
    """It was not asked: it failed too often in a row, or its share left it no experiment this time."""

    @property
    def failed(self) -> bool:
        """Whether the model was asked in vain."""
        return self in (Turn.UNUSABLE, Turn.UNAVAILABLE)


class Ground(StrEnum):
    """What an objection rests on. Each but the last is a question that arithmetic can answer."""

    IMPLAUSIBLE_VALUE = "implausible_value"
    """The predicted number is not to be expected."""
    LIKELY_TO_FAIL = "likely_to_fail"
    """The experiment will give nothing."""
    TOO_SIMILAR = "too_similar"
    """Something like it was measured already."""
    LITTLE_TO_GAIN = "little_to_gain"
    """Another proposal promises more."""
    UNSUPPORTED = "unsupported"
    """Nothing that is known speaks for it."""
    OTHER = "other"


class Objection(Frozen):
    """What the critic has against a hypothesis, and what the numbers answered."""

    ground: Ground
    text: str
    answer: str
    """The answer in words, with its numbers."""
    upheld: bool
    """Whether the numbers agree with the objection; without numbers it is recorded and changes nothing."""


class Contender(Frozen):
    """One hypothesis in the tournament."""

    hypothesis: Hypothesis
    """Under an id of its own, as ``M3.2``: the second that the model proposed in iteration 3."""
    surrogate: Hypothesis | None = None
    """What the surrogate predicts of the same candidate."""
    gain: float = Field(default=0.0, ge=0)
    """Expected gain by the surrogate, per declared cost: what the tournament goes by."""
    objections: tuple[Objection, ...] = ()
    became: str = ""
    """Id of the hypothesis that is tested; empty where it lost."""


REFUSED_CALL = "a call that was refused"
"""The reason that stands beside a call of a tool that the model was not given."""


class Rejected(Frozen):
    """A proposal that is none, or a call that was refused: what was said, and what is wrong with it."""

    said: str
    reason: str

    @property
    def is_call(self) -> bool:
        """Whether it is a call of a tool, and no proposal."""
        return self.reason == REFUSED_CALL


class Standing(Frozen):
    """How a source has done so far, as the mix sees it; recent results count more."""

    source: str
    n: int = Field(ge=0)
    """Hypotheses of it that were judged."""
    reward: float = Field(ge=0, le=1)
    """Discounted mean reward, from 0 to 1; one half before anything was judged."""
    successes: float = Field(ge=0)
    """First parameter of its Beta distribution, without the prior."""
    failures: float = Field(ge=0)
    """Second parameter, without the prior."""


class Deliberation(Frozen):
    """How one plan came about. It is registered with the plan, before anything runs."""

    turn: Turn
    note: str = ""
    """What people should know about the model's turn; empty where all went well."""
    rule: str = ""
    """Name of the rule by which disagreement was settled."""
    standings: tuple[Standing, ...] = ()
    slots: dict[str, int] = {}
    """Source → experiments that the mix gave to it."""
    filled: int = Field(default=0, ge=0)
    """How many of the model's experiments the optimiser had to fill."""
    contenders: tuple[Contender, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    counterfactual: tuple[Hypothesis, ...] = ()
    """What the optimiser would have tested without the model, under ids as ``O3.1``."""
    prompts: dict[str, str] = {}
    """Prompt → SHA-256 of its template."""
    exchanges: int = Field(default=0, ge=0)
    """How often the model was asked."""
