"""The report of a campaign: Markdown, and one self-contained HTML page, from the ledger alone."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from novum.core.errors import StoreError
from novum.core.record import CampaignRecord
from novum.workflows.reporting.report import Report
from novum.workflows.reporting.sources import numbers_without_source, unknown_citations
from novum.workflows.reporting.summary import build_report

__all__ = [
    "Report",
    "ReportPaths",
    "build_report",
    "numbers_without_source",
    "unknown_citations",
    "write_reports",
]


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where a report was written."""

    markdown: Path
    html: Path


def write_reports(
    record: CampaignRecord,
    *,
    control: CampaignRecord | None = None,
    verification: Mapping[str, str] | None = None,
    scales: Mapping[str, float] | None = None,
    folder: Path,
) -> ReportPaths:
    """Write the report of a campaign as Markdown and as HTML, each whole or not at all.

    The same record gives the same bytes. A campaign that has not finished gets a report that says so.

    Args:
        record: the campaign.
        control: its control arm, if there is one.
        verification: what a check of the ledger found, by name of the check; shown as it is.
        scales: property → width over which it varies usefully, as the campaign ranked by it; by default
            from the goal's own bounds.
        folder: where ``<campaign>.md`` and ``<campaign>.html`` go; made where it is missing.

    Raises:
        UsageError: the record is empty.
        StoreError: the folder cannot be written.
    """
    from novum.workflows.reporting.html import to_html
    from novum.workflows.reporting.markdown import to_markdown

    report = build_report(record, control=control, verification=verification, scales=scales)
    # An id is chosen by a person and must not lead out of the folder.
    stem = re.sub(r"[^\w.-]+", "-", report.campaign).strip(".-")[:120] or "campaign"
    paths = ReportPaths(markdown=folder / f"{stem}.md", html=folder / f"{stem}.html")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(paths.markdown, to_markdown(report))
        _replace(paths.html, to_html(report))
    except OSError as error:
        raise StoreError(f"cannot write the report to {str(folder)!r}: {error.strerror}") from error
    return paths


def _replace(path: Path, text: str) -> None:
    file, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-")
    temporary = Path(name)
    try:
        with os.fdopen(file, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
