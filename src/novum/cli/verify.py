"""``novum verify``: a campaign held against its own ledger or another campaign, or a crate against itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from novum.cli import render
from novum.cli.options import (
    JsonOption,
    WorkspaceOption,
    complete_campaign,
    examples,
    is_crate,
    open_workspace,
    require_campaign,
)
from novum.cli.terminal import show, write_json
from novum.core.digest import canonical_json
from novum.core.errors import EvidenceError, NotFoundError, UsageError
from novum.core.record import CampaignRecord

if TYPE_CHECKING:
    from novum.knowledge_base.audit import Seen
    from novum.memory.ledger import Ledger
    from novum.runtime import Workspace
    from novum.workflows.replay import Difference

app = typer.Typer(rich_markup_mode=None, add_completion=False)

SHOWN = 5
"""Differences named one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked; `ok` is None where it could not be."""

    name: str
    ok: bool | None
    said: str
    differences: tuple["Difference", ...] = ()


@app.command(
    "verify",
    short_help="Check a campaign against its own ledger, or a crate.",
    epilog=examples(
        "novum verify maximise-qed-1",
        "novum verify maximise-qed-1 maximise-qed-2",
        "novum verify gaps.zip --digest 9f86d081884c7d65…",
    ),
)
def verify(
    campaign: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN|CRATE",
            help="The campaign's name, as 'novum campaigns' lists it; or a crate: ./FOLDER or a .zip file.",
            autocompletion=complete_campaign,
        ),
    ],
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="OTHER",
            help="A second campaign, to hold the decisions against.",
            autocompletion=complete_campaign,
        ),
    ] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay/--no-replay", help="Decide a finished campaign again, from its record."),
    ] = True,
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="SHA256", help="What the digest of a crate has to be.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Check a campaign against its own ledger: chain, registrations, verdicts, decisions.

    No tool runs: results come from the record. What the campaign saw of the knowledge base has to be in it
    still. With OTHER, say whether both decided the same. Whatever is
    not as recorded is named, and the exit code is 5.

    A crate, as 'novum kb export' writes it, is checked with nothing but the crate: every file, every
    version, and the chain from one to the next. That it comes from whom you think shows its digest only.
    """
    if is_crate(campaign):
        if other is not None:
            raise UsageError("a crate is checked by itself; 'novum kb diff A B' compares two")
        verify_crate(Path(campaign), digest, json=json)
        return
    if digest is not None:
        raise UsageError("--digest is of a crate; write a folder as ./crate, or a .zip file")
    with open_workspace(workspace) as opened:
        require_campaign(opened, campaign)
        if other is not None:
            require_campaign(opened, other)
        checks = [check_chain(opened.ledger, campaign)]
        digest = ""
        if checks[0].ok:  # records of a broken chain are not evidence of anything
            checks += check_record(opened.record(campaign))
            checks.append(check_decisions(opened, campaign, replay=replay))
            checks.append(check_knowledge(opened, campaign))
            digest = opened.ledger.decision_digest(campaign)
        if other is not None and checks[0].ok:
            checks.append(compare(opened.ledger, campaign, other))
    wrong = [c.name for c in checks if c.ok is False]
    if json:
        write_json(
            {
                "campaign": campaign,
                "ok": not wrong,
                "decisions": digest,
                "checks": [check_json(c) for c in checks],
            }
        )
    else:
        show(*describe(campaign, digest, checks))
    if wrong:
        raise EvidenceError(f"campaign {campaign!r} does not hold: {', '.join(wrong)}")


def verify_crate(path: Path, digest: str | None, *, json: bool) -> None:
    """Check a crate, and print what was checked.

    Raises:
        EvidenceError: it is not as it was exported.
        NotFoundError: it is not there.
    """
    from novum.knowledge_base.exchange.reading import CrateError
    from novum.knowledge_base.exchange.verify import verify_crate as check

    if not path.exists():
        raise NotFoundError(f"there is no crate {str(path)!r}; a crate is a folder or a .zip file")
    try:
        found = check(path, digest=digest)
    except CrateError as error:
        if json:
            write_json({"crate": str(path), "ok": False, "fault": str(error)})
        raise EvidenceError(f"crate {str(path)!r} does not hold: {error}") from error
    if json:
        counts = {name: getattr(found, name) for name in ("n_files", "n_items", "n_versions", "n_left_out")}
        write_json({"crate": str(path), "ok": True, "name": found.name, "digest": found.digest, **counts})
        return
    gaps = f"; {found.n_left_out} others were not exported" if found.n_left_out else ""
    rows = [
        ("files", Text("ok", "green"), f"{found.n_files} are those that were exported"),
        ("versions", Text("ok", "green"), f"{found.n_versions} of {found.n_items} items, each by its hash"),
        ("hash chain", Text("ok", "green"), f"each version follows the one before it{gaps}"),
        (
            "digest",
            Text("ok", "green") if digest else Text("not compared", "yellow"),
            f"sha256 {found.digest}" + ("" if digest else "; ask its author whether it is this one"),
        ),
    ]
    show(render.line("crate ", render.text(found.name, "bold")), render.table(("check", "", "found"), rows))


def check_chain(ledger: "Ledger", campaign: str) -> Check:
    """Check that no record was changed, removed or put in."""
    found = ledger.verify(campaign)
    if found.ok:
        return Check("hash chain", True, f"{found.n_records} records, head {found.head}")
    return Check("hash chain", False, f"record {found.bad}: {found.reason}")


def check_record(record: CampaignRecord) -> Iterator[Check]:
    """Check the arithmetic of a record: registrations and verdicts."""
    from novum.workflows.replay import check_registrations, check_verdicts

    hypotheses, judged = len(record.hypotheses), len(render.record_verdicts(record))
    wrong = check_registrations(record)
    yield _check("registrations", wrong, f"{hypotheses} hypotheses predict what was registered")
    wrong = check_verdicts(record)
    yield _check("verdicts", wrong, f"{judged} verdicts follow from predictions and measurements")


def check_decisions(workspace: "Workspace", campaign: str, *, replay: bool) -> Check:
    """Check every decision by deciding again, where that is asked for and the campaign has finished."""
    from novum.workflows import replay as replays

    if not replay:
        return Check("decisions", None, "not decided again: --no-replay")
    if workspace.ledger.find(campaign, "finished") is None:
        return Check("decisions", None, "not decided again: the campaign has not finished")
    wrong = replays.replay(workspace.ledger.events(campaign), workspace.registry, workspace.open_planner)
    if wrong and (other := _other_code(workspace, campaign)):
        said = f"{len(wrong)} come out otherwise, but other code decided then: {other}"
        return Check("decisions", None, said, tuple(wrong))
    return _check("decisions", wrong, "decided again from the record, all the same")


def check_knowledge(workspace: "Workspace", campaign: str) -> Check:
    """Check that what the campaign taught is in the knowledge base still: as its chain ended then."""
    from novum.knowledge_base.audit import missing

    noted = noted_heads(workspace, [campaign])
    if not noted:
        return Check("knowledge base", None, "the campaign noted none")
    if not (workspace.settings.workspace / "knowledge").is_dir():
        return Check("knowledge base", False, "there is none any more")
    gone = missing(workspace.knowledge.items.database, noted)
    if gone:
        return Check("knowledge base", False, "; ".join(gone))
    return Check("knowledge base", True, f"{len(noted)} ends of its chain that were noted are in it")


def noted_heads(workspace: "Workspace", campaigns: Iterable[str]) -> "list[Seen]":
    """Return where the chain of the knowledge base ended, as campaigns noted it."""
    from novum.knowledge_base.audit import Seen

    return [
        Seen(f"campaign {campaign}, {key}", head.position, head.hash)
        for campaign in campaigns
        for key, head in workspace.record(campaign).heads.items()
    ]


def _other_code(workspace: "Workspace", campaign: str) -> str:
    """Return how the code and libraries that decided differ from these; empty where they do not."""
    from novum.runtime import recorded_versions

    started = workspace.record(campaign).started
    then, now = started.versions if started else {}, recorded_versions()
    return ", ".join(
        f"{name} {then[name]} → {now.get(name, 'absent')}" for name in then if then[name] != now.get(name)
    )


def _check(name: str, wrong: "list[Difference]", fine: str) -> Check:
    if not wrong:
        return Check(name, True, fine)
    return Check(name, False, f"{len(wrong)} differ from the record", tuple(wrong))


def compare(ledger: "Ledger", campaign: str, other: str) -> Check:
    """Check that two campaigns decided the same, and say where they first did not."""
    from novum.workflows.replay import Difference

    name = f"same as {other}"
    if ledger.decision_digest(campaign) == ledger.decision_digest(other):
        return Check(name, True, "both made the same decisions")
    ours, theirs = decisions(ledger, campaign), decisions(ledger, other)
    for key in dict.fromkeys([*ours, *theirs]):
        one, two = ours.get(key, "nothing"), theirs.get(key, "nothing")
        if one != two:
            start = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
            begin = max(0, start - 40)
            difference = Difference(key, one[begin : start + 80], two[begin : start + 80])
            return Check(name, False, f"they first differ at {key!r}", (difference,))
    return Check(name, False, "they made the same decisions in another order")


def decisions(ledger: "Ledger", campaign: str) -> dict[str, str]:
    """Return the decisive part of every event by its key."""
    return {
        event.key(): canonical_json(decision)
        for event in ledger.events(campaign)
        if (decision := event.decision()) is not None
    }


def describe(campaign: str, digest: str, checks: list[Check]) -> list[Any]:
    """Return the checks as a table, with their first differences."""
    marks = {True: Text("ok", "green"), False: Text("wrong", "bold red"), None: Text("skipped", "yellow")}
    shown: list[Any] = [render.table(("check", "", "found"), [(c.name, marks[c.ok], c.said) for c in checks])]
    for check in checks:
        for d in check.differences[:SHOWN]:
            shown.append(render.line(render.text(f"{check.name}, {d.where}", "bold")))
            shown.append(render.fields([("  recorded", d.recorded), ("  found", d.found)]))
        if len(check.differences) > SHOWN:
            shown.append(render.line(f"… and {len(check.differences) - SHOWN} more"))
    if digest:
        shown.append(render.fields([("decisions", f"sha256 {digest}"), ("campaign", campaign)]))
    return shown


def check_json(check: Check) -> dict[str, Any]:
    """Return a check as JSON data."""
    return {
        "name": check.name,
        "ok": check.ok,
        "found": check.said,
        "differences": [
            {"where": d.where, "recorded": d.recorded, "found": d.found} for d in check.differences
        ],
    }
