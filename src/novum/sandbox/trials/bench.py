"""What a trial is, and what it has to work with."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from novum.core.calls import CallStatus
from novum.sandbox.base import Limits, Profile, Sandbox, SandboxRequest, SandboxResult
from novum.sandbox.select import SandboxOptions, make_sandbox

PROBES: Final = "novum.sandbox.inside.probes"
ATTACKS: Final = "novum.sandbox.inside.attacks"


class Bench:
    """A backend under trial.

    Args:
        name: of the backend.
        options: what is set about it.
        make: makes a fresh instance; the backend of that name by default.
    """

    def __init__(
        self,
        name: str,
        options: SandboxOptions | None = None,
        *,
        make: Callable[[], Sandbox] | None = None,
    ) -> None:
        self.name = name
        # trials see for themselves; and a path has no place in the programs that they start
        self.options = replace(options or SandboxOptions(), remember_in=None)
        self._make = make or (lambda: make_sandbox(name, self.options))
        self.sandbox = self._make()

    @contextlib.contextmanager
    def fresh(self) -> Iterator["Bench"]:
        """Give another instance of the same backend, and end it."""
        other = Bench(self.name, self.options, make=self._make)
        try:
            yield other
        finally:
            other.sandbox.close()

    def promises(self, promise: str) -> bool:
        """Say whether the backend makes a promise at all; a degraded one does not make every one."""
        return promise not in self.sandbox.attest().degraded

    def ask(
        self,
        entry: str,
        /,
        *,
        limits: Limits | None = None,
        profile: Profile | None = None,
        into: Path | None = None,
        inputs: dict[str, Path] | None = None,
        **arguments: Any,
    ) -> SandboxResult:
        """Run one entry; a name without a module is one of the probes'."""
        return self.sandbox.run(
            SandboxRequest(
                entry=entry if ":" in entry else f"{PROBES}:{entry}",
                arguments=arguments,
                limits=limits or Limits(wall_s=60),
                profile=profile or Profile(),
                collect_into=into,
                inputs=inputs or {},
            )
        )

    def attack(self, name: str, /, *, limits: Limits | None = None, **arguments: Any) -> Any:
        """Run one of the attacks, which must come to its end, and return what it reports."""
        result = self.ask(f"{ATTACKS}:{name}", limits=limits, **arguments)
        expect_status(result, CallStatus.OK)
        return result.value

    def program(self, body: str) -> list[str]:
        """Return the command line of a Python program in which `sandbox` is an instance of this backend."""
        head = (
            "from novum.sandbox import Limits, Profile, SandboxOptions, SandboxRequest, make_sandbox\n"
            f"sandbox = make_sandbox({self.name!r}, {self.options!r})\n"
            "sandbox.attest()\n"
        )
        return [sys.executable, "-c", head + body]

    def close(self) -> None:
        """End the backend."""
        self.sandbox.close()


@dataclass(frozen=True, slots=True)
class Trial:
    """One hostile case: what is tried, on which row of the list, and what must hold."""

    name: str
    row: int
    """Of the list in the documentation; 0 for the interface's own checks."""
    promise: str
    run: Callable[[Bench], None]
    """Raises AssertionError where the promise is broken."""
    needs: str = ""
    """The promise that a degraded backend may lack."""


Case = Callable[[Bench], None]


class Trials:
    """A list of trials in the making.

    Example:
        >>> trials = Trials()
        >>> @trials.add(row=1)
        ... def a_case(bench: Bench) -> None:
        ...     '''What must hold.'''
        >>> [trial.promise for trial in trials.all]
        ['What must hold.']
    """

    def __init__(self) -> None:
        self.all: list[Trial] = []

    def add(self, *, row: int, needs: str = "") -> Callable[[Case], Case]:
        """Add a function; its docstring is what must hold."""

        def decorate(case: Case) -> Case:
            promise = " ".join((case.__doc__ or "").split())
            self.all.append(Trial(case.__name__, row, promise, case, needs))
            return case

        return decorate


def expect(kept: bool, seen: object) -> None:
    """Raise AssertionError with what was seen, unless the promise was kept."""
    if not kept:
        raise AssertionError(f"seen: {str(seen)[:2000]}")


def expect_status(result: SandboxResult, *allowed: CallStatus) -> None:
    """Raise AssertionError unless the call ended in one of these ways."""
    expect(result.status in allowed, result)


def resident_mb() -> float:
    """Return the memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def processes_of(parent: int) -> dict[int, str]:
    """Return the living descendants of a process, with their start times, by the host's own table."""
    parents, starts = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[0] not in "ZX":
                pid = int(stat.parent.name)
                parents[pid], starts[pid] = int(fields[1]), fields[19]
    found: dict[int, str] = {}
    layer = {parent}
    while layer:
        layer = {pid for pid, above in parents.items() if above in layer}
        found.update({pid: starts[pid] for pid in layer})
    return found
