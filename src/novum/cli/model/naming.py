"""``novum model add``, ``use`` and ``remove``: which models there are."""

from typing import Annotated

import typer
from pydantic import ValidationError

from novum.cli import render
from novum.cli.model.group import UserOption, app, check_name, get_entry
from novum.cli.options import examples
from novum.cli.terminal import err
from novum.core.errors import NotFoundError, SettingsError, UsageError
from novum.core.model_entry import ENGINE_NAMES, ModelEntry
from novum.core.settings import load_settings, user_file

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What you call the model.")]


@app.command(
    "add",
    epilog=examples(
        "novum model add mini http://127.0.0.1:8000/v1 --model internlm/Intern-S1-mini",
        "novum model add hosted https://llm.example.org/v1 --model s2 --key-variable LAB_LLM_KEY --user",
    ),
)
def add(
    name: NameArgument,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The server's address, as http://127.0.0.1:8000/v1.")
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="ID", help="The name under which the server knows it.")
    ],
    family: Annotated[
        str, typer.Option("--family", metavar="NAME", help="Whose habits it has, as intern-s1-mini.")
    ] = "generic",
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="NAME", help=f"What serves it: {', '.join(ENGINE_NAMES)}."),
    ] = None,
    key_variable: Annotated[
        str | None,
        typer.Option(
            "--key-variable",
            metavar="VARIABLE",
            help="The environment variable that holds the key; never the key.",
        ),
    ] = None,
    context: Annotated[
        int | None, typer.Option("--context", metavar="N", help="Most tokens of prompt and answer together.")
    ] = None,
    price_prompt: Annotated[
        float | None, typer.Option("--price-prompt", metavar="P", help="Price of a million tokens read.")
    ] = None,
    price_completion: Annotated[
        float | None,
        typer.Option("--price-completion", metavar="P", help="Price of a million tokens written."),
    ] = None,
    currency: Annotated[str, typer.Option("--currency", metavar="CODE", help="Of the prices.")] = "USD",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of that name.")] = False,
    user: UserOption = False,
) -> None:
    """Make a server's model known under a name of yours.

    Nothing is sent to it; 'novum model check NAME' tries it. Where the host is not this machine, what is
    restricted is never sent.
    """
    check_name(name)
    if name in load_settings().models and not replace:
        raise UsageError(f"there is a model {name!r} already; --replace replaces it")
    entry = make_entry(
        base_url=url,
        model=model,
        family=family,
        engine=engine,
        api_key_env=key_variable,
        context_tokens=context,
        price_prompt=price_prompt,
        price_completion=price_completion,
        currency=currency,
    )
    file = write_entry(name, entry, user=user)
    where = "a remote server: nothing restricted is sent to it" if entry.is_remote else "on this machine"
    err().print(render.line(f"{name} is in {file}; {where}"))


def make_entry(**keys: object) -> ModelEntry:
    """Return the entry of those keys.

    Raises:
        SettingsError: a key does not fit, and is not repeated, or no such family is known.
    """
    from novum.agents.models.profiles import get_profile

    try:
        entry = ModelEntry.model_validate(keys)
        get_profile(entry.family)
        return entry
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise SettingsError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def write_entry(name: str, entry: ModelEntry, *, user: bool) -> str:
    """Write a model into a settings file and return the file's path.

    Raises:
        SettingsError: the file is not TOML.
        UsageError: it cannot be written.
    """
    from novum.cli.model.settings_file import put_model, settings_file

    file = settings_file(user=user)
    put_model(file, name, entry.model_dump(exclude_defaults=True))
    return str(file)


@app.command("use", epilog=examples("novum model use mini", "novum model use mini --user"))
def use(name: NameArgument, user: UserOption = False) -> None:
    """Make a model the default."""
    from novum.cli.model.settings_file import put_default, settings_file

    get_entry(load_settings(), name)
    file = settings_file(user=user)
    put_default(file, name)
    now = load_settings().model
    if now != name:
        err().print(render.line(render.text("! ", "yellow"), f"{now!r}, set elsewhere, still wins over it"))
    err().print(render.line(f"{name} is the default in {file}"))


@app.command("remove", epilog=examples("novum model remove mini"))
def remove(name: NameArgument) -> None:
    """Forget a model: in ./novum.toml and in your own settings file.

    Its server, if it runs, goes on.
    """
    from novum.cli.model.settings_file import remove_model, settings_file

    settings = load_settings()
    files = [settings_file(user=False), user_file()]
    changed = [str(file) for file in files if remove_model(file, name)]
    if not changed:
        get_entry(settings, name)  # says what there is
        raise NotFoundError(f"the model {name!r} is in no settings file, but in NOVUM_MODELS")
    err().print(render.line(f"{name} is forgotten in {' and '.join(changed)}"))
