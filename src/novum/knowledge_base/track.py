"""The track record of methods, planners and documents: what they said, and whether it held."""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from novum.core.belief import Reliability
from novum.core.forecasts import Forecast
from novum.knowledge_base.chain import Chain, Link
from novum.knowledge_base.rows import timestamp

_COLUMNS = "source, key, held, probability, statistic, judged_at, recorded_at"


def add(connection: sqlite3.Connection, forecasts: Iterable[Forecast], now: datetime) -> int:
    """Add forecasts with their outcomes; return how many were new. One under a known key adds nothing."""
    chain, new = Chain(connection, "forecasts"), 0
    for forecast in forecasts:
        key = (forecast.source, forecast.key)
        if connection.execute("SELECT 1 FROM forecasts WHERE source = ? AND key = ?", key).fetchone():
            continue
        fields = (
            *key,
            int(forecast.held),
            forecast.probability,
            forecast.statistic,
            timestamp(forecast.judged_at),
            timestamp(now),
        )
        connection.execute(
            f"INSERT INTO forecasts ({_COLUMNS}, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (*fields, *chain.add(*fields)),
        )
        new += 1
    chain.close()
    return new


def read(rows: Iterable[sqlite3.Row]) -> Iterator[Forecast]:
    """Yield the forecasts of rows of `forecasts`."""
    for row in rows:
        yield Forecast(
            source=row["source"],
            key=row["key"],
            held=bool(row["held"]),
            probability=row["probability"],
            statistic=row["statistic"],
            judged_at=None if row["judged_at"] is None else datetime.fromisoformat(row["judged_at"]),
        )


def links(rows: Iterable[sqlite3.Row]) -> Iterator[Link]:
    """Yield the links of the chain of `forecasts`."""
    for row in rows:
        fields: tuple[Any, ...] = tuple(row[name] for name in _COLUMNS.split(", "))
        yield Link(f"forecast {row['key']} of {row['source']}", row["prev_hash"], row["hash"], fields)


class TrackRecord:
    """Reliabilities by method, read once each."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._outcomes: dict[str, tuple[int, int]] = {}

    def reliability(self, method: str, *, prior: float) -> Reliability:
        """Return how often what `method` said has held, around a prior."""
        if method not in self._outcomes:
            row = self._connection.execute(
                "SELECT coalesce(sum(held), 0), count(*) FROM forecasts WHERE source = ?", (method,)
            ).fetchone()
            self._outcomes[method] = (row[0], row[1] - row[0])
        held, failed = self._outcomes[method]
        return Reliability(prior, held=held, failed=failed)
