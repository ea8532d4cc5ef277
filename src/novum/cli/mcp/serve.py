"""``novum mcp serve``: novum's tools, campaigns and knowledge for any MCP client."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from novum.cli import render
from novum.cli.options import SandboxOption, WorkspaceOption, examples, open_workspace
from novum.cli.terminal import err

if TYPE_CHECKING:
    from mcp.server import Server

HELP = "Offer tools, campaigns and knowledge to MCP clients."

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help=HELP,
    short_help=HELP,
    epilog="Example: novum mcp serve",
)


@app.callback()
def mcp() -> None:
    """Offer tools, campaigns and knowledge to MCP clients."""


@app.command("serve", epilog=examples("novum mcp serve", "novum mcp serve --http --port 8765"))
def serve(
    http: Annotated[
        bool, typer.Option("--http", help="Listen on loopback, instead of standard input.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="N", help="With --http.")] = 8765,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Offer what can be read, and run nothing.")
    ] = False,
    local_model: Annotated[
        bool,
        typer.Option(
            "--local-model", help="The client's model runs on this machine: it may read what is restricted."
        ),
    ] = False,
    sandbox: SandboxOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Offer novum's tools, campaigns and knowledge base to an MCP client.

    Without options it speaks over standard input and output, to the client that started it. With --http
    it listens on 127.0.0.1, for clients that bring the token: from the variable NOVUM_MCP_TOKEN, or
    from a file that it makes for you alone. Tools that you have not trusted are not offered.
    """
    from novum.cli.mcp.offers import offers
    from novum.cli.mcp.protocol import make_server
    from novum.core.access import Destination

    to = Destination.LOCAL if local_model else Destination.REMOTE_MODEL
    with open_workspace(workspace, create=True, sandbox=sandbox) as opened:
        server = make_server(offers(opened, to=to, read_only=read_only))
        if http:
            _over_http(server, port)
        else:
            _over_stdio(server)


def _over_stdio(server: "Server[Any]") -> None:
    import anyio
    from mcp.server.stdio import stdio_server

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def _over_http(server: "Server[Any]", port: int) -> None:
    import uvicorn

    from novum.cli.mcp.http import ADDRESS, PATH, load_token, make_app
    from novum.core.settings import user_file

    token, place = load_token(user_file().parent)
    # neither requests nor headers are logged: a token is in each
    config = uvicorn.Config(
        make_app(server, token=token, port=port),
        host=ADDRESS,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
    )
    err().print(render.text(f"listening on http://{ADDRESS}:{port}{PATH}; the token is in {place}"))
    uvicorn.Server(config).run()
