"""A person's word on the experiments of a batch, before they run."""

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from novum.cli import render
from novum.cli.pursuit import Approver, person
from novum.cli.terminal import out
from novum.core.errors import UsageError
from novum.core.record import CampaignRecord

if TYPE_CHECKING:
    from rich.console import RenderableType

    from novum.workflows.discovery import Outcome


def parse_choice(choice: str, asked: Sequence[str], hazards: Collection[str] = ()) -> list[str]:
    """Return the experiments that a choice allows: all, none, or ids.

    "All" leaves out what the hazard screen stopped: that runs only where it is named.

    Raises:
        UsageError: an id that is not asked about.

    Example:
        >>> parse_choice("E001, e003", ["E001", "E002", "E003"])
        ['E001', 'E003']
    """
    word = choice.strip().lower()
    if word in ("all", "y", "yes"):
        return [name for name in asked if name not in hazards]
    if word in ("none", "n", "no"):
        return []
    names = [part for part in choice.upper().replace(",", " ").split() if part]
    unknown = [name for name in names if name not in asked]
    if unknown or not names:
        raise UsageError(
            f"{', '.join(unknown) or 'nothing'} is not what is asked about; "
            f"write all, none, or some of {', '.join(asked)}"
        )
    return [name for name in asked if name in names]


def pending_iteration(record: CampaignRecord) -> int | None:
    """Return the iteration whose experiments wait for a person's word, or None."""
    if record.started is None or not record.started.approve or record.finished:
        return None
    return next((i for i in record.designs if i not in record.gates), None)


def open_approver(choice: str | None, record: CampaignRecord | None, *, interactive: bool) -> Approver:
    """Return who answers approval requests.

    Args:
        choice: what ``--approve`` said of the batch that waits now. It never speaks for a later batch,
            which nobody has seen.
        record: the campaign as it stands; needed with `choice`.
        interactive: whether a person can be asked here.

    Raises:
        UsageError: a choice, where nothing waits for one, or that does not fit.
    """
    waiting, campaign = None, None
    if choice is not None:
        assert record is not None
        assert record.started is not None
        campaign = record.started.campaign
        waiting = pending_iteration(record)
        if waiting is None:
            raise UsageError("no experiments wait for approval in this campaign")
        parse_choice(choice, [e.id for e in record.designs[waiting].experiments])

    def approve(outcome: "Outcome") -> Mapping[str, Any] | None:
        assert outcome.request is not None
        asked = list(outcome.request["experiments"])
        hazards = dict(outcome.request.get("hazards", {}))
        if choice is not None and (outcome.campaign, outcome.request["iteration"]) == (campaign, waiting):
            return {"allowed": parse_choice(choice, asked, hazards), "by": person()}
        return ask_person(outcome.record, asked, hazards) if interactive else None

    return approve


def ask_person(
    record: CampaignRecord, asked: Sequence[str], hazards: Mapping[str, str] | None = None
) -> Mapping[str, Any] | None:
    """Show the experiments and ask which may run, until the answer can be read.

    Returns:
        The answer; None where the person gave none (end of input).
    """
    console = out()
    hazards = hazards or {}
    console.print(waiting_table(record, asked))
    for name, hazard in hazards.items():
        console.print(render.text(f"{name} is hazardous, and runs only if you name it: {hazard}", "red"))
    while True:
        try:
            choice = console.input("Run these? [y = all, n = none, or ids such as E001,E003] ")
            return {"allowed": parse_choice(choice, asked, hazards), "by": person()}
        except UsageError as error:
            console.print(render.text(error, "red"))
        except EOFError:
            console.print()
            return None


def waiting_table(record: CampaignRecord, asked: Sequence[str]) -> "RenderableType":
    """Return the experiments that are asked about, with what they test and what they cost."""
    rows = []
    for name in asked:
        planned = record.experiments[name].experiment
        hypothesis = record.hypotheses[planned.hypothesis]
        rows.append(
            (
                name,
                planned.purpose.value,
                render.label(planned.candidate.label),
                render.predictions(hypothesis),
                ", ".join([*(call.tool for call in planned.calls), *planned.manual]),
                render.duration(planned.nominal_cost_s),
            )
        )
    columns = ("experiment", "purpose", "candidate", "predicted", "by", "planned cost>")
    return render.table(columns, rows, title="Waiting for approval")


def is_interactive() -> bool:
    """Say whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
