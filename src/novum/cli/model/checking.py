"""``novum model check``: what a server can really do, as seen, on a card that is kept."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from novum.cli import render
from novum.cli.model.group import app, get_entry
from novum.cli.options import JsonOption, examples
from novum.cli.terminal import err, show, write_json
from novum.core.model_entry import ModelEntry
from novum.core.settings import load_key, load_settings

if TYPE_CHECKING:
    from novum.agents.models.base import Card


@app.command("check", epilog=examples("novum model check", "novum model check mini --json"))
def check(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The model; without one, the default.")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, metavar="S", help="Seconds to wait for each answer.")
    ] = 60,
    json: JsonOption = False,
) -> None:
    """Try what a model's server can do, and keep what was seen.

    About ten short questions are asked: chat, streaming, thinking, JSON schema, tool calls, images,
    context, speed. Nothing of a campaign is in them. Planning adapts to the card that results.
    """
    from novum.agents.models.cards import save_card
    from novum.agents.models.check import probe
    from novum.agents.models.gateway import Gateway

    called, entry = get_entry(load_settings(), name)
    gateway = Gateway(called, entry, key=load_key(entry))
    try:
        if not json and err().is_terminal:
            with err().status(f"asking {called}"):
                card = probe(gateway, patience_s=timeout)
        else:
            card = probe(gateway, patience_s=timeout)
    finally:
        gateway.close()
    save_card(entry, card)
    if json:
        write_json(card.model_dump(mode="json"))
        return
    show(*describe(called, entry, card))


def describe(name: str, entry: ModelEntry, card: "Card") -> list[Any]:
    """Return a card: who answers, and each ability with what was seen."""
    marks = {True: Text("yes", "green"), False: Text("no", "red"), None: Text("not seen", "yellow")}
    place = f"{entry.base_url}{' (remote)' if entry.is_remote else ''}"
    tools = {
        "native": "called through the server",
        "content": "read by novum out of the text",
        "none": "none that could be read",
        "unknown": "not seen",
    }
    speed = f"{card.tokens_per_s:.3g} tokens per second" if card.tokens_per_s else None
    return [
        render.fields(
            [
                ("model", name),
                ("at", place),
                ("served as", card.served_as or entry.model),
                ("family", entry.family),
                ("engine", card.engine or None),
                ("context", f"{card.context_tokens} tokens" if card.context_tokens else None),
                ("speed", speed),
                ("thinking", card.thinking),
                ("tools", tools[card.tools]),
            ]
        ),
        render.table(
            ("ability", "", "what was seen"),
            [(found.name.replace("_", " "), marks[found.ok], found.seen) for found in card.findings],
            title="Tried",
        ),
    ]
