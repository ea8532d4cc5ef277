"""Options that several commands of ``novum kb`` share, and what they mean."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from novum.core.errors import UsageError
from novum.core.goals import ObjectiveKind
from novum.core.knowledge import Access, DataClass, ItemStatus, Level
from novum.core.quantity import DIMENSIONLESS, Quantity
from novum.core.science import Origin

if TYPE_CHECKING:
    from novum.knowledge_base.items import Filters


class Status(StrEnum):
    """The status of items that are meant."""

    ACTIVE = "active"
    STALE = "stale"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"
    ANY = "any"


class Rule(StrEnum):
    """The rules of `novum.knowledge_base.conflicts.Rule`, named here so that help loads no store."""

    WEIGHT = "weight"
    RECENCY = "recency"
    QUALITY = "quality"
    PERSON = "person"


ItemArgument = Annotated[
    str, typer.Argument(metavar="ID", help="An item's id; its beginning is enough.", show_default=False)
]
LevelOption = Annotated[Level | None, typer.Option("--level", help="Of this level of knowledge only.")]
ClassOption = Annotated[DataClass | None, typer.Option("--class", help="Of this class of data only.")]
RelationOption = Annotated[
    str | None,
    typer.Option("--relation", metavar="NAME", help="About this relation only, as 'qed' or 'fails'."),
]
DomainOption = Annotated[
    str | None, typer.Option("--domain", metavar="NAME", help="Of this domain only, as 'chemistry'.")
]
SubjectOption = Annotated[
    str | None,
    typer.Option("--subject", metavar="SUBJECT", help="About this subject only, by its stable id."),
]
FromOption = Annotated[
    str | None, typer.Option("--campaign", metavar="CAMPAIGN", help="Recorded by this campaign only.")
]
SourceOption = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", help="Taken from this source only, as a file's name."),
]
OriginOption = Annotated[
    Origin | None, typer.Option("--origin", help="Measured, simulated or synthetic items only.")
]
AccessOption = Annotated[Access | None, typer.Option("--access", help="Of this tier of access only.")]
NegativeOption = Annotated[
    bool | None,
    typer.Option("--negative/--positive", help="Failures and null results only, or none of them."),
]
PropertyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="BOUND",
        help="With a value in this range, as 'gap > 4 eV' or 'logp between 1 and 3'; bounds are included, "
        "and other units of the same kind are converted. May be repeated for one property.",
    ),
]
StatusOption = Annotated[Status, typer.Option("--status", help="Of this status only.")]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="As it was known then: a date, which means its end, or a date and time, as 2026-11-24T09:30; "
        "local time unless it says otherwise.",
    ),
]
ValidAtOption = Annotated[
    str | None,
    typer.Option("--valid-at", metavar="TIME", help="True at that time, as far as its validity is stated."),
]
CountOption = Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many to show at most.")]
OffsetOption = Annotated[
    int, typer.Option("--offset", min=0, metavar="N", help="How many to leave out first.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it stays with the item.", show_default=False)
]
IdsOption = Annotated[bool, typer.Option("--ids", help="Print ids only, one a line, for other commands.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was said on the command line about which items are meant."""

    level: Level | None = None
    data_class: DataClass | None = None
    relation: str | None = None
    domain: str | None = None
    subject: str | None = None
    campaign: str | None = None
    source: str | None = None
    origin: Origin | None = None
    access: Access | None = None
    negative: bool | None = None
    bounds: tuple[str, ...] = ()
    status: Status = Status.ACTIVE
    as_of: str | None = None
    valid_at: str | None = None

    def filters(self) -> "Filters":
        """Return it as filters of the knowledge base.

        Raises:
            UsageError: a bound or a time cannot be read, or two bounds are about two properties.
        """
        found: Filters = {
            "level": self.level,
            "data_class": self.data_class,
            "relation": self.relation,
            "domain": self.domain,
            "subjects": None if self.subject is None else [self.subject],
            "campaign": self.campaign,
            "source": self.source,
            "origin": self.origin,
            "access": None if self.access is None else [self.access],
            "negative": self.negative,
            "status": None if self.status is Status.ANY else ItemStatus(self.status.value),
            "as_of": None if self.as_of is None else parse_moment(self.as_of),
            "valid_at": None if self.valid_at is None else parse_moment(self.valid_at),
        }
        for bound in self.bounds:
            name, low, high = parse_bound(bound)
            if found["relation"] not in (None, name):
                raise UsageError(
                    f"one item has one property: {bound!r} is not about {found['relation']!r}; "
                    "search for each by itself"
                )
            found["relation"] = name
            if low is not None:
                found["at_least"] = low
            if high is not None:
                found["at_most"] = high
        return found


def parse_bound(text: str) -> tuple[str, Quantity | None, Quantity | None]:
    """Return the property, the least and the greatest value that a bound states.

    Raises:
        UsageError: it cannot be read.

    Example:
        >>> parse_bound("gap > 4 eV")
        ('gap', Quantity(4 eV), None)
    """
    from novum.workflows.goal_language import parse_clause

    forms = "write 'gap > 4 eV', 'logp between 1 and 3' or 'dipole = 2 ± 0.5 debye'"
    try:
        wish = parse_clause(text)
    except UsageError as error:
        raise UsageError(f"cannot read the bound {text!r}; {forms}") from error
    if wish.kind in (ObjectiveKind.MAXIMISE, ObjectiveKind.MINIMISE) or wish.tool is not None:
        raise UsageError(f"{text!r} is a wish, not a bound; {forms}")
    unit = wish.unit or DIMENSIONLESS
    low, high = (None if v is None else Quantity(value=v, unit=unit) for v in (wish.low, wish.high))
    return wish.property, low, high


def parse_moment(text: str) -> datetime:
    """Return the time that a text names: ``now``, a date (its end), or a date and a time.

    Local time, unless an offset is stated.

    Raises:
        UsageError: it is none of these.

    Example:
        >>> parse_moment("2026-11-24T09:30Z").isoformat()
        '2026-11-24T09:30:00+00:00'
    """
    word = text.strip()
    if word.lower() == "now":
        return datetime.now(UTC)
    try:
        if len(word) == len("2026-11-24"):
            day = date.fromisoformat(word)
            return datetime.combine(day + timedelta(days=1), time()).astimezone() - timedelta(microseconds=1)
        found = datetime.fromisoformat(word)
        return found if found.tzinfo is not None else found.astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no time; write 'now', a date as 2026-11-24, or a time as 2026-11-24T09:30"
        ) from error
