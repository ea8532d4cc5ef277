"""The group ``novum tools``, to which the modules beside this one add their commands."""

from typing import Annotated

import typer

HELP = "List, describe, call, write and check the tools."

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help=HELP,
    short_help=HELP,
    epilog="Example: novum tools run chemistry.descriptors smiles=CCO",
)

ToolArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The tool's name, as 'novum tools list' gives it.")
]


@app.callback()
def tools() -> None:
    """List, describe, call, write and check the tools."""
