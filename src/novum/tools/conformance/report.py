"""What the checks of a tool found."""

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How one check ended."""

    KEPT = "kept"
    BROKEN = "broken"
    NOTE = "note"
    """Worth a look, and no fault."""
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, and what it saw."""

    check: str
    outcome: Outcome
    said: str = ""


@dataclass(slots=True)
class Report:
    """All checks of one tool.

    Example:
        >>> report = Report("lab.settling")
        >>> report.add("units", ["x has the unit 'flurb', which is not known"], kept="all known")
        >>> report.passed, report.findings[0].outcome.value
        (False, 'broken')
    """

    tool: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether something was checked, and nothing was broken."""
        kept = any(finding.outcome is Outcome.KEPT for finding in self.findings)
        return kept and not self.broken

    @property
    def broken(self) -> list[Finding]:
        """The checks that found a fault."""
        return [finding for finding in self.findings if finding.outcome is Outcome.BROKEN]

    def add(self, check: str, faults: list[str], *, kept: str = "") -> None:
        """Record a check: broken once for each fault, kept without one."""
        if not faults:
            self.findings.append(Finding(check, Outcome.KEPT, kept))
        self.findings += [Finding(check, Outcome.BROKEN, fault) for fault in dict.fromkeys(faults)]

    def note(self, check: str, said: str) -> None:
        """Record something worth a look."""
        self.findings.append(Finding(check, Outcome.NOTE, said))

    def skip(self, check: str, why: str) -> None:
        """Record a check that could not be made."""
        self.findings.append(Finding(check, Outcome.SKIPPED, why))

    def __str__(self) -> str:
        lines = [f"{f.outcome.value:8} {f.check}: {f.said}".rstrip(": ") for f in self.findings]
        return "\n".join([f"{self.tool}: {'passed' if self.passed else 'failed'}", *lines])
