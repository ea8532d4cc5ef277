"""The group ``novum model``, to which the modules beside this one add their commands, and what they share."""

from typing import Annotated

import typer

from novum.cli.options import nearest
from novum.core.errors import NotFoundError, UsageError
from novum.core.model_entry import NAME, ModelEntry
from novum.core.settings import Settings

HELP = "Serve language models, make them known, and try what they can do."

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help=HELP,
    short_help=HELP,
    epilog="Example: novum model add mini http://127.0.0.1:8000/v1 --model internlm/Intern-S1-mini",
)


@app.callback()
def model() -> None:
    """Serve language models, make them known, and try what they can do.

    A model is a name in the settings for the address of an OpenAI-compatible server. No key is stored,
    only the name of the environment variable that holds it.
    """


UserOption = Annotated[
    bool, typer.Option("--user", help="Write to your own settings file, not to ./novum.toml.")
]


def check_name(name: str) -> None:
    """Check that a model may be called so.

    Raises:
        UsageError: it may not.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a model: letters, digits, '.', '_' and '-', 64 at most")


def get_entry(settings: Settings, name: str | None) -> tuple[str, ModelEntry]:
    """Return a model of the settings with its name; the default without one.

    Raises:
        NotFoundError: there is none of that name, with the nearest.
    """
    if name is not None and name not in settings.models:
        hint = nearest(name, settings.models, listing="'novum model list' lists them")
        raise NotFoundError(f"there is no model {name!r}{hint}")
    return settings.get_model(name)
