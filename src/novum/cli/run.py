"""``novum run`` and ``novum resume``."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from novum.cli.approval import is_interactive, open_approver
from novum.cli.goals import Reading, read_goal
from novum.cli.options import (
    CampaignArgument,
    SandboxOption,
    WorkspaceOption,
    examples,
    get_record,
    open_workspace,
)
from novum.cli.pursuit import Pursuit, create_control, find_control, go_on
from novum.cli.stopping import stopping_in_order
from novum.cli.watch import open_watch
from novum.core.errors import UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


class Control(StrEnum):
    """What a campaign is compared with."""

    NONE = "none"
    RANDOM = "random"
    OPTIMIZER = "optimizer"


WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", help="Experiments at the same time.  [default: all cores]"),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show the findings only, no progress.")]


@app.command(
    "run",
    short_help="Pursue a goal: hypothesis, experiment, validation, report.",
    epilog=examples(
        "novum run goal.yaml",
        "novum run 'maximise qed; logp between 1 and 3; heavy_atoms <= 20' --experiments 24 --seed 7",
        "novum run goal.yaml --control random",
        "novum run goal.yaml --model mini --control optimizer",
        "novum run 'a drug-like molecule with at most 20 heavy atoms' --model mini --save goal.yaml",
        "novum run goal.yaml --json | jq .type",
    ),
)
def run(
    goal: Annotated[
        str,
        typer.Argument(
            metavar="GOAL",
            help="A goal file (YAML), a goal in a sentence, or prose that a model reads.",
        ),
    ],
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, metavar="N", help="Fixes every random choice.")
    ] = None,
    experiments: Annotated[
        int | None,
        typer.Option("--experiments", "-n", min=1, metavar="N", help="How many candidates to examine."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option("--batch", min=1, metavar="N", help="Experiments planned together in one iteration."),
    ] = None,
    seconds: Annotated[
        int | None, typer.Option("--seconds", min=1, metavar="S", help="Wall-clock time to stop after.")
    ] = None,
    planner: Annotated[
        str | None,
        typer.Option("--planner", metavar="NAME", help="Who proposes: optimizer, scientist, random or auto."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="The language model that the scientist asks."),
    ] = None,
    control: Annotated[
        Control,
        typer.Option("--control", help="Run the same goal again with another planner, to compare."),
    ] = Control.NONE,
    approve: Annotated[
        bool, typer.Option("--approve", help="Ask a person before each batch of experiments runs.")
    ] = False,
    recall: Annotated[
        bool, typer.Option("--recall/--no-recall", help="Start from what earlier campaigns learned.")
    ] = True,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Run a goal that a model wrote without asking; it is shown."),
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write a goal that a model wrote to this file."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="CAMPAIGN", help="The campaign's name.  [default: made from the goal]"
        ),
    ] = None,
    workers: WorkersOption = None,
    sandbox: SandboxOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print every event as one line of JSON.")] = False,
) -> None:
    """Pursue a goal: hypothesis, experiment, validation, report.

    GOAL is a YAML file, as 'novum init' writes one, or a sentence of clauses joined by ';'. Values in a
    goal file are replaced by the options given here. Of any other text a language model makes a goal file,
    which is shown, with what the text does not say marked, and runs only if you agree. Ctrl-C stops in
    order; 'novum resume' goes on.
    """
    check_name(name)
    watch = open_watch(json=json, quiet=quiet)
    with (
        stopping_in_order(watch) as listener,
        open_workspace(
            workspace,
            create=True,
            listener=listener,
            planner=planner or ("scientist" if model else None),
            model=model,
            workers=workers,
            sandbox=sandbox,
        ) as opened,
    ):
        wanted = read_goal(
            opened,
            goal,
            Reading(model=model, yes=yes, save=save, json=json),
            seed=seed,
            experiments=experiments,
            batch=batch,
            seconds=seconds,
        )
        campaign = opened.discovery.create(
            wanted, planner=opened.chosen_planner, recall=recall, approve=approve, campaign=name
        )
        if control is not Control.NONE:
            create_control(opened, campaign, wanted, planner=control.value, approve=approve)
        approver = open_approver(None, None, interactive=is_interactive() and not json)
        go_on(Pursuit(opened, watch, approver, given=workspace, json=json), campaign)


@app.command(
    "resume",
    short_help="Go on with a campaign that was stopped, killed, or waits.",
    epilog=examples("novum resume maximise-qed-1", "novum resume maximise-qed-1 --approve E001,E003"),
)
def resume(
    campaign: CampaignArgument,
    approve: Annotated[
        str | None,
        typer.Option(
            "--approve",
            metavar="WHICH",
            help="Which of the waiting experiments may run: all, none, or ids as E001,E003.",
        ),
    ] = None,
    control: Annotated[
        Control, typer.Option("--control", help="Add a control arm to a campaign that has none.")
    ] = Control.NONE,
    workers: WorkersOption = None,
    sandbox: SandboxOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print every event as one line of JSON.")] = False,
) -> None:
    """Go on with a campaign that was stopped, killed, or waits.

    Nothing that has a result runs again. A control arm goes on as well; naming it means the pair.
    """
    watch = open_watch(json=json, quiet=quiet)
    with (
        stopping_in_order(watch) as listener,
        open_workspace(workspace, listener=listener, workers=workers, sandbox=sandbox) as opened,
    ):
        record = get_record(opened, campaign)
        assert record.started is not None
        approver = open_approver(approve, record, interactive=is_interactive() and not json)
        leader = record.started.parent or campaign
        if control is not Control.NONE and find_control(opened, leader) is None:
            create_control(opened, leader, record.goal, planner=control.value, approve=record.started.approve)
        go_on(Pursuit(opened, watch, approver, given=workspace, json=json), leader)


def check_name(name: str | None) -> None:
    """Check that a campaign's name can be typed and can name a file.

    Raises:
        UsageError: it cannot.
    """
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise UsageError(
            f"{name!r} cannot name a campaign; use up to 80 letters, digits, '.', '_' and '-', "
            "and begin with a letter or digit"
        )
