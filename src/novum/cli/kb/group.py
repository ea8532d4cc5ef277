"""The group ``novum kb``, to which the modules beside this one add their commands."""

import typer

HELP = "Search, read, correct and exchange the knowledge base."

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help=HELP,
    short_help=HELP,
    epilog="Example: novum kb search 'fluorine raises the gap'",
)


@app.callback()
def kb() -> None:
    """Search, read, correct and exchange what campaigns and documents taught.

    An item's id may be shortened to its beginning.
    """
