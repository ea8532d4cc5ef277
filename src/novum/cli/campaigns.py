"""``novum campaigns``, ``novum show`` and ``novum report``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from novum.cli import pages, render
from novum.cli.options import (
    CampaignArgument,
    JsonOption,
    WorkspaceOption,
    examples,
    get_record,
    has_ledger,
    nearest,
    open_workspace,
)
from novum.cli.pursuit import find_control, find_scales, write_report
from novum.cli.terminal import err, show, to_json, write_json
from novum.core.errors import NotFoundError
from novum.core.judgement import calibration
from novum.core.record import CampaignRecord

if TYPE_CHECKING:
    from novum.memory.ledger import CampaignSummary, Ledger

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    "campaigns",
    short_help="List the campaigns of a workspace.",
    epilog=examples("novum campaigns", "novum campaigns --json | jq '.[].id'"),
)
def campaigns(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the campaigns of a workspace, oldest first."""
    with open_workspace(workspace, create=True) as opened:
        found = opened.ledger.campaigns() if has_ledger(opened.settings.workspace) else []
        if json:
            write_json([summary_json(s) for s in found])
            return
        if not found:
            folder = str(opened.settings.workspace)
            err().print(render.line(f"no campaigns in {folder!r} yet; 'novum run GOAL' starts one"))
            return
        rows = [
            (
                s.id,
                state_of(s),
                s.n_experiments,
                s.planner,
                s.started.astimezone().strftime("%Y-%m-%d %H:%M"),
                render.text(s.title or s.goal, limit=80),
            )
            for s in found
        ]
        show(render.table(("campaign", "state", "experiments>", "planner", "started", "goal"), rows))


def state_of(summary: "CampaignSummary") -> str:
    """Return where a campaign stands; one that has only been written down has not begun."""
    begun = summary.started != summary.last
    return summary.state.value if begun or summary.state.value == "running" else "not begun"


def summary_json(summary: "CampaignSummary") -> dict[str, Any]:
    """Return a campaign's line as JSON data."""
    return {
        "id": summary.id,
        "title": summary.title,
        "goal": summary.goal,
        "planner": summary.planner,
        "state": state_of(summary),
        "started": summary.started.isoformat(),
        "last": summary.last.isoformat(),
        "experiments": summary.n_experiments,
        "parent": summary.parent,
    }


@app.command(
    "show",
    short_help="Show a campaign, or one of its records.",
    epilog=examples(
        "novum show maximise-qed-1",
        "novum show maximise-qed-1 H007",
        "novum show maximise-qed-1 design/0 --json",
    ),
)
def show_campaign(
    campaign: CampaignArgument,
    record: Annotated[
        str | None,
        typer.Argument(
            metavar="RECORD",
            help="A hypothesis (H001), experiment (E001), claim (C001), candidate id, or event key.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show a campaign, or one of its records with every number, unit and uncertainty."""
    with open_workspace(workspace) as opened:
        rebuilt = get_record(opened, campaign)
        if record is not None:
            page, data = find_page(record, rebuilt, campaign, opened.ledger)
            if json:
                write_json(data())
            else:
                show(page())
            return
        summary = next(s for s in opened.ledger.campaigns() if s.id == campaign)
        control = find_control(opened, campaign)
        if json:
            write_json({**summary_json(summary), "control": control, **overview_json(rebuilt)})
        else:
            scales = find_scales(opened, rebuilt.goal) if rebuilt.started and rebuilt.started.model else None
            show(pages.overview(rebuilt, state=state_of(summary), control=control, scales=scales))


Page = tuple[Callable[[], RenderableType], Callable[[], Any]]
"""How a record looks, and what it is as JSON data."""


def find_page(name: str, record: CampaignRecord, campaign: str, ledger: "Ledger") -> Page:
    """Return the page of one record of a campaign.

    Raises:
        NotFoundError: the campaign has no such record, with the nearest names.
    """
    upper = name.upper()
    hypotheses: Mapping[str, Any] = {key.upper(): h for key, h in record.hypotheses.items()}
    candidates = {h.candidate.id for h in record.hypotheses.values()}
    candidates |= {o.candidate.id for o in record.observations()}
    if upper in hypotheses:
        hypothesis = hypotheses[upper]
        return lambda: pages.hypothesis(hypothesis, record), lambda: hypothesis_json(hypothesis, record)
    if upper in record.experiments:
        entry = record.experiments[upper]
        return lambda: pages.experiment(entry, record), lambda: experiment_json(upper, record)
    if upper in record.claims:
        claim = record.claims[upper]
        return lambda: pages.claim(claim), lambda: {"kind": "claim", **claim.model_dump(mode="json")}
    if name in candidates:
        return lambda: pages.candidate(name, record), lambda: candidate_json(name, record)
    found = next((r for r in ledger.records(campaign) if r.key == name), None)
    if found is None:
        keys = [r.key for r in ledger.records(campaign)]
        known = [*record.hypotheses, *record.experiments, *record.claims, *candidates, *keys]
        hint = nearest(name, known, listing="write H001, E001, C001, a candidate id or an event key")
        raise NotFoundError(f"campaign {campaign!r} has no record {name!r}{hint}")
    data = {
        "kind": "event",
        "ordinal": found.ordinal,
        "time": found.time.isoformat(),
        "key": found.key,
        "hash": found.hash,
        "event": found.event.model_dump(mode="json"),
    }
    return lambda: render.text(to_json(data, indent=2)), lambda: data


def hypothesis_json(hypothesis: Any, record: CampaignRecord) -> dict[str, Any]:
    """Return a hypothesis with its verdicts as JSON data."""
    judged = [v for v in render.record_verdicts(record) if v.hypothesis == hypothesis.id]
    return {
        "kind": "hypothesis",
        **hypothesis.model_dump(mode="json"),
        "registration": hypothesis.registration(),
        "verdicts": [v.model_dump(mode="json") for v in judged],
    }


def experiment_json(name: str, record: CampaignRecord) -> dict[str, Any]:
    """Return an experiment with what became of it as JSON data."""
    entry = record.experiments[name]
    return {
        "kind": "experiment",
        **entry.experiment.model_dump(mode="json"),
        "iteration": entry.iteration,
        "state": render.experiment_state(entry),
        "attempts": entry.attempts,
        "failed": entry.failed,
        "refused": entry.refused,
        "measurements": [m.model_dump(mode="json") for m in entry.measurements],
        "results": [r.model_dump(mode="json") for r in entry.results],
    }


def candidate_json(name: str, record: CampaignRecord) -> dict[str, Any]:
    """Return what a campaign says about one candidate as JSON data."""
    seen = next((o for o in record.observations() if o.candidate.id == name), None)
    about = [h for h in record.hypotheses.values() if h.candidate.id == name]
    candidate = seen.candidate if seen else about[0].candidate
    return {
        "kind": "candidate",
        **candidate.model_dump(mode="json"),
        "hypotheses": [h.id for h in about],
        "experiments": [n for n, e in record.experiments.items() if e.experiment.candidate.id == name],
        "observation": seen.model_dump(mode="json") if seen else None,
    }


def overview_json(record: CampaignRecord) -> dict[str, Any]:
    """Return a campaign's overview as JSON data."""
    assert record.started is not None
    best = render.find_best(record)
    tested = calibration(record.verdicts)
    return {
        "campaign": record.started.model_dump(mode="json"),
        "experiments_used": record.experiments_used,
        "spent_s": record.finished.spent_s if record.finished else record.spent_s,
        "best": best.model_dump(mode="json") if best else None,
        "iterations": [d.model_dump(mode="json") for d in record.decisions.values()],
        "verdicts": [v.model_dump(mode="json") for v in record.verdicts],
        "noise": {name: q.model_dump(mode="json") for name, q in record.noise.items()},
        "calibration": tested
        and {"n": tested.n, "coverage": tested.coverage, "level": tested.level, "rms_z": tested.rms_z},
        "claims": [c.model_dump(mode="json") for c in record.claims.values()],
        "deliberations": {str(i): d.model_dump(mode="json") for i, d in record.deliberations.items()},
        "worklist": [e.id for e in record.worklist],
        "reason": record.finished.reason if record.finished else None,
    }


@app.command(
    "report",
    short_help="Write a campaign's report, as Markdown and HTML.",
    epilog=examples("novum report maximise-qed-1", "novum report maximise-qed-1 -o paper/"),
)
def report(
    campaign: CampaignArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="The folder to write to.  [default: WORKSPACE/reports]"
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Write a campaign's report, as Markdown and as one HTML file that needs nothing else.

    It may be written at any time; a campaign under way gives the report of what is known so far.
    """
    with open_workspace(workspace) as opened:
        record = get_record(opened, campaign)
        control = find_control(opened, campaign)
        paths = write_report(opened, campaign, record, control=control, folder=output)
        if json:
            write_json({name: str(path) for name, path in paths.items()})
        else:
            show(render.fields([("report", str(paths["html"])), ("", str(paths["markdown"]))]))
