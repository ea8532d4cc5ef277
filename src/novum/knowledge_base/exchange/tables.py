"""Versions and links as Parquet, for those who want to count and plot."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base.exchange import layout

NAMES = (layout.ITEMS_TABLE, layout.VERSIONS_TABLE, layout.LINKS_TABLE)

BATCH = 5000
"""Rows that are written together."""

_TEXTS = (
    "level",
    "data_class",
    "domain",
    "subject",
    "subject_label",
    "relation",
    "object",
    "text",
    "conditions",
    "unit",
    "method",
    "tool",
    "tool_version",
    "instrument",
    "agent",
    "source",
    "licence",
    "language",
    "campaign",
    "origin",
    "status",
    "status_reason",
    "access",
)
_NUMBERS = ("value", "std", "confidence", "accuracy", "completeness", "timeliness", "traceability")
_TIMES = ("recorded_at", "valid_from", "valid_to", "review_by")


class Tables:
    """Three files that grow by rows: the latest versions, all versions, and their links.

    A context manager; the files are complete when it is left.

    Args:
        folder: where the files are made.
    """

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa = pa
        texts = [pa.field(name, pa.string()) for name in _TEXTS]
        numbers = [pa.field(name, pa.float64()) for name in _NUMBERS]
        times = [pa.field(name, pa.timestamp("us", tz="UTC")) for name in _TIMES]
        version = [
            pa.field("id", pa.string(), nullable=False),
            pa.field("version", pa.int64(), nullable=False),
            *texts,
            *numbers,
            *times,
            pa.field("negative", pa.bool_()),
            pa.field("sha256", pa.string()),
            pa.field("hash", pa.string()),
        ]
        link = [
            pa.field("id", pa.string(), nullable=False),
            pa.field("version", pa.int64(), nullable=False),
            pa.field("target", pa.string()),
            pa.field("role", pa.string()),
            pa.field("weight", pa.float64()),
        ]
        self._schemas = (pa.schema(version), pa.schema(version), pa.schema(link))
        self._rows: tuple[list[dict[str, Any]], ...] = ([], [], [])
        self._writers = [
            pq.ParquetWriter(folder / name, schema, compression="zstd")
            for name, schema in zip(NAMES, self._schemas, strict=True)
        ]

    def add(self, item: KnowledgeItem, recorded_at: Any, *, sha256: str, hash: str, is_latest: bool) -> None:
        """Add a version; `recorded_at` with its time zone."""
        p, q = item.provenance, item.quality
        row = {name: getattr(item, name, None) for name in ("id", "version", *_TEXTS, *_NUMBERS, *_TIMES)}
        row |= {
            "level": item.level.value,
            "data_class": item.data_class.value,
            "origin": item.origin.value,
            "status": item.status.value,
            "access": item.access.value,
            "conditions": json.dumps(item.conditions, sort_keys=True, ensure_ascii=False),
            "value": None if item.value is None else item.value.value,
            "std": None if item.value is None else item.value.std,
            "unit": None if item.value is None else item.value.unit,
            "negative": item.negative,
            "recorded_at": recorded_at,
            "sha256": sha256,
            "hash": hash,
        }
        row |= {name: getattr(p, name) for name in ("method", "tool", "tool_version", "instrument", "agent")}
        row |= {name: getattr(p, name) for name in ("source", "licence", "language", "campaign")}
        row |= {name: getattr(q, name) for name in ("accuracy", "completeness", "timeliness", "traceability")}
        latest, versions, links = self._rows
        versions.append(row)
        if is_latest:
            latest.append(row)
        for link in item.evidence:
            links.append(
                {
                    "id": item.id,
                    "version": item.version,
                    "target": link.target,
                    "role": link.role.value,
                    "weight": link.weight,
                }
            )
        if len(versions) >= BATCH:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._flush()
        for writer in self._writers:
            writer.close()

    def _flush(self) -> None:
        for rows, schema, writer in zip(self._rows, self._schemas, self._writers, strict=True):
            _write(rows, schema, writer, self._pa)
            rows.clear()


def _write(rows: Sequence[dict[str, Any]], schema: Any, writer: Any, pa: Any) -> None:
    if rows:
        writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))
