"""KnowledgeItem: one row of what is known."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from novum.core.digest import digest
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
    """How one record bears on an item."""

    MEASURED_BY = "measured_by"
    DERIVED_FROM = "derived_from"
    SUPPORTS = "supports"
    REFUTES = "refutes"
    SIMULATED_BY = "simulated_by"
    SUPERSEDES = "supersedes"
    ANALYSED_WITH = "analysed_with"


class Evidence(Frozen):
    """A link from an item to what it rests on.

    `target` is the id of another item, or ``ledger:CAMPAIGN/RECORD``.
    """

    target: str
    role: EvidenceRole
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)


class Provenance(Frozen):
    """Where an item comes from."""

    source: str
    campaign: str | None = None
    agent: str = ""
    tool: str = ""
    tool_version: str = ""
    method: str = ""
    call_key: str = ""
    licence: str = ""


class KnowledgeItem(Frozen):
    """One version of one thing that is known: subject, relation, value, and why it is believed.

    `id` names the content (subject, relation, conditions, method and value), so that recording the
    same fact twice gives one item. A failed or null result is an item as well: `negative` is set, and
    `value` may be absent.
    """

    id: str
    version: int = Field(default=1, ge=1)
    level: Level
    data_class: DataClass = DataClass.STRUCTURED
    domain: str
    subject: str
    """Stable id of what it is about: an InChIKey, a candidate id, a tool's name."""
    subject_label: str = ""
    relation: str
    """A property's name, "fails", "meets_goal", "procedure"…"""
    value: Quantity | None = None
    conditions: dict[str, Any] = {}
    """Arguments and settings under which it holds."""
    text: str
    """One sentence for people and for the vector index."""
    arguments: dict[str, Any] = {}
    """What tools receive to reproduce it (a candidate's arguments)."""
    evidence: tuple[Evidence, ...] = ()
    provenance: Provenance
    origin: Origin = Origin.SIMULATED
    negative: bool = False
    confidence: float = Field(default=0.5, ge=0, le=1)
    quality: dict[str, float] = {}
    """Dimension (accuracy, completeness, timeliness, traceability) → 0 to 1."""
    status: ItemStatus = ItemStatus.ACTIVE
    access: Access = Access.PUBLIC
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    review_by: datetime | None = None


def item_id(
    *,
    subject: str,
    relation: str,
    conditions: dict[str, Any],
    method: str,
    value: Quantity | None,
    text: str = "",
) -> str:
    """Return the content id of an item, ``K-`` and 16 hexadecimal characters.

    `text` takes part only where there is no value.
    """
    body = [subject, relation, conditions, method]
    body.append(value.model_dump(mode="json") if value is not None else text)
    return f"K-{digest(body)[:16]}"
