"""Whose knowledge it is: what share each source, language, domain and level has, and what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass

from novum.core.knowledge import Quality
from novum.storage import Database

DIMENSIONS = ("source", "language", "domain", "level", "data_class", "origin", "method")
"""By what items are divided, beside positive and negative."""

DOMINANT = 0.5
"""Share from which on one value of a dimension is pointed out."""

_SIGN = "CASE negative WHEN 1 THEN 'negative' ELSE 'positive' END"

LISTED = 50
"""Values listed for each dimension; the rest is summed up."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what is known has one value of a dimension."""

    value: str
    """Empty where it is not stated."""
    n: int
    share: float


@dataclass(frozen=True, slots=True)
class Bias:
    """The make-up of the active items."""

    n_items: int
    shares: dict[str, tuple[Share, ...]]
    """Dimension → its most frequent values; "sign" divides positive and negative results."""
    effective: dict[str, float]
    """Dimension → the number of equally large values that would be as diverse: 1 / Σ share²."""
    remarks: tuple[str, ...]
    """What stands out, in words."""


def make_up(database: Database) -> Bias:
    """Return the make-up of the active items.

    References:
        Hill, Ecology 54, 427 (1973), doi:10.2307/1934352, for the effective number;
        the kinds of bias: arXiv 2508.21148, section VII-B.

    Raises:
        StoreError: the items cannot be read.
    """
    shares: dict[str, tuple[Share, ...]] = {}
    effective: dict[str, float] = {}
    n_items = 0
    for dimension in (*DIMENSIONS, "sign"):
        column = _SIGN if dimension == "sign" else dimension
        rows = database.rows(
            f"SELECT {column} AS value, count(*) AS n FROM items "  # noqa: S608 constants
            "WHERE +until IS NULL AND status = 'active' GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        counts = [(row["value"], row["n"]) for row in rows]
        n_items = sum(n for _, n in counts)
        shares[dimension] = tuple(Share(value, n, n / n_items) for value, n in counts[:LISTED])
        effective[dimension] = n_items**2 / sum(n * n for _, n in counts) if counts else 0.0
    return Bias(n_items, shares, effective, tuple(_remarks(shares)))


def mean_quality(database: Database) -> dict[str, float | None]:
    """Return the mean of each dimension of quality over the active items that it was measured for.

    Raises:
        StoreError: the items cannot be read.
    """
    names = tuple(Quality.model_fields)
    columns = ", ".join(f"avg(json_extract(bodies.payload, '$.quality.{name}')) AS {name}" for name in names)
    [row] = database.rows(
        f"SELECT {columns}, avg(quality) AS score FROM items JOIN bodies USING (seq) "  # noqa: S608 constants
        "WHERE +items.until IS NULL AND status = 'active'"
    )
    return {name: row[name] for name in (*names, "score")}


def _remarks(shares: dict[str, tuple[Share, ...]]) -> Iterable[str]:
    for dimension in ("source", "language", "domain", "method"):
        if not shares[dimension]:
            continue
        first = shares[dimension][0]
        if first.share >= DOMINANT and first.value:
            yield f"{first.share:.0%} of the items have the {dimension} {first.value!r}"
        elif first.share >= DOMINANT:
            yield f"{first.share:.0%} of the items do not state their {dimension}"
    negative = next((share.n for share in shares["sign"] if share.value == "negative"), 0)
    if shares["sign"] and not negative:
        yield "no item is negative: failures and null results are missing"
    measured = next((share.n for share in shares["origin"] if share.value == "measured"), 0)
    if shares["origin"] and not measured:
        yield "no item was measured: everything is simulated or synthetic"
