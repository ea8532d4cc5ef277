"""Driving a campaign and its control arm from the terminal, and saying how to go on."""

import os
import pwd
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from novum.cli import pages, render
from novum.cli.options import command
from novum.cli.terminal import err, out, show, to_json
from novum.cli.verify import check_chain, check_record
from novum.cli.watch import Watch
from novum.core.errors import InfrastructureError, UsageError
from novum.core.goals import Confirmation, Goal
from novum.core.record import CampaignRecord

if TYPE_CHECKING:
    from novum.runtime import Workspace
    from novum.workflows.discovery import Outcome

INTERRUPTED = 130
"""Exit code of a campaign that a person or a signal stopped."""

Approver = Callable[["Outcome"], Mapping[str, Any] | None]
"""Answers an approval request; None leaves it open."""


@dataclass(frozen=True, slots=True)
class Pursuit:
    """A workspace with what the terminal adds to it."""

    workspace: "Workspace"
    watch: Watch
    approve: Approver
    given: Path | None
    """What ``--workspace`` said, for the commands that are suggested."""
    json: bool

    def suggest(self, *words: str) -> str:
        """Return a command line for this workspace."""
        return command(*words, workspace=self.given)


def person() -> str:
    """Return the name under which this person's answers are recorded."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number without a name
        return str(os.getuid())


def create_control(
    workspace: "Workspace", campaign: str, goal: Goal, *, planner: str = "random", approve: bool
) -> str:
    """Write the first event of a campaign's control arm: another planner, paired seed, no recall.

    It is written before the campaign runs, so that whoever resumes finds it.
    """
    return workspace.discovery.create(
        goal.model_copy(update={"confirmation": Confirmation(method="none")}),
        planner=planner,
        recall=False,
        approve=approve,
        parent=campaign,
        campaign=f"{campaign}-control",
    )


def find_control(workspace: "Workspace", campaign: str) -> str | None:
    """Return the latest control arm of a campaign, or None."""
    arms = [s.id for s in workspace.ledger.campaigns() if s.parent == campaign]
    return arms[-1] if arms else None


def go_on(pursuit: Pursuit, campaign: str) -> None:
    """Run a campaign and then its control arm, each from wherever it stands; show what came of them.

    Raises:
        typer.Exit: it was stopped.
        InfrastructureError: something underneath failed; the campaign is kept.
    """
    control = find_control(pursuit.workspace, campaign)
    for arm in [campaign, *([control] if control else [])]:
        outcome = pursue(pursuit, arm)
        if outcome.state != "finished":
            stop_here(pursuit, outcome)
            return
    conclude(pursuit, campaign, control)


def pursue(pursuit: Pursuit, campaign: str) -> "Outcome":
    """Run one campaign to its end or to the next request that nobody answers."""
    discovery = pursuit.workspace.discovery
    answer: Mapping[str, Any] | None = None
    while True:
        pursuit.watch.follow(campaign, pursuit.workspace.record(campaign))
        try:
            with pursuit.watch:
                outcome = discovery.run(campaign, answer=answer)
        except InfrastructureError:
            err().print(render.line("the campaign is kept; go on with ", pursuit.suggest("resume", campaign)))
            raise
        if outcome.state != "approval":
            return outcome
        answer = pursuit.approve(outcome)
        if answer is None:
            return outcome


def stop_here(pursuit: Pursuit, outcome: "Outcome") -> None:
    """Say why a campaign does not go on by itself, and what makes it go on.

    Raises:
        typer.Exit: it was stopped.
    """
    name = outcome.campaign
    request = dict(outcome.request or {})
    resume = pursuit.suggest("resume", name)
    if pursuit.json:
        sys.stderr.write(to_json({"campaign": name, "outcome": outcome.state, "request": request}) + "\n")
    elif outcome.state == "waiting":
        asked = ", ".join(request.get("experiments", ()))
        show(
            render.line(f"{name} waits for results of {asked}"),
            render.fields(
                [
                    ("worklist", pursuit.suggest("ask", name, "-o", "worklist.csv")),
                    ("results", pursuit.suggest("tell", name, "worklist.csv")),
                ]
            ),
        )
    elif outcome.state == "approval":
        asked = ", ".join(request.get("experiments", ()))
        approve = f"{resume} --approve all|none|{asked.partition(',')[0]},…"
        show(
            render.line(f"{name} waits for approval of {asked}"),
            render.fields([("look", pursuit.suggest("show", name)), ("approve", approve)]),
        )
    else:
        show(render.line("stopped in order; go on with ", resume))
    if outcome.state == "interrupted":
        raise typer.Exit(INTERRUPTED)


def conclude(pursuit: Pursuit, campaign: str, control: str | None) -> None:
    """Show the findings of a finished campaign, write its report, and name the next commands."""
    workspace = pursuit.workspace
    record = workspace.record(campaign)
    paths = write_report(workspace, campaign, record, control=control)
    if pursuit.json:
        ended = {
            "campaign": campaign,
            "outcome": "finished",
            "control": control,
            "report": {name: str(path) for name, path in paths.items()},
        }
        sys.stderr.write(to_json(ended) + "\n")
        return
    console = out()
    console.print()
    console.print(pages.findings(record))
    if control:
        console.print(pages.compare({campaign: record, control: workspace.record(control)}))
    console.print(
        render.fields(
            [
                ("report", str(paths["html"])),
                ("", str(paths["markdown"])),
                ("next", pursuit.suggest("show", campaign)),
                ("", pursuit.suggest("verify", campaign)),
            ]
        )
    )


def write_report(
    workspace: "Workspace",
    campaign: str,
    record: CampaignRecord,
    *,
    control: str | None,
    folder: Path | None = None,
) -> dict[str, Path]:
    """Write a campaign's report, beside its control arm where that has finished; return the files.

    Raises:
        StoreError: the folder cannot be written.
    """
    from novum.workflows.reporting import write_reports

    other = workspace.record(control) if control else None
    checks = [check_chain(workspace.ledger, campaign), *check_record(record)]
    paths = write_reports(
        record,
        control=other if other and other.finished else None,
        verification={c.name: c.said if c.ok else f"WRONG: {c.said}" for c in checks},
        scales=find_scales(workspace, record.goal),
        folder=folder or workspace.root / "reports",
    )
    return {"html": paths.html, "markdown": paths.markdown}


def find_scales(workspace: "Workspace", goal: Goal) -> Mapping[str, float] | None:
    """Return the scales by which the campaign ranked; None where its tools are not here any more."""
    from novum.workflows.assays import choose_assays, scales_of

    try:
        return scales_of(choose_assays(goal, workspace.registry))
    except UsageError:  # the report of a campaign that ran elsewhere is still worth writing
        return None
