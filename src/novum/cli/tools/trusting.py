"""Granting the tools of others what they ask for."""

from typing import TYPE_CHECKING, Annotated

import typer

from novum.cli import render
from novum.cli.approval import is_interactive
from novum.cli.options import JsonOption, SandboxOption, examples
from novum.cli.terminal import err, out, show, write_json
from novum.cli.tools.group import ToolArgument, app
from novum.cli.tools.reading import open_tools
from novum.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from novum.tools.described import DescribedTool

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command(
    "trust", epilog=examples("novum tools trust lab.settling", "novum tools trust lab.settling --withdraw")
)
def trust_tool(
    name: ToolArgument,
    yes: YesOption = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take back what was granted.")] = False,
    sandbox: SandboxOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a plugin's tool asks for, and grant it.

    The grant holds for exactly the code that is there now; changed code asks again. It is yours, and not
    a folder's: it lies beside your own settings.
    """
    with open_tools(sandbox) as opened:
        if withdraw:
            n = opened.trust.withdraw(name)
            if not n:
                raise NotFoundError(f"nothing was granted to {name!r}")
            show(render.text(f"{name}: {n} {'grant' if n == 1 else 'grants'} taken back"))
            return
        found = opened.registry.get(name)
        from novum.tools.described import DescribedTool

        if not isinstance(found, DescribedTool):
            raise UsageError(f"tool {name!r} comes with novum and needs no trust")
        if not json:
            (out() if yes else err()).print(asked_for(found))
        confirm(f"Trust {name}?", yes=yes)
        granted = opened.trust.add(found)
    if json:
        write_json(granted.model_dump(mode="json"))
    else:
        show(render.text(f"{name} is trusted, with the code {granted.code[:16]}…"))


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person.

    Raises:
        UsageError: nobody can be asked, or the answer was no.
    """
    if yes:
        return
    if not is_interactive():
        raise UsageError(f"{question} Nobody can be asked here; --yes says so")
    if not typer.confirm(question, default=False):
        raise UsageError("nothing was granted")


def asked_for(tool: "DescribedTool") -> "RenderableType":
    """Return what a tool asks for, for people."""
    needs = tool.needs
    return render.fields(
        [
            ("tool", render.text(f"{tool.spec.name}@{tool.spec.version}", "bold")),
            ("from", tool.origin),
            ("says", render.text(tool.spec.description, limit=300)),
            ("code", tool.code),
            ("packages", ", ".join(needs.libraries) or "none"),
            ("files to read", ", ".join(needs.files) or "none"),
            ("network hosts", ", ".join(needs.hosts) or "none"),
            ("accelerator", "yes" if needs.gpu else "no"),
            ("limits", f"{render.duration(needs.timeout_s)}, {needs.memory_mb} MB"),
        ]
    )
