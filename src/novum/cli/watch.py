"""Watching a campaign: a live display, plain lines, or a stream of JSON."""

import sys
import threading
import time
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from novum.cli import render
from novum.cli.terminal import out, to_json
from novum.core.deliberation import Turn
from novum.core.events import (
    Asked,
    CampaignFinished,
    ConfirmationPlanned,
    Decided,
    Event,
    ExperimentFinished,
    Gated,
    Hypothesised,
    Judged,
    Recalled,
)
from novum.core.record import CampaignRecord, ExperimentRecord

REFRESHES_PER_S = 4
ROWS = 12
"""Experiments shown at once in the live display."""


class Watch(Protocol):
    """Sees every event after it is on disk. Entered while a campaign runs."""

    def __call__(self, campaign: str, event: Event) -> None:
        """Take notice of an event."""
        ...

    def follow(self, campaign: str, record: CampaignRecord) -> None:
        """Turn to a campaign that is about to run; `record` is the watch's to keep up to date."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_watch(*, json: bool, quiet: bool) -> Watch:
    """Return the watch that fits the options and the terminal."""
    if json:
        return JsonStream()
    if quiet:
        return Silence()
    console = out()
    return LiveDisplay(console) if console.is_terminal else PlainLines(console)


class Silence:
    """Shows nothing."""

    def __call__(self, campaign: str, event: Event) -> None:
        """Take no notice."""

    def follow(self, campaign: str, record: CampaignRecord) -> None:
        """Take no notice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""


class JsonStream(Silence):
    """Prints every event as one line of JSON, with its campaign."""

    def __call__(self, campaign: str, event: Event) -> None:
        """Print the event."""
        sys.stdout.write(to_json({"campaign": campaign, **event.model_dump(mode="json")}) + "\n")
        sys.stdout.flush()


class PlainLines(Silence):
    """Prints what happens, line by line; for pipes, files and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._record = CampaignRecord()
        self._campaign = ""

    def follow(self, campaign: str, record: CampaignRecord) -> None:
        """Print which campaign runs."""
        self._campaign, self._record = campaign, record
        verb = "goes on with" if record.plans else "pursues"
        self._console.print(render.line(f"{campaign} {verb}: ", str(record.goal)))

    def __call__(self, campaign: str, event: Event) -> None:
        """Print the event, where it is worth a line."""
        if campaign != self._campaign:
            return
        self._record.apply(event)
        for line in narrate(event, self._record):
            self._console.print(line)


def narrate(event: Event, record: CampaignRecord) -> list[Text]:
    """Return what an event says, in lines; nothing for events that add nothing for people."""
    match event:
        case Recalled() if event.items or event.observations:
            known = f"{len(event.items)} items, {len(event.observations)} measured candidates"
            return [render.line(f"iteration {event.iteration}: recalled {known}")]
        case Hypothesised():
            head = render.line(f"iteration {event.iteration}: {len(event.hypotheses)} hypotheses")
            return [
                *deliberated(event),
                head,
                *(
                    render.line(f"  {h.id} ", render.label(h.candidate.label), f"  {render.predictions(h)}")
                    for h in event.hypotheses
                ),
            ]
        case Gated():
            head = render.line(f"iteration {event.iteration}: {len(event.allowed)} experiments run")
            return [head, *(render.line(f"  {name} not run: {why}") for name, why in event.refused.items())]
        case ExperimentFinished():
            return [finished_line(record.experiments[event.experiment], record)]
        case Asked():
            return [render.line(f"waiting for results of {', '.join(event.experiments)}")]
        case Judged():
            floor = f"; noise floor {render.noise(event.noise)}" if event.noise else ""
            counted = render.counts(event.verdicts)
            return [render.line(f"iteration {event.iteration}: verdicts ", counted, floor)]
        case Decided():
            best = render.best(record) or Text("none")
            return [render.line(f"iteration {event.iteration}: best so far ", best, f"; {event.reason}")]
        case ConfirmationPlanned():
            names = ", ".join(e.id for e in event.experiments)
            return [render.line(f"confirmation: {event.reason}{f'; {names}' if names else ''}")]
        case CampaignFinished():
            return [render.line(f"finished: {event.reason}")]
    return []


def deliberated(event: Hypothesised) -> list[Text]:
    """Return what became of asking the model, where one was to be asked."""
    found = event.deliberation
    if found is None:
        return []
    own = sum(bool(c.became) for c in found.contenders)
    wrong = sum(not r.is_call for r in found.rejected)
    said = f"{len(found.contenders)} proposals in order, {wrong} not; {own} are tested"
    if found.turn is not Turn.ANSWERED:
        said = "the optimiser plans without it"
    note = f" ({found.note})" if found.note else ""
    return [render.line(f"iteration {event.iteration}: model {found.turn.value}: {said}{note}")]


def finished_line(entry: ExperimentRecord, record: CampaignRecord) -> Text:
    """Return what came of an experiment, in a line."""
    head = render.line(f"  {entry.experiment.id} ", render.label(entry.experiment.candidate.label), "  ")
    if entry.failed:
        return render.line(head, render.text("failed: ", "red"), entry.failed)
    measured = render.values({m.property: m.quantity for m in entry.measurements}, record.goal)
    return render.line(head, measured, render.text(f"  {how_long(entry)}", "dim"))


def how_long(entry: ExperimentRecord) -> str:
    """Return the time that an experiment's calls took, or that they came from the cache."""
    if entry.results and all(r.cached for r in entry.results):
        return "cached"
    return render.duration(sum(r.wall_s for r in entry.results if not r.cached)) if entry.results else ""


class LiveDisplay:
    """Redraws the state of the running campaign in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # The display's own thread draws while the campaign's thread changes the record.
        self._lock = threading.Lock()
        self._record = CampaignRecord()
        self._campaign = ""
        self._began = 0.0
        self._spent_before_s = 0.0
        self._live: Live | None = None

    def follow(self, campaign: str, record: CampaignRecord) -> None:
        """Turn to a campaign."""
        with self._lock:
            self._campaign, self._record = campaign, record
            self._began, self._spent_before_s = time.monotonic(), record.spent_s

    def __call__(self, campaign: str, event: Event) -> None:
        """Take an event into what is drawn next."""
        if campaign == self._campaign:
            with self._lock:
                self._record.apply(event)

    def __enter__(self) -> Self:
        self._live = Live(
            console=self._console, get_renderable=self.frame, refresh_per_second=REFRESHES_PER_S
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def frame(self) -> RenderableType:
        """Return what the display shows now."""
        with self._lock:
            if self._record.started is None:
                return Text("")
            spent = self._spent_before_s + time.monotonic() - self._began
            return frame(self._campaign, self._record, spent_s=spent)


def frame(campaign: str, record: CampaignRecord, *, spent_s: float) -> RenderableType:
    """Return a running campaign's state: budget, the iteration's experiments, verdicts, best so far."""
    iteration = max((e.iteration for e in record.experiments.values()), default=max(record.plans, default=0))
    sealed = record.confirmation is not None and iteration == record.confirmation.iteration
    phase = "confirmation, sealed from the planner" if sealed else f"iteration {iteration}"
    head = render.line(render.text(campaign, "bold"), f"  {phase}  ", render.text(str(record.goal), "dim"))
    recalled = sum(len(r.observations) for r in record.recalls.values())
    known = f"; {recalled} measured candidates recalled" if recalled else ""
    return Group(
        head,
        budget_bar(record, spent_s=spent_s),
        experiments_now(record, iteration),
        render.fields(
            [
                ("verdicts", render.line(render.counts(record.verdicts), known)),
                ("best so far", render.best(record) or "not decided yet"),
                ("noise floor", render.noise(record.noise)),
                ("model", asked(record)),
            ]
        ),
    )


def asked(record: CampaignRecord) -> str | None:
    """Return how often the model was asked, where the planner asks one."""
    if record.started is None or record.started.model is None:
        return None
    return f"{record.started.model.name}, asked {len(record.exchanges)} times"


def budget_bar(record: CampaignRecord, *, spent_s: float) -> Table:
    """Return what is used of the budget, as a bar and in numbers."""
    budget = record.goal.budget
    done = sum(1 for e in record.experiments.values() if e.finished and not e.experiment.sealed)
    left = max(0, budget.experiments - record.experiments_used)
    limit = "" if budget.seconds is None else f" of {render.duration(budget.seconds)}"
    row = Table.grid(padding=(0, 2))
    row.add_row(
        ProgressBar(total=budget.experiments, completed=done, width=24),
        render.text(f"{done} of {budget.experiments} experiments, {left} not planned yet"),
        render.text(f"{render.duration(spent_s)}{limit}", "dim"),
    )
    return row


def experiments_now(record: CampaignRecord, iteration: int) -> RenderableType:
    """Return the experiments of an iteration with their predictions, states and results."""
    entries = [e for e in record.experiments.values() if e.iteration == iteration]
    planned = record.plans.get(iteration)
    if not entries:
        waiting = planned.hypotheses if planned else ()
        return render.table(
            ("hypothesis", "candidate", "predicted"),
            [(h.id, render.label(h.candidate.label), render.predictions(h)) for h in waiting[:ROWS]],
        )
    judged = {v.experiment: v for v in render.record_verdicts(record)}
    rows = []
    for entry in entries[:ROWS]:
        name = entry.experiment.id
        hypothesis = record.hypotheses[entry.experiment.hypothesis]
        measured = render.values({m.property: m.quantity for m in entry.measurements}, record.goal)
        state = running_state(entry)
        verdict = render.outcome(judged[name].outcome) if name in judged else Text("")
        rows.append(
            (
                name,
                render.label(hypothesis.candidate.label),
                render.predictions(hypothesis),
                state,
                measured or entry.failed or entry.refused,
                verdict,
            )
        )
    columns = ("experiment", "candidate", "predicted", "state", "measured", "verdict")
    more = len(entries) - ROWS
    shown = render.table(columns, rows)
    return Group(shown, render.text(f"… and {more} more", "dim")) if more > 0 else shown


def running_state(entry: ExperimentRecord) -> Text:
    """Return an experiment's state in a word with its colour."""
    state = render.experiment_state(entry)
    if state == "running or waiting":
        return Text("by hand" if entry.experiment.manual else "running", "yellow")
    return Text(state, {"done": "green", "failed": "red", "refused": "dim"}.get(state, ""))
