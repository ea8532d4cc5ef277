"""KnowledgeItem: one row of what is known."""

from enum import StrEnum
from statistics import NormalDist
from typing import Any, Self

from pydantic import AwareDatetime, Field, model_validator

from novum.core.digest import digest
from novum.core.errors import UnitError
from novum.core.frozen import Frozen
from novum.core.quantity import Quantity
from novum.core.science import Origin


class Level(StrEnum):
    """The five levels of scientific knowledge (arXiv 2508.21148, section II-B)."""

    FACTUAL = "factual"
    THEORETICAL = "theoretical"
    METHODOLOGICAL = "methodological"
    MODELLING = "modelling"
    INSIGHT = "insight"


class DataClass(StrEnum):
    """The six classes of scientific data (arXiv 2508.21148, section II-A)."""

    TEXT = "text"
    VISUAL = "visual"
    SYMBOLIC = "symbolic"
    STRUCTURED = "structured"
    TIME_SERIES = "time_series"
    MULTI_OMICS = "multi_omics"


class ItemStatus(StrEnum):
    """Whether an item may still be used."""

    ACTIVE = "active"
    STALE = "stale"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"


class Access(StrEnum):
    """Who may see an item. A sensitive one never goes to a remote model."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    SENSITIVE = "sensitive"


class EvidenceRole(StrEnum):
    """How an item and what its evidence names belong together.

    Read from the item: it is measured by, simulated by, derived from, explained by or analysed with the
    target, or supersedes it. Two roles are read from the target: it supports, or refutes, the item.
    """

    MEASURED_BY = "measured_by"
    DERIVED_FROM = "derived_from"
    EXPLAINED_BY = "explained_by"
    SIMULATED_BY = "simulated_by"
    SUPPORTS = "supports"
    REFUTES = "refutes"
    SUPERSEDES = "supersedes"
    ANALYSED_WITH = "analysed_with"


CARRYING = frozenset(
    {
        EvidenceRole.MEASURED_BY,
        EvidenceRole.DERIVED_FROM,
        EvidenceRole.SIMULATED_BY,
        EvidenceRole.SUPPORTS,
        EvidenceRole.ANALYSED_WITH,
    }
)
"""The roles of what an item rests on: where it falls, the item has to be examined again."""

LEDGER = "ledger:"
"""How the target of evidence begins that is a record of a campaign's ledger."""


class Evidence(Frozen):
    """A link from an item to what it rests on.

    `target` is the id of another item, or ``ledger:CAMPAIGN/RECORD``.
    """

    target: str = Field(min_length=1)
    role: EvidenceRole
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """How much of one full, independent piece of evidence it is."""


class Provenance(Frozen):
    """Where an item comes from."""

    source: str
    """What it was taken from: a campaign, a file's name, a DOI."""
    campaign: str | None = None
    agent: str = ""
    """The person, planner or model that made it, with its version."""
    tool: str = ""
    tool_version: str = ""
    instrument: str = ""
    method: str = ""
    call_key: str = ""
    params_hash: str = ""
    """SHA-256 of the parameters, where they are too many for `conditions`."""
    content_hash: str = ""
    """SHA-256 of the bytes that it was read from."""
    locator: dict[str, Any] = {}
    """Where in the source: page, start, end, row, column, sheet, key…"""
    language: str = ""
    """ISO 639-1 code of the source's language, as ``en``."""
    licence: str = ""
    created: AwareDatetime | None = None
    """When the source came to be, as far as it says so."""


class Interval(Frozen):
    """The interval in which a value lies with probability `level`, in the unit of the value."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"impossible interval: {self.low:g} is above {self.high:g}")
        return self


class Quality(Frozen):
    """How good an item is as data, on the four dimensions of the standard; each from 0 to 1.

    None where nobody has measured it. `novum.core.quality` says how each is computed.

    References:
        arXiv 2508.21148, section II-D.
    """

    accuracy: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    completeness: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    timeliness: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    traceability: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)


class KnowledgeItem(Frozen):
    """One version of one thing that is known: subject, relation, value, and why it is believed.

    `id` names the content (subject, relation, object, conditions, method and value), so that recording
    the same fact twice gives one item. A failed or null result is an item as well: `negative` is set,
    and `value` may be absent. `confidence`, `quality` and `status` are computed by the knowledge base
    when the item is recorded; what is given for the first two is not believed.

    Raises:
        UnitError: a value whose unit was not stated; a pure number has the unit ``"1"``.
    """

    id: str
    version: int = Field(default=1, ge=1)
    level: Level
    data_class: DataClass = DataClass.STRUCTURED
    domain: str
    """The science: chemistry, materials, physics, life, astronomy, earth, process…"""
    subject: str
    """Stable id of what it is about: an InChIKey, a candidate id, a tool's name, a file's hash."""
    subject_label: str = ""
    relation: str
    """A property's name, "fails", "meets_goal", "procedure"…"""
    object: str = ""
    """What the relation leads to where that is no number: an id, a class, an equation, a passage."""
    value: Quantity | None = None
    interval: Interval | None = None
    """Where `value` lies, for an uncertainty that one standard deviation does not describe."""
    contributions: dict[str, float] = {}
    """Of a derived value: item id → what its uncertainty adds, as a signed standard deviation in the unit
    of `value`. Two values that share an item are correlated through it."""
    conditions: dict[str, Any] = {}
    """Arguments and settings under which it holds."""
    text: str
    """One sentence for people and for the vector index. Data, never an instruction."""
    arguments: dict[str, Any] = {}
    """What tools receive to reproduce it (a candidate's arguments)."""
    flags: tuple[str, ...] = ()
    """What a reader should know, as "instruction-like" for a text that seems to address a model."""
    evidence: tuple[Evidence, ...] = ()
    provenance: Provenance
    origin: Origin = Origin.SIMULATED
    negative: bool = False
    confidence: float = Field(default=0.5, ge=0, le=1)
    """Probability that it is true, computed from its evidence (`novum.core.belief`)."""
    quality: Quality = Quality()
    status: ItemStatus = ItemStatus.ACTIVE
    status_reason: str = ""
    """Why it is stale, superseded or retracted, or why it was reinstated or amended."""
    access: Access = Access.PUBLIC
    valid_from: AwareDatetime | None = None
    """From when on it was true; None for always."""
    valid_to: AwareDatetime | None = None
    """From when on it was true no more; None for until further notice."""
    review_by: AwareDatetime | None = None
    """When it has to be examined again; after that it is stale."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.value is not None and "unit" not in self.value.model_fields_set:
            raise UnitError(
                f"the value {self.value.value:g} of {self.relation!r} of {self.subject!r} has no unit; "
                f"state one, as 'eV', or '1' for a pure number"
            )
        if self.value is None and (self.interval is not None or self.contributions):
            raise ValueError("an interval, or contributions, need the value that they belong to")
        if self.valid_from is not None and self.valid_to is not None and self.valid_from > self.valid_to:
            raise ValueError(f"it cannot end ({self.valid_to}) before it begins ({self.valid_from})")
        return self

    @property
    def std(self) -> float | None:
        """One standard deviation of the value, in its unit; from the interval where that is all there is.

        An interval is read as the central one of a normal distribution.
        """
        if self.value is None or self.value.std is not None or self.interval is None:
            return None if self.value is None else self.value.std
        width = NormalDist().inv_cdf(0.5 + self.interval.level / 2)
        return (self.interval.high - self.interval.low) / 2 / width

    @property
    def generated_by(self) -> str:
        """What made a simulated or synthetic item, as ``name@version``; empty for a measured one."""
        if self.origin is Origin.MEASURED:
            return ""
        p = self.provenance
        return (f"{p.tool}@{p.tool_version}" if p.tool_version else p.tool) or p.agent or p.method


def item_id(
    *,
    subject: str,
    relation: str,
    conditions: dict[str, Any],
    method: str,
    value: Quantity | None,
    text: str = "",
    object: str = "",
    source: str = "",
) -> str:
    """Return the content id of an item, ``K-`` and 16 hexadecimal characters.

    `text` takes part only where there is no value. `source` is the hash of the bytes that it was read from:
    what two sources say is two items, and what one says twice is one, whatever its file is called.
    """
    body = [subject, relation, conditions, method]
    body.append(value.model_dump(mode="json") if value is not None else text)
    if object:
        body.append(object)
    if source:
        body.append({"source": source})
    return f"K-{digest(body)[:16]}"
