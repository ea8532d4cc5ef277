"""What goes into a reader, and what comes out of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from novum.core.calls import Artifact
from novum.core.digest import digest_bytes
from novum.core.errors import IngestError
from novum.core.knowledge import Access, DataClass, Interval, Level
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base.ingest.bounds import Bounds

if TYPE_CHECKING:
    from novum.knowledge_base.ingest.report import Report
    from novum.knowledge_base.ingest.source import Source

Keep = Callable[[bytes, str, str], Artifact]
"""Stores bytes durably under their hash: data, name, media type."""


class Shape(StrEnum):
    """How a table is to be read, where its header does not say so."""

    TABLE = "table"
    """Each row tells of a subject."""
    SERIES = "series"
    """Each row is a point in time."""
    OMICS = "omics"
    """Samples by features."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a user says about the columns of a table, a series or a matrix."""

    subject: str | None = None
    """The column that names what a row is about. By default a column with a usual name, such as
    ``smiles``, ``formula`` or ``sample_id``; rows without a subject are numbered."""
    conditions: tuple[str, ...] | None = None
    """The columns that hold settings instead of results. By default those with a usual name, such as
    temperature or solvent, and all that hold text."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Column → unit, for headers that do not say it; ``"1"`` for a pure number. ``"*"`` is the unit of an
    omics matrix, or of every column that has none."""
    time: str | None = None
    """The column or data set that holds the time of a series."""
    sampling_rate_hz: float | None = None
    """For a series without a time column."""
    decimal: Literal[".", ","] = "."


@dataclass(frozen=True, slots=True)
class About:
    """What the user says about files, because no file says it of itself, or says it reliably.

    `origin` has no default: whether a number was measured cannot be guessed.
    """

    origin: Origin
    domain: str
    """The science: chemistry, materials, physics, life, astronomy, earth, process…"""
    licence: str = ""
    """SPDX identifier, as ``CC-BY-4.0``."""
    access: Access | None = None
    """By default public, and sensitive for medical images and for omics that may come from people."""
    level: Level | None = None
    """By default what the content suggests: see `novum.knowledge_base.ingest`."""
    method: str = ""
    """How the numbers were obtained, as ``GFN2-xTB`` or ``HPLC``."""
    instrument: str = ""
    agent: str = ""
    """The person or program that made the data."""
    language: str = ""
    """ISO 639-1 code of texts."""
    subject: str = ""
    """What an image, a series or a matrix is about; by default the file itself."""
    organism: str = ""
    """Species of an omics matrix, as ``Mus musculus``; unknown counts as human."""
    shape: Shape | None = None
    columns: Columns = Columns()
    encoding: str = "utf-8"
    """Of text files; a byte order mark overrules it."""
    pixel_size_um: float | None = None
    """Edge of a pixel in micrometres, for images that do not say it."""


@dataclass(frozen=True, slots=True)
class Named:
    """What something is about."""

    id: str
    label: str
    arguments: dict[str, Any] = field(default_factory=dict)
    symbolic: bool = False
    """It is given by its structure."""
    raw: str = ""
    """The text as it was found, to be screened."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One finding of a reader, before it becomes an item."""

    data_class: DataClass
    subject: str
    relation: str
    text: str
    locator: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    object: str = ""
    value: Quantity | None = None
    interval: Interval | None = None
    conditions: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    level: Level | None = None
    """None for factual where it was measured and modelling where it was not."""
    flags: tuple[str, ...] = ()
    sensitive: bool = False
    """It may identify a person."""
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One file to read, and everything a reader may use."""

    source: "Source"
    about: About
    bounds: Bounds
    report: "Report"
    keep: Keep | None = None

    @property
    def subject(self) -> str:
        """What the file's content is about where it does not say so itself."""
        return self.about.subject or self.source.id

    def note(self, message: str, *, place: str = "") -> None:
        """Tell the user of something that was left out or is doubtful."""
        self.report.note(self.source.label, message, place=place)

    def store(self, data: bytes, name: str, media_type: str) -> dict[str, Any]:
        """Hand bytes to `keep`, and return what names them: ``sha256``, ``size``, ``media_type``.

        Raises:
            IngestError: there are more bytes than may be held.
            StoreError: `keep` could not store them.
        """
        if len(data) > self.bounds.max_held_bytes:
            raise IngestError(f"{name} has {len(data)} bytes; at most {self.bounds.max_held_bytes} are kept")
        sha256 = digest_bytes(data)
        if self.keep is not None:
            sha256 = self.keep(data, name, media_type).sha256
        return {"sha256": sha256, "size": len(data), "media_type": media_type}


Reader = Callable[[Task], Iterator[Draft]]
"""Reads one family of formats; raises `IngestError` where the file is not what it says."""
