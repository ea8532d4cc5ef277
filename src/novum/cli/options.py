"""What several commands share: options, the workspace, a campaign by its name."""

import difflib
import shlex
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from novum.core.errors import NotFoundError

if TYPE_CHECKING:
    from novum.core.events import Event
    from novum.core.record import CampaignRecord
    from novum.runtime import Workspace

LEDGER = "ledger.sqlite3"


def complete_campaign(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the campaigns whose names begin like `incomplete`; none where there is no ledger.

    The ledger's own class is not used: it loads far more than a key press may wait for.
    """
    folder = ctx.params.get("workspace")
    if folder is None:
        from novum.core.settings import load_settings

        folder = load_settings().workspace
    file = Path(folder) / LEDGER
    if not file.is_file():
        return []
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=0.2)
        ) as connection:
            rows = connection.execute("SELECT campaign FROM heads ORDER BY campaign").fetchall()
    except sqlite3.Error:  # a key press is no place to complain
        return []
    return [name for (name,) in rows if name.startswith(incomplete)]


WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", metavar="DIR", help="The workspace's folder.  [default: .novum]"),
]
SandboxOption = Annotated[
    str | None,
    typer.Option(
        "--sandbox",
        metavar="NAME",
        help="Isolation of the tools: auto, docker, namespace or landlock.  [default: auto]",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
CampaignArgument = Annotated[
    str,
    typer.Argument(
        metavar="CAMPAIGN",
        help="The campaign's name, as 'novum campaigns' lists it.",
        autocompletion=complete_campaign,
    ),
]


def examples(*lines: str) -> str:
    """Return an epilog that shows `lines` as they are."""
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


def open_workspace(
    folder: Path | None,
    *,
    create: bool = False,
    listener: "Callable[[str, Event], None] | None" = None,
    **settings: Any,
) -> "Workspace":
    """Return the workspace to use.

    Args:
        folder: what ``--workspace`` said, if anything.
        create: whether it may be made; reading commands leave no empty folder behind.
        listener: called with campaign and event after each event is on disk.
        **settings: other settings from the command line; None leaves one as it is.

    Raises:
        NotFoundError: there is none, and it may not be made.
        SettingsError: a setting is unknown or out of range.
    """
    from novum.core.settings import load_settings
    from novum.runtime import Workspace

    chosen = load_settings(workspace=folder, **settings)
    if not create and not has_ledger(chosen.workspace):
        raise NotFoundError(
            f"there is no workspace in {str(chosen.workspace)!r}; 'novum run' makes one, "
            "--workspace names another"
        )
    return Workspace(chosen, listener=listener)


def has_ledger(folder: Path) -> bool:
    """Say whether campaigns were ever run in this workspace."""
    return (folder / LEDGER).is_file()


def get_record(workspace: "Workspace", campaign: str) -> "CampaignRecord":
    """Return a campaign, rebuilt from its ledger.

    Raises:
        NotFoundError: there is no such campaign, with the nearest names.
    """
    require_campaign(workspace, campaign)
    return workspace.record(campaign)


def require_campaign(workspace: "Workspace", campaign: str) -> None:
    """Check that a campaign exists.

    Raises:
        NotFoundError: it does not, with the nearest names.
    """
    if not workspace.ledger.exists(campaign):
        known = [summary.id for summary in workspace.ledger.campaigns()]
        raise NotFoundError(f"there is no campaign {campaign!r}{nearest(campaign, known)}")


def nearest(word: str, known: Iterable[str], *, listing: str = "'novum campaigns' lists them") -> str:
    """Return the end of a message that offers what `word` may have meant.

    Example:
        >>> nearest("qed-2", ["qed-1", "logp"])
        "; did you mean 'qed-1'?"
    """
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; {listing}"


def is_crate(name: str) -> bool:
    """Say whether a name means a crate: a ``.zip``, a path with a ``/``, or a folder that is one."""
    path = Path(name)
    if "/" in name or path.suffix.lower() == ".zip":
        return True
    return any((path / file).is_file() for file in ("ro-crate-metadata.json", "manifest-sha256.txt"))


def command(*words: str, workspace: Path | None) -> str:
    """Return a command line that can be pasted, with ``--workspace`` where it was given.

    Example:
        >>> command("show", "qed-1", workspace=Path("my lab"))
        "novum show qed-1 --workspace 'my lab'"
    """
    where = [] if workspace is None else ["--workspace", str(workspace)]
    return shlex.join(["novum", *words, *where])
