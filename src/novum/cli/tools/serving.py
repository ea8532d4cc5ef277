"""Bringing in the tools of MCP servers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from novum.cli import render
from novum.cli.options import JsonOption, SandboxOption, examples
from novum.cli.terminal import err, out, show, write_json
from novum.cli.tools.group import app
from novum.cli.tools.reading import open_tools, properties
from novum.cli.tools.trusting import YesOption, confirm
from novum.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from novum.tools.described import DescribedTool
    from novum.tools.mcp.servers import Server
    from novum.tools.registry import BrokenTool

ServerArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="What to call the server: lower-case letters and digits.")
]


@app.command(
    "add-mcp",
    epilog=examples(
        "novum tools add-mcp time -- mcp-server-time",
        "novum tools add-mcp lab http://127.0.0.1:8000/mcp --token-env LAB_TOKEN",
    ),
)
def add_mcp(
    name: ServerArgument,
    command: Annotated[
        list[str],
        typer.Argument(metavar="URL | -- COMMAND...", help="Its address, or the command that starts it."),
    ],
    show_folder: Annotated[
        list[Path] | None,
        typer.Option("--show", metavar="DIR", help="A folder that its sandbox shows it, read-only."),
    ] = None,
    token_env: Annotated[
        str, typer.Option("--token-env", metavar="NAME", help="Variable that holds the token of its address.")
    ] = "",
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="For each of its answers.")
    ] = 60.0,
    memory: Annotated[int, typer.Option("--memory", metavar="MB", help="What it may use at most.")] = 1024,
    yes: YesOption = False,
    sandbox: SandboxOption = None,
    json: JsonOption = False,
) -> None:
    """Add the tools of an MCP server, and trust them as they are now.

    A command runs in the sandbox, anew for each call, without a network and without your files. An
    address is reached from the sandbox, and nothing else is; it must be https, or on this machine. What
    a server says is taken as data. A tool that it later describes otherwise is refused.
    """
    from pydantic import ValidationError

    from novum.tools.mcp.servers import Server, ask, checked_server, offered

    remote = len(command) == 1 and "://" in command[0]
    if remote and show_folder:
        raise UsageError("--show is for a command: a server at an address sees no folder of this machine")
    try:
        given = Server(
            name=name,
            command=() if remote else tuple(command),
            url=command[0] if remote else "",
            token_env=token_env,
            shown=tuple(str(folder) for folder in show_folder or ()),
            timeout_s=timeout,
            memory_mb=memory,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    with open_tools(sandbox) as opened:
        server = ask(checked_server(given, Path.cwd()), opened.sandbox)
        found = list(offered(server))
        if not json:
            (out() if yes else err()).print(_asked_for(server))
            (out() if yes else err()).print(_listed(found))
        confirm(f"Add the MCP server {name} and trust it?", yes=yes)
        opened.servers.add(server)
        from novum.tools.described import DescribedTool

        trusted = [opened.trust.add(one).tool for one in found if isinstance(one, DescribedTool)]
    if json:
        broken = {one.name: one.error for one in found if not isinstance(one, DescribedTool)}
        write_json({"server": name, "version": server.version, "tools": trusted, "broken": broken})
    else:
        show(render.text(f"{name} is added, with {len(trusted)} tools"))


@app.command("remove-mcp", epilog=examples("novum tools remove-mcp time"))
def remove_mcp(name: ServerArgument) -> None:
    """Forget an MCP server, its tools, and what was granted to them."""
    with open_tools() as opened:
        from novum.tools.described import DescribedTool
        from novum.tools.mcp.servers import offered

        server = opened.servers.remove(name)
        for one in offered(server):
            if isinstance(one, DescribedTool):
                opened.trust.withdraw(one.spec.name)
    show(render.text(f"{name} is removed"))


def _asked_for(server: "Server") -> "RenderableType":
    if server.url:
        rights = f"reached from the sandbox, which reaches {', '.join(server.hosts)} and nothing else"
    else:
        rights = f"in the sandbox, {server.memory_mb} MB, without a network"
    return render.fields(
        [
            ("MCP server", render.text(server.name, "bold")),
            ("at" if server.url else "command", server.origin),
            ("version", render.text(server.version, limit=50)),
            ("runs", rights),
            ("files to read", ", ".join(server.shown) or "none of yours"),
            ("it gets", "the arguments of each call" + (", and its token" if server.token_env else "")),
        ]
    )


def _listed(found: "list[DescribedTool | BrokenTool]") -> "RenderableType":
    from novum.tools.described import DescribedTool

    rows = [
        (one.spec.name, properties(one.spec) or "text", render.text(one.spec.description, limit=100))
        if isinstance(one, DescribedTool)
        else (one.name, "cannot be used", one.error)
        for one in found
    ]
    return render.table(("tool", "gives", "description"), rows)
